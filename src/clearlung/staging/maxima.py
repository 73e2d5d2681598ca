"""Whether a protocol allows the regimen that it names."""

from __future__ import annotations

from clearlung.evidence import EvidenceBook
from clearlung.perfusion import REGIMENS, Maxima, Regimen, find_stops, published_maxima, refuse
from clearlung.staging.protocol import Protocol

_FIELDS = {"dose_mg": "perfusion.dose_mg_max", "temperature_c": "perfusion.temperature_c_max"}


def maxima_of(protocol: Protocol, regimen: Regimen, book: EvidenceBook) -> Maxima:
    """Return what a perfusion must not exceed: the protocol's own maxima, and published ones for the rest.

    The protocol's dose is of its own regimen's drug: it says nothing of another.
    """
    own = REGIMENS.get(protocol.perfusion.regimen)
    same_drug = own is None or own.drug == regimen.drug
    sources = {
        name: protocol.evidence[field] for name, field in _FIELDS.items() if field in protocol.evidence
    }
    return published_maxima(regimen, book).limited(
        dose_mg=protocol.perfusion.dose_mg_max if same_drug else None,
        temperature_c=protocol.perfusion.temperature_c_max,
        sources=sources,
    )


def allowed(
    regimen: Regimen, protocol: Protocol, book: EvidenceBook, *, body_surface_m2: float | None = None
) -> Regimen:
    """Return the regimen if no maximum of the protocol speaks against it.

    Raises
    ------
    PerfusionRefused
        With a sentence for each maximum that it exceeds.
    """
    maxima = maxima_of(protocol, regimen, book)
    refuse(find_stops(regimen, maxima, book, body_surface_m2=body_surface_m2))
    return regimen
