"""Compiled parts of the search for bronchi."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange

from clearlung.anatomy.hessian import eigenvalues, eigenvector, second_derivatives
from clearlung.anatomy.interpolation import trilinear
from clearlung.anatomy.vectors import cross

# Directions across a tube in which a wall is looked for, and how many of them may see none: where a branch
# comes off there is none.
RAYS = 12
BLIND_RAYS = 2
RAY_STEP_MM = 0.4
RAY_MM = 5.2
# A wall has been passed where the image falls by this below its top.
PASSED_HU = 40.0
# Where a vessel lies beside a bronchus its wall seems higher and further: the lower quarter of rays tells.
QUARTER = 3
# Recesses of lung between vessels are not round, and no darker than other lung. A lumen as narrow as this may
# be blurred to anything; a wider one is darker, the more so the wider it is (up to 1 mm more).
OBLONG = 1.8
NARROW_MM = 1.2
DARKER_HU_PER_MM = 80.0
# Cosine of the largest bend between neighbors (53 degrees): chance tubes in lung point anywhere.
ALIKE = 0.6
# Cosine of the largest bend over a gap (37 degrees).
STRAIGHT = 0.8
# What lies across a gap may be this much brighter than the lumina it joins.
GAP_RISE_HU = 300.0


@njit(cache=True, parallel=True)
def tube_strength(image: Any, wz: Any, wy: Any, wx: Any, below_hu: Any, least: Any, strength: Any) -> Any:
    """Answer of dark tubes at one scale, kept where it is stronger than what ``strength`` (uint8) holds."""
    nz, ny, nx = image.shape
    for z in prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if image[z, y, x] > below_hu:
                    continue
                zz, yy, xx, zy, zx, yx = second_derivatives(image, z, y, x, wz, wy, wx)
                # The two curvatures across a tube sum to more than twice the answer.
                if zz + yy + xx < least:
                    continue
                low, middle, _ = eigenvalues(zz, yy, xx, zy, zx, yx)
                answer = middle - abs(low)
                if answer > least and answer > strength[z, y, x]:
                    strength[z, y, x] = np.uint8(min(answer, 255.0))


@njit(cache=True, parallel=True)
def axes_of_tubes(image: Any, voxels: Any, mine: Any, wz: Any, wy: Any, wx: Any, direction: Any) -> Any:
    """Write the direction (z, y, x; in mm) of the tube at those voxels that this scale answered best at."""
    _, ny, nx = image.shape
    for i in prange(voxels.size):
        if not mine[i]:
            continue
        v = voxels[i]
        z, y, x = v // (ny * nx), v // nx % ny, v % nx
        zz, yy, xx, zy, zx, yx = second_derivatives(image, z, y, x, wz, wy, wx)
        low, _, _ = eigenvalues(zz, yy, xx, zy, zx, yx)
        direction[i, 0], direction[i, 1], direction[i, 2] = eigenvector(zz, yy, xx, zy, zx, yx, low)


@njit(cache=True, parallel=True)
def walls(fine: Any, voxels: Any, direction: Any, spacing: Any, least: Any, lung_hu: Any) -> Any:
    """Look for a wall around each voxel, across its tube.

    Returns
    -------
    wall, limit_hu, radius_mm
        float32: how plain the least plain wall is, but for the blind rays, and 0 where that is below
        ``least``; the value halfway between lumen and wall, and how far off that is.
        A wall is as plain as its contrast in HU, if it is 1 mm away; further ones count for less, by the
        power 3/2 of the distance, as lung finds some vessel in any direction sooner or later.
    """
    _, ny, nx = fine.shape
    wall = np.empty(voxels.size, dtype=np.float32)
    limit = np.empty(voxels.size, dtype=np.float32)
    radius = np.empty(voxels.size, dtype=np.float32)
    for i in prange(voxels.size):
        v = voxels[i]
        place = (v // (ny * nx), v // nx % ny, v % nx)
        wall[i], limit[i], radius[i] = _wall(fine, place, direction[i], spacing, least, lung_hu)
    return wall, limit, radius


@njit(cache=True)
def _wall(fine: Any, place: Any, along: Any, spacing: Any, least: Any, lung_hu: Any) -> Any:
    """Wall, limit and radius at one voxel."""
    z, y, x = place
    d = along.astype(np.float64)
    axis = np.zeros(3)
    axis[np.argmin(np.abs(d))] = 1.0
    across = cross(d, axis)
    across /= (across**2).sum() ** 0.5
    up = cross(d, across)
    lumen = fine[z, y, x]
    profile = np.empty(int(RAY_MM / RAY_STEP_MM) + 1)
    contrast = np.empty(RAYS)
    plain = np.empty(RAYS)
    reach = np.empty(RAYS)
    blind = 0
    for ray in range(RAYS):
        # Opposite rays come one after the other: where one is blind, the other soon tells.
        angle = np.pi * (ray // 2) / (RAYS // 2) + np.pi * (ray % 2)
        c, s = np.cos(angle), np.sin(angle)
        dz = (c * across[0] + s * up[0]) * RAY_STEP_MM / spacing[0]
        dy = (c * across[1] + s * up[1]) * RAY_STEP_MM / spacing[1]
        dx = (c * across[2] + s * up[2]) * RAY_STEP_MM / spacing[2]
        top, top_at = _top_along(fine, place, (dz, dy, dx), profile)
        contrast[ray] = top - lumen
        plain[ray] = contrast[ray] / (max(top_at, 1) * RAY_STEP_MM) ** 1.5
        blind += plain[ray] < least
        if blind > BLIND_RAYS:
            return 0.0, 0.0, 0.0
        reach[ray] = _halfway_mm(profile, top, top_at)
    plain.sort()
    contrast.sort()
    reach.sort()
    radius = reach[QUARTER]
    darker = DARKER_HU_PER_MM * min(max(radius - NARROW_MM, 0.0), 1.0)
    oblong = lumen > lung_hu - darker and reach[-QUARTER] > OBLONG * radius
    return 0.0 if oblong else plain[BLIND_RAYS], lumen + 0.5 * contrast[QUARTER], radius


@njit(cache=True)
def _top_along(fine: Any, place: Any, way: Any, profile: Any) -> Any:
    """Fill the profile along a ray until its first wall is passed; return the wall's top and where it is."""
    z, y, x = place
    profile[0] = fine[z, y, x]
    top, top_at = profile[0], 0
    for s in range(1, profile.size):
        profile[s] = trilinear(fine, z + s * way[0], y + s * way[1], x + s * way[2])
        if profile[s] > top:
            top, top_at = profile[s], s
        elif profile[s] < top - PASSED_HU:
            break
    return top, top_at


