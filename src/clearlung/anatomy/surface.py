"""The pleural surface of one lung: closed over by a rolling ball, and placed between voxels.

A lung's air has notches where vessels enter and where nodules touch the pleura. A ball that rolls over it
from outside does not fall into them. This happens on a grid of about two millimeters whose voxels know
which share of them is lung, so that the surface is known to a fraction of a voxel and needs no finer grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from clearlung.anatomy.depth import inside_distance_mm
from clearlung.anatomy.morphology import Mask, Spacing, Triple, components, distance_outside_mm, image_of
from clearlung.ct import Box

# Halfway between inflated lung (about -850 HU) and the wall: muscle (50 HU) or the fat within it (-100 HU).
SURFACE_HU = -450
# From there to either.
HALF_RANGE_HU = 450.0
# Muscle is a little more than half of the range away; bone is no further outside than muscle.
MOST = 1.2
# Room around a lung beyond the ball, so that every crossing has a voxel beyond it.
ROOM_VOXELS = 2
# A hollow that the ball cannot reach is a mass if this much of what is around it is lung. The mass's blurred
# or spiculated rim lies between.
LUNG_AROUND_HOLE = 0.5
SHELL_MM = (3.0, 6.0)
# A voxel's center this little below the surface is on it, for all that noise lets one know.
ON_SURFACE_MM = 0.1


def outside_share(
    hu: NDArray[np.int16], sides: NDArray[np.uint8], label: int, factor: Triple
) -> NDArray[np.float32]:
    """Return how far blocks of voxels are from one lung's air: about -1 for all lung, 1 for none.

    Parameters
    ----------
    hu
        int16, shape (z, y, x).
    sides
        uint8, same shape: the lungs' air by side, 0 for all else.
    label
        The lung.
    factor
        Voxels of a block along z, y and x; the last blocks may be smaller.

    Returns
    -------
    array
        float32, one value per block.
    """
    shape = tuple(-(-n // f) for n, f in zip(hu.shape, factor, strict=True))
    share = np.empty(shape, dtype=np.float32)
    _share_kernel(hu, sides, label, *factor, SURFACE_HU, HALF_RANGE_HU, MOST, share)
    return share


def closed_depth_mm(
    share: NDArray[np.float32], spacing_mm: Spacing, radius_mm: float
) -> tuple[Box, NDArray[np.float32]]:
    """Close a lung by a ball, and measure how deep below the closed surface everything lies.

    Parameters
    ----------
    share
        float32 from :func:`outside_share`, shape (z, y, x). At its faces the lung is taken to go on.
    spacing_mm
        Along z, y and x.
    radius_mm
        Of the ball.

    Returns
    -------
    box, depth
        Where the lung lies on the grid, with some room; float32 mm there, negative outside.

    Notes
    -----
    A ball of the closing's radius touches every point of the closed surface from outside. So the distance
    from the surface of what it leaves free, less the radius, is the depth. A mass amid the lung that is
    larger than the ball is filled.
    """
    room = [int(np.ceil(radius_mm / s)) + ROOM_VOXELS for s in spacing_mm]
    inside = share < 0
    box, pad = [], []
    for axis, margin in enumerate(room):
        filled = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        low, high = int(filled[0]) - margin, int(filled[-1]) + 1 + margin
        box.append(slice(max(low, 0), min(high, share.shape[axis])))
        pad.append((max(-low, 0), max(high - share.shape[axis], 0)))
    where: Box = (box[0], box[1], box[2])
    padded = np.pad(share[where], pad, mode="edge")
    grown = inside_distance_mm(-padded, spacing_mm, shares=True) - np.float32(radius_mm)
    _fill_masses(grown, padded < 0, spacing_mm, radius_mm)
    depth = inside_distance_mm(grown, spacing_mm) - np.float32(radius_mm)
    inner = tuple(slice(a, n - b) for (a, b), n in zip(pad, depth.shape, strict=True))
    return where, depth[inner]


def _fill_masses(grown: NDArray[np.float32], lung: Mask, spacing: Spacing, radius_mm: float) -> None:
    """Fill, in place, what the ball could reach only from within the lung and what lung surrounds."""
    image = sitk.BinaryFillhole(image_of(grown <= 0, spacing))
    holes = (sitk.GetArrayViewFromImage(image) > 0) & (grown > 0)
    labels, _ = components(holes, spacing)
    reach = [int(np.ceil((radius_mm + SHELL_MM[1]) / s)) + 1 for s in spacing]
    for label, part in enumerate(find_objects(labels), start=1):
        box = tuple(slice(max(0, b.start - n), b.stop + n) for b, n in zip(part, reach, strict=True))
        hole = labels[box] == label
        away = distance_outside_mm(hole, spacing) - radius_mm
        shell = (away > SHELL_MM[0]) & (away < SHELL_MM[1])
        if np.count_nonzero(shell & lung[box]) >= LUNG_AROUND_HOLE * np.count_nonzero(shell):
            grown[box][hole] = -radius_mm


def fill_lung(
    lungs: NDArray[np.uint8],
    depth_mm: NDArray[np.float32],
    sides: NDArray[np.uint8],
    label: int,
    coarse: tuple[Box, NDArray[np.float32], Triple],
) -> None:
    """Write one lung and its depth onto the full grid, in place.

    Parameters
    ----------
    lungs, depth_mm
        uint8 and float32, shape (z, y, x): what is known of the lungs so far. Where both lungs claim a
        voxel, it goes to the one in which it lies deeper.
    sides
        uint8: the lungs' air by side.
    label
        The lung.
    coarse
        Its depth from :func:`closed_depth_mm`: box, depth and the voxels of a block.
    """
    box, depth, factor = coarse
    low = [s.start * f for s, f in zip(box, factor, strict=True)]
    high = [min(s.stop * f, n) for s, f, n in zip(box, factor, lungs.shape, strict=True)]
    _fill_kernel(lungs, depth_mm, sides, label, depth, np.array(low), np.array(high), np.array(factor))


@njit(cache=True, parallel=True)
def _share_kernel(
    hu: Any, sides: Any, label: Any, fz: Any, fy: Any, fx: Any, level: Any, half: Any, most: Any, share: Any
) -> Any:
    nz, ny, nx = hu.shape
    for z in prange(share.shape[0]):
        for y in range(share.shape[1]):
            for x in range(share.shape[2]):
                total = np.float32(0.0)
                count = 0
                for k in range(z * fz, min(z * fz + fz, nz)):
                    for j in range(y * fy, min(y * fy + fy, ny)):
                        for i in range(x * fx, min(x * fx + fx, nx)):
                            value = np.float32((hu[k, j, i] - level) / half)
                            if sides[k, j, i] != label and value < 0:
                                value = np.float32(1.0)
                            total += min(max(value, np.float32(-most)), np.float32(most))
                            count += 1
                share[z, y, x] = total / count


@njit(cache=True, inline="always")
def _weights(at: Any, factor: Any, n: Any) -> Any:
    """Nearest two blocks of a voxel along one axis, and the second one's weight."""
    place = (at + 0.5) / factor - 0.5
    first = min(max(int(np.floor(place)), 0), max(n - 2, 0))
    return first, min(first + 1, n - 1), np.float32(min(max(place - first, 0.0), 1.0))


@njit(cache=True, parallel=True)
def _fill_kernel(
    lungs: Any, depth: Any, sides: Any, label: Any, coarse: Any, low: Any, high: Any, factor: Any
) -> Any:
    nz, ny, nx = coarse.shape
    for z in prange(low[0], high[0]):
        z0, z1, wz = _weights(z - low[0], factor[0], nz)
        row = np.empty(nx, dtype=np.float32)
        for y in range(low[1], high[1]):
            y0, y1, wy = _weights(y - low[1], factor[1], ny)
            for x in range(nx):
                upper = coarse[z0, y0, x] * (1 - wy) + coarse[z0, y1, x] * wy
                lower = coarse[z1, y0, x] * (1 - wy) + coarse[z1, y1, x] * wy
                row[x] = upper * (1 - wz) + lower * wz
            for x in range(low[2], high[2]):
                x0, x1, wx = _weights(x - low[2], factor[2], nx)
                here = row[x0] * (1 - wx) + row[x1] * wx
                own = sides[z, y, x] == label
                if not own and (sides[z, y, x] != 0 or here <= ON_SURFACE_MM or here <= depth[z, y, x]):
                    continue
                lungs[z, y, x] = label
                depth[z, y, x] = max(here, ON_SURFACE_MM)
