"""FROC: how many of the known nodules are found at how many false findings per scan.

As in the LUNA16 challenge [1]_: findings are ranked by their probability over all scans together. A nodule is
found as soon as one finding lies on it; more findings on it count neither way, and so do findings on what is
neither a nodule nor false. The score is the mean sensitivity at 1/8 to 8 false findings per scan.

References
----------
.. [1] A. A. A. Setio et al., "Validation, comparison, and combination of algorithms for automatic detection
   of pulmonary nodules in computed tomography images: The LUNA16 challenge", Medical Image Analysis 42, 2017.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from clearlung.nodules.match import SMALLEST_RADIUS_MM

RATES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
NOT_FOUND = -1.0


@dataclass(frozen=True, eq=False)
class ScanResult:
    """What one scan's findings mean.

    Parameters
    ----------
    found
        For each known nodule that counts, the highest probability of a finding on it; -1 if there is none.
    false
        Probabilities of the false findings.
    apart
        Probabilities of the findings on marks that are counted apart (true small nodules).
    """

    found: np.ndarray
    false: np.ndarray
    apart: np.ndarray


def judge(
    known_mm: np.ndarray,
    known_diameter_mm: np.ndarray,
    counts: np.ndarray,
    found_mm: np.ndarray,
    probability: np.ndarray,
    ignored_mm: np.ndarray | None = None,
    ignored_diameter_mm: np.ndarray | None = None,
    apart_mm: np.ndarray | None = None,
) -> ScanResult:
    """Tell of each known nodule how surely it was found, and which findings are false.

    Parameters
    ----------
    known_mm, known_diameter_mm
        LPS centers (n, 3) and diameters: a finding within the radius, or within 3 mm, lies on the nodule. It
        lies on one only: the nearest, in radii.
    counts
        bool, shape (n,): which of them are asked for; findings on the others are neither hits nor false.
    found_mm, probability
        The findings.
    ignored_mm, ignored_diameter_mm
        More nodules that are not asked for.
    apart_mm
        Marked places: findings within 3 mm of one, and on no nodule, are counted apart.
    """
    ignored = np.zeros((0, 3)) if ignored_mm is None else ignored_mm
    wide = np.zeros(0) if ignored_diameter_mm is None else ignored_diameter_mm
    places = np.vstack([known_mm.reshape(-1, 3), ignored.reshape(-1, 3)])
    diameter = np.concatenate([known_diameter_mm, wide])
    asked = np.concatenate([counts, np.zeros(len(wide), dtype=bool)]).astype(bool)
    owner = owners(places, diameter, found_mm)
    best = np.full(len(places), NOT_FOUND)
    on = owner >= 0
    np.maximum.at(best, owner[on], probability[on])
    aside = np.zeros(len(found_mm), dtype=bool)
    if apart_mm is not None:
        aside = ~on & (owners(apart_mm, np.zeros(len(apart_mm)), found_mm) >= 0)
    return ScanResult(best[asked], probability[~on & ~aside], probability[aside])


def owners(known_mm: np.ndarray, known_diameter_mm: np.ndarray, found_mm: np.ndarray) -> np.ndarray:
    """Row of the known nodule that each finding lies on, or -1."""
    owner = np.full(len(found_mm), -1, dtype=np.int64)
    if len(known_mm) and len(found_mm):
        radius = np.maximum(known_diameter_mm / 2.0, SMALLEST_RADIUS_MM)
        share = cdist(found_mm, known_mm) / radius
        nearest = share.argmin(axis=1)
        inside = share[np.arange(len(found_mm)), nearest] <= 1.0
        owner[inside] = nearest[inside]
    return owner


def threshold_at(false: np.ndarray, allowed: float) -> float:
    """Find the lowest probability at which no more than ``allowed`` false findings are left.

    It is a value just above that of the first finding too many, or 0 where all may stay.
    """
    ranked = np.sort(false)[::-1]
    keep = int(np.floor(allowed + 1e-9))
    return float(np.nextafter(ranked[keep], np.inf)) if keep < len(ranked) else 0.0


def sensitivities(scans: Sequence[ScanResult], rates: Sequence[float] = RATES) -> np.ndarray:
    """Sensitivity at each rate of false findings per scan; NaN without a known nodule."""
    found = np.concatenate([s.found for s in scans])
    false = np.concatenate([s.false for s in scans])
    return _at_rates(np.sort(found), np.sort(false)[::-1], len(scans), rates)


def _at_rates(rising: np.ndarray, falling: np.ndarray, scans: int, rates: Sequence[float]) -> np.ndarray:
    out = np.full(len(rates), np.nan)
    if not len(rising):
        return out
    for place, rate in enumerate(rates):
        threshold = threshold_at(falling, rate * scans)
        out[place] = 1.0 - np.searchsorted(rising, threshold, side="left") / len(rising)
    return out


@dataclass(frozen=True, eq=False)
class Froc:
    """Sensitivity at each of the rates and their mean, each with its 95 % interval.

    Parameters
    ----------
    sensitivity, low, high
        Shape (7,): at :data:`RATES`.
    score, score_low, score_high
        The LUNA16 score.
    """

    sensitivity: np.ndarray
    low: np.ndarray
    high: np.ndarray
    score: float
    score_low: float
    score_high: float


def froc(scans: Sequence[ScanResult], samples: int = 1000, seed: int = 0) -> Froc:
    """Compute the FROC with bootstrap intervals: whole scans are drawn again, with replacement.

    Scans are the unit because findings of one scan hang together. With one scan there is no interval (NaN).
    """
    sensitivity = sensitivities(scans)
    low = high = np.full(len(RATES), np.nan)
    score_low = score_high = float("nan")
    if len(scans) > 1:
        rng = np.random.default_rng(seed)
        draws = np.array(
            [
                sensitivities([scans[k] for k in rng.integers(len(scans), size=len(scans))])
                for _ in range(samples)
            ]
        )
        draws = draws[np.isfinite(draws).all(axis=1)]
        if len(draws):
            low, high = np.quantile(draws, [0.025, 0.975], axis=0)
            score_low, score_high = np.quantile(draws.mean(axis=1), [0.025, 0.975]).tolist()
    return Froc(sensitivity, low, high, float(sensitivity.mean()), score_low, score_high)


def global_threshold(scans: Sequence[ScanResult], rate: float) -> float:
    """Probability that leaves ``rate`` false findings per scan over all scans together."""
    return threshold_at(np.concatenate([s.false for s in scans]), rate * len(scans))
