"""A protocol allows the regimen that it names, or says why not."""

import pytest

from clearlung.errors import PerfusionRefused
from clearlung.evidence import load_evidence
from clearlung.perfusion import RegimenChanges, make_regimen
from clearlung.staging import allowed, load_protocol, maxima_of, shipped_protocols

BOOK = load_evidence()


def with_perfusion(name, **changes):
    protocol = load_protocol(name)
    return protocol.model_copy(update={"perfusion": protocol.perfusion.model_copy(update=changes)})


@pytest.mark.parametrize("name", shipped_protocols())
def test_a_shipped_protocol_allows_its_own_regimen_and_names_the_source_of_its_maxima(name):
    protocol = load_protocol(name)
    regimen = make_regimen("antwerp-melphalan-45", BOOK)
    if protocol.perfusion.regimen != "none":
        regimen = make_regimen(protocol.perfusion.regimen, BOOK)
    assert allowed(regimen, protocol, BOOK) is regimen
    maxima = maxima_of(protocol, regimen, BOOK)
    assert all(
        BOOK[maxima.sources[key]].value == getattr(maxima, key) for key in ("dose_mg", "temperature_c")
    )


def test_two_centers_disagree_on_50_mg():
    petrov = make_regimen("petrov-melphalan-50", BOOK)
    allowed(petrov, load_protocol("high-volume"), BOOK)
    with pytest.raises(PerfusionRefused, match=r"50 mg is above 45 mg.*tolerated\.melphalan"):
        allowed(petrov, load_protocol("conservative"), BOOK)


def test_42_degrees_take_a_protocol_that_allows_them():
    heated = make_regimen("petrov-melphalan-45-42c", BOOK)
    with pytest.raises(PerfusionRefused, match="3 of 3"):
        allowed(heated, load_protocol("high-volume"), BOOK)
    assert allowed(heated, with_perfusion("high-volume", temperature_c_max=42), BOOK) is heated


def test_a_protocol_without_maxima_keeps_the_published_ones():
    open_ended = with_perfusion("high-volume", dose_mg_max=None, temperature_c_max=None)
    for changes in (RegimenChanges(dose_mg=60), RegimenChanges(temperature_c=42)):
        regimen = make_regimen("petrov-melphalan-50", BOOK, changes=changes)
        with pytest.raises(PerfusionRefused):
            allowed(regimen, open_ended, BOOK)
