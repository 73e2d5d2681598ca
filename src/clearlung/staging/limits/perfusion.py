"""Limits of perfusion."""

from __future__ import annotations

from clearlung.anatomy import SIDES
from clearlung.staging.limits.base import Limit, Reached, register
from clearlung.staging.limits.weeks import shortest
from clearlung.staging.plan import Operation, Plan


def _lungs(operation: Operation) -> int:
    """How many lungs an operation perfuses."""
    return (2 if operation.side == "both" else 1) if operation.perfusion is not None else 0


@register
class PerfusionsPerLung(Limit):
    """Perfusions of one lung."""

    field = "perfusion.per_lung_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lung that is perfused most often."""
        counts = {
            side: sum(o.perfusion is not None for o in plan.operations if o.side in (side, "both"))
            for side in SIDES
        }
        side = max(counts, key=lambda s: counts[s])
        return Reached(counts[side], f"{side} lung")


@register
class PerfusionsInAll(Limit):
    """Perfusions of both lungs together."""

    field = "perfusion.total_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return their number."""
        return Reached(sum(_lungs(o) for o in plan.operations), "both lungs")


@register
class WeeksBetweenPerfusions(Limit):
    """Weeks between two perfusions."""

    field = "perfusion.weeks_between_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations with perfusion."""
        return shortest(plan, lambda a, b: a.perfusion is not None and b.perfusion is not None)


@register
class Drug(Limit):
    """Drug of all perfusions together."""

    field = "perfusion.drug_mg_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the sum of the doses."""
        doses = [_lungs(o) * o.perfusion.dose_mg for o in plan.operations if o.perfusion is not None]
        return Reached(sum(doses), f"{len(doses)} operations with perfusion")
