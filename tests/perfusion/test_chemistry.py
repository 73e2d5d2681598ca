"""Hydrolysis against the published times; T04 to T07."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion.chemistry import hydrolysis
from clearlung.perfusion.registry import MEDIUM_WORDS

BOOK = load_evidence()


def melphalan(medium):
    return hydrolysis("melphalan", medium, BOOK)


@pytest.mark.parametrize(("medium", "hours"), [("saline", 3.95), ("ringer", 2.63), ("glucose", 1.97)])
def test_half_lives_at_37_degrees(medium, hours):
    assert melphalan(medium).half_life_min(37) / 60 == pytest.approx(hours, rel=0.02)


@pytest.mark.parametrize(
    ("medium", "percent"), [("saline", 8.4), ("ringer", 12.3), ("glucose", 16.1), ("culture", 27.0)]
)
def test_lost_in_half_an_hour_at_37_degrees(medium, percent):
    assert 100 * melphalan(medium).lost(30, 37) == pytest.approx(percent, abs=0.3)


@pytest.mark.parametrize(("medium", "ratio"), [("plasma", 1.45), ("saline", 1.73)])
def test_heat_speeds_it_up(medium, ratio):
    found = melphalan(medium)
    assert found.rate_per_min(42) / found.rate_per_min(37) == pytest.approx(ratio, rel=0.01)


def test_saline_at_25_degrees_follows_from_20_and_37():
    hours = math.log(1 / 0.9) / melphalan("saline").rate_per_min(25) / 60
    assert hours == pytest.approx(2.43, abs=0.01)
    assert hours == pytest.approx(BOOK["chemistry.saline.t10_25c"].value, rel=0.05)


@pytest.mark.parametrize("medium", ["saline", "ringer", "glucose"])
def test_both_times_that_fix_a_medium_come_back(medium):
    for celsius in (20, 37):
        hours = math.log(1 / 0.9) / melphalan(medium).rate_per_min(celsius) / 60
        assert hours == pytest.approx(BOOK[f"chemistry.{medium}.t10_{celsius}c"].value, rel=1e-12)


def test_what_contradicts_itself_says_so():
    assert "0.9 h" in melphalan("glucose").doubt
    assert "0.6 h" in melphalan("glucose").doubt
    assert "chemistry.glucose.t10_25c" in melphalan("glucose").evidence
    assert "5 % lost per day" in melphalan("plasma").doubt
    assert melphalan("saline").doubt == melphalan("ringer").doubt == ""


def test_plasma_loses_a_twentieth_in_a_day():
    assert melphalan("plasma").lost(24 * 60, 37) == pytest.approx(0.05)


@given(st.floats(20, 43), st.floats(0.1, 5), st.floats(1, 600), st.sampled_from(sorted(MEDIUM_WORDS)))
def test_warmer_and_longer_lose_more(celsius, warmer, minutes, medium):
    found = melphalan(medium)
    assert 0 < found.lost(minutes, celsius) < found.lost(minutes, celsius + warmer) < 1
    assert found.lost(minutes, celsius) < found.lost(2 * minutes, celsius)


@pytest.mark.parametrize("drug", ["cisplatin", "doxorubicin"])
def test_other_drugs_lose_nothing_unless_it_is_assumed(drug):
    found = hydrolysis(drug, "saline", BOOK)
    assert found.lost(600, 42) == 0
    assert found.half_life_min(37) == math.inf
    assert "not published" in found.doubt
    set_by_hand = hydrolysis(drug, "saline", BOOK.overriding({f"kinetics.{drug}.loss": 1}))
    assert set_by_hand.rate_per_min(37) == set_by_hand.rate_per_min(42) == pytest.approx(0.01)


def test_an_unknown_medium_is_refused():
    with pytest.raises(PerfusionError, match="'milk' is not one of saline"):
        hydrolysis("melphalan", "milk", BOOK)
