"""Space-filling trees: branches that grow towards the middle of what they have to supply."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from clearlung.phantom.fields import interpolate

# The smaller of two branches supplies between these shares of what the two do: an uneven parting keeps the
# larger one straight, as the lungs' are.
MINOR_SHARE = (0.12, 0.45)
# Share of the way to the middle of its region that a branch goes: stems part early, near the hilum, and
# their branches radiate; twigs go further. A stem supplies more than this share of the tree.
STEM_REACH = (0.10, 0.22)
TWIG_REACH = (0.30, 0.48)
STEM_SHARE = 0.06
# A branch that finds no free way is given up if it supplies no more than this many ends; a larger one goes
# this share of its way regardless.
LEAST_FORCED = 6
FORCED_FRACTION = 0.4


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
def _free_fraction(
    lobe: Any, step_mm: Any, origin: Any, start: Any, direction: Any, fraction: Any, margin_mm: Any
) -> Any:
    """Find how far a branch may go: the wanted share of the way, less, or more; 0 if none is free."""
    for factor in (1.0, 0.6, 0.36, 0.2, 1.5, 2.0):
        share = fraction * factor
        if share <= 1.0 and _clear(lobe, step_mm, origin, start, start + direction * share, margin_mm):
            return share
    return 0.0


@njit(cache=True)
def _cross(a: Any, b: Any) -> Any:
    """Return the cross product; numpy's takes seconds to compile, for shapes that are none of ours."""
    product = np.empty(3)
    product[0] = a[1] * b[2] - a[2] * b[1]
    product[1] = a[2] * b[0] - a[0] * b[2]
    product[2] = a[0] * b[1] - a[1] * b[0]
    return product


@njit(cache=True)
def _split(points: Any, index: Any, low: Any, high: Any, center: Any, direction: Any, fraction: Any) -> Any:
    """Part points in two across the longest direction that is square to the branch; returns the border."""
    size = max((direction**2).sum() ** 0.5, 1e-9)
    d = direction / size
    helper = np.zeros(3)
    helper[np.argmin(np.abs(d))] = 1.0
    u = _cross(d, helper)
    u /= (u**2).sum() ** 0.5
    v = _cross(d, u)
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
    sorted_ = index[low:high][order]
    for k in range(n):
        index[low + k] = sorted_[k]
    return low + min(max(round(n * fraction), 1), n - 1)


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

    Notes
    -----
    Each branch runs towards the center of the points that it supplies and parts them by a plane, as in the
    airway model of Kitaoka et al. [1]_ and the volume-filling one of Tawhai et al. [2]_.

    References
    ----------
    .. [1] H. Kitaoka, R. Takaki, B. Suki, "A three-dimensional model of the human airway tree", J. Appl.
       Physiol. 87, 1999.
    .. [2] M. H. Tawhai, A. J. Pullan, P. J. Hunter, "Generation of an anatomically based three-dimensional
       model of the conducting airways", Ann. Biomed. Eng. 28, 2000.
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
        reach = STEM_REACH if count > STEM_SHARE * n else TWIG_REACH
        fraction = 1.0 if count == 1 else reach[0] + (reach[1] - reach[0]) * draw[0]
        fraction = _free_fraction(lobe, step_mm, origin, place[at], direction, fraction, margin_mm)
        if fraction <= 0.0 and count <= LEAST_FORCED:
            continue
        place[nodes] = place[at] + direction * (fraction if fraction > 0.0 else FORCED_FRACTION)
        parent[nodes], supplied[nodes] = at, count
        at = nodes
        nodes += 1
        if count == 1:
            continue
        minor = MINOR_SHARE[0] + (MINOR_SHARE[1] - MINOR_SHARE[0]) * draw[1]
        if draw[1] * 1000.0 % 1.0 < 0.5:
            minor = 1.0 - minor
        border = _split(points, index, low, high, center, direction, minor)
        stack[depth] = (at, low, border)
        stack[depth + 1] = (at, border, high)
        depth += 2
    return place[:nodes], parent[:nodes], supplied[:nodes]
