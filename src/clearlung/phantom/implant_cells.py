"""From cells finer than the voxels to voxels, with blur, and from voxels to cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

# A Gaussian is followed this many standard deviations.
TRUNCATE = 3.5


def along_axes(cells: NDArray[np.float32], weights: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Apply one banded matrix along each axis."""
    for axis in range(3):
        shape = list(cells.shape)
        own = weights[axis]
        flat = cells.reshape(int(np.prod(shape[:axis])), shape[axis], int(np.prod(shape[axis + 1 :])))
        out = np.zeros((flat.shape[0], len(own), flat.shape[2]), dtype=np.float32)
        used = own != 0
        _apply(flat, own, used.argmax(axis=1), own.shape[1] - used[:, ::-1].argmax(axis=1), out)
        shape[axis] = len(own)
        cells = out.reshape(shape)
    return cells


@njit(cache=True, nogil=True, fastmath=True)
def _apply(cells: Any, weights: Any, first: Any, end: Any, out: Any) -> None:
    for a in range(cells.shape[0]):
        for v in range(out.shape[1]):
            for k in range(first[v], end[v]):
                weight = weights[v, k]
                for b in range(cells.shape[2]):
                    out[a, v, b] += weight * cells[a, k, b]


def averaging(voxels: int, parts: int, sigma: float) -> NDArray[np.float32]:
    """Weights of a Gaussian on cells and of the mean of each voxel's cells, shape (voxels, cells)."""
    mean = np.repeat(np.eye(voxels), parts, axis=1) / parts
    if sigma > 0.0:
        apart = np.subtract.outer(np.arange(voxels * parts), np.arange(voxels * parts))
        bell = np.exp(-0.5 * np.square(apart / sigma)) * (np.abs(apart) <= np.ceil(TRUNCATE * sigma))
        mean = mean @ (bell / bell.sum(axis=0))
    return mean.astype(np.float32)


def between(voxels: int, parts: int) -> NDArray[np.float32]:
    """Weights that interpolate from voxels to their cells, shape (cells, voxels)."""
    at = np.clip((np.arange(voxels * parts) + 0.5) / parts - 0.5, 0.0, voxels - 1.0)
    return np.maximum(1.0 - np.abs(at[:, None] - np.arange(voxels)), 0.0).astype(np.float32)
