"""How much the dose explains in a virtual cohort; its spreads are set to the published numbers (T45, T46)."""

import numpy as np
import pytest
from scipy.stats import linregress

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import PatientFactors, make_regimen, reference_lungs
from clearlung.perfusion.cohort import explained_by_dose, phase1_doses, share_within, simulate_cohort

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
REGIMEN = make_regimen("antwerp-melphalan-45", BOOK)
DOSES = phase1_doses(BOOK)


@pytest.fixture(scope="module")
def cohort():
    return simulate_cohort(2100, DOSES, REGIMEN, LUNGS, BOOK, seed=1)


def test_the_dose_explains_of_perfusate_and_lung_what_was_published(cohort):
    area = explained_by_dose(cohort.doses_mg, cohort.measured_auc_mg_min_per_l).r2
    assert area == pytest.approx(BOOK["pharmacology.human.perfusate_r2"].value, abs=0.06)
    lung = explained_by_dose(cohort.doses_mg, cohort.lung_biopsies_mg_per_l[:, 0]).r2
    assert 0.3 < lung < 0.6
    assert lung == pytest.approx(BOOK["pharmacology.human.lung_r2"].value, abs=0.06)


def test_the_dose_does_not_show_in_the_tumor_in_most_trials_of_phase_one_size(cohort):
    size = round(BOOK["kinetics.phase1.perfusions"].value)
    tumor = cohort.tumor_biopsies_mg_per_l[:, 0].reshape(-1, size)
    doses = cohort.doses_mg.reshape(-1, size)
    hidden = np.mean([explained_by_dose(d, t).p > 0.05 for d, t in zip(doses, tumor, strict=True)])
    assert hidden > 0.5
    # With thousands of patients it would: the tumor is not assumed to ignore the dose.
    assert explained_by_dose(cohort.doses_mg, cohort.tumor_biopsies_mg_per_l[:, 0]).p < 0.001


def test_the_dose_explains_more_of_what_is_than_of_what_is_measured(cohort):
    for truth, found in (
        (cohort.perfusate_auc_mg_min_per_l, cohort.measured_auc_mg_min_per_l),
        (cohort.lung_mg_per_l, cohort.lung_biopsies_mg_per_l[:, 0]),
    ):
        real, measured = (explained_by_dose(cohort.doses_mg, level).r2 for level in (truth, found))
        assert real > measured


def test_the_spread_of_lung_exposure_is_that_of_the_cohort(cohort):
    per_mg = cohort.lung_mg_per_l / cohort.doses_mg
    spread = 100 * per_mg.std() / per_mg.mean()
    assert spread == pytest.approx(BOOK["kinetics.spread.lung"].value, abs=3)


def test_biopsies_tell_what_differs_within_patients(cohort):
    in_lung = share_within(cohort.doses_mg, cohort.lung_biopsies_mg_per_l)
    assert in_lung == pytest.approx(0.46, abs=0.06)
    assert share_within(cohort.doses_mg, cohort.tumor_biopsies_mg_per_l) < in_lung / 3


def test_leaks_stay_within_what_was_seen_and_nothing_is_lost(cohort):
    assert cohort.mass_balance_error < 1e-10
    ratio = cohort.systemic_peak_mg_per_l / (cohort.perfusate_auc_mg_min_per_l / REGIMEN.minutes)
    assert np.quantile(ratio, 0.99) < 0.15
    assert 0 < cohort.leak_fraction.min() < cohort.leak_fraction.max() < 1


def test_the_line_agrees_with_scipys():
    rng = np.random.default_rng(2)
    doses = np.resize(DOSES, 21)
    for slope in (0.0, 0.01, 0.1):
        levels = slope * doses + rng.normal(size=21)
        found, line = explained_by_dose(doses, levels), linregress(doses, levels)
        assert (found.r2, found.p) == pytest.approx((line.rvalue**2, line.pvalue))


def test_patients_who_do_not_differ_are_explained_by_the_dose_alone():
    even = {key: 0.0 for key in BOOK if key.startswith("kinetics.spread.")}
    same = simulate_cohort(8, DOSES, REGIMEN, LUNGS, BOOK.overriding(even))
    assert explained_by_dose(same.doses_mg, same.lung_biopsies_mg_per_l[:, 0]).r2 == pytest.approx(1)
    assert share_within(same.doses_mg, same.lung_biopsies_mg_per_l * [1.0, 1.1]) == pytest.approx(1)


def test_a_seed_gives_the_same_patients_on_any_number_of_threads():
    one, two, other = (
        simulate_cohort(6, DOSES, REGIMEN, LUNGS, BOOK, seed=seed, threads=threads)
        for seed, threads in ((5, 1), (5, 2), (6, 2))
    )
    assert (one.lung_biopsies_mg_per_l == two.lung_biopsies_mg_per_l).all()
    assert (one.lung_mg_per_l != other.lung_mg_per_l).all()
    assert one.doses_mg.tolist() == [15, 30, 45, 60, 15, 30]


@pytest.mark.parametrize(("n", "doses"), [(0, (45.0,)), (3, ()), (3, (45.0, 0.0))])
def test_a_cohort_needs_patients_and_doses(n, doses):
    with pytest.raises(PerfusionError, match="at least one of each"):
        simulate_cohort(n, doses, REGIMEN, LUNGS, BOOK)


def test_one_biopsy_tells_nothing_of_what_differs_within():
    with pytest.raises(PerfusionError, match="take 2 or more"):
        share_within(np.ones(3), np.ones((3, 1)))


def test_a_typical_patient_has_factors_of_one():
    assert set(vars(PatientFactors()).values()) == {1.0}
