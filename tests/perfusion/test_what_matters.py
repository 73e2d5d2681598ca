"""What one perfusion rests on most, and what published recurrence says about it."""

import math

import numpy as np
import pytest

from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    effect_words,
    held_against_outcomes,
    make_regimen,
    reference_lungs,
    sterilized,
    tumor_exposure,
    what_matters,
)

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
PETROV = make_regimen("petrov-melphalan-50", BOOK)
FOUND = what_matters(PETROV, LUNGS, BOOK)


def swing(found, evidence):
    (one,) = [s for s in found.sensitivities if s.evidence == evidence]
    return one


def test_sensitivity_and_uptake_matter_more_than_plumbing():
    first, second, *rest = FOUND.sensitivities
    assert {first.evidence, second.evidence} == {"effect.ic50.center", "kinetics.tumor.over_lung"}
    assert all(one.swing <= second.swing for one in rest)
    assert [s.name for s in FOUND.shares[:2]] == ["Sensitivity of the cells", "Exposure of the tumor"]
    signs = {s.name: math.copysign(1, s.rank_correlation) for s in FOUND.shares}
    assert signs["Exposure of the tumor"] == 1
    assert signs["Sensitivity of the cells"] == signs["Share of clonogenic cells"] == -1


def test_what_is_expected_is_the_mean_of_the_draws():
    exposure = tumor_exposure(PETROV, LUNGS, BOOK, diameter_mm=1.0)
    chance = sterilized(np.array([1.0]), exposure, BOOK, drug="melphalan", temperature_c=37)
    assert pytest.approx(chance.mean()) == FOUND.expected
    # What the words of clearlung.perfusion.effect say.
    assert 0.02 < (chance > 0.9).mean() < 0.05
    assert (chance < 0.1).mean() > 0.85


def test_the_answer_of_a_patient_is_nearly_yes_or_no_and_the_words_say_so():
    assert "almost surely" in FOUND.words[0]
    assert FOUND.interval.low < 0.01


def test_each_goes_the_way_that_it_must():
    assert swing(FOUND, "effect.ic50.center").outcome_low > swing(FOUND, "effect.ic50.center").outcome_high
    uptake = swing(FOUND, "kinetics.tumor.over_lung")
    assert uptake.outcome_low < FOUND.expected < uptake.outcome_high
    for evidence in (
        "effect.cells.clonogenic",
        "effect.cells.density",
        "kinetics.leak",
        "circuit.prime.volume",
    ):
        one = swing(FOUND, evidence)
        assert one.outcome_low > one.outcome_high, evidence
    (medium,) = [one for one in FOUND.sensitivities if one.name.startswith("Medium")]
    assert medium.outcome_low <= FOUND.expected <= medium.outcome_high
    assert "plasma" in medium.name  # which binds nine tenths of melphalan


def test_smaller_metastases_are_more_often_sterilized():
    small = what_matters(PETROV, LUNGS, BOOK, diameter_mm=0.2)
    assert small.expected > FOUND.expected


def test_drugs_without_any_number_are_not_to_be_compared():
    assert not any("compared" in words for words in effect_words("melphalan"))
    assert any("must not be compared" in words for words in effect_words("cisplatin"))


@pytest.mark.parametrize("wrong", [{"diameter_mm": 0.0}, {"diameter_mm": math.inf}, {"draws": 100}])
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(PerfusionError):
        what_matters(PETROV, LUNGS, BOOK, **wrong)


def test_published_recurrence_is_compatible_and_does_not_prove_an_effect():
    found = held_against_outcomes(FOUND.expected, BOOK)
    assert found.recurred == pytest.approx((0.405, 0.37))
    assert found.found_more == pytest.approx((0.348, 0.375))
    assert all(0 < share < 1 for share in found.left_before)
    assert "no effect at all" in found.words


def test_an_effect_that_is_too_large_is_said_to_contradict():
    assert "contradicts" in held_against_outcomes(0.9, BOOK).words
    with pytest.raises(PerfusionError):
        held_against_outcomes(1.0, BOOK)
