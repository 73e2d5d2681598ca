"""How fast a drug falls apart in the perfusate: first order, by medium and temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.registry import MEDIUM_WORDS, Drug, Medium

_GAS_KCAL_PER_MOL_K = 1.98720e-3
_KELVIN = 273.15
_REFERENCE_C = 37.0


@dataclass(frozen=True)
class Hydrolysis:
    """First-order loss of a drug in one medium.

    Parameters
    ----------
    rate_37_per_min
        Rate at 37 °C, 1/min.
    activation_kcal_per_mol
        Activation energy; 0 where no dependence on temperature is known.
    evidence
        Ids of the entries that it rests on.
    doubt
        What a reader must know before relying on it; empty where the numbers agree.
    """

    rate_37_per_min: float
    activation_kcal_per_mol: float
    evidence: tuple[str, ...]
    doubt: str = ""

    def rate_per_min(self, temperature_c: float) -> float:
        """Return the rate at a temperature by Arrhenius, 1/min."""
        gap = 1 / (_REFERENCE_C + _KELVIN) - 1 / (temperature_c + _KELVIN)
        return self.rate_37_per_min * math.exp(self.activation_kcal_per_mol / _GAS_KCAL_PER_MOL_K * gap)

    def half_life_min(self, temperature_c: float) -> float:
        """Return the minutes until half is lost; infinite if nothing is."""
        rate = self.rate_per_min(temperature_c)
        return math.log(2) / rate if rate > 0 else math.inf

    def lost(self, minutes: float, temperature_c: float) -> float:
        """Return the share that is lost within some minutes, 0 to 1."""
        return -math.expm1(-self.rate_per_min(temperature_c) * minutes)


def hydrolysis(drug: Drug, medium: Medium, book: EvidenceBook) -> Hydrolysis:
    """Return how a drug falls apart in a medium.

    Melphalan in sodium chloride, Ringer's lactate and glucose follows from the published times to lose
    10 % at 20 and 37 °C. In culture medium only a half-life at 37 °C was published; its activation energy
    is taken to be that of plasma. In plasma the published rate contradicts that of culture medium by a
    factor of 300, so the medium is a choice that must be shown. For cisplatin and doxorubicin no rate was
    found: what the book assumes holds in every medium and at every temperature.

    Parameters
    ----------
    drug
        ``melphalan``, ``cisplatin`` or ``doxorubicin``.
    medium
        One of :data:`clearlung.perfusion.MEDIUM_WORDS`.
    book
        The evidence.

    Raises
    ------
    PerfusionError
        If the medium is unknown.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> round(hydrolysis("melphalan", "saline", load_evidence()).lost(30, 37), 3)
    0.084
    """
    if medium not in MEDIUM_WORDS:
        raise PerfusionError("medium", f"{medium!r} is not one of {', '.join(MEDIUM_WORDS)}")
    if drug != "melphalan":
        key = f"kinetics.{drug}.loss"
        rate = book.value(key, unit="%/min") / 100
        return Hydrolysis(rate, 0.0, (key,), f"how fast {drug} falls apart was not published: assumed")
    if medium == "culture":
        return _from_half_life(book)
    if medium == "plasma":
        return _from_loss_per_day(book)
    return _from_tenths(medium, book)


def _from_tenths(medium: Medium, book: EvidenceBook) -> Hydrolysis:
    keys = tuple(f"chemistry.{medium}.t10_{celsius}c" for celsius in (20, 25, 37))
    cold_h, middle_h, warm_h = (book.value(key, unit="h") for key in keys)
    gap = 1 / (20 + _KELVIN) - 1 / (_REFERENCE_C + _KELVIN)
    found = Hydrolysis(
        rate_37_per_min=math.log(1 / 0.9) / (60 * warm_h),
        activation_kcal_per_mol=_GAS_KCAL_PER_MOL_K * math.log(cold_h / warm_h) / gap,
        evidence=(keys[0], keys[2]),
    )
    predicted_h = math.log(1 / 0.9) / (60 * found.rate_per_min(25))
    # The times are printed with one or two digits: a tenth is more than rounding can explain.
    if abs(predicted_h / middle_h - 1) <= 0.1:
        return found
    doubt = (
        f"{medium} does not fit one activation energy: 20 and 37 °C predict {predicted_h:.1f} h at 25 °C, "
        f"{middle_h:.1f} h was published"
    )
    return Hydrolysis(found.rate_37_per_min, found.activation_kcal_per_mol, keys, doubt)


def _from_half_life(book: EvidenceBook) -> Hydrolysis:
    keys = ("chemistry.culture.half_life_37c", "chemistry.plasma.activation")
    return Hydrolysis(
        rate_37_per_min=math.log(2) / book.value(keys[0], unit="min"),
        activation_kcal_per_mol=book.value(keys[1], unit="kcal/mol"),
        evidence=keys,
        doubt="no activation energy was published for culture medium: that of plasma is assumed",
    )


def _from_loss_per_day(book: EvidenceBook) -> Hydrolysis:
    keys = ("chemistry.plasma.lost_day", "chemistry.plasma.activation")
    return Hydrolysis(
        rate_37_per_min=-math.log1p(-book.value(keys[0], unit="%") / 100) / (24 * 60),
        activation_kcal_per_mol=book.value(keys[1], unit="kcal/mol"),
        evidence=keys,
        doubt="one study finds 5 % lost per day in plasma and blood, another a half-life of 66 min in medium",
    )
