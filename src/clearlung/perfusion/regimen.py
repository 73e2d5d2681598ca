"""`Regimen`: one perfusion of one patient, with its dose worked out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from clearlung.anatomy import Side
from clearlung.errors import PerfusionError, ProtocolError
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.perfusion.dose import DOSE_MODES, ML_PER_L, Dose, DoseBasis, DoseMode, share_of_dose
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.registry import MEDIUM_WORDS, REGIMENS, Drug, Medium, RegimenEntry
from clearlung.perfusion.target import TARGETS, Target, find_target

PRIME, FLOW, PRESSURE = "circuit.prime.volume", "circuit.flow.human", "circuit.pressure.limit"
_LUNG_SHARE: DoseMode = "lung_share"
WASHOUT_VOLUME, WASHOUT_MINUTES = "circuit.washout.volume", "circuit.washout.minutes_others"


def _of_the_book(key: str, unit: str, times: float = 1.0) -> Callable[[], float]:
    """Return what a regimen without this number is taken to have."""
    return lambda: times * load_evidence().value(key, unit=unit)


class Regimen(BaseModel):
    """One perfusion, with its dose worked out for one patient."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    drug: Drug
    dose_mode: DoseMode
    dose_mg: float = Field(gt=0, description="Dose of one perfusion of the target, mg.")
    temperature_c: float = Field(gt=0, lt=50, description="Temperature of the perfusate, °C.")
    minutes: float = Field(gt=0, description="Minutes of perfusion, without cannulation and washout.")
    evidence: tuple[str, ...] = Field(description="Ids of the evidence entries it rests on.")
    target: str = Field(default="left", description="What is perfused: name of a registered target.")
    prime_ml: float = Field(
        default_factory=_of_the_book(PRIME, "l", ML_PER_L), gt=0, description="Volume of the circuit, ml."
    )
    flow_l_per_min: float = Field(
        default_factory=_of_the_book(FLOW, "l/min"), gt=0, description="Flow at most, set by the pressure."
    )
    pressure_max_mmhg: float = Field(
        default_factory=_of_the_book(PRESSURE, "mmHg"),
        gt=0,
        description="Mean pressure in the pulmonary artery stays below, mmHg.",
    )
    washout_minutes: float = Field(
        default_factory=_of_the_book(WASHOUT_MINUTES, "min"),
        ge=0,
        description="Minutes of washout before the lung is reconnected.",
    )
    washout_ml: float = Field(
        default_factory=_of_the_book(WASHOUT_VOLUME, "l", ML_PER_L),
        ge=0,
        description="Volume of the washout, ml.",
    )
    medium: Medium = Field(default="ringer", description="What the drug is dissolved in.")
    dose_derivation: str = Field(default="", description="How the dose came about, in words.")
    hypothesis: bool = Field(default=False, description="Whether the dose goes by a rule nobody published.")
    dose_mg_max: float | None = Field(
        default=None,
        gt=0,
        description="The most that its protocol gives, mg; null: not known.",
    )
    notes: tuple[str, ...] = Field(default=(), description="What a reader must know of it, in words.")

    @field_validator("target")
    @classmethod
    def _registered(cls, name: str) -> str:
        if name not in TARGETS:
            raise ValueError(f"must be one of {', '.join(TARGETS)}")
        return name

    @property
    def side(self) -> Side:
        """The lung that is perfused, or part of it."""
        return TARGETS[self.target].side


