"""The fitted detection curve is the one that made the findings."""

import numpy as np
import pytest
from benchmarks.bench_detection import fit_curve
from scipy.special import expit


def test_a_known_curve_is_found_again():
    rng = np.random.default_rng(1)
    diameter = 4.5 * np.exp(0.6 * rng.standard_normal(5000))
    chance = 0.97 * expit((np.log(diameter) - np.log(2.4)) / 0.18)
    half, width, most = fit_curve(diameter, rng.random(5000) < chance)
    assert half == pytest.approx(2.4, rel=0.05)
    assert width == pytest.approx(0.18, rel=0.25)
    assert most == pytest.approx(0.97, abs=0.01)
