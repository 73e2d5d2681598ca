"""What speaks for a fissure at every place of a frame: a bright sheet, no vessels, bronchi on their sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


# Loops over heights run over slices: where an index could be negative the compiler does one height at a time.


@njit(cache=True, inline="always")
def _add_risen(column: Any, other: Any, whole: Any, w0: Any, w1: Any) -> None:
    """Add another column, some heights and a part of one higher, to one of the same length."""
    first, end = max(0, -whole), min(len(column), len(column) - 1 - whole)
    if end > first:
        here, there = column[first:end], other[first + whole : end + whole + 1]
        for k in range(len(here)):
            here[k] += w0 * there[k] + w1 * there[k + 1]


@njit(cache=True, parallel=True)
def along_heights(cells: Any, kernel: Any) -> Any:
    """Correlate every column with a kernel of odd length; beyond the ends is 0."""
    nu, nv, nh = cells.shape
    reach = len(kernel) // 2
    out = np.zeros((nu, nv, nh), dtype=np.float32)
    for i in prange(nu):
        for j in range(nv):
            for m in range(-reach, reach + 1):
                first, end = max(0, -m), min(nh, nh - m)
                if end <= first:
                    continue
                here, there = out[i, j, first:end], cells[i, j, first + m : end + m]
                weight = kernel[m + reach]
                for k in range(len(here)):
                    here[k] += weight * there[k]
    return out


@njit(cache=True, parallel=True)
def sheared(cells: Any, weights: Any, axis: Any, rise: Any) -> Any:
    """Average along u (axis 0) or v (axis 1), climbing ``rise`` heights per cell; beyond the ends is 0."""
    nu, nv, nh = cells.shape
    reach = len(weights) // 2
    out = np.zeros((nu, nv, nh), dtype=np.float32)
    for row in prange(nu):
        i = np.int64(row)  # a prange's index is unsigned, and one less a signed number is a float
        for j in range(nv):
            for m in range(-reach, reach + 1):
                a, b = (i + m, j) if axis == 0 else (i, j + m)
                if a < 0 or b < 0 or a >= nu or b >= nv:
                    continue
                climb = rise * m
                whole = int(np.floor(climb))
                part = np.float32(climb - whole)
                w0, w1 = weights[m + reach] * (np.float32(1.0) - part), weights[m + reach] * part
                _add_risen(out[i, j], cells[a, b], whole, w0, w1)
    return out


@njit(cache=True, parallel=True)
def _best_along_v(row: Any, weights: Any, rises: Any, best: Any) -> None:
    """Average along v at several slopes, and keep what is higher than the best so far."""
    nu, nv, nh = row.shape
    reach = len(weights) // 2
    for i in prange(nu):
        total = np.empty(nh, dtype=np.float32)
        for j in range(nv):
            for n in range(len(rises)):
                total[:] = 0.0
                for m in range(max(-reach, -j), min(reach, nv - 1 - j) + 1):
                    climb = rises[n] * m
                    whole = int(np.floor(climb))
                    part = np.float32(climb - whole)
                    w0, w1 = weights[m + reach] * (np.float32(1.0) - part), weights[m + reach] * part
                    _add_risen(total, row[i, j + m], whole, w0, w1)
                for k in range(nh):
                    best[i, j, k] = max(best[i, j, k], total[k])


def gaussian(sigma: float, reach: float = 2.2) -> FloatArray:
    """Weights of a Gaussian that add to 1."""
    k = np.arange(-int(np.ceil(reach * sigma)), int(np.ceil(reach * sigma)) + 1)
    weights = np.exp(-0.5 * (k / sigma) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


def ridge_kernel(sigma: float) -> FloatArray:
    """Negative second derivative of a Gaussian, of sum 0 and sum of squares 1: a ridge's matched filter."""
    k = np.arange(-int(np.ceil(3.2 * sigma)), int(np.ceil(3.2 * sigma)) + 1)
    kernel = (1 - (k / sigma) ** 2) * np.exp(-0.5 * (k / sigma) ** 2)
    kernel -= kernel.mean()
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), dtype=np.float32)


