"""Pleural fluid: what is as dense as water behind a lung."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter

from clearlung.anatomy.morphology import Mask, Spacing, components, distance_outside_mm, open_
from clearlung.anatomy.types import SIDES, Side

# Effusions are -10 to 20 HU, blood without contrast medium and muscle 40 and more, fat -100.
FLUID_HU = (-20.0, 24.0)
# Fat and muscle mixed have the same mean; over this distance only fluid is even.
EVEN_MM = 1.2
EVEN_HU = 60.0
# Seams between lung and muscle are thinner than twice this.
THIN_MM = 2.5
# Fluid that is farther from the lung than this is not in the pleura, or the lung cannot be measured anyway.
FAR_MM = 70.0
# In a patient who lies on the back fluid collects behind the lung's middle.
BEHIND_MM = 15.0
# A layer behind the lung has half of its surface there; a kidney or the stomach below it has little.
AT_LUNG = 0.2
LEAST_ML = 5.0


def find_fluid(
    lungs: Mapping[Side, Mask], hu: NDArray[np.int16], spacing_mm: Spacing, middle_x: float
) -> dict[Side, Mask]:
    """Find the fluid behind each lung.

    Parameters
    ----------
    lungs
        Each lung's air, on a grid of about 2 mm, shape (z, y, x).
    hu
        int16, same shape: block means.
    spacing_mm
        Along z, y and x.
    middle_x
        Index of the body's middle along x.

    Returns
    -------
    dict
        By side, same shape.
    """
    air = lungs["right"] | lungs["left"]
    found = {side: np.zeros_like(air) for side in SIDES}
    if not air.any():
        return found
    near = distance_outside_mm(air, spacing_mm)
    fluid = open_(_even_fluid(hu, spacing_mm) & (near > 0) & (near < FAR_MM), spacing_mm, THIN_MM)
    labels, _ = components(fluid, spacing_mm, LEAST_ML)
    # The opening and the blurred rim of the lung keep this much between the fluid and the lung.
    gap = THIN_MM + max(spacing_mm)
    for label, part in enumerate(find_objects(labels), start=1):
        piece = labels[part] == label
        center = [float(at.mean()) + b.start for at, b in zip(np.nonzero(piece), part, strict=True)]
        side: Side = "left" if center[2] > middle_x else "right"
        rows = np.nonzero(lungs[side])[1]
        if not rows.size or (center[1] - float(rows.mean())) * spacing_mm[1] < BEHIND_MM:
            continue
        rim = piece & (distance_outside_mm(~np.pad(piece, 1), (1.0, 1.0, 1.0))[1:-1, 1:-1, 1:-1] <= 1.0)
        if np.count_nonzero(rim & (near[part] < gap)) >= AT_LUNG * np.count_nonzero(rim):
            found[side][part] |= piece
    return found


def _even_fluid(hu: NDArray[np.int16], spacing: Spacing) -> Mask:
    """Whether a voxel's surroundings have the mean of fluid, evenly."""
    sigma = [EVEN_MM / s for s in spacing]
    values = np.clip(hu, -300, 300).astype(np.float32)
    mean = gaussian_filter(values, sigma)
    spread = gaussian_filter(values * values, sigma) - mean * mean
    return np.asarray((mean > FLUID_HU[0]) & (mean < FLUID_HU[1]) & (spread < EVEN_HU**2), dtype=np.bool_)
