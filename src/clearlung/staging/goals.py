"""The goals of a plan in their order, each with its bound and what proves it."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.anatomy import SIDES, Side
from clearlung.staging.draft import Budget, Draft, weeks_bound
from clearlung.staging.items import Items, Limits
from clearlung.staging.packing import minutes_bound
from clearlung.staging.plan import Goal
from clearlung.staging.problem import StagingProblem
from clearlung.staging.search import Search
from clearlung.staging.select import choices
from clearlung.staging.sequence import Course, earliest_weeks
from clearlung.staging.taper import operations_bound_by_function


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the search found, and what its proof needs.

    ``lesions_bound`` is the number of lesions that no plan exceeds.
    """

    problem: StagingProblem
    lungs: dict[Side, Items]
    draft: Draft
    lesions_bound: int
    limits: Limits
    budget: Budget
    search: Search

    @property
    def lesions(self) -> int:
        """Lesions that could be removed if function bore it."""
        return sum(items.lesions for items in self.lungs.values())

    @property
    def removed(self) -> int:
        """Lesions removed."""
        return sum(lung.items.lesions for lung in self.draft.lungs.values())

    @property
    def complete(self) -> bool:
        """Whether all are removed."""
        return self.removed == self.lesions


def goals_of(outcome: Outcome) -> tuple[tuple[Goal, ...], Goal]:
    """Return all goals in order of rank, and the one on the number of operations by itself."""
    left = _goal(
        "lesions left that could be removed",
        "1",
        outcome.lesions - outcome.removed,
        outcome.lesions - outcome.lesions_bound,
        "all are removed" if outcome.complete else "knapsack of lesions under the permanent loss of function",
    )
    operations = _operations_goal(outcome)
    peaks = [_peak_goal(outcome, side) for side in outcome.draft.lungs]
    return (left, operations, *peaks, _weeks_goal(outcome)), operations


def _goal(name: str, unit: str, value: float, bound: float, method: str) -> Goal:
    return Goal(
        name=name,
        unit=unit,
        value=value,
        bound=bound,
        gap=max(0.0, value - bound) / max(1.0, value),
        proven=bound >= value,
        method=method,
    )


def _operations_goal(outcome: Outcome) -> Goal:
    value = outcome.draft.operations
    if not outcome.complete:
        bound = _operations_bound_incomplete(outcome)
        return _goal(
            "operations", "1", value, min(value, bound), "number of lesions, their least minutes and tissue"
        )
    packings = [outcome.search.packing(items) for items in outcome.lungs.values()]
    bound = sum(p.operations_bound for p in packings if p is not None)
    method = "; ".join(dict.fromkeys(p.methods[0] for p in packings if p is not None and p.operations))
    by_function = outcome.search.operations_bound(outcome.lungs)
    if by_function > bound:
        bound, method = by_function, "lung function with tissue cut to any size"
    least = outcome.problem.least_operations
    if least is not None and least.holds_for(outcome.problem):
        # Other specimens might need fewer: what holds whichever are chosen.
        known = [least.counts.get(side, 0) for side, items in outcome.lungs.items() if len(items)]
        if sum(known) < bound:
            bound, method = sum(known), f"{method}; no choice of specimens needs fewer than {sum(known)}"
        else:
            method = f"{method}; whichever specimens are chosen"
    return _goal("operations", "1", value, min(value, bound), method or "nothing to remove")


def _operations_bound_incomplete(outcome: Outcome) -> int:
    """Bound for any choice of as many lesions: their number, their least tissue, their least minutes."""
    removed, bounds = outcome.removed, []
    for choice in choices(outcome.lungs, outcome.budget, outcome.limits.perfused):
        if choice.lesions < removed:
            continue
        operated = [side for side, items in choice.lungs.items() if len(items)]
        perfusions = sum(min(outcome.limits.perfused[side], 1) for side in operated)
        by_function = operations_bound_by_function(
            choice.least_ml(removed), perfusions, outcome.limits, choice.budget
        )
        most_ml = choice.most_ml(outcome.limits.perfused)
        by_minutes = minutes_bound(choice.least_minutes(removed, most_ml), outcome.limits, operated)
        bounds.append(max(by_function, by_minutes, -(-removed // outcome.limits.lesions)))
    return min(bounds, default=0)


def _split_is_unique(outcome: Outcome) -> bool:
    """Whether every plan with these lesions and as many operations has as many on each lung."""
    if not outcome.complete:
        return False
    packings = [outcome.search.packing(items) for items in outcome.lungs.values()]
    return outcome.draft.operations == sum(p.operations_bound for p in packings if p is not None)


def _peak_goal(outcome: Outcome, side: Side) -> Goal:
    value, bound, method = outcome.draft.lungs[side].peak_ml(), 0, "none: the lungs share the operations"
    packing = outcome.search.packing(outcome.lungs[side])
    if _split_is_unique(outcome) and packing is not None:
        bound, method = packing.peak_bound_ml, packing.methods[1]
    return _goal(f"tissue of the largest operation, {side} lung", "ml", value, min(value, bound), method)


def _weeks_goal(outcome: Outcome) -> Goal:
    value = outcome.draft.weeks
    by_intervals = _weeks_by_intervals(outcome)
    if value == by_intervals:
        return _goal("weeks until clear", "week", value, value, "label setting; the intervals alone need it")
    bound, method = by_intervals, "label setting on the intervals alone"
    if _split_is_unique(outcome):
        bound = max(bound, weeks_bound(outcome.draft, outcome.budget))
        method = "label setting on the least losses of any packing"
    return _goal("weeks until clear", "week", value, min(value, bound), method)


def _weeks_by_intervals(outcome: Outcome) -> int:
    """Fewest weeks that the intervals need for this many operations, however they are shared."""
    rules = outcome.budget.rules.endless()
    total = outcome.draft.operations
    right, left = (len(outcome.draft.lungs[side].operations) for side in SIDES)
    splits = [(right, left)] if _split_is_unique(outcome) else [(i, total - i) for i in range(total + 1)]
    weeks = []
    for split in splits:
        bare = [_bare(n, min(outcome.limits.perfused[side], n)) for side, n in zip(SIDES, split, strict=True)]
        steps = earliest_weeks(bare[0], bare[1], rules)
        if steps is not None:
            weeks.append(steps[-1].week if steps else 0)
    return min(weeks)


def _bare(operations: int, perfused: int) -> Course:
    """Operations that take no function at all."""
    flags = tuple(i >= operations - perfused for i in range(operations))
    return Course((), flags)
