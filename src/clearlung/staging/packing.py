"""One lung's specimens into as few operations as the limits allow, and the tissue spread evenly.

Lower bounds first; a packing that meets them is optimal. What they leave open goes to the integer program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.exact import pack_exactly
from clearlung.staging.items import LESIONS, MINUTES, ML, THOUSAND, Items, Limits, Weights
from clearlung.staging.repair import SHAKES, Assignment, loads_of, pack_by_exchange
from clearlung.staging.splits import Split

# How many operations above the bound are tried before the packing is given up; a packing with few large
# specimens needs one or two.
_TRIES_MAX = 60
# How many whole ml above the bound are tried by construction before the integer program is asked.
_PEAKS_TRIED = (0, 1, 2, 4, 8, 16, 32, 64, 128)
# What is tried where the balance is not proven anyway and each try of so many specimens takes long.
_PEAKS_ROUGH = (0, 2, 8, 32, 128)
_MANY = 250
# Few specimens are large ones, which take more tries to balance, and each try is quick.
_BALANCE_WORK = 4_000
_FEW = 20
# Nodes of the integer program that balances: a ml between two operations is not worth minutes of waiting.
_BALANCE_NODES = 60
# A tapered packing that does not succeed at once is dropped: others with more room follow.
_TAPER_SHAKES = 1


@dataclass(frozen=True, eq=False)
class Packing:
    """One lung's operations.

    Parameters
    ----------
    where
        For each specimen its operation: 0 may use what the first one has of time, and perfused ones have the
        highest numbers.
    operations, operations_bound
        How many, and how many at least.
    peak_ml, peak_bound_ml
        Tissue in the largest operation, rounded up to whole ml, and the least possible for this number.
    methods
        What proved the two bounds.
    """

    where: Assignment
    operations: int
    operations_bound: int
    peak_ml: int
    peak_bound_ml: int
    methods: tuple[str, str]


def operations_bound(items: Items, limits: Limits) -> tuple[int, str]:
    """Return how many operations a lung needs at least, and what says so."""
    if not len(items):
        return 0, "nothing to remove"
    weight = items.weight
    capacity = list(items.columns.capacity)
    sides: Sequence[Side] = SIDES if items.side == "both" else [items.side]
    free = [limits.minutes_left(side, first=True, perfused=False) for side in sides]
    capacity[MINUTES] = max(*free, limits.minutes_left_both(first=True)) if len(sides) > 1 else free[0]
    minutes = int(weight[:, MINUTES].sum())
    bounds = [(minutes_bound(minutes, limits, sides, each=True), "sum of minutes")]
    for limit, name in enumerate(items.columns.names):
        if limit != MINUTES:
            bounds.append((-(-int(weight[:, limit].sum()) // capacity[limit]), f"sum of {name}"))
        bounds.append((_large_items_bound(weight[:, limit], capacity[limit]), f"large in {name}"))
    return max(bounds, key=lambda bound: bound[0])


def minutes_bound(total: int, limits: Limits, sides: Sequence[Side], *, each: bool = False) -> int:
    """Fewest operations on these lungs whose minutes add up.

    The last few also perfuse, and all but the first on each lung that nobody has opened also free it.
    Operations may open both lungs where the limits say so.

    Parameters
    ----------
    total
        Minutes of the specimens, in thousandths.
    limits
        Of one operation.
    sides
        The lungs that may be operated on.
    each
        Whether each of them is.
    """
    fresh = len(set(sides) - limits.operated)
    most = max(limits.minutes, limits.minutes_both) if limits.both_sides else limits.minutes

    def left(operations: int) -> int:
        spent = _perfusions(operations, limits, sides, each=each) * limits.perfusion
        return operations * most - spent - max(0, operations - fresh) * limits.reentry

    operations = len(sides) if each and not limits.both_sides else 1
    # Where freeing the lung takes all the time that there is, further operations add none.
    while left(operations) < total and (most > limits.reentry or operations <= fresh):
        operations += 1
    return operations


def _perfusions(operations: int, limits: Limits, sides: Sequence[Side], *, each: bool) -> int:
    """Fewest perfusions of so many operations, however these lungs share them."""
    counts = [limits.perfused[side] for side in sides]
    if each and len(counts) > 1:
        # Fewest where one lung has a single operation. With some that open both, no lung has fewer.
        first, second = counts
        return min(min(first, 1) + min(second, operations - 1), min(second, 1) + min(first, operations - 1))
    return min(min(counts, default=0), operations)


def _large_items_bound(size: Weights, capacity: int) -> int:
    """Bound of Martello and Toth: what is larger than half an operation needs one of its own.

    References
    ----------
    Martello S, Toth P. Lower bounds and reduction procedures for the bin packing problem. Discrete Appl Math
    1990;28:59.
    """
    size = size[size > 0]
    half = size[size > capacity / 2]
    if not len(half):
        return 0
    best = len(half)
    for small in np.unique(size[size <= capacity / 2]):
        alone = half > capacity - small
        room = int((~alone).sum()) * capacity - int(half[~alone].sum())
        rest = int(size[(size <= capacity / 2) & (size >= small)].sum()) - room
        best = max(best, len(half) + max(0, -(-rest // capacity)))
    return best


def pack(items: Items, limits: Limits, seed: int, *, at_least: int = 0) -> Packing | None:
    """Pack a lung into the fewest operations, and then with the least tissue in the largest.

    Parameters
    ----------
    items, limits
        What is packed, and into what.
    seed
        Of the heuristic.
    at_least
        Use no fewer operations than this.

    Returns
    -------
    Packing or None
        None where no packing was found, as when nothing fits a perfused operation.
    """
    bound, method = operations_bound(items, limits)
    if not len(items):
        return Packing(np.zeros(0, dtype=np.int64), 0, 0, 0, 0, (method, method))
    proven = bound
    start = max(bound, at_least)
    for operations in range(start, min(start + _TRIES_MAX, len(items)) + 1):
        capacity = limits.capacities(items.columns, operations, items.side)
        where = pack_by_exchange(items.weight, capacity, seed)
        if where is None:
            answer = pack_exactly(items.weight, capacity, peak_from=_peak_bound(items, operations))
            where = answer.where
            if where is None:
                if answer.proven and operations == proven:
                    proven, method = operations + 1, "integer program"
                continue
        balanced, peak, peak_bound, peak_method = _balance(items, capacity, where, seed)
        return Packing(balanced, operations, proven, peak, peak_bound, (method, peak_method))
    return None


@dataclass(frozen=True, eq=False)
class SplitPacking:
    """Both lungs' operations, those on both sides first, then the right lung's, then the left's."""

    where: Assignment
    split: Split


