"""`Packings`: a lung's specimens packed into operations, each once, and what that proves of every plan.

Bounds hold for every packing under the limits of one operation, and under lung function with tissue cut to
any size; what interleaving and weeks add is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.items import LESIONS, MINUTES, ML, Items, Limits
from clearlung.staging.packing import Packing, SplitPacking, operations_bound, pack, pack_split
from clearlung.staging.splits import Split, some_on_both
from clearlung.staging.taper import operations_bound_by_function

# Ways to share one number of operations, some on both sides, that are looked at: each may be an integer
# program.
_SPLITS_LOOKED_AT = 6


@dataclass(eq=False)
class Packings:
    """Packs specimens under the limits of one operation, and remembers.

    Parameters
    ----------
    limits, budget
        Of one operation, and of function.
    seed
        Of the packing heuristic.
    joined
        From the specimens of each lung to those of both, for operations on both sides.
    """

    limits: Limits
    budget: Budget
    seed: int
    joined: Callable[[dict[Side, Items]], Items]
    _packings: dict[tuple[str, bytes, int], Packing | None] = field(default_factory=dict)
    _split: dict[tuple[bytes, Split], tuple[SplitPacking | None, bool]] = field(default_factory=dict)

    def packing(self, items: Items, at_least: int = 0) -> Packing | None:
        """Pack one lung, once."""
        key = (items.side, items.row.tobytes(), at_least)
        if key not in self._packings:
            self._packings[key] = pack(items, self.limits, self.seed, at_least=at_least)
        return self._packings[key]

    def known(self, items: Items, operations: int) -> Packing | None:
        """Return the packing of one lung in so many operations or more, if it has been looked for."""
        return self._packings.get((items.side, items.row.tobytes(), operations))

    def packed(self, lungs: dict[Side, Items], split: Split) -> tuple[SplitPacking | None, bool]:
        """Pack both lungs, once; and whether there is proven to be no packing."""
        items = self.joined(lungs)
        key = (items.row.tobytes(), split)
        if key not in self._split:
            self._split[key] = pack_split(items, self.limits, split, self.seed)
        return self._split[key]

    def fewest(self, items: Items) -> int | None:
        """Fewest operations on one lung that were found."""
        packing = self.packing(items)
        return None if packing is None else packing.operations

    def proven(self, items: Items, operations: int = 0) -> tuple[int, int, tuple[str, str]]:
        """Return bounds of a lung's number of operations and largest tissue, and what proved them.

        Where the perfusion may be in any operation, it may be in a lung's first one, which need not free the
        lung, or in one that the surgeon fixed other lesions to than to the last: then bounds are those of
        perfusions that take no longer than freeing saves, or no time at all.
        """
        side, limits = items.side, self.limits
        packing = self.packing(items, operations)
        if packing is None:
            return 0, 0, ("none", "none")
        saved = 0
        if side != "both" and limits.placed_freely and limits.perfused[side] and packing.operations:
            saved = limits.perfusion if items.columns.placed else 0
            saved = saved or (0 if side in limits.operated else limits.reentry)
        if not saved:
            return packing.operations_bound, packing.peak_bound_ml, packing.methods
        relaxed = replace(limits, perfusion=max(0, limits.perfusion - saved))
        key = (f"{side}, perfused first", items.row.tobytes(), operations)
        if key not in self._packings:
            self._packings[key] = pack(items, relaxed, self.seed, at_least=operations)
        looser = self._packings[key]
        if looser is None or looser.operations != packing.operations:
            bound = 0 if looser is None else looser.operations_bound
            return bound, 0, ("perfusions in any operation", "none: the first operation may be perfused")
        return looser.operations_bound, looser.peak_bound_ml, looser.methods

    def has_room(self, lungs: dict[Side, Items], split: Split) -> bool:
        """Whether what each lung has over fits into the operations on both sides, summed up."""
        columns = [LESIONS, MINUTES, ML]
        over = np.zeros(len(columns), dtype=np.int64)
        for side, operations in zip(SIDES, (split.right, split.left), strict=True):
            items = lungs[side]
            room = self.limits.capacities(items.columns, operations, side, split.both).sum(axis=0)
            over += np.maximum(0, items.weight.sum(axis=0) - room)[columns]
        shared = self.limits.capacities(lungs["right"].columns, split.both, "both").sum(axis=0)[columns]
        return bool((over <= shared).all())

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
        likely = [split for split in splits if self.has_room(lungs, split)]
        return len(likely) <= _SPLITS_LOOKED_AT and all(self.packed(lungs, s)[1] for s in likely)

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
