"""Tissue and fluid beside the lungs' air: what of it is lung, a mass or consolidation, and what is not.

A rolling ball closes over what is narrower than the ball. Wider things need to know where the lung should
end. At the ribs the chest tells: a lung, filled from its middle outwards, is a convex shape there, and what
dents it from outside is not chest wall. At the mediastinum nothing tells so
surely, so only what has lung on three sides of it is taken in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter, maximum_filter1d

from clearlung.anatomy.effusion import find_fluid
from clearlung.anatomy.morphology import (
    Mask,
    Spacing,
    bounding_box,
    components,
    dilate,
    distance_outside_mm,
    open_,
    shrink,
    widen,
)
from clearlung.anatomy.surface import closed_depth_mm
from clearlung.anatomy.types import SIDES, Side
from clearlung.ct import Box

# The chest's inner surface is curved more gently than this ball, between the ribs and across them.
WALL_BALL_MM = 80.0
# The chest is smooth: twice the lungs' coarse grid knows it as well and costs an eighth.
WALL_FACTOR = 2
# Directions in a slice: about the coarse grid's step, at the ribs.
DIRECTIONS = 240
NEIGHBORS = 7
# Behind, the ribs reach further inwards than the lung's middle: this many times as far back as inwards.
BEHIND = 1.2
# Ribs and the folds between them make slivers thinner than twice this; a mass or an effusion is thicker.
SLIVER_MM = 4.0
# Dents less than this are no more than the wall's own unevenness.
LEAST_DENT_ML = 0.8
# A dent that is bounded by less lung than this is abdomen or shoulder.
DENT_AT_LUNG = 0.3
# Fluid is -10 to 20 HU, a mass or consolidation 30 and more, with contrast medium much more.
FLUID_HU = (-25.0, 22.0)
FLUID_SCALE_MM = 4.0
# Fat, and lung that is half full of air, are not soft tissue.
SOFT_ABOVE_HU = -40.0
# Radii at which tissue is taken apart: below, the rolling ball closes; above, the heart itself comes apart.
CORES_MM = (11.0, 15.0, 20.0, 26.0)
LARGEST_MASS_ML = 220.0
# Lung on three sides of four, less what a blurred edge costs.
LUNG_AROUND = 0.6
# Of a box about such a mass half is the mass itself; less lung in it than this need not be looked at closely.
AIR_IN_BOX = 0.2
# Surroundings are looked at this far out, past the rim that is neither soft nor air.
SHELL_VOXELS = 4
# A mass that is found as a mask gets an edge as blurred as that of the lung beside it.
EDGE_VOXELS = 0.6


@dataclass(frozen=True)
class Beside:
    """What lies beside the lungs' air, between them and the ribs or amid them.

    Parameters
    ----------
    fluid_ml
        By side: at least this much fluid. It belongs to neither lung.
    solid_ml
        By side: masses and consolidation that were added to the lung.
    """

    fluid_ml: Mapping[Side, float]
    solid_ml: Mapping[Side, float]


def add_solid(
    shares: Mapping[Side, NDArray[np.float32]], hu: NDArray[np.int16], spacing_mm: Spacing, middle_x: float
) -> Beside:
    """Add masses and consolidation to the lung that each is at, in place.

    Parameters
    ----------
    shares
        Each lung's :func:`clearlung.anatomy.surface.outside_share`, on a grid of about 2 mm.
    hu
        int16, same shape: block means.
    spacing_mm
        Along z, y and x.
    middle_x
        Index of the body's middle along x.

    Returns
    -------
    Beside
        How much of either, and how much fluid that belongs to no lung.
    """
    air = (shares["right"] < 0) | (shares["left"] < 0)
    dents = np.zeros_like(air)
    for side in SIDES:
        dents |= wall_dents(shares[side] < 0, hu, spacing_mm, middle_x) & ~air
    fluid = find_fluid({side: shares[side] < 0 for side in SIDES}, hu, spacing_mm, middle_x)
    wet = fluid["right"] | fluid["left"] | (dents & _is_fluid(dents, hu, spacing_mm))
    solid = open_(dents & ~wet, spacing_mm, SLIVER_MM) | enclosed_masses(air, hu, spacing_mm)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    fluid_ml = {side: float(np.count_nonzero(fluid[side] & ~solid)) * voxel_ml for side in SIDES}
    solid_ml = dict.fromkeys(SIDES, 0.0)
    labels, _ = components(solid, spacing_mm)
    for label, part in _parts(labels):
        box = _around(part, air.shape, SHELL_VOXELS)
        mass = labels[box] == label
        own = max(SIDES, key=lambda side: _share_at(mass, shares[side][box] < 0))
        solid_ml[own] += float(np.count_nonzero(mass)) * voxel_ml
        soft_edged = 1.0 - 2.0 * gaussian_filter(mass.astype(np.float32), EDGE_VOXELS)
        shares[own][box] = np.minimum(shares[own][box], soft_edged)
    return Beside(fluid_ml, solid_ml)


def wall_dents(lung: Mask, hu: NDArray[np.int16], spacing_mm: Spacing, middle_x: float) -> Mask:
    """Find what dents one lung from the side of the ribs.

    Parameters
    ----------
    lung
        Its air, on a grid of about 2 mm.
    hu, spacing_mm, middle_x
        As of :func:`add_solid`.

    Returns
    -------
    Mask
        Same shape.
    """
    if not lung.any():
        return np.zeros_like(lung)
    filled, ribs = _filled_from_within(lung, spacing_mm, middle_x)
    share, coarse, factor = shrink(
        (1.0 - 2.0 * filled).astype(np.float32), spacing_mm, WALL_FACTOR * max(spacing_mm)
    )
    box, depth = closed_depth_mm(share, coarse, WALL_BALL_MM)
    below = np.full(share.shape, -WALL_BALL_MM, dtype=np.float32)
    below[box] = depth
    dents = (widen(below, factor, lung.shape) > 0) & ribs & ~filled & (hu > SOFT_ABOVE_HU)
    return _at_lung(open_(dents, spacing_mm, SLIVER_MM), lung, spacing_mm)


def enclosed_masses(air: Mask, hu: NDArray[np.int16], spacing_mm: Spacing) -> Mask:
    """Find soft masses that have lung on three sides or more; ``air`` is that of both."""
    soft = (hu > SOFT_ABOVE_HU) & ~air
    within = distance_outside_mm(~soft, spacing_mm)
    found = np.zeros_like(air)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    for radius in CORES_MM:
        labels, count = components(within > radius, spacing_mm)
        sizes = np.bincount(labels.ravel(), minlength=count + 1) * voxel_ml
        reach = int(np.ceil(radius / min(spacing_mm))) + SHELL_VOXELS
        for label, part in _parts(labels, first=2):  # the largest is the body
            box = _around(part, air.shape, reach)
            if sizes[label] > LARGEST_MASS_ML or air[box].mean() < AIR_IN_BOX:
                continue
            core = labels[box] == label
            mass = dilate(core, spacing_mm, radius + 0.5 * max(spacing_mm)) & soft[box]
            small = np.count_nonzero(mass) * voxel_ml <= LARGEST_MASS_ML
            if small and _share_at(mass, air[box]) >= LUNG_AROUND:
                found[box] |= mass
    return found


def _filled_from_within(lung: Mask, spacing: Spacing, middle_x: float) -> tuple[Mask, Mask]:
    """Fill each slice outwards from a lung's middle to its last air in each direction.

    Returns what is filled, and what lies in a direction in which there is air and the ribs beyond it.
    """
    _, sy, sx = spacing
    z, y, x = np.nonzero(lung)
    center_y, center_x = float(y.mean()), float(x.mean())
    ahead = (np.arange(lung.shape[1])[:, None] - center_y) * sy
    outward = (np.arange(lung.shape[2])[None, :] - center_x) * sx * np.sign(center_x - middle_x)
    angle = np.arctan2(ahead, outward)
    turn = np.minimum(((angle + np.pi) / (2 * np.pi) * DIRECTIONS).astype(np.intp), DIRECTIONS - 1)
    radius = np.hypot(ahead, outward).astype(np.float32)
    last = np.zeros((lung.shape[0], DIRECTIONS), dtype=np.float32)
    np.maximum.at(last, (z, turn[y, x]), radius[y, x])
    # Near the middle a direction is narrower than a voxel, and may miss them all.
    last = maximum_filter1d(last, NEIGHBORS, axis=1, mode="wrap")
    reach = last[:, turn]
    ribs = (outward > 0) | (ahead > BEHIND * -outward)
    return radius[None] <= reach, (reach > 0) & ribs[None]


def _is_fluid(dents: Mask, hu: NDArray[np.int16], spacing: Spacing) -> Mask:
    """Whether the mean of a voxel's surroundings within the dents is that of fluid."""
    fluid = np.zeros_like(dents)
    if dents.any():
        box = bounding_box(dents, spacing, 0.0)
        sigma = [FLUID_SCALE_MM / s for s in spacing]
        weight = gaussian_filter(dents[box].astype(np.float32), sigma)
        mean = gaussian_filter(np.where(dents[box], hu[box], 0).astype(np.float32), sigma)
        mean /= np.maximum(weight, np.float32(1e-3))
        fluid[box] = dents[box] & (mean > FLUID_HU[0]) & (mean < FLUID_HU[1])
    return fluid


