"""Smooth fields on a coarse grid: signed distances to organs, and textures.

The anatomy is described once, on a grid of its own, whatever the scan's voxels are. A signed distance
interpolates so smoothly that an edge drawn from a 2 mm grid is exact to a fraction of a scan voxel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]

# Distances beyond this are never used, and clipping keeps far-away inexactness from mattering.
FAR_MM = 60.0


@dataclass(frozen=True, eq=False)
class Field:
    """Values on a regular grid whose axes are the patient's.

    Parameters
    ----------
    array
        float32, shape (z, y, x).
    step_mm
        Distance between grid points, the same along all axes.
    origin_mm
        (z, y, x) of the first grid point.
    """

    array: FloatArray
    step_mm: float
    origin_mm: tuple[float, float, float]

    def with_array(self, array: FloatArray) -> Field:
        """Return another array on the same grid."""
        return Field(np.ascontiguousarray(array, dtype=np.float32), self.step_mm, self.origin_mm)

    def crop(self, low_mm: tuple[float, float, float], high_mm: tuple[float, float, float]) -> Field:
        """Return the part between two corners (z, y, x), rounded outwards and kept on the grid."""
        origin = np.asarray(self.origin_mm)
        low = np.maximum(np.floor((np.asarray(low_mm) - origin) / self.step_mm), 0).astype(int)
        high = np.ceil((np.asarray(high_mm) - origin) / self.step_mm).astype(int) + 1
        part = self.array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        z, y, x = (float(v) for v in origin + low * self.step_mm)
        return Field(np.ascontiguousarray(part), self.step_mm, (z, y, x))

    def axes_mm(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coordinates along z, y and x, shaped to broadcast over the grid."""
        z, y, x = (
            (start + self.step_mm * np.arange(n)).astype(np.float32)
            for start, n in zip(self.origin_mm, self.array.shape, strict=True)
        )
        return z[:, None, None], y[None, :, None], x[None, None, :]

    def at(self, points_mm: ArrayLike) -> FloatArray:
        """Interpolate at LPS points, shape (n, 3) in (x, y, z); returns shape (n,)."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        values: FloatArray = sample(self.array, self.step_mm, np.asarray(self.origin_mm), points)
        return values

    def gradient_at(self, points_mm: ArrayLike, step_mm: float = 2.0) -> NDArray[np.float64]:
        """Central differences at LPS points; shape (n, 3) in (x, y, z)."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        steps = np.eye(3) * step_mm
        return np.stack(
            [(self.at(points + s).astype(float) - self.at(points - s)) / (2 * step_mm) for s in steps], axis=1
        )

    def surface_points_mm(self) -> NDArray[np.float64]:
        """Where the field changes its sign along a grid edge, LPS, shape (n, 3): points of the surface."""
        found = []
        for axis in range(3):
            here = np.moveaxis(self.array, axis, 0)
            low, high = here[:-1], here[1:]
            crossing = np.nonzero((low < 0) != (high < 0))
            index = np.array(crossing, dtype=np.float64)
            index[0] += low[crossing] / (low[crossing] - high[crossing])
            order = np.insert(np.arange(1, 3), axis, 0)
            found.append(index[order].T)
        zyx = np.concatenate(found) * self.step_mm + np.asarray(self.origin_mm)
        return np.ascontiguousarray(zyx[:, ::-1])


@njit(cache=True, parallel=True)
def _refine(values: Any, base: Any, weights: Any, out: Any) -> Any:
    for k in prange(out.shape[0] * out.shape[1]):
        i, j = k // out.shape[1], k % out.shape[1]
        for m in range(out.shape[2]):
            total = np.float32(0.0)
            for n in range(4):
                total += weights[n, j] * values[i, base[j] + n, m]
            out[i, j, m] = total


@njit(cache=True, parallel=True)
def _refine_rows(values: Any, base: Any, weights: Any, out: Any) -> Any:
    for i in prange(out.shape[0]):
        for j in range(out.shape[1]):
            b = base[j]
            out[i, j] = (
                weights[0, j] * values[i, b]
                + weights[1, j] * values[i, b + 1]
                + weights[2, j] * values[i, b + 2]
                + weights[3, j] * values[i, b + 3]
            )


def _spline_up(values: FloatArray, axis: int, step: int, n: int) -> FloatArray:
    """Refine along one axis with the cubic B-spline, rescaled to keep the mean variance."""
    index = np.arange(n) / step
    base = index.astype(np.int64)
    t = (index - base).astype(np.float32)
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
    weights /= np.sqrt((weights**2).sum(axis=0).mean())
    shape = list(values.shape)
    shape[axis] = n
    outer, inner = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    out = np.empty((outer, n, inner), dtype=np.float32)
    if inner == 1:
        _refine_rows(values.reshape(outer, -1), base, weights, out[:, :, 0])
    else:
        _refine(values.reshape(outer, -1, inner), base, weights, out)
    return out.reshape(shape)


