"""What is assumed predicts thoracotomies like those that were published."""

import pytest
from benchmarks.occult_published import SLICES_MM, Predicted, predict


@pytest.fixture(scope="module")
def readers(book) -> list[Predicted]:
    return [predict("reader", slice_mm, book, draws=8000) for slice_mm in SLICES_MM]


def test_about_a_third_of_thoracotomies_find_more_than_ct_shows(readers):
    """34.8 % (Heaton) and 37.5 % (Gao) of osteosarcoma's; slices of those years, thin and thick alike."""
    assert 0.28 <= sum(one.more for one in readers) / len(readers) <= 0.45


def test_found_for_each_on_ct_lies_within_the_published_series(readers):
    """1.06 (Rizzoli) to 3 (Gao)."""
    for one in readers:
        assert 1.06 <= one.ratio <= 3
        assert one.patients_ratio[0] < 1.06


def test_what_ct_shows_of_what_is_felt_lies_between_the_published_bounds(readers, book):
    """34 % at worst (Kang), and 83.7 or 88.8 % with slices of 5 or 3 mm; both are possible patients."""
    floor = book["detection.kang.osteosarcoma_sensitivity"].value / 100
    best = book["detection.slices.three_mm"].value / 100
    for one in readers:
        low, median, high = one.sensitivity.tolist()
        assert floor < median < best
        assert low < 0.45
        assert high > best


def test_the_floor_is_kangs(book):
    low, median, high = predict("floor", 1.0, book, draws=8000).sensitivity.tolist()
    assert low < 0.34 < high
    assert median == pytest.approx(0.34, abs=0.1)


def test_thicker_slices_miss_more(readers):
    more = [one.more for one in readers]
    assert more == sorted(more)
