"""Hard stops: each limit at, above and below its maximum, with its reason and source."""

import math
from dataclasses import replace

import pytest

from clearlung.errors import PerfusionError, PerfusionRefused, ProtocolError
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    PROTOCOL,
    Maxima,
    RegimenChanges,
    find_stops,
    make_regimen,
    published_maxima,
    refuse,
)

BOOK = load_evidence()
PETROV = make_regimen("petrov-melphalan-50", BOOK)
CISPLATIN = make_regimen("petrov-cisplatin-135", BOOK, body_surface_m2=1.9)
PATIENT = {"perfused_ml": 2000.0, "body_surface_m2": 2.0, "pressure_mmhg": 20.0, "leak_fraction": 0.05}
# What PETROV and PATIENT amount to, by limit.
VALUES = {
    "dose_mg": 50.0,
    "dose_mg_per_m2": 25.0,
    "dose_mg_per_l": 25.0,
    "temperature_c": 37.0,
    "pressure_mmhg": 20.0,
    "leak_percent": 5.0,
    "body_surface_m2": 2.0,
}


@pytest.mark.parametrize(("name", "value"), VALUES.items())
def test_a_value_may_reach_its_maximum_and_not_exceed_it(name, value):
    assert find_stops(PETROV, Maxima(**{name: value}), BOOK, **PATIENT) == ()
    (stop,) = find_stops(PETROV, Maxima(**{name: 0.9 * value}), BOOK, **PATIENT)
    assert (stop.name, stop.value, stop.limit) == (name, pytest.approx(value), 0.9 * value)
    assert stop.evidence == PROTOCOL
    assert f"{value:g} {stop.unit} is above {0.9 * value:g} {stop.unit}: {stop.reason}" in stop.words


def test_a_body_surface_may_be_too_small():
    (stop,) = find_stops(CISPLATIN, Maxima(body_surface_least_m2=1.2), BOOK, body_surface_m2=1.1)
    assert "below" in stop.words
    assert find_stops(CISPLATIN, Maxima(body_surface_least_m2=1.2), BOOK, body_surface_m2=1.2) == ()


def test_what_is_not_a_number_is_stopped():
    stops = find_stops(PETROV, Maxima(leak_percent=10), BOOK, leak_fraction=math.nan)
    assert [stop.name for stop in stops] == ["leak_percent"]


def test_what_the_patient_does_not_say_is_not_judged():
    limits = Maxima(dose_mg_per_l=1, dose_mg_per_m2=1, leak_percent=1, body_surface_m2=1)
    assert find_stops(PETROV, limits, BOOK) == ()


@pytest.mark.parametrize(
    "name", ["petrov-melphalan-50", "petrov-melphalan-45", "antwerp-melphalan-45", "petrov-cisplatin-135"]
)
def test_each_center_keeps_its_own_maxima(name):
    regimen = make_regimen(name, BOOK, body_surface_m2=1.9)
    assert find_stops(regimen, published_maxima(regimen, BOOK), BOOK, body_surface_m2=1.9) == ()


def test_50_mg_is_above_the_tolerated_dose_of_the_other_center():
    antwerp = make_regimen("antwerp-melphalan-45", BOOK, changes=RegimenChanges(dose_mg=50))
    (stop,) = find_stops(antwerp, published_maxima(antwerp, BOOK), BOOK)
    assert (stop.limit, stop.evidence) == (45, "tolerated.melphalan.mtd")
    assert "Phase I, Antwerp" in stop.words


def test_42_degrees_are_stopped_because_of_three_of_three():
    heated = make_regimen("petrov-melphalan-45", BOOK, changes=RegimenChanges(temperature_c=42))
    (stop,) = find_stops(heated, published_maxima(heated, BOOK), BOOK)
    assert stop.name == "temperature_c"
    assert "3 of 3" in stop.words


def test_the_regimen_that_was_given_at_42_degrees_can_be_looked_at_and_not_made_hotter():
    heated = make_regimen("petrov-melphalan-45-42c", BOOK)
    maxima = published_maxima(heated, BOOK)
    assert find_stops(heated, maxima, BOOK) == ()
    hotter = heated.model_copy(update={"temperature_c": 43.0})
    (stop,) = find_stops(hotter, maxima, BOOK)
    assert (stop.limit, stop.evidence) == (42, "regimen.petrov-melphalan-45-42c.temperature_c")


def test_a_protocol_s_maxima_stand_for_the_published_ones_it_sets():
    own = published_maxima(PETROV, BOOK).limited(
        dose_mg=45, sources={"dose_mg": "tolerated.melphalan.mtd", "temperature_c": "unused"}
    )
    (stop,) = find_stops(PETROV, own, BOOK)
    assert stop.evidence == "tolerated.melphalan.mtd"
    assert own.temperature_c == BOOK.value("protocol.perfusion.temperature", unit="degC")
    assert published_maxima(PETROV, BOOK).limited(temperature_c=41).sources["temperature_c"] == PROTOCOL


def test_every_stop_is_listed_in_the_refusal():
    limits = Maxima(dose_mg=45, temperature_c=36, pressure_mmhg=15)
    stops = find_stops(PETROV, limits, BOOK, pressure_mmhg=20)
    with pytest.raises(PerfusionRefused) as caught:
        refuse(stops)
    assert len(caught.value.stops) == 3
    assert all(stop.words in str(caught.value) for stop in stops)
    assert isinstance(caught.value, PerfusionError)
    assert caught.value.exit_code == ProtocolError("a", "b").exit_code


def test_nothing_to_stop_is_no_refusal():
    refuse(())


def test_every_limit_can_be_stopped_at_once():
    names = [*VALUES, "body_surface_least_m2"]
    least = replace(Maxima(**dict.fromkeys(VALUES, 0.1)), body_surface_least_m2=9)
    assert [stop.name for stop in find_stops(PETROV, least, BOOK, **PATIENT)] == names
