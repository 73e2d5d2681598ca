"""Both lungs and how deep their voxels lie, from their air."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.air import CoarseAir
from clearlung.anatomy.airways import walled_airways
from clearlung.anatomy.masses import Beside, add_solid
from clearlung.anatomy.morphology import Mask, Spacing, bounding_box, dilate, repeat
from clearlung.anatomy.sides import split_sides
from clearlung.anatomy.surface import SURFACE_HU, closed_depth_mm, fill_lung, outside_share
from clearlung.anatomy.types import LUNG_LABELS, SIDES
from clearlung.ct import Box

# A ball of this radius closes over hilar notches, vessels and nodules that touch the pleura: a nodule
# stays in the lung unless its contact with the chest wall is wider than twice this.
CLOSING_MM = 11.0
MARGIN_MM = 3.0


def lung_box(air: CoarseAir, shape: tuple[int, int, int]) -> Box:
    """Return the box of the scan that holds both lungs and room enough to close them.

    Parameters
    ----------
    air
        The coarse search's result.
    shape
        The scan's, (z, y, x).

    Returns
    -------
    Box
        Slices along z, y and x of the scan, on whole blocks of the coarse grid.
    """
    margin = CLOSING_MM + MARGIN_MM + max(air.spacing_mm)
    coarse = bounding_box(air.lungs, air.spacing_mm, margin)
    z, y, x = (
        slice(c.start * f, n if c.stop == m else c.stop * f)
        for c, f, n, m in zip(coarse, air.factor, shape, air.lungs.shape, strict=True)
    )
    return z, y, x


@dataclass(frozen=True, eq=False)
class FoundLungs:
    """Both lungs, and what lies beside their air.

    Parameters
    ----------
    labels
        uint8, shape (z, y, x): 0 outside, 1 right, 2 left.
    depth_mm
        float32, same shape: distance of each lung voxel's center from the pleural surface of its lung, 0
        outside.
    beside
        Fluid, masses and consolidation.
    """

    labels: NDArray[np.uint8]
    depth_mm: NDArray[np.float32]
    beside: Beside


def survey_lungs(
    hu: NDArray[np.int16], spacing_mm: Spacing, box: Box, air: CoarseAir, airways: Mask
) -> FoundLungs:
    """Find both lungs on a box of the scan, and what lies beside their air.

    Parameters
    ----------
    hu
        int16, the scan's part in the box.
    spacing_mm
        Along z, y and x.
    box
        Where ``hu`` lies in the scan: :func:`lung_box`.
    air
        The coarse search's result.
    airways
        The lumina of trachea and bronchi, same shape as ``hu``.

    Returns
    -------
    FoundLungs
        On the box.
    """
    walled = walled_airways(airways, spacing_mm)
    middle_x = (air.middle_x + 0.5) * air.factor[2] - 0.5 - box[2].start
    sides = split_sides(_fine_air(air, hu, box) & ~walled, hu, spacing_mm, middle_x)
    shares = {side: outside_share(hu, sides, LUNG_LABELS[side], air.factor) for side in SIDES}
    beside = add_solid(
        shares,
        _coarse_hu(air, box, shares["right"].shape),
        air.spacing_mm,
        air.middle_x - box[2].start / air.factor[2],
    )
    lungs = np.zeros(hu.shape, dtype=np.uint8)
    depth = np.zeros(hu.shape, dtype=np.float32)
    for side in SIDES:
        if (shares[side] < 0).any():
            where, below = closed_depth_mm(shares[side], air.spacing_mm, CLOSING_MM)
            fill_lung(lungs, depth, sides, LUNG_LABELS[side], (where, below, air.factor))
    lungs[walled] = 0
    depth[lungs == 0] = 0.0
    return FoundLungs(lungs, depth, beside)


def _coarse_hu(air: CoarseAir, box: Box, shape: tuple[int, ...]) -> NDArray[np.int16]:
    """Block means on the box, also for a last block that is not a whole one."""
    start = [b.start // f for b, f in zip(box, air.factor, strict=True)]
    index = [
        np.minimum(np.arange(first, first + n), m - 1)
        for first, n, m in zip(start, shape, air.hu.shape, strict=True)
    ]
    return np.asarray(air.hu[np.ix_(*index)], dtype=np.int16)


def _fine_air(air: CoarseAir, hu: NDArray[np.int16], box: Box) -> Mask:
    """Air of lungs and airways at full resolution, on the box."""
    around = dilate(air.lungs, air.spacing_mm, 1.01 * max(air.spacing_mm)) & ~air.bowel
    start = (box[0].start, box[1].start, box[2].start)
    nearby = repeat(around, air.factor, hu.shape, start)
    return np.asarray(nearby & (hu < SURFACE_HU), dtype=np.bool_)
