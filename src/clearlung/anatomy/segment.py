"""From a scan to its anatomy: lungs, lobes and depth below the pleura."""

from __future__ import annotations

import numpy as np

from clearlung.anatomy.air import find_air
from clearlung.anatomy.airways import find_airways
from clearlung.anatomy.lobes import find_lobes
from clearlung.anatomy.lungs import MARGIN_MM, find_lungs, lung_box
from clearlung.anatomy.morphology import bounding_box
from clearlung.anatomy.types import Anatomy
from clearlung.ct import Box, Scan


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
    ball so that nodules at the pleura and vessels within the lung stay inside.
    Consolidated or collapsed lung and fluid are not lung to this method.

    References
    ----------
    .. [1] S. Hu, E. A. Hoffman, J. M. Reinhardt, "Automatic lung segmentation for accurate quantitation
       of volumetric X-ray CT images", IEEE Trans. Med. Imaging 20(6), 2001.
    """
    air = find_air(scan)
    volume = scan.volume
    spacing = volume.spacing_mm
    work = lung_box(air, volume.shape)
    hu = volume.array[work]
    airways = find_airways(hu, spacing, work, air)
    lungs, depth = find_lungs(hu, spacing, work, air, airways)
    tight = bounding_box(lungs > 0, spacing, MARGIN_MM)
    box = _shift(tight, work)
    lungs = np.ascontiguousarray(lungs[tight])
    grid = volume.crop(box)
    found = find_lobes(grid, lungs)
    return Anatomy(
        box=box,
        lungs=grid.with_array(lungs),
        lobes=grid.with_array(found.lobes),
        lobe_confidence=grid.with_array(found.confidence),
        depth_mm=grid.with_array(np.ascontiguousarray(depth[tight])),
        lobe_method=found.method,
        evidence=found.evidence,
        lobe_second=grid.with_array(found.second),
        fissures=found.fissures,
    )


def _shift(inner: Box, outer: Box) -> Box:
    z, y, x = (slice(o.start + i.start, o.start + i.stop) for i, o in zip(inner, outer, strict=True))
    return z, y, x
