"""Lower bounds of the weeks that operations need, whatever is packed into which of them.

Two relaxations, each of which takes no more than any packing does. With all n operations of a lung at the
most that one may take, p, they would take d = n p - T more than its specimens T. Whatever the packing:

- the first i operations take at least T - (n - i) p, and each at least p - d;
- what any operations have taken by some week, each weighted by how much of its early loss is left, is at
  least that of operations at p, less d times the largest weight. Of the lung that is operated on, the largest
  is that of the operation itself, which thus takes p - d; of the other lung, that of its last one so far,
  which takes p - d until another follows.

With these losses in place of its own, every plan's operations still keep all rules, and the earliest weeks of
the relaxed courses are no later. What the last operation so far takes grows with its week, so that the label
setting stays exact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self, cast

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Allowance, Budget
from clearlung.staging.draft import Draft, LungDraft
from clearlung.staging.items import THOUSAND, Items, Limits
from clearlung.staging.sequence import Course, Losses, Step, last_week, undominated_weeks


@dataclass(frozen=True)
class LungParts:
    """What is known of a lung's operations whatever is packed into which of them.

    Parameters
    ----------
    side
        The lung.
    perfused
        Which of them are perfused.
    total_ml, most_ml
        What they take in all, and each of them at most.
    """

    side: Side
    perfused: tuple[bool, ...]
    total_ml: float
    most_ml: float

    @classmethod
    def of(cls, lung: LungDraft) -> Self:
        """Read it from a draft: the same perfused, and no operation larger than its largest."""
        return cls(cast(Side, lung.items.side), lung.perfused, lung.items.ml, lung.peak_ml())

    @property
    def spare_ml(self) -> float:
        """By how much more they could take, if each took the most."""
        return len(self.perfused) * self.most_ml - self.total_ml

    def _perfusions(self, measure: Allowance, operations: int) -> float:
        """Return what the perfusions of the first so many operations take for good."""
        return measure.perfusions({self.side: sum(self.perfused[:operations])})

    def least(self, budget: Budget) -> Course:
        """Return a course with the least tissue that each, and the first ones together, can take."""
        n = len(self.perfused)
        least = max(0.0, self.most_ml - self.spare_ml) if n else 0.0
        prefix = [max(0.0, self.total_ml - (n - i) * self.most_ml, i * least) for i in range(n + 1)]
        losses = (
            Losses(
                tuple(measure.permanent(prefix[i], self._perfusions(measure, i)) for i in range(n + 1)),
                (measure.early(least),) * n,
            )
            for measure in budget.measures
        )
        return Course(tuple(losses), self.perfused)

    def full(self, budget: Budget) -> Course:
        """Return a course with each at the most, and what that is too much taken off the last one so far."""
        n, spare = len(self.perfused), max(0.0, self.spare_ml)
        losses = []
        for measure in budget.measures:
            taken = [
                measure.permanent(i * self.most_ml - spare, self._perfusions(measure, i))
                for i in range(1, n + 1)
            ]
            losses.append(Losses((0.0, *taken), (measure.early(self.most_ml - spare),) * n))
        return Course(
            tuple(losses), self.perfused, tuple(measure.tissue_early * spare for measure in budget.measures)
        )


def weeks_bound(draft: Draft, budget: Budget) -> int:
    """Return a lower bound of the weeks of every plan with as many operations and no larger peaks.

    Segments and lobes lose less for as much tissue, so with them there is no such bound; nor is there with
    operations on both sides: it is 0 then.
    """
    if draft.both is not None or any(measure.anatomical for measure in budget.measures):
        return 0
    right, left = (LungParts.of(draft.lungs[side]) for side in SIDES)
    weeks = _least(right, left, budget)
    return 0 if math.isinf(weeks) else int(weeks)


def weeks_of_split(
    lungs: Mapping[Side, Items], split: tuple[int, int], limits: Limits, budget: Budget
) -> float:
    """Return a lower bound of the weeks of every plan that removes all these with so many operations.

    Parameters
    ----------
    lungs
        All specimens of each lung.
    split
        Operations on the right and on the left lung; each opens one side.
    limits, budget
        Of one operation, and of function.

    Returns
    -------
    float
        Infinite where there is no such plan. With segments or lobes what access takes counts, and not tissue.
    """
    bare = budget.least_weeks(split, limits.perfused)
    if bare is None:
        return math.inf
    if any(measure.anatomical for measure in budget.measures):
        return max(bare, default=0)
    parts = []
    for side, n in zip(SIDES, split, strict=True):
        flags = tuple(place >= n - limits.perfused[side] for place in range(n))
        parts.append(LungParts(side, flags, lungs[side].ml, min(limits.ml / THOUSAND, lungs[side].ml)))
    # What does not fit into so many operations is not removed by them.
    if any(part.spare_ml < -1e-6 for part in parts):
        return math.inf
    return max(_least(parts[0], parts[1], budget), max(bare, default=0))


def _least(right: LungParts, left: LungParts, budget: Budget) -> float:
    """Return the least weeks of all ways to place as many perfusions."""
    budget, ways = budget.placings([(len(lung.perfused), sum(lung.perfused)) for lung in (right, left)])
    return min(
        _weeks(replace(right, perfused=flags[0]), replace(left, perfused=flags[1]), budget) for flags in ways
    )


def _weeks(right: LungParts, left: LungParts, budget: Budget) -> float:
    ways = relaxed(right, left, budget, keep=False)
    return max(min((last_week(steps) for steps in found), default=math.inf) for found in ways)


def relaxed(
    right: LungParts, left: LungParts, budget: Budget, *, keep: bool = True
) -> list[list[list[Step]]]:
    """Return for each relaxation its undominated interleavings, none if function bears none.

    Parameters
    ----------
    right, left
        What the operations of each lung take in all, and each at most.
    budget
        Of function.
    keep
        Whether the weeks of perfusions count: as for :func:`undominated_weeks`.

    Notes
    -----
    Whatever is packed into the operations, in their own interleaving none of them is before its week in
    any of the relaxations.
    """
    keep = keep or budget.perfusions_between > 0
    found = [undominated_weeks(right.least(budget), left.least(budget), budget.rules, keep=keep)]
    full = right.full(budget), left.full(budget)
    # Where more is spare than one operation takes, it cannot all be taken off one.
    if all(early > 0 for course in full for losses in course.measures for early in losses.early):
        # What still has to come back before an operation holds for the last one on its own lung as well.
        spare = max(right.spare_ml, left.spare_ml, 0.0)
        rules = replace(
            budget.rules,
            demands=tuple(
                replace(demand, waiting_max=demand.waiting_max + measure.tissue_early * spare)
                for demand, measure in zip(budget.rules.demands, budget.measures, strict=True)
            ),
        )
        found.append(undominated_weeks(*full, rules, keep=keep))
    return found
