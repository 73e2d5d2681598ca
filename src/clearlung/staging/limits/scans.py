"""Limits of the CT on which an operation is planned anew."""

from __future__ import annotations

from itertools import pairwise

from clearlung.staging.limits.base import Limit, Reached, register
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol

# An operation without the CT that it needs keeps no interval, not even one of no weeks.
_NO_SCAN = -1.0


def _least(found: list[tuple[float, int]]) -> Reached | None:
    if not found:
        return None
    weeks, number = min(found)
    return Reached(weeks, f"before operation\u00a0{number}" + (", no CT" if weeks == _NO_SCAN else ""))


def _asked(protocol: Protocol) -> bool:
    return protocol.scans.weeks_after_operation_min is not None


@register
class WeeksToScan(Limit):
    """Weeks from an operation to the CT before the next."""

    field = "scans.weeks_after_operation_min"
    words = "weeks from an operation to the CT"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between an operation and the CT before the next."""
        ordered = sorted(plan.operations, key=lambda o: (o.week, o.number))
        found = [
            (_NO_SCAN if b.scan_week is None else float(b.scan_week - a.week), b.number)
            for a, b in pairwise(ordered)
            if b.scan_week is not None or _asked(plan.protocol)
        ]
        return _least(found)

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0


@register
class WeeksFromScan(Limit):
    """Weeks from the CT to the operation that is planned on it."""

    field = "scans.weeks_before_operation_min"
    words = "weeks from the CT to the operation"
    least = True

    def bound(self, protocol: Protocol) -> float | None:
        """Return the protocol's value; None where it asks for no CT."""
        return super().bound(protocol) if _asked(protocol) else None

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between a CT and its operation."""
        return _least(
            [(float(o.week - o.scan_week), o.number) for o in plan.operations if o.scan_week is not None]
        )

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0
