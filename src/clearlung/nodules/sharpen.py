"""Undoing the scanner's blur on a small crop, on voxels finer than the scan's.

A voxel of a scan is the mean of what lies in and around it. For a nodule of few voxels that is most of what
one sees: its rim is gray and its middle is darker than it is. The scanner's blur is known well enough to be
undone: the density on finer voxels is sought which, blurred again, gives the scan.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Full width at half maximum of the blur of a standard kernel, beside the mean over the voxel itself.
BLUR_MM = 1.2
SIGMA_PER_FWHM = 1.0 / 2.3548
# Landweber's steps, each this long: stable below 2, since blurring and averaging never amplify.
STEPS = 12
STEP_LENGTH = 1.7
# Weights below this are left out.
NOTHING = 1e-3


def scanner_matrix(voxels: int, parts: int, spacing_mm: float) -> FloatArray:
    """Return how one axis of a scan follows from finer voxels, as a matrix of weights.

    Parameters
    ----------
    voxels
        Of the scan along the axis.
    parts
        Finer voxels in one of them.
    spacing_mm
        Of the scan.

    Returns
    -------
    array
        float32, shape (voxels, voxels * parts); rows add to 1.
    """
    step = spacing_mm / parts
    fine = (np.arange(voxels * parts) + 0.5) * step
    sigma = BLUR_MM * SIGMA_PER_FWHM
    blur = np.exp(-0.5 * ((fine[:, None] - fine[None, :]) / sigma) ** 2)
    blur /= blur.sum(axis=1, keepdims=True)
    return np.ascontiguousarray(blur.reshape(voxels, parts, -1).mean(axis=1), dtype=np.float32)


@numba.njit(cache=True, nogil=True)
def _along(matrix: FloatArray, before: int, n: int, after: int, array: FloatArray) -> FloatArray:
    """Apply a banded matrix along the middle axis of a flat array of shape (before, n, after)."""
    m = matrix.shape[0]
    out = np.zeros(before * m * after, dtype=np.float32)
    for i in range(m):
        for j in range(n):
            weight = matrix[i, j]
            if abs(weight) < NOTHING:
                continue
            for b in range(before):
                to, at = (b * m + i) * after, (b * n + j) * after
                for c in range(after):
                    out[to + c] += weight * array[at + c]
    return out


@numba.njit(cache=True, nogil=True)
def _across(matrix: FloatArray, rows: int, n: int, array: FloatArray) -> FloatArray:
    """Apply a banded matrix along the last axis of a flat array of shape (rows, n)."""
    m = matrix.shape[0]
    first = np.zeros(m, dtype=np.int64)
    last = np.zeros(m, dtype=np.int64)
    for i in range(m):
        first[i] = n
        for j in range(n):
            if abs(matrix[i, j]) >= NOTHING:
                first[i] = min(first[i], j)
                last[i] = j + 1
    out = np.empty(rows * m, dtype=np.float32)
    for r in range(rows):
        for i in range(m):
            total = np.float32(0.0)
            for j in range(first[i], last[i]):
                total += matrix[i, j] * array[r * n + j]
            out[r * m + i] = total
    return out


def _apply(array: FloatArray, matrices: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
    """Apply one matrix along each axis."""
    z, y, x = matrices
    nz, ny, nx = array.shape
    flat = _across(x, nz * ny, nx, array.ravel())
    flat = _along(y, nz, ny, len(x), flat)
    flat = _along(z, 1, nz, len(y) * len(x), flat)
    return np.asarray(flat.reshape(len(z), len(y), len(x)))


@dataclass(frozen=True, eq=False)
class Scanner:
    """The scanner's blur on a crop of a scan whose voxels are parted into finer ones.

    Parameters
    ----------
    forward
        One matrix per axis: from the finer voxels to the scan's.
    back
        Their transposes, scaled so that going there and back amplifies nothing.
    """

    forward: tuple[FloatArray, FloatArray, FloatArray]
    back: tuple[FloatArray, FloatArray, FloatArray]

    @classmethod
    def of(
        cls, shape: tuple[int, ...], parts: tuple[int, int, int], spacing_mm: NDArray[np.float64]
    ) -> Scanner:
        """Describe the scanner for a crop of so many voxels, each parted into so many along each axis."""
        z, y, x = (
            scanner_matrix(int(n), int(p), float(s)) for n, p, s in zip(shape, parts, spacing_mm, strict=True)
        )
        pz, py, px = parts
        back = tuple(np.ascontiguousarray(m.T) * np.float32(p) for m, p in ((z, pz), (y, py), (x, px)))
        return cls((z, y, x), (back[0], back[1], back[2]))

    def blurred(self, fine: FloatArray) -> FloatArray:
        """Return what the scan shows of a density on the finer voxels."""
        return _apply(fine, self.forward)

    def sharpened(
        self, seen: FloatArray, start: FloatArray, low: float, high: float, steps: int = STEPS
    ) -> FloatArray:
        """Density on the finer voxels, within limits, which the scan shows as what is seen."""
        fine = start.copy()
        for _ in range(steps):
            fine += np.float32(STEP_LENGTH) * _apply(seen - self.blurred(fine), self.back)
            np.clip(fine, low, high, out=fine)
        return fine
