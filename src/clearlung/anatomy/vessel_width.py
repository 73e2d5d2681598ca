"""The radius of vessels, finer than a voxel: from how much blood a cross-section holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit, prange

from clearlung.anatomy.interpolation import trilinear
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.vectors import cross
from clearlung.ct import Volume

# Rays in the plane across a vessel, and the way between their samples as a share of the finest spacing: a
# third of a voxel, so that the profile's edge is not stepped.
RAYS = 16
STEP_SHARE = 0.35
# The direction of a vessel is taken over this many points to each side; a voxel path zigzags.
REACH_POINTS = 3
# A ray is followed over this multiple of the mask's radius and this far beyond.
BEYOND_RADII, BEYOND_MM = 1.5, 2.0
# A profile has left the vessel where it rises again by this share of the contrast, or falls below it.
LEVEL = 0.04
# A ray that ends in something brighter than this share of the contrast has met a neighbor.
NEIGHBOR = 0.3
# A ray that has met this many times as much as the median ray has met more than the vessel.
FULLEST = 1.5
# One point's radius is noisy: the median of this many is taken, along the branch.
MEDIAN_POINTS = 9
LEAST_MM = 0.2


def with_widths(tree: BranchTree, ct: Volume, blood_hu: float, lung_hu: float) -> BranchTree:
    """Measure the widths of vessels anew.

    Parameters
    ----------
    tree
        Center lines, with radii good to a voxel.
    ct
        int16, HU.
    blood_hu
        Attenuation of blood in vessels so wide that blur does not dim them.
    lung_hu
        Attenuation of the lung between the vessels.

    Returns
    -------
    BranchTree
        The same with other ``radius_mm`` and ``diameter_mm``.

    Notes
    -----
    The scanner's blur moves blood within a cross-section and takes none away. So the excess over the lung,
    added up over the cross-section and divided by the contrast of blood, is the vessel's true area, also
    where it is narrower than a voxel [1]_.

    References
    ----------
    .. [1] R. Estépar et al., "Computational vascular morphometry for the assessment of pulmonary vascular
       disease based on scale-space particles", IEEE ISBI 2012.
    """
    if not len(tree):
        return tree
    radius = _radii(
        ct.array,
        np.array(ct.spacing_mm),
        ct.indices(tree.points_mm),
        tree.branch,
        tree.radius_mm,
        np.float32(blood_hu),
        np.float32(lung_hu),
    )
    ends = np.searchsorted(tree.branch, np.arange(len(tree) + 1))
    radius, diameter = _evened(radius, tree.radius_mm, ends)
    return replace(tree, radius_mm=radius, diameter_mm=diameter)


@njit(cache=True)
def _evened(radius: Any, rough: Any, ends: Any) -> Any:
    """Take medians along each branch; where nothing was measured, the rough radius in proportion.

    Returns
    -------
    radius, diameter
        Per point, and per branch.
    """
    evened = np.empty(radius.size, dtype=np.float32)
    diameter = np.empty(ends.size - 1, dtype=np.float32)
    for branch in range(ends.size - 1):
        own = radius[ends[branch] : ends[branch + 1]].astype(np.float64)
        raw = rough[ends[branch] : ends[branch + 1]]
        measured = np.isfinite(own)
        share = 1.0
        if measured.any():
            share = _median(own[measured] / raw[measured])
        for p in range(own.size):
            if not measured[p]:
                own[p] = share * raw[p]
        for p in range(own.size):
            low, high = max(0, p - MEDIAN_POINTS // 2), p + MEDIAN_POINTS // 2 + 1
            evened[ends[branch] + p] = _median(own[low:high])
        # Where it springs from its parent, it is still the parent that is measured.
        diameter[branch] = 2.0 * _median(own[own.size // 4 :])
    return evened, diameter


@njit(cache=True)
def _median(values: Any) -> Any:
    """Median of numbers, none of them NaN; numpy's takes seconds to compile for each type and layout."""
    ranked = values.copy()
    ranked.sort()
    return 0.5 * (ranked[(ranked.size - 1) // 2] + ranked[ranked.size // 2])


@njit(cache=True)
def _sample(image: Any, spacing: Any, place: Any, u: Any, v: Any, step: Any, out: Any) -> Any:
    """Fill rays x steps with the image around a place, in the plane of the unit vectors u and v (mm)."""
    rays, steps = out.shape
    for k in range(rays):
        c, s = np.cos(2.0 * np.pi * k / rays), np.sin(2.0 * np.pi * k / rays)
        dz = (c * u[0] + s * v[0]) / spacing[0]
        dy = (c * u[1] + s * v[1]) / spacing[1]
        dx = (c * u[2] + s * v[2]) / spacing[2]
        for n in range(steps):
            r = (n + 0.5) * step
            out[k, n] = trilinear(image, place[0] + r * dz, place[1] + r * dy, place[2] + r * dx)


@njit(cache=True)
def _recentered(
    values: Any, place: Any, u: Any, v: Any, spacing: Any, step: Any, reach: Any, dark: Any
) -> Any:
    """Move a place to the middle of what is bright around it, by no more than half of that reach."""
    total = away_u = away_v = 0.0
    for k in range(values.shape[0]):
        c, s = np.cos(2.0 * np.pi * k / values.shape[0]), np.sin(2.0 * np.pi * k / values.shape[0])
        for n in range(min(values.shape[1], max(1, int(reach / step)))):
            r = (n + 0.5) * step
            weight = max(values[k, n] - dark, 0.0) * r
            total += weight
            away_u += weight * r * c
            away_v += weight * r * s
    if total > 0.0:
        away_u, away_v = away_u / total, away_v / total
        size = (away_u * away_u + away_v * away_v) ** 0.5
        if size > 0.5 * reach:
            away_u, away_v = away_u * 0.5 * reach / size, away_v * 0.5 * reach / size
    moved = np.empty(3)
    for axis in range(3):
        moved[axis] = place[axis] + (away_u * u[axis] + away_v * v[axis]) / spacing[axis]
    return moved


@njit(cache=True)
def _radius_of(values: Any, step: Any, blood: Any, lung: Any) -> Any:
    """Radius of the disc that holds as much blood as a cross-section; NaN where its edge is not seen."""
    rays, steps = values.shape
    profile = np.empty(steps)
    for n in range(steps):
        profile[n] = _median(values[:, n])
    level = LEVEL * (blood - lung)
    end = 0
    while end + 1 < steps and profile[end] > lung + level and profile[end + 1] < profile[end] + 0.5 * level:
        end += 1
    for n in range(end):  # a rise in small steps is one too
        if profile[n] + level < profile[end]:
            end = n
            break
    dark = min(profile[end], lung + 4.0 * level)
    if profile[end] > 0.5 * (blood + lung):
        return np.nan
    areas = np.empty(rays)
    clean = 0
    for k in range(rays):
        if values[k, end] > dark + NEIGHBOR * (blood - dark):
            continue
        area = 0.0
        for n in range(end + 1):
            area += (values[k, n] - dark) * (n + 0.5) * step * step
        areas[clean] = area
        clean += 1
    if clean < rays // 4:
        return np.nan
    # The fullest rays run into branches, walls and neighbors.
    areas = areas[:clean]
    area = areas[areas <= max(FULLEST * _median(areas), 1e-6)].mean()
    # Of a whole circle: 2 pi / rays for each ray; the area is pi r^2.
    return (max(2.0 * area / (blood - dark), LEAST_MM * LEAST_MM)) ** 0.5


@njit(cache=True, parallel=True)
def _radii(image: Any, spacing: Any, places: Any, branch: Any, rough: Any, blood: Any, lung: Any) -> Any:
    radius = np.empty(len(places), dtype=np.float32)
    for p in prange(len(places)):
        radius[p] = _radius_at(image, spacing, places, branch, rough, blood, lung, np.int64(p))
    return radius


@njit(cache=True)
def _radius_at(
    image: Any, spacing: Any, places: Any, branch: Any, rough: Any, blood: Any, lung: Any, p: Any
) -> Any:
    """Radius at one point; NaN where the center line has no direction or the vessel's edge is not seen."""
    low = high = p
    while low > 0 and branch[low - 1] == branch[p] and p - low < REACH_POINTS:
        low -= 1
    while high + 1 < len(places) and branch[high + 1] == branch[p] and high - p < REACH_POINTS:
        high += 1
    along = (places[high] - places[low]) * spacing
    size = (along * along).sum() ** 0.5
    if size == 0.0:
        return np.nan
    along = along / size
    other = np.zeros(3)
    other[np.argmin(np.abs(along))] = 1.0
    u = cross(along, other)
    u = u / (u * u).sum() ** 0.5
    v = cross(along, u)
    step = STEP_SHARE * spacing.min()
    reach = BEYOND_RADII * rough[p] + BEYOND_MM + 0.5 * spacing.max()
    values = np.empty((RAYS, max(4, int(reach / step))), dtype=np.float64)
    _sample(image, spacing, places[p], u, v, step, values)
    near = max(rough[p], 1.5 * spacing.min())
    place = _recentered(values, places[p], u, v, spacing, step, near, 0.5 * (lung + values[:, 0].mean()))
    _sample(image, spacing, place, u, v, step, values)
    return _radius_of(values, step, blood, lung)
