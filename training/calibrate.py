"""From what the network says of held-out cases to probabilities and operating points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from clearlung.nodules import match_nodules
from clearlung.nodules.network import LEAST_DIAMETER_MM, Calibration, Network, OperatingPoint, Pyramid, judge
from training.cases import Case

FALSE_PER_SCAN = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
# Sensitivity is told for the nodules that the program promises to find.
PROMISED_MM = 3.0
RIDGE = 1e-3
BINS = 10


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found on all held-out cases.

    Parameters
    ----------
    logit, diameter_mm, slice_mm
        Shape (n,): of each finding.
    true
        bool: whether it is a known nodule. Findings on nodules too small to count are left out.
    promised
        bool: whether that nodule is large enough to count for the sensitivity.
    scans, nodules
        How many cases, and how many nodules of a promised size in them.
    """

    logit: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    slice_mm: NDArray[np.float64]
    true: NDArray[np.bool_]
    promised: NDArray[np.bool_]
    scans: int
    nodules: int


def find_on(network: Network, cases: list[Case]) -> Findings:
    """Run the candidate stage's proposals of each case through the network, as the program does."""
    rows: list[NDArray[np.float64]] = []
    nodules = 0
    for case in cases:
        pyramid = Pyramid.of(case.hu, case.lungs, case.spacing_mm)
        judged = judge(network, pyramid, case.candidates, case.candidate_mm)
        match = match_nodules(case.known * case.spacing_mm, case.known_mm, judged.centers * case.spacing_mm)
        true = match.known_of_found >= 0
        size = np.where(true, case.known_mm[match.known_of_found], np.inf)
        counts = (size >= LEAST_DIAMETER_MM) & ~_on_known(case, judged.centers, true)
        nodules += int((case.known_mm >= PROMISED_MM).sum())
        table = np.column_stack(
            [judged.logit, judged.diameter_mm, np.full(len(judged), case.spacing_mm.max()), true]
        )
        rows.append(np.column_stack([table, true & (size >= PROMISED_MM)])[counts])
    logit, diameter, slices, true, promised = np.vstack(rows).T
    return Findings(logit, diameter, slices, true > 0, promised > 0, len(cases), nodules)


def _on_known(case: Case, centers: NDArray[np.float64], matched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a finding lies in a known nodule that another finding has: neither true nor false."""
    offset = (centers[:, None] - case.known[None]) * case.spacing_mm
    inside = (np.linalg.norm(offset, axis=2) <= 0.5 * case.known_mm).any(axis=1)
    return np.asarray(inside & ~matched, dtype=np.bool_)


def calibrate(found: Findings) -> Calibration:
    """Fit the calibration by ridge-penalized logistic regression."""
    terms = _terms(found)
    center, scale = terms.mean(axis=0), terms.std(axis=0) + 1e-9
    scaled = (terms - center) / scale

    def loss(weights: NDArray[np.float64]) -> float:
        odds = weights[0] + scaled @ weights[1:]
        return float(
            np.logaddexp(0.0, np.where(found.true, -odds, odds)).mean() + RIDGE * weights[1:] @ weights[1:]
        )

    best = minimize(loss, np.zeros(terms.shape[1] + 1), method="BFGS").x
    weights = best[1:] / scale
    return Calibration(
        intercept=round(float(best[0] - center @ weights), 5),
        logit=round(float(weights[0]), 5),
        log_slice=round(float(weights[1]), 5),
        log_size=round(float(weights[2]), 5),
    )


def _terms(found: Findings) -> NDArray[np.float64]:
    return np.column_stack([found.logit, np.log(found.slice_mm), np.log(found.diameter_mm)])


def probabilities(calibration: Calibration, found: Findings) -> NDArray[np.float64]:
    """Return the probability of each finding, shape (n,)."""
    odds = calibration.intercept + _terms(found) @ [
        calibration.logit,
        calibration.log_slice,
        calibration.log_size,
    ]
    return np.asarray(expit(odds), dtype=np.float64)


def calibration_error(probability: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over ten equally filled bins."""
    order = np.argsort(probability)
    parts = np.array_split(order, BINS)
    return float(sum(len(p) * abs(probability[p].mean() - true[p].mean()) for p in parts) / len(order))


def operating_points(probability: NDArray[np.float64], found: Findings) -> tuple[OperatingPoint, ...]:
    """Return the probabilities at which so many false findings a scan remain."""
    false = np.sort(probability[~found.true])[::-1]
    points = []
    for rate in FALSE_PER_SCAN:
        allowed = int(rate * found.scans)
        least = float(false[allowed]) + 1e-6 if allowed < len(false) else 0.0
        sensitivity = float((found.promised & (probability >= least)).sum() / found.nodules)
        points.append(
            OperatingPoint(
                false_per_scan=rate, probability=round(least, 6), sensitivity=round(sensitivity, 4)
            )
        )
    return tuple(points)
