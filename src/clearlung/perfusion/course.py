"""`perfuse`: the course of one perfusion in perfusate, lung, metastases and body."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clearlung.anatomy import Lobe
from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.circuit import TYPICAL, PatientFactors, set_up
from clearlung.perfusion.compartments import FloatArray
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.simulation import Simulation, simulate
from clearlung.perfusion.tumor import LUNG_SPREAD, OVER_LUNG, tumor_factors

DIAMETERS_MM = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Metastases that a course shows unless asked for others: from what no CT shows to what every one does."""

ALARM = "circuit.leak.alarm"


@dataclass(frozen=True)
class Phases:
    """Minutes from the start at which each phase ends."""

    perfusion: float
    washout: float
    end: float

    @property
    def reconnection(self) -> float:
        """Minute at which blood runs through the lung again."""
        return self.washout


@dataclass(frozen=True)
class Levels:
    """One number for each place that has one, in the unit that the field's name says."""

    perfusate: float
    lung: float
    systemic: float


@dataclass(frozen=True, eq=False)
class Course:
    """One perfusion of a typical patient, over time.

    Parameters
    ----------
    regimen
        What was given.
    minutes
        Times from the start, shape (times,); not evenly spaced.
    phases
        When each phase ends.
    perfusate_mg_per_l
        Level in the circuit, 0 once it is shut off, shape (times,).
    lobes
        The perfused lobes.
    lung_mg_per_l
        Free and bound drug in each lobe's tissue without blood, shape (times, lobes).
    systemic_mg_per_l
        Level in the body's first compartment, shape (times,).
    nodule_diameters_mm
        Shape (sizes,).
    nodules_mg_per_l
        Mean level in a metastasis of each size for the middle of the tumor's prior, shape (times, sizes).
        How they compare with one another is the model's; their height is not known within an order of size.
    nodule_share
        Exposure of each size over that of one so small that it follows the lung at once, shape (sizes,).
    amounts_mg
        Where the dose is at the end: ``circuit`` (thrown away with it), ``washed_out``, ``lung_`` with each
        lobe's name, ``nodules``, ``body``, ``eliminated``, ``hydrolyzed``.
    auc_mg_min_per_l
        Areas under the curves to the end; the lung's is the mean of its lobes by their tissue.
    free_in_lung_auc_mg_min_per_l
        Area under the level of free drug in lung water, which tumor takes up from.
    tumor_auc_mg_min_per_l
        What the smallest metastases are exposed to: 90 % of the prior, see :mod:`clearlung.perfusion.tumor`.
    peak_mg_per_l
        Highest levels; the lung's is that of its lobes' mean.
    systemic_peak_minute
        When the body's level is highest.
    systemic_over_perfusate
        The body's peak over the perfusate's level at the end of the perfusion.
    leak_fraction
        Share of the dose that leaked into the body before reconnection, 0 to 1.
    leak_alarm_minute
        When the leak reaches the alarm; None if it does not.
    returned_mg
        What was left in the lung at reconnection.
    hydrolyzed_fraction
        Share of the dose that fell apart outside the body, 0 to 1. What is bound, leaks or is thrown away
        falls apart no further: it is a little less than the medium alone would take.
    medium_loss_fraction
        Share that would fall apart in the minutes of perfusion if all stayed in the medium, as published.
    mass_balance_error
        Largest difference of all amounts from the dose at any time, as a share of the dose.
    evidence
        Ids of the entries that it rests on.
    assumed
        Those of them that are assumed.
    doubts
        What a reader must know before relying on it, in words.
    """

    regimen: Regimen
    minutes: FloatArray
    phases: Phases
    perfusate_mg_per_l: FloatArray
    lobes: tuple[Lobe, ...]
    lung_mg_per_l: FloatArray
    systemic_mg_per_l: FloatArray
    nodule_diameters_mm: FloatArray
    nodules_mg_per_l: FloatArray
    nodule_share: FloatArray
    amounts_mg: Mapping[str, float]
    auc_mg_min_per_l: Levels
    free_in_lung_auc_mg_min_per_l: float
    tumor_auc_mg_min_per_l: Interval
    peak_mg_per_l: Levels
    systemic_peak_minute: float
    systemic_over_perfusate: float
    leak_fraction: float
    leak_alarm_minute: float | None
    returned_mg: float
    hydrolyzed_fraction: float
    medium_loss_fraction: float
    mass_balance_error: float
    evidence: tuple[str, ...]
    assumed: tuple[str, ...]
    doubts: tuple[str, ...] = ()


