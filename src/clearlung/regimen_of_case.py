"""How a protocol perfuses one patient: its regimen, with the dose for the case."""

from __future__ import annotations

from clearlung.casefile import Case
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import Regimen, make_regimen
from clearlung.staging import Protocol, allowed


def regimen_of(protocol: Protocol, case: Case, book: EvidenceBook) -> Regimen | None:
    """Return how the protocol perfuses this patient's lungs, or None where it does not.

    Raises
    ------
    CaseError
        If the dose needs something that the case does not give.
    PerfusionRefused
        If it lies above the protocol's maxima.
    """
    if protocol.perfusion.regimen == "none" or protocol.perfusion.per_lung_max == 0:
        return None
    surface_m2 = case.patient.body_surface_m2
    regimen = make_regimen(protocol.perfusion.regimen, book, body_surface_m2=surface_m2)
    return allowed(regimen, protocol, book, body_surface_m2=surface_m2)
