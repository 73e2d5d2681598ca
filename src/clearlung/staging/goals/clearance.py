"""Goals of clearance: no lesion left, and few operations."""

from __future__ import annotations

from collections.abc import Collection

from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.packing import minutes_bound
from clearlung.staging.select import choices
from clearlung.staging.taper import operations_bound_by_function


@register
class LesionsLeft(PlanGoal):
    """Lesions that some operation could take, and none does."""

    key = "lesions_left"
    title = "lesions left that could be removed"
    unit = "1"
    description = "Lesions with a specimen that fits an operation, and that no operation takes."

    def value(self, outcome: Outcome) -> float:
        """Return their number."""
        return outcome.lesions - outcome.removed

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return how many stay at least."""
        if outcome.complete:
            return Bound(0, "all are removed")
        return Bound(outcome.lesions - outcome.lesions_bound, outcome.lesions_method)


@register
class Operations(PlanGoal):
    """How often the patient is operated on."""

    key = "operations"
    title = "operations"
    unit = "1"
    description = "Operations of the whole plan."

    def value(self, outcome: Outcome) -> float:
        """Return their number."""
        return outcome.draft.operations

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return how many are needed at least for as many lesions."""
        if not outcome.complete:
            return Bound(_bound_incomplete(outcome), "number of lesions, their least minutes and tissue")
        bound, method = outcome.search.packings.operations_proven(outcome.lungs)
        by_function = outcome.search.packings.operations_bound(outcome.lungs)
        if by_function > bound:
            bound, method = by_function, "lung function with tissue cut to any size"
        least = outcome.problem.least_operations
        if least is not None and least.holds_for(outcome.problem):
            # Other specimens might need fewer: what holds whichever are chosen.
            known = least.in_all([side for side, items in outcome.lungs.items() if len(items)])
            if known < bound:
                return Bound(known, f"{method}; no choice of specimens needs fewer than {known}")
            method = f"{method}; whichever specimens are chosen"
        return Bound(bound, method or "nothing to remove")


@register
class BothSides(PlanGoal):
    """How often both lungs are opened at once."""

    key = "both_sides"
    title = "operations on both sides"
    unit = "1"
    description = "Operations that open both lungs, where the protocol allows them."

    def value(self, outcome: Outcome) -> float:
        """Return their number."""
        return 0 if outcome.draft.both is None else len(outcome.draft.both.operations)

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return how many are needed for as few operations."""
        if not outcome.limits.both_sides:
            return Bound(0, "each operation opens one side")
        if not outcome.complete or "operations" not in held:
            return Bound(0, "none: there may be more operations, or other lesions removed")
        least = outcome.search.packings.fewest_both(outcome.lungs, outcome.draft.operations)
        return Bound(least, "bounds of each lung and integer programs of every share of the operations")


def _bound_incomplete(outcome: Outcome) -> int:
    """Bound for any choice of as many lesions: their number, their least tissue, their least minutes."""
    removed, bounds = outcome.removed, []
    for choice in choices(outcome.lungs, outcome.budget, outcome.limits.perfused):
        if choice.lesions < removed:
            continue
        operated = [side for side, items in choice.lungs.items() if len(items)]
        perfused = [side for side in operated if outcome.limits.perfused[side]]
        by_function = operations_bound_by_function(
            choice.least_ml(removed), perfused, outcome.limits, choice.budget
        )
        most_ml = choice.most_ml()
        by_minutes = minutes_bound(choice.least_minutes(removed, most_ml), outcome.limits, operated)
        bounds.append(max(by_function, by_minutes, -(-removed // outcome.limits.lesions)))
    return min(bounds, default=0)
