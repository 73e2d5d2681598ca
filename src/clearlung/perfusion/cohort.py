"""A virtual cohort: how strongly the dose shows in perfusate, lung and tumor when patients differ.

The sizes of the spreads are assumed, and chosen so that the dose explains as much of the perfusate's area and
of the lung's level as was published of phase I (Grootenboers 2007). A cohort that agrees with these numbers
therefore validates nothing. That the dose does not show in the tumor follows from the width of the prior.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.circuit import PatientFactors, set_up
from clearlung.perfusion.compartments import FloatArray
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.simulation import simulate
from clearlung.perfusion.tumor import OVER_LUNG, log_normal, ratio_at

_STREAM = 21
# A biopsy needs a metastasis of some size.
_SAMPLED_MM = 10.0
# Long enough for the body's peak, which comes within minutes of reconnection; nothing later is read.
_FOLLOW_UP_MIN = 10.0
_SPREADS = ("circuit_volume", "lung_volume", "uptake", "leak", "hydrolysis", "body_volume")


@dataclass(frozen=True)
class Explained:
    """A straight line of a level over the dose.

    Parameters
    ----------
    r2
        Share of the level's variance that the dose explains.
    p
        Of the slope, two-sided.
    """

    r2: float
    p: float


@dataclass(frozen=True, eq=False)
class Cohort:
    """What was measured in each virtual patient.

    Parameters
    ----------
    doses_mg
        Shape (patients,).
    perfusate_auc_mg_min_per_l, lung_mg_per_l, tumor_mg_per_l
        What is so: the perfusate's area, and the levels in lung and in a metastasis of 10 mm at the end of
        the perfusion, shape (patients,).
    measured_auc_mg_min_per_l
        What a laboratory finds of the area, shape (patients,).
    lung_biopsies_mg_per_l, tumor_biopsies_mg_per_l
        What it finds in biopsies, shape (patients, biopsies).
    systemic_peak_mg_per_l, leak_fraction
        Of the body, shape (patients,).
    mass_balance_error
        The largest of all.
    """

    doses_mg: FloatArray
    perfusate_auc_mg_min_per_l: FloatArray
    lung_mg_per_l: FloatArray
    tumor_mg_per_l: FloatArray
    measured_auc_mg_min_per_l: FloatArray
    lung_biopsies_mg_per_l: FloatArray
    tumor_biopsies_mg_per_l: FloatArray
    systemic_peak_mg_per_l: FloatArray
    leak_fraction: FloatArray
    mass_balance_error: float


def simulate_cohort(
    n: int,
    doses_mg: Sequence[float],
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    biopsies: int = 2,
    seed: int = 0,
    threads: int | None = None,
) -> Cohort:
    """Perfuse many virtual patients who differ.

    Parameters
    ----------
    n
        How many.
    doses_mg
        Given to the patients in turn, so that each dose has as many as the next.
    regimen
        All but its dose is every patient's.
    lungs
        Of the typical patient.
    book
        The evidence; the spreads are its ``kinetics.spread`` entries.
    biopsies
        Of each patient's lung and tumor.
    seed
        Of the patients.
    threads
        How many simulate at once; None for one on each core.

    Raises
    ------
    PerfusionError
        If there is no patient or no dose, or a dose is not above 0.
    """
    if n < 1 or not doses_mg or min(doses_mg) <= 0:
        raise PerfusionError("doses_mg", f"{n} patients with {list(doses_mg)} mg: give at least one of each")
    rng = np.random.default_rng([seed, _STREAM])
    normal, shares = rng.standard_normal((n, len(_SPREADS) + 1 + 2 * biopsies)), rng.random(n)

    def spread(name: str) -> float:
        return book.value(f"kinetics.spread.{name}", unit="%")

    factors = {name: log_normal(spread(name), normal[:, k]) for k, name in enumerate(_SPREADS)}
    # A ratio that was set to 0 stays 0, whatever it is multiplied by.
    factors["tumor_uptake"] = ratio_at(book, shares) / (book.value(OVER_LUNG, unit="1") or 1.0)
    doses = np.resize(np.asarray(doses_mg, dtype=np.float64), n)

    def one(i: int) -> tuple[float, ...]:
        patient = PatientFactors(**{name: float(values[i]) for name, values in factors.items()})
        own = regimen.model_copy(update={"dose_mg": float(doses[i])})
        setup = set_up(own, lungs, book, (_SAMPLED_MM,), patient)
        setup = replace(setup, follow_up_minutes=_FOLLOW_UP_MIN)
        found = simulate(setup)
        return (
            found.perfusate_auc_mg_min_per_l(),
            float(found.lung_mg_per_l()[found.perfused] @ setup.lobe_shares),
            float(found.nodules_mg_per_l()[found.perfused, 0]),
            float(found.systemic_mg_per_l().max()),
            float(found.leaked_mg()[-1] / setup.dose_mg),
            found.mass_balance_error(),
        )

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        area, lung, tumor, peak, leak, error = np.array(list(pool.map(one, range(n)))).T
    sampled = log_normal(spread("biopsy"), normal[:, len(_SPREADS) + 1 :])
    return Cohort(
        doses_mg=doses,
        perfusate_auc_mg_min_per_l=area,
        lung_mg_per_l=lung,
        tumor_mg_per_l=tumor,
        measured_auc_mg_min_per_l=area * log_normal(spread("assay"), normal[:, len(_SPREADS)]),
        lung_biopsies_mg_per_l=lung[:, None] * sampled[:, :biopsies],
        tumor_biopsies_mg_per_l=tumor[:, None] * sampled[:, biopsies:],
        systemic_peak_mg_per_l=peak,
        leak_fraction=leak,
        mass_balance_error=float(error.max()),
    )


def phase1_doses(book: EvidenceBook) -> tuple[float, ...]:
    """Return the doses of melphalan that phase I is assumed to have given, mg."""
    first = book.value("kinetics.phase1.dose_first", unit="mg")
    last = book.value("kinetics.phase1.dose_last", unit="mg")
    return tuple(first * step for step in range(1, round(last / first) + 1))


def explained_by_dose(doses_mg: FloatArray, levels: FloatArray) -> Explained:
    """Return how much of a level's variance the dose explains, by a straight line as published."""
    correlation = float(np.corrcoef(doses_mg, levels)[0, 1])
    free = len(levels) - 2
    # Rounding may put a perfect correlation above 1.
    missed = max(1 - correlation**2, np.finfo(np.float64).tiny)
    p = 2 * special.stdtr(free, -abs(correlation) * np.sqrt(free / missed))
    return Explained(correlation**2, float(p))


def share_within(doses_mg: FloatArray, biopsies: FloatArray) -> float:
    """Return the share of the variance that lies within patients, between their biopsies.

    Of logarithms of the level per dose, by one-way analysis of variance.

    Parameters
    ----------
    doses_mg
        Shape (patients,).
    biopsies
        Levels, shape (patients, biopsies), two biopsies or more.

    Raises
    ------
    PerfusionError
        If a patient has but one biopsy: what differs within cannot be told.
    """
    logs = np.log(biopsies / doses_mg[:, None])
    repeats = logs.shape[1]
    if repeats < 2:
        raise PerfusionError("biopsies", "1 of each patient shows no spread within: take 2 or more")
    within = float(logs.var(axis=1, ddof=1).mean())
    between = max(float(logs.mean(axis=1).var(ddof=1)) - within / repeats, 0.0)
    return float(within / (within + between))
