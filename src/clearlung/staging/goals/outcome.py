"""`Outcome`: a draft that the search found, and what judging and proving it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Draft
from clearlung.staging.items import Items, Limits
from clearlung.staging.outlook import Outlook
from clearlung.staging.problem import StagingProblem
from clearlung.staging.search import Search
from clearlung.staging.weeks_bound import weeks_of_split

# More operations than this take more years than any protocol allows.
_OPERATIONS_MAX = 200


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the search found, and what its proof needs.

    ``lesions_bound`` is the number of lesions that no plan exceeds, and ``lesions_method`` says why.
    """

    problem: StagingProblem
    lungs: dict[Side, Items]
    draft: Draft
    lesions_bound: int
    lesions_method: str
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
        return self.draft.lesions

    @property
    def complete(self) -> bool:
        """Whether all are removed."""
        return self.removed == self.lesions

    @cached_property
    def outlook(self) -> Outlook:
        """The course of lung function."""
        return Outlook.of(self.problem, self.draft)

    @cached_property
    def split_is_unique(self) -> bool:
        """Whether every plan with these lesions and as many operations has as many on each lung."""
        if not self.complete or self.limits.both_sides:
            return False
        return self.draft.operations == sum(
            self.search.packings.proven(items)[0] for items in self.lungs.values()
        )

    def earliest(self, operations: int, *, function: bool = True) -> list[int]:
        """Return for each of so many operations in order the week before which it cannot be.

        However the operations are shared between the lungs and whatever they remove. One on both sides waits
        as one on a single side does, or longer.

        Parameters
        ----------
        operations
            How many.
        function
            Whether what access and perfusion take of lung function counts, or the intervals alone.
        """
        budget = self.budget
        if self.limits.both_sides:
            least = min(budget.weeks.other_side_min, budget.weeks.same_side_min)
            budget = replace(budget, weeks=budget.weeks.model_copy(update={"other_side_min": least}))
        found = [
            budget.least_weeks(split, self.limits.perfused, function=function)
            for split in self._splits(operations)
        ]
        return [min(weeks) for weeks in zip(*(w for w in found if w is not None), strict=True)]

    def least_weeks_from(self, operations: int) -> int:
        """Return the week before which no plan of so many or more operations ends, with as many lesions."""
        least = self.draft.weeks
        # More operations may take less each and wait less, but not less than access alone makes them wait.
        while operations <= _OPERATIONS_MAX and max(self.earliest(operations), default=0) < least:
            least = min(least, self.least_weeks(operations))
            operations += 1
        return least

    def least_weeks(self, operations: int) -> int:
        """Return the week before which no plan of so many operations ends that removes as many lesions."""
        bare = max(self.earliest(operations), default=0)
        if not self.complete or self.limits.both_sides:
            return bare
        weeks = [
            weeks_of_split(self.lungs, split, self.limits, self.budget) for split in self._splits(operations)
        ]
        least = min(weeks, default=0)
        return bare if math.isinf(least) else max(bare, int(least))

    def _splits(self, operations: int) -> list[tuple[int, int]]:
        """Return the ways to share so many operations between the lungs."""
        if self.split_is_unique and operations == self.draft.operations:
            right, left = (len(self.draft.lungs[side].operations) for side in SIDES)
            return [(right, left)]
        return [(i, operations - i) for i in range(operations + 1)]
