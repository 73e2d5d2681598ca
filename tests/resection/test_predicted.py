"""Predicted postoperative values against the guidelines' arithmetic, and the methods against one another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.anatomy import LOBE_LABELS, LOBES
from clearlung.ct import Volume
from clearlung.evidence import load_evidence
from clearlung.resection import (
    FunctionModel,
    Removal,
    by_segments,
    by_share,
    functional_ml,
    lobe_volumes,
    predict_postoperative,
    removed_segments,
    segment_counts,
)

BOOK = load_evidence()
LOBE_ML = lobe_volumes(5000.0, BOOK)


def model(measure="fev1", percent=100.0):
    return FunctionModel.from_evidence(
        BOOK, measure, percent=percent, predicted=2.8, lung_ml=5000.0, confidence=0.95
    )


def whole(*lobes):
    return np.array([ml if lobe in lobes else 0.0 for lobe, ml in zip(LOBES, LOBE_ML, strict=True)])


def test_the_lobes_have_three_two_five_five_and_four_of_nineteen_segments():
    assert segment_counts(BOOK).tolist() == [3, 2, 5, 5, 4]
    assert BOOK["segment.total"].value == 19
    for lobe, count in zip(LOBES, (3, 2, 5, 5, 4), strict=True):
        taken = removed_segments(Removal(LOBE_ML, whole(lobe)), BOOK)
        assert taken.sum() == pytest.approx(count)


def test_a_right_lower_lobe_of_two_and_a_half_liters():
    assert by_segments(2.5, removed=5, gone=0, book=BOOK) == pytest.approx(1.842, abs=0.001)


def test_by_perfusion():
    assert by_share(1.6, 0.6) == pytest.approx(0.96)


def test_earlier_resections_shrink_the_denominator():
    assert by_segments(2.5, removed=5, gone=4, book=BOOK) == pytest.approx(2.5 * (1 - 5 / 15))
    gone = np.array([3.0, 0, 0, 0, 0])
    removal = Removal(LOBE_ML * (gone == 0), whole("RLL"), gone_segments=gone)
    (predicted, *_) = predict_postoperative(model(), removal, BOOK)
    assert predicted.percent == pytest.approx(100 * (1 - 5 / 16))


@pytest.mark.parametrize(("removed", "gone"), [(-1, 0), (16, 4), (1, 19)])
def test_segments_that_are_not_there_cannot_be_removed(removed, gone):
    with pytest.raises(ValueError, match="segments cannot be removed"):
        by_segments(2.5, removed=removed, gone=gone, book=BOOK)


def test_impossible_shares_and_tables_are_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        by_share(1.6, 1.2)
    with pytest.raises(ValueError, match="removed_ml"):
        Removal(LOBE_ML, np.zeros(4))
    with pytest.raises(ValueError, match="lobe_ml"):
        Removal(-LOBE_ML, np.zeros(5))


def test_counting_segments_agrees_with_volume_on_a_virtual_cohort():
    """Lin's concordance; published 0.96 for FEV1 and 0.95 for DLCO (n = 175)."""
    rng = np.random.default_rng(0)
    shares = [BOOK[f"anatomy.lobe_share.{lobe}"] for lobe in LOBES]
    spread = [(share.high - share.value) if share.high else 2.4 for share in shares]
    pairs = []
    for _ in range(175):
        lobe_ml = 50 * np.maximum(rng.normal([s.value for s in shares], spread), 1)
        taken = np.where(np.arange(5) == rng.integers(5), lobe_ml, 0.0)
        before = rng.normal(90, 15)
        segments, volume = predict_postoperative(model(percent=before), Removal(lobe_ml, taken), BOOK)
        pairs.append((segments.percent, volume.percent))
    x, y = np.array(pairs).T
    covariance = np.cov(x, y, ddof=0)[0, 1]
    assert 2 * covariance / (x.var() + y.var() + (x.mean() - y.mean()) ** 2) >= 0.90


def test_intervals_have_the_published_error_and_say_where_it_is_assumed():
    removal = Removal(LOBE_ML, whole("RML"), LOBE_ML / 2, whole("RML") / 2)
    half = 100 * (0.071 + 1.6449 * 0.207) / 2.8
    for measure in ("fev1", "dlco"):
        found = predict_postoperative(model(measure), removal, BOOK)
        assert [p.method for p in found] == ["segments", "volume", "density"]
        for p in found:
            assert p.high_percent - p.percent == p.percent - p.low_percent == pytest.approx(half, abs=0.1)
            assert p.error_assumed == (measure == "dlco" or p.method == "segments")
    nothing = predict_postoperative(model(), Removal(LOBE_ML, np.zeros(5)), BOOK)
    assert all(p.low_percent == p.percent == p.high_percent == 100 for p in nothing)


def test_density_spares_lung_that_does_not_breathe():
    functional = LOBE_ML.copy()
    functional[0] = 0.0
    removal = Removal(LOBE_ML, whole("RUL"), functional, np.zeros(5))
    segments, volume, density = predict_postoperative(model(), removal, BOOK)
    assert density.percent == 100
    assert max(segments.percent, volume.percent) < 90


def test_functional_lung_is_counted_between_its_densities():
    lobes = np.zeros((4, 4, 5), dtype=np.uint8)
    lobes[..., 0], lobes[..., 1] = LOBE_LABELS["RUL"], LOBE_LABELS["LLL"]
    hu = np.full(lobes.shape, -800, dtype=np.int16)
    hu[0], hu[1] = -950, -200
    grid = Volume(lobes, (10.0, 10.0, 10.0), (0.0, 0.0, 0.0), np.eye(3)[::-1])
    assert functional_ml(hu, grid, BOOK).tolist() == [8, 0, 0, 0, 8]
    hu[:] = [[[-910, -500, 0, 0, 0]]]
    assert functional_ml(hu, grid, BOOK).tolist() == [16, 0, 0, 0, 16]
    with pytest.raises(ValueError, match="does not lie on"):
        functional_ml(hu[1:], grid, BOOK)


@given(
    st.lists(st.floats(0, 400), min_size=5, max_size=5), st.lists(st.floats(0, 400), min_size=5, max_size=5)
)
def test_more_removed_never_predicts_more(some, more):
    less, both = np.array(some), np.array(some) + np.array(more)
    for a, b in zip(
        predict_postoperative(model(), Removal(LOBE_ML, less), BOOK),
        predict_postoperative(model(), Removal(LOBE_ML, both), BOOK),
        strict=True,
    ):
        assert b.percent <= a.percent + 1e-9
