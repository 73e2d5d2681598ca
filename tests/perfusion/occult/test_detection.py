"""The chance that a CT shows a metastasis, and that a hand finds it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import ProtocolError
from clearlung.evidence import load_evidence
from clearlung.perfusion.occult import DETECTION_CURVES, detection_curve, felt


@pytest.mark.parametrize("name", sorted(DETECTION_CURVES))
def test_a_curve_rises_with_size_and_is_half_where_it_says(book, name):
    curve = detection_curve(name, book, slice_mm=1.5)
    chance = curve.chance(np.geomspace(0.1, 50, 60))
    assert (np.diff(chance) > 0).all()
    assert curve.chance(curve.half_mm.value) == pytest.approx(curve.most.value / 2)
    assert curve.words
    assert all(key in book for key in curve.evidence)


@pytest.mark.parametrize("name", ["reader", "detector"])
def test_thicker_slices_show_less(book, name):
    chances = [float(detection_curve(name, book, slice_mm=s).chance(3.5)) for s in (1.0, 2.5, 5.0)]
    assert chances == sorted(chances, reverse=True)


def test_the_floor_shows_less_than_readers(book):
    at = np.array([3.0, 5.0, 8.0])
    assert (detection_curve("floor", book).chance(at) < detection_curve("reader", book).chance(at)).all()


def test_the_detector_is_as_measured(book):
    """Findings of 1,530 nodules of 9 synthetic patients of 0.8 mm: 84 of 100 of 2.5 to 3 mm, 98 from 4."""
    curve = detection_curve("detector", book, slice_mm=0.8)
    assert float(curve.chance(2.75)) == pytest.approx(0.86, abs=0.05)
    assert float(curve.chance(5.0)) == pytest.approx(0.98, abs=0.02)


def test_curves_scatter_as_far_as_they_say(book):
    curve = detection_curve("reader", book)
    standard = np.random.default_rng(0).standard_normal((20_000, 3))
    chances = curve.chances(standard, np.log([curve.half_mm.low, curve.half_mm.high]))
    shown = chances / chances.max()
    assert np.mean(shown[:, 0] > 0.5) == pytest.approx(0.05, abs=0.03)
    assert np.mean(shown[:, 1] > 0.5) == pytest.approx(0.95, abs=0.03)


def test_an_unknown_curve_and_slices_without_thickness_are_refused(book):
    with pytest.raises(ProtocolError, match="detector, floor, reader"):
        detection_curve("oracle", book)
    with pytest.raises(ProtocolError, match="above 0"):
        detection_curve("reader", book, slice_mm=0.0)


def test_the_hand_finds_few_below_1_mm_half_at_2_to_3_and_nearly_all_from_5(book):
    below, half, most = (float(felt(d, book)) for d in (1.0, 2.7, 5.0))
    assert below < 0.05
    assert half == pytest.approx(0.49)
    assert most > 0.9


@given(st.floats(0.2, 30), st.floats(1.01, 3), st.floats(0, 60), st.floats(1, 60))
def test_larger_and_shallower_is_felt_more_often(diameter, factor, depth, deeper):
    book = load_evidence()
    chance = float(felt(diameter, book, depth_mm=depth))
    assert 0 <= chance <= float(felt(diameter * factor, book, depth_mm=depth)) <= 1
    assert chance >= float(felt(diameter, book, depth_mm=depth + deeper))


def test_what_has_no_size_is_not_felt_but_refused(book):
    with pytest.raises(ValueError, match="above 0"):
        felt([3.0, 0.0], book)
