"""Limits of lung function: the lower bound at the protocol's confidence counts."""

from __future__ import annotations

from clearlung.staging.limits.base import Limit, Reached, least, register
from clearlung.staging.plan import Plan

_LOWER_BOUND = "lower bound"


@register
class RecoveredFev1(Limit):
    """FEV1 after full recovery."""

    field = "function.ppo_fev1_percent_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return its lower bound; without an operation, nothing is asked of it."""
        if not plan.operations:
            return None
        return Reached(plan.function.ppo_fev1_low_percent, f"after recovery, {_LOWER_BOUND}")


@register
class Fev1After(Limit):
    """FEV1 right after each operation."""

    field = "function.fev1_after_percent_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that leaves the least."""
        lowest = least(plan, lambda o: o.fev1_after_low_percent)
        return None if lowest is None else Reached(lowest.value, f"{lowest.where}, {_LOWER_BOUND}")


@register
class RecoveredDlco(Limit):
    """DLCO after full recovery."""

    field = "function.ppo_dlco_percent_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return its lower bound; without an operation, nothing is asked of it."""
        low = plan.function.ppo_dlco_low_percent
        if not plan.operations or low is None:
            return None
        return Reached(low, f"after recovery, {_LOWER_BOUND}")


@register
class DlcoAfter(Limit):
    """DLCO right after each operation."""

    field = "function.dlco_after_percent_min"
    least = True

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that leaves the least."""
        known = [o.dlco_after_low_percent for o in plan.operations if o.dlco_after_low_percent is not None]
        if not known:
            return None
        low = min(known)
        number = next(o.number for o in plan.operations if o.dlco_after_low_percent == low)
        return Reached(low, f"operation\u00a0{number}, {_LOWER_BOUND}")
