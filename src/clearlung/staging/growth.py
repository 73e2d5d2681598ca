"""How much tumor grows until an operation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol_parts import WEIGHTED

# What a goal of the next rank counts beside one: enough to decide what that leaves open, and no more.
_RANK = 1e-3

HILUM_EVIDENCE = "growth.hilum.reach"
"""How near to the point of the hilum a lesion's edge has reached it."""

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
        ml; none where a lesion shrinks.
    """
    rows = _rows_of(problem, lesions)
    volume_ml = np.pi / 6 * problem.lesions.diameter_mm[rows] ** 3 / 1000
    days = 7 * np.asarray(weeks, dtype=np.float64)
    grown: NDArray[np.float64] = volume_ml[:, None] * np.expm1(growth_rates(problem)[rows][:, None] * days)
    return np.maximum(grown, 0.0)


def at_hilum(
    problem: StagingProblem, lesions: Sequence[int], weeks: Sequence[int | float]
) -> NDArray[np.float64]:
    """Return 1 where a lesion has reached the hilum of its side by a week, and 0 where it has not.

    Parameters
    ----------
    problem, lesions, weeks
        As for :func:`growth_ml`.

    Returns
    -------
    float64 of shape (lesions, weeks)
        A lesion whose distance from the hilum is not known never reaches it.
    """
    rows = _rows_of(problem, lesions)
    radius = problem.lesions.diameter_mm[rows] / 2
    days = 7 * np.asarray(weeks, dtype=np.float64)
    grown = radius[:, None] * np.exp(np.maximum(growth_rates(problem)[rows], 0.0)[:, None] * days / 3)
    reach = problem.protocol.book().value(HILUM_EVIDENCE, unit="mm")
    reached: NDArray[np.float64] = (problem.lesions.hilum_mm[rows][:, None] - grown <= reach).astype(
        np.float64
    )
    return reached


def _rows_of(problem: StagingProblem, lesions: Sequence[int]) -> list[int]:
    place = {lesion: row for row, lesion in enumerate(problem.lesions.id.tolist())}
    return [place[lesion] for lesion in lesions]


Waiting = Callable[[StagingProblem, Sequence[int], Sequence[int]], NDArray[np.float64]]
"""From lesions and weeks to what each lesion costs if its operation is in each week."""

WAITING: dict[str, Waiting] = {"growth": growth_ml, "at_hilum": at_hilum}
"""What waiting costs, by the key of the goal."""


def waiting_cost(
    problem: StagingProblem, lesions: Sequence[int], weeks: Sequence[int]
) -> NDArray[np.float64]:
    """Return what the protocol's goals make of each lesion's waiting, shape (lesions, weeks).

    Goals of a weighted sum count with their weights; ranked ones so that a later one decides only what an
    earlier one leaves open.
    """
    goals = problem.protocol.goals
    total = np.zeros((len(lesions), len(weeks)))
    scale = 1.0
    for key in goals.ranked:
        if key in WAITING:
            cost = WAITING[key](problem, lesions, weeks)
            total += scale * cost / max(float(cost.max(initial=0.0)), 1e-12)
            scale *= _RANK
        elif key == WEIGHTED:
            weighed = {name: weight for name, weight in goals.weights.items() if name in WAITING}
            total += scale * sum(w * WAITING[n](problem, lesions, weeks) for n, w in weighed.items())
            scale *= _RANK if weighed else 1.0
    return total