def pack_split(items: Items, limits: Limits, split: Split, seed: int) -> tuple[SplitPacking | None, bool]:
    """Pack both lungs with some operations that open both sides.

    Parameters
    ----------
    items
        Of both lungs.
    limits, seed
        As for :func:`pack`.
    split
        How many of each kind, those on both sides at most.

    Returns
    -------
    packing, proven
        None where no packing was found; whether none exists where none was found.
    """
    capacity = _split_capacities(items, limits, split)
    where = pack_by_exchange(items.weight, capacity, seed)
    if where is None:
        least = _peak_bound(items, split.operations)
        answer = pack_exactly(items.weight, capacity, peak_from=least, balance=False)
        if answer.where is None:
            return None, answer.proven
        where = answer.where
    # How far it is balanced cannot be proven: other splits may do better. Construction has to be enough.
    balanced = _balance(items, capacity, where, seed, prove=False)[0]
    return _as_opened(items, limits, balanced, split), False


def _split_capacities(items: Items, limits: Limits, split: Split) -> Weights:
    return np.concatenate(
        [
            limits.capacities(items.columns, split.both, "both"),
            limits.capacities(items.columns, split.right, "right", split.both),
            limits.capacities(items.columns, split.left, "left", split.both),
        ]
    )


def _as_opened(items: Items, limits: Limits, where: Assignment, split: Split) -> SplitPacking | None:
    """Return the operations by what they open: one that takes nothing of a lung does not open it.

    None where such an operation does not fit among those of its lung.
    """
    right, operations = items.right, np.arange(split.operations)
    opens_right, opens_left = (np.isin(operations, where[mine]) for mine in (right, ~right))
    both = np.flatnonzero(opens_right & opens_left)
    ones = [np.flatnonzero(a & ~b) for a, b in ((opens_right, opens_left), (opens_left, opens_right))]
    order = np.concatenate([both, *ones])
    found = Split(len(both), len(ones[0]), len(ones[1]))
    number = np.empty(split.operations, dtype=np.int64)
    number[order] = operations
    packed = SplitPacking(number[where], found)
    loads = loads_of(items.weight, packed.where, split.operations)
    return packed if (loads <= _split_capacities(items, limits, found)).all() else None


