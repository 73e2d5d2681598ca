"""From a scan to its anatomy: lungs, lobes and depth below the pleura."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.air import AIR_BELOW_HU, CoarseAir, find_air
from clearlung.anatomy.airways import find_airways, walled_airways
from clearlung.anatomy.lobes import LOBE_EVIDENCE, LOBE_METHOD, model_lobes
from clearlung.anatomy.masses import restored_masses
from clearlung.anatomy.morphology import Mask, Spacing, bounding_box, close_with_depth, dilate, repeat
from clearlung.anatomy.sides import split_sides
from clearlung.anatomy.types import LUNG_LABELS, SIDES, Anatomy
from clearlung.ct import Box, Scan

# A ball of this radius closes over hilar notches, vessels and nodules that touch the pleura: a nodule
# stays in the lung unless its contact with the chest wall is wider than twice this.
CLOSING_MM = 11.0
MARGIN_MM = 3.0


def segment_anatomy(scan: Scan) -> Anatomy:
    """Segment lungs, lobes and the depth below the pleura.

    Parameters
    ----------
    scan
        A checked scan.

    Returns
    -------
    Anatomy
        On the lungs' bounding box.

    Raises
    ------
    ScanRejected
        With the code ``no_lungs`` if there are none in the scan.

    Notes
    -----
    Air inside the body is found on a coarse grid [1]_, trachea and main bronchi are grown from the neck
    and taken out, right and left are parted at the junction of the pleurae, and each lung is closed by a
    ball of :data:`CLOSING_MM` so that nodules at the pleura and vessels within the lung stay inside.
    Consolidated or collapsed lung and fluid are not lung to this method.

    References
    ----------
    .. [1] S. Hu, E. A. Hoffman, J. M. Reinhardt, "Automatic lung segmentation for accurate quantitation
       of volumetric X-ray CT images", IEEE Trans. Med. Imaging 20(6), 2001.
    """
    air = find_air(scan)
    volume = scan.volume
    spacing = volume.spacing_mm
    coarse_box = bounding_box(air.lungs, air.spacing_mm, CLOSING_MM + MARGIN_MM + max(air.spacing_mm))
    work = _fine_box(coarse_box, air, volume.shape)
    hu = volume.array[work]
    airways = find_airways(hu, spacing, work, air)
    lungs, depth = _lungs_and_depth(hu, airways, _fine_air(air, hu, work), spacing, air, work)
    tight = bounding_box(lungs > 0, spacing, MARGIN_MM)
    box = _shift(tight, work)
    lungs = np.ascontiguousarray(lungs[tight])
    lobes, confidence = model_lobes(lungs, spacing)
    grid = volume.crop(box)
    return Anatomy(
        box=box,
        lungs=grid.with_array(lungs),
        lobes=grid.with_array(lobes),
        lobe_confidence=grid.with_array(confidence),
        depth_mm=grid.with_array(np.ascontiguousarray(depth[tight])),
        lobe_method=LOBE_METHOD,
        evidence=LOBE_EVIDENCE,
    )


def _fine_box(coarse: Box, air: CoarseAir, shape: tuple[int, int, int]) -> Box:
    """Return the scan's box of a coarse one; what is left over by the blocks goes to the last of them."""
    z, y, x = (
        slice(c.start * f, n if c.stop == m else c.stop * f)
        for c, f, n, m in zip(coarse, air.factor, shape, air.lungs.shape, strict=True)
    )
    return z, y, x


def _shift(inner: Box, outer: Box) -> Box:
    z, y, x = (slice(o.start + i.start, o.start + i.stop) for i, o in zip(inner, outer, strict=True))
    return z, y, x


def _fine_air(air: CoarseAir, hu: NDArray[np.int16], work: Box) -> Mask:
    """Air of lungs and airways at full resolution, on the work box."""
    around = dilate(air.lungs, air.spacing_mm, 1.01 * max(air.spacing_mm))
    start = (work[0].start, work[1].start, work[2].start)
    nearby = repeat(around, air.factor, hu.shape, start)
    return np.asarray(nearby & (hu < AIR_BELOW_HU), dtype=np.bool_)


def _lungs_and_depth(
    hu: NDArray[np.int16], airways: Mask, air_mask: Mask, spacing: Spacing, air: CoarseAir, work: Box
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Both lungs' labels and the depth of their voxels, on the work box."""
    walled = walled_airways(airways, spacing)
    middle_x = (air.middle_x + 0.5) * air.factor[2] - 0.5 - work[2].start
    sides = split_sides(air_mask & ~walled, hu, spacing, middle_x)
    lungs = np.zeros(hu.shape, dtype=np.uint8)
    depth = np.zeros(hu.shape, dtype=np.float32)
    for side in SIDES:
        label = LUNG_LABELS[side]
        own = sides == label
        if not own.any():
            continue
        own |= restored_masses(own, spacing, middle_x) & (sides == 0)
        box = bounding_box(own, spacing, CLOSING_MM + MARGIN_MM)
        others = (sides[box] > 0) & ~own[box]
        closed, below = close_with_depth(own[box], spacing, CLOSING_MM)
        closed &= ~others & (lungs[box] == 0)
        depth[box][closed] = below[closed]
        lungs[box][closed & ~walled[box]] = label
    depth[lungs == 0] = 0.0
    return lungs, depth
