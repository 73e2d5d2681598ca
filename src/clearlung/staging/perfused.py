"""What perfusions are worth: what they spare, less their harm and what waiting counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from clearlung.anatomy import SIDES, Side
from clearlung.staging.estimates import Given
from clearlung.staging.plan import OperationSide, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.targets import perfusion_points, targets_on


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
        - benefit.harm(target, len(weeks), perfusion_points(problem, target))
        for target in targets_on(problem, side)
    )


def in_steps(problem: StagingProblem, net_harm: float) -> float:
    """Return the harm of perfusions less what they spare in whole steps of what decides anything."""
    least = 1.0 if problem.benefit is None else problem.benefit.worth.least
    return round(net_harm / least) * least


def net_harm(
    problem: StagingProblem,
    operations: Sequence[tuple[OperationSide, int, bool]],
    weeks_min: int = 0,
) -> float:
    """Return the harm of perfusions and of waiting less what perfusions spare, in metastases, on average.

    Parameters
    ----------
    problem
        With a benefit.
    operations
        Side, week and whether perfused of each, in time order.
    weeks_min
        Week before which the plan does not end, where that is known of more than these operations.
    """
    if problem.benefit is None or not operations:
        return 0.0
    weeks = perfused_weeks(operations)
    last = {lung: week for side, week, _ in operations for lung in sides_of(side)}
    worth = sum(worth_of(problem, side, last[side], weeks[side]) for side in SIDES if side in last)
    return problem.benefit.worth.week * max(weeks_min, operations[-1][1]) - worth


def for_bounds(problem: StagingProblem) -> StagingProblem:
    """Return the problem with what perfusions spare as bounds need it: never more for waiting."""
    if problem.benefit is None:
        return problem
    lungs = {side: lung.for_bounds for side, lung in problem.benefit.lungs.items()}
    parts = {target: part.for_bounds for target, part in problem.benefit.parts.items()}
    return replace(problem, estimates=Given(replace(problem.benefit, lungs=lungs, parts=parts)))
