"""One nodule's outline on a crop of the scan whose voxels are parted into finer ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import distance_to
from clearlung.nodules.segment_crop import Crop, FloatArray, Mask, pooled, repeated
from clearlung.nodules.segment_kernels import deepest, fill_holes, flood, round_part
from clearlung.nodules.sharpen import Scanner

# Inflated lung where none is in sight, and the brightest that is believed.
TYPICAL_LUNG_HU = -850.0
LUNG_BELOW_HU = -550.0
LEAST_LUNG_VOXELS = 20
# Soft tissue: what is brighter is calcium or contrast medium, and must not raise the edge's level.
SOLID_HU = 35.0
SOFT_AT_MOST_HU = 100.0
# Soft tissue and noise stay below; what shows more is calcified, and may be any brighter.
CALCIUM_SHOWN_HU = 150.0
MOST_HU = 3000.0
# Air in a cavity and noise in the lung, below the lung's median.
BELOW_LUNG_HU = 150.0
# A nodule of a radius below these shows less, or not quite, than its own density even when sharpened.
SHOWN_FROM_MM = (1.0, 2.5)
# The middle tells the density, in shares of the diameter; the second one reaches beyond a cavity.
MIDDLE_SHARES = (0.35, 0.5)
MIDDLE_PERCENT = 80
# What is thinner than this share of the nodule is cut off; nothing thicker than twice the length is a vessel
# rather than a lobe of a large nodule.
CUT_SHARE = 0.5
CUT_AT_MOST_MM = 3.0
# How far beyond the outline a voxel may be partly nodule.
RIM_MM = 1.2
# Vessels leave a small nodule in up to a third of all directions and more: the radius is that of the others.
# How far a nodule may reach from its middle, by that radius: opening tells large ones from vessels.
RAY_QUANTILE = 0.3
REACH_AT_MM = (2.0, 7.0)
REACH_SHARES = (1.2, 2.5)
DRIFT_SHARE = 0.35
# Shares of a half-known volume: what the gray of the rim may add to the outline or take from it.
RIM_LIMITS = (0.7, 1.3)
# A halo of ground glass is this much brighter than lung, wider than the scanner's blur, at least as large as
# the nodule, and not solid itself.
HALO_SHARE = 0.15
HALO_ABOVE_LUNG_HU = 120.0
HALO_FROM_MM = 1.5
HALO_VOLUME = 1.0
HALO_PURITY = 0.8


def _directions(n: int) -> NDArray[np.float64]:
    """Directions spread evenly over the sphere, shape (n, 3)."""
    k = np.arange(n) + 0.5
    z = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z**2)
    return np.column_stack([z, ring * np.cos(angle), ring * np.sin(angle)])


RAYS = _directions(120)


@dataclass(frozen=True, eq=False)
class Outline:
    """A nodule on its crop.

    Parameters
    ----------
    crop
        Where.
    share
        float32 on the finer voxels: how much of each is nodule.
    volume_mm3
        With its rim counted by shares.
    index
        Its centroid as a voxel index (z, y, x) on the whole array.
    """

    crop: Crop
    share: FloatArray
    volume_mm3: float
    index: NDArray[np.float64]

    def voxel_share(self) -> FloatArray:
        """How much of each of the scan's voxels in the crop is nodule."""
        return pooled(self.share, self.crop.parts)