@njit(cache=True)
def _halfway_mm(profile: Any, top: Any, top_at: Any) -> Any:
    """How far along a ray the value is halfway from its beginning to the top."""
    half = 0.5 * (top + profile[0])
    for s in range(1, top_at + 1):
        if profile[s] >= half:
            part = (half - profile[s - 1]) / max(profile[s] - profile[s - 1], 1e-3)
            return (s - 1 + part) * RAY_STEP_MM
    return RAY_MM


@njit(cache=True, inline="always")
def _alike(one: Any, other: Any) -> Any:
    return abs(one[0] * other[0] + one[1] * other[1] + one[2] * other[2]) >= ALIKE


@njit(cache=True)
def pieces(voxels: Any, index: Any, direction: Any, shape: Any, stem: Any) -> Any:
    """Label what hangs together, by corners too; 0 is all that begins in the stem."""
    label = np.full(voxels.size, -1, dtype=np.int32)
    stack = np.empty(voxels.size, dtype=np.int32)
    offsets = np.empty(27, dtype=np.int64)
    k = 0
    for dz in range(-1, 2):
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                offsets[k] = (dz * shape[1] + dy) * shape[2] + dx
                k += 1
    count = 1
    for touching in (True, False):
        for i in range(voxels.size):
            if label[i] >= 0:
                continue
            if touching:
                if not stem[voxels[i]]:
                    continue
                number = 0
            else:
                number = count
                count += 1
            label[i] = number
            stack[0] = i
            depth = 1
            while depth > 0:
                depth -= 1
                at = stack[depth]
                for offset in offsets:
                    j = index[voxels[at] + offset]
                    if j >= 0 and label[j] < 0 and _alike(direction[at], direction[j]):
                        label[j] = number
                        stack[depth] = j
                        depth += 1
    return label, count


