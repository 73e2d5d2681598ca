"""Limits of perfusion.

A lung's last operations are perfused, as many as are allowed. So fewer perfusions allow more of everything
else: that is how these limits give, though a plan has at most what they say.
"""

from __future__ import annotations

from clearlung.anatomy import SIDES
from clearlung.staging.limits.base import Limit, Reached, register
from clearlung.staging.limits.weeks import shortest
from clearlung.staging.plan import Operation, Plan
from clearlung.staging.problem import StagingProblem


def _lungs(operation: Operation) -> int:
    """How many lungs an operation perfuses."""
    return (2 if operation.side == "both" else 1) if operation.perfusion is not None else 0


class _Count(Limit):
    """A number of perfusions, or what all of them take."""

    @property
    def up(self) -> bool:
        """Fewer allow more."""
        return False

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0


@register
class PerfusionsPerLung(_Count):
    """Perfusions of one lung."""

    field = "perfusion.per_lung_max"
    words = "perfusions of each lung"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lung that is perfused most often."""
        counts = {
            side: sum(o.perfusion is not None for o in plan.operations if o.side in (side, "both"))
            for side in SIDES
        }
        side = max(counts, key=lambda s: counts[s])
        return Reached(counts[side], f"{side} lung")


@register
class PerfusionsInAll(_Count):
    """Perfusions of both lungs together."""

    field = "perfusion.total_max"
    words = "perfusions in all"

    def reached(self, plan: Plan) -> Reached | None:
        """Return their number."""
        return Reached(sum(_lungs(o) for o in plan.operations), "both lungs")


@register
class WeeksBetweenPerfusions(Limit):
    """Weeks between two perfusions."""

    field = "perfusion.weeks_between_min"
    words = "weeks between perfusions"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the shortest interval between operations with perfusion."""
        return shortest(plan, lambda a, b: a.perfusion is not None and b.perfusion is not None)

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0


@register
class Drug(_Count):
    """Drug of all perfusions together."""

    field = "perfusion.drug_mg_max"
    words = "drug of all perfusions"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the sum of the doses."""
        doses = [_lungs(o) * o.perfusion.dose_mg for o in plan.operations if o.perfusion is not None]
        return Reached(sum(doses), f"{len(doses)} operations with perfusion")

    def free(self, problem: StagingProblem) -> float:
        """Return a milligram, or half a dose: too little for any perfusion."""
        return 1.0 if problem.regimen is None else min(1.0, problem.regimen.dose_mg / 2)