def outline_nodule(
    crop: Crop,
    spacing_mm: NDArray[np.float64],
    diameter_mm: float,
    cell: Mask | None,
    limit_mm: float,
    sharp: bool,
) -> Outline | None:
    """Outline a nodule.

    Parameters
    ----------
    crop
        Around the place where it was pointed out.
    spacing_mm
        The scan's.
    diameter_mm
        Rough size.
    cell
        bool on the finer voxels: what is not nearer to a neighbor; None if it has none.
    limit_mm
        How far from the place it can reach.
    sharp
        Whether to undo the scanner's blur first.

    Returns
    -------
    Outline or None
        None if nothing dense is there.

    Notes
    -----
    The edge lies halfway between the lung around and the nodule's own density. What is shut in is part of
    the nodule. A small one is what lies in the round part around its place; from a larger one, what a ball
    of half its inner radius cannot reach from within is cut off: vessels, fissures, bridges to neighbors.
    """
    own = crop.inside if cell is None else crop.inside & cell
    own = own & (crop.squared_mm2(crop.center) <= max(limit_mm, float(crop.step_mm.max())) ** 2)
    lung_hu = _lung_around(crop)
    values = np.ascontiguousarray(repeated(crop.hu, crop.parts))
    soft, brightest = _middle(crop, values, own, diameter_mm)
    full = soft
    if sharp:
        full = _own_density(soft, 0.5 * diameter_mm)
        most = full if brightest < CALCIUM_SHOWN_HU else MOST_HU
        scanner = Scanner.of(crop.hu.shape, crop.parts, spacing_mm)
        values = scanner.sharpened(crop.hu, values, lung_hu - BELOW_LUNG_HU, most)
    level = 0.5 * (lung_hu + full)
    near = own & (
        crop.squared_mm2(crop.center) <= max(MIDDLE_SHARES[0] * diameter_mm, crop.step_mm.max()) ** 2
    )
    if near.any():
        # A speck never shows its own density: half of what it shows has to do.
        level = min(level, 0.5 * (lung_hu + float(values[near].max())))
    dense = fill_holes((values > level) & own)
    dense &= _round_reach(crop, dense, diameter_mm, limit_mm)
    nodule, depth = _opened(crop, dense, diameter_mm)
    if nodule is None:
        return None
    halo = _halo(crop, values, own, nodule, (lung_hu, full, level))
    if halo is not None:
        return _measured(crop, halo.astype(np.float32), halo)
    share = (
        _shares(crop, values, own, nodule, depth, (lung_hu, full, level))
        if sharp
        else nodule.astype(np.float32)
    )
    return _measured(crop, share, nodule)


def _lung_around(crop: Crop) -> float:
    """Median of the lung in a crop."""
    lung = crop.hu[(pooled(crop.inside, crop.parts) > 0.5) & (crop.hu < LUNG_BELOW_HU)]
    return float(np.median(lung)) if lung.size >= LEAST_LUNG_VOXELS else TYPICAL_LUNG_HU


def _middle(crop: Crop, values: FloatArray, own: Mask, diameter_mm: float) -> tuple[float, float]:
    """Density of the middle, not above soft tissue, and the brightest value there."""
    away = crop.squared_mm2(crop.center)
    least = float(crop.step_mm.max())
    peaks, brightest = [], -MOST_HU
    for share in MIDDLE_SHARES:
        seen = values[own & (away <= max(share * diameter_mm, least) ** 2)]
        if seen.size:
            peaks.append(float(np.percentile(seen, MIDDLE_PERCENT)))
            brightest = max(brightest, float(seen.max())) if share == MIDDLE_SHARES[0] else brightest
    return min(max(peaks, default=SOLID_HU), SOFT_AT_MOST_HU), brightest


def _own_density(shown_hu: float, radius_mm: float) -> float:
    """Density of a voxel that is all nodule: of a small one it is taken to be soft tissue."""
    first, last = SHOWN_FROM_MM
    hidden = float(np.clip((last - radius_mm) / (last - first), 0.0, 1.0))
    return hidden * max(SOLID_HU, shown_hu) + (1.0 - hidden) * shown_hu


def _round_reach(crop: Crop, dense: Mask, diameter_mm: float, limit_mm: float) -> Mask:
    """Mark what the nodule can reach from the middle of its round part."""
    middle, radius = round_part(
        dense, crop.center, crop.step_mm, RAYS, limit_mm, DRIFT_SHARE * diameter_mm, RAY_QUANTILE
    )
    if radius <= 0:
        return np.ones(dense.shape, dtype=np.bool_)
    reach = float(np.interp(radius, REACH_AT_MM, REACH_SHARES)) * radius + 0.25 * float(crop.step_mm.max())
    return np.asarray(crop.squared_mm2(middle) <= reach**2)


