"""`Draft`: packed operations of both lungs, put in order and in weeks under the limits of function."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.staging.budget import Budget
from clearlung.staging.items import MINUTES, ML, THOUSAND, Items, Limits
from clearlung.staging.packing import Packing
from clearlung.staging.plan import OperationSide
from clearlung.staging.repair import Assignment, loads_of
from clearlung.staging.sequence import (
    FUNCTION_NOISE,
    Course,
    Step,
    bearable,
    earliest_weeks,
    undominated_weeks,
)

Order = Literal["tumor", "tissue"]


@dataclass(frozen=True, eq=False)
class LungDraft:
    """The operations on one lung, or on both sides at once, in their order.

    Parameters
    ----------
    items
        What is removed.
    operations
        For each operation in order, the positions of its specimens in ``items``.
    perfused
        Whether each is perfused.
    """

    items: Items
    operations: tuple[NDArray[np.int64], ...]
    perfused: tuple[bool, ...]

    def ml(self) -> list[float]:
        """Tissue of each operation."""
        return [float(self.items.weight[o, ML].sum()) / THOUSAND for o in self.operations]

    def peak_ml(self) -> int:
        """Tissue of the largest operation, rounded up to whole ml."""
        return max((-(-int(self.items.weight[o, ML].sum()) // THOUSAND) for o in self.operations), default=0)


@dataclass(frozen=True, eq=False)
class Draft:
    """The operations of both lungs in weeks, and the packings they come from where these are balanced.

    ``both`` holds the operations that open both sides, which come before all others.
    """

    lungs: dict[Side, LungDraft]
    both: LungDraft | None
    steps: list[Step]
    packings: dict[Side, Packing] | None

    @property
    def lines(self) -> dict[OperationSide, LungDraft]:
        """The operations by what they open."""
        both: dict[OperationSide, LungDraft] = {} if self.both is None else {"both": self.both}
        return both | dict(self.lungs.items())

    @property
    def weeks(self) -> int:
        """Week of the last operation."""
        return self.steps[-1].week if self.steps else 0

    @property
    def operations(self) -> int:
        """Number of operations."""
        return len(self.steps)

    @property
    def lesions(self) -> int:
        """Lesions that they remove."""
        return sum(line.items.lesions for line in self.lines.values())


def arrange(
    items: Items, where: Assignment, operations: int, limits: Limits, order: Order, before: int = 0
) -> LungDraft:
    """Put one lung's operations in order: the most urgent first, the perfused ones last.

    ``"tumor"`` takes the operation with the most tumor first (or the most growth, where doubling times are
    known), ``"tissue"`` the one that takes the most tissue, which leaves more function for the later ones.
    Before all others comes the one whose minutes leave no room for re-entry, if there is one. Of the
    operations whose minutes leave room for a perfusion, the last in this order are perfused. Where the
    surgeon fixed or forbade places, only operations that these do not tell apart change their order.

    Parameters
    ----------
    items, where, operations
        One lung's specimens and the operation of each; or those that both sides' operations take.
    limits, order
        Of one operation, and what comes first.
    before
        Operations on both sides that come before them.
    """
    count = 0 if items.side == "both" else min(limits.perfused[items.side], operations)
    sequence, perfused = _ranked(items, where, operations, limits, order, before, count)
    if items.columns.placed:
        sequence = _placed(items, where, sequence, limits, before)
        perfused = set(sequence[operations - count :])
    return LungDraft(
        items,
        tuple(np.flatnonzero(where == o) for o in sequence),
        tuple(o in perfused for o in sequence),
    )


def _ranked(
    items: Items, where: Assignment, operations: int, limits: Limits, order: Order, before: int, count: int
) -> tuple[list[int], set[int]]:
    """Return the operations in order, and those of them that are perfused."""
    loads = loads_of(items.weight, where, operations)
    key = loads[:, ML].astype(np.float64)
    if order == "tumor":
        key = np.zeros(operations)
        np.add.at(key, where, items.urgency)
    ranked = np.argsort(-key, kind="stable")
    minutes = loads[:, MINUTES]
    if items.side == "both":
        late = minutes[ranked] <= limits.minutes_left_both(first=False)
        return ranked[np.argsort(late, kind="stable")].tolist(), set()
    always = count == operations
    room = partial(limits.minutes_left, items.side, first=False)
    if not before:
        ranked = ranked[np.argsort(minutes[ranked] <= room(perfused=always), kind="stable")]
    roomy = [int(o) for o in ranked if always or minutes[o] <= room(perfused=True)]
    perfused = set(roomy[len(roomy) - count :])
    rest = [int(o) for o in ranked if o not in perfused]
    return rest + [int(o) for o in ranked if o in perfused], perfused


def _placed(items: Items, where: Assignment, sequence: list[int], limits: Limits, before: int) -> list[int]:
    """Return the operations in the order of a sequence as far as their places on the lung let them."""
    operations = len(sequence)
    capacity = limits.capacities(items.columns, operations, items.side, before)
    kinds = [tuple(items.columns.at(before + place, items.side)) for place in range(operations)]
    free = {kind: [o for o in sequence if kinds[o] == kind] for kind in set(kinds)}
    order = [free[kind].pop(0) for kind in kinds]
    fits = (loads_of(items.weight, where, operations)[order] <= capacity).all()
    return order if fits else list(range(operations))


@dataclass(frozen=True, eq=False)
class Candidate:
    """All operations in an order that function bears, not yet in weeks."""

    right: LungDraft
    left: LungDraft
    packings: dict[Side, Packing] | None
    both: LungDraft | None = None

    @property
    def _lines(self) -> tuple[LungDraft, ...]:
        return (self.right, self.left) if self.both is None else (self.right, self.left, self.both)

    @property
    def takes_something(self) -> bool:
        """Whether every operation removes something."""
        return all(len(operation) for line in self._lines for operation in line.operations)

    @property
    def first(self) -> Side:
        """The lung that comes first where it makes no difference: the one with more lesions."""
        return "right" if self.right.items.lesions >= self.left.items.lesions else "left"

    def at(self, steps: list[Step]) -> Draft:
        """Return it in these weeks."""
        return Draft({"right": self.right, "left": self.left}, self.both, steps, self.packings)

    def courses(self, budget: Budget) -> tuple[Course, Course, Course | None]:
        """Return what the operations of each lung take, and those on both sides."""
        both = None if self.both is None else budget.course(self.both)
        return budget.course(self.right), budget.course(self.left), both

    def bearable(self, budget: Budget) -> bool:
        """Whether function bears it, however long it waits."""
        perfused: dict[Side, int] = {"right": sum(self.right.perfused), "left": sum(self.left.perfused)}
        for measure in budget.measures:
            counted_ml = sum(measure.counted_ml(line.items) for line in self._lines)
            if measure.permanent(counted_ml, measure.perfusions(perfused)) > measure.final + FUNCTION_NOISE:
                return False
        right, left, both = self.courses(budget)
        return bearable(right, left, budget.rules, both)


def schedule(candidate: Candidate, budget: Budget) -> Draft | None:
    """Put a candidate into weeks; None where function does not bear it."""
    right, left, both = candidate.courses(budget)
    steps = earliest_weeks(right, left, budget.rules, candidate.first, both)
    return None if steps is None else candidate.at(steps)


def schedules(candidate: Candidate, budget: Budget) -> list[Draft]:
    """Put a candidate into weeks in every way of which no other has all perfusions and ends earlier."""
    right, left, both = candidate.courses(budget)
    ways = undominated_weeks(right, left, budget.rules, candidate.first, both)
    return [candidate.at(steps) for steps in ways]
