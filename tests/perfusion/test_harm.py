"""Death, toxicity and lung function after a perfusion, against what was published."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.function_series import ENUCLEATION_ML, WEEKS_PER_MONTH
from scipy.stats import beta

from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    LobeVolumes,
    LungVolumes,
    RegimenChanges,
    death_risk,
    edema_risk,
    function_course,
    make_regimen,
    perfusion_harm,
    reference_lungs,
)
from clearlung.resection import FunctionModel

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)


def test_death_per_patient_is_at_most_three_in_a_hundred():
    # 1 of 74 and 0 of 107.
    found = death_risk(BOOK, per_patient=True, draws=20_000)
    assert found.interval.high <= 0.03
    assert found.interval.low < 1 / 181 < found.interval.high


def test_death_is_the_beta_posterior_of_both_series():
    found = death_risk(BOOK, draws=100_000).interval
    expected = beta.ppf([0.05, 0.5, 0.95], 1.5, 207.5)
    assert [found.low, found.median, found.high] == pytest.approx(expected, rel=0.05)


def test_heat_is_said_to_be_outside_the_deaths_counted():
    assert len(death_risk(BOOK).words) == 1
    assert "42 °C" in death_risk(BOOK, temperature_c=42).words[1]


@pytest.mark.parametrize(
    ("measure", "published"), [("fev1", {1: 21.6, 12: 10.4}), ("dlco", {1: 25.8, 12: 11.3})]
)
def test_function_one_and_twelve_months_after_three_enucleations_and_a_perfusion(measure, published):
    weeks = [month * WEEKS_PER_MONTH for month in published]
    course = function_course(measure, BOOK, weeks=weeks, removed_ml=3 * ENUCLEATION_ML)
    assert course.lost_percent[:, 1] == pytest.approx(list(published.values()), abs=4)
    assert np.all(np.diff(course.lost_percent, axis=1) > 0)
    assert np.all(course.lost_percent[:, 0] < list(published.values()))
    assert np.all(course.lost_percent[:, 2] > list(published.values()))


@pytest.mark.parametrize("measure", ["fev1", "dlco"])
def test_the_course_is_the_function_model_s(measure):
    model = FunctionModel.from_evidence(
        BOOK, measure, percent=100, predicted=None, lung_ml=5000, confidence=0.95
    )
    loss = model.loss(60, perfused=True)
    course = function_course(measure, BOOK, weeks=[0, 5, 60], removed_ml=60)
    assert course.lost_percent[:, 1] == pytest.approx(
        [100 - model.percent([(0, loss)], w) for w in (0, 5, 60)]
    )


def test_a_perfusion_takes_from_nothing_to_twice_what_was_fitted_and_less_of_some_lobes():
    whole, half = (function_course("fev1", BOOK, perfused_share=share) for share in (1, 0.5))
    fitted = BOOK.value("function.fev1.perfusion", unit="%")
    assert whole.perfusion_percent[0] == pytest.approx([0, fitted, 2 * fitted])
    assert half.perfusion_percent == pytest.approx(0.5 * whole.perfusion_percent)
    assert len(half.words) > len(whole.words)


def test_the_function_comes_back_and_never_above_what_the_perfusion_took():
    course = function_course("fev1", BOOK)
    assert np.all(np.diff(course.lost_percent[:, 1]) < 0)
    assert course.lost_percent[-1, 1] > course.perfusion_percent[-1, 1]


def test_the_harm_of_a_regimen_holds_its_parts_together():
    regimen = make_regimen("petrov-melphalan-50", BOOK)
    harm = perfusion_harm(regimen, LUNGS, BOOK)
    assert (harm.respiratory_grade3_percent, harm.respiratory_grade4_percent) == (42, 2)
    alone = edema_risk(
        drug="melphalan", dose_mg=50, temperature_c=37, perfused_ml=46.4, reference_ml=50, book=BOOK
    )
    assert harm.edema.draws == pytest.approx(alone.draws, rel=1e-2)
    assert all(key in BOOK for key in harm.evidence)


def test_a_lobe_a_scaled_dose_and_heat_go_into_the_harm():
    whole = perfusion_harm(make_regimen("petrov-melphalan-50", BOOK), LUNGS, BOOK)
    lobe = make_regimen("petrov-melphalan-50", BOOK, target="left-upper")
    full_dose = perfusion_harm(lobe, LUNGS, BOOK)
    assert full_dose.edema.interval.median > whole.edema.interval.median
    assert full_dose.fev1.perfusion_percent[0, 1] < whole.fev1.perfusion_percent[0, 1]
    halved = perfusion_harm(lobe.model_copy(update={"dose_mg": 25.0}), LUNGS, BOOK)
    assert halved.edema.interval.median < full_dose.edema.interval.median
    hot = make_regimen("petrov-melphalan-50", BOOK, changes=RegimenChanges(temperature_c=42))
    assert perfusion_harm(hot, LUNGS, BOOK).edema.interval.low > whole.edema.interval.median


def test_more_lung_at_the_same_dose_has_no_more_edema():
    regimen = make_regimen("petrov-melphalan-50", BOOK)
    larger = replace(LUNGS, lobes=tuple(replace(one, tissue_ml=1.5 * one.tissue_ml) for one in LUNGS.lobes))
    small, large = (perfusion_harm(regimen, lungs, BOOK).edema.draws for lungs in (LUNGS, larger))
    assert np.all(large <= small)


def test_blood_on_a_scan_is_no_spare_lung():
    # Twice the tissue at the same volume, as densities of a scan give: the dose per volume has not changed.
    dense = LungVolumes(
        tuple(LobeVolumes(one.lobe, one.volume_ml, 2 * one.tissue_ml) for one in LUNGS.lobes), source="scan"
    )
    regimen = make_regimen("petrov-melphalan-50", BOOK)
    ours, theirs = (perfusion_harm(regimen, lungs, BOOK).edema.draws for lungs in (LUNGS, dense))
    np.testing.assert_array_equal(ours, theirs)


def test_death_after_a_drug_of_which_none_was_counted_is_said():
    assert len(death_risk(BOOK, drug="cisplatin").words) == 1
    assert "doxorubicin" in death_risk(BOOK, drug="doxorubicin").words[1]


def test_cold_is_not_said_to_bring_more_edema():
    words = death_risk(BOOK, temperature_c=20).words[1]
    assert "20 °C" in words
    assert "more frequent" not in words
