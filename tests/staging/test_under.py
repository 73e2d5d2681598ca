"""The same problem under another protocol."""

from dataclasses import replace

import pytest

from clearlung.errors import CaseError
from clearlung.staging import load_protocol, under

from .problems import function, problem, protocol

CASE = [("RUL", 3.0, 20), ("LLL", 1.0, 9)]


def test_what_came_from_the_evidence_follows_the_protocol_and_what_was_set_stays():
    own = load_protocol("conservative").model_copy(update={"assumptions": {"time.reentry": 44.0}})
    given = problem(CASE, model=function(early_access=0.3), reentry=None)
    given = replace(given, reentry_minutes=given.protocol.book().value("time.reentry", unit="min"))
    other = own.model_copy(update={"function": own.function.model_copy(update={"confidence": 0.8})})
    found = under(given, other)
    assert found.reentry_minutes == 44.0
    assert found.access_minutes == given.access_minutes
    assert found.function.confidence == 0.8
    assert found.function.early_access == 0.3
    assert "may differ" in found.warnings[-1]


def test_its_own_protocol_changes_nothing_and_back_is_where_it_was():
    given = problem(CASE, perfused=True, limits=load_protocol("high-volume"))
    assert under(given, given.protocol) is given
    back = under(under(given, load_protocol("conservative")), given.protocol)
    assert (back.function, back.regimen, back.access_minutes) == (
        given.function,
        given.regimen,
        given.access_minutes,
    )


def test_the_regimen_is_the_protocols_and_its_dose_needs_the_patient():
    cisplatin = protocol("high-volume")
    perfusion = cisplatin.perfusion.model_copy(
        update={"regimen": "petrov-cisplatin-135", "dose_mg_max": None}
    )
    cisplatin = cisplatin.model_copy(update={"perfusion": perfusion})
    with pytest.raises(CaseError, match="body surface"):
        under(problem(CASE), cisplatin)
    assert under(problem(CASE), cisplatin, body_surface_m2=2.0).regimen.dose_mg == 270
