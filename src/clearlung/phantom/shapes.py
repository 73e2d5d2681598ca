"""Signed distances of simple shapes on a coarse grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.phantom.fields import FAR_MM, Field


@dataclass(frozen=True, eq=False)
class Tubes:
    """Straight tapering pieces of tube.

    Parameters
    ----------
    start_mm, end_mm
        float64, shape (n, 3): LPS.
    start_radius_mm, end_radius_mm
        float64, shape (n,).
    """

    start_mm: NDArray[np.float64]
    end_mm: NDArray[np.float64]
    start_radius_mm: NDArray[np.float64]
    end_radius_mm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.start_mm)

    @classmethod
    def along(cls, points: Sequence[Sequence[float]] | NDArray[np.float64]) -> Tubes:
        """Join points (x, y, z, radius) in their order."""
        p = np.asarray(points, dtype=np.float64)
        return cls(p[:-1, :3].copy(), p[1:, :3].copy(), p[:-1, 3].copy(), p[1:, 3].copy())

    @classmethod
    def joined(cls, parts: Iterable[Tubes]) -> Tubes:
        """Put several sets of tubes into one."""
        parts = list(parts)
        return cls(
            np.concatenate([p.start_mm for p in parts]),
            np.concatenate([p.end_mm for p in parts]),
            np.concatenate([p.start_radius_mm for p in parts]),
            np.concatenate([p.end_radius_mm for p in parts]),
        )

    def widened(self, by_mm: NDArray[np.float64] | float) -> Tubes:
        """Add to the radii, down to nothing."""
        return Tubes(
            self.start_mm,
            self.end_mm,
            np.maximum(self.start_radius_mm + by_mm, 0.0),
            np.maximum(self.end_radius_mm + by_mm, 0.0),
        )

    def chosen(self, which: NDArray[np.bool_]) -> Tubes:
        """Keep some of the pieces."""
        return Tubes(
            self.start_mm[which],
            self.end_mm[which],
            self.start_radius_mm[which],
            self.end_radius_mm[which],
        )

    def sampled(self, step_mm: float = 0.5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Points on the center lines no further apart than ``step_mm``, and the radii there."""
        length = np.linalg.norm(self.end_mm - self.start_mm, axis=1)
        counts = np.ceil(length / step_mm).astype(int) + 1
        piece = np.repeat(np.arange(len(self)), counts)
        first = np.repeat(np.cumsum(counts) - counts, counts)
        t = (np.arange(len(piece)) - first) / np.maximum(counts[piece] - 1, 1)
        points = self.start_mm[piece] + (self.end_mm - self.start_mm)[piece] * t[:, None]
        radii = self.start_radius_mm[piece] * (1 - t) + self.end_radius_mm[piece] * t
        return points, radii


def smooth_path(
    points: Sequence[Sequence[float]] | NDArray[np.float64], pieces: int = 6
) -> NDArray[np.float64]:
    """Points (x, y, z, radius) on a Catmull-Rom curve through the given ones."""
    p = np.asarray(points, dtype=np.float64)
    padded = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    t = np.arange(pieces)[:, None] / pieces
    curves = []
    for a, b, c, d in zip(padded[:-3], padded[1:-2], padded[2:-1], padded[3:], strict=True):
        curves.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.vstack([*curves, p[-1:]])


@njit(cache=True)
def _tubes_into(
    array: Any, step: Any, origin: Any, start: Any, end: Any, r0: Any, r1: Any, reach: Any
) -> Any:
    for i in range(len(start)):
        widest = max(r0[i], r1[i]) + reach
        low = np.empty(3, dtype=np.int64)
        high = np.empty(3, dtype=np.int64)
        for axis in range(3):  # z, y, x
            a, b = start[i, 2 - axis], end[i, 2 - axis]
            low[axis] = max(0, int(np.floor((min(a, b) - widest - origin[axis]) / step)))
            high[axis] = min(array.shape[axis] - 1, int(np.ceil((max(a, b) + widest - origin[axis]) / step)))
        d = end[i] - start[i]
        length2 = max(d[0] * d[0] + d[1] * d[1] + d[2] * d[2], 1e-9)
        for z in range(low[0], high[0] + 1):
            pz = origin[0] + step * z - start[i, 2]
            for y in range(low[1], high[1] + 1):
                py = origin[1] + step * y - start[i, 1]
                for x in range(low[2], high[2] + 1):
                    px = origin[2] + step * x - start[i, 0]
                    t = min(max((px * d[0] + py * d[1] + pz * d[2]) / length2, 0.0), 1.0)
                    qx, qy, qz = px - t * d[0], py - t * d[1], pz - t * d[2]
                    value = (qx * qx + qy * qy + qz * qz) ** 0.5 - (r0[i] * (1 - t) + r1[i] * t)
                    if value < array[z, y, x]:
                        array[z, y, x] = value


def tubes_field(grid: Field, tubes: Tubes, reach_mm: float = 12.0) -> Field:
    """Signed distance of tubes: exact to ``reach_mm`` outside, :data:`FAR_MM` beyond."""
    array = np.full(grid.array.shape, FAR_MM, dtype=np.float32)
    _tubes_into(
        array,
        grid.step_mm,
        np.asarray(grid.origin_mm),
        tubes.start_mm,
        tubes.end_mm,
        tubes.start_radius_mm,
        tubes.end_radius_mm,
        reach_mm,
    )
    return grid.with_array(array)


@njit(cache=True, parallel=True)
def _ellipsoid(array: Any, step: Any, origin: Any, center: Any, radii: Any, turn: Any, far: Any) -> Any:
    nz, ny, nx = array.shape
    for z in prange(nz):
        pz = origin[0] + step * z - center[2]
        for y in range(ny):
            py = origin[1] + step * y - center[1]
            for x in range(nx):
                px = origin[2] + step * x - center[0]
                k0 = k1 = 0.0
                for row in range(3):
                    q = (turn[row, 0] * px + turn[row, 1] * py + turn[row, 2] * pz) / radii[row]
                    k0 += q * q
                    k1 += (q / radii[row]) ** 2
                k0, k1 = k0**0.5, max(k1**0.5, 1e-6)
                array[z, y, x] = min(max(k0 * (k0 - 1.0) / k1, -far), far)


def ellipsoid_field(
    grid: Field,
    center_mm: Sequence[float] | NDArray[np.float64],
    radii_mm: Sequence[float] | NDArray[np.float64],
    axis: Sequence[float] | None = None,
) -> Field:
    """Signed distance (to first order) of an ellipsoid whose first radius lies along ``axis``."""
    turn = np.eye(3)
    if axis is not None:
        first = np.asarray(axis, dtype=np.float64) / np.linalg.norm(axis)
        second = np.cross((0.0, 0.0, 1.0), first)
        second /= np.linalg.norm(second)
        turn = np.stack([first, second, np.cross(first, second)])
    array = np.empty(grid.array.shape, dtype=np.float32)
    origin = np.asarray(grid.origin_mm)
    center, radii = np.asarray(center_mm, dtype=np.float64), np.asarray(radii_mm, dtype=np.float64)
    _ellipsoid(array, grid.step_mm, origin, center, radii, turn, FAR_MM)
    return grid.with_array(array)
