"""How much tumor grows until an operation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.staging.problem import StagingProblem

RATE_EVIDENCE = "stress.growth.rate"
"""Rate at which lesions grow of which no doubling time is known, percent a day."""


def growth_rates(problem: StagingProblem) -> NDArray[np.float64]:
    """Return each lesion's rate of exponential growth, per day.

    A lesion of unknown doubling time has the median of the known ones; where none is known, the assumed rate.
    """
    vdt = problem.lesions.vdt_days
    known = np.isfinite(vdt) & (vdt != 0)
    rate = np.full(len(vdt), problem.protocol.book().value(RATE_EVIDENCE, unit="%/day") / 100)
    if known.any():
        rate[:] = np.log(2) / np.median(vdt[known])
        rate[known] = np.log(2) / vdt[known]
    return rate


def growth_ml(
    problem: StagingProblem, lesions: Sequence[int], weeks: Sequence[int | float]
) -> NDArray[np.float64]:
    """Return how much each lesion has grown by each week.

    Parameters
    ----------
    problem
        Sizes and doubling times.
    lesions
        Numbers of the lesions.
    weeks
        Weeks after the first operation.

    Returns
    -------
    float64 of shape (lesions, weeks)
        ml; negative where a lesion shrinks.
    """
    place = {lesion: row for row, lesion in enumerate(problem.lesions.id.tolist())}
    rows = [place[lesion] for lesion in lesions]
    volume_ml = np.pi / 6 * problem.lesions.diameter_mm[rows] ** 3 / 1000
    days = 7 * np.asarray(weeks, dtype=np.float64)
    grown: NDArray[np.float64] = volume_ml[:, None] * np.expm1(growth_rates(problem)[rows][:, None] * days)
    return grown