def sheet_response(
    flat: FloatArray, inside: FloatArray, ridge_sigma: float, along_sigma: float, rises: tuple[float, ...]
) -> FloatArray:
    """How sheet-like the surroundings of every cell are, in standard deviations of the lung's noise.

    Parameters
    ----------
    flat, inside
        Shape (u, v, h), of a lung sampled in a frame.
    ridge_sigma
        Half width of the sheet, in heights.
    along_sigma
        How far along the sheet to average, in cells.
    rises
        Slopes of the sheet to try along u and v, in heights per cell.

    Returns
    -------
    response
        float32, shape (u, v, h): the best over all slopes; 0 where there is no lung.

    Notes
    -----
    A matched filter: the second derivative across the sheet, averaged along it over a Gaussian window. The
    window is slanted as in plane-sweep stereo, so that a tilted sheet is not blurred [1]_.

    References
    ----------
    .. [1] M. Bleyer, C. Rhemann, C. Rother, "PatchMatch Stereo - Stereo matching with slanted support
       windows", BMVC 2011.
    """
    ridge = along_heights(flat, ridge_kernel(ridge_sigma))
    ridge *= inside
    weights = gaussian(along_sigma)
    best = np.full(flat.shape, -np.inf, dtype=np.float32)
    for rise_u in rises:
        _best_along_v(sheared(ridge, weights, 0, rise_u), weights, np.asarray(rises), best)
    coverage = sheared(sheared(inside, weights, 0, 0.0), weights, 1, 0.0)
    best /= np.sqrt(np.maximum(coverage, 0.05))
    known = coverage > 0.3
    best[~known] = 0.0
    if known.any():
        middle, low = np.percentile(best[known][::7], (50, 16))
        best -= middle
        best /= max(middle - low, 1e-3)
        best[~known] = 0.0
    return best


@njit(cache=True)
def _mark_columns(out: Any, place: Any, above: Any, weight: Any, reach: Any, first: Any, step: Any) -> None:
    nu, nv, nh = out.shape
    for n in range(len(place)):
        cu, cv = int(np.rint(place[n, 0])), int(np.rint(place[n, 1]))
        for i in range(max(0, cu - reach), min(nu, cu + reach + 1)):
            for j in range(max(0, cv - reach), min(nv, cv + reach + 1)):
                away = ((i - cu) ** 2 + (j - cv) ** 2) / max(0.25 * reach * reach, 0.25)
                w = weight[n] * np.exp(-0.5 * away)
                for k in range(nh):
                    over = first + k * step - place[n, 2]  # surface over the point
                    if not above[n]:
                        over = -over
                    # A soft step: a point on the surface says nothing yet, one 5 mm beyond it all it can.
                    out[i, j, k] += w * min(max(0.25 * (over - 1.0), 0.0), 1.0)


def wrong_side_cost(
    shape: tuple[int, int, int],
    place: NDArray[np.float64],
    above: NDArray[np.bool_],
    weight: NDArray[np.float64],
    reach_cells: int,
    heights_mm: FloatArray,
) -> FloatArray:
    """Cost of leaving points of known lobes on the wrong side of the fissure.

    Parameters
    ----------
    shape
        Of the result: u, v, h.
    place
        Shape (n, 3): cell indices along u and v, and heights in mm.
    above
        bool, shape (n,): whether each point must lie above the fissure.
    weight
        Shape (n,).
    reach_cells
        How far along the fissure a point is heard.
    heights_mm
        Of the third axis, evenly spaced.
    """
    cost = np.zeros(shape, dtype=np.float32)
    first, step = float(heights_mm[0]), float(heights_mm[1] - heights_mm[0])
    _mark_columns(cost, place, above, weight, reach_cells, first, step)
    return cost