class RegimenChanges(BaseModel):
    """What is to be other than a regimen says; null for what stays."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dose_mode: DoseMode | None = Field(default=None, description="Another registered dose mode.")
    dose_mg: float | None = Field(default=None, gt=0, description="The dose itself, mg.")
    temperature_c: float | None = Field(default=None, gt=0, lt=50, description="Of the perfusate, °C.")
    minutes: float | None = Field(default=None, gt=0, le=600, description="Of perfusion.")
    medium: Medium | None = Field(default=None, description="What the drug is dissolved in.")

    @classmethod
    def of(cls, **given: Any) -> Self:
        """Return changes from what a person gave.

        Raises
        ------
        PerfusionError
            If a value is impossible, or the dose and a mode to work it out are both given.
        """
        try:
            changes = cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            raise PerfusionError(name, f"{first['msg']}, not {first['input']!r}") from error
        if changes.dose_mg is not None and changes.dose_mode not in (None, "fixed"):
            raise PerfusionError(
                "dose_mode", f"{changes.dose_mode} works the dose out, and it is given as well: name one"
            )
        return changes


def make_regimen(
    name: str,
    book: EvidenceBook,
    *,
    target: str = "left",
    body_surface_m2: float | None = None,
    lungs: LungVolumes | None = None,
    changes: RegimenChanges | None = None,
) -> Regimen:
    """Return a registered regimen with its dose for one patient.

    Parameters
    ----------
    name
        One of :data:`REGIMENS`.
    book
        The evidence.
    target
        One of :data:`TARGETS`. The dose of some lobes is that of the lung unless a mode scales it.
    body_surface_m2
        The patient's body surface; needed by regimens dosed by it.
    lungs
        The patient's; None for the reference lungs. Only modes that go by volume look at them.
    changes
        What is to be other than published.

    Returns
    -------
    Regimen
        Its dose is that of one perfusion of the target, mg. A dose above ``dose_mg_max`` is not refused here.

    Raises
    ------
    ProtocolError
        If no regimen has this name.
    CaseError
        If the dose goes by body surface and the case gives none.
    PerfusionError
        If there is no such target, nothing of it is there, or the dose mode does not fit the regimen.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> book = load_evidence()
    >>> make_regimen("petrov-melphalan-50", book).dose_mg
    50.0
    >>> make_regimen("petrov-cisplatin-135", book, body_surface_m2=1.9).dose_mg
    256.5
    >>> share = RegimenChanges(dose_mode="lung_share")
    >>> half = make_regimen("petrov-melphalan-50", book, target="left-upper", changes=share)
    >>> round(half.dose_mg, 1), half.hypothesis
    (24.9, True)
    """
    if name not in REGIMENS:
        raise ProtocolError("perfusion.regimen", f"{name!r} is not one of {', '.join(REGIMENS)} or none")
    entry, wanted, parts = REGIMENS[name], changes or RegimenChanges(), _Parts(book)
    prime_ml = parts.read(PRIME, "l") * ML_PER_L
    basis = DoseBasis(
        regimen=name,
        own=entry.dose_mode,
        dose_id=entry.dose_id(name),
        most_id=entry.most_id(name),
        target=find_target(target),
        prime_ml=prime_ml,
        book=book,
        body_surface_m2=body_surface_m2,
        lungs=lungs,
    )
    mode = "fixed" if wanted.dose_mg is not None else wanted.dose_mode or entry.dose_mode
    dose = _dose(basis, mode, wanted.dose_mg)
    temperature_c = parts.choose(wanted.temperature_c, f"regimen.{name}.temperature_c", "degC", "temperature")
    minutes = parts.choose(wanted.minutes, f"regimen.{name}.minutes", "min", "minutes of perfusion")
    return Regimen(
        name=name,
        drug=entry.drug,
        dose_mode=mode,
        dose_mg=dose.mg,
        temperature_c=temperature_c,
        minutes=minutes,
        target=target,
        prime_ml=prime_ml,
        flow_l_per_min=parts.read(FLOW, "l/min"),
        pressure_max_mmhg=parts.read(PRESSURE, "mmHg"),
        washout_minutes=parts.read(entry.washout, "min"),
        washout_ml=parts.read(WASHOUT_VOLUME, "l") * ML_PER_L,
        medium=wanted.medium or entry.medium,
        dose_derivation=dose.derivation,
        hypothesis=DOSE_MODES[mode].hypothesis,
        dose_mg_max=_most_mg(basis),
        evidence=tuple(
            dict.fromkeys((*dose.evidence, basis.most_id, *parts.evidence, *basis.target.evidence))
        ),
        notes=(*_notes(entry, basis, mode, wanted), *parts.notes),
    )


def _dose(basis: DoseBasis, mode: DoseMode, given_mg: float | None) -> Dose:
    if given_mg is None:
        return DOSE_MODES[mode].work_out(basis)
    return Dose(given_mg, f"{given_mg:g} mg, set by hand", ())


def _most_mg(basis: DoseBasis) -> float | None:
    """Return the most that is given; None where it goes by a body surface that is not known."""
    unknown = basis.own == "body_surface" and basis.body_surface_m2 is None
    return None if unknown else basis.most_mg()


def _notes(entry: RegimenEntry, basis: DoseBasis, mode: DoseMode, wanted: RegimenChanges) -> tuple[str, ...]:
    """Return what a reader must know of a regimen beside its numbers."""
    notes = [entry.warning] if entry.warning else []
    if DOSE_MODES[mode].hypothesis:
        notes.append(_hypothesis_note(mode))
    elif not basis.target.whole_lung:
        notes.append(_whole_dose_note(basis.target))
    if wanted.medium is None:
        notes.append(f"The medium was not published: {MEDIUM_WORDS[entry.medium]} is assumed.")
    return tuple(notes)


def _hypothesis_note(mode: DoseMode) -> str:
    return f"The dose goes {DOSE_MODES[mode].title}: a hypothesis that nobody has published."


def _whole_dose_note(target: Target) -> str:
    return (
        f"The dose is that of a whole lung, and only a part of it ({target.title}) is perfused: no"
        " published rule says whether to scale it."
    )


def aimed_at(regimen: Regimen, target: str, by_share_of: LungVolumes | None = None) -> Regimen:
    """Return a regimen of one target for another.

    Parameters
    ----------
    regimen
        With its dose for one patient's lung.
    target
        One of :data:`TARGETS`.
    by_share_of
        The lungs by whose volumes the dose of lobes is their share of the lung's: a hypothesis. None: lobes
        get the lung's dose.

    Raises
    ------
    PerfusionError
        If there is no such target, or nothing of it in these lungs.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion.lungs import reference_lungs
    >>> book = load_evidence()
    >>> regimen = make_regimen("petrov-melphalan-50", book)
    >>> aimed_at(regimen, "left-upper").dose_mg
    50.0
    >>> round(aimed_at(regimen, "left-upper", reference_lungs(book)).dose_mg, 1)
    24.9
    """
    new, old = find_target(target), find_target(regimen.target)
    if new == old:
        return regimen
    notes = [note for note in regimen.notes if note != _whole_dose_note(old)]
    evidence = [key for key in regimen.evidence if key not in old.evidence]
    update: dict[str, Any] = {"target": target, "evidence": (*evidence, *new.evidence)}
    if not new.whole_lung and not regimen.hypothesis:
        if by_share_of is None:
            notes.append(_whole_dose_note(new))
        else:
            mg, words = share_of_dose(regimen.dose_mg, new, by_share_of)
            notes.append(_hypothesis_note(_LUNG_SHARE))
            update |= {"dose_mg": mg, "dose_derivation": words, "dose_mode": _LUNG_SHARE, "hypothesis": True}
    return regimen.model_copy(update=update | {"notes": tuple(notes)})


@dataclass
class _Parts:
    """Reads the numbers of a regimen and keeps where they are from."""

    book: EvidenceBook
    evidence: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def read(self, key: str, unit: str) -> float:
        """Return a number of the book."""
        self.evidence.append(key)
        return self.book.value(key, unit=unit)

    def choose(self, given: float | None, key: str, unit: str, words: str) -> float:
        """Return what was given by hand, or else the book's number."""
        if given is None:
            return self.read(key, unit)
        own = self.book.value(key, unit=unit)
        if given != own:
            self.notes.append(f"Set by hand: {words} {given:g} (the regimen's: {own:g}).")
        return given