def smooth_noise(grid: Field, length_mm: float, rng: np.random.Generator) -> FloatArray:
    """Random texture of unit standard deviation on a field's grid, correlated over about ``length_mm``."""
    step = max(1, round(length_mm / grid.step_mm / 2))
    noise = rng.standard_normal(tuple(n // step + 4 for n in grid.array.shape), dtype=np.float32)
    for axis, n in enumerate(grid.array.shape):
        noise = _spline_up(noise, axis, step, n)
    return noise


@njit(cache=True)
def interpolate(array: Any, z: Any, y: Any, x: Any) -> Any:
    """Trilinear value at a fractional index; beyond the grid, the nearest border value."""
    nz, ny, nx = array.shape
    z = min(max(z, 0.0), nz - 1.001)
    y = min(max(y, 0.0), ny - 1.001)
    x = min(max(x, 0.0), nx - 1.001)
    iz, iy, ix = int(z), int(y), int(x)
    fz, fy, fx = z - iz, y - iy, x - ix
    near = (array[iz, iy, ix] * (1 - fx) + array[iz, iy, ix + 1] * fx) * (1 - fy) + (
        array[iz, iy + 1, ix] * (1 - fx) + array[iz, iy + 1, ix + 1] * fx
    ) * fy
    far = (array[iz + 1, iy, ix] * (1 - fx) + array[iz + 1, iy, ix + 1] * fx) * (1 - fy) + (
        array[iz + 1, iy + 1, ix] * (1 - fx) + array[iz + 1, iy + 1, ix + 1] * fx
    ) * fy
    return near * (1 - fz) + far * fz


@njit(cache=True)
def sample(array: Any, step_mm: Any, origin_mm: Any, points_mm: Any) -> Any:
    """Trilinear values at LPS points (n, 3)."""
    values = np.empty(len(points_mm), dtype=np.float32)
    for i in range(len(points_mm)):
        values[i] = interpolate(
            array,
            (points_mm[i, 2] - origin_mm[0]) / step_mm,
            (points_mm[i, 1] - origin_mm[1]) / step_mm,
            (points_mm[i, 0] - origin_mm[2]) / step_mm,
        )
    return values


@njit(cache=True, parallel=True)
def _divide_by_slope(array: Any, step_mm: Any, far_mm: Any) -> Any:
    nz, ny, nx = array.shape
    out = np.empty_like(array)
    for z in prange(nz):
        z0, z1 = max(z - 1, 0), min(z + 1, nz - 1)
        for y in range(ny):
            y0, y1 = max(y - 1, 0), min(y + 1, ny - 1)
            for x in range(nx):
                x0, x1 = max(x - 1, 0), min(x + 1, nx - 1)
                dz = (array[z1, y, x] - array[z0, y, x]) / ((z1 - z0) * step_mm)
                dy = (array[z, y1, x] - array[z, y0, x]) / ((y1 - y0) * step_mm)
                dx = (array[z, y, x1] - array[z, y, x0]) / ((x1 - x0) * step_mm)
                slope = max((dz * dz + dy * dy + dx * dx) ** 0.5, 1e-6)
                out[z, y, x] = min(max(array[z, y, x] / slope, -far_mm), far_mm)
    return out


def distance_like(field: Field) -> Field:
    """Turn any implicit function into a signed distance, exact near its zero surface."""
    return field.with_array(_divide_by_slope(field.array, field.step_mm, FAR_MM))


@njit(cache=True, parallel=True)
def _union(a: Any, b: Any, width: Any) -> Any:
    out = np.empty_like(a)
    half = np.float32(0.5)
    for k in prange(a.size):
        blend = min(max(half + half * (b[k] - a[k]) / width, np.float32(0.0)), np.float32(1.0))
        out[k] = b[k] + (a[k] - b[k]) * blend - width * blend * (np.float32(1.0) - blend)
    return out


def smooth_union(a: FloatArray, b: FloatArray, width_mm: float) -> FloatArray:
    """Signed distance of the union of two shapes, their seam rounded over about ``width_mm``."""
    flat = [np.ascontiguousarray(v, dtype=np.float32).ravel() for v in np.broadcast_arrays(a, b)]
    union: FloatArray = _union(*flat, np.float32(width_mm))
    return union.reshape(np.broadcast_shapes(a.shape, b.shape))


def smooth_intersection(a: FloatArray, b: FloatArray, width_mm: float) -> FloatArray:
    """Signed distance of the intersection of two shapes, their edge rounded over about ``width_mm``."""
    return -smooth_union(-a, -b, width_mm)
