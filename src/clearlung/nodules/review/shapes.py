"""Masks made of masks: parts, unions, balls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from clearlung.ct import Box, Volume

# Touching nodules leave a furrow of this width between their outlines.
FURROW_MM = 2.0
# Two lumps of one mask are told apart when the way between them narrows to this share of the smaller one.
NECK_SHARE = 0.85
# A point may be this many voxels beside the mask that it is meant for.
BESIDE_VOXELS = 2.0

Voxels = NDArray[np.int64]


def _flat(index: NDArray[np.int64], grid: Volume) -> Voxels:
    flat: Voxels = np.ravel_multi_index(tuple(index.T), grid.shape).astype(np.int64)
    return flat


def ball(grid: Volume, point_mm: Sequence[float], diameter_mm: float) -> Voxels:
    """Return the voxels whose centers lie in a ball, at least the one that holds its center.

    Parameters
    ----------
    grid
        Any volume on the grid.
    point_mm, diameter_mm
        LPS center and size.
    """
    center = grid.indices([list(point_mm)])[0]
    spacing = np.asarray(grid.spacing_mm)
    reach = diameter_mm / 2 / spacing
    low = np.maximum(np.floor(center - reach), 0).astype(int)
    high = np.minimum(np.ceil(center + reach), np.subtract(grid.shape, 1)).astype(int)
    if (high < low).any():
        return np.zeros(0, dtype=np.int64)
    axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
    parts = [((axis - c) * s) ** 2 for axis, c, s in zip(axes, center, spacing, strict=True)]
    inside = parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]
    index = np.argwhere(inside <= (diameter_mm / 2) ** 2) + low
    if not len(index):
        index = np.rint(center).astype(int)[None]
    return _flat(index, grid)


def crop_of(voxels: Voxels, grid: Volume, margin: int = 1) -> tuple[Box, NDArray[np.bool_]]:
    """Return the box around a mask, with a margin, and the mask in it."""
    index = np.stack(np.unravel_index(voxels, grid.shape))
    low = np.maximum(index.min(axis=1) - margin, 0)
    high = np.minimum(index.max(axis=1) + margin + 1, grid.shape)
    mask = np.zeros(high - low, dtype=np.bool_)
    mask[tuple(index - low[:, None])] = True
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return (z, y, x), mask


def flat_of(box: Box, mask: NDArray[np.bool_], grid: Volume) -> Voxels:
    """Return the flat indices of a mask in a box: the inverse of :func:`crop_of`."""
    index = np.argwhere(mask) + [b.start for b in box]
    return _flat(index, grid)


def closed_union(masks: Sequence[Voxels], grid: Volume, allowed: NDArray[np.bool_]) -> Voxels:
    """Return the union of masks, with the furrow between those that touch filled in.

    Parameters
    ----------
    masks
        Flat voxel indices of each.
    grid
        Any volume on the grid.
    allowed
        bool, on the grid: where the furrow may be filled.
    """
    union = np.unique(np.concatenate(masks))
    steps = [max(1, round(FURROW_MM / 2 / s)) for s in grid.spacing_mm]
    box, mask = crop_of(union, grid, margin=max(steps) + 1)
    reach = np.ogrid[tuple(slice(-n, n + 1) for n in steps)]
    element = sum((axis / n) ** 2 for axis, n in zip(reach, steps, strict=True)) <= 1.01
    closed = ndimage.binary_closing(mask, element)
    return flat_of(box, (closed & allowed[box]) | mask, grid)


def gap_mm(masks: Sequence[Voxels], grid: Volume) -> float:
    """Return the widest gap that must be crossed to walk from each mask to all others, 0 where they touch."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial import cKDTree

    points = [np.stack(np.unravel_index(m, grid.shape), axis=1) * grid.spacing_mm for m in masks]
    apart = np.zeros((len(masks), len(masks)))
    for i, tree in enumerate(map(cKDTree, points)):
        for j in range(i + 1, len(masks)):
            apart[i, j] = tree.query(points[j])[0].min()
    widest = float(minimum_spanning_tree(apart).data.max(initial=0.0))
    return max(0.0, widest - float(np.linalg.norm(grid.spacing_mm)))


def lumps(voxels: Voxels, grid: Volume) -> NDArray[np.float64]:
    """Find the lumps of a mask that a neck parts.

    Parameters
    ----------
    voxels, grid
        The mask.

    Returns
    -------
    array
        Shape (n, 3): voxel indices (z, y, x) of the lumps' middles on the grid, the thickest first; one where
        there is no neck.

    Notes
    -----
    The middles are the maxima of the distance from the rim. Two are of the same lump if a way from the one
    to the other keeps more than :data:`NECK_SHARE` of the smaller one's distance from the rim, which the
    persistence of the maxima tells [1]_.

    References
    ----------
    .. [1] H. Edelsbrunner, D. Letscher and A. Zomorodian, "Topological persistence and simplification",
       Discrete & Computational Geometry 28, 2002.
    """
    box, mask = crop_of(voxels, grid)
    depth = ndimage.distance_transform_edt(mask, sampling=grid.spacing_mm)
    flat = depth.ravel()
    order = np.flatnonzero(mask.ravel())
    order = order[np.argsort(-flat[order], kind="stable")]
    strides = np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    offsets = [d @ strides for d in np.argwhere(np.ones((3, 3, 3))) - 1 if d.any()]
    root = np.full(flat.size, -1, dtype=np.int64)

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    kept: list[int] = []
    # The mask has a margin of one voxel, or ends at the grid's face, where a neighbor may wrap around: it
    # then is outside the mask or as deep as it is, and joins nothing that is not joined already.
    for i in order.tolist():
        root[i] = i
        for offset in offsets:
            j = i + offset
            if not 0 <= j < flat.size or root[j] < 0:
                continue
            a, b = top(i), top(j)
            if a == b:
                continue
            high, low = (a, b) if flat[a] >= flat[b] else (b, a)
            if flat[i] < NECK_SHARE * flat[low]:
                kept.append(low)
            root[low] = high
    kept += [i for i in order[:1].tolist() if i not in kept]
    kept.sort(key=lambda i: -flat[i])
    return np.array(np.unravel_index(kept, mask.shape)).T + [float(b.start) for b in box]


def cut(voxels: Voxels, grid: Volume, seeds: NDArray[np.float64]) -> list[Voxels]:
    """Cut a mask into one part per seed, along the planes where balls around the seeds meet.

    Parameters
    ----------
    voxels, grid
        The mask.
    seeds
        Shape (n, 3): voxel indices (z, y, x) on the grid, in the mask or just beside it.

    Returns
    -------
    list of array
        The parts, in the seeds' order; some may be empty.

    Notes
    -----
    A power diagram [1]_: each ball is as large as the mask is thick at its seed, so that two touching balls
    are cut exactly through the ring where they touch.

    References
    ----------
    .. [1] F. Aurenhammer, "Power diagrams: properties, algorithms and applications", SIAM J. Computing
       16(1), 1987.
    """
    box, mask = crop_of(voxels, grid)
    spacing = np.asarray(grid.spacing_mm)
    depth = ndimage.distance_transform_edt(mask, sampling=spacing)
    local = np.rint(seeds - [b.start for b in box]).astype(int)
    local = np.clip(local, 0, np.subtract(mask.shape, 1))
    radius = depth[tuple(local.T)]
    index = np.argwhere(mask)
    apart = ((index[:, None, :] - local[None]) * spacing) ** 2
    owner = np.argmin(apart.sum(axis=2) - radius**2, axis=1)
    flat = flat_of(box, mask, grid)
    return [flat[owner == k] for k in range(len(seeds))]
