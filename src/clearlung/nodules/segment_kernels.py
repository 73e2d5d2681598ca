"""Kernels on the crop around one nodule: flooding and round parts, on voxels that need not be cubes."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

# What a deeper place must gain in depth per distance from where the nodule was pointed out.
NEARNESS = 0.3
# Lengths of rays beyond these shares of the radius say nothing about the middle.
RAY_LIMITS = (0.6, 1.4)
ROUNDS = 4


@numba.njit(cache=True, nogil=True)
def flood(mask: NDArray[np.bool_], z: int, y: int, x: int) -> NDArray[np.bool_]:
    """Return the face-connected part of a mask that holds a voxel; nothing if the voxel is outside."""
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
            pz = cz + (k == 0) - (k == 1)
            py = cy + (k == 2) - (k == 3)
            px = cx + (k == 4) - (k == 5)
            within = 0 <= pz < mask.shape[0] and 0 <= py < mask.shape[1] and 0 <= px < mask.shape[2]
            if within and mask[pz, py, px] and not out[pz, py, px]:
                out[pz, py, px] = True
                stack[top, 0], stack[top, 1], stack[top, 2] = pz, py, px
                top += 1
    return out


@numba.njit(cache=True, nogil=True)
def fill_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what the mask shuts off from the faces of its array, over faces of voxels."""
    nz, ny, nx = mask.shape
    open_ = np.zeros(mask.shape, dtype=np.bool_)
    stack = np.empty((mask.size, 3), dtype=np.int32)
    top = 0
    for z in range(nz):
        for y in range(ny):
            edge = z == 0 or z == nz - 1 or y == 0 or y == ny - 1
            for x in range(0, nx, 1 if edge else max(nx - 1, 1)):
                if not mask[z, y, x]:
                    open_[z, y, x] = True
                    stack[top, 0], stack[top, 1], stack[top, 2] = z, y, x
                    top += 1
    while top:
        top -= 1
        cz, cy, cx = stack[top]
        for k in range(6):
            pz = cz + (k == 0) - (k == 1)
            py = cy + (k == 2) - (k == 3)
            px = cx + (k == 4) - (k == 5)
            within = 0 <= pz < nz and 0 <= py < ny and 0 <= px < nx
            if within and not mask[pz, py, px] and not open_[pz, py, px]:
                open_[pz, py, px] = True
                stack[top, 0], stack[top, 1], stack[top, 2] = pz, py, px
                top += 1
    return ~open_


@numba.njit(cache=True, nogil=True)
def deepest(
    depth: NDArray[np.float32],
    dense: NDArray[np.bool_],
    center: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    reach: float,
) -> tuple[int, int, int]:
    """Return the dense voxel within reach of a place that is furthest from the rim; -1 if there is none.

    Of equally deep ones the nearest to the place is taken, and a deeper one further away must be worth it.
    """
    best, bz, by, bx = -1.0, -1, -1, -1
    nz, ny, nx = dense.shape
    for z in range(nz):
        dz = (z - center[0]) * step_mm[0]
        if abs(dz) > reach:
            continue
        for y in range(ny):
            dy = (y - center[1]) * step_mm[1]
            for x in range(nx):
                if not dense[z, y, x]:
                    continue
                dx = (x - center[2]) * step_mm[2]
                off = dz * dz + dy * dy + dx * dx
                if off > reach * reach:
                    continue
                worth = depth[z, y, x] - NEARNESS * off / (reach + 0.1)
                if worth > best:
                    best, bz, by, bx = worth, z, y, x
    return bz, by, bx


@numba.njit(cache=True, nogil=True)
def round_part(
    dense: NDArray[np.bool_],
    center: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    rays: NDArray[np.float64],
    longest: float,
    drift: float,
    quantile: float,
) -> tuple[NDArray[np.float64], float]:
    """Find the middle and the radius of the round part of a mask around a place.

    Parameters
    ----------
    dense
        bool, shape (z, y, x).
    center
        Fractional voxel index (z, y, x) of the place.
    step_mm
        Size of a voxel.
    rays
        Directions (z, y, x), shape (n, 3): they are followed from the middle to where the mask ends.
    longest
        Length in mm at which a ray is given up.
    drift
        How far in mm the middle may lie from the place.
    quantile
        Of the rays' lengths, which one is the radius. Rays that leave along a vessel are the long ones.

    Returns
    -------
    middle, radius
        Fractional voxel index, and mm; 0 if the place is not in the mask.
    """
    nz, ny, nx = dense.shape
    start = center.copy()
    here = center.copy()
    n = len(rays)
    length = np.empty(n)
    step = 0.25 * min(step_mm[0], step_mm[1], step_mm[2])
    typical = 0.0
    for _ in range(ROUNDS):
        for k in range(n):
            r = 0.0
            while r < longest:
                z = int(np.floor(here[0] + r * rays[k, 0] / step_mm[0] + 0.5))
                y = int(np.floor(here[1] + r * rays[k, 1] / step_mm[1] + 0.5))
                x = int(np.floor(here[2] + r * rays[k, 2] / step_mm[2] + 0.5))
                if not (0 <= z < nz and 0 <= y < ny and 0 <= x < nx) or not dense[z, y, x]:
                    break
                r += step
            length[k] = r
        typical = float(np.sort(length)[int(quantile * (n - 1))])
        move = np.zeros(3)
        for k in range(n):
            r = min(max(length[k], RAY_LIMITS[0] * typical), RAY_LIMITS[1] * typical)
            for a in range(3):
                move[a] += 2.0 * r * rays[k, a] / n
        gone = 0.0
        for a in range(3):
            gone += ((here[a] - start[a]) * step_mm[a] + move[a]) ** 2
        if gone > drift * drift:
            break
        for a in range(3):
            here[a] += move[a] / step_mm[a]
    return here, typical
