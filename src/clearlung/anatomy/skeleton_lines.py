"""Compiled parts of the center-line search: from the kept ways to branches with their widths.

Arguments are as in the module that traces the ways.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# Partings nearer to each other than this many radii (and one voxel) are one.
SAME_PARTING_RADII = 0.5
# A round tube's radius is between those of the inscribed ball and this multiple of it (and half a voxel);
# where the volume says otherwise, something else was counted.
ROUND_LIMIT = 1.5
# Points to each side over which the volume is gathered.
GATHER_POINTS = 3


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
            for axis in range(3):
                places[at, axis] = from_place[axis] * (1 - t) + to_place[axis] * t
            radius[at] = wide[start[b]]
            own[at] = False
            at += 1
        for p in range(start[b], start[b] + size[b]):
            place = _place(voxels[points[p]], shape)
            for axis in range(3):
                places[at, axis] = place[axis]
            radius[at] = wide[p]
            at += 1
        owner_of[begin:at] = b
        _smooth(places[begin:at], smooth)
    return places, radius, owner_of, own


@njit(cache=True)
def _place(v: Any, shape: Any) -> Any:
    return float(v // (shape[1] * shape[2])), float(v // shape[2] % shape[1]), float(v % shape[2])


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
