"""Limits of time: weeks between operations, and until the last."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from clearlung.staging.limits.base import Limit, Reached, most, register
from clearlung.staging.plan import Operation, Plan
from clearlung.staging.protocol import Protocol


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
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations on different sides."""
        return shortest(plan, lambda a, b: not _share_a_side(a, b))


@register
class SameSide(Limit):
    """Weeks until the same side again."""

    field = "weeks.same_side_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations on one side."""
        return shortest(plan, _share_a_side)


@register
class AfterPerfusion(Limit):
    """Weeks after an operation with perfusion."""

    field = "weeks.after_perfusion_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval that a perfusion begins."""
        return shortest(plan, lambda a, b: a.perfusion is not None)


@register
class TotalWeeks(Limit):
    """Week of the last operation."""

    field = "weeks.total_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the last operation's week."""
        return most(plan, lambda o: o.week)


@register
class BlockedWeeks(Limit):
    """Operations in weeks in which nobody operates: none."""

    field = "weeks.blocked"

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
