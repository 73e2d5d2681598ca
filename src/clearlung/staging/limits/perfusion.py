"""Limits of perfusion."""

from __future__ import annotations

from clearlung.anatomy import SIDES
from clearlung.staging.limits.base import Limit, Reached, register
from clearlung.staging.plan import Plan


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
