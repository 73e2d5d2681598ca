"""Compiled parts of the center-line search: depth, least ways, and which of them are kept.

The mask is given as a list of its voxels in a padded array (flat indices, ascending) and a flat array that
holds each voxel's place in that list, -1 outside. "Voxel" below means the place in the list.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

# Costs are whole numbers below this, so that a ring of buckets can hold the front.
COST_LEVELS = 1 << 16
# A branch covers what lies within this many of its radii, and one voxel more.
COVER_RADII = 1.2


@njit(cache=True, parallel=True)
def face_distance_mm(voxels: Any, index: Any, shape: Any, spacing: Any) -> Any:
    """Distance from each voxel's center to the nearest face of a voxel outside; float32."""
    n = voxels.size
    sy, sx = shape[2], 1
    sz = shape[1] * shape[2]
    along_x = np.empty(n, dtype=np.float32)
    for i in prange(n):
        v = voxels[i]
        k = 1
        while index[v + k * sx] >= 0 and index[v - k * sx] >= 0:
            k += 1
        along_x[i] = ((k - 0.5) * spacing[2]) ** 2
    plane = np.empty(n, dtype=np.float32)
    for i in prange(n):
        plane[i] = _nearer(voxels[i], i, sy, spacing[1], index, along_x)
    depth = np.empty(n, dtype=np.float32)
    for i in prange(n):
        depth[i] = _nearer(voxels[i], i, sz, spacing[0], index, plane) ** 0.5
    return depth


@njit(cache=True, inline="always")
def _nearer(v: Any, i: Any, stride: Any, step_mm: Any, index: Any, square: Any) -> Any:
    """Least squared distance over a line of voxels: what the others on it have, and the way there."""
    best = square[i]
    for sign in (-1, 1):
        k = 1
        while True:
            way = ((k - 0.5) * step_mm) ** 2
            if way >= best:
                break
            j = index[v + sign * k * stride]
            if j < 0:
                best = np.float32(way)
                break
            if square[j] + way < best:
                best = np.float32(square[j] + way)
            k += 1
    return best


@njit(cache=True)
def neighbors(shape: Any, spacing: Any) -> Any:
    """Flat offsets to the 26 neighbors, the later half last, and their distances in mm."""
    offsets = np.empty(26, dtype=np.int64)
    steps = np.empty(26, dtype=np.float64)
    n = 0
    for k in range(27):
        dz, dy, dx = k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1
        if k == 13:
            continue
        offsets[n] = (dz * shape[1] + dy) * shape[2] + dx
        steps[n] = ((dz * spacing[0]) ** 2 + (dy * spacing[1]) ** 2 + (dx * spacing[2]) ** 2) ** 0.5
        n += 1
    return offsets, steps


@njit(cache=True)
def least_ways(voxels: Any, index: Any, shape: Any, spacing: Any, depth: Any, starts: Any) -> Any:
    """Join every voxel to a start by the way of least cost (Dijkstra with a ring of buckets [1]_).

    Returns
    -------
    before, length, order
        The voxel before each on its way, itself for a start, -1 where no way leads; the way's length in mm;
        the voxels that ways lead to, each after the one before it.

    References
    ----------
    .. [1] R. B. Dial, "Shortest-path forest with topological ordering", Commun. ACM 12, 1969.
    """
    n = voxels.size
    offsets, steps = neighbors(shape, spacing)
    least = depth.min()
    scale = (COST_LEVELS - 2) / steps.max()
    resistance = np.empty(n, dtype=np.float32)
    for i in range(n):
        resistance[i] = scale * (least / depth[i]) ** 2
    far = np.iinfo(np.int64).max
    cost = np.full(n, far, dtype=np.int64)
    before = np.full(n, -1, dtype=np.int32)
    length = np.zeros(n, dtype=np.float32)
    done = np.zeros(n, dtype=np.bool_)
    order = np.empty(n, dtype=np.int32)
    top = np.full(COST_LEVELS, -1, dtype=np.int32)
    above = np.full(n, -1, dtype=np.int32)
    below = np.full(n, -1, dtype=np.int32)
    waiting = 0
    for i in starts:
        cost[i] = 0
        before[i] = i
        below[i] = top[0]
        if top[0] >= 0:
            above[top[0]] = i
        top[0] = i
        waiting += 1
    reached = 0
    now = 0
    while waiting > 0:
        slot = now % COST_LEVELS
        i = top[slot]
        if i < 0:
            now += 1
            continue
        top[slot] = below[i]
        if below[i] >= 0:
            above[below[i]] = -1
        waiting -= 1
        done[i] = True
        order[reached] = i
        reached += 1
        for k in range(26):
            j = index[voxels[i] + offsets[k]]
            if j < 0 or done[j]:
                continue
            way = now + max(1, int(steps[k] * 0.5 * (resistance[i] + resistance[j])))
            if way >= cost[j]:
                continue
            if cost[j] != far:  # take it out of its bucket
                if above[j] >= 0:
                    below[above[j]] = below[j]
                else:
                    top[cost[j] % COST_LEVELS] = below[j]
                if below[j] >= 0:
                    above[below[j]] = above[j]
            else:
                waiting += 1
            cost[j] = way
            before[j] = i
            length[j] = length[i] + steps[k]
            slot = way % COST_LEVELS
            above[j] = -1
            below[j] = top[slot]
            if top[slot] >= 0:
                above[top[slot]] = j
            top[slot] = j
    return before, length, order[:reached]


