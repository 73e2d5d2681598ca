"""Exposure as draws: wide, in proportion to the dose, and the same patient in every row."""

import numpy as np
import pytest

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    Interval,
    lung_exposure,
    make_regimen,
    perfuse,
    reference_lungs,
    tumor_exposure,
)
from clearlung.perfusion.tumor import OVER_LUNG, log_normal, ratio_at

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
REGIMEN = make_regimen("antwerp-melphalan-45", BOOK)
COURSE = perfuse(REGIMEN, LUNGS, BOOK)


def tumor(course=COURSE, **more):
    return tumor_exposure(course, LUNGS, BOOK, **more)


def test_the_interval_is_more_than_an_order_of_size_wide():
    interval = Interval.of(tumor())
    assert interval.high / interval.low > 20
    assert interval.median < COURSE.free_in_lung_auc_mg_min_per_l
    shown = COURSE.tumor_auc_mg_min_per_l
    assert (shown.low, shown.median, shown.high) == pytest.approx(
        (interval.low, interval.median, interval.high)
    )


def test_every_order_of_size_is_as_likely():
    entry = BOOK[OVER_LUNG]
    ratios = ratio_at(BOOK, np.linspace(0, 1, 1001))
    assert (ratios[0], ratios[-1]) == pytest.approx((entry.low, entry.high))
    assert np.median(ratios) == pytest.approx(entry.value, rel=0.02)
    assert np.diff(np.log(ratios)).std() < 1e-12


def test_draws_are_reproducible_and_belong_to_their_seed():
    assert (tumor(seed=3) == tumor(seed=3)).all()
    assert (tumor(seed=3) != tumor(seed=4)).all()
    assert tumor(draws=17).shape == (17,)


def test_half_the_dose_halves_every_draw():
    half = tumor(perfuse(REGIMEN.model_copy(update={"dose_mg": 22.5}), LUNGS, BOOK))
    assert 2 * half == pytest.approx(tumor(), rel=1e-9)


def test_a_regimen_will_do_in_place_of_its_course():
    assert tumor(REGIMEN) == pytest.approx(tumor())


def test_size_takes_off_little_next_to_the_spread():
    small, middle, large = (tumor(diameter_mm=d) for d in (0.2, 3.0, 20.0))
    assert (small > middle).all()
    assert (middle > large).all()
    assert large == pytest.approx(COURSE.nodule_share[-1] * tumor())
    interval = Interval.of(tumor())
    assert (small / large).max() < (interval.high / interval.low) / 10


def test_sizes_beyond_the_courses_are_those_of_the_last():
    assert tumor(diameter_mm=0.01) == pytest.approx(tumor(diameter_mm=0.2))
    assert tumor(diameter_mm=90.0) == pytest.approx(tumor(diameter_mm=20.0))


@pytest.mark.parametrize(
    ("sizes", "diameter", "says"), [((1.0,), 0.0, "no size"), ((), 1.0, "no metastasis")]
)
def test_a_size_that_nothing_is_known_of_is_refused(sizes, diameter, says):
    course = perfuse(REGIMEN, LUNGS, BOOK, nodule_diameters_mm=sizes)
    with pytest.raises(PerfusionError, match=says):
        tumor(course, diameter_mm=diameter)


def test_lung_and_tumor_rows_are_the_same_patients():
    lung, small = lung_exposure(COURSE, BOOK, draws=4000), tumor(draws=4000)
    assert lung.mean() == pytest.approx(COURSE.auc_mg_min_per_l.lung, rel=0.03)
    assert 0.1 < np.corrcoef(np.log(lung), np.log(small))[0, 1] < 0.6
    spread = BOOK["kinetics.spread.lung"].value
    assert 100 * lung.std() / lung.mean() == pytest.approx(spread, rel=0.1)


def test_a_ratio_that_is_set_has_no_range_left():
    book = BOOK.overriding({OVER_LUNG: 0.5, "kinetics.spread.lung": 0})
    course = perfuse(REGIMEN, LUNGS, book)
    assert tumor_exposure(course, LUNGS, book) == pytest.approx(0.5 * course.free_in_lung_auc_mg_min_per_l)


def test_factors_have_mean_one():
    factors = log_normal(40, np.random.default_rng(1).standard_normal(200_000))
    assert factors.mean() == pytest.approx(1, abs=0.005)
    assert factors.std() == pytest.approx(0.4, abs=0.01)
