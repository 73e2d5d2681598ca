"""Hard stops: what of a perfusion lies above the maxima of its protocol, and why those are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from clearlung.errors import PerfusionRefused
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.registry import REGIMENS

_ML_PER_L = 1000.0
PROTOCOL = "protocol"
"""Source of a maximum that a protocol sets as a plain number."""


@dataclass(frozen=True)
class Maxima:
    """What a perfusion must not exceed; None where nothing is set.

    Parameters
    ----------
    dose_mg
        Dose of one perfusion.
    dose_mg_per_m2
        Dose over the patient's body surface.
    dose_mg_per_l
        Dose over the volume of the perfused lung or lobes, air included.
    temperature_c
        Temperature of the perfusate.
    pressure_mmhg
        Mean pressure in the pulmonary artery.
    leak_percent
        Share of the dose that may have reached the body: the alarm.
    body_surface_m2
        Body surface up to which a dose may go by it.
    body_surface_least_m2
        Body surface from which a dose may go by it.
    sources
        For each of them by name, the id of the evidence entry that it is from.
    """

    dose_mg: float | None = None
    dose_mg_per_m2: float | None = None
    dose_mg_per_l: float | None = None
    temperature_c: float | None = None
    pressure_mmhg: float | None = None
    leak_percent: float | None = None
    body_surface_m2: float | None = None
    body_surface_least_m2: float | None = None
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def limited(
        self,
        *,
        dose_mg: float | None = None,
        temperature_c: float | None = None,
        sources: Mapping[str, str] = MappingProxyType({}),
    ) -> Maxima:
        """Return maxima in which a protocol's own stand for those that it sets."""
        given = {"dose_mg": dose_mg, "temperature_c": temperature_c}
        own = {name: value for name, value in given.items() if value is not None}
        named = {**self.sources, **{name: sources.get(name, PROTOCOL) for name in own}}
        return replace(
            self,
            dose_mg=own.get("dose_mg", self.dose_mg),
            temperature_c=own.get("temperature_c", self.temperature_c),
            sources=MappingProxyType(named),
        )


@dataclass(frozen=True)
class Stop:
    """One value of a perfusion that its protocol does not allow.

    Parameters
    ----------
    name
        Which limit: a field of :class:`Maxima`.
    value, limit
        What was asked for, and what is allowed.
    unit
        Of both.
    reason
        Why the limit is there.
    evidence
        The id of the evidence entry that it is from, or :data:`PROTOCOL`.
    source
        Where that was published, or that it is assumed.
    below
        Whether the value lies below a least allowed one.
    """

    name: str
    value: float
    limit: float
    unit: str
    reason: str
    evidence: str
    source: str
    below: bool = False

    @property
    def words(self) -> str:
        """The stop as a sentence."""
        asked, allowed = (f"{number:g} {self.unit}" for number in (self.value, self.limit))
        how = "below the least of" if self.below else "above"
        where = f"{self.evidence}: {self.source}" if self.source else self.evidence
        return f"{_LIMITS[self.name].label} {asked} is {how} {allowed}: {self.reason} ({where})."


@dataclass(frozen=True)
class _Limit:
    label: str
    unit: str
    reason: str
    least: bool = False


_LIMITS = {
    "dose_mg": _Limit("the dose", "mg", "more of this drug was not tolerated, or is not given here"),
    "dose_mg_per_m2": _Limit("the dose by body surface", "mg/m2", "more was not given to a lung"),
    "dose_mg_per_l": _Limit("the dose by perfused volume", "mg/l", "a small volume gets all of it"),
    "temperature_c": _Limit("the temperature", "°C", "with heat edema was the rule"),
    "pressure_mmhg": _Limit("the pressure", "mmHg", "pressure alone drives fluid into the lung"),
    "leak_percent": _Limit("the leak", "%", "the body gets the drug, with the marrow's toxicity"),
    "body_surface_m2": _Limit("the body surface", "m2", "no dose goes by a larger one: cap it"),
    "body_surface_least_m2": _Limit(
        "the body surface", "m2", "no dose by body surface is known for one as small", least=True
    ),
}


