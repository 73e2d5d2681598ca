"""A packing by construction and exchange: large problems in a second, with nothing proven by itself.

A packing that uses no more operations, or no more tissue in one, than a lower bound allows is optimal however
it was found, so a good heuristic proves most packings. It depends on its seed only, never on the clock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.staging.items import Weights

Assignment = NDArray[np.int64]

# Exchanges tried before a packing is given up: each removes some overflow, so real ones end far earlier.
_EXCHANGES_MAX = 400
# How often the search shakes a packing that no exchange improves, and how many pairs it swaps each time.
SHAKES = 12
_SHAKEN_PAIRS = 6
# Stands for a capacity of zero: below every weight but zero.
_NOTHING = 0.5
# Overflow below this share of a limit cannot come from whole numbers.
_NONE = 1e-12


def pack_by_exchange(
    weight: Weights, capacity: Weights, seed: int, *, shakes: int = SHAKES
) -> Assignment | None:
    """Return an operation for each specimen so that no capacity is exceeded and none is empty, or None.

    Parameters
    ----------
    weight
        Shape (specimens, limits).
    capacity
        Shape (operations, limits).
    seed
        Of the shaking.
    shakes
        How often it starts again before it gives up.

    Returns
    -------
    int64 of shape (specimens,) or None
        None says only that the search found nothing.
    """
    if len(weight) < len(capacity) or (capacity < 0).any():
        return None
    if (weight.sum(axis=0) > capacity.sum(axis=0)).any():
        return None
    # Of what an operation may not hold at all, the least weight is already too much.
    share = np.where(capacity > 0, capacity, _NOTHING).astype(np.float64)
    items = weight.astype(np.float64)
    where = _construct(items, share)
    rng = np.random.default_rng(seed)
    for _ in range(shakes + 1):
        if _exchange(items, share, where) and _fill_empty(items, share, where):
            return where if _fits(weight, capacity, where) else None
        _shake(where, rng)
    return None


def loads_of(weight: Weights, where: Assignment, operations: int) -> Weights:
    """Sum of the weights in each operation, shape (operations, limits)."""
    loads = np.zeros((operations, weight.shape[1]), dtype=np.int64)
    np.add.at(loads, where, weight)
    return loads


def _fits(weight: Weights, capacity: Weights, where: Assignment) -> bool:
    used = np.bincount(where, minlength=len(capacity))
    return bool((loads_of(weight, where, len(capacity)) <= capacity).all() and used.all())


def _overflow(load: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much loads exceed the limits, as shares of them, summed over the last axis."""
    return np.asarray(np.maximum(load / share - 1.0, 0.0).sum(axis=-1))


def _construct(items: NDArray[np.float64], share: NDArray[np.float64]) -> Assignment:
    """Put the largest specimens first, each where the fullest limit stays least full."""
    load = np.zeros_like(share)
    where = np.zeros(len(items), dtype=np.int64)
    size = (items / share.max(axis=0)).max(axis=1)
    for i in np.argsort(-size, kind="stable"):
        after = (load + items[i]) / share
        score = 1e3 * np.maximum(after - 1.0, 0.0).sum(axis=1) + after.max(axis=1)
        best = int(np.argmin(score))
        where[i] = best
        load[best] += items[i]
    return where


def _exchange(items: NDArray[np.float64], share: NDArray[np.float64], where: Assignment) -> bool:
    """Move and swap specimens while that lowers the overflow; True once there is none."""
    load = np.zeros_like(share)
    np.add.at(load, where, items)
    for _ in range(_EXCHANGES_MAX):
        over = _overflow(load, share)
        if over.max() <= _NONE:
            return True
        # The fullest operation first; if nothing helps it, any other that is too full.
        if not any(_improve(items, share, where, load, b) for b in np.argsort(-over) if over[b] > _NONE):
            return False
    return False


def _improve(
    items: NDArray[np.float64],
    share: NDArray[np.float64],
    where: Assignment,
    load: NDArray[np.float64],
    full: int,
) -> bool:
    """Apply the best move or swap out of one operation, if it lowers the overflow."""
    inside, outside = np.flatnonzero(where == full), np.flatnonzero(where != full)
    others = np.delete(np.arange(len(share)), full)
    # A move is a swap with nothing: one weightless partner for each other operation.
    partner = np.concatenate([items[outside], np.zeros((len(others), items.shape[1]))])
    home = np.concatenate([where[outside], others])
    change = items[inside][:, None, :] - partner[None, :, :]
    after = _overflow(load[full] - change, share[full]) + _overflow(load[home] + change, share[home])
    gain = after - (_overflow(load[full], share[full]) + _overflow(load[home], share[home]))
    best = int(np.argmin(gain))
    row, column = divmod(best, len(partner))
    if not len(inside) or gain[row, column] > -_NONE:
        return False
    where[inside[row]] = home[column]
    if column < len(outside):
        where[outside[column]] = full
    load[full] -= change[row, column]
    load[home[column]] += change[row, column]
    return True


def _fill_empty(items: NDArray[np.float64], share: NDArray[np.float64], where: Assignment) -> bool:
    """Give each empty operation one specimen from the operation with the most."""
    for empty in np.flatnonzero(np.bincount(where, minlength=len(share)) == 0):
        donors = np.flatnonzero(np.bincount(where, minlength=len(share))[where] > 1)
        fitting = donors[(items[donors] <= share[empty]).all(axis=1)]
        if not len(fitting):
            return False
        where[fitting[0]] = empty
    return True


def _shake(where: Assignment, rng: np.random.Generator) -> None:
    for _ in range(min(_SHAKEN_PAIRS, len(where) // 2)):
        a, b = rng.choice(len(where), size=2, replace=False)
        where[a], where[b] = where[b], where[a]
