"""What editing needs from the scan: a mask at a place, and every measure of a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.features import FEATURES, Outlined
from clearlung.nodules.find import FINE_STEP_MM, FINE_STEPS_PER_DIAMETER, _outlined, _paint
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.table import NoduleTable
from clearlung.nodules.tabulate import tabulate


def mask_at(
    scan: Scan, anatomy: Anatomy, point_mm: tuple[float, float, float], diameter_mm: float
) -> NDArray[np.int64]:
    """Return the flat voxel indices of the nodule at a place; empty if nothing dense is there."""
    index = anatomy.lungs.indices([point_mm])
    size = np.array([diameter_mm])
    steps = (FINE_STEPS_PER_DIAMETER, FINE_STEP_MM)
    candidate = Candidates(index, size, np.ones(1))
    found = _outlined(scan, anatomy, candidate.indices, size, steps, candidate.probability)
    labels, _ = _paint(scan, anatomy, found)
    return np.flatnonzero(labels).astype(np.int64)


def measured(scan: Scan, anatomy: Anatomy, labels: NDArray[np.int32]) -> NoduleTable:
    """Return every column of the table for masks, whose labels are their numbers."""
    numbers = np.unique(labels[labels > 0])
    dense = np.zeros(int(numbers.max()) + 1, dtype=np.int32)
    dense[numbers] = np.arange(1, len(numbers) + 1)
    packed = dense[labels]
    features = np.zeros((len(numbers), len(FEATURES)))
    centers = np.zeros((len(numbers), 3))
    for row, box in enumerate(find_objects(packed)):
        inside = np.argwhere(packed[box] == row + 1)
        centers[row] = inside.mean(axis=0) + [b.start for b in box]
        features[row, FEATURES.index("measured_mm3")] = len(inside) * anatomy.lungs.voxel_ml * 1000
    count = np.ones(len(numbers))
    found = Outlined(centers, count, count.astype(np.int64), count, features, count)
    table = tabulate(scan, anatomy, found, packed, NoduleOptions())
    # Tabulating numbers the masks anew, in place.
    first = [int(labels.ravel()[np.flatnonzero(packed.ravel() == i)[0]]) for i in table.id]
    grid = anatomy.lungs.with_array(labels)
    return table.with_columns(id=np.array(first, dtype=np.int32), labels=grid)
