import numpy as np
import pytest
from scipy.special import expit
from training.calibrate import (
    Findings,
    calibrate,
    calibration_error,
    operating_points,
    probabilities,
)


def findings(rng, count=20_000, slope=0.6, intercept=-0.4):
    logit = rng.normal(0, 3, count)
    true = rng.random(count) < expit(intercept + slope * logit)
    size, slices = np.exp(rng.normal(1.6, 0.5, count)), rng.choice([0.8, 2.5], count)
    return Findings(logit, size, slices, true, true, scans=100, nodules=int(true.sum()))


def test_a_known_relation_is_found_again():
    found = findings(np.random.default_rng(1))
    fitted = calibrate(found)
    assert fitted.logit == pytest.approx(0.6, abs=0.03)
    assert fitted.intercept == pytest.approx(-0.4, abs=0.2)
    assert abs(fitted.log_slice) < 0.08
    assert abs(fitted.log_size) < 0.12
    assert calibration_error(probabilities(fitted, found), found.true) < 0.01


def test_calibration_error_is_zero_for_the_truth_and_large_for_lies():
    rng = np.random.default_rng(2)
    chance = rng.random(50_000)
    true = rng.random(50_000) < chance
    assert calibration_error(chance, true) < 0.01
    assert calibration_error(1 - chance, true) == pytest.approx(0.5, abs=0.02)


def test_operating_points_leave_as_many_false_findings_as_they_say():
    found = findings(np.random.default_rng(3))
    chance = probabilities(calibrate(found), found)
    for point in operating_points(chance, found):
        false = (~found.true & (chance >= point.probability)).sum() / found.scans
        assert false <= point.false_per_scan + 1e-9
        assert false >= point.false_per_scan - 0.03
