"""Regimens as published, and doses against arithmetic."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.errors import CaseError, PerfusionError, ProtocolError
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    DOSE_MODES,
    REGIMENS,
    TARGETS,
    DoseMode,
    LobeVolumes,
    LungVolumes,
    Medium,
    Regimen,
    RegimenChanges,
    dose_per_liter,
    make_regimen,
    reference_lungs,
    volume_ml,
)
from clearlung.perfusion.registry import MEDIUM_WORDS

BOOK = load_evidence()
BY_VOLUME = RegimenChanges(dose_mode="perfused_volume")
BY_SHARE = RegimenChanges(dose_mode="lung_share")


def lungs_of(left_upper, left_lower):
    """A left lung of two lobes of these volumes, a fifth of it tissue."""
    lobes = (("LUL", left_upper), ("LLL", left_lower))
    return LungVolumes(tuple(LobeVolumes(lobe, ml, ml / 5) for lobe, ml in lobes), source="scan")


@pytest.mark.parametrize(
    ("name", "drug", "dose_mg", "temperature_c", "minutes"),
    [
        ("petrov-melphalan-50", "melphalan", 50, 37, 30),
        ("petrov-melphalan-45", "melphalan", 45, 37, 30),
        ("petrov-melphalan-45-42c", "melphalan", 45, 42, 30),
        ("antwerp-melphalan-45", "melphalan", 45, 37, 30),
        ("petrov-cisplatin-135", "cisplatin", 270, 37, 30),
        ("burt-doxorubicin-40", "doxorubicin", 80, 37, 20),
        ("johnston-doxorubicin-10", "doxorubicin", 10, 37, 60),
    ],
)
def test_each_regimen_is_as_published(name, drug, dose_mg, temperature_c, minutes):
    made = make_regimen(name, BOOK, body_surface_m2=2.0)
    assert (made.drug, made.dose_mg) == (drug, pytest.approx(dose_mg))
    assert (made.temperature_c, made.minutes) == (temperature_c, minutes)
    assert made.dose_mg_max is not None
    assert made.dose_mg <= made.dose_mg_max
    assert not made.hypothesis


def test_the_registry_is_tested_whole():
    (parameters,) = test_each_regimen_is_as_published.pytestmark
    assert {row[0] for row in parameters.args[1]} == set(REGIMENS)
    assert set(DOSE_MODES) == set(get_args(DoseMode))
    assert set(MEDIUM_WORDS) == set(get_args(Medium))


@pytest.mark.parametrize("name", REGIMENS)
def test_every_number_of_a_regimen_has_its_entry(name):
    made = make_regimen(name, BOOK, body_surface_m2=1.9)
    book = {key: BOOK[key] for key in made.evidence}
    in_unit = {}
    for entry in book.values():
        in_unit.setdefault(entry.unit, set()).add(entry.value)
    assert made.temperature_c in in_unit["degC"]
    assert {made.minutes, made.washout_minutes} <= in_unit["min"]
    assert {made.prime_ml / 1000, made.washout_ml / 1000} <= in_unit["l"]
    assert made.flow_l_per_min in in_unit["l/min"]
    assert made.pressure_max_mmhg in in_unit["mmHg"]


def test_what_was_not_published_is_assumed():
    made = make_regimen("antwerp-melphalan-45", BOOK)
    assumed = {key for key in made.evidence if BOOK[key].tag == "assumed"}
    assert assumed >= {"regimen.antwerp-melphalan-45.minutes", "circuit.prime.volume", "circuit.flow.human"}
    assert any("medium was not published" in note for note in made.notes)
    # The washout of half an hour is one center's, and assumed of the other.
    assert BOOK["circuit.washout.minutes_others"].tag == "assumed"
    assert "circuit.washout.minutes_others" in made.evidence


def test_the_case_of_42_degrees_warns():
    made = make_regimen("petrov-melphalan-45-42c", BOOK)
    assert "All three" in made.notes[0]


def test_a_fixed_dose_gives_the_left_lung_more_per_liter():
    lungs = reference_lungs(BOOK)
    left, right = (dose_per_liter(50, lungs, TARGETS[side]) for side in ("left", "right"))
    for measure in ("mg_per_lung_l", "mg_per_tissue_l"):
        ratio = getattr(left, measure) / getattr(right, measure)
        assert ratio == pytest.approx(1.155, abs=0.001)


def test_the_dose_of_a_lung_is_twice_as_much_to_half_of_it_unless_asked():
    lungs = lungs_of(1000, 1000)
    whole, half = (
        make_regimen("petrov-melphalan-50", BOOK, target=target, lungs=lungs)
        for target in ("left", "left-upper")
    )
    assert half.dose_mg == whole.dose_mg
    assert any("no published rule" in note for note in half.notes)
    scaled = make_regimen("petrov-melphalan-50", BOOK, target="left-upper", lungs=lungs, changes=BY_SHARE)
    assert scaled.dose_mg == pytest.approx(25)
    assert scaled.hypothesis
    assert scaled.dose_derivation.startswith("Hypothesis")
    per_l = [
        dose_per_liter(d, lungs, TARGETS[t]).mg_per_lung_l for d, t in ((50, "left"), (25, "left-upper"))
    ]
    assert per_l[0] == pytest.approx(per_l[1])


@given(volume=st.floats(200, 6000))
def test_a_dose_by_volume_is_proportional_between_its_bounds(volume):
    made = make_regimen(
        "petrov-melphalan-50", BOOK, lungs=lungs_of(volume / 2, volume / 2), changes=BY_VOLUME
    )
    wanted = 50 * volume / 2500
    assert made.dose_mg == pytest.approx(min(max(wanted, 16.5), 50))
    assert made.hypothesis
    assert "Hypothesis" in made.dose_derivation
    assert any("hypothesis" in note for note in made.notes)


def test_the_reference_volume_is_the_centers_to_set():
    own = BOOK.overriding({"regimen.by_volume.reference_ml": 4000})
    made = make_regimen("petrov-melphalan-50", own, lungs=lungs_of(1000, 1000), changes=BY_VOLUME)
    assert made.dose_mg == pytest.approx(25)


def test_by_volume_never_exceeds_the_protocols_maximum_and_may_exceed_the_dose():
    made = make_regimen("petrov-melphalan-45", BOOK, lungs=lungs_of(2000, 2000), changes=BY_VOLUME)
    assert made.dose_mg == made.dose_mg_max == 50


def test_the_prime_decides_a_dose_by_milliliter():
    half = BOOK.overriding({"circuit.prime.volume": 0.5})
    assert make_regimen("johnston-doxorubicin-10", half).dose_mg == pytest.approx(5)
    assert make_regimen("johnston-doxorubicin-10", half).prime_ml == 500


def test_what_is_set_by_hand_is_said():
    changes = RegimenChanges.of(dose_mg=60, temperature_c=40, minutes=45, medium="saline")
    made = make_regimen("antwerp-melphalan-45", BOOK, changes=changes)
    assert (made.dose_mg, made.temperature_c, made.minutes, made.medium) == (60, 40, 45, "saline")
    assert made.dose_mode == "fixed"
    assert "set by hand" in made.dose_derivation
    assert made.dose_mg_max == 45
    assert "Set by hand: temperature 40 (the regimen's: 37)." in made.notes
    assert not any("medium" in note for note in made.notes)
    assert "regimen.antwerp-melphalan-45.temperature_c" not in made.evidence


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dose_mg": 0}, "dose_mg"),
        ({"dose_mg": float("nan")}, "dose_mg"),
        ({"temperature_c": 60}, "temperature_c"),
        ({"minutes": -1}, "minutes"),
        ({"medium": "blood"}, "medium"),
        ({"dose_mode": "by guess"}, "dose_mode"),
        ({"dose_mode": "perfused_volume", "dose_mg": 40}, "dose_mode"),
    ],
)
def test_impossible_changes_are_refused_by_field(changes, field):
    with pytest.raises(PerfusionError) as refused:
        RegimenChanges.of(**changes)
    assert refused.value.field == field


def test_a_mode_that_a_regimen_was_not_published_in_is_refused():
    with pytest.raises(PerfusionError, match="no dose of petrov-melphalan-50 was published for body_surface"):
        make_regimen(
            "petrov-melphalan-50",
            BOOK,
            body_surface_m2=1.9,
            changes=RegimenChanges(dose_mode="body_surface"),
        )


def test_who_is_missing_what_is_told():
    with pytest.raises(CaseError, match="body surface"):
        make_regimen("petrov-cisplatin-135", BOOK)
    with pytest.raises(ProtocolError, match="is not one of"):
        make_regimen("petrov-melphalan-500", BOOK)
    with pytest.raises(PerfusionError, match="is not one of"):
        make_regimen("petrov-melphalan-50", BOOK, target="both")
    # A dose given in mg needs no body surface; its maximum is then not known.
    given = make_regimen("petrov-cisplatin-135", BOOK, changes=RegimenChanges(dose_mg=200))
    assert (given.dose_mg, given.dose_mg_max) == (200, None)


def test_a_regimen_that_was_kept_before_it_had_a_circuit_is_still_read():
    kept = '{"name": "x", "drug": "melphalan", "dose_mode": "fixed", "dose_mg": 50, "temperature_c": 37,'
    made = Regimen.model_validate_json(kept + ' "minutes": 30, "evidence": []}')
    assert made.prime_ml == 1000 * BOOK["circuit.prime.volume"].value
    assert made == Regimen.model_validate_json(made.model_dump_json())
    assert volume_ml(reference_lungs(BOOK).of(TARGETS[made.target])) > 0
