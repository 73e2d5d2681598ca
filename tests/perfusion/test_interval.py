"""An interval holds nine draws in ten, and refuses what is out of order."""

import numpy as np
import pytest

from clearlung.perfusion import Interval


def test_nine_normal_draws_in_ten_lie_within() -> None:
    draws = np.random.default_rng(1).normal(size=100_000)
    interval = Interval.of(draws)
    assert interval.low == pytest.approx(-1.645, abs=0.02)
    assert interval.high == pytest.approx(1.645, abs=0.02)


def test_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="not in order"):
        Interval(low=2, median=1, high=3)
