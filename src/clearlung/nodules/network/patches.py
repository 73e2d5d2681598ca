"""The cubes around a candidate that the network looks at, sampled at any scale and turn without aliasing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

PATCH = 20
"""Samples along each edge of a patch."""

# Everything between air and calcified tissue; what is beyond tells nothing more.
WINDOW_HU = (-1000.0, 400.0)
# The near cube is 3.3 diameters wide, within limits: finer steps show only interpolation, and coarser ones
# no texture.
STEPS_PER_DIAMETER = 6.0
NEAR_STEP_MM = (0.4, 2.0)
# The wide cube shows where vessels go and what wall is near.
WIDE_PER_NEAR = 2.75
# A patch is sampled from the coarsest grid that is no coarser than this share of its step.
GRID_PER_STEP = 1.01


@dataclass(frozen=True, eq=False)
class Pyramid:
    """A scan and its lungs on grids of halved resolution, finest first.

    Parameters
    ----------
    images
        float32, HU within :data:`WINDOW_HU`, scaled to 0 to 1.
    lungs
        float32: the share of each voxel that is lung.
    spacings_mm
        Shape (levels, 3).
    factors
        Shape (levels, 3): how many of the finest voxels make one of a level.
    """

    images: tuple[NDArray[np.float32], ...]
    lungs: tuple[NDArray[np.float32], ...]
    spacings_mm: NDArray[np.float64]
    factors: NDArray[np.int64]

    @classmethod
    def of(cls, hu: NDArray[np.int16], lungs: NDArray[np.uint8], spacing_mm: NDArray[np.float64]) -> Pyramid:
        """Build the grids that patches of every size need.

        Parameters
        ----------
        hu, lungs
            int16 and uint8 on the anatomy's box.
        spacing_mm
            Along z, y and x.
        """
        low, high = WINDOW_HU
        image = np.clip(hu, low, high).astype(np.float32)
        image -= np.float32(low)
        image *= np.float32(1.0 / (high - low))
        levels = [(image, (lungs > 0).astype(np.float32), np.asarray(spacing_mm, dtype=np.float64))]
        factors = [np.ones(3, dtype=np.int64)]
        coarsest = NEAR_STEP_MM[1] * WIDE_PER_NEAR
        while True:
            image, inside, spacing = levels[-1]
            halve = (spacing < 1.5 * spacing.min()) & (np.array(image.shape) >= 4)
            if not halve.any() or 2.0 * spacing.min() > coarsest:
                break
            steps = np.where(halve, 2, 1)
            levels.append((_shrunk(image, steps), _shrunk(inside, steps), spacing * steps))
            factors.append(factors[-1] * steps)
        images, insides, spacings = zip(*levels, strict=True)
        return cls(images, insides, np.array(spacings), np.array(factors))

    def level_for(self, step_mm: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the coarsest level that still resolves each step."""
        finest = self.spacings_mm.min(axis=1)
        level = np.searchsorted(finest, np.asarray(step_mm) * GRID_PER_STEP, side="right") - 1
        return np.asarray(np.clip(level, 0, len(finest) - 1), dtype=np.intp)


def _shrunk(image: NDArray[np.float32], steps: NDArray[np.int64]) -> NDArray[np.float32]:
    shrunk = sitk.BinShrink(sitk.GetImageFromArray(image), [int(s) for s in steps[::-1]])
    return np.asarray(sitk.GetArrayFromImage(shrunk), dtype=np.float32)


