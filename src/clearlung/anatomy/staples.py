"""Staple lines of earlier operations: thin rows of metal in a lung or at its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label as label_pieces

from clearlung.anatomy.morphology import Spacing

# Calcium in nodules and ribs stays below; titanium is above even where a voxel is only half of it.
METAL_HU = 1500
# Metal is found this far outside of the lungs, where the pleura was stapled ...
AT_LUNG_MM = 3.0
# ... but a row of which less lies within is calcium in a rib's cartilage.
SHARE_WITHIN = 0.2
# Staples of one line stand this far apart at most, with what lies between them blurred away.
JOIN_MM = 5.0
# Rows are longer than clips and markers and shorter than catheters.
LENGTH_MM = (10.0, 130.0)
# A row is longer than it is wide; the voxels of one clip are not.
ELONGATION = 2.5
# Bone and calcified cartilage are thicker than a row of staples is, even blurred over thick slices.
BONE_HU = 500
LARGEST_SECTION_MM2 = 35.0


@dataclass(frozen=True)
class StapleLine:
    """A row of metal.

    Parameters
    ----------
    center
        Index (z, y, x) of its middle.
    length_mm
        From end to end.
    label
        The lung that it is in or at.
    """

    center: tuple[float, float, float]
    length_mm: float
    label: int


def find_staple_lines(
    hu: NDArray[np.int16], lungs: NDArray[np.uint8], spacing_mm: Spacing
) -> tuple[StapleLine, ...]:
    """Find rows of metal in the lungs and at their surface.

    Parameters
    ----------
    hu
        int16, shape (z, y, x).
    lungs
        uint8, same shape: 0 outside, 1 right, 2 left.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    tuple of StapleLine
        The longest first.
    """
    metal = np.argwhere(hu >= METAL_HU)
    reach = [int(np.ceil(AT_LUNG_MM / s)) for s in spacing_mm]
    owners = _owner_near(metal, lungs, reach)
    metal, owners = metal[owners > 0], owners[owners > 0]
    lines = []
    for piece in _clusters(metal, spacing_mm):
        points = metal[piece] * np.asarray(spacing_mm)
        length, elongation = _extent(points)
        if not LENGTH_MM[0] <= length <= LENGTH_MM[1] or elongation < ELONGATION:
            continue
        within = np.mean(lungs[tuple(metal[piece].T)] > 0)
        if within < SHARE_WITHIN or _section_mm2(hu, metal[piece], spacing_mm, length) > LARGEST_SECTION_MM2:
            continue
        z, y, x = metal[piece].mean(axis=0)
        label = int(np.bincount(owners[piece]).argmax())
        lines.append(StapleLine((float(z), float(y), float(x)), length, label))
    return tuple(sorted(lines, key=lambda line: -line.length_mm))


def _owner_near(metal: NDArray[np.intp], lungs: NDArray[np.uint8], reach: list[int]) -> NDArray[np.uint8]:
    """Label of a lung within reach of each voxel, along the axes and their diagonals; 0 if there is none."""
    owners = np.zeros(len(metal), dtype=np.uint8)
    last = np.subtract(lungs.shape, 1)
    steps = np.array(np.meshgrid([0, -1, 1], [0, -1, 1], [0, -1, 1], indexing="ij")).reshape(3, -1).T
    for step in steps:
        at = np.clip(metal + step * reach, 0, last)
        owners = np.where(owners > 0, owners, lungs[tuple(at.T)])
    return owners


def _clusters(metal: NDArray[np.intp], spacing: Spacing) -> list[NDArray[np.intp]]:
    """Return the indices of voxels that stand close together, by cluster."""
    if not len(metal):
        return []
    low = metal.min(axis=0)
    step = np.maximum(1, np.round(JOIN_MM / 2.0 / np.asarray(spacing))).astype(np.intp)
    cell = (metal - low) // step
    grid = np.zeros(cell.max(axis=0) + 1, dtype=np.bool_)
    grid[tuple(cell.T)] = True
    labels, _ = label_pieces(grid, structure=np.ones((3, 3, 3)))
    owner = labels[tuple(cell.T)]
    return [np.flatnonzero(owner == k) for k in range(1, int(labels.max()) + 1)]


def _extent(points: NDArray[np.float64]) -> tuple[float, float]:
    """Length along the main axis, and how many times the spread across it the spread along it is."""
    if len(points) < 3:
        return 0.0, 0.0
    away = points - points.mean(axis=0)
    _, spread, axes = np.linalg.svd(away, full_matrices=False)
    return float(np.ptp(away @ axes[0])), float(spread[0] / max(spread[1], 1e-6))


def _section_mm2(
    hu: NDArray[np.int16], voxels: NDArray[np.intp], spacing: Spacing, length_mm: float
) -> float:
    """Mean section of the dense tissue that the voxels are part of."""
    margin = np.ceil(JOIN_MM / np.asarray(spacing)).astype(np.intp)
    low = np.maximum(voxels.min(axis=0) - margin, 0)
    high = np.minimum(voxels.max(axis=0) + margin + 1, hu.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    labels, _ = label_pieces(hu[box] >= BONE_HU)
    own = np.unique(labels[tuple((voxels - low).T)])
    return float(np.isin(labels, own[own > 0]).sum()) * float(np.prod(spacing)) / length_mm
