"""What no plan falls below in the harm of perfusions less what they spare, however it is packed.

A plan has some operations on each lung, of which some are perfused, in some interleaving. With the least that
each can take in place of what it does take, none of them is earlier (`weeks_bound`); and neither waiting nor
perfusing later is ever worth more (`LungBenefit.for_bounds`). So a plan's net harm is no less than that of
the same interleaving with the least losses, and the label setting keeps every interleaving that no other is
as early as in all weeks that count. The least of them, over every choice of as many operations to perfuse and
every number of operations, is a bound.

More operations may each take less and wait less. With operations that take nothing but access and perfusion
(`bare`) that is not so: leave one out that is not perfused, and the others are no later. So numbers of
operations are looked at from the fewest on until bare ones alone are no better than what was found.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget, Flags
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.items import THOUSAND
from clearlung.staging.perfused import for_bounds, in_steps, net_harm
from clearlung.staging.problem import StagingProblem
from clearlung.staging.sequence import Step, last_week, undominated_weeks
from clearlung.staging.weeks_bound import LungParts, relaxed

# Numbers of operations above the fewest that are looked at with their tissue; those above count as bare ones.
_MORE_OPERATIONS = 6
# What perfusions are worth is read from thousands of imagined patients for each week. Most interleavings are
# out of the question already if perfusions were in the first of every so many weeks.
_ROUGHLY = 8

Interleavings = Sequence[Sequence[Step]]
Placed = tuple[tuple[Flags, ...], Sequence[Interleavings]]
"""Which of each lung's operations are perfused, and the interleavings of each relaxation."""


def least_net_harm(outcome: Outcome, fewest: int, held: Collection[str]) -> float:
    """Return the least net harm of any plan that perfuses each lung as often as the problem says.

    Parameters
    ----------
    outcome
        A plan of the search, of a problem that weighs perfusions and whose operations open one side.
    fewest
        Operations that every plan needs that removes as many lesions.
    held
        Goals whose values are those of the plan.

    Returns
    -------
    float
        In metastases; no more than the plan's own.
    """
    space = _Space(outcome, frozenset(held))
    best = net_harm(outcome.problem, [(e.side, e.week, e.perfused) for e in outcome.outlook.events])
    if "operations" in held:
        return space.packed(outcome.draft.operations, best)
    fewest = max(fewest, space.fewest)
    for operations in range(fewest, fewest + _MORE_OPERATIONS):
        if space.bare(operations, best) >= best:
            return best
        best = space.packed(operations, best)
    return space.bare(fewest + _MORE_OPERATIONS, best)


def least_weeks_as_good(outcome: Outcome, held: Collection[str]) -> int:
    """Return the week before which no plan of as many operations ends that is as good in net harm.

    Parameters
    ----------
    outcome, held
        As for :func:`least_net_harm`; the number of operations and the net harm are held.
    """
    space = _Space(outcome, frozenset(held))
    if not space.tissue_known or outcome.limits.both_sides:
        return 0
    course = [(e.side, e.week, e.perfused) for e in outcome.outlook.events]
    return space.soonest(
        outcome.draft.operations, in_steps(outcome.problem, net_harm(outcome.problem, course))
    )


def least_of_perfused(problem: StagingProblem, perfusions: Mapping[Side, int], weeks_min: int = 0) -> float:
    """Return the least net harm of any plan that perfuses each lung so often, whatever it removes.

    Infinite where there is none: of the perfused operations alone, if they took nothing but access and
    perfusion. All others only make them wait.

    Parameters
    ----------
    problem
        That weighs perfusions.
    perfusions
        Of each lung.
    weeks_min
        Week before which the plan does not end.
    """
    weeks = weeks_min, problem.protocol.weeks.total_max
    ways = Ways(for_bounds(problem), Budget.of(problem), perfusions, *weeks)
    right, left = (perfusions[side] for side in SIDES)
    return ways.bare((right, left))


