"""Morphology in millimeters on plain arrays: thin wrappers around SimpleITK.

SimpleITK does components and distance maps of a whole chest in a second or so and with little memory, and
works in millimeters where spacing differs between axes. Arrays here are (z, y, x), spacings likewise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.ct import Box

Spacing = tuple[float, float, float]
Mask = NDArray[np.bool_]
Triple = tuple[int, int, int]

# Coarse enough to cost the same whatever the scan is, fine enough to tell lungs from what is not.
COARSE_MM = 2.0


def image_of(array: NDArray[Any], spacing_mm: Spacing) -> sitk.Image:
    """Return an array as a SimpleITK image with its spacing and no position."""
    image = sitk.GetImageFromArray(array.view(np.uint8) if array.dtype == np.bool_ else array)
    image.SetSpacing(spacing_mm[::-1])
    return image


def components(mask: Mask, spacing_mm: Spacing, smallest_ml: float = 0.0) -> tuple[NDArray[np.int32], int]:
    """Label the face-connected components of a mask, largest first.

    Parameters
    ----------
    mask
        Shape (z, y, x).
    spacing_mm
        Along z, y and x.
    smallest_ml
        Components below this volume are left out.

    Returns
    -------
    labels, count
        int32, 0 outside; and how many there are.
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    labels = sitk.ConnectedComponent(image_of(mask, spacing_mm))
    labels = sitk.RelabelComponent(labels, int(np.ceil(smallest_ml / voxel_ml)))
    array = np.asarray(sitk.GetArrayFromImage(labels), dtype=np.int32)
    return array, int(array.max())


def distance_outside_mm(mask: Mask, spacing_mm: Spacing) -> NDArray[np.float32]:
    """Distance of each voxel center from the nearest voxel center of a mask; 0 or below inside it."""
    distance = sitk.SignedMaurerDistanceMap(
        image_of(mask, spacing_mm), insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.asarray(sitk.GetArrayFromImage(distance), dtype=np.float32)


def dilate(mask: Mask, spacing_mm: Spacing, radius_mm: float) -> Mask:
    """Grow a mask by a ball."""
    if not mask.any():
        return mask.copy()
    return np.asarray(distance_outside_mm(mask, spacing_mm) <= radius_mm, dtype=np.bool_)


def close(mask: Mask, spacing_mm: Spacing, radius_mm: float) -> Mask:
    """Close a mask with a ball: fill what a ball that stays outside of it cannot reach.

    The mask must keep ``radius_mm`` away from the array's faces, except where it is cut off by one.
    """
    return close_with_depth(mask, spacing_mm, radius_mm)[0]


def close_with_depth(mask: Mask, spacing_mm: Spacing, radius_mm: float) -> tuple[Mask, NDArray[np.float32]]:
    """Close a mask with a ball, and return the depth of voxel centers below the closed surface.

    Notes
    -----
    A ball of the closing's radius touches every point of the closed surface from outside. So the distance
    to what the dilated mask leaves out, less the radius, is the depth: one distance map does for both. As
    the dilation ends somewhere between two voxel centers, this counts from a surface halfway between the
    last center inside and the first one outside, to within half a voxel.
    """
    grown = dilate(mask, spacing_mm, radius_mm)
    if grown.all():
        return grown, np.full(mask.shape, np.inf, dtype=np.float32)
    depth = distance_outside_mm(~grown, spacing_mm) - np.float32(radius_mm)
    # Half a voxel is forgiven, so that a voxel on the ball's own surface does not decide.
    least = np.float32(0.5 * min(spacing_mm))
    closed = (depth > least) | mask
    return closed, np.maximum(depth, least)


def open_(mask: Mask, spacing_mm: Spacing, radius_mm: float) -> Mask:
    """Open a mask with a ball: keep what a ball inside of it can reach."""
    if not mask.any():
        return mask.copy()
    core = distance_outside_mm(~mask, spacing_mm) > radius_mm
    return dilate(core, spacing_mm, radius_mm) & mask


def bounding_box(mask: Mask, spacing_mm: Spacing, margin_mm: float) -> Box:
    """Return the box of a mask's voxels, with a margin where the array allows it."""
    slices = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        margin = int(np.ceil(margin_mm / spacing_mm[axis]))
        slices.append(
            slice(max(0, int(filled[0]) - margin), min(mask.shape[axis], int(filled[-1]) + margin + 1))
        )
    return slices[0], slices[1], slices[2]


def shrink(array: NDArray[Any], spacing_mm: Spacing, to_mm: float) -> tuple[NDArray[Any], Spacing, Triple]:
    """Average blocks of voxels of about ``to_mm``; return them, their spacing and the block's voxels."""
    fz, fy, fx = (min(max(1, round(to_mm / s)), n) for s, n in zip(spacing_mm, array.shape, strict=True))
    small = sitk.GetArrayFromImage(sitk.BinShrink(image_of(array, spacing_mm), (fx, fy, fz)))
    sz, sy, sx = spacing_mm
    return small, (sz * fz, sy * fy, sx * fx), (fz, fy, fx)


def repeat(
    small: NDArray[Any], factor: Triple, shape: tuple[int, int, int], start: Triple = (0, 0, 0)
) -> NDArray[Any]:
    """Repeat blocks onto a finer grid; voxels beyond the last whole block repeat it.

    Parameters
    ----------
    small
        Shape (z, y, x), one value per block.
    factor
        Voxels of a block along z, y and x.
    shape
        Of the result.
    start
        Where the result begins on the fine grid.
    """
    index = [
        np.minimum(np.arange(first, first + n) // f, m - 1)
        for first, n, f, m in zip(start, shape, factor, small.shape, strict=True)
    ]
    return small[np.ix_(*index)]


def widen(small: NDArray[np.float32], factor: Triple, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Interpolate blocks linearly onto a finer grid; the block's centers keep their values.

    Parameters
    ----------
    small
        float32, shape (z, y, x), one value per block.
    factor
        Voxels of a block along z, y and x.
    shape
        Of the result, which begins at the first block's first voxel.
    """
    for axis, (n, f) in enumerate(zip(shape, factor, strict=True)):
        last = small.shape[axis] - 1
        place = np.clip((np.arange(n) + 0.5) / f - 0.5, 0, last)
        first = np.minimum(place.astype(np.intp), max(last - 1, 0))
        sizes = [1, 1, 1]
        sizes[axis] = n
        weight = (place - first).astype(np.float32).reshape(sizes)
        small = (
            small.take(first, axis) * (1 - weight) + small.take(np.minimum(first + 1, last), axis) * weight
        )
    return small
