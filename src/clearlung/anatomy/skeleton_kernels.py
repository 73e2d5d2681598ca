"""Compiled parts of the center-line search.

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
# Partings nearer to each other than this many radii (and one voxel) are one.
SAME_PARTING_RADII = 0.5
# A round tube's radius is between those of the inscribed ball and this multiple of it (and half a voxel);
# where the volume says otherwise, something else was counted.
ROUND_LIMIT = 1.5
# Points to each side over which the volume is gathered.
GATHER_POINTS = 3


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
def _neighbors(shape: Any, spacing: Any) -> Any:
    """Flat offsets to the 26 neighbors, and their distances in mm."""
    offsets = np.empty(26, dtype=np.int64)
    steps = np.empty(26, dtype=np.float64)
    n = 0
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                if dz == 0 and dy == 0 and dx == 0:
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
    offsets, steps = _neighbors(shape, spacing)
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
        points[count : count + steps] = points[count : count + steps][::-1].copy()
        for point in range(count, count + steps):
            _cover(point, points[point], voxels, index, shape, spacing, depth, owner, near)
        count += steps
    first[ways] = count
    return points[:count].copy(), first[: ways + 1].copy(), hook[:ways].copy(), owner


@njit(cache=True)
def branches_of(
    voxels: Any,
    shape: Any,
    spacing: Any,
    depth: Any,
    before: Any,
    order: Any,
    points: Any,
    first: Any,
    hook: Any,
    owner: Any,
) -> Any:
    """Cut the kept ways where others spring from them.

    Returns
    -------
    branch, parent, meeting
        Per point: its branch. Per branch: the branch that it springs from, and the point there; -1 for a
        root.
    """
    ways = hook.size
    way_of = np.empty(points.size, dtype=np.int32)
    along = np.zeros(points.size, dtype=np.float32)
    voxel_mm = (spacing[0] * spacing[1] * spacing[2]) ** (1 / 3)
    for way in range(ways):
        for p in range(first[way], first[way + 1]):
            way_of[p] = way
            if p > first[way]:
                along[p] = along[p - 1] + _apart(voxels[points[p]], voxels[points[p - 1]], shape, spacing)
    springs = np.zeros(points.size, dtype=np.bool_)
    moved = hook.copy()
    for way in range(ways):
        h = moved[way]
        if h < 0:
            continue
        same = SAME_PARTING_RADII * depth[points[h]] + voxel_mm
        # Where its parent has only just sprung off, it springs from the same parting.
        while moved[way_of[h]] >= 0 and along[h] < same:
            h = moved[way_of[h]]
        h = max(h, min(first[way_of[h]] + 1, first[way_of[h] + 1] - 1))
        moved[way] = h
        springs[h] = True
    parting = np.full(points.size, -1, dtype=np.int32)
    branch = np.empty(points.size, dtype=np.int32)
    parent = np.empty(points.size + ways, dtype=np.int32)
    meeting = np.empty(points.size + ways, dtype=np.int32)
    count = 0
    for way in range(ways):
        h = moved[way]
        parent[count] = branch[parting[h]] if h >= 0 else -1
        meeting[count] = parting[h] if h >= 0 else -1
        last = -1
        for p in range(first[way], first[way + 1]):
            branch[p] = count
            if not springs[p]:
                continue
            if last >= 0 and along[p] - along[last] < SAME_PARTING_RADII * depth[points[p]] + voxel_mm:
                parting[p] = last
                continue
            parting[p] = last = p
            if p + 1 < first[way + 1]:
                parent[count + 1] = count
                meeting[count + 1] = p
                count += 1
        count += 1
    return branch, parent[:count].copy(), meeting[:count].copy()


@njit(cache=True)
def _apart(a: Any, b: Any, shape: Any, spacing: Any) -> Any:
    z = (a // (shape[1] * shape[2]) - b // (shape[1] * shape[2])) * spacing[0]
    y = (a // shape[2] % shape[1] - b // shape[2] % shape[1]) * spacing[1]
    x = (a % shape[2] - b % shape[2]) * spacing[2]
    return (z * z + y * y + x * x) ** 0.5


@njit(cache=True)
def _radii(
    voxels: Any,
    shape: Any,
    spacing: Any,
    depth: Any,
    before: Any,
    order: Any,
    points: Any,
    owner: Any,
    branch: Any,
) -> Any:
    """Radius at each point: of a round tube with the volume that lies around it."""
    volume = np.zeros(points.size)
    keeper = owner.copy()
    one = spacing[0] * spacing[1] * spacing[2]
    for i in order:
        if keeper[i] < 0 and before[i] != i:
            keeper[i] = keeper[before[i]]
        if keeper[i] >= 0:
            volume[keeper[i]] += one
    radius = np.empty(points.size, dtype=np.float32)
    half = 0.5 * one ** (1 / 3)
    for p in range(points.size):
        low = high = p
        while low > 0 and branch[low - 1] == branch[p] and p - low < GATHER_POINTS:
            low -= 1
        while high + 1 < points.size and branch[high + 1] == branch[p] and high - p < GATHER_POINTS:
            high += 1
        total = 0.0
        ball = 0.0
        for q in range(low, high + 1):
            total += volume[q]
            ball += depth[points[q]]
        ball /= high - low + 1
        # As the crow flies: a voxel path zigzags. Each point stands for half the way to those beside it.
        way = _apart(voxels[points[low]], voxels[points[high]], shape, spacing)
        way = way * (high - low + 1) / (high - low) if high > low else 2.0 * half
        tube = (total / (np.pi * way)) ** 0.5
        radius[p] = min(max(tube, ball), ROUND_LIMIT * ball + half)
    return radius


@njit(cache=True)
def center_lines(
    voxels: Any,
    shape: Any,
    spacing: Any,
    depth: Any,
    before: Any,
    order: Any,
    points: Any,
    first: Any,
    hook: Any,
    owner: Any,
    branch: Any,
    parent: Any,
    meeting: Any,
    smooth: Any,
) -> Any:
    """Draw each branch from its parting on the parent's center line outwards.

    Returns
    -------
    places, radius, branch, own
        Per point of the center lines: its place (z, y, x) in voxels; radius in mm; branch; and whether it
        lies beyond the parent, where the radius was measured.
    """
    wide = _radii(voxels, shape, spacing, depth, before, order, points, owner, branch)
    count = parent.size
    start = np.full(count, -1, dtype=np.int64)
    size = np.zeros(count, dtype=np.int64)
    for p in range(points.size):
        if start[branch[p]] < 0:
            start[branch[p]] = p
        size[branch[p]] += 1
    joined = np.zeros(count, dtype=np.int64)
    for b in range(count):
        if meeting[b] >= 0:
            a, c = voxels[points[meeting[b]]], voxels[points[start[b]]]
            gap = max(
                abs(a // (shape[1] * shape[2]) - c // (shape[1] * shape[2])),
                abs(a // shape[2] % shape[1] - c // shape[2] % shape[1]),
                abs(a % shape[2] - c % shape[2]),
            )
            joined[b] = max(1, gap)
    total = points.size + joined.sum()
    places = np.empty((total, 3))
    radius = np.empty(total, dtype=np.float32)
    owner_of = np.empty(total, dtype=np.int32)
    own = np.ones(total, dtype=np.bool_)
    at = 0
    for b in range(count):
        begin = at
        for k in range(joined[b]):
            t = k / joined[b]
            from_place = _place(voxels[points[meeting[b]]], shape)
            to_place = _place(voxels[points[start[b]]], shape)
            places[at] = from_place * (1 - t) + to_place * t
            radius[at] = wide[start[b]]
            own[at] = False
            at += 1
        for p in range(start[b], start[b] + size[b]):
            places[at] = _place(voxels[points[p]], shape)
            radius[at] = wide[p]
            at += 1
        owner_of[begin:at] = b
        _smooth(places[begin:at], smooth)
    return places, radius, owner_of, own


@njit(cache=True)
def _place(v: Any, shape: Any) -> Any:
    return np.array([float(v // (shape[1] * shape[2])), float(v // shape[2] % shape[1]), float(v % shape[2])])


@njit(cache=True)
def _smooth(line: Any, reach: Any) -> Any:
    """Average each point with those around it, fewer towards the ends, which stay."""
    old = line.copy()
    n = len(line)
    for i in range(n):
        r = min(reach, i, n - 1 - i)
        for axis in range(3):
            total = 0.0
            for k in range(i - r, i + r + 1):
                total += old[k, axis]
            line[i, axis] = total / (2 * r + 1)
