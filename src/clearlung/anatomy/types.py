"""`Anatomy`: what is segmented on a scan, and the names of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.ct import Box, Volume

Side = Literal["right", "left"]
"""A lung, named by the patient's side."""

Lobe = Literal["RUL", "RML", "RLL", "LUL", "LLL"]
"""A lobe: R(ight) or L(eft), U(pper), M(iddle) or L(ower), L(obe)."""

SIDES: tuple[Side, ...] = ("right", "left")
"""Both lungs, in the order in which everything is listed."""

LUNG_LABELS: dict[Side, int] = {"right": 1, "left": 2}
"""Label of each lung in a label map; 0 is outside."""

LOBES: tuple[Lobe, ...] = ("RUL", "RML", "RLL", "LUL", "LLL")
"""The five lobes: right before left, each lung from the head down."""

LOBE_LABELS: dict[Lobe, int] = {"RUL": 1, "RML": 2, "RLL": 3, "LUL": 4, "LLL": 5}
"""Label of each lobe in a label map; 0 is outside."""

LOBE_SIDES: dict[Lobe, Side] = {"RUL": "right", "RML": "right", "RLL": "right", "LUL": "left", "LLL": "left"}
"""The lung that each lobe is part of."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The lungs and lobes of one scan, on the lungs' bounding box.

    Parameters
    ----------
    box
        Where the arrays lie in the scan's volume: slices along z, y, x with a margin of a few voxels.
    lungs
        uint8: 0 outside, 1 right, 2 left (:data:`LUNG_LABELS`). Nodules that touch the pleura are inside;
        airways and hilar vessels are outside.
    lobes
        uint8: 0 outside, else :data:`LOBE_LABELS`.
    lobe_confidence
        float32 in [0, 1]: how sure the lobe of each voxel is; 0 outside the lungs.
    depth_mm
        float32: distance of each lung voxel's center from the pleural surface of its lung; 0 outside.
    lobe_method
        How the lobes were found, in words a report can print.
    evidence
        Ids of the evidence entries that the lobes rest on.
    """

    box: Box
    lungs: Volume
    lobes: Volume
    lobe_confidence: Volume
    depth_mm: Volume
    lobe_method: str
    evidence: tuple[str, ...] = ()

    def lung_ml(self, side: Side) -> float:
        """Volume of one lung in ml."""
        return float(np.count_nonzero(self.lungs.array == LUNG_LABELS[side])) * self.lungs.voxel_ml

    def lobe_ml(self, lobe: Lobe) -> float:
        """Volume of one lobe in ml."""
        return float(np.count_nonzero(self.lobes.array == LOBE_LABELS[lobe])) * self.lobes.voxel_ml

    def full_lungs(self, scan_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the lungs' label map on the whole scan, shape (z, y, x)."""
        full = np.zeros(scan_shape, dtype=np.uint8)
        full[self.box] = self.lungs.array
        return full
