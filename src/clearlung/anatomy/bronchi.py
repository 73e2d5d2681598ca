"""Bronchi beyond the main ones: dark tubes with a brighter wall all around, followed from the stem outwards.

A threshold cannot follow a narrow bronchus: blurred by the scanner, its lumen is no darker than the lung
around. What tells it from lung is its wall. So voxels are sought that lie on the axis of a dark tube and see
a wall in nearly every direction across it; those that hang together with the stem, over small gaps too, are
bronchi, and each is filled as far as halfway to its wall. Nothing can leak: what has no wall is not filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.bronchi_kernels import (
    add_rim,
    axes_of_tubes,
    bridges,
    fill,
    pieces,
    tube_strength,
    walls,
)
from clearlung.anatomy.hessian import smooth
from clearlung.anatomy.morphology import Mask, Spacing

# Radii of segmental to subsubsegmental bronchi on CT: 0.8 to 3 mm. A tube answers strongest to its own.
SCALES_MM = (0.9, 1.6)
# What is brighter, smoothed by the tube filter, is no lumen; a narrow one is blurred to this at most.
LUMEN_BELOW_HU = -650.0
# The filter's answer (HU, normalized by the scale) to a lumen that barely shows; noise answers half as much.
LEAST_ANSWER_HU = 16.0
# Walls are seen on an image smoothed by less than a voxel: noise counts, thin walls must stay.
FINE_MM = 0.5
# How plain a wall must be (see `walls`): one candidate in lung of 30 is, and nearly all bronchi of 2.5 mm.
PLAIN_WALL = 28.0
# A piece across a gap must be plainer, on average.
SURE_WALL = 45.0
# Gaps come where a nodule or mucus narrows a bronchus, or where it runs between two thick slices.
GAP_MM = 5.0
# A piece across a gap is at least this long; one as long as a lobar bronchus with its branches is surely one.
PIECE_MM = 4.0
LONG_PIECE_MM = 20.0
LONG_GAP_MM = 9.0
# The stem was grown at a limit near the lumen's own value; its rim, blurred, reaches this far out at half the
# way to the wall. Thicker slices than this would add lung on the other side of the wall.
RIM_BELOW_HU = -600.0
RIM_MM = 1.3
# Aerated lung: neither gas nor tissue; every third voxel is enough for its median.
LUNG_HU = (-970, -700)
LUNG_EVERY = 3
# A lumen is filled to this many radii from its axis, as far as it is dark.
FILL_RADII = 1.2


@dataclass(frozen=True, eq=False)
class TubePoints:
    """Voxels on the axes of walled tubes.

    Parameters
    ----------
    voxels
        int64, flat, ascending.
    direction
        float32, shape (n, 3): unit vector along the tube (z, y, x), its sign arbitrary.
    wall
        float32: how plain the wall is in all but the two weakest directions (see ``walls``).
    limit_hu
        float32: halfway from lumen to wall.
    radius_mm
        float32: how far the wall is.
    """

    voxels: NDArray[np.int64]
    direction: NDArray[np.float32]
    wall: NDArray[np.float32]
    limit_hu: NDArray[np.float32]
    radius_mm: NDArray[np.float32]

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> TubePoints:
        """Keep some of the points."""
        return TubePoints(
            self.voxels[which],
            self.direction[which],
            self.wall[which],
            self.limit_hu[which],
            self.radius_mm[which],
        )


def grow_bronchi(hu: NDArray[np.int16], spacing_mm: Spacing, stem: Mask) -> Mask:
    """Follow the bronchi that come off a stem.

    Parameters
    ----------
    hu
        int16, shape (z, y, x).
    spacing_mm
        Along z, y and x.
    stem
        bool, same shape: trachea and what else is known; it is part of the result.

    Returns
    -------
    Mask
        Lumen of stem and bronchi.
    """
    lumen = stem.copy()
    if not stem.any() or min(hu.shape) < 3:
        return lumen
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    points, fine = tube_points(hu, spacing_mm)
    index = np.full(hu.size, -1, dtype=np.int32)
    index[points.voxels] = np.arange(points.voxels.size, dtype=np.int32)
    shape = np.array(hu.shape, dtype=np.int64)
    label, count = pieces(points.voxels, index, points.direction, shape, stem.ravel())
    gap_mm = _gaps(points, label, count, hu.shape, spacing)
    stem_voxels = stem.ravel()
    kept, links = bridges(fine, points.voxels, index, points.direction, label, gap_mm, stem_voxels, spacing)
    add_rim(fine, spacing <= RIM_MM, RIM_BELOW_HU, lumen)
    points = points.chosen(kept)
    fill(fine, points.voxels, points.limit_hu, points.radius_mm, spacing, FILL_RADII, lumen)
    _draw(links, lumen)
    return lumen


def tube_points(hu: NDArray[np.int16], spacing_mm: Spacing) -> tuple[TubePoints, NDArray[np.float32]]:
    """Find the axes of walled tubes, and return the smoothed image that their walls were seen on."""
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    strength = np.zeros(hu.shape, dtype=np.uint8)
    images: list[NDArray[np.float32]] = []
    scale_at = np.zeros(hu.shape, dtype=np.bool_)
    for scale in SCALES_MM:
        image = smooth(hu, _voxels(scale, spacing))
        before = strength.copy() if images else None
        tube_strength(image, *(scale / spacing).astype(np.float32), LUMEN_BELOW_HU, LEAST_ANSWER_HU, strength)
        if before is not None:
            scale_at = strength > before
        images.append(image)
    voxels = np.flatnonzero(strength)
    direction = np.zeros((voxels.size, 3), dtype=np.float32)
    later = scale_at.ravel()[voxels]
    for scale, image, mine in zip(SCALES_MM, images, (~later, later), strict=True):
        axes_of_tubes(image, voxels, mine, *(scale / spacing).astype(np.float32), direction)
    del images
    fine = smooth(hu, _voxels(FINE_MM, spacing))
    lung = hu[::LUNG_EVERY, ::LUNG_EVERY, ::LUNG_EVERY]
    lung_hu = float(np.median(lung[(lung > LUNG_HU[0]) & (lung < LUNG_HU[1])], axis=None))
    wall, limit, radius = walls(fine, voxels, direction, spacing, PLAIN_WALL, lung_hu)
    seen = wall > 0
    return TubePoints(voxels[seen], direction[seen], wall[seen], limit[seen], radius[seen]), fine


def _voxels(scale_mm: float, spacing: NDArray[np.float64]) -> tuple[float, float, float]:
    z, y, x = (scale_mm / spacing).tolist()
    return z, y, x


def _gaps(
    points: TubePoints,
    label: NDArray[np.int32],
    count: int,
    shape: tuple[int, ...],
    spacing: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Over how wide a gap each piece may be joined: the longer and plainer, the wider; 0 for the others."""
    size = np.bincount(label, minlength=count)
    mean = np.bincount(label, weights=points.wall, minlength=count) / np.maximum(size, 1)
    extent = np.zeros((count, 3))
    for axis, at in enumerate(np.unravel_index(points.voxels, shape)):
        low = np.full(count, np.inf)
        high = np.full(count, -np.inf)
        np.minimum.at(low, label, at)
        np.maximum.at(high, label, at)
        extent[:, axis] = np.where(size > 0, high - low, 0) * spacing[axis]
    length = np.linalg.norm(extent, axis=1)
    gaps = np.select([length >= LONG_PIECE_MM, length >= PIECE_MM], [LONG_GAP_MM, GAP_MM], 0.0)
    return np.asarray(np.where(mean >= SURE_WALL, gaps, 0.0), dtype=np.float64)


def _draw(links: NDArray[np.int64], lumen: Mask) -> None:
    """Draw thin lines over the gaps."""
    for one, other in links.tolist():
        a, b = (np.array(np.unravel_index(voxel, lumen.shape)) for voxel in (one, other))
        steps = int(np.abs(b - a).max()) * 2 + 1
        line = np.rint(a + (b - a) * np.linspace(0, 1, steps)[:, None]).astype(int)
        lumen[tuple(line.T)] = True