@njit(cache=True)
def bridges(
    fine: Any, voxels: Any, index: Any, direction: Any, label: Any, gap_mm: Any, stem: Any, spacing: Any
) -> Any:
    """Join pieces to what hangs on the stem, straight ahead over gaps of up to ``gap_mm`` (per piece).

    Returns
    -------
    kept, links
        Whether each voxel hangs on the stem now; pairs of flat voxels that gaps were bridged between.
    """
    nz, ny, nx = fine.shape
    joined = np.zeros(gap_mm.size, dtype=np.bool_)
    joined[0] = True
    links = np.empty((gap_mm.size, 2), dtype=np.int64)
    count = 0
    more = True
    while more:
        more = False
        for i in range(voxels.size):
            gap = gap_mm[label[i]]
            if joined[label[i]] or gap <= 0.0:
                continue
            span = (int(gap / spacing[0]), int(gap / spacing[1]), int(gap / spacing[2]))
            v = voxels[i]
            z, y, x = v // (ny * nx), v // nx % ny, v % nx
            nearest, best = -1, np.inf
            for dz in range(-min(span[0], z), min(span[0], nz - 1 - z) + 1):
                for dy in range(-min(span[1], y), min(span[1], ny - 1 - y) + 1):
                    for dx in range(-min(span[2], x), min(span[2], nx - 1 - x) + 1):
                        at = v + (dz * ny + dy) * nx + dx
                        j = index[at]
                        if not stem[at] and (j < 0 or not joined[label[j]]):
                            continue
                        size = (dz * spacing[0]) ** 2 + (dy * spacing[1]) ** 2 + (dx * spacing[2]) ** 2
                        # The stem has no direction of its own: bronchi come off it at any angle.
                        other = direction[j] if j >= 0 else direction[i]
                        if size < best and _ahead(
                            fine, direction[i], other, (z, y, x), (dz, dy, dx), spacing, gap
                        ):
                            nearest, best = at, size
            if nearest >= 0:
                joined[label[i]] = True
                links[count, 0], links[count, 1] = v, nearest
                count += 1
                more = True
    kept = np.empty(voxels.size, dtype=np.bool_)
    for i in range(voxels.size):
        kept[i] = joined[label[i]]
    return kept, links[:count].copy()


@njit(cache=True)
def _ahead(fine: Any, one: Any, other: Any, place: Any, step: Any, spacing: Any, gap_mm: Any) -> Any:
    """Whether two tubes point at each other through something dark."""
    way = np.array([step[0] * spacing[0], step[1] * spacing[1], step[2] * spacing[2]])
    size = (way**2).sum() ** 0.5
    if size > gap_mm:
        return False
    for d in (one, other):
        if abs(d[0] * way[0] + d[1] * way[1] + d[2] * way[2]) < STRAIGHT * size:
            return False
    z, y, x = place
    limit = max(fine[z, y, x], fine[z + step[0], y + step[1], x + step[2]]) + GAP_RISE_HU
    for k in range(1, 8):
        t = k / 8
        if trilinear(fine, z + step[0] * t, y + step[1] * t, x + step[2] * t) > limit:
            return False
    return True


@njit(cache=True)
def fill(fine: Any, voxels: Any, limit: Any, radius: Any, spacing: Any, beyond: Any, lumen: Any) -> Any:
    """Set ``lumen`` around each voxel to ``beyond`` radii, where the image is below its limit."""
    nz, ny, nx = fine.shape
    for i in range(voxels.size):
        v = voxels[i]
        z, y, x = v // (ny * nx), v // nx % ny, v % nx
        lumen[z, y, x] = True
        reach = beyond * radius[i]
        sz, sy, sx = int(reach / spacing[0]), int(reach / spacing[1]), int(reach / spacing[2])
        for k in range(max(0, z - sz), min(nz, z + sz + 1)):
            qz = ((k - z) * spacing[0]) ** 2
            for j in range(max(0, y - sy), min(ny, y + sy + 1)):
                qy = qz + ((j - y) * spacing[1]) ** 2
                for m in range(max(0, x - sx), min(nx, x + sx + 1)):
                    if qy + ((m - x) * spacing[2]) ** 2 <= reach * reach and fine[k, j, m] <= limit[i]:
                        lumen[k, j, m] = True


@njit(cache=True)
def add_rim(fine: Any, steps: Any, below_hu: Any, lumen: Any) -> Any:
    """Add the darker neighbors of a lumen along the axes that ``steps`` (z, y, x) names."""
    nz, ny, nx = fine.shape
    for v in np.flatnonzero(lumen):
        z, y, x = v // (ny * nx), v // nx % ny, v % nx
        for axis in range(3):
            if not steps[axis]:
                continue
            for sign in (-1, 1):
                k, j, i = z + sign * (axis == 0), y + sign * (axis == 1), x + sign * (axis == 2)
                if 0 <= k < nz and 0 <= j < ny and 0 <= i < nx and fine[k, j, i] < below_hu:
                    lumen[k, j, i] = True
