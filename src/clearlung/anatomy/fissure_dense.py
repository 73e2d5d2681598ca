"""A fissure's exact course: the height over every cell that is cheapest together with its neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numba import njit, prange
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

FloatArray = NDArray[np.float32]

# The most that a fissure may climb from one cell to the next, in heights.
MOST_CLIMB = 3
DIRECTIONS = np.array([(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)])


@njit(cache=True, parallel=True)
def _aggregate(cost: Any, total: Any, du: Any, dv: Any, bend: Any) -> None:
    """Add the cheapest way to each cell along one direction."""
    nu, nv, nh = cost.shape
    starts_u = nv if du != 0 else 0
    starts_v = nu if dv != 0 else 0
    for n in prange(starts_u + starts_v):
        line: Any = np.int64(n)
        if line < starts_u:
            i, j = (0 if du > 0 else nu - 1), line
        else:
            i, j = line - starts_u, (0 if dv > 0 else nv - 1)
            if du != 0 and i == (0 if du > 0 else nu - 1):
                continue  # this corner's line has begun on the other border
        before = np.zeros(nh, dtype=np.float32)
        here = np.empty(nh, dtype=np.float32)
        while i >= 0 and j >= 0 and i < nu and j < nv:
            least = before.min()
            for k in range(nh):
                best = before[k]
                for c in range(1, MOST_CLIMB + 1):
                    price = bend * c * c
                    if k >= c:
                        best = min(best, before[k - c] + price)
                    if k + c < nh:
                        best = min(best, before[k + c] + price)
                here[k] = cost[i, j, k] + best - least
                total[i, j, k] += here[k]
            for k in range(nh):
                before[k] = here[k]
            i += du
            j += dv


@njit(cache=True)
def _cheapest(total: Any) -> Any:
    nu, nv, nh = total.shape
    out = np.empty((nu, nv), dtype=np.float32)
    for i in range(nu):
        for j in range(nv):
            k = int(np.argmin(total[i, j]))
            out[i, j] = k
            if 0 < k < nh - 1:
                a, b, c = total[i, j, k - 1], total[i, j, k], total[i, j, k + 1]
                if a + c - 2 * b > 1e-9:
                    out[i, j] += 0.5 * (a - c) / (a + c - 2 * b)
    return out


def semi_global(cost: FloatArray, bend: float) -> FloatArray:
    """Find the surface of least cost by semi-global matching.

    Parameters
    ----------
    cost
        Shape (u, v, h).
    bend
        Price of climbing one height from a cell to the next; that of c heights is c * c of it.

    Returns
    -------
    heights
        float32, shape (u, v): fractional indices along h.

    References
    ----------
    .. [1] H. Hirschmüller, "Stereo processing by semiglobal matching and mutual information", IEEE Trans.
       Pattern Anal. Mach. Intell. 30(2), 2008.
    """
    total = np.zeros_like(cost)
    for du, dv in DIRECTIONS:
        _aggregate(cost, total, int(du), int(dv), np.float32(bend))
    surface: FloatArray = _cheapest(total)
    return surface


def _second_differences(nu: int, nv: int) -> sp.csr_matrix:
    """Bending along u, along v, and twist of a grid."""

    def second(n: int) -> sp.csr_matrix:
        return sp.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(max(n - 2, 0), n))

    def first(n: int) -> sp.csr_matrix:
        return sp.diags([-1.0, 1.0], [0, 1], shape=(n - 1, n))

    return sp.vstack(
        [
            sp.kron(second(nu), sp.eye(nv)),
            sp.kron(sp.eye(nu), second(nv)),
            np.sqrt(2.0) * sp.kron(first(nu), first(nv)),
        ]
    ).tocsr()


def thin_plate(heights: FloatArray, trust: FloatArray, stiffness: float, every: int = 2) -> FloatArray:
    """Bend a thin plate to heights, the more closely the more they are trusted.

    Parameters
    ----------
    heights, trust
        Shape (u, v).
    stiffness
        Of the plate, where a trust of 1 is a spring at one cell.
    every
        The plate has a node at every so many cells.

    Returns
    -------
    plate
        float32, shape (u, v). Where nothing is trusted it continues what is beside it.
    """
    nu, nv = heights.shape
    mu, mv = -(-nu // every), -(-nv // every)
    padded = ((0, mu * every - nu), (0, mv * every - nv))
    weight = np.pad(trust.astype(np.float64), padded)
    value = np.pad(heights.astype(np.float64), padded) * weight
    weight, value = (a.reshape(mu, every, mv, every).sum(axis=(1, 3)).ravel() for a in (weight, value))
    bend = _second_differences(mu, mv)
    matrix = sp.diags(weight + 1e-6) + stiffness / every**2 * (bend.T @ bend)
    plate = splu(matrix.tocsc()).solve(value + 1e-6 * np.mean(heights)).reshape(mu, mv)
    # Nodes lie at the middle of their cells.
    at_u = (np.arange(nu) - (every - 1) / 2) / every
    at_v = (np.arange(nv) - (every - 1) / 2) / every
    return _bilinear(plate, at_u, at_v)


def _bilinear(plate: NDArray[np.float64], at_u: NDArray[np.float64], at_v: NDArray[np.float64]) -> FloatArray:
    """Interpolate at the crossings of two sets of fractional indices; beyond the ends, go on straight."""
    for axis, at in ((0, at_u), (1, at_v)):
        low = np.clip(np.floor(at).astype(int), 0, max(plate.shape[axis] - 2, 0))
        part = np.expand_dims(at - low, 1 - axis)
        high = np.minimum(low + 1, plate.shape[axis] - 1)
        plate = plate.take(low, axis) * (1 - part) + plate.take(high, axis) * part
    return plate.astype(np.float32)