def perfuse(
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    nodule_diameters_mm: Sequence[float] = DIAMETERS_MM,
    patient: PatientFactors = TYPICAL,
    draws: int = 2000,
    seed: int = 0,
) -> Course:
    """Simulate one perfusion.

    Well-stirred compartments: the circuit, and of each perfused lobe its vessels, its water and what is bound
    in it; a metastasis of each size; and two of the body, which the leak reaches. Drug falls apart wherever
    it is free outside the body. Perfusion, washout, reconnection and the hours after it follow one another.
    What is lost to the leak is replaced by fluid without drug.

    Parameters
    ----------
    regimen
        With its dose and target.
    lungs
        From the scan, or the reference.
    book
        The evidence. Assumed entries can be set with :meth:`EvidenceBook.overriding`.
    nodule_diameters_mm
        Metastases to follow, each above 0.
    patient
        How the patient differs from a typical one.
    draws, seed
        Of the prior on the tumor's uptake.

    Raises
    ------
    PerfusionError
        If a diameter is not above 0, or nothing of the target is there.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion import make_regimen, reference_lungs
    >>> book = load_evidence()
    >>> course = perfuse(make_regimen("antwerp-melphalan-45", book), reference_lungs(book), book)
    >>> abs(sum(course.amounts_mg.values()) - 45) < 1e-6
    True
    """
    for diameter in nodule_diameters_mm:
        if not 0 < diameter < np.inf:
            raise PerfusionError("nodule_diameters_mm", f"{diameter:g} mm is no size: give above 0")
    found = simulate(set_up(regimen, lungs, book, nodule_diameters_mm, patient))
    tumor = tumor_factors(book, draws=draws, seed=seed)
    return _course(found, regimen, np.asarray(nodule_diameters_mm, dtype=np.float64), lungs, book, tumor)


def _course(
    found: Simulation,
    regimen: Regimen,
    nodule_diameters_mm: FloatArray,
    lungs: LungVolumes,
    book: EvidenceBook,
    tumor_over_free: FloatArray,
) -> Course:
    """Return levels, areas and accounts of a simulation."""
    setup = found.setup
    lung = found.lung_mg_per_l()
    mean_lung = lung @ setup.lobe_shares
    perfusate, systemic, leaked = found.perfusate_mg_per_l(), found.systemic_mg_per_l(), found.leaked_mg()
    free_auc = found.free_in_lung_auc_mg_min_per_l()
    alarm_mg = book.value(ALARM, unit="%") / 100 * regimen.dose_mg
    evidence = tuple(
        dict.fromkeys((*regimen.evidence, *lungs.evidence, *setup.evidence, ALARM, OVER_LUNG, LUNG_SPREAD))
    )
    return Course(
        regimen=regimen,
        minutes=found.minutes,
        phases=Phases(*(float(found.minutes[at]) for at in (found.perfused, found.washed, -1))),
        perfusate_mg_per_l=perfusate,
        lobes=setup.lobes,
        lung_mg_per_l=lung,
        systemic_mg_per_l=systemic,
        nodule_diameters_mm=nodule_diameters_mm,
        nodules_mg_per_l=found.nodules_mg_per_l(),
        nodule_share=_share(found.nodules_auc_mg_min_per_l(), setup.nodule_over_lung * free_auc),
        amounts_mg=_accounts(found),
        auc_mg_min_per_l=Levels(
            found.perfusate_auc_mg_min_per_l(),
            float(found.lung_auc_mg_min_per_l() @ setup.lobe_shares),
            found.systemic_auc_mg_min_per_l(),
        ),
        free_in_lung_auc_mg_min_per_l=free_auc,
        tumor_auc_mg_min_per_l=Interval.of(free_auc * tumor_over_free),
        peak_mg_per_l=Levels(float(perfusate.max()), float(mean_lung.max()), float(systemic.max())),
        systemic_peak_minute=float(found.minutes[systemic.argmax()]),
        systemic_over_perfusate=float(systemic.max() / perfusate[found.perfused]),
        leak_fraction=float(leaked[-1] / regimen.dose_mg),
        leak_alarm_minute=_reached(found.minutes, leaked, alarm_mg),
        returned_mg=_in_lung_mg(found, found.washed),
        hydrolyzed_fraction=float(found.amounts_mg[-1, setup.places.hydrolyzed] / regimen.dose_mg),
        medium_loss_fraction=-math.expm1(-setup.hydrolysis_perfused_per_min * setup.perfusion_minutes),
        mass_balance_error=found.mass_balance_error(),
        evidence=evidence,
        assumed=tuple(key for key in evidence if book[key].tag == "assumed"),
        doubts=setup.doubts,
    )


def _share(areas: FloatArray, most: float) -> FloatArray:
    """Return each area over the largest possible; 1 where nothing enters."""
    return areas / most if most > 0 else np.ones_like(areas)


def _accounts(found: Simulation) -> dict[str, float]:
    """Return where the dose is at the end, mg."""
    places, end = found.setup.places, found.amounts_mg[-1]
    accounts = {"circuit": float(end[places.circuit]), "washed_out": float(end[places.washed_out])}
    for j, lobe in enumerate(found.setup.lobes):
        accounts[f"lung_{lobe}"] = float(end[[places.vessels[j], places.water[j], places.bound[j]]].sum())
    return accounts | {
        "nodules": float(end[list(places.nodules)].sum()),
        "body": float(end[places.body] + end[places.body_second]),
        "eliminated": float(end[places.eliminated]),
        "hydrolyzed": float(end[places.hydrolyzed]),
    }


def _in_lung_mg(found: Simulation, time: int) -> float:
    places = found.setup.places
    inside = [*places.vessels, *places.water, *places.bound, *places.nodules]
    return float(found.amounts_mg[time, inside].sum())


def _reached(minutes: FloatArray, amounts: FloatArray, limit: float) -> float | None:
    """Return when a growing amount reaches a limit, between times by a straight line; None if never."""
    if amounts[-1] < limit:
        return None
    return float(np.interp(limit, amounts, minutes))
