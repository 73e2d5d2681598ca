"""Compiled parts of the vessel search: pieces, bridges between them, and wide vessels' full width.

Voxels are given as a list of flat places in an array of a given shape, ascending and none on a face, with a
flat array that holds each voxel's place in that list, -1 outside. "Voxel" below means the place in the list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from clearlung.anatomy.skeleton_kernels import neighbors

# Directions in which a ball's surroundings are probed, and the turn in radians from one to the next that
# spreads them evenly.
DIRECTIONS = 96
GOLDEN_ANGLE = 2.399963
# A nodule has ended on all sides, but for vessels through this share of them, ...
GOES_ON_SHARE = 0.09
# ... before this multiple of the distance at which it has ended on half of them. A tube goes on in a seventh.
LONGEST_BALL = 1.7
WIDEST_BALL_MM = 18.0


@njit(cache=True, inline="always")
def _find(above: Any, i: Any) -> Any:
    while above[i] != i:
        above[i] = above[above[i]]
        i = above[i]
    return i


@njit(cache=True)
def pieces(voxels: Any, index: Any, shape: Any, chosen: Any) -> Any:
    """Label the pieces of chosen voxels that touch by a face, an edge or a corner.

    Returns
    -------
    label, count
        int32 per voxel, -1 where it is not chosen; and how many there are.
    """
    offsets, _ = neighbors(shape, np.ones(3))
    n = voxels.size
    above = np.arange(n).astype(np.int32)
    for i in range(n):
        if not chosen[i]:
            continue
        for k in range(13, 26):
            j = index[voxels[i] + offsets[k]]
            if j >= 0 and chosen[j]:
                a, b = _find(above, i), _find(above, j)
                if a < b:
                    above[b] = a
                elif b < a:
                    above[a] = b
    label = np.full(n, -1, dtype=np.int32)
    count = 0
    for i in range(n):
        if chosen[i]:
            a = _find(above, i)
            if a == i:
                label[i] = count
                count += 1
            else:
                label[i] = label[a]
    return label, count


@njit(cache=True)
def measure(voxels: Any, shape: Any, spacing: Any, label: Any, count: Any, value: Any) -> Any:
    """Measure pieces.

    Returns
    -------
    size, highest, extent_mm
        How many voxels; the highest value; the diagonal of the bounding box.
    """
    size = np.zeros(count, dtype=np.int64)
    highest = np.zeros(count, dtype=np.float64)
    low = np.full((count, 3), np.int64(1) << 40)
    high = np.full((count, 3), np.int64(-1))
    for i in range(voxels.size):
        b = label[i]
        if b < 0:
            continue
        size[b] += 1
        highest[b] = max(highest[b], value[i])
        v = voxels[i]
        place = (v // (shape[1] * shape[2]), v // shape[2] % shape[1], v % shape[2])
        for axis in range(3):
            low[b, axis] = min(low[b, axis], place[axis])
            high[b, axis] = max(high[b, axis], place[axis])
    extent = np.empty(count)
    for b in range(count):
        total = 0.0
        for axis in range(3):
            total += ((high[b, axis] - low[b, axis]) * spacing[axis]) ** 2
        extent[b] = total**0.5
    return size, highest, extent


@njit(cache=True)
def bridge(voxels: Any, index: Any, shape: Any, spacing: Any, label: Any, count: Any, widest_mm: Any) -> Any:
    """Join pieces over the other voxels of the list, the nearest first.

    All pieces grow at once, a ring of voxels at a time; where two meet, the way between them is kept.

    Returns
    -------
    kept, group
        Per voxel, whether it is in a piece or on a way between two; per piece, the number of the group that
        it was joined to.
    """
    offsets, steps = neighbors(shape, spacing)
    n = voxels.size
    group = np.arange(count).astype(np.int32)
    owner = label.copy()
    before = np.full(n, -1, dtype=np.int32)
    gap = np.zeros(n, dtype=np.float32)
    kept = label >= 0
    queue = np.empty(n, dtype=np.int32)
    filled = 0
    for i in range(n):
        if kept[i]:
            queue[filled] = i
            filled += 1
    at = 0
    while at < filled:
        i = queue[at]
        at += 1
        for k in range(26):
            j = index[voxels[i] + offsets[k]]
            if j < 0:
                continue
            way = gap[i] + steps[k]
            if owner[j] < 0:
                if 2.0 * way <= widest_mm:
                    owner[j] = owner[i]
                    before[j] = i
                    gap[j] = way
                    queue[filled] = j
                    filled += 1
            elif owner[j] != owner[i] and way + gap[j] <= widest_mm:
                a, b = _find(group, owner[i]), _find(group, owner[j])
                if a != b:
                    group[max(a, b)] = min(a, b)
                    for end in (i, j):
                        m = end
                        while m >= 0 and not kept[m]:
                            kept[m] = True
                            m = before[m]
    for b in range(count):
        group[b] = _find(group, b)
    return kept, group


@njit(cache=True)
def widen(places: Any, reach_mm: Any, spacing: Any, bright: Any, mask: Any) -> Any:
    """Add to a mask the bright voxels within reach of each place, unless something dark lies between.

    Parameters
    ----------
    places
        int64, flat.
    reach_mm
        Of each.
    bright
        bool, shape (z, y, x): what may be added.
    mask
        bool, same shape; changed in place.
    """
    nz, ny, nx = bright.shape
    for i in range(places.size):
        z, y, x = places[i] // (ny * nx), places[i] // nx % ny, places[i] % nx
        r = reach_mm[i]
        rz, ry, rx = int(r / spacing[0]), int(r / spacing[1]), int(r / spacing[2])
        for a in range(max(z - rz, 0), min(z + rz, nz - 1) + 1):
            da = ((a - z) * spacing[0]) ** 2
            for b in range(max(y - ry, 0), min(y + ry, ny - 1) + 1):
                db = da + ((b - y) * spacing[1]) ** 2
                if db > r * r:
                    continue
                for c in range(max(x - rx, 0), min(x + rx, nx - 1) + 1):
                    if mask[a, b, c] or not bright[a, b, c]:
                        continue
                    if db + ((c - x) * spacing[2]) ** 2 > r * r:
                        continue
                    if bright[(a + z) // 2, (b + y) // 2, (c + x) // 2]:
                        mask[a, b, c] = True


@njit(cache=True)
def strongest(label: Any, count: Any, value: Any) -> Any:
    """Find the voxel of each piece with the highest value; the first of equals."""
    best = np.full(count, -1, dtype=np.int64)
    for i in range(label.size):
        b = label[i]
        if b >= 0 and (best[b] < 0 or value[i] > value[best[b]]):
            best[b] = i
    return best


@njit(cache=True)
def _share_beyond(hu: Any, z: Any, y: Any, x: Any, r: Any, spacing: Any, limit: Any) -> Any:
    """Share of the directions from a place in which it is brighter than a limit at a distance."""
    nz, ny, nx = hu.shape
    hits = 0
    for k in range(DIRECTIONS):
        # Evenly spread over a sphere: equal steps in height, golden angles around.
        up = 1.0 - (2.0 * k + 1.0) / DIRECTIONS
        out = (1.0 - up * up) ** 0.5
        angle = GOLDEN_ANGLE * k
        a = z + int(np.rint(r * up / spacing[0]))
        b = y + int(np.rint(r * out * np.sin(angle) / spacing[1]))
        c = x + int(np.rint(r * out * np.cos(angle) / spacing[2]))
        if 0 <= a < nz and 0 <= b < ny and 0 <= c < nx and hu[a, b, c] > limit:
            hits += 1
    return hits / DIRECTIONS


@njit(cache=True)
def ball_radii(places: Any, hu: Any, spacing: Any, dark_hu: Any) -> Any:
    """Find how far bright places reach, if they end on nearly all sides at about the same distance.

    Returns
    -------
    radius_mm
        Per place: where it has ended but for thinner vessels that go on; 0 where it is no ball.
    """
    _, ny, nx = hu.shape
    step = max(0.5, 0.5 * spacing.min())
    radius = np.zeros(places.size)
    for i in range(places.size):
        z, y, x = places[i] // (ny * nx), places[i] // nx % ny, places[i] % nx
        limit = 0.5 * (dark_hu + min(hu[z, y, x], 100))
        half = 0.0
        r = step
        while r <= WIDEST_BALL_MM:
            share = _share_beyond(hu, z, y, x, r, spacing, limit)
            if half == 0.0 and share < 0.5:
                half = r
            if half > 0.0:
                if share <= GOES_ON_SHARE:
                    radius[i] = r
                    break
                if r > LONGEST_BALL * half + step:
                    break
            r += step
    return radius


@njit(cache=True)
def mark_balls(places: Any, radius_mm: Any, spacing: Any, mask: Any) -> Any:
    """Mark the voxels within balls; in place."""
    nz, ny, nx = mask.shape
    for i in range(places.size):
        z, y, x = places[i] // (ny * nx), places[i] // nx % ny, places[i] % nx
        r = radius_mm[i]
        rz, ry, rx = int(r / spacing[0]), int(r / spacing[1]), int(r / spacing[2])
        for a in range(max(z - rz, 0), min(z + rz, nz - 1) + 1):
            for b in range(max(y - ry, 0), min(y + ry, ny - 1) + 1):
                for c in range(max(x - rx, 0), min(x + rx, nx - 1) + 1):
                    far = ((a - z) * spacing[0]) ** 2 + ((b - y) * spacing[1]) ** 2
                    if far + ((c - x) * spacing[2]) ** 2 <= r * r:
                        mask[a, b, c] = True


@njit(cache=True, parallel=True)
def in_the_rim(voxels: Any, within: Any, reach: Any) -> Any:
    """Tell which voxels of a mask have something outside of it within a few voxels along each axis."""
    nz, ny, nx = within.shape
    rim = np.zeros(voxels.size, dtype=np.bool_)
    for i in prange(voxels.size):
        z, y, x = voxels[i] // (ny * nx), voxels[i] // nx % ny, voxels[i] % nx
        for a in range(max(z - reach[0], 0), min(z + reach[0], nz - 1) + 1):
            for b in range(max(y - reach[1], 0), min(y + reach[1], ny - 1) + 1):
                for c in range(max(x - reach[2], 0), min(x + reach[2], nx - 1) + 1):
                    if not within[a, b, c]:
                        rim[i] = True
    return rim
