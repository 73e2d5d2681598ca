"""How a dose is worked out: the registered dose modes, and what a dose is per liter of lung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from clearlung.errors import CaseError, PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.lungs import LungVolumes, reference_lungs, tissue_ml, volume_ml
from clearlung.perfusion.target import Target

DoseMode = Literal["fixed", "body_surface", "per_ml", "perfused_volume", "lung_share"]
"""Name of a registered dose mode."""

ML_PER_L = 1000.0
UG_PER_MG = 1000.0

_REFERENCE_ML = "regimen.by_volume.reference_ml"
_LEAST_SHARE = "regimen.by_volume.least_share"


@dataclass(frozen=True)
class DoseBasis:
    """What the dose of one perfusion is worked out from.

    Parameters
    ----------
    regimen
        Its name, for messages.
    own
        The mode that its dose was published in.
    dose_id, most_id
        Entries of its dose, and of the most that is given by its protocol, in the unit of that mode.
    target
        What is perfused.
    prime_ml
        Volume of the circuit.
    book
        The evidence.
    body_surface_m2
        The patient's; None where it is not known.
    lungs
        The patient's; None for the reference lungs.
    """

    regimen: str
    own: DoseMode
    dose_id: str
    most_id: str
    target: Target
    prime_ml: float
    book: EvidenceBook = field(repr=False)
    body_surface_m2: float | None = None
    lungs: LungVolumes | None = None

    @property
    def lung_volumes(self) -> LungVolumes:
        """The patient's lungs, or the reference lungs."""
        return self.lungs or reference_lungs(self.book)

    def own_dose(self) -> Dose:
        """Return the dose by the mode that it was published in."""
        return DOSE_MODES[self.own].work_out(self)

    def most_mg(self) -> float:
        """Return the most that the regimen's protocol gives to this patient, mg."""
        return _IN_MG[self.own](self, self.most_id)[0]


@dataclass(frozen=True)
class Dose:
    """A dose and how it came about.

    Parameters
    ----------
    mg
        For one perfusion.
    derivation
        The arithmetic, in words.
    evidence
        Ids of the entries that it rests on.
    """

    mg: float
    derivation: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class DoseRule:
    """A registered dose mode.

    Parameters
    ----------
    title
        What it goes by, in words.
    hypothesis
        Whether nobody has published it as a rule for lungs; whoever shows its dose says so.
    work_out
        From a basis to the dose. Raises what is missing.
    """

    title: str
    hypothesis: bool
    work_out: Callable[[DoseBasis], Dose] = field(repr=False)


HYPOTHESIS = "Hypothesis, no published rule"
"""How the derivation of a dose begins that rests on no published rule."""


def _fixed_mg(basis: DoseBasis, key: str) -> tuple[float, str]:
    mg = basis.book.value(key, unit="mg")
    return mg, f"{mg:g} mg for one perfusion, whatever the size of the patient and of what is perfused"


def _body_surface_mg(basis: DoseBasis, key: str) -> tuple[float, str]:
    if basis.body_surface_m2 is None:
        raise CaseError(
            "patient.height_cm", f"{basis.regimen} is dosed by body surface: give height_cm and weight_kg"
        )
    per_m2 = basis.book.value(key, unit="mg/m2")
    mg = per_m2 * basis.body_surface_m2
    return mg, f"{per_m2:g} mg/m² × {basis.body_surface_m2:.2f} m² of body surface = {mg:.1f} mg"


def _per_ml_mg(basis: DoseBasis, key: str) -> tuple[float, str]:
    per_ml = basis.book.value(key, unit="ug/ml")
    mg = per_ml * basis.prime_ml / UG_PER_MG
    return mg, f"{per_ml:g} µg/ml × {basis.prime_ml:.0f} ml of perfusate = {mg:.1f} mg"


_IN_MG: dict[DoseMode, Callable[[DoseBasis, str], tuple[float, str]]] = {
    "fixed": _fixed_mg,
    "body_surface": _body_surface_mg,
    "per_ml": _per_ml_mg,
}
"""The modes that doses were published in: from an entry to mg, with the arithmetic in words."""


