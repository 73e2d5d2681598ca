"""Space-filling trees: branches that grow towards the middle of what they have to supply."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from clearlung.phantom.fields import interpolate


@njit(cache=True)
def _clear(lobe: Any, step_mm: Any, origin: Any, a: Any, b: Any, margin_mm: Any) -> Any:
    """Whether the second half of a branch stays inside its lobe."""
    for k in range(3):
        t = 0.5 + 0.25 * k
        p = a + (b - a) * t
        depth = -interpolate(
            lobe, (p[2] - origin[0]) / step_mm, (p[1] - origin[1]) / step_mm, (p[0] - origin[2]) / step_mm
        )
        if depth < margin_mm:
            return False
    return True


@njit(cache=True)
def _split(points: Any, index: Any, low: Any, high: Any, center: Any, direction: Any, fraction: Any) -> Any:
    """Part points in two across the longest direction that is square to the branch; returns the border."""
    size = max((direction**2).sum() ** 0.5, 1e-9)
    d = direction / size
    helper = np.zeros(3)
    helper[np.argmin(np.abs(d))] = 1.0
    u = np.cross(d, helper)
    u /= (u**2).sum() ** 0.5
    v = np.cross(d, u)
    uu = vv = uv = 0.0
    for k in range(low, high):
        offset = points[index[k]] - center
        a, b = (offset * u).sum(), (offset * v).sum()
        uu += a * a
        vv += b * b
        uv += a * b
    angle = 0.5 * np.arctan2(2 * uv, uu - vv)
    axis = np.cos(angle) * u + np.sin(angle) * v
    n = high - low
    along = np.empty(n)
    for k in range(n):
        along[k] = ((points[index[low + k]] - center) * axis).sum()
    order = np.argsort(along)
    index[low:high] = index[low:high][order]
    return low + min(max(int(round(n * fraction)), 1), n - 1)


@njit(cache=True)
def grow(points: Any, root: Any, lobe: Any, step_mm: Any, origin: Any, uniform: Any, margin_mm: Any) -> Any:
    """Grow a tree from a root to every point.

    Parameters
    ----------
    points
        float64, shape (n, 3): what is to be supplied, LPS mm.
    root
        float64, shape (3,).
    lobe, step_mm, origin
        Signed distance that the branches must stay inside, and its grid.
    uniform
        float64, shape (4 n, 2): random numbers in [0, 1).
    margin_mm
        How far inside the branches stay.

    Returns
    -------
    place, parent, supplied
        Per node: float64 (m, 3), int64 (m,) with -1 for the root, int64 (m,): how many points lie beyond.
    """
    n = len(points)
    most = 4 * n + 8
    place = np.empty((most, 3))
    parent = np.empty(most, dtype=np.int64)
    supplied = np.empty(most, dtype=np.int64)
    place[0], parent[0], supplied[0] = root, -1, n
    nodes = 1
    index = np.arange(n)
    stack = np.empty((most, 3), dtype=np.int64)
    stack[0] = (0, 0, n)
    depth = 1
    while depth > 0:
        depth -= 1
        at, low, high = stack[depth]
        center = np.zeros(3)
        for k in range(low, high):
            center += points[index[k]]
        center /= high - low
        direction = center - place[at]
        count = high - low
        draw = uniform[nodes % len(uniform)]
        fraction = 1.0 if count == 1 else 0.36 + 0.16 * draw[0]
        end = place[at] + direction * fraction
        grown = False
        for _ in range(4):
            end = place[at] + direction * fraction
            if at == 0 or _clear(lobe, step_mm, origin, place[at], end, margin_mm):
                grown = True
                break
            fraction *= 0.6
        if not grown and count == 1:
            continue
        if grown:
            place[nodes], parent[nodes], supplied[nodes] = end, at, count
            at = nodes
            nodes += 1
        if count == 1:
            continue
        border = _split(points, index, low, high, center, direction, 0.32 + 0.36 * draw[1])
        stack[depth] = (at, low, border)
        stack[depth + 1] = (at, border, high)
        depth += 2
    return place[:nodes], parent[:nodes], supplied[:nodes]
