"""Cell kill against simulated cells, its limits and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import EFFECT_DRUGS, TumorCells, chance_sterilized, sterilized, tumor_cells
from clearlung.perfusion.effect import place_factors
from clearlung.perfusion.sensitivity_prior import halving_exposure

BOOK = load_evidence()
SIZES = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0])
EXPOSURES = np.exp(np.random.default_rng(2).uniform(np.log(20), np.log(1000), 2000))


def cells(halving=100.0, density=1e6, clonogenic=0.1):
    one = np.array([1.0])
    return TumorCells(one, halving * one, density * one, clonogenic * one)


def chance(exposure, sizes=SIZES, **more):
    return chance_sterilized(np.atleast_1d(sizes), np.array([float(exposure)]), cells(**more))[0]


@pytest.mark.parametrize(("count", "share"), [(1, 0.5), (5, 0.4), (30, 0.1), (30, 1.0), (200, 0.02)])
def test_small_metastases_against_simulated_cells(count, share):
    rng = np.random.default_rng(count)
    surviving = 0.25  # two halvings
    trials = 200_000 if count < 100 else 50_000
    clonogenic = rng.binomial(count, share, size=trials)
    clonogenic = clonogenic[clonogenic > 0]
    left = rng.binomial(clonogenic, surviving)
    simulated = (left == 0).mean()
    diameter = (6 / math.pi * count / 1000) ** (1 / 3)
    found = chance(200, diameter, density=1000.0, clonogenic=share)[0]
    assert found == pytest.approx(simulated, abs=4 * 0.5 / math.sqrt(len(clonogenic)))


def test_many_cells_follow_the_poisson_law():
    surviving = 2.0**-18
    left = 1e6 * math.pi / 6 * 0.1 * surviving  # one millimeter, a tenth clonogenic
    assert chance(1800, 1.0)[0] == pytest.approx(math.exp(-left), rel=1e-3)


def test_limits():
    assert np.all(chance(0) == 0)
    assert np.all(chance(0, clonogenic=1.0) == 0)
    assert np.all(chance(1e9) == 1)
    assert np.all(chance(0, 1e-3) == 0)  # fewer than one cell counts as one


@given(
    st.floats(0, 5000),
    st.floats(1, 3),
    st.floats(0.05, 10),
    st.floats(1, 5),
    st.floats(1e-3, 1),
    st.floats(1, 1e3),
)
def test_laws(exposure, times, size, larger, clonogenic, halving):
    base = chance(exposure, size, clonogenic=clonogenic, halving=halving)[0]
    assert 0 <= base <= 1
    assert chance(exposure, size * larger, clonogenic=clonogenic, halving=halving)[0] <= base + 1e-9
    assert chance(exposure * times, size, clonogenic=clonogenic, halving=halving)[0] >= base - 1e-9
    assert chance(exposure, size, clonogenic=clonogenic, halving=halving / times)[0] >= base - 1e-9
    fewer = chance(exposure, size, clonogenic=clonogenic / times, halving=halving)[0]
    assert fewer >= base - 1e-9


def test_the_area_of_an_hour_agrees_with_that_of_continuous_exposure():
    # One hour at twice the concentration, decaying, against the whole decay at once: 89 and 95 min.
    molar = BOOK.value("chemistry.melphalan.molar_mass", unit="g/mol") / 1000
    hour = halving_exposure(np.array([1.0]), "melphalan", BOOK)[0] / molar
    continuous = BOOK.value("chemistry.culture.half_life_37c", unit="min") / math.log(2)
    assert hour == pytest.approx(89, abs=0.5)
    assert hour == pytest.approx(continuous, rel=0.1)


def test_the_prior_spans_two_decades_around_its_middle():
    prior = tumor_cells(BOOK, drug="melphalan", draws=20_000)
    low, middle, high = np.quantile(np.log10(prior.ic50_umol_per_l), [0.05, 0.5, 0.95])
    assert high - low == pytest.approx(0.9 * 2, abs=0.03)
    assert 10**middle == pytest.approx(math.sqrt(1 * 50), rel=0.05)
    assert prior.clonogenic.max() <= 1
    # Independent of each other.
    assert abs(np.corrcoef(np.log(prior.ic50_umol_per_l), np.log(prior.clonogenic))[0, 1]) < 0.03


def test_a_patient_s_answer_is_nearly_yes_or_no():
    chances = sterilized(SIZES, np.full(4000, 1000.0), BOOK, drug="melphalan", temperature_c=37)
    assert chances.shape == (4000, len(SIZES))
    one_mm = chances[:, 3]
    assert 0.1 < one_mm.mean() < 0.5
    assert ((one_mm > 0.1) & (one_mm < 0.9)).mean() < 0.2
    alike = at_spread(0, np.full(4000, 1000.0))[:, 3]
    assert ((alike > 0.1) & (alike < 0.9)).mean() < 0.1


def test_heat_changes_nothing_unless_the_protocol_says_so():
    exposure = np.full(500, 500.0)
    normal, heated = (sterilized(SIZES, exposure, BOOK, drug="melphalan", temperature_c=t) for t in (37, 42))
    assert np.array_equal(normal, heated)
    book = BOOK.overriding({"effect.heat.factor": 2})
    twice = sterilized(SIZES, exposure, book, drug="melphalan", temperature_c=42)
    assert twice == pytest.approx(sterilized(SIZES, 2 * exposure, BOOK, drug="melphalan", temperature_c=37))


@pytest.mark.parametrize("drug", EFFECT_DRUGS)
def test_drugs_share_their_prior_in_moles(drug):
    assert np.array_equal(
        tumor_cells(BOOK, drug=drug).ic50_umol_per_l, tumor_cells(BOOK, drug="melphalan").ic50_umol_per_l
    )


def test_rows_are_the_same_patients_whatever_is_set():
    fixed = BOOK.overriding({"effect.cells.density": 1e6})
    one, other = (tumor_cells(book, drug="melphalan") for book in (BOOK, fixed))
    assert np.all(other.cells_per_mm3 == 1e6)
    assert np.array_equal(one.clonogenic, other.clonogenic)


@pytest.mark.parametrize(
    ("sizes", "exposure"), [([0.0], [1.0]), ([1.0], [-1.0]), ([1.0], [np.nan]), ([np.nan], [1.0])]
)
def test_what_cannot_be_is_refused(sizes, exposure):
    with pytest.raises(PerfusionError):
        sterilized(np.array(sizes), np.array(exposure), BOOK, drug="melphalan", temperature_c=37)


def test_an_unknown_drug_is_refused():
    with pytest.raises(PerfusionError, match="gemcitabine"):
        sterilized(SIZES, np.ones(3), BOOK, drug="gemcitabine", temperature_c=37)


# --- Places of one lung ---------------------------------------------------------------------------------


def at_spread(percent, exposure=EXPOSURES, sizes=SIZES):
    book = BOOK.overriding({"effect.exposure.spread": percent})
    return sterilized(sizes, exposure, book, drug="melphalan", temperature_c=37)


def test_without_spread_all_metastases_of_a_lung_are_exposed_alike():
    drawn = tumor_cells(BOOK, drug="melphalan", draws=len(EXPOSURES))
    np.testing.assert_array_equal(at_spread(0), chance_sterilized(SIZES, EXPOSURES, drawn))


def test_uneven_exposure_is_the_mean_over_many_simulated_metastases():
    """Of one patient, whose halving exposure is known, by simulation instead of quantiles."""
    rng = np.random.default_rng(3)
    sigma = math.sqrt(math.log1p(0.4**2))
    factors = np.exp(sigma * rng.standard_normal(40_000) - sigma**2 / 2)
    drawn = tumor_cells(BOOK, drug="melphalan", draws=400)
    mean = 14.0 * drawn.halving_mg_min_per_l  # near what decides for a millimeter
    found = at_spread(40, mean, np.array([1.0]))[:, 0]
    for row in range(0, 400, 80):
        one = TumorCells(*(np.repeat(part[row], len(factors)) for part in vars(drawn).values()))
        simulated = chance_sterilized(np.array([1.0]), mean[row] * factors, one).mean()
        assert found[row] == pytest.approx(simulated, abs=0.06)


def test_uneven_exposure_takes_from_the_sure_and_gives_to_the_hopeless():
    even, uneven = at_spread(0)[:, 3], at_spread(60)[:, 3]
    assert uneven[even > 0.99].mean() < even[even > 0.99].mean()
    assert uneven[even < 0.01].mean() > even[even < 0.01].mean()
    assert uneven.mean() == pytest.approx(even.mean(), abs=0.02)


@pytest.mark.parametrize("percent", [10, 30, 100])
def test_places_have_the_mean_exposure_and_nearly_the_spread(percent):
    factors = place_factors(percent, 4000)
    assert factors.mean() == pytest.approx(1)
    assert 100 * factors.std() == pytest.approx(percent, rel=0.06)
    assert place_factors(percent).mean() == pytest.approx(1)


def test_few_places_are_enough():
    cells_of_all = tumor_cells(BOOK, drug="melphalan", draws=len(EXPOSURES))
    many = np.mean(
        [chance_sterilized(SIZES, EXPOSURES * p, cells_of_all) for p in place_factors(30, 300)], axis=0
    )
    np.testing.assert_allclose(at_spread(30).mean(axis=0), many.mean(axis=0), atol=0.003)
