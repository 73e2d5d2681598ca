"""The risk of edema against the counts that it rests on, and against what more drug and more heat must do."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from clearlung.errors import CaseError, EvidenceError, PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import EDEMA_DRUGS, edema_risk
from clearlung.perfusion.edema_model import (
    Count,
    Posterior,
    Prior,
    Series,
    counts_of,
    likelihood,
    posterior,
    prior_of,
)

BOOK = load_evidence()
WHOLE_ML = 2500.0


def risk(dose_mg, temperature_c=37.0, perfused_ml=WHOLE_ML, drug="melphalan", **more):
    return edema_risk(
        drug=drug,
        dose_mg=dose_mg,
        temperature_c=temperature_c,
        perfused_ml=perfused_ml,
        reference_ml=WHOLE_ML,
        body_surface_m2=1.9,
        book=more.pop("book", BOOK),
        **more,
    )


# --- Against what was counted ---------------------------------------------------------------------------


def test_at_37_degrees_the_median_lies_within_the_interval_of_the_count():
    # 8 of 53: 15.1 %, Wilson 8 to 27 %.
    found = risk(50).interval
    assert 0.08 <= found.median <= 0.27
    assert abs(found.median - BOOK["toxicity.edema37.rate"].value / 100) < 0.05
    assert found.low < 0.151 < found.high
    assert not risk(50).extrapolated


def test_at_42_degrees_the_risk_is_above_the_count_s_lower_bound_and_wide():
    heated, normal = risk(45, 42), risk(50)
    assert heated.interval.median >= BOOK["toxicity.edema42.rate"].low / 100
    assert heated.interval.low > normal.interval.median
    assert heated.interval.high - heated.interval.low > 0.3
    assert any("three perfusions" in words for words in heated.words)


def test_the_prior_of_heat_decides_most_at_42_degrees_and_nothing_at_37():
    narrow, usual, wide = (risk(45, 42, heat_prior_times=times).interval for times in (0.5, 1, 2))
    assert narrow.median + 0.1 < usual.median < wide.median - 0.1
    one, two = (risk(50, heat_prior_times=times).interval for times in (1, 2))
    assert one.median == pytest.approx(two.median, abs=0.02)


def test_the_weight_of_the_prior_of_heat_is_said_where_it_counts():
    assert any("twice as wide" in words for words in risk(45, 42).words)
    assert not any("twice as wide" in words for words in risk(45, 37).words)


@pytest.mark.parametrize("left_out", [1, 2, 3, 4], ids=["42 degrees", "Ratto", "Leiden", "phase I"])
def test_each_small_series_is_no_surprise_to_the_others(left_out):
    counts = counts_of(BOOK)
    others = counts[:left_out] + counts[left_out + 1 :]
    found = posterior(prior_of(BOOK), others, EDEMA_DRUGS, 4000, 1)
    (group,) = counts[left_out].groups
    chance = found.risk(group.drug, dose=group.dose, temperature_c=group.temperature_c, share=1)
    predicted = binom.pmf(np.arange(group.perfusions + 1)[:, None], group.perfusions, chance).mean(axis=1)
    edemas = counts[left_out].edemas
    assert min(predicted[edemas:].sum(), predicted[: edemas + 1].sum()) > 0.05


def test_the_limiting_dose_of_the_phase_1_rests_on_memory_and_moves_little():
    without = BOOK.overriding({"edema.phase1.limited": 0})
    assert risk(50, book=without).interval.median == pytest.approx(risk(50).interval.median, abs=0.05)


# --- Against arithmetic ---------------------------------------------------------------------------------


def fixed(middle, dose=0.0, heat=0.0):
    one = np.array([1.0])
    return Posterior(middle * one, dose * one, heat * one, 0 * one, {"a": 0 * one, "b": 0.5 * one})


def test_the_likelihood_of_a_sum_is_that_of_every_way_to_it():
    groups = (Count("a", 3, 0.8, 37), Count("b", 4, 1.2, 37), Count("a", 2, 1.0, 40))
    parameters = fixed(-1.0, dose=2.0, heat=0.3)
    chances = [
        parameters.risk(g.drug, dose=g.dose, temperature_c=g.temperature_c, share=1)[0] for g in groups
    ]
    for edemas in range(10):
        ways = sum(
            math.prod(binom.pmf(k, g.perfusions, p) for k, g, p in zip(split, groups, chances, strict=True))
            for split in np.ndindex(4, 5, 3)
            if sum(split) == edemas
        )
        assert likelihood(Series(groups, edemas), parameters)[0] == pytest.approx(ways, rel=1e-9)
    at_least = likelihood(Series(groups[:1], 2, at_least=True), parameters)[0]
    assert at_least == pytest.approx(binom.sf(1, 3, chances[0]))


def test_one_series_alone_gives_the_posterior_of_a_fine_grid():
    prior = Prior(-2.0, 1.5, 1.0, 1.0, 1.0, 0, 1)
    found = posterior(prior, (Series((Count("a", 53, 1.0, 37),), 8),), ("a", "b"), 20_000, 3)
    grid = np.linspace(-9, 5, 20_001)
    weight = np.exp(-0.5 * ((grid + 2) / 1.5) ** 2) * binom.pmf(8, 53, 1 / (1 + np.exp(-grid)))
    cumulated = np.cumsum(weight) / weight.sum()
    for quantile in (0.05, 0.5, 0.95):
        expected = grid[np.searchsorted(cumulated, quantile)]
        assert np.quantile(found.middle, quantile) == pytest.approx(expected, abs=0.03)


def test_a_flat_prior_comes_near_the_textbook_interval():
    prior = Prior(0.0, 1.8, 1.0, 1.0, 1.0, 0, 1)  # nearly uniform between 0 and 1
    found = posterior(prior, (Series((Count("a", 53, 1.0, 37),), 8),), ("a",), 20_000, 3)
    chance = found.risk("a", dose=1, temperature_c=37, share=1)
    low, high = beta.ppf([0.05, 0.95], 9, 46)
    assert np.quantile(chance, [0.05, 0.95]) == pytest.approx([low, high], abs=0.02)


def test_the_counts_are_the_evidence_s():
    petrov, heated, *_ = counts_of(BOOK)
    assert (petrov.edemas, sum(g.perfusions for g in petrov.groups)) == (8, 50)
    assert (heated.edemas, heated.groups[0].perfusions, heated.groups[0].temperature_c) == (3, 3, 42)


# --- Laws -----------------------------------------------------------------------------------------------

DOSE = st.floats(5, 120)
TEMPERATURE = st.floats(30, 43)
VOLUME = st.floats(500, 4000)


@given(DOSE, st.floats(1, 3), TEMPERATURE, st.floats(0, 5), VOLUME, st.sampled_from(EDEMA_DRUGS))
def test_more_drug_and_more_heat_never_have_less_risk(dose, times, temperature, warmer, ml, drug):
    less = risk(dose, temperature, ml, drug).draws
    assert np.all(risk(dose * times, temperature, ml, drug).draws >= less - 1e-12)
    assert np.all(risk(dose, temperature + warmer, ml, drug).draws >= less - 1e-12)


@given(DOSE, TEMPERATURE, VOLUME, st.floats(0.2, 1))
def test_the_same_dose_in_less_lung_never_has_less_risk(dose, temperature, ml, times):
    whole = risk(dose, temperature, ml).draws
    part = risk(dose, temperature, ml * times).draws
    assert np.all(part >= whole - 1e-12)
    # The same drug per volume, in less of it, is no worse.
    assert np.all(risk(dose * times, temperature, ml * times).draws <= whole + 1e-12)


def test_half_the_dose_in_half_the_lung_differs_only_by_the_volume_s_own_weight():
    ignoring = BOOK.overriding({"edema.prior.volume_power": 0})
    whole, half = (risk(50 * s, 37, WHOLE_ML * s, book=ignoring).draws for s in (1, 0.5))
    assert half == pytest.approx(whole)


# --- Words, errors, speed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"dose_mg": 50, "temperature_c": 39.5}, "between 37 and 42"),
        ({"dose_mg": 50, "temperature_c": 43}, "Nothing was counted at 43"),
        ({"dose_mg": 100}, "outside what was counted with melphalan"),
        ({"dose_mg": 25, "perfused_ml": 1250}, "50 % of what a reference lung"),
        ({"dose_mg": 76, "drug": "doxorubicin"}, "No edema after doxorubicin was counted"),
    ],
)
def test_what_was_not_counted_is_said(asked, says):
    found = risk(**asked)
    assert found.extrapolated
    assert any(says in words for words in found.words), found.words


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"dose_mg": 0}, PerfusionError),
        ({"dose_mg": float("nan")}, PerfusionError),
        ({"dose_mg": 50, "perfused_ml": -1}, PerfusionError),
        ({"dose_mg": 50, "drug": "gemcitabine"}, PerfusionError),
    ],
)
def test_what_cannot_be_is_refused(wrong, error):
    with pytest.raises(error):
        risk(**wrong)


def test_a_drug_dosed_by_body_surface_needs_one():
    with pytest.raises(CaseError, match="height_cm"):
        edema_risk(drug="cisplatin", dose_mg=250, temperature_c=37, perfused_ml=1, reference_ml=1, book=BOOK)


def test_a_prior_by_which_heat_protects_is_refused():
    with pytest.raises(EvidenceError, match="takes 1 or more"):
        risk(50, book=BOOK.overriding({"edema.prior.heat_odds": 0.5}))


def test_the_same_seed_gives_the_same_draws_and_another_one_others():
    assert np.array_equal(risk(50, seed=4).draws, risk(50, seed=4).draws)
    assert risk(50, seed=5).interval.median == pytest.approx(risk(50, seed=4).interval.median, abs=0.01)
    assert not np.array_equal(risk(50, seed=5).draws, risk(50, seed=4).draws)


def test_a_question_is_answered_at_once():
    risk(50)
    start = time.perf_counter()
    for _ in range(10):
        risk(50)
    assert (time.perf_counter() - start) / 10 < 0.02


def test_cold_is_not_credited_since_nobody_counted_it():
    cold, normal = risk(50, 5), risk(50, 37)
    np.testing.assert_array_equal(cold.draws, normal.draws)
    assert any("nothing is taken off" in words for words in cold.words)
    assert not any("prior of heat" in words for words in cold.words)


def test_longer_than_was_counted_is_said_and_moves_nothing():
    usual, long = risk(50, minutes=30), risk(50, minutes=120)
    np.testing.assert_array_equal(usual.draws, long.draws)
    assert not usual.extrapolated
    assert any("120 min" in words and "30 min" in words for words in long.words)
    assert long.extrapolated
    assert not risk(135 * 1.9, drug="cisplatin", minutes=60).extrapolated


def test_little_drug_is_said_not_to_be_without_edema():
    assert any("perfusion alone" in words for words in risk(5).words)
    assert any("perfusion alone" in words for words in risk(5, drug="doxorubicin").words)
    assert not any("perfusion alone" in words for words in risk(50).words)