def _published(mode: DoseMode) -> Callable[[DoseBasis], Dose]:
    def work_out(basis: DoseBasis) -> Dose:
        if basis.own != mode:
            raise PerfusionError(
                "dose_mode",
                f"no dose of {basis.regimen} was published for {mode}: take {basis.own}, one of"
                f" {', '.join(name for name, rule in DOSE_MODES.items() if rule.hypothesis)}, or give the"
                " dose in mg",
            )
        mg, words = _IN_MG[mode](basis, basis.dose_id)
        return Dose(mg, words, (basis.dose_id,))

    return work_out


def _by_perfused_volume(basis: DoseBasis) -> Dose:
    """Return ``D_ref V_perfused / V_ref``, kept between the least dose and the protocol's maximum."""
    own, most_mg = basis.own_dose(), basis.most_mg()
    reference_ml = basis.book.value(_REFERENCE_ML, unit="ml")
    least_mg = min(own.mg * basis.book.value(_LEAST_SHARE, unit="%") / 100, most_mg)
    perfused_ml = volume_ml(basis.lung_volumes.of(basis.target))
    wanted_mg = own.mg * perfused_ml / reference_ml
    mg = min(max(wanted_mg, least_mg), most_mg)
    words = (
        f"{HYPOTHESIS}: {own.mg:.1f} mg × {perfused_ml:.0f} ml perfused / {reference_ml:.0f} ml"
        f" = {wanted_mg:.1f} mg, kept between {least_mg:.1f} and {most_mg:.1f} mg"
    )
    evidence = (*own.evidence, basis.most_id, _REFERENCE_ML, _LEAST_SHARE)
    return Dose(mg, f"{words}: {mg:.1f} mg" if mg != wanted_mg else words, evidence)


def _by_lung_share(basis: DoseBasis) -> Dose:
    """Return the lung's dose in proportion to the share of it that is perfused."""
    own = basis.own_dose()
    mg, words = share_of_dose(own.mg, basis.target, basis.lung_volumes)
    return Dose(mg, words, (*own.evidence, *basis.target.evidence))


def share_of_dose(lung_mg: float, target: Target, lungs: LungVolumes) -> tuple[float, str]:
    """Return the part of a lung's dose that goes by the volume of a target, mg, and the arithmetic.

    Raises
    ------
    PerfusionError
        If nothing of the target is there.
    """
    share = volume_ml(lungs.of(target)) / volume_ml(lungs.lung(target.side))
    mg = lung_mg * share
    return mg, (
        f"{HYPOTHESIS}: {lung_mg:.1f} mg for the lung × {100 * share:.1f} % of its volume perfused"
        f" = {mg:.1f} mg"
    )


DOSE_MODES: dict[DoseMode, DoseRule] = {
    "fixed": DoseRule("the same for everybody", False, _published("fixed")),
    "body_surface": DoseRule("by body surface", False, _published("body_surface")),
    "per_ml": DoseRule("by milliliter of perfusate", False, _published("per_ml")),
    "perfused_volume": DoseRule("by perfused volume", True, _by_perfused_volume),
    "lung_share": DoseRule("by the share of the lung that is perfused", True, _by_lung_share),
}
"""The dose modes by name; a further one is one more entry."""


@dataclass(frozen=True)
class DosePerLiter:
    """What a dose is to the lung that it reaches.

    Parameters
    ----------
    mg_per_lung_l
        Per liter of perfused lung, with its air.
    mg_per_tissue_l
        Per liter of its tissue and blood: an upper bound of the concentration there, if all of it went in.
    """

    mg_per_lung_l: float
    mg_per_tissue_l: float


def dose_per_liter(dose_mg: float, lungs: LungVolumes, target: Target) -> DosePerLiter:
    """Return a dose per liter of what is perfused.

    The same dose is more to the smaller left lung, and about twice as much to half a lung.

    Raises
    ------
    PerfusionError
        If nothing of the target is there.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion.target import TARGETS
    >>> lungs = reference_lungs(load_evidence())
    >>> left, right = (dose_per_liter(45, lungs, TARGETS[side]) for side in ("left", "right"))
    >>> round(left.mg_per_tissue_l), round(right.mg_per_tissue_l)
    (183, 158)
    """
    lobes = lungs.of(target)
    return DosePerLiter(ML_PER_L * dose_mg / volume_ml(lobes), ML_PER_L * dose_mg / tissue_ml(lobes))
