"""Cell kill against simulated cells, its limits and laws."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import EFFECT_DRUGS, TumorCells, chance_sterilized, sterilized, tumor_cells
from clearlung.perfusion.sensitivity_prior import halving_exposure

BOOK = load_evidence()
SIZES = np.array([0.1, 0.2, 0.5, 1.0, 2.0, 5.0])


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
    assert ((one_mm > 0.1) & (one_mm < 0.9)).mean() < 0.1


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
