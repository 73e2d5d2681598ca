"""Kernels on the small cube around one candidate: sampling, distances and flooding.

Every candidate is looked at on a cube of isotropic voxels of its own, sized to the candidate. So thick
slices and thin ones are treated alike, and a candidate costs the same whatever the scan's size.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

FAR = np.float32(1e12)


@numba.njit(cache=True)
def sample_cube(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    center: NDArray[np.float64],
    step_mm: float,
    half: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Sample HU (linear) and lung (nearest) on a cube of ``2 * half + 1`` voxels around a center."""
    n = 2 * half + 1
    values = np.empty((n, n, n), dtype=np.float32)
    inside = np.zeros((n, n, n), dtype=np.bool_)
    nz, ny, nx = hu.shape
    for k in range(n):
        z = min(max(center[0] + (k - half) * step_mm / spacing_mm[0], 0.0), nz - 1.0)
        z0 = min(int(z), nz - 2) if nz > 1 else 0
        z1, fz = min(z0 + 1, nz - 1), z - z0
        for j in range(n):
            y = min(max(center[1] + (j - half) * step_mm / spacing_mm[1], 0.0), ny - 1.0)
            y0 = min(int(y), ny - 2) if ny > 1 else 0
            y1, fy = min(y0 + 1, ny - 1), y - y0
            for i in range(n):
                x = min(max(center[2] + (i - half) * step_mm / spacing_mm[2], 0.0), nx - 1.0)
                x0 = min(int(x), nx - 2) if nx > 1 else 0
                x1, fx = min(x0 + 1, nx - 1), x - x0
                low = (hu[z0, y0, x0] * (1 - fx) + hu[z0, y0, x1] * fx) * (1 - fy) + (
                    hu[z0, y1, x0] * (1 - fx) + hu[z0, y1, x1] * fx
                ) * fy
                high = (hu[z1, y0, x0] * (1 - fx) + hu[z1, y0, x1] * fx) * (1 - fy) + (
                    hu[z1, y1, x0] * (1 - fx) + hu[z1, y1, x1] * fx
                ) * fy
                values[k, j, i] = low * (1 - fz) + high * fz
                inside[k, j, i] = lungs[int(z + 0.5), int(y + 0.5), int(x + 0.5)] > 0
    return values, inside


@numba.njit(cache=True)
def _line_distance(
    line: NDArray[np.float32], out: NDArray[np.float32], v: NDArray[np.int64], b: NDArray[np.float32]
) -> None:
    """Lower envelope of parabolas along one line (Felzenszwalb and Huttenlocher, 2012)."""
    n = line.size
    k = -1
    for q in range(n):
        if line[q] >= FAR:
            continue
        if k < 0:
            k = 0
            v[0] = q
            b[0] = -FAR
            continue
        s = ((line[q] + q * q) - (line[v[k]] + v[k] * v[k])) / (2.0 * (q - v[k]))
        while s <= b[k]:
            k -= 1
            s = ((line[q] + q * q) - (line[v[k]] + v[k] * v[k])) / (2.0 * (q - v[k]))
        k += 1
        v[k] = q
        b[k] = s
    if k < 0:
        out[:] = FAR
        return
    j = 0
    for q in range(n):
        while j < k and b[j + 1] < q:
            j += 1
        out[q] = (q - v[j]) * (q - v[j]) + line[v[j]]


@numba.njit(cache=True)
def distance_to(mask: NDArray[np.bool_], target: bool) -> NDArray[np.float32]:
    """Distance in voxels from each voxel center to the nearest one with a value; huge if none has it."""
    n = mask.shape[0]
    squared = np.empty(mask.shape, dtype=np.float32)
    flat, start = mask.ravel(), squared.ravel()
    for i in range(flat.size):
        start[i] = np.float32(0.0) if flat[i] == target else FAR
    line = np.empty(n, dtype=np.float32)
    out = np.empty(n, dtype=np.float32)
    v = np.empty(n + 1, dtype=np.int64)
    b = np.empty(n + 1, dtype=np.float32)
    for axis in range(3):
        for p in range(n):
            for q in range(n):
                for r in range(n):
                    if axis == 0:
                        line[r] = squared[p, q, r]
                    elif axis == 1:
                        line[r] = squared[p, r, q]
                    else:
                        line[r] = squared[r, p, q]
                _line_distance(line, out, v, b)
                for r in range(n):
                    if axis == 0:
                        squared[p, q, r] = out[r]
                    elif axis == 1:
                        squared[p, r, q] = out[r]
                    else:
                        squared[r, p, q] = out[r]
    for i in range(start.size):
        start[i] = np.sqrt(start[i])
    return squared


@numba.njit(cache=True)
def flood(mask: NDArray[np.bool_], z: int, y: int, x: int) -> NDArray[np.bool_]:
    """Return the face-connected part of a mask that holds a voxel."""
    n = mask.shape[0]
    out = np.zeros(mask.shape, dtype=np.bool_)
    if not mask[z, y, x]:
        return out
    stack = np.empty((mask.size, 3), dtype=np.int32)
    stack[0, 0], stack[0, 1], stack[0, 2] = z, y, x
    out[z, y, x] = True
    top = 1
    while top:
        top -= 1
        cz, cy, cx = stack[top]
        for k in range(6):
            dz = (k == 0) - (k == 1)
            dy = (k == 2) - (k == 3)
            dx = (k == 4) - (k == 5)
            pz, py, px = cz + dz, cy + dy, cx + dx
            within = 0 <= pz < n and 0 <= py < n and 0 <= px < n
            if within and mask[pz, py, px] and not out[pz, py, px]:
                out[pz, py, px] = True
                stack[top, 0], stack[top, 1], stack[top, 2] = pz, py, px
                top += 1
    return out
