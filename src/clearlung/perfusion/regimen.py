"""Regimens of isolated lung chemoperfusion: what is perfused, with what, for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung.errors import CaseError, ProtocolError
from clearlung.evidence import EvidenceBook

Drug = Literal["melphalan", "cisplatin"]
DoseMode = Literal["fixed", "body_surface"]


class Regimen(BaseModel):
    """One perfusion, with its dose worked out for one patient."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    drug: Drug
    dose_mode: DoseMode
    dose_mg: float = Field(gt=0, description="Dose of one perfusion of one lung, mg.")
    temperature_c: float = Field(gt=0, lt=50, description="Temperature of the perfusate, °C.")
    minutes: float = Field(gt=0, description="Minutes of perfusion, without cannulation and washout.")
    evidence: tuple[str, ...] = Field(description="Ids of the evidence entries it rests on.")


@dataclass(frozen=True)
class RegimenEntry:
    """A registered regimen: its drug and how its dose is given."""

    drug: Drug
    dose_mode: DoseMode


REGIMENS: dict[str, RegimenEntry] = {
    "petrov-melphalan-50": RegimenEntry("melphalan", "fixed"),
    "petrov-cisplatin-135": RegimenEntry("cisplatin", "body_surface"),
    "antwerp-melphalan-45": RegimenEntry("melphalan", "fixed"),
}
"""The regimens by name; their numbers are in ``evidence/regimen.toml`` under the same name."""


def make_regimen(name: str, book: EvidenceBook, *, body_surface_m2: float | None = None) -> Regimen:
    """Return a registered regimen with its dose for one patient.

    Parameters
    ----------
    name
        One of :data:`REGIMENS`.
    book
        The evidence.
    body_surface_m2
        The patient's body surface; needed by regimens dosed by it.

    Returns
    -------
    Regimen
        Its dose is that of one perfusion of one lung, mg.

    Raises
    ------
    ProtocolError
        If no regimen has this name.
    CaseError
        If the dose goes by body surface and the case gives none.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> make_regimen("petrov-melphalan-50", load_evidence()).dose_mg
    50.0
    >>> make_regimen("petrov-cisplatin-135", load_evidence(), body_surface_m2=1.9).dose_mg
    256.5
    """
    if name not in REGIMENS:
        raise ProtocolError("perfusion.regimen", f"{name!r} is not one of {', '.join(REGIMENS)} or none")
    entry = REGIMENS[name]
    prefix = f"regimen.{name}"
    if entry.dose_mode == "fixed":
        dose_id = f"{prefix}.dose_mg"
        dose_mg = book.value(dose_id, unit="mg")
    else:
        dose_id = f"{prefix}.dose_mg_per_m2"
        if body_surface_m2 is None:
            raise CaseError(
                "patient.height_cm", f"{name} is dosed by body surface: give height_cm and weight_kg"
            )
        dose_mg = book.value(dose_id, unit="mg/m2") * body_surface_m2
    return Regimen(
        name=name,
        drug=entry.drug,
        dose_mode=entry.dose_mode,
        dose_mg=dose_mg,
        temperature_c=book.value(f"{prefix}.temperature_c", unit="degC"),
        minutes=book.value(f"{prefix}.minutes", unit="min"),
        evidence=(dose_id, f"{prefix}.temperature_c", f"{prefix}.minutes"),
    )
