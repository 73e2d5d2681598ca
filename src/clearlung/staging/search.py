"""The search over both lungs: as packed, with more operations, with smaller last ones, with lesions left.

Each lung is packed by itself; lung function couples them. Where it binds, the order of the goals decides what
gives way: first the balance between operations, then their number, and only then lesions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.draft import Budget, Draft, LungDraft, arrange, schedule
from clearlung.staging.items import THOUSAND, Items, Limits
from clearlung.staging.packing import Packing, pack, pack_tapered
from clearlung.staging.select import Choice, choices
from clearlung.staging.taper import operations_bound_by_function, tapered_volumes

# Operations above the packings' number that the search tries before lesions are left. Each further one frees
# less than half of what the one before did.
_MORE_OPERATIONS = 4

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

    def packing(self, items: Items, at_least: int = 0) -> Packing | None:
        """Pack one lung, once."""
        key = (items.side, items.row.tobytes(), at_least)
        if key not in self._packings:
            self._packings[key] = pack(items, self.limits, self.seed, at_least=at_least)
        return self._packings[key]

    def complete(self, lungs: dict[Side, Items]) -> Draft | None:
        """Remove all these specimens in as few operations as the search finds, or return None."""
        fewest = {side: self.packing(lungs[side]) for side in SIDES}
        right, left = fewest["right"], fewest["left"]
        if right is None or left is None:
            return None
        start = right.operations + left.operations
        for total in range(start, start + _MORE_OPERATIONS + 1):
            if total < self.operations_bound(lungs):
                continue
            for split in _splits(right.operations, left.operations, total, lungs):
                draft = self._balanced(lungs, split) or self._tapered(lungs, split)
                if draft is not None:
                    return draft
        return None

    def operations_bound(self, lungs: dict[Side, Items]) -> int:
        """Fewest operations in which function bears all these specimens, whatever the other limits."""
        perfusions = sum(min(self.limits.perfused, 1) for items in lungs.values() if len(items))
        total = sum(items.ml for items in lungs.values())
        return operations_bound_by_function(total, perfusions, self.limits, self.budget)

    def _balanced(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Draft | None:
        packings: dict[Side, Packing] = {}
        for side, operations in zip(SIDES, split, strict=True):
            packing = self.packing(lungs[side], operations)
            if packing is None or packing.operations != operations:
                return None
            packings[side] = packing
        right, left = (
            [
                arrange(lungs[side], packings[side].where, packings[side].operations, self.limits, order)
                for order in ("tumor", "tissue")
            ]
            for side in SIDES
        )
        return schedule((right, left), self.budget, packings)

    def _tapered(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Draft | None:
        """Try smaller last operations: they come when the most function is gone."""
        for volumes in tapered_volumes(
            (lungs["right"].ml, lungs["left"].ml), split, self.limits, self.budget
        ):
            drafts = [self._tapered_lung(lungs[s], v) for s, v in zip(SIDES, volumes, strict=True)]
            right, left = drafts
            if right is not None and left is not None:
                draft = schedule(([right], [left]), self.budget, None)
                if draft is not None:
                    return draft
        return None

    def _tapered_lung(self, items: Items, volumes_ml: list[float]) -> LungDraft | None:
        """Pack one lung with a limit of tissue for each operation in order."""
        count = len(volumes_ml)
        perfused = tuple(i >= count - self.limits.perfused for i in range(count))
        where = pack_tapered(
            items, self.limits, tuple(int(v * THOUSAND) for v in volumes_ml), perfused, self.seed
        )
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
        best: Draft | None = None
        removed, bound = 0, 0
        for choice in choices(lungs):
            most = choice.most_lesions(self.budget, self.limits.perfused)
            bound = max(bound, most)
            progress(f"lung function: at most {most} of {choice.lesions} lesions")
            draft = self._most_of(choice, removed, most)
            if draft is not None:
                best, removed = draft, _lesions(draft)
        return best, bound

    def _most_of(self, choice: Choice, more_than: int, most: int) -> Draft | None:
        """Bisect for the largest number of lesions for which there is a draft."""
        best: Draft | None = None
        low, high = more_than, most + 1
        attempt = most
        while high - low > 1:
            draft = self.complete(choice.best(attempt))
            if draft is None:
                high = attempt
            else:
                best, low = draft, attempt
            attempt = (low + high) // 2
        return best


def _lesions(draft: Draft) -> int:
    return sum(lung.items.lesions for lung in draft.lungs.values())


def _splits(right: int, left: int, total: int, lungs: dict[Side, Items]) -> Iterator[tuple[int, int]]:
    """Ways to share the operations between the lungs; additional ones first where operations are largest."""
    more = total - right - left
    if not len(lungs["right"]) or not len(lungs["left"]):
        yield (total, 0) if len(lungs["right"]) else (0, total)
        return
    ways = [(right + i, left + more - i) for i in range(more + 1)]
    yield from sorted(ways, key=lambda w: (max(lungs["right"].ml / w[0], lungs["left"].ml / w[1]), -w[0]))