def _at_lung(dents: Mask, air: Mask, spacing: Spacing) -> Mask:
    """Keep the dents that have enough of their surface at the lungs."""
    labels, _ = components(dents, spacing, LEAST_DENT_ML)
    kept = np.zeros_like(dents)
    for label, part in _parts(labels):
        box = _around(part, air.shape, SHELL_VOXELS)
        if _share_at(labels[box] == label, air[box]) >= DENT_AT_LUNG:
            kept[box] |= labels[box] == label
    return kept


def _parts(labels: NDArray[np.int32], first: int = 1) -> list[tuple[int, Box]]:
    """Each label from ``first`` on, and where it is."""
    boxes = find_objects(labels)
    return [(k, box) for k, box in enumerate(boxes, start=1) if k >= first and box is not None]


def _around(box: Box, shape: tuple[int, ...], voxels: int) -> Box:
    """Enlarge a box where the array allows it."""
    z, y, x = (
        slice(max(0, b.start - voxels), min(n, b.stop + voxels)) for b, n in zip(box, shape, strict=True)
    )
    return z, y, x


def _share_at(mass: Mask, air: Mask) -> float:
    """Share of a mass's surroundings, a voxel further out than its blurred rim, that is lung."""
    away = distance_outside_mm(mass, (1.0, 1.0, 1.0))
    shell = (away > SHELL_VOXELS - 2) & (away <= SHELL_VOXELS - 1)
    return float(np.count_nonzero(shell & air)) / max(1, int(np.count_nonzero(shell)))
