"""What a stress test varies is this patient's where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.staging import StressOptions, Unseen
from tests.staging.problems import problem, protocol


def test_the_chance_of_edema_is_that_of_the_regimen_in_these_lungs():
    limits = protocol("high-volume")
    given = replace(problem([("RLL", 2.0, 8.0)], limits, perfused=True), unseen=Unseen())
    spread = StressOptions().draws(given).spreads["edema"]
    risk = given.benefit
    chances = np.concatenate([100 * lung.edema for lung in risk.lungs.values()])
    assert (spread.low, spread.value, spread.high) == pytest.approx(np.quantile(chances, [0.05, 0.5, 0.95]))
    # Nothing is known of the lungs: the published rate.
    assert StressOptions().draws(replace(given, unseen=None)).spreads["edema"].evidence == (
        "toxicity.edema37.rate",
    )