@dataclass(frozen=True, eq=False)
class _Space:
    """The plans that are as good as the one that was found in the goals that are held."""

    outcome: Outcome
    held: frozenset[str]

    @property
    def fewest(self) -> int:
        """Operations that there are at least, by each lung alone."""
        return sum(self._fewest.values())

    @property
    def tissue_known(self) -> bool:
        """Whether it is known which tissue is taken, and all of it counts."""
        return self.outcome.complete and not any(m.anatomical for m in self.outcome.budget.measures)

    def bare(self, operations: int, most: float) -> float:
        """Return the least net harm of so many operations that take nothing but access and perfusion.

        It is ``most`` at most: what is more is not told apart.
        """
        for split in self._splits(operations):
            most = self._ways.bare(split, most)
        return most

    def packed(self, operations: int, most: float) -> float:
        """Return the least net harm of so many operations that remove what the plan does, as :meth:`bare`."""
        if not self.tissue_known:
            return self.bare(operations, most)
        for split in self._splits(operations):
            most = self._packed(split, most)
        return most

    @cached_property
    def _ways(self) -> Ways:
        outcome = self.outcome
        perfusions = {side: min(outcome.limits.perfused[side], len(outcome.lungs[side])) for side in SIDES}
        ends = outcome.draft.weeks
        weeks = (ends, ends) if "weeks" in self.held else (0, outcome.search.weeks_max)
        return Ways(for_bounds(outcome.problem), outcome.budget, perfusions, *weeks)

    @cached_property
    def _fewest(self) -> dict[Side, int]:
        """Operations that each lung needs at least."""
        outcome = self.outcome
        return {
            side: max(
                self._ways.perfusions[side],
                outcome.search.packings.proven(items)[0] if outcome.complete else 0,
            )
            for side, items in outcome.lungs.items()
        }

    def _splits(self, operations: int) -> Iterator[tuple[int, int]]:
        outcome = self.outcome
        drafted = tuple(len(outcome.draft.lungs[side].operations) for side in SIDES)
        for right in range(operations + 1):
            split = (right, operations - right)
            lungs = list(zip(SIDES, split, strict=True))
            if any(n < self._fewest[side] or (n and not len(outcome.lungs[side])) for side, n in lungs):
                continue
            if operations == outcome.draft.operations and outcome.split_is_unique and split != drafted:
                continue
            yield split

    def soonest(self, operations: int, harm: float) -> int:
        """Return the first week in which so many operations can end with no more net harm, in steps."""
        weeks = self.outcome.draft.weeks
        for split in self._splits(operations):
            weeks = self._ways.soonest(self._relaxed(split), harm, weeks)
        return weeks

    def _packed(self, split: tuple[int, int], most: float) -> float:
        return self._ways.least(self._relaxed(split), most)

    def _relaxed(self, split: tuple[int, int]) -> list[Placed]:
        """Return every choice of operations to perfuse, with its relaxations; none that hold too little."""
        budget, placings = self._ways.placings(split)
        found: list[Placed] = []
        for flags in placings:
            right, left = (
                LungParts(side, mine, self.outcome.lungs[side].ml, self._most_ml(side))
                for side, mine in zip(SIDES, flags, strict=True)
            )
            # What does not fit into so many operations is not removed by them.
            if min(right.spare_ml, left.spare_ml) >= -1e-6:
                found.append((flags, relaxed(right, left, budget)))
        return found

    def _most_ml(self, side: Side) -> float:
        """Return what one operation on a lung takes at most."""
        most = min(self.outcome.limits.ml / THOUSAND, self.outcome.lungs[side].ml)
        if f"balance_{side}" in self.held:
            most = min(most, self.outcome.draft.lungs[side].peak_ml())
        return most


