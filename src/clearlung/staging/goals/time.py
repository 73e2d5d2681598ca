"""Goals of time: weeks until clear, and what grows while waiting."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.clearance import Operations
from clearlung.staging.goals.least_harm import least_weeks_as_good
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.growth import WAITING
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol_parts import PERFUSION
from clearlung.staging.weeks_bound import weeks_bound

# More operations than this take more years than any protocol allows.
_OPERATIONS_MAX = 60


@register
class Weeks(PlanGoal):
    """How long it takes."""

    key = "weeks"
    title = "weeks until clear"
    unit = "week"
    description = "Week of the last operation."

    def value(self, outcome: Outcome) -> float:
        """Return the week of the last operation."""
        return outcome.draft.weeks

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return the week before which no plan ends."""
        fixed = "operations" in held
        few = outcome.draft.operations if fixed else _fewest(outcome)
        by_intervals = max(outcome.earliest(few, function=False), default=0)
        if outcome.draft.weeks == by_intervals:
            return Bound(by_intervals, "label setting; the intervals alone need it")
        bare = max(by_intervals, outcome.least_weeks(few) if fixed else outcome.least_weeks_from(few))
        methods = []
        if fixed and PERFUSION in held and outcome.problem.weighs_perfusion:
            bare = max(bare, least_weeks_as_good(outcome, held))
            methods.append("label setting for every choice of perfused operations that is worth as much")
        if {"operations", "balance_right", "balance_left"} <= set(held) and outcome.split_is_unique:
            bare = max(bare, weeks_bound(outcome.draft, outcome.budget))
            methods.append("label setting on the least losses of any packing")
        return Bound(bare, "; ".join(methods) or "label setting on the least that operations take")


class _Waiting(PlanGoal):
    """What lesions cost that wait: no less, the longer they do."""

    def cost(
        self, problem: StagingProblem, lesions: Sequence[int], weeks: Sequence[int]
    ) -> NDArray[np.float64]:
        """Return what each lesion costs if its operation is in each week, shape (lesions, weeks)."""
        return WAITING[self.key](problem, lesions, weeks)

    def value(self, outcome: Outcome) -> float:
        """Return the sum over all lesions removed."""
        specimens, total = outcome.problem.specimens, 0.0
        for event in outcome.outlook.events:
            lesions = [lesion for row in event.rows for lesion in specimens.lesions[row]]
            total += float(self.cost(outcome.problem, lesions, [event.week]).sum())
        return total

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return the least sum, each lesion by itself in any operation that has room for its number."""
        if not outcome.complete:
            return Bound(0.0, "none: lesions could be chosen otherwise")
        rows = [row for items in outcome.lungs.values() for row in items.row.tolist()]
        lesions = [lesion for row in rows for lesion in outcome.problem.specimens.lesions[row]]
        few = outcome.draft.operations if "operations" in held else max(outcome.draft.operations, len(rows))
        weeks = outcome.earliest(min(few, _OPERATIONS_MAX)) if lesions else []
        slots = np.repeat(weeks, outcome.limits.lesions)[: len(lesions)]
        if len(slots) < len(lesions):
            return Bound(0.0, "none: too many operations to bound")
        cost = self.cost(outcome.problem, lesions, slots.tolist())
        least = float(cost[linear_sum_assignment(cost)].sum()) if lesions else 0.0
        # Sums in another order differ by rounding.
        return Bound(least * (1 - 1e-9), "assignment of single lesions to the earliest weeks there are")


@register
class Growth(_Waiting):
    """Tumor that grows while it waits."""

    key = "growth"
    title = "tumor grown until its operation"
    unit = "ml"
    description = (
        "Volume that the removed lesions gain until their operation, growing exponentially; those of unknown"
        " doubling time at the median of the known ones, or at the rate that stress tests expect."
    )


@register
class AtHilum(_Waiting):
    """Lesions that grow to the hilum while they wait."""

    key = "at_hilum"
    title = "lesions at the hilum before their operation"
    unit = "1"
    description = (
        "Lesions whose edge reaches the hilum of their side before their operation, growing as for growth,"
        " and those that are there already; only lesions of a scan have a known distance."
    )


def least_weeks(outcome: Outcome) -> int:
    """Return the week before which no plan that removes as many lesions ends, with any operations."""
    return outcome.least_weeks_from(_fewest(outcome))


def _fewest(outcome: Outcome) -> int:
    """Operations that any plan with as many lesions needs at least."""
    return int(Operations().bound(outcome, ()).value)
