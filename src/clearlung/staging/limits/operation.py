"""Limits of a single operation."""

from __future__ import annotations

from collections import Counter

from clearlung.staging.limits.base import Limit, Reached, most, register
from clearlung.staging.plan import Plan


@register
class Nodules(Limit):
    """Metastases that one operation removes."""

    field = "per_operation.nodules_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation with the most."""
        return most(plan, lambda o: float(len(o.lesions)))


@register
class NodulesPerLobe(Limit):
    """Metastases that one operation removes from one lobe."""

    field = "per_operation.nodules_per_lobe_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lobe of an operation with the most."""
        counts: Counter[tuple[int, str]] = Counter()
        for operation in plan.operations:
            for specimen in operation.specimens:
                counts[operation.number, specimen.lobe] += len(specimen.lesions)
        if not counts:
            return None
        (number, lobe), value = max(counts.items(), key=lambda item: (item[1], -item[0][0], item[0][1]))
        return Reached(value, f"operation\u00a0{number}, {lobe}")


@register
class Minutes(Limit):
    """Minutes in theatre of one operation."""

    field = "per_operation.minutes_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the longest operation."""
        return most(plan, lambda o: o.minutes)


@register
class Removed(Limit):
    """Tissue that one operation removes."""

    field = "per_operation.removed_ml_max"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that takes the most."""
        return most(plan, lambda o: sum(s.volume_ml for s in o.specimens))