@dataclass(frozen=True, eq=False)
class Ways:
    """Every choice of operations to perfuse, every interleaving, and what they come to.

    Parameters
    ----------
    problem
        As bounds need it: :func:`~clearlung.staging.perfused.for_bounds`.
    budget
        Of function.
    perfusions
        Of each lung.
    weeks_min, weeks_max
        Weeks in which the last operation is at the earliest, and at the latest if that is limited.
    """

    problem: StagingProblem
    budget: Budget
    perfusions: Mapping[Side, int]
    weeks_min: int = 0
    weeks_max: int | None = None

    def bare(self, split: tuple[int, int], most: float = math.inf) -> float:
        """Return the least net harm of so many operations that take nothing but access and perfusion.

        It is ``most`` where it is more, or where function does not bear them.
        """
        budget, placings = self.placings(split)
        # One that is left out may be the only one that week 0 bears while earlier operations are felt.
        budget = budget.recovered()
        found: list[Placed] = []
        for flags in placings:
            right, left = (budget.bare_course(side, mine) for side, mine in zip(SIDES, flags, strict=True))
            found.append((flags, [undominated_weeks(right, left, budget.rules)]))
        return self.least(found, most)

    def placings(self, split: tuple[int, int]) -> tuple[Budget, Sequence[tuple[Flags, ...]]]:
        """Return every choice of operations to perfuse, and the budget to look at them with.

        Where there are too many: perfusions that take nothing and make nothing wait, which come first.
        """
        counts = [(n, self.perfusions[side]) for side, n in zip(SIDES, split, strict=True)]
        if any(n < k for n, k in counts):
            return self.budget, []
        every = self.budget.every_placing(counts)
        if every is not None:
            return self.budget, every
        free = self.budget.unhindered()
        nothing = dict.fromkeys(SIDES, 0.0)
        free = replace(free, measures=tuple(replace(measure, perfusion=nothing) for measure in free.measures))
        return free, [tuple(tuple(place < k for place in range(n)) for n, k in counts)]

    def soonest(self, found: Sequence[Placed], harm: float, most: int) -> int:
        """Return the first week in which one ends with no more net harm, in steps; ``most`` if it is later.

        Of each placing by its best relaxation.
        """
        for flags, each in found:
            weeks = []
            for ways in each:
                sooner = sorted((last_week(steps), steps) for steps in ways if last_week(steps) < most)
                good = (
                    week
                    for week, steps in sooner
                    if in_steps(self.problem, self._harms([steps], flags, 1)[0]) <= harm
                )
                weeks.append(next(good, most))
            most = max(weeks)
        return most

    def least(self, found: Sequence[Placed], most: float) -> float:
        """Return the least net harm of some placings, each by its best relaxation; ``most`` if it is more."""
        rough = [max(min(self._harms(ways, flags, _ROUGHLY)) for ways in each) for flags, each in found]
        for place in np.argsort(rough, kind="stable").tolist():
            if rough[place] >= most:
                break
            flags, each = found[place]
            most = max(self._least(ways, flags, most) for ways in each)
        return most

    def _least(self, ways: Interleavings, flags: tuple[Flags, ...], most: float) -> float:
        for rough, steps in sorted(zip(self._harms(ways, flags, _ROUGHLY), ways, strict=False)):
            if rough >= most:
                break
            most = min(most, *self._harms([steps], flags, 1))
        return most

    def _harms(self, ways: Interleavings, flags: tuple[Flags, ...], grain: int) -> list[float]:
        """Return the net harm of interleavings with all weeks that count in the first of every so many.

        Infinite where one ends too late, and for none at all.
        """
        perfused = dict(zip(SIDES, flags, strict=True))
        found = []
        for steps in ways:
            ends = last_week(steps)
            late = self.weeks_max is not None and ends > self.weeks_max
            course = [
                (s.side, s.week - s.week % grain, s.side != "both" and perfused[s.side][s.place])
                for s in steps
            ]
            found.append(math.inf if late else net_harm(self.problem, course, max(self.weeks_min, ends)))
        return found or [math.inf]