def _balance_shakes(specimens: int) -> int:
    # The integer program settles a handful of specimens at once.
    return SHAKES if specimens < _FEW else max(SHAKES, _BALANCE_WORK // specimens)


def _peak_bound(items: Items, operations: int) -> int:
    ml = items.weight[:, ML]
    return max(_whole_ml(-(-int(ml.sum()) // operations)), _whole_ml(int(ml.max())))


def _whole_ml(thousandths: int) -> int:
    return -(-thousandths // THOUSAND)


def _balance(
    items: Items, capacity: Weights, where: Assignment, seed: int, *, prove: bool = True
) -> tuple[Assignment, int, int, str]:
    """Lower the tissue of the largest operation as far as the limits let it, and prove it if wanted."""
    operations = len(capacity)
    bound = _peak_bound(items, operations)
    peak = _whole_ml(int(loads_of(items.weight, where, operations)[:, ML].max()))
    rough = not prove and len(items) > _MANY
    for target in (bound + more for more in (_PEAKS_ROUGH if rough else _PEAKS_TRIED)):
        if target >= peak:
            break
        lower = capacity.copy()
        lower[:, ML] = np.minimum(lower[:, ML], target * THOUSAND)
        shakes = 0 if rough else _balance_shakes(len(items))
        found = pack_by_exchange(items.weight, lower, seed, shakes=shakes)
        if found is not None:
            where = found
            peak = _whole_ml(int(loads_of(items.weight, where, operations)[:, ML].max()))
            break
    if peak == bound or not prove:
        return where, peak, bound, "mean or largest specimen, rounded up"
    lower = capacity.copy()
    lower[:, ML] = np.minimum(lower[:, ML], (peak - 1) * THOUSAND)
    answer = pack_exactly(items.weight, lower, peak_from=bound, nodes_max=_BALANCE_NODES)
    if answer.where is not None:
        where = answer.where
        peak = _whole_ml(int(loads_of(items.weight, where, operations)[:, ML].max()))
    if answer.proven:
        return where, peak, peak, "integer program"
    return where, peak, min(peak, answer.peak or bound), "integer program, ended early"


def pack_tapered(
    items: Items, limits: Limits, ml: tuple[int, ...], seed: int, before: int = 0
) -> Assignment | None:
    """Pack a lung so that each operation keeps to its own limit of tissue, in thousandths of a ml."""
    if not len(items):
        return np.zeros(0, dtype=np.int64)
    capacity = limits.capacities(items.columns, len(ml), items.side, before)
    capacity[:, ML] = np.minimum(capacity[:, ML], ml)
    where = pack_by_exchange(items.weight, capacity, seed, shakes=_TAPER_SHAKES)
    if where is None and items.weight[:, LESIONS].sum() <= 60:
        where = pack_exactly(items.weight, capacity, peak_from=0).where
    return where