def near_step_mm(diameter_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Step of the near patch of candidates of given diameters; shape (n,)."""
    return np.clip(np.asarray(diameter_mm) / STEPS_PER_DIAMETER, *NEAR_STEP_MM)


def sample_patches(
    pyramid: Pyramid,
    centers: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    turns: NDArray[np.float64] | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Sample a cube around each center.

    Parameters
    ----------
    pyramid
        The scan.
    centers
        float64, shape (n, 3): voxel indices (z, y, x) on the finest grid, fractional.
    step_mm
        Shape (n,): distance of the samples.
    turns
        Shape (n, 3, 3): columns are the patch's axes along z, y and x in mm; by default the scan's own.
    threads
        By default as many as numba uses.

    Returns
    -------
    array
        float32, shape (n, 2, 20, 20, 20): attenuation within the window as 0 to 1, and the share of lung.
        Beyond the box the nearest voxel counts.
    """
    count = len(centers)
    out = np.empty((count, 2, PATCH, PATCH, PATCH), dtype=np.float32)
    if turns is None:
        turns = np.broadcast_to(np.eye(3), (count, 3, 3))
    level = pyramid.level_for(step_mm)

    def fill(part: NDArray[np.intp]) -> None:
        for i in part:
            k = level[i]
            factor = pyramid.factors[k]
            center = (centers[i] + 0.5) / factor - 0.5
            axes = turns[i] * (step_mm[i] / pyramid.spacings_mm[k])[:, None]
            _sample(pyramid.images[k], pyramid.lungs[k], center, np.ascontiguousarray(axes), out[i])

    workers = threads or numba.get_num_threads()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        list(pool.map(fill, np.array_split(np.arange(count), workers)))
    return out


@numba.njit(cache=True, nogil=True)
def _sample(
    image: NDArray[np.float32],
    lungs: NDArray[np.float32],
    center: NDArray[np.float64],
    axes: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fill one patch by linear interpolation."""
    nz, ny, nx = image.shape
    n = out.shape[1]
    middle = 0.5 * (n - 1)
    for a in range(n):
        for b in range(n):
            for c in range(n):
                oz, oy, ox = a - middle, b - middle, c - middle
                z = center[0] + axes[0, 0] * oz + axes[0, 1] * oy + axes[0, 2] * ox
                y = center[1] + axes[1, 0] * oz + axes[1, 1] * oy + axes[1, 2] * ox
                x = center[2] + axes[2, 0] * oz + axes[2, 1] * oy + axes[2, 2] * ox
                z, y, x = min(max(z, 0.0), nz - 1.0), min(max(y, 0.0), ny - 1.0), min(max(x, 0.0), nx - 1.0)
                z0, y0, x0 = int(z), int(y), int(x)
                z1, y1, x1 = min(z0 + 1, nz - 1), min(y0 + 1, ny - 1), min(x0 + 1, nx - 1)
                fz, fy, fx = np.float32(z - z0), np.float32(y - y0), np.float32(x - x0)
                gz, gy, gx = np.float32(1.0) - fz, np.float32(1.0) - fy, np.float32(1.0) - fx
                out[0, a, b, c] = gz * (
                    gy * (gx * image[z0, y0, x0] + fx * image[z0, y0, x1])
                    + fy * (gx * image[z0, y1, x0] + fx * image[z0, y1, x1])
                ) + fz * (
                    gy * (gx * image[z1, y0, x0] + fx * image[z1, y0, x1])
                    + fy * (gx * image[z1, y1, x0] + fx * image[z1, y1, x1])
                )
                out[1, a, b, c] = gz * (
                    gy * (gx * lungs[z0, y0, x0] + fx * lungs[z0, y0, x1])
                    + fy * (gx * lungs[z0, y1, x0] + fx * lungs[z0, y1, x1])
                ) + fz * (
                    gy * (gx * lungs[z1, y0, x0] + fx * lungs[z1, y0, x1])
                    + fy * (gx * lungs[z1, y1, x0] + fx * lungs[z1, y1, x1])
                )


def size_terms(diameter_mm: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return what the network is told beside the patches, which are scaled to the candidate's size.

    Parameters
    ----------
    diameter_mm
        Shape (n,): the candidates' sizes.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    array
        float32, shape (n, 3): logarithms of the size over 8 mm, and of the slice and pixel spacing over it.
    """
    log_size = np.log(np.asarray(diameter_mm, dtype=np.float64))
    slices, pixels = np.log(spacing_mm[0]), 0.5 * np.log(spacing_mm[1] * spacing_mm[2])
    terms = np.column_stack([log_size - np.log(8.0), slices - log_size, pixels - log_size])
    return np.asarray(terms, dtype=np.float32)
