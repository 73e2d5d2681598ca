"""Goals of balance: little tissue at once, as each operation is a trauma of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from clearlung.anatomy import Side
from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.items import ML, THOUSAND


class _Balance(PlanGoal):
    side: ClassVar[Side]
    unit = "ml"

    def value(self, outcome: Outcome) -> float:
        """Return the tissue of the largest operation on the lung."""
        return outcome.draft.lungs[self.side].peak_ml()

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return what the largest operation takes at least."""
        if "operations" in held and outcome.split_is_unique:
            _, peak_ml, methods = outcome.search.packings.proven(outcome.lungs[self.side])
            return Bound(peak_ml, methods[1])
        items = outcome.draft.lungs[self.side].items
        if not outcome.complete or outcome.limits.both_sides or not len(items):
            return Bound(0, "none: the lungs share the operations")
        return Bound(int(-(-items.weight[:, ML].max() // THOUSAND)), "largest specimen")


@register
class BalanceRight(_Balance):
    """The right lung's largest operation."""

    key = "balance_right"
    title = "tissue of the largest operation, right lung"
    description = "Tissue of the right lung's largest operation, in whole ml: less means a better balance."
    side = "right"


@register
class BalanceLeft(_Balance):
    """The left lung's largest operation."""

    key = "balance_left"
    title = "tissue of the largest operation, left lung"
    description = "Tissue of the left lung's largest operation, in whole ml: less means a better balance."
    side = "left"
