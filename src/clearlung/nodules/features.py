"""The features of outlines: which columns there are, and the outlines of many candidates with theirs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEATURES = (
    "radius_mm",
    "volume_mm3",
    "reach_mm",
    "neck",
    "pleura",
    "cut",
    "mean_hu",
    "background_hu",
    "peak_hu",
    "crowd",
    "tree",
    "measured_mm3",
    "center_z",
    "center_y",
    "center_x",
    "zz",
    "yy",
    "xx",
    "zy",
    "zx",
    "yx",
)
"""Columns of a row of features, as :func:`clearlung.nodules.outline.outline` fills it."""

COLUMN = {name: k for k, name in enumerate(FEATURES)}

# The same columns for kernels, which take integers and no dictionaries.
RADIUS, VOLUME, REACH, NECK, PLEURA, CUT = range(6)
MEAN, BACKGROUND, PEAK, CROWD, TREE, MEASURED = range(6, 12)
CENTER, SPREAD, CROSS = 12, 15, 18  # three columns each


@dataclass(frozen=True, eq=False)
class Outlined:
    """Candidates with the features of their outlines.

    Parameters
    ----------
    centers
        float64, shape (n, 3): voxel index (z, y, x) around which the cube lies.
    step_mm, half
        Each one's cube.
    diameter_mm
        Size that the outline was looked for with.
    features
        Shape (n, 21), columns as in :data:`FEATURES`.
    probability
        Shape (n,).
    """

    centers: NDArray[np.float64]
    step_mm: NDArray[np.float64]
    half: NDArray[np.int64]
    diameter_mm: NDArray[np.float64]
    features: NDArray[np.float64]
    probability: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.diameter_mm)

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one feature of every outline, shape (n,)."""
        return self.features[:, COLUMN[name]]

    @property
    def offset_mm(self) -> NDArray[np.float64]:
        """From each cube's center to the outline's own, along z, y and x; shape (n, 3)."""
        return self.features[:, CENTER : CENTER + 3]

    def indices(self, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Voxel indices (z, y, x) of the outlines' own centers, fractional; shape (n, 3)."""
        return np.asarray(self.centers + self.offset_mm / spacing_mm, dtype=np.float64)

    def take(self, rows: NDArray[np.intp]) -> Outlined:
        """Return some of the rows."""
        return Outlined(
            self.centers[rows],
            self.step_mm[rows],
            self.half[rows],
            self.diameter_mm[rows],
            self.features[rows],
            self.probability[rows],
        )
