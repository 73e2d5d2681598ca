"""The search over both lungs: as packed, with more operations, with smaller last ones, with lesions left.

Each lung is packed by itself; lung function couples them. Where it binds, the order of the goals decides what
gives way: first the balance between operations, then their number, and only then lesions. Where the protocol
lets an operation open both sides, as few such operations are tried as save one in all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Protocol as Interface

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, Draft, LungDraft, Order, arrange, schedule
from clearlung.staging.items import LESIONS, MINUTES, ML, THOUSAND, Items, Limits
from clearlung.staging.packing import (
    Packing,
    SplitPacking,
    operations_bound,
    pack,
    pack_split,
    pack_tapered,
)
from clearlung.staging.reorder import reordered
from clearlung.staging.repair import Assignment
from clearlung.staging.splits import Split, one_sided, some_on_both
from clearlung.staging.taper import Effort, light_volumes, operations_bound_by_function, tapered_volumes
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
    """Finds a draft for a set of specimens; remembers the packings that it made.

    Parameters
    ----------
    limits, budget
        Of one operation, and of function.
    seed
        Of the packing heuristic.
    better
        From a draft to what it is ranked by: the smaller, the better.
    fewest_first
        Whether a plan with fewer operations is always the better one.
    weeks_max
        Week of the last operation, at most.
    joined
        From the specimens of each lung to those of both, for operations on both sides.
    """

    limits: Limits
    budget: Budget
    seed: int
    better: Callable[[Draft], tuple[float, ...]]
    joined: Callable[[dict[Side, Items]], Items]
    fewest_first: bool = True
    weeks_max: int | None = None
    _packings: dict[tuple[str, bytes, int], Packing | None] = field(default_factory=dict)
    _tapers: dict[tuple[Side, bytes, tuple[int, ...]], Assignment | None] = field(default_factory=dict)
    _split: dict[tuple[bytes, Split], tuple[SplitPacking | None, bool]] = field(default_factory=dict)

    def packing(self, items: Items, at_least: int = 0) -> Packing | None:
        """Pack one lung, once."""
        key = (items.side, items.row.tobytes(), at_least)
        if key not in self._packings:
            self._packings[key] = pack(items, self.limits, self.seed, at_least=at_least)
        return self._packings[key]

    def proven(self, items: Items, operations: int = 0) -> tuple[int, int, tuple[str, str]]:
        """Return bounds of a lung's number of operations and largest tissue, and what proved them.

        Where the perfusion may be in any operation, a lung's first one, which need not free the lung, may be
        the perfused one: then bounds are those of perfusions that take no longer than freeing saves.
        """
        side, limits = items.side, self.limits
        packing = self.packing(items, operations)
        if packing is None:
            return 0, 0, ("none", "none")
        first = side != "both" and limits.perfused[side] > 0 and side not in limits.operated
        if not (limits.placed_freely and first and limits.reentry and packing.operations):
            return packing.operations_bound, packing.peak_bound_ml, packing.methods
        relaxed = replace(limits, perfusion=max(0, limits.perfusion - limits.reentry))
        key = (f"{side}, perfused first", items.row.tobytes(), operations)
        if key not in self._packings:
            self._packings[key] = pack(items, relaxed, self.seed, at_least=operations)
        looser = self._packings[key]
        if looser is None or looser.operations != packing.operations:
            bound = 0 if looser is None else looser.operations_bound
            return bound, 0, ("perfusions in any operation", "none: the first operation may be perfused")
        return looser.operations_bound, looser.peak_bound_ml, looser.methods

    def complete(self, lungs: dict[Side, Items]) -> Draft | None:
        """Remove all these specimens in the best way that the search finds, or return None."""
        best: Draft | None = None
        for split in self._splits(lungs, None if self.fewest_first else _SPLITS_LOOKED_AT):
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
        for draft in self._drafts(lungs, split, "all"):
            # Tapered operations are worse balanced: they are for where nothing balanced is borne.
            settled = self.fewest_first and best is not None and best.packings is not None
            if settled and draft.packings is None:
                break
            if best is None or self.better(draft) < self.better(best):
                best = draft
            balanced = self.fewest_first and best.packings is not None
            if balanced and best.both is None and best.weeks <= weeks_bound(best, self.budget):
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
        splits = self._splits(lungs, 2, quick=True)
        return any(next(self._drafts(lungs, split, "glance"), None) is not None for split in splits)

    def _splits(
        self, lungs: dict[Side, Items], at_once: int | None, *, quick: bool = False
    ) -> Iterator[Split]:
        """Yield how many operations there may be of each kind, fewer in all first.

        ``at_once`` limits the ways to share as many operations between the lungs. A quick look leaves out
        those with operations on both sides: they save operations, not lung function.
        """
        right, left = (self.fewest(lungs[side]) for side in SIDES)
        if right is None or left is None:
            return
        by_function = self.operations_bound(lungs)
        if self.limits.both_sides and right and left and not quick:
            bound = max(self.pooled_bound(lungs)[0], by_function)
            for total in range(bound, right + left):
                splits = some_on_both(lungs, total, _BOTH_MAX, self.limits.perfused)
                likely = (s for s in splits if self._has_room(lungs, s) and self._in_time(s))
                yield from islice(likely, _BOTH_SPLITS_TRIED)
        start = max(right + left, by_function)
        for total in range(start, right + left + _MORE_OPERATIONS + 1):
            ways = islice(one_sided(right, left, total, lungs), at_once)
            yield from (split for split in ways if self._in_time(split))

    def _has_room(self, lungs: dict[Side, Items], split: Split) -> bool:
        """Whether what each lung has over fits into the operations on both sides, summed up."""
        columns = [LESIONS, MINUTES, ML]
        over = np.zeros(len(columns), dtype=np.int64)
        for side, operations in zip(SIDES, (split.right, split.left), strict=True):
            items = lungs[side]
            room = self.limits.capacities(items.columns, operations, side, split.both).sum(axis=0)
            over += np.maximum(0, items.weight.sum(axis=0) - room)[columns]
        shared = self.limits.capacities(lungs["right"].columns, split.both, "both").sum(axis=0)[columns]
        return bool((over <= shared).all())

    def _in_time(self, split: Split) -> bool:
        """Whether so many operations could end early enough, whatever they remove."""
        if self.weeks_max is None:
            return True
        weeks = self.budget.least_weeks((split.right, split.left), self.limits.perfused, split.both)
        return weeks is not None and max(weeks, default=0) <= self.weeks_max

    def fewest(self, items: Items) -> int | None:
        """Fewest operations on one lung that were found."""
        packing = self.packing(items)
        return None if packing is None else packing.operations

    def pooled_bound(self, lungs: dict[Side, Items]) -> tuple[int, str]:
        """Fewest operations if each could open both sides, and what says so."""
        bound, method = operations_bound(self.joined(lungs), self.limits)
        return bound, f"{method}, both lungs"

    def operations_proven(self, lungs: dict[Side, Items]) -> tuple[int, str]:
        """Fewest operations that the limits of one operation let any plan of these specimens have."""
        bounds = [self.proven(items) for items in lungs.values()]
        method = "; ".join(dict.fromkeys(methods[0] for fewest, _, methods in bounds if fewest))
        apart = sum(fewest for fewest, _, _ in bounds), method
        if not (self.limits.both_sides and all(len(items) for items in lungs.values())):
            return apart
        pooled, method = self.pooled_bound(lungs)
        while pooled < apart[0] and self._none_with(lungs, pooled):
            pooled, method = pooled + 1, "integer programs of every share of operations on both sides"
        return min((pooled, method), apart, key=lambda bound: bound[0])

    def _none_with(self, lungs: dict[Side, Items], total: int) -> bool:
        """Whether it is proven that so many operations, some of them on both sides, are too few."""
        return self._none_of(lungs, list(some_on_both(lungs, total, total, self.limits.perfused)))

    def _none_of(self, lungs: dict[Side, Items], splits: list[Split]) -> bool:
        """Whether it is proven that no packing has one of these numbers of operations."""
        likely = [split for split in splits if self._has_room(lungs, split)]
        return len(likely) <= _BOTH_SPLITS_TRIED and all(self._packed(lungs, s)[1] for s in likely)

    def fewest_both(self, lungs: dict[Side, Items], total: int) -> int:
        """Return how many of so many operations on all these specimens open both sides at least."""
        if sum(self.proven(items)[0] for items in lungs.values()) <= total:
            return 0
        fewest, splits = 1, list(some_on_both(lungs, total, total, self.limits.perfused))
        while fewest < total and self._none_of(lungs, [s for s in splits if s.both == fewest]):
            fewest += 1
        return fewest

    def operations_bound(self, lungs: dict[Side, Items]) -> int:
        """Fewest operations in which function bears all these specimens, whatever the other limits."""
        perfused = [side for side, items in lungs.items() if len(items) and self.limits.perfused[side]]
        total = sum(items.ml for items in lungs.values())
        return max(
            operations_bound_by_function(total, perfused, self.limits, measure)
            for measure in self.budget.measures
        )

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

    def _light_last(self, lungs: dict[Side, Items], split: tuple[int, int]) -> Iterator[Candidate]:
        """Try balanced operations that leave what their largest has to spare to the last ones.

        The last operation comes when the most function is gone: the less it takes, the sooner it may be.
        """
        packings: dict[Side, Packing] = {}
        for side, operations in zip(SIDES, split, strict=True):
            packing = self._packings.get((side, lungs[side].row.tobytes(), operations))
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
            self._tapers[key] = pack_tapered(items, self.limits, ml, self.seed)
        where = self._tapers[key]
        if where is None:
            return None
        return LungDraft(items, tuple(np.flatnonzero(where == o) for o in range(count)), perfused)

    def _packed(self, lungs: dict[Side, Items], split: Split) -> tuple[SplitPacking | None, bool]:
        """Pack both lungs, once; and whether there is proven to be no packing."""
        items = self.joined(lungs)
        key = (items.row.tobytes(), split)
        if key not in self._split:
            self._split[key] = pack_split(items, self.limits, split, self.seed)
        return self._split[key]

    def _with_both(self, lungs: dict[Side, Items], split: Split) -> Iterator[Candidate]:
        """Try the packing with some operations on both sides in several orders."""
        items, packing = self.joined(lungs), self._packed(lungs, split)[0]
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
