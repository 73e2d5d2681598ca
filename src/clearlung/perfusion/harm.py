"""What one perfusion may do to the patient: edema, death, and lung function over the weeks after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.evidence import EvidenceBook
from clearlung.perfusion.edema import EdemaRisk, edema_risk
from clearlung.perfusion.edema_model import NORMAL_C
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.lungs import LungVolumes, reference_lungs, volume_ml
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.target import find_target
from clearlung.resection import FunctionModel, Measure

FloatArray = NDArray[np.float64]

COURSE_WEEKS = (0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 13.0, 26.0, 52.0)
"""Weeks after the operation that a course of lung function shows unless asked for others."""

_STREAM = 43
_DEATH = (
    *(f"toxicity.death_petrov.{name}" for name in ("events", "patients", "perfusions")),
    *(f"toxicity.death_antwerp.{name}" for name in ("events", "patients")),
)
_RESPIRATORY = ("toxicity.antwerp.respiratory_grade3", "toxicity.antwerp.respiratory_grade4")
# The two series of deaths: melphalan or cisplatin (Levchenko 2016), melphalan (Beckers 2019).
_DEATHS_COUNTED = ("melphalan", "cisplatin")
# Jeffreys' prior: of the usual ones the one whose intervals cover best where almost nothing was counted.
_JEFFREYS = 0.5


@dataclass(frozen=True, eq=False)
class DeathRisk:
    """The chance that a perfusion ends in death.

    Parameters
    ----------
    draws
        Equally likely values of the chance, fractions 0 to 1, shape (draws,).
    interval
        Their 5th, 50th and 95th percentile.
    words
        What it rests on, and where it leaves what was counted.
    evidence
        Ids of the evidence entries that it rests on.
    """

    draws: FloatArray
    interval: Interval
    words: tuple[str, ...]
    evidence: tuple[str, ...] = _DEATH


def death_risk(
    book: EvidenceBook,
    *,
    per_patient: bool = False,
    temperature_c: float = NORMAL_C,
    drug: str = "melphalan",
    draws: int = 2000,
    seed: int = 0,
) -> DeathRisk:
    """Return the risk of death of one perfusion, or of one patient's perfusions.

    The deaths of both centers together under a beta-binomial model with Jeffreys' prior. The Antwerp series
    counts patients: each stands for one perfusion at least.

    Parameters
    ----------
    book
        The evidence.
    per_patient
        Whether for all perfusions of a patient, 1.4 on average.
    temperature_c, drug
        Of the perfusion: only said in words, since perfusions were counted at 37 °C, with melphalan or
        cisplatin.
    draws, seed
        How many draws of which seed.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> death_risk(load_evidence()).interval.high < 0.03
    True
    """

    def number(name: str, unit: str) -> float:
        return book.value(f"toxicity.{name}", unit=unit)

    deaths = number("death_petrov.events", "patient") + number("death_antwerp.events", "patient")
    petrov = (
        number("death_petrov.patients", "patient")
        if per_patient
        else number("death_petrov.perfusions", "perfusion")
    )
    total = petrov + number("death_antwerp.patients", "patient")
    rng = np.random.default_rng([seed, _STREAM])
    chance = rng.beta(deaths + _JEFFREYS, total - deaths + _JEFFREYS, size=draws)
    words = [
        f"Rests on {deaths:.0f} death, from edema, after {total:.0f}"
        f" {'patients' if per_patient else 'perfusions'} at 37 °C in two centers."
    ]
    if temperature_c > NORMAL_C:
        words.append(
            f"Deaths were not counted at {temperature_c:g} °C, where edema may be more frequent: the risk of"
            " death may be higher than this."
        )
    elif temperature_c < NORMAL_C:
        words.append(f"Deaths were not counted at {temperature_c:g} °C: the risk is that at {NORMAL_C:g} °C.")
    if drug not in _DEATHS_COUNTED:
        words.append(f"Deaths were not counted after {drug}: the risk is that after melphalan and cisplatin.")
    return DeathRisk(chance, Interval.of(chance), tuple(words))


@dataclass(frozen=True, eq=False)
class FunctionCourse:
    """What is lost of one measure of lung function over the weeks after an operation with a perfusion.

    All in percent of the value before the operation, as 5th, 50th and 95th percentile: arrays of shape
    (weeks, 3).

    Parameters
    ----------
    measure
        FEV1 or DLCO.
    weeks
        Weeks after the operation, shape (weeks,).
    lost_percent
        By the whole operation: access, tissue and perfusion.
    perfusion_percent
        The perfusion's part in it.
    words
        What the reader must know.
    evidence
        Ids of the evidence entries that it rests on.
    """

    measure: Measure
    weeks: FloatArray
    lost_percent: FloatArray
    perfusion_percent: FloatArray
    words: tuple[str, ...]
    evidence: tuple[str, ...]


def function_course(
    measure: Measure,
    book: EvidenceBook,
    *,
    weeks: Sequence[float] = COURSE_WEEKS,
    removed_ml: float = 0.0,
    perfused_share: float = 1.0,
) -> FunctionCourse:
    """Return the course of FEV1 or DLCO after an operation on one lung with a perfusion of it.

    The course is that of :class:`clearlung.resection.FunctionModel`, whose perfusion takes a part for good
    and nothing that comes back: the early fall is the operation's.

    Parameters
    ----------
    measure
        FEV1 or DLCO.
    book
        The evidence.
    weeks
        Weeks after the operation, each from 0.
    removed_ml
        Tissue taken out in the same operation, in lungs of the reference's volume.
    perfused_share
        Volume of what is perfused over that of its whole lung, 0 to 1.
    """
    lung_ml = book.value("function.reference.lung_ml", unit="ml")
    model = FunctionModel.from_evidence(
        book, measure, percent=100.0, predicted=None, lung_ml=lung_ml, confidence=0.95
    )
    with_it, without = (model.loss(removed_ml, perfused=perfused) for perfused in (True, False))
    factor = book["function.perfusion_factor"]
    share = perfused_share ** book.value("function.perfusion_share", unit="1")
    permanent = 100 * share * (with_it.permanent - without.permanent)
    low, high = (factor.value if end is None else end for end in (factor.low, factor.high))
    part = permanent * np.array([low, factor.value, high])
    at = np.asarray(weeks, dtype=np.float64)
    operation = np.array([100.0 - model.percent([(0.0, without)], float(week)) for week in at])
    # The error of the prediction holds for the whole operation, of which the perfusion is a part.
    spread = model.margin_percent * np.array([-1.0, 0.0, 1.0])
    middle = operation + part[1]
    words = [
        "What a perfusion takes for good rests on one series (50 patients, melphalan 45 mg) in which everyone"
        " was resected too; the fall of the first weeks is put down to the operation.",
    ]
    if perfused_share < 1:
        words.append("No function after perfusion of some lobes was found: in proportion to their volume.")
    return FunctionCourse(
        measure=measure,
        weeks=at,
        lost_percent=middle[:, None] + spread,
        perfusion_percent=np.tile(part, (len(at), 1)),
        words=tuple(words),
        evidence=(*model.evidence, "function.perfusion_factor", "function.perfusion_share"),
    )


@dataclass(frozen=True, eq=False)
class PerfusionHarm:
    """What one perfusion may do.

    Parameters
    ----------
    edema, death
        The risks.
    respiratory_grade3_percent, respiratory_grade4_percent
        Respiratory toxicity as published, with melphalan 45 mg at 37 °C and resection.
    fev1, dlco
        Lung function after it, without what the resection takes.
    evidence
        Ids of the evidence entries that it rests on.
    """

    edema: EdemaRisk
    death: DeathRisk
    respiratory_grade3_percent: float
    respiratory_grade4_percent: float
    fev1: FunctionCourse
    dlco: FunctionCourse
    evidence: tuple[str, ...]


def perfusion_harm(
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    body_surface_m2: float | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> PerfusionHarm:
    """Return what one perfusion of a patient's lung or lobes may do.

    Parameters
    ----------
    regimen
        The perfusion.
    lungs
        The patient's, or the reference ones.
    book
        The evidence, with the protocol's own assumptions.
    body_surface_m2
        The patient's; needed by drugs whose reference dose goes by it.
    draws, seed
        How many draws of which seed.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`~clearlung.perfusion.edema_risk`.
    """
    perfused_ml, reference_ml = compared_volumes(regimen, lungs, book)
    edema = edema_risk(
        drug=regimen.drug,
        dose_mg=regimen.dose_mg,
        temperature_c=regimen.temperature_c,
        perfused_ml=perfused_ml,
        reference_ml=reference_ml,
        minutes=regimen.minutes,
        body_surface_m2=body_surface_m2,
        book=book,
        draws=draws,
        seed=seed,
    )
    death = death_risk(book, temperature_c=regimen.temperature_c, drug=regimen.drug, draws=draws, seed=seed)
    share = perfused_share(regimen.target, lungs)
    fev1, dlco = (function_course(measure, book, perfused_share=share) for measure in ("fev1", "dlco"))
    grade3, grade4 = (book.value(key, unit="%") for key in _RESPIRATORY)
    evidence = (
        *(*edema.evidence, *death.evidence, *_RESPIRATORY, *fev1.evidence, *dlco.evidence),
        *reference_lungs(book).evidence,
    )
    return PerfusionHarm(
        edema, death, grade3, grade4, fev1, dlco, tuple(dict.fromkeys((*evidence, *lungs.evidence)))
    )


def compared_volumes(regimen: Regimen, lungs: LungVolumes, book: EvidenceBook) -> tuple[float, float]:
    """Return the volume that is perfused, and that of the mean reference lung, ml.

    Volume with air and not tissue: the density of a scan also counts blood that the published tissue of the
    reference lungs leaves out, up to as much again, so that every patient would seem to have spare lung.
    """
    both = volume_ml(reference_lungs(book).lobes)
    return volume_ml(lungs.of(find_target(regimen.target))), both / 2


def perfused_share(name: str, lungs: LungVolumes) -> float:
    """Return the volume of a target over that of its whole lung, 0 to 1.

    Raises
    ------
    PerfusionError
        If there is no target of this name, or nothing of it is there.
    """
    target = find_target(name)
    return volume_ml(lungs.of(target)) / volume_ml(lungs.lung(target.side))