def _opened(crop: Crop, dense: Mask, diameter_mm: float) -> tuple[Mask | None, FloatArray]:
    """Return what a ball reaches within a mask from its deepest place, and the depth of everything in it."""
    depth = distance_to(dense, False, crop.step_mm)
    z, y, x = deepest(depth, dense, crop.center, crop.step_mm, 0.5 * diameter_mm)
    if z < 0:
        return None, depth
    step = float(crop.step_mm.max())
    radius = float(depth[z, y, x])
    cut = max(step, min(CUT_SHARE * radius, CUT_AT_MOST_MM))
    # Something always lies deeper than what is cut; depths are float32, equal to within a hair.
    if radius <= 1.001 * cut:
        cut = radius - 0.5 * min(step, radius)
    core = flood(depth > cut, z, y, x)
    # Depth is told to the nearest voxel outside, and so half a voxel too large.
    reached = dense & (distance_to(core, True, crop.step_mm) <= cut + 0.5 * step)
    return flood(reached, z, y, x), depth


def _halo(
    crop: Crop, values: FloatArray, own: Mask, nodule: Mask, levels: tuple[float, float, float]
) -> Mask | None:
    """Return a nodule with its halo of ground glass; None if it has none.

    A vessel or a neighbor beside it is solid, and the blur of either is narrow.
    """
    lung_hu, full, level = levels
    faint = own & (values > lung_hu + max(HALO_ABOVE_LUNG_HU, HALO_SHARE * (full - lung_hu)))
    away = distance_to(nodule, True, crop.step_mm)
    least = HALO_VOLUME * np.count_nonzero(nodule)
    if np.count_nonzero(faint & (away > HALO_FROM_MM) & (values <= level)) < least:
        return None
    faint |= nodule
    core = (distance_to(faint, False, crop.step_mm) > HALO_FROM_MM) | nodule
    reach = HALO_FROM_MM + 0.5 * float(crop.step_mm.max())
    grown = faint & (distance_to(core, True, crop.step_mm) <= reach)
    inner = np.argwhere(nodule)[np.count_nonzero(nodule) // 2]
    grown = flood(grown, int(inner[0]), int(inner[1]), int(inner[2]))
    ring = grown & (away > HALO_FROM_MM)
    glass = np.count_nonzero(ring & (values <= level))
    if glass < least or glass < HALO_PURITY * np.count_nonzero(ring):
        return None
    edge = 0.5 * (lung_hu + float(np.median(values[ring])))
    return np.asarray(fill_holes(nodule | (grown & (values > edge))))


def _shares(
    crop: Crop,
    values: FloatArray,
    own: Mask,
    nodule: Mask,
    depth: FloatArray,
    levels: tuple[float, float, float],
) -> FloatArray:
    """How much of each finer voxel is nodule: all of it inside, the share of contrast at the rim."""
    lung_hu, full, level = levels
    away = distance_to(nodule, True, crop.step_mm)
    rim = (away <= RIM_MM) & own & (values <= level)
    share = np.zeros(values.shape, dtype=np.float32)
    where = nodule | rim
    # No floor at 0: noise around the lung's mean must cancel, not add up.
    share[where] = np.minimum((values[where] - lung_hu) / (full - lung_hu), 1.0)
    share[nodule & ((depth > RIM_MM) | (values <= level))] = 1.0
    return share


def _measured(crop: Crop, share: FloatArray, nodule: Mask) -> Outline | None:
    """Volume and centroid of shares."""
    weight = np.clip(share, 0.0, 1.0)
    total = float(weight.sum(dtype=np.float64))
    if total <= 0:
        return None
    place = np.empty(3)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        along = weight.sum(axis=others, dtype=np.float64)
        place[axis] = (along * np.arange(len(along))).sum() / total
    outlined = np.count_nonzero(nodule) * crop.voxel_mm3
    low, high = RIM_LIMITS
    counted = float(share.sum(dtype=np.float64)) * crop.voxel_mm3
    return Outline(
        crop, share, float(np.clip(counted, low * outlined, high * outlined)), crop.index_of(place)
    )
