"""The FROC against values counted by hand, and the laws that it must keep."""

import numpy as np
import pytest
from benchmarks.froc import (
    RATES,
    ScanResult,
    froc,
    global_threshold,
    judge,
    sensitivities,
    threshold_at,
)
from hypothesis import given
from hypothesis import strategies as st


def scan(found, false):
    return ScanResult(np.array(found, float), np.array(false, float), np.zeros(0))


def test_a_froc_counted_by_hand():
    # Two scans. False ones by rank: 0.9, 0.6, 0.5, 0.2. Known ones: 0.95, 0.7, 0.55, 0.3 and one not found.
    scans = [scan([0.95, 0.3], [0.9, 0.5]), scan([0.7, 0.55, -1.0], [0.6, 0.2])]
    # At 1/8 and 1/4 per scan no false one is allowed, at 1/2 one, at 1 two, at 2 and more all four.
    assert sensitivities(scans) == pytest.approx([0.2, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8])
    assert froc(scans, samples=10).score == pytest.approx(np.mean([0.2, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8]))


def test_a_known_nodule_as_probable_as_the_first_false_one_too_many_is_not_found():
    assert sensitivities([scan([0.5], [0.5])], rates=(0.125, 1.0)).tolist() == [0.0, 1.0]


def test_the_threshold_leaves_as_many_as_allowed():
    false = np.array([0.9, 0.6, 0.6, 0.2])
    assert [int((false >= threshold_at(false, n)).sum()) for n in range(6)] == [0, 1, 1, 3, 4, 4]
    assert global_threshold([scan([1.0], false)], 4.0) == 0.0


def test_findings_hit_are_ignored_apart_or_false():
    known = np.array([[0.0, 0, 0], [40.0, 0, 0]])
    found = np.array([[4.0, 0, 0], [1.0, 0, 0], [41.0, 0, 0], [80.0, 0, 0], [100.0, 0, 0], [120.0, 2, 0]])
    probability = np.array([0.9, 0.4, 0.8, 0.7, 0.6, 0.5])
    result = judge(
        known,
        np.array([10.0, 4.0]),
        np.array([True, False]),
        found,
        probability,
        ignored_mm=np.array([[80.0, 0, 0]]),
        ignored_diameter_mm=np.array([6.0]),
        apart_mm=np.array([[120.0, 0, 0]]),
    )
    assert result.found.tolist() == [0.9]
    assert result.false.tolist() == [0.6]
    assert result.apart.tolist() == [0.5]


def test_no_findings_and_no_nodules():
    empty = judge(np.zeros((0, 3)), np.zeros(0), np.zeros(0, bool), np.ones((1, 3)), np.array([0.3]))
    assert empty.false.tolist() == [0.3]
    assert np.isnan(sensitivities([empty])).all()
    missed = judge(np.zeros((1, 3)), np.ones(1), np.ones(1, bool), np.zeros((0, 3)), np.zeros(0))
    assert sensitivities([missed]).tolist() == [0.0] * len(RATES)


probabilities = st.lists(st.floats(0.0, 1.0), max_size=8)


@given(st.lists(st.tuples(probabilities, probabilities), min_size=1, max_size=5), st.randoms())
def test_order_does_not_matter_and_more_false_ones_find_no_fewer(parts, random):
    scans = [scan(found, false) for found, false in parts]
    curve = sensitivities(scans)
    shuffled = [scan(random.sample(f, len(f)), random.sample(n, len(n))) for f, n in parts]
    random.shuffle(shuffled)
    assert np.array_equal(curve, sensitivities(shuffled), equal_nan=True)
    if np.isfinite(curve).all():
        assert (np.diff(curve) >= 0).all()
        # Only the ranks of the probabilities matter.
        squared = [scan([p**2 * 0.5 for p in f], [p**2 * 0.5 for p in n]) for f, n in parts]
        distinct = {p for f, n in parts for p in (*f, *n)}
        if len({p**2 * 0.5 for p in distinct}) == len(distinct):
            assert np.array_equal(curve, sensitivities(squared))


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)

    def cohort(n):
        return [scan(rng.normal(1.0, 1.0, 20), rng.normal(-1.0, 1.0, 10)) for _ in range(n)]

    truth = sensitivities(cohort(4000))[3]
    inside = 0
    for seed in range(40):
        curve = froc(cohort(15), samples=200, seed=seed)
        assert curve.score_low <= curve.score <= curve.score_high
        inside += curve.low[3] <= truth <= curve.high[3]
    assert inside >= 33


def test_one_scan_has_no_interval():
    assert np.isnan(froc([scan([0.5], [0.4])]).score_low)
