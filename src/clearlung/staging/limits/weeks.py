"""Limits of time: weeks between operations, and until the last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from clearlung.staging.limits.base import Floats, Limit, Reached, WholeLimit, most, register
from clearlung.staging.plan import Operation, Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol

if TYPE_CHECKING:
    from clearlung.staging.stress.simulate import Course

# Ten years in weeks: early losses have recovered long before.
_YEARS_END = 520


def shortest(plan: Plan, counts: Callable[[Operation, Operation], bool]) -> Reached | None:
    """Return the fewest weeks between any two operations, earlier and later, that count."""
    ordered = sorted(plan.operations, key=lambda o: (o.week, o.number))
    gaps = [(b.week - a.week, a.number, b.number) for a, b in combinations(ordered, 2) if counts(a, b)]
    if not gaps:
        return None
    weeks, first, second = min(gaps)
    return Reached(weeks, f"operations\u00a0{first}\u00a0to\u00a0{second}")


def _share_a_side(a: Operation, b: Operation) -> bool:
    return a.side == b.side or "both" in (a.side, b.side)


@register
class OtherSide(Limit):
    """Weeks until the other side."""

    field = "weeks.other_side_min"
    words = "weeks until the other side"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations on different sides."""
        return shortest(plan, lambda a, b: not _share_a_side(a, b))

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0


@register
class SameSide(Limit):
    """Weeks until the same side again."""

    field = "weeks.same_side_min"
    words = "weeks until the same side"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations that open the same lung."""
        return shortest(plan, _share_a_side)

    def free(self, problem: StagingProblem) -> float:
        """Return one: two operations in the same week are one."""
        return 1.0


@register
class AfterPerfusion(Limit):
    """Weeks after an operation with perfusion."""

    field = "weeks.after_perfusion_min"
    words = "weeks after a perfusion"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval that a perfusion begins."""
        return shortest(plan, lambda a, b: a.perfusion is not None)

    def free(self, problem: StagingProblem) -> float:
        """Return one."""
        return 1.0


@register
class TotalWeeks(Limit):
    """Week of the last operation."""

    field = "weeks.total_max"
    words = "week of the last operation"
    per_operation = False

    def reached(self, plan: Plan) -> Reached | None:
        """Return the last operation's week."""
        return most(plan, lambda o: o.week)

    def free(self, problem: StagingProblem) -> float:
        """Return a week after which no plan ends: one specimen at a time, each after all intervals."""
        rules, scans = problem.protocol.weeks, problem.protocol.scans
        gap = rules.other_side_min + rules.same_side_min + rules.after_perfusion_min
        gap += (problem.protocol.perfusion.weeks_between_min or 0) + scans.weeks_between_operations
        blocked = sum(last - first + 1 for first, last in rules.blocked)
        return float(max(_YEARS_END, gap * len(problem.specimens) + blocked))

    def load(self, course: Course) -> Floats:
        """Return the last operation's week."""
        return course.week[-1:] if len(course.week) else np.zeros((1, len(course.recovery)))


@register
class BlockedWeeks(WholeLimit):
    """Operations in weeks in which nobody operates: none."""

    field = "weeks.blocked"
    words = "weeks in which nobody operates"

    @property
    def unit(self) -> str:
        """Weeks: what of it can be lifted."""
        return "week"

    def bound(self, protocol: Protocol) -> float | None:
        """Return zero, or None where every week is free."""
        return 0.0 if protocol.weeks.blocked else None

    def reached(self, plan: Plan) -> Reached | None:
        """Return how many operations are in such weeks, and which."""
        if not plan.operations:
            return None
        blocked = [
            o.number
            for o in plan.operations
            if any(first <= o.week <= last for first, last in plan.protocol.weeks.blocked)
        ]
        return Reached(len(blocked), "operations\u00a0" + ", ".join(map(str, blocked)) if blocked else "none")

    def value(self, problem: StagingProblem) -> float | None:
        """Return how many weeks are not free; None where all are."""
        weeks = {w for first, last in problem.protocol.weeks.blocked for w in range(first, last + 1)}
        return float(len(weeks)) or None

    def set_to(self, problem: StagingProblem, value: float) -> StagingProblem:
        """Return the problem with every week free."""
        weeks = problem.protocol.weeks.model_copy(update={"blocked": ()})
        return replace(problem, protocol=problem.protocol.model_copy(update={"weeks": weeks}))
