"""The search over both lungs: as packed, with more operations, with smaller last ones, with lesions left.

Each lung is packed by itself; lung function couples them. Where it binds, the order of the goals decides what
gives way: first the balance between operations, then their number, and only then lesions. Where the protocol
lets an operation open both sides, as few such operations are tried as save one in all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Protocol as Interface

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, Draft, LungDraft, Order, arrange, schedule
from clearlung.staging.items import THOUSAND, Items, Limits
from clearlung.staging.packing import (
    Packing,
    pack_tapered,
)
from clearlung.staging.packings import Packings
from clearlung.staging.reorder import reordered
from clearlung.staging.repair import Assignment
from clearlung.staging.splits import Split, one_sided, some_on_both
from clearlung.staging.taper import Effort, light_volumes, tapered_volumes
from clearlung.staging.weeks_bound import weeks_bound

# Operations above the packings' number that the search tries before lesions are left. Each further one frees
# less than half of what the one before did.
_MORE_OPERATIONS = 4
# Operations on both sides that are tried for one number of operations: what each lung has over is one
# operation's at most, so more than two rarely save what two do not.
_BOTH_MAX = 3
# Ways to share one number of operations, some on both sides, that are tried: each may be an integer program.
_BOTH_SPLITS_TRIED = 6
# Ways to share the operations between the lungs that are looked at where their number is not ranked first.
_SPLITS_LOOKED_AT = 3
# Tapered drafts beside a balanced one that are looked at where ending sooner may be better than balance.
_TAPERED_TRIED = 6
# Shares of what balanced operations have to spare that the last ones are given: with more, waits are shorter,
# with less, packing is easier.
_SPARE_SHARES = (0.95, 0.8, 0.5)
# Orders of the right and the left lung's operations, in the order in which they are tried.
_ORDERS: tuple[tuple[Order, Order], ...] = (
    ("tumor", "tumor"),
    ("tissue", "tissue"),
    ("tumor", "tissue"),
    ("tissue", "tumor"),
)

Progress = Callable[[str], None]


class Pick(Interface):
    """Which lesions are removed where not all can be."""

    @property
    def most(self) -> int:
        """How many lesions no plan of this kind exceeds."""

    def best(self, lesions: int) -> dict[Side, Items]:
        """Return the specimens that remove at least so many with the least that binds."""


@dataclass(eq=False)
class Search:
    """Finds a draft for a set of specimens.

    Parameters
    ----------
    packings
        Of each lung, under the limits of one operation and of function.
    better
        From a draft to what it is ranked by: the smaller, the better.
    fewest_first
        Whether a plan with fewer operations is always the better one.
    weeks_first
        Whether ending sooner may be better than a better balance.
    at_least
        Operations on each lung that are tried before fewer are: as many as are to be perfused.
    weeks_max
        Week of the last operation, at most.
    """

    packings: Packings
    better: Callable[[Draft], tuple[float, ...]]
    fewest_first: bool = True
    weeks_first: bool = False
    at_least: Mapping[Side, int] = field(default_factory=dict)
    weeks_max: int | None = None
    _tapers: dict[tuple[Side, bytes, tuple[int, ...]], Assignment | None] = field(default_factory=dict)

    @property
    def limits(self) -> Limits:
        """Of one operation."""
        return self.packings.limits

    @property
    def budget(self) -> Budget:
        """Of function."""
        return self.packings.budget

    def complete(self, lungs: dict[Side, Items]) -> Draft | None:
        """Remove all these specimens in the best way that the search finds, or return None."""
        best = self._complete(lungs, self.at_least)
        return best if best is not None or not any(self.at_least.values()) else self._complete(lungs, {})

    def _complete(self, lungs: dict[Side, Items], at_least: Mapping[Side, int]) -> Draft | None:
        best: Draft | None = None
        splits = self._splits(lungs, None if self.fewest_first else _SPLITS_LOOKED_AT, at_least)
        for split in splits:
            found = self._best_of(lungs, split)
            if found is not None and (best is None or self.better(found) < self.better(best)):
                best = found
            if best is not None and self.fewest_first:
                break
        return best

    def _best_of(self, lungs: dict[Side, Items], split: Split) -> Draft | None:
        """Return the best draft with so many operations of each kind."""
        if next(self._drafts(lungs, split, "search"), None) is None:
            return None
        best: Draft | None = None
        # Tapered operations are worse balanced: they are for where nothing balanced is borne, or ending
        # sooner may be better.
        tapered_most = (_TAPERED_TRIED if self.weeks_first else 0) if self.fewest_first else math.inf
        tapered, balanced = 0, False
        for draft in self._drafts(lungs, split, "all"):
            tapered += draft.packings is None
            balanced = balanced or draft.packings is not None
            if balanced and tapered > tapered_most:
                break
            if best is None or self.better(draft) < self.better(best):
                best = draft
            settled = self.fewest_first and not self.weeks_first and best.packings is not None
            if settled and best.both is None and best.weeks <= weeks_bound(best, self.budget):
                return best
        return best and reordered(best, self.limits, self.budget, self.better, self.ends_in_time)

    def ends_in_time(self, draft: Draft) -> bool:
        """Whether a draft ends in the protocol's last week or before."""
        return self.weeks_max is None or draft.weeks <= self.weeks_max

    def _drafts(self, lungs: dict[Side, Items], split: Split, effort: Effort) -> Iterator[Draft]:
        """Yield drafts with so many operations of each kind that end early enough."""
        for candidate in self._candidates(lungs, split, effort):
            # Nobody is operated on for nothing, not even to be perfused.
            draft = schedule(candidate, self.budget) if candidate.takes_something else None
            if draft is not None and self.ends_in_time(draft):
                yield draft

    def removes(self, lungs: dict[Side, Items]) -> bool:
        """Whether a quick look finds a draft that removes all these specimens."""
        splits = self._splits(lungs, 2, {}, quick=True)
        return any(next(self._drafts(lungs, split, "glance"), None) is not None for split in splits)

    def _splits(
        self,
        lungs: dict[Side, Items],
        at_once: int | None,
        at_least: Mapping[Side, int],
        *,
        quick: bool = False,
    ) -> Iterator[Split]:
        """Yield how many operations there may be of each kind, fewer in all first.

        ``at_once`` limits the ways to share as many operations between the lungs, ``at_least`` those on each
        lung. A quick look leaves out those with operations on both sides: they save operations, not lung
        function.
        """
        right, left = (self.packings.fewest(lungs[side]) for side in SIDES)
        if right is None or left is None:
            return
        right, left = max(right, at_least.get("right", 0)), max(left, at_least.get("left", 0))
        by_function = self.packings.operations_bound(lungs)
        if self.limits.both_sides and right and left and not quick:
            bound = max(self.packings.pooled_bound(lungs)[0], by_function)
            for total in range(bound, right + left):
                splits = some_on_both(lungs, total, _BOTH_MAX, self.limits.perfused)
                likely = (s for s in splits if self.packings.has_room(lungs, s) and self._in_time(s))
                yield from islice(likely, _BOTH_SPLITS_TRIED)
        start = max(right + left, by_function)
        for total in range(start, right + left + _MORE_OPERATIONS + 1):
            ways = islice(one_sided(right, left, total, lungs), at_once)
            yield from (split for split in ways if self._in_time(split))

    def _in_time(self, split: Split) -> bool:
        """Whether so many operations could end early enough, whatever they remove."""
        if self.weeks_max is None:
            return True
        weeks = self.budget.least_weeks((split.right, split.left), self.limits.perfused, split.both)
        return weeks is not None and max(weeks, default=0) <= self.weeks_max

    def _candidates(self, lungs: dict[Side, Items], split: Split, effort: Effort) -> Iterator[Candidate]:
        """Yield operations that function bears: balanced ones in several orders, then tapered ones."""
        apart = (split.right, split.left)
        ways = (
            self._with_both(lungs, split)
            if split.both
            else chain(
                self._balanced(lungs, apart),
                self._light_last(lungs, apart),
                self._tapered(lungs, apart, effort),
            )
        )
        for candidate in ways:
            if candidate.bearable(self.budget):
                yield candidate

    def _balanced(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Iterator[Candidate]:
        perfused = {side: min(self.limits.perfused[side], n) for side, n in zip(SIDES, split, strict=True)}
        # Balanced operations are near their mean: where function does not bear half of it, do not pack.
        for measure in self.budget.measures:
            total = sum(measure.counted_ml(items) for items in lungs.values())
            means = [measure.bedded_ml(lungs[side]) / n for side, n in zip(SIDES, split, strict=True) if n]
            if not measure.allows(total, min(means, default=0.0) / 2, measure.perfusions(perfused)):
                return
        packings: dict[Side, Packing] = {}
        for side, operations in zip(SIDES, split, strict=True):
            packing = self.packings.packing(lungs[side], operations)
            if packing is None or packing.operations != operations:
                return
            packings[side] = packing
        for orders in _ORDERS:
            right, left = (
                arrange(lungs[side], packings[side].where, n, self.limits, order)
                for side, n, order in zip(SIDES, split, orders, strict=True)
            )
            yield Candidate(right, left, packings)

    def _light_last(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Iterator[Candidate]:
        """Try balanced operations that leave what their largest has to spare to the last ones.

        The last operation comes when the most function is gone: the less it takes, the sooner it may be.
        """
        packings: dict[Side, Packing] = {}
        for side, operations in zip(SIDES, split, strict=True):
            packing = self.packings.known(lungs[side], operations)
            if packing is None or packing.operations != operations:
                return
            packings[side] = packing
        for share in _SPARE_SHARES:
            right, left = (
                self._tapered_lung(side, lungs[side], light_volumes(lungs[side].ml, packings[side], share))
                for side in SIDES
            )
            if right is not None and left is not None:
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
            right = self._tapered_lung("right", lungs["right"], volumes[0])
            left = None if right is None else self._tapered_lung("left", lungs["left"], volumes[1])
            if right is not None and left is not None:
                yield Candidate(right, left, None)

    def _tapered_lung(self, side: Side, items: Items, volumes_ml: list[float]) -> LungDraft | None:
        """Pack one lung with a limit of tissue for each operation in order."""
        count = len(volumes_ml)
        perfused = tuple(i >= count - self.limits.perfused[side] for i in range(count))
        ml = tuple(int(v * THOUSAND) for v in volumes_ml)
        key = (side, items.row.tobytes(), ml)
        if key not in self._tapers:
            self._tapers[key] = pack_tapered(items, self.limits, ml, self.packings.seed)
        where = self._tapers[key]
        if where is None:
            return None
        return LungDraft(items, tuple(np.flatnonzero(where == o) for o in range(count)), perfused)

    def _with_both(self, lungs: dict[Side, Items], split: Split) -> Iterator[Candidate]:
        """Try the packing with some operations on both sides in several orders."""
        items, packing = self.packings.joined(lungs), self.packings.packed(lungs, split)[0]
        if packing is None:
            return
        split = packing.split
        where = packing.where
        shared = where < split.both
        counts: dict[Side, int] = {"right": split.right, "left": split.left}
        begins: dict[Side, int] = {"right": split.both, "left": split.both + split.right}
        for orders in _ORDERS:
            both = arrange(items.subset(shared), where[shared], split.both, self.limits, orders[0])
            parts = {}
            for side, order in zip(SIDES, orders, strict=True):
                mine = (where >= begins[side]) & (where < begins[side] + counts[side])
                own = lungs[side].subset(np.isin(lungs[side].row, items.row[mine]))
                parts[side] = arrange(
                    own, where[mine] - begins[side], counts[side], self.limits, order, split.both
                )
            yield Candidate(parts["right"], parts["left"], {}, both if split.both else None)

    def most(self, picks: list[Pick], progress: Progress) -> Draft | None:
        """Remove as many lesions as the search finds possible.

        Parameters
        ----------
        picks
            Ways to choose which lesions are removed.
        progress
            Called with a phrase for each.
        """
        removed = 0
        for pick in picks:
            progress(f"at most {pick.most} lesions")
            removed = max(removed, self._most_of(pick, removed))
        if not removed:
            return None
        # Of as many lesions, the goals decide which.
        chosen = [pick.best(removed) for pick in picks if pick.most >= removed]
        different = {tuple(items.row.tobytes() for items in lungs.values()): lungs for lungs in chosen}
        drafts = [draft for lungs in different.values() if (draft := self.complete(lungs)) is not None]
        return min(drafts, key=self.better, default=None)

    def _most_of(self, pick: Pick, low: int) -> int:
        """Bisect for the largest number of lesions that the search can plan; ``low`` if none is larger."""
        high, attempt = pick.most + 1, pick.most
        while high - low > 1:
            if self.removes(pick.best(attempt)):
                low = attempt
            else:
                high = attempt
            attempt = (low + high) // 2
        return low
