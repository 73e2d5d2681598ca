"""The courses of FEV1 and DLCO against the published ones, and the laws of the model."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.bench_function import constants_of, fit
from benchmarks.function_series import (
    ENUCLEATION_ML,
    READINGS,
    WEDGE_ML,
    WEEKS_PER_MONTH,
    Cut,
    model_of,
)
from hypothesis import given
from hypothesis import strategies as st

from clearlung.evidence import load_evidence
from clearlung.resection import MEASURES, FunctionModel, LungFunction, Recovery, published_right_share

FEV1, DLCO = model_of("fev1"), model_of("dlco")

# Points of percent that each series' readings are held to.
TOLERANCE = {
    ("perfusion, phase II", "fev1"): 4,  # three enucleations and a perfusion
    ("perfusion, phase II", "dlco"): 4,
    ("laser, Baum", "fev1"): 3,  # three enucleations, the series' median
    ("wedge, Mori", "fev1"): 2,  # one stapled wedge
    ("enucleation, Hoetzenecker", "fev1"): 3,  # one
    ("wedge, Hoetzenecker", "fev1"): 3,  # one stapled wedge
    ("lobectomy, Hoetzenecker", "fev1"): 3,  # the mean lobe
    ("both sides, Welter 2016", "fev1"): 4,  # 4.4 stapled wedges a side, 4.5 weeks apart
    ("second side, Welter 2016", "fev1"): 8,
    ("pneumonectomy, Brunelli", "fev1"): 4,  # the mean lung
    ("pneumonectomy, Win", "fev1"): 5,
    ("lobectomy, Brunelli", "fev1"): 3,
    ("lobectomy, Brunelli", "dlco"): 3,
    ("pneumonectomy, Brunelli", "dlco"): 4,
}
HELD = [r for r in READINGS if (r.name, r.measure) in TOLERANCE]


def reading(name, months, measure="fev1"):
    (found,) = [r for r in READINGS if (r.name, r.measure, r.months) == (name, measure, months)]
    return found


@pytest.mark.parametrize("held", HELD, ids=lambda r: f"{r.name} {r.measure} {r.months:g} months")
def test_a_published_course_is_met(held):
    model = FEV1 if held.measure == "fev1" else DLCO
    assert held.predicted(model) == pytest.approx(held.published(), abs=TOLERANCE[held.name, held.measure])


def test_the_published_courses_are_the_ones_that_are_printed():
    """The numbers themselves, once, in the order of the papers."""
    printed = {
        ("perfusion, phase II", "fev1"): [-21.6, -10.4],
        ("perfusion, phase II", "dlco"): [-25.8, -11.3],
        ("laser, Baum", "fev1"): [-27.6, -8.2, -5.1, -2.0],
        ("wedge, Mori", "fev1"): [-5.7, -3.0, -2.6],
        ("both sides, Welter 2016", "fev1"): [-16.3],
        ("second side, Welter 2016", "fev1"): [-40],
    }
    for (name, measure), values in printed.items():
        assert [r.published() for r in READINGS if (r.name, r.measure) == (name, measure)] == values


def test_enucleation_costs_less_than_a_wedge_and_a_wedge_less_than_a_lobe():
    kinds = ("enucleation", "wedge", "lobectomy")
    published = [reading(f"{kind}, Hoetzenecker", 3).published() for kind in kinds]
    predicted = [reading(f"{kind}, Hoetzenecker", 3).predicted(FEV1) for kind in kinds]
    assert published == [-3.4, -7.6, -14.2]
    assert predicted == sorted(predicted, reverse=True)
    assert len(set(predicted)) == 3


@pytest.mark.parametrize("measure", MEASURES)
def test_the_constants_in_the_evidence_are_the_fitted_ones(measure):
    assert constants_of(model_of(measure)) == pytest.approx(fit(measure), rel=0.03)


def test_the_sizes_that_stand_for_the_series():
    assert pytest.approx(4.19, abs=0.01) == ENUCLEATION_ML  # a ball of 20 mm
    assert pytest.approx(34.8, abs=0.05) == WEDGE_ML
    assert all(r.cuts and all(isinstance(c, Cut) for c in r.cuts) for r in READINGS)


def test_the_fall_of_dlco_goes_with_the_number_of_metastases():
    """Hassan: r = 0.45 at three months, in patients with 1 to 13 who vary for other reasons as well."""
    counts = np.array([1, 2, 4, 8, 13])
    falls = [
        DLCO.baseline_percent
        - DLCO.percent([(0.0, DLCO.loss(n * ENUCLEATION_ML, perfused=False))], 3 * WEEKS_PER_MONTH)
        for n in counts
    ]
    assert (np.diff(falls) > 0).all()


def test_the_second_side_starts_on_a_baseline_that_has_not_recovered():
    loss = FEV1.loss(removed_ml=20.0, perfused=False)
    nadir = FEV1.percent([(0.0, loss), (6.0, loss)], 6.0)
    alone = FEV1.percent([(0.0, loss)], 0.0)
    assert 100 - nadir == pytest.approx(100 - alone + 100 - FEV1.percent([(0.0, loss)], 6.0))
    assert 100 - nadir == pytest.approx(40, abs=8)


def test_after_full_recovery_only_the_removed_share_and_the_perfusion_are_gone():
    loss = FEV1.loss(removed_ml=500.0, perfused=False)
    assert FEV1.percent([(0.0, loss)], 10_000) == pytest.approx(90)
    assert FEV1.final_percent([loss]) == pytest.approx(90)
    perfused = FEV1.loss(removed_ml=0.0, perfused=True)
    assert FEV1.final_percent([perfused]) == pytest.approx(100 * (1 - FEV1.perfusion_permanent))


def test_a_lobe_counts_less_than_as_much_tissue_around_beds():
    around = FEV1.loss(1000.0, perfused=False)
    lobe = FEV1.loss(1000.0, perfused=False, anatomical_ml=1000.0)
    assert lobe.permanent == pytest.approx(FEV1.anatomical_factor * around.permanent)
    assert lobe.early == FEV1.early_access
    both = FEV1.loss(1200.0, perfused=False, anatomical_ml=1000.0)
    assert both.permanent == pytest.approx(lobe.permanent + FEV1.loss(200.0, perfused=False).permanent)


@pytest.mark.parametrize(("removed", "anatomical"), [(10.0, 11.0), (10.0, -1.0)])
def test_impossible_tissue_is_refused(removed, anatomical):
    with pytest.raises(ValueError, match="anatomically"):
        FEV1.loss(removed, perfused=False, anatomical_ml=anatomical)


def test_margin_is_bias_plus_the_confident_multiple_of_the_spread():
    assert FEV1.margin_percent == pytest.approx(100 * (0.071 + 1.6449 * 0.207) / 2.8, abs=1e-3)
    # DLCO has no published error: the same in points of percent predicted.
    assert DLCO.margin_percent == pytest.approx(FEV1.margin_percent, abs=0.1)


def test_what_has_not_recovered_of_an_earlier_operation_comes_back():
    later = replace(FEV1, unrecovered=(0.05, 0.04))
    assert later.percent([], 0.0) == FEV1.percent([], 0.0) == 100
    assert later.percent([], 10_000) == pytest.approx(109)
    assert later.final_percent([]) == pytest.approx(109)


def test_the_two_phases_add_up():
    recovery = Recovery(0.7, 2.0, 40.0)
    assert recovery.left(0.0) == pytest.approx(1)
    assert recovery.left(2.0) == pytest.approx(0.7 * np.exp(-1) + 0.3 * np.exp(-0.05))
    assert recovery.left(np.inf) == 0


def lungs():
    return LungFunction(FEV1, DLCO, published_right_share(load_evidence()), "published")


def test_each_lungs_part():
    both = lungs()
    assert both.lung_percent("fev1", "right", [], 0.0) == pytest.approx(53.6)
    assert both.lung_percent("dlco", "left", [], 0.0) == pytest.approx(46.4)
    loss = FEV1.loss(2000.0, perfused=True)
    operations = [("right", 0.0, loss)]
    assert both.lung_percent("fev1", "left", operations, 0.0) == pytest.approx(46.4)
    assert both.lung_percent("fev1", "right", operations, 0.0) == 0.0
    assert both.model("dlco") is DLCO


@given(
    st.lists(st.tuples(st.sampled_from(["right", "left"]), st.floats(0, 50), st.floats(0, 100)), max_size=4)
)
def test_the_lungs_parts_add_up_to_the_whole(operations):
    both = lungs()
    small = replace(FEV1, early_access=0.05)
    both = replace(both, fev1=small)
    done = [(side, week, small.loss(ml, perfused=False)) for side, week, ml in operations]
    parts = sum(both.lung_percent("fev1", side, done, 60.0) for side in ("right", "left"))
    assert parts == pytest.approx(small.percent([(week, loss) for _, week, loss in done], 60.0))


@given(
    removed=st.floats(0, 1000),
    more=st.floats(0, 1000),
    week=st.floats(0, 200),
    later=st.floats(0, 200),
    measure=st.sampled_from(MEASURES),
)
def test_more_tissue_never_leaves_more_function_and_waiting_never_less(removed, more, week, later, measure):
    model = FEV1 if measure == "fev1" else DLCO
    less_loss = model.loss(removed_ml=removed, perfused=False)
    more_loss = model.loss(removed_ml=removed + more, perfused=False)
    assert model.percent([(0.0, more_loss)], week) <= model.percent([(0.0, less_loss)], week) + 1e-9
    assert model.percent([(0.0, less_loss)], week + later) >= model.percent([(0.0, less_loss)], week) - 1e-9


@pytest.mark.parametrize("measure", MEASURES)
def test_every_constant_is_cited(measure):
    book = load_evidence()
    model = FunctionModel.from_evidence(
        book, measure, percent=90.0, predicted=None, lung_ml=5000.0, confidence=0.9
    )
    assert all(key in book for key in model.evidence)
    assert f"function.{measure}.access" in model.evidence