@njit(cache=True)
def ways_ends(before: Any) -> Any:
    """Find the voxels that no way goes on from."""
    end = before >= 0
    for i in range(before.size):
        if before[i] >= 0:
            end[before[i]] = False
    return np.flatnonzero(end)


@njit(cache=True)
def _cover(
    point: Any, i: Any, voxels: Any, index: Any, shape: Any, spacing: Any, depth: Any, owner: Any, near: Any
) -> Any:
    """Give a point of a center line the voxels around it, where it is nearer than their owner."""
    v = voxels[i]
    reach = np.empty(3)
    span = np.empty(3, dtype=np.int64)
    for axis in range(3):
        reach[axis] = COVER_RADII * depth[i] / spacing[axis] + 1.0
        span[axis] = int(reach[axis])
    for dz in range(-span[0], span[0] + 1):
        qz = (dz / reach[0]) ** 2
        for dy in range(-span[1], span[1] + 1):
            qy = qz + (dy / reach[1]) ** 2
            if qy > 1.0:
                continue
            for dx in range(-span[2], span[2] + 1):
                q = qy + (dx / reach[2]) ** 2
                if q > 1.0:
                    continue
                at = v + (dz * shape[1] + dy) * shape[2] + dx
                if at < 0 or at >= index.size:
                    continue
                j = index[at]
                if j >= 0 and q < near[j]:
                    near[j] = q
                    owner[j] = point


@njit(cache=True)
def _sees(a: Any, b: Any, index: Any, shape: Any) -> Any:
    """Whether the straight line between two flat places stays in the mask."""
    az, ay, ax = a // (shape[1] * shape[2]), a // shape[2] % shape[1], a % shape[2]
    bz, by, bx = b // (shape[1] * shape[2]), b // shape[2] % shape[1], b % shape[2]
    n = max(abs(az - bz), abs(ay - by), abs(ax - bx))
    for k in range(1, n):
        t = k / n
        z = round(az + (bz - az) * t)
        y = round(ay + (by - ay) * t)
        x = round(ax + (bx - ax) * t)
        if index[(z * shape[1] + y) * shape[2] + x] < 0:
            return False
    return True


@njit(cache=True)
def trace(
    voxels: Any,
    index: Any,
    shape: Any,
    spacing: Any,
    depth: Any,
    before: Any,
    length: Any,
    tips: Any,
    spur_radii: Any,
    spur_mm: Any,
) -> Any:
    """Keep the longest ways, each down to what was kept before.

    Returns
    -------
    points, first, hook, owner
        The kept ways' voxels, way after way, each outwards; where each way begins in them, with the end at
        last; the point that each way springs from, -1 for a root's; the point that owns each voxel, -1
        where none.
    """
    n = voxels.size
    owner = np.full(n, -1, dtype=np.int32)
    near = np.full(n, np.inf, dtype=np.float32)
    points = np.empty(n, dtype=np.int32)
    first = np.empty(tips.size + 1, dtype=np.int32)
    hook = np.empty(tips.size, dtype=np.int32)
    count = ways = 0
    for tip in tips:
        if before[tip] < 0:
            continue
        i = tip
        steps = 0
        meets = -1
        while True:
            q = owner[i]
            if q >= 0 and _sees(voxels[i], voxels[points[q]], index, shape):
                meets = q
                break
            points[count + steps] = i
            steps += 1
            if before[i] == i:
                break
            i = before[i]
        rises = length[tip] - length[i]
        if steps == 0 or (meets >= 0 and rises < spur_radii * depth[points[meets]] + spur_mm):
            continue
        first[ways] = count
        hook[ways] = meets
        ways += 1
        for low in range(count, count + steps // 2):
            high = 2 * count + steps - 1 - low
            points[low], points[high] = points[high], points[low]
        for point in range(count, count + steps):
            _cover(point, points[point], voxels, index, shape, spacing, depth, owner, near)
        count += steps
    first[ways] = count
    return points[:count].copy(), first[: ways + 1].copy(), hook[:ways].copy(), owner
