"""Boxes in three dimensions: how they are written, and which of those that overlap is kept."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

BoxMode = Literal["cccwhd", "xyzxyz", "zyxzyx"]
"""Center and size, or two corners: the order in which the six numbers of a box stand."""

# Two boxes that share a quarter of what they cover together are of one nodule; those of two nodules that
# touch share a few percent at most.
SAME_NODULE_IOU = 0.25


def centers_and_sizes(
    boxes: NDArray[np.float64], mode: BoxMode
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centers and sizes, both (n, 3) in x, y, z.

    Parameters
    ----------
    boxes
        Shape (n, 6), in whatever unit.
    mode
        The order of the six numbers.

    Examples
    --------
    >>> centers, sizes = centers_and_sizes(np.array([[0.0, 1, 2, 4, 5, 8]]), "zyxzyx")
    >>> centers.tolist(), sizes.tolist()
    ([[5.0, 3.0, 2.0]], [[6.0, 4.0, 4.0]])
    """
    first, second = boxes[:, :3], boxes[:, 3:]
    if mode == "cccwhd":
        return first, second
    if mode == "zyxzyx":
        first, second = first[:, ::-1], second[:, ::-1]
    return 0.5 * (first + second), second - first


def overlap(
    center: NDArray[np.float64],
    size: NDArray[np.float64],
    boxes: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Intersection over union of one box with each of n others; shape (n,).

    Parameters
    ----------
    center, size
        Shape (3,).
    boxes, sizes
        Centers and sizes of the others, shape (n, 3), in the same unit.

    Examples
    --------
    >>> half = overlap(np.zeros(3), np.full(3, 2.0), np.array([[1.0, 0, 0]]), np.full((1, 3), 2.0))
    >>> round(float(half[0]), 4)
    0.3333
    """
    low = np.maximum(center - 0.5 * size, boxes - 0.5 * sizes)
    high = np.minimum(center + 0.5 * size, boxes + 0.5 * sizes)
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    union = np.prod(size) + np.prod(sizes, axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-12), dtype=np.float64)


def strongest(
    centers: NDArray[np.float64],
    sizes: NDArray[np.float64],
    scores: NDArray[np.float64],
    same: float = SAME_NODULE_IOU,
) -> NDArray[np.intp]:
    """Return the rows to keep where boxes overlap: greedy non-maximum suppression.

    Parameters
    ----------
    centers, sizes
        Shape (n, 3), in mm.
    scores
        Shape (n,).
    same
        Boxes whose intersection over union is above this are of one nodule.

    Returns
    -------
    array
        Rows, the highest score first; ties by position, so that the order of the input does not matter.
    """
    left = np.lexsort((*centers.T, -scores))
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[overlap(centers[best], sizes[best], centers[left], sizes[left]) <= same]
    return np.asarray(kept, dtype=np.intp)