def published_maxima(regimen: Regimen, book: EvidenceBook) -> Maxima:
    """Return the maxima of a regimen where its protocol sets none.

    The dose is the most that the regimen's own center gave, so that two centers that disagree each keep
    theirs, and a regimen that was given warmer keeps its temperature: it can be looked at, and a protocol
    refuses it. No published maximum of a dose by perfused volume was found: none is set.

    Parameters
    ----------
    regimen
        The perfusion.
    book
        The evidence.
    """
    alarm = "circuit.leak.alarm"
    temperature, own = "protocol.perfusion.temperature", f"regimen.{regimen.name}.temperature_c"
    if own in book and book.value(own, unit="degC") > book.value(temperature, unit="degC"):
        temperature = own
    most, least = "protocol.perfusion.body_surface_most", "protocol.perfusion.body_surface_least"
    per_m2 = {
        "cisplatin": "regimen.petrov-cisplatin-135.dose_mg_per_m2",
        "doxorubicin": "tolerated.doxorubicin.mtd",
    }.get(regimen.drug)
    by_surface = regimen.dose_mode == "body_surface"
    sources = {
        "dose_mg": REGIMENS[regimen.name].most_id(regimen.name) if regimen.name in REGIMENS else "",
        "dose_mg_per_m2": per_m2 or "",
        "temperature_c": temperature,
        "pressure_mmhg": "circuit.pressure.limit",
        "leak_percent": alarm,
        "body_surface_m2": most,
        "body_surface_least_m2": least,
    }
    return Maxima(
        dose_mg=regimen.dose_mg_max,
        dose_mg_per_m2=book.value(per_m2, unit="mg/m2") if per_m2 else None,
        temperature_c=book.value(temperature, unit="degC"),
        pressure_mmhg=regimen.pressure_max_mmhg,
        leak_percent=book.value(alarm, unit="%"),
        body_surface_m2=book.value(most, unit="m2") if by_surface else None,
        body_surface_least_m2=book.value(least, unit="m2") if by_surface else None,
        sources=MappingProxyType(sources),
    )


def find_stops(
    regimen: Regimen,
    maxima: Maxima,
    book: EvidenceBook,
    *,
    perfused_ml: float | None = None,
    body_surface_m2: float | None = None,
    pressure_mmhg: float | None = None,
    leak_fraction: float | None = None,
) -> tuple[Stop, ...]:
    """Return every value of a perfusion that its maxima do not allow.

    Parameters
    ----------
    regimen
        The perfusion: dose and temperature, and its own pressure where none is given.
    maxima
        What it must not exceed.
    book
        The evidence, for the sources of the maxima.
    perfused_ml, body_surface_m2
        The patient's; a limit that needs one which is not given is not judged.
    pressure_mmhg
        Mean pressure that is planned or measured; None for the regimen's.
    leak_fraction
        Share of the dose that is expected in the body, or was measured there, 0 to 1; None if not known.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion import make_regimen
    >>> book = load_evidence()
    >>> regimen = make_regimen("petrov-melphalan-50", book)
    >>> [stop.name for stop in find_stops(regimen, Maxima(dose_mg=45, temperature_c=38), book)]
    ['dose_mg']
    """
    pressure = regimen.pressure_max_mmhg if pressure_mmhg is None else pressure_mmhg
    values = {
        "dose_mg": regimen.dose_mg,
        "dose_mg_per_m2": None if body_surface_m2 is None else regimen.dose_mg / body_surface_m2,
        "dose_mg_per_l": None if perfused_ml is None else regimen.dose_mg / (perfused_ml / _ML_PER_L),
        "temperature_c": regimen.temperature_c,
        "pressure_mmhg": pressure,
        "leak_percent": None if leak_fraction is None else 100 * leak_fraction,
        "body_surface_m2": body_surface_m2,
        "body_surface_least_m2": body_surface_m2,
    }
    found = []
    for name, known in _LIMITS.items():
        value, limit = values[name], getattr(maxima, name)
        if value is None or limit is None or not _exceeds(value, limit, known.least):
            continue
        evidence = maxima.sources.get(name) or PROTOCOL
        source = book[evidence].source if evidence in book else ""
        found.append(Stop(name, value, limit, known.unit, known.reason, evidence, source, known.least))
    return tuple(found)


def refuse(stops: tuple[Stop, ...]) -> None:
    """Raise if there is any stop.

    Raises
    ------
    PerfusionRefused
        With a sentence for each.
    """
    if stops:
        raise PerfusionRefused([stop.words for stop in stops])


def _exceeds(value: float, limit: float, least: bool) -> bool:
    # A dose worked out as the limit itself must not be stopped by the last digit. What is not a number is.
    slack = 1e-9 * abs(limit)
    return not (value >= limit - slack if least else value <= limit + slack)
