"""Which operations are perfused: what that is worth, and which of a lung's operations it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, Draft, LungDraft, schedule
from clearlung.staging.estimates import Given
from clearlung.staging.items import MINUTES, Limits
from clearlung.staging.plan import OperationSide, sides_of
from clearlung.staging.problem import StagingProblem

# Ways to place the perfusions on both lungs that are put into weeks; each is a label setting of milliseconds.
_PLACINGS_MAX = 400


def perfused_weeks(operations: Iterable[tuple[OperationSide, int, bool]]) -> dict[Side, list[int]]:
    """Return the weeks of each lung's perfusions, from side, week and whether perfused of each operation."""
    found: dict[Side, list[int]] = {side: [] for side in SIDES}
    for side, week, perfused in operations:
        if perfused:
            for lung in sides_of(side):
                found[lung].append(week)
    return found


def worth_of(problem: StagingProblem, side: Side, last_week: int, weeks: Sequence[int]) -> float:
    """Return what a lung's perfusions spare beyond what they may cost, in metastases, on average.

    Parameters
    ----------
    problem
        With a benefit.
    side, last_week
        The lung, and the week of its last operation.
    weeks
        Weeks of its perfusions; none are worth nothing. All of them have the target that is worth most, where
        that is not settled.
    """
    benefit = problem.benefit
    if benefit is None or not weeks or side not in benefit.lungs:
        return 0.0
    return max(
        benefit.of(target).spared_mean(last_week, weeks)
        - benefit.harm(target, len(weeks), problem.perfusion_points(target))
        for target in problem.targets_on(side)
    )


def in_steps(problem: StagingProblem, net_harm: float) -> float:
    """Return the harm of perfusions less what they spare in whole steps of what decides anything."""
    least = 1.0 if problem.benefit is None else problem.benefit.worth.least
    return round(net_harm / least) * least


def net_harm(problem: StagingProblem, operations: Sequence[tuple[OperationSide, int, bool]]) -> float:
    """Return the harm of perfusions and of waiting less what perfusions spare, in metastases, on average.

    Parameters
    ----------
    problem
        With a benefit.
    operations
        Side, week and whether perfused of each, in time order.
    """
    if problem.benefit is None or not operations:
        return 0.0
    weeks = perfused_weeks(operations)
    last = {lung: week for side, week, _ in operations for lung in sides_of(side)}
    worth = sum(worth_of(problem, side, last[side], weeks[side]) for side in SIDES if side in last)
    return problem.benefit.worth.week * operations[-1][1] - worth


def most_worth(problem: StagingProblem, counts: Mapping[Side, int]) -> float:
    """Return what so many perfusions of each lung are worth at most.

    Parameters
    ----------
    problem
        With a benefit.
    counts
        Perfusions of each lung.

    Notes
    -----
    No plan perfuses before the day of the CT, nor is done with a lung before it: see
    :attr:`~clearlung.perfusion.LungBenefit.for_bounds`.
    """
    return sum(worth_of(for_bounds(problem), side, 0, [0] * counts[side]) for side in SIDES)


def for_bounds(problem: StagingProblem) -> StagingProblem:
    """Return the problem with what perfusions spare as bounds need it: never more for waiting."""
    if problem.benefit is None:
        return problem
    lungs = {side: lung.for_bounds for side, lung in problem.benefit.lungs.items()}
    parts = {target: part.for_bounds for target, part in problem.benefit.parts.items()}
    return replace(problem, estimates=Given(replace(problem.benefit, lungs=lungs, parts=parts)))


def placed(
    draft: Draft,
    limits: Limits,
    budget: Budget,
    better: Callable[[Draft], tuple[float, ...]],
    ends_in_time: Callable[[Draft], bool],
) -> Draft:
    """Return the draft with the perfusions in other operations of their lung where that is better.

    Parameters
    ----------
    draft
        A draft whose last operations on each lung are perfused.
    limits, budget
        Of one operation, and of function.
    better
        From a draft to what it is ranked by: the smaller, the better.
    ends_in_time
        Whether a draft ends early enough.

    Notes
    -----
    Every choice of as many of a lung's operations is tried, of both lungs at once: the operation that stands
    there is perfused if its minutes leave room, and otherwise the one that was perfused takes its place. With
    a least interval between perfusions, or where the surgeon fixed places, they stay the last.
    """
    if budget.perfusions_between or any(lung.items.columns.placed for lung in draft.lungs.values()):
        return draft
    before = 0 if draft.both is None else len(draft.both.operations)
    ways = {side: list(_placings(draft.lungs[side], limits, before)) for side in SIDES}
    best, key = draft, better(draft)
    for tries, (right, left) in enumerate(product(ways["right"], ways["left"])):
        if tries >= _PLACINGS_MAX:
            break
        candidate = Candidate(right, left, draft.packings, draft.both)
        found = schedule(candidate, budget) if candidate.bearable(budget) else None
        if found is not None and ends_in_time(found) and (new := better(found)) < key:
            best, key = found, new
    return best


def _placings(lung: LungDraft, limits: Limits, before: int) -> Iterator[LungDraft]:
    """Yield the lung as it is, and with its perfusions in every other choice of operations."""
    yield lung
    count, operations = sum(lung.perfused), len(lung.operations)
    if not 0 < count < operations:
        return
    for places in combinations(range(operations - 1, -1, -1), count):
        flags = tuple(place in places for place in range(operations))
        if flags == lung.perfused:
            continue
        for order in (list(range(operations)), _moved(lung.perfused, flags)):
            if _has_time(lung, order, flags, limits, before):
                yield replace(lung, operations=tuple(lung.operations[o] for o in order), perfused=flags)
                break


def _moved(perfused: Sequence[bool], flags: Sequence[bool]) -> list[int]:
    """Return the order of operations in which those that were perfused stand where they now are to be."""
    were = [o for o, yes in enumerate(perfused) if yes]
    others = [o for o, yes in enumerate(perfused) if not yes]
    return [were.pop(0) if yes else others.pop(0) for yes in flags]


def _has_time(lung: LungDraft, order: list[int], flags: Sequence[bool], limits: Limits, before: int) -> bool:
    side = lung.items.side
    if side == "both":
        return False
    minutes: NDArray[np.int64] = np.array([lung.items.weight[o, MINUTES].sum() for o in lung.operations])
    room = [
        limits.minutes_left(side, first=before + place == 0, perfused=perfused)
        for place, perfused in enumerate(flags)
    ]
    return bool((minutes[order] <= np.array(room)).all())
