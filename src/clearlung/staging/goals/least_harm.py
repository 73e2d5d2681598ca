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
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget, Flags
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.items import THOUSAND
from clearlung.staging.perfused import for_bounds, net_harm
from clearlung.staging.problem import StagingProblem
from clearlung.staging.sequence import Step, last_week, undominated_weeks
from clearlung.staging.weeks_bound import LungParts, relaxed

# Numbers of operations above the fewest that are looked at with their tissue; those above count as bare ones.
_MORE_OPERATIONS = 6


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
        return min(best, space.packed(outcome.draft.operations))
    fewest = max(fewest, space.fewest)
    for operations in range(fewest, fewest + _MORE_OPERATIONS):
        if space.bare(operations) >= best:
            return best
        best = min(best, space.packed(operations))
    return min(best, space.bare(fewest + _MORE_OPERATIONS))


@dataclass(frozen=True, eq=False)
class _Space:
    """The plans that are as good as the one that was found in the goals that are held."""

    outcome: Outcome
    held: frozenset[str]

    def bare(self, operations: int) -> float:
        """Return the least net harm of so many operations that take nothing but access and perfusion."""
        return min(map(self._bare, self._splits(operations)), default=math.inf)

    def packed(self, operations: int) -> float:
        """Return the least net harm of so many operations that remove what the plan does."""
        if not self.outcome.complete or any(measure.anatomical for measure in self.outcome.budget.measures):
            # Which tissue is taken, or what of it counts, is not known.
            return self.bare(operations)
        return min(map(self._packed, self._splits(operations)), default=math.inf)

    @cached_property
    def _problem(self) -> StagingProblem:
        return for_bounds(self.outcome.problem)

    @property
    def fewest(self) -> int:
        """Operations that there are at least, by each lung alone."""
        return sum(self._fewest.values())

    @cached_property
    def _perfusions(self) -> dict[Side, int]:
        limits, lungs = self.outcome.limits, self.outcome.lungs
        return {side: min(limits.perfused[side], len(lungs[side])) for side in SIDES}

    @cached_property
    def _fewest(self) -> dict[Side, int]:
        """Operations that each lung needs at least."""
        outcome = self.outcome
        return {
            side: max(self._perfusions[side], outcome.search.proven(items)[0] if outcome.complete else 0)
            for side, items in outcome.lungs.items()
        }

    def _splits(self, operations: int) -> Iterator[tuple[int, int]]:
        outcome = self.outcome
        drafted = tuple(len(outcome.draft.lungs[side].operations) for side in SIDES)
        for right in range(operations + 1):
            split = (right, operations - right)
            if any(n < self._fewest[side] for side, n in zip(SIDES, split, strict=True)):
                continue
            if any(n and not len(outcome.lungs[side]) for side, n in zip(SIDES, split, strict=True)):
                continue
            if operations == outcome.draft.operations and outcome.split_is_unique and split != drafted:
                continue
            yield split

    def _bare(self, split: tuple[int, int]) -> float:
        budget, placings = self._placings(split)
        found = []
        for flags in placings:
            right, left = (budget.bare_course(side, mine) for side, mine in zip(SIDES, flags, strict=True))
            found.append(self._least(undominated_weeks(right, left, budget.rules), flags))
        return min(found, default=math.inf)

    def _packed(self, split: tuple[int, int]) -> float:
        budget, placings = self._placings(split)
        found = []
        for flags in placings:
            right, left = (
                LungParts(side, mine, self.outcome.lungs[side].ml, self._most_ml(side))
                for side, mine in zip(SIDES, flags, strict=True)
            )
            # What does not fit into so many operations is not removed by them.
            if min(right.spare_ml, left.spare_ml) >= -1e-6:
                found.append(max(self._least(ways, flags) for ways in relaxed(right, left, budget)))
        return min(found, default=math.inf)

    def _placings(self, split: tuple[int, int]) -> tuple[Budget, Sequence[tuple[Flags, ...]]]:
        """Return every choice of operations to perfuse, and the budget to look at them with.

        Where there are too many: perfusions that take nothing and make nothing wait, which come first.
        """
        counts = [(n, self._perfusions[side]) for side, n in zip(SIDES, split, strict=True)]
        every = self.outcome.budget.every_placing(counts)
        if every is not None:
            return self.outcome.budget, every
        free = self.outcome.budget.unhindered()
        nothing = dict.fromkeys(SIDES, 0.0)
        free = replace(free, measures=tuple(replace(measure, perfusion=nothing) for measure in free.measures))
        return free, [tuple(tuple(place < k for place in range(n)) for n, k in counts)]

    def _most_ml(self, side: Side) -> float:
        """Return what one operation on a lung takes at most."""
        most = min(self.outcome.limits.ml / THOUSAND, self.outcome.lungs[side].ml)
        if f"balance_{side}" in self.held:
            most = min(most, self.outcome.draft.lungs[side].peak_ml())
        return most

    def _least(self, ways: Sequence[Sequence[Step]], flags: tuple[Flags, ...]) -> float:
        """Return the least net harm of some interleavings that end in time."""
        perfused = dict(zip(SIDES, flags, strict=True))
        benefit, latest = self._problem.benefit, self.outcome.search.weeks_max
        week = 0.0 if benefit is None else benefit.worth.week
        ends = self.outcome.draft.weeks if "weeks" in self.held else None
        if ends is not None:
            latest = ends
        least = math.inf
        for steps in ways:
            if latest is not None and last_week(steps) > latest:
                continue
            harm = net_harm(
                self._problem,
                [(s.side, s.week, s.side != "both" and perfused[s.side][s.place]) for s in steps],
            )
            least = min(least, harm if ends is None else harm + week * (ends - last_week(steps)))
        return least
