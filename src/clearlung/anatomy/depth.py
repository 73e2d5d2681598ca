"""Distances from a surface that lies between voxels, exact to a small part of a voxel.

A mask knows a surface to half a voxel only. A field that falls through zero there knows better: each line
of voxels along each axis crosses the surface at a point that interpolation gives. The distance from the
nearest of all these points is found in passes along lines, as lower envelopes of parabolas [1]_. No voxel
need look beyond the points where its own lines leave the inside, which keeps the passes short.

References
----------
.. [1] P. Felzenszwalb, D. Huttenlocher, "Distance Transforms of Sampled Functions", Theory of Computing 8,
   2012.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.anatomy.morphology import Spacing

# An edge is blurred over up to four voxels of a line. Where the outer two are as clearly in and out as this,
# the four together tell where it is; elsewhere the inner two have to do.
CLEAR = 0.5


def inside_distance_mm(
    field: NDArray[np.float32], spacing_mm: Spacing, shares: bool = False
) -> NDArray[np.float32]:
    """Distance of each voxel's center from the surface where a field is zero, on its negative side.

    Parameters
    ----------
    field
        float32, shape (z, y, x): negative inside, like a distance in mm.
    spacing_mm
        Along z, y and x.
    shares
        Whether the field is a share instead: about -1 for a voxel wholly inside, 1 for one wholly
        outside.

    Returns
    -------
    array
        float32: 0 where the field is not negative, infinite where no surface can be reached: the array's
        faces are none.

    Examples
    --------
    >>> field = np.array([[[2.0, -1.0, -4.0, -4.0]]], dtype=np.float32)
    >>> inside_distance_mm(field, (1.0, 1.0, 3.0))
    array([[[0., 1., 4., 7.]]], dtype=float32)
    """
    sz, sy, sx = (float(s) for s in spacing_mm)
    upright = np.empty(field.shape, dtype=np.float32)
    _upright(field, upright, sz, shares)
    level = np.empty(field.shape, dtype=np.float32)
    _level(field, level, upright, sy, sx, shares)
    _join(field, level, upright, sz)
    return np.asarray(np.sqrt(level, out=level), dtype=np.float32)


@njit(cache=True, inline="always")
def _crossing(line: Any, a: Any, step: Any, shares: Any) -> Any:
    """Where the surface lies between voxel ``a``, inside, and the next one by ``step``: 0 to 1 from ``a``."""
    n = line.shape[0]
    b = a + step
    share = line[a] / (line[a] - line[b])
    if shares and 0 <= a - step < n and 0 <= b + step < n:
        low, high = line[a - step], line[b + step]
        if low < -CLEAR and high > CLEAR and low <= line[a] and line[b] <= high:
            share = (high - line[a] + high - line[b]) / (high - low) - 0.5
    return min(max(share, 0.0), 1.0)


@njit(cache=True)
def _run_end(line: Any, start: Any) -> Any:
    """First voxel after a run of inside voxels that begins at ``start``."""
    at = start
    while at < line.shape[0] and line[at] < 0:
        at += 1
    return at


@njit(cache=True)
def _along(line: Any, spacing: Any, shares: Any, out: Any) -> Any:
    """Squared distance along one line from the ends of the run that each voxel is in."""
    n = line.shape[0]
    at = 0
    while at < n:
        if line[at] >= 0:
            out[at] = 0.0
            at += 1
            continue
        end = _run_end(line, at)
        low = at - _crossing(line, at, -1, shares) if at > 0 else -np.inf
        high = end - 1 + _crossing(line, end - 1, 1, shares) if end < n else np.inf
        for k in range(at, end):
            nearest = min(k - low, high - k) * spacing
            out[k] = nearest * nearest
        at = end


@njit(cache=True)
def _envelope(line: Any, values: Any, spacing: Any, tops: Any, bounds: Any, out: Any) -> Any:
    """Lower, within each run, what ``out`` holds to the envelope of parabolas of height ``values``."""
    n = line.shape[0]
    start = 0
    weight = spacing * spacing
    while start < n:
        if line[start] >= 0:
            start += 1
            continue
        end = _run_end(line, start)
        count = 0
        for q in range(start, end):
            if not values[q] < np.inf:
                continue
            meet = -np.inf
            while count > 0:
                v = tops[count - 1]
                meet = (values[q] - values[v]) / (2.0 * weight * (q - v)) + 0.5 * (q + v)
                if meet > bounds[count - 1]:
                    break
                count -= 1
            if count == 0:
                meet = -np.inf
            tops[count] = q
            bounds[count] = meet
            count += 1
        k = 0
        for q in range(start, end if count else start):
            while k + 1 < count and bounds[k + 1] < q:
                k += 1
            low = weight * (q - tops[k]) ** 2 + values[tops[k]]
            out[q] = min(out[q], low)
        start = end


@njit(cache=True)
def _copy(line: Any, to: Any) -> None:
    """Copy a line; as an assignment to a slice it takes seconds to compile, for the words of its error."""
    for k in range(to.shape[0]):
        to[k] = line[k]


@njit(cache=True, parallel=True)
def _upright(field: Any, upright: Any, sz: Any, shares: Any) -> Any:
    """Squared distance along z from the points where the lines along z cross the surface."""
    for y in prange(field.shape[1]):
        _upright_plane(field[:, y], upright[:, y], sz, shares)


@njit(cache=True)
def _upright_plane(field: Any, upright: Any, sz: Any, shares: Any) -> Any:
    nz, nx = field.shape
    line, out = np.empty(nz, dtype=np.float32), np.empty(nz, dtype=np.float32)
    for x in range(nx):
        _copy(field[:, x], line)
        _along(line, sz, shares, out)
        _copy(out, upright[:, x])


@njit(cache=True, parallel=True)
def _level(field: Any, level: Any, upright: Any, sy: Any, sx: Any, shares: Any) -> Any:
    """Squared distance within each slice from the points on its rows and columns.

    ``upright`` is carried over its slice, so that it ends as the distance from the points on lines along z.
    """
    for z in prange(field.shape[0]):
        _level_slice(field[z], level[z], upright[z], sy, sx, shares)


@njit(cache=True)
def _level_slice(field: Any, level: Any, upright: Any, sy: Any, sx: Any, shares: Any) -> Any:
    ny, nx = field.shape
    on_rows, on_columns = np.empty((ny, nx), dtype=np.float32), np.empty((ny, nx), dtype=np.float32)
    tops, bounds = np.empty(max(ny, nx), dtype=np.int64), np.empty(max(ny, nx), dtype=np.float64)
    line, values, out = np.empty(ny, np.float32), np.empty(ny, np.float32), np.empty(ny, np.float32)
    for y in range(ny):
        _along(field[y], sx, shares, on_rows[y])
    for x in range(nx):
        _copy(field[:, x], line)
        _along(line, sy, shares, out)
        _copy(out, on_columns[:, x])
        _copy(on_rows[:, x], values)
        _copy(values, out)
        _envelope(line, values, sy, tops, bounds, out)
        _copy(out, level[:, x])
        _copy(upright[:, x], values)
        _copy(values, out)
        _envelope(line, values, sy, tops, bounds, out)
        _copy(out, upright[:, x])
    row = np.empty(nx, dtype=np.float32)
    for y in range(ny):
        _envelope(field[y], on_columns[y], sx, tops, bounds, level[y])
        _copy(upright[y], row)
        _envelope(field[y], row, sx, tops, bounds, upright[y])


@njit(cache=True, parallel=True)
def _join(field: Any, level: Any, upright: Any, sz: Any) -> Any:
    """Lower ``level`` to the least of the distances from all three kinds of points."""
    for y in prange(field.shape[1]):
        _join_plane(field[:, y], level[:, y], upright[:, y], sz)


@njit(cache=True)
def _join_plane(field: Any, level: Any, upright: Any, sz: Any) -> Any:
    nz, nx = field.shape
    tops, bounds = np.empty(nz, dtype=np.int64), np.empty(nz, dtype=np.float64)
    line, values, out = np.empty(nz, np.float32), np.empty(nz, np.float32), np.empty(nz, np.float32)
    for x in range(nx):
        _copy(field[:, x], line)
        _copy(level[:, x], values)
        for z in range(nz):
            out[z] = min(values[z], upright[z, x])
        _envelope(line, values, sz, tops, bounds, out)
        _copy(out, level[:, x])
