"""A fissure's large shape: a bent sheet sought around where it lies in most people."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# How far people's fissures stray from the typical plane, standard deviation: at the middle, and at the rim
# by each way of bending (tilt along u and v, twist, bow along u and v).
STRAY_MM = (12.0, 12.0, 14.0, 8.0, 8.0, 8.0)
# Weight of one squared standard deviation, beside a cost that is -1 for a fissure that is plain all over.
STRAY_WEIGHT = 0.03
# The first search: steps no wider than the cost's blur.
SHIFTS = np.linspace(-36.0, 36.0, 37)
TILTS_U = np.linspace(-24.0, 24.0, 9)
TILTS_V = np.linspace(-28.0, 28.0, 11)
STARTS = 12
FIRST_STEP_MM = 4.0
LAST_STEP_MM = 0.5


def bends(shape: tuple[int, int]) -> FloatArray:
    """Ways of bending, shape (6, u, v): one each for the entries of :data:`STRAY_MM`, 1 at the rim."""
    u, v = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    return np.stack([np.ones_like(u), u, v, u * v, u * u - 1 / 3, v * v - 1 / 3]).astype(np.float32)


@njit(cache=True)
def _total(
    cost: Any, basis: Any, amounts: Any, stray: Any, weight: Any, cells: Any, first: Any, step: Any
) -> Any:
    """Mean cost of a sheet bent by these amounts, and what they cost themselves."""
    nu, nv, nh = cost.shape
    total = 0.0
    for i in range(0, nu, 2):
        for j in range(0, nv, 2):
            h = -first
            for m in range(len(amounts)):
                h += amounts[m] * basis[m, i, j]
            k = h / step
            if k >= 0.0 and k < nh - 1:
                low = int(k)
                total += cost[i, j, low] + (k - low) * (cost[i, j, low + 1] - cost[i, j, low])
    bent = 0.0
    for m in range(len(amounts)):
        bent += (amounts[m] / stray[m]) ** 2
    return total / cells + weight * bent


@njit(cache=True, parallel=True)
def _totals(
    cost: Any, basis: Any, tries: Any, stray: Any, weight: Any, cells: Any, first: Any, step: Any
) -> Any:
    out = np.empty(len(tries))
    for n in prange(len(tries)):
        out[n] = _total(cost, basis, tries[n], stray, weight, cells, first, step)
    return out


@njit(cache=True, parallel=True)
def _descend(
    cost: Any, basis: Any, starts: Any, stray: Any, weight: Any, cells: Any, first: Any, step: Any, steps: Any
) -> Any:
    """Improve each start in place, and return what it costs."""
    best = np.empty(len(starts))
    for n in prange(len(starts)):
        best[n] = _improve(cost, basis, starts[n], stray, weight, cells, first, step, steps)
    return best


@njit(cache=True)
def _improve(
    cost: Any, basis: Any, here: Any, stray: Any, weight: Any, cells: Any, first: Any, step: Any, steps: Any
) -> Any:
    """Improve one start, one way of bending at a time, in steps that shrink."""
    least = _total(cost, basis, here, stray, weight, cells, first, step)
    for size in steps:
        better = True
        while better:
            better = False
            for m in range(len(here)):
                for sign in (-1.0, 1.0):
                    here[m] += sign * size
                    value = _total(cost, basis, here, stray, weight, cells, first, step)
                    if value < least - 1e-9:
                        least = value
                        better = True
                    else:
                        here[m] -= sign * size
    return least


def bent_sheet(cost: FloatArray, heights_mm: FloatArray, cells: float) -> FloatArray:
    """Find the bent sheet of least cost.

    Parameters
    ----------
    cost
        Shape (u, v, h).
    heights_mm
        Of the third axis, evenly spaced.
    cells
        Columns that the fissure may cross, by which the total is divided.

    Returns
    -------
    heights
        float32, shape (u, v).
    """
    basis = bends(cost.shape[:2])
    stray = np.asarray(STRAY_MM)
    grid = np.stack(np.meshgrid(SHIFTS, TILTS_U, TILTS_V, indexing="ij"), axis=-1).reshape(-1, 3)
    tries = np.concatenate([grid, np.zeros_like(grid)], axis=1)
    first, step = float(heights_mm[0]), float(heights_mm[1] - heights_mm[0])
    rest = (stray, STRAY_WEIGHT, max(cells, 1.0) / 4, first, step)  # every other cell along u and v
    totals = _totals(cost, basis, tries, *rest)
    starts = np.ascontiguousarray(tries[np.argsort(totals)[: 4 * STARTS : 4]])
    steps = FIRST_STEP_MM * 0.5 ** np.arange(np.log2(FIRST_STEP_MM / LAST_STEP_MM) + 1)
    values = _descend(cost, basis, starts, *rest, steps)
    amounts = starts[int(np.argmin(values))]
    return np.tensordot(amounts, basis, axes=1).astype(np.float32)
