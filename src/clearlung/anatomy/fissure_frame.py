"""The frame of one fissure: two axes along it, one across, and the scan sampled in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

# Fine enough for a fissure's bends, coarse enough that one cell averages over several voxels of noise.
STEP_MM = 1.5
# Cells beyond the lung on every side, so that filters need no special case at the rim.
RIM_CELLS = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """A plane through a lung, with a grid of cells on it.

    Coordinates are mm along the array axes (z, y, x) from the center of the first voxel.

    Parameters
    ----------
    origin_mm
        float64, shape (3,): where cell (0, 0) lies at height 0.
    axes
        float64, shape (3, 3): unit vectors along u, along v, and across (upwards).
    shape
        Cells along u and v, :data:`STEP_MM` apart.
    """

    origin_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    shape: tuple[int, int]

    @classmethod
    def around(cls, points_mm: NDArray[np.float64], normal: NDArray[np.float64]) -> Frame:
        """Lay a frame with a given normal through the middle of points, wide enough for them all.

        Parameters
        ----------
        points_mm
            Shape (n, 3).
        normal
            Shape (3,): upwards.
        """
        across = normal / np.linalg.norm(normal)
        along_u = np.array([0.0, 0.0, 1.0]) - across[2] * across
        along_u /= np.linalg.norm(along_u)
        axes = np.stack([along_u, np.cross(across, along_u), across])
        inside = points_mm @ axes.T
        low, high = inside.min(axis=0), inside.max(axis=0)
        start = np.append(low[:2] - RIM_CELLS * STEP_MM, inside[:, 2].mean())
        nu, nv = (int(n) for n in np.ceil((high - low)[:2] / STEP_MM) + 1 + 2 * RIM_CELLS)
        return cls(start @ axes, axes, (nu, nv))

    def coordinates(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Cell indices along u and v, and heights in mm, of points; shape (..., 3)."""
        local = (points_mm - self.origin_mm) @ self.axes.T
        local[..., :2] /= STEP_MM
        return np.asarray(local)

    def plane(self, normal: NDArray[np.float64], offset_mm: float) -> FloatArray:
        """Heights of the plane ``normal @ point = offset_mm`` over the cells, shape (u, v)."""
        u, v = np.meshgrid(*(np.arange(n) * STEP_MM for n in self.shape), indexing="ij")
        below = (
            offset_mm - self.origin_mm @ normal - u * (self.axes[0] @ normal) - v * (self.axes[1] @ normal)
        )
        return np.asarray(below / (self.axes[2] @ normal), dtype=np.float32)


@njit(cache=True, parallel=True)
def _sample(volume: Any, spacing: Any, origin: Any, axes: Any, step: Any, base: Any, heights: Any) -> Any:
    nu, nv = base.shape
    nz, ny, nx = volume.shape
    out = np.zeros((nu, nv, len(heights)), dtype=np.float32)
    for i in prange(nu):
        for j in range(nv):
            for k in range(len(heights)):
                h = base[i, j] + heights[k]
                z = (origin[0] + i * step * axes[0, 0] + j * step * axes[1, 0] + h * axes[2, 0]) / spacing[0]
                y = (origin[1] + i * step * axes[0, 1] + j * step * axes[1, 1] + h * axes[2, 1]) / spacing[1]
                x = (origin[2] + i * step * axes[0, 2] + j * step * axes[1, 2] + h * axes[2, 2]) / spacing[2]
                if z < 0 or y < 0 or x < 0 or z >= nz - 1 or y >= ny - 1 or x >= nx - 1:
                    continue
                a, b, c = int(z), int(y), int(x)
                fz, fy, fx = np.float32(z - a), np.float32(y - b), np.float32(x - c)
                gx = np.float32(1.0) - fx
                near = (volume[a, b, c] * gx + volume[a, b, c + 1] * fx) * (np.float32(1.0) - fy) + (
                    volume[a, b + 1, c] * gx + volume[a, b + 1, c + 1] * fx
                ) * fy
                far = (volume[a + 1, b, c] * gx + volume[a + 1, b, c + 1] * fx) * (np.float32(1.0) - fy) + (
                    volume[a + 1, b + 1, c] * gx + volume[a + 1, b + 1, c + 1] * fx
                ) * fy
                out[i, j, k] = near * (np.float32(1.0) - fz) + far * fz
    return out


def sample_around(
    volume: FloatArray,
    spacing_mm: tuple[float, float, float],
    shift_mm: NDArray[np.float64],
    frame: Frame,
    base: FloatArray,
    heights_mm: FloatArray,
) -> FloatArray:
    """Sample a volume in columns across a surface.

    Parameters
    ----------
    volume
        Shape (z, y, x).
    spacing_mm
        Along z, y and x.
    shift_mm
        Shape (3,): center of the volume's first voxel.
    frame
        Where the columns stand.
    base
        Shape (u, v): the surface's heights in mm.
    heights_mm
        Shape (n,): heights above the surface at which to sample.

    Returns
    -------
    samples
        float32, shape (u, v, n): trilinear values, 0 outside the volume.
    """
    sampled: FloatArray = _sample(
        volume, np.asarray(spacing_mm), frame.origin_mm - shift_mm, frame.axes, STEP_MM, base, heights_mm
    )
    return sampled
