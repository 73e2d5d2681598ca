"""The search over both lungs: as packed, with more operations, with smaller last ones, with lesions left.

Each lung is packed by itself; lung function couples them. Where it binds, the order of the goals decides what
gives way: first the balance between operations, then their number, and only then lesions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.draft import Budget, Candidate, Draft, LungDraft, Order, arrange, schedule, weeks_bound
from clearlung.staging.items import THOUSAND, Items, Limits
from clearlung.staging.packing import Packing, pack, pack_tapered
from clearlung.staging.repair import Assignment
from clearlung.staging.select import Choice, choices
from clearlung.staging.taper import Effort, operations_bound_by_function, tapered_volumes

# Operations above the packings' number that the search tries before lesions are left. Each further one frees
# less than half of what the one before did.
_MORE_OPERATIONS = 4
# Orders of the right and the left lung's operations, in the order in which they are tried.
_ORDERS: tuple[tuple[Order, Order], ...] = (
    ("tumor", "tumor"),
    ("tissue", "tissue"),
    ("tumor", "tissue"),
    ("tissue", "tumor"),
)

Progress = Callable[[str], None]


@dataclass(eq=False)
class Search:
    """Finds a draft for a set of specimens; remembers the packings that it made.

    Parameters
    ----------
    limits, budget
        Of one operation, and of function.
    seed
        Of the packing heuristic.
    """

    limits: Limits
    budget: Budget
    seed: int
    _packings: dict[tuple[Side, bytes, int], Packing | None] = field(default_factory=dict)
    _tapers: dict[tuple[Side, bytes, tuple[int, ...]], Assignment | None] = field(default_factory=dict)

    def packing(self, items: Items, at_least: int = 0) -> Packing | None:
        """Pack one lung, once."""
        key = (items.side, items.row.tobytes(), at_least)
        if key not in self._packings:
            self._packings[key] = pack(items, self.limits, self.seed, at_least=at_least)
        return self._packings[key]

    def complete(self, lungs: dict[Side, Items]) -> Draft | None:
        """Remove all these specimens in as few operations as the search finds, or return None."""
        found = self._first(lungs, "search")
        if found is None:
            return None
        split = len(found.right.operations), len(found.left.operations)
        best: Draft | None = None
        for candidate in self._candidates(lungs, split, "all"):
            if best is not None and best.packings is not None and candidate.packings is None:
                break
            draft = schedule(candidate, self.budget)
            if draft is not None and (best is None or _rank(draft) < _rank(best)):
                best = draft
            if (
                best is not None
                and best.packings is not None
                and best.weeks <= weeks_bound(best, self.budget)
            ):
                break
        return best

    def _first(self, lungs: dict[Side, Items], effort: Effort) -> Candidate | None:
        """Find operations that function bears, as few as possible."""
        right, left = (self.fewest(lungs[side]) for side in SIDES)
        if right is None or left is None:
            return None
        start = max(right + left, self.operations_bound(lungs))
        for total in range(start, right + left + _MORE_OPERATIONS + 1):
            for split in islice(_splits(right, left, total, lungs), 2 if effort == "glance" else None):
                found = next(self._candidates(lungs, split, effort), None)
                if found is not None:
                    return found
        return None

    def fewest(self, items: Items) -> int | None:
        """Fewest operations on one lung that were found."""
        packing = self.packing(items)
        return None if packing is None else packing.operations

    def operations_bound(self, lungs: dict[Side, Items]) -> int:
        """Fewest operations in which function bears all these specimens, whatever the other limits."""
        perfusions = sum(min(self.limits.perfused[side], 1) for side, items in lungs.items() if len(items))
        total = sum(items.ml for items in lungs.values())
        return max(
            operations_bound_by_function(total, perfusions, self.limits, measure)
            for measure in self.budget.measures
        )

    def _candidates(
        self, lungs: dict[Side, Items], split: tuple[int, int], effort: Effort
    ) -> Iterator[Candidate]:
        """Yield operations that function bears: balanced ones in several orders, then tapered ones."""
        for candidate in chain(self._balanced(lungs, split), self._tapered(lungs, split, effort)):
            if candidate.bearable(self.budget):
                yield candidate

    def _balanced(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Iterator[Candidate]:
        perfusions = sum(min(self.limits.perfused[side], n) for side, n in zip(SIDES, split, strict=True))
        # Balanced operations are near their mean: where function does not bear half of it, do not pack.
        for measure in self.budget.measures:
            total = sum(measure.counted_ml(items) for items in lungs.values())
            means = [measure.bedded_ml(lungs[side]) / n for side, n in zip(SIDES, split, strict=True) if n]
            if not measure.allows(total, min(means, default=0.0) / 2, perfusions):
                return
        packings: dict[Side, Packing] = {}
        for side, operations in zip(SIDES, split, strict=True):
            packing = self.packing(lungs[side], operations)
            if packing is None or packing.operations != operations:
                return
            packings[side] = packing
        for orders in _ORDERS:
            right, left = (
                arrange(lungs[side], packings[side].where, n, self.limits, order)
                for side, n, order in zip(SIDES, split, orders, strict=True)
            )
            yield Candidate(right, left, packings)

    def _tapered(
        self, lungs: dict[Side, Items], split: tuple[int, int], effort: Effort
    ) -> Iterator[Candidate]:
        """Try smaller last operations: they come when the most function is gone."""
        totals = (lungs["right"].ml, lungs["left"].ml)
        tapers = (
            tapered_volumes(totals, split, self.limits, measure, effort) for measure in self.budget.measures
        )
        for volumes in chain.from_iterable(tapers):
            right = self._tapered_lung(lungs["right"], volumes[0])
            left = None if right is None else self._tapered_lung(lungs["left"], volumes[1])
            if right is not None and left is not None:
                yield Candidate(right, left, None)

    def _tapered_lung(self, items: Items, volumes_ml: list[float]) -> LungDraft | None:
        """Pack one lung with a limit of tissue for each operation in order."""
        count = len(volumes_ml)
        perfused = tuple(i >= count - self.limits.perfused[items.side] for i in range(count))
        ml = tuple(int(v * THOUSAND) for v in volumes_ml)
        key = (items.side, items.row.tobytes(), ml)
        if key not in self._tapers:
            self._tapers[key] = pack_tapered(items, self.limits, ml, self.seed)
        where = self._tapers[key]
        if where is None:
            return None
        return LungDraft(items, tuple(np.flatnonzero(where == o) for o in range(count)), perfused)

    def most(self, lungs: dict[Side, Items], progress: Progress) -> tuple[Draft | None, int]:
        """Remove as many lesions as the search finds function to bear.

        Returns
        -------
        tuple of Draft and int
            The draft, and the number of lesions that no plan exceeds.
        """
        best: Choice | None = None
        removed, bound = 0, 0
        for choice in choices(lungs, self.budget, self.limits.perfused):
            most = choice.most_lesions(self.limits.perfused)
            bound = max(bound, most)
            progress(f"lung function: at most {most} of {choice.lesions} lesions")
            count = self._most_of(choice, removed, most)
            if count > removed:
                best, removed = choice, count
        return (None if best is None else self.complete(best.best(removed))), bound

    def _most_of(self, choice: Choice, low: int, most: int) -> int:
        """Bisect for the largest number of lesions that the search can plan; ``low`` if none is larger."""
        high, attempt = most + 1, most
        while high - low > 1:
            if self._first(choice.best(attempt), "glance") is None:
                high = attempt
            else:
                low = attempt
            attempt = (low + high) // 2
        return low


def _rank(draft: Draft) -> tuple[int, ...]:
    """Goals after the number of operations, smaller is better."""
    return (*(lung.peak_ml() for lung in draft.lungs.values()), draft.weeks)


def _splits(right: int, left: int, total: int, lungs: dict[Side, Items]) -> Iterator[tuple[int, int]]:
    """Ways to share the operations between the lungs; additional ones first where operations are largest."""
    more = total - right - left
    if not len(lungs["right"]) or not len(lungs["left"]):
        yield (total, 0) if len(lungs["right"]) else (0, total)
        return
    ways = [(right + i, left + more - i) for i in range(more + 1)]
    yield from sorted(ways, key=lambda w: (max(lungs["right"].ml / w[0], lungs["left"].ml / w[1]), -w[0]))
