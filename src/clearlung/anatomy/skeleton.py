"""Center lines of what branches: from a mask and its roots to a tree.

Every voxel is joined to a root by the way of least resistance, which runs in the middle because narrow
places resist. The longest of these ways are kept, one after another, each up to where it meets those kept
before; what hardly rises above the surface of a thicker branch is no branch. This knows no loops.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.morphology import Mask, bounding_box
from clearlung.anatomy.skeleton_kernels import face_distance_mm, least_ways, trace, ways_ends
from clearlung.anatomy.skeleton_lines import branches_of, center_lines
from clearlung.anatomy.tree import BranchTree
from clearlung.ct import Volume

# A tip must rise above the surface of the branch that it sits on by this many of that branch's radii and
# this many voxels: less is roughness of the mask.
SPUR_RADII = 0.5
SPUR_VOXELS = 2.0
# Center lines are evened out over this many points to each side: a voxel path zigzags.
SMOOTH_POINTS = 3


def tree_of_mask(
    mask: Mask,
    grid: Volume,
    roots: NDArray[np.int64],
    *,
    spur_radii: float = SPUR_RADII,
    spur_voxels: float = SPUR_VOXELS,
) -> BranchTree:
    """Find the center lines and widths of what branches from given roots.

    Parameters
    ----------
    mask
        bool, shape (z, y, x).
    grid
        Any volume of that shape: where the mask lies in the patient.
    roots
        Shape (k, 3): voxels (z, y, x) of the mask that branches begin at. Several in one piece share it:
        each branch springs from the nearest. Those outside the mask, or that nothing springs from, are
        left out, and so are pieces of the mask without a root.
    spur_radii, spur_voxels
        A tip is a branch if it rises above the surface of the one it sits on by this many of that one's
        radii and, on top, this many voxels.

    Returns
    -------
    BranchTree
        Branches from parting to parting, each from its parent's center line outwards; ``lobe`` and ``name``
        are empty. Radii are those of a round tube of the same cross-section.

    Raises
    ------
    ValueError
        If mask and grid differ in shape.

    Notes
    -----
    Ways of least cost through a medium that resists with the inverse square of the distance from the
    surface, the longest first, as in TEASAR [1]_.

    References
    ----------
    .. [1] M. Sato, I. Bitter, M. A. Bender, A. E. Kaufman, M. Nakajima, "TEASAR: tree-structure extraction
       algorithm for accurate and robust skeletons", Pacific Graphics, 2000.

    Examples
    --------
    >>> mask = np.zeros((40, 9, 9), dtype=bool)
    >>> mask[:, 3:6, 3:6] = True
    >>> tree = tree_of_mask(mask, Volume.at(mask), np.array([[0, 4, 4]]))
    >>> len(tree), round(float(tree.length_mm[0]))
    (1, 39)
    """
    if mask.shape != grid.shape:
        raise ValueError(f"a mask of shape {mask.shape} is not on a grid of {grid.shape}")
    roots = np.asarray(roots, dtype=np.int64).reshape(-1, 3)
    roots = roots[((roots >= 0) & (roots < mask.shape)).all(axis=1)]
    roots = roots[mask[tuple(roots.T)]]
    if not len(roots):
        return BranchTree.empty()
    box = bounding_box(mask, grid.spacing_mm, 0.0)
    first = np.array([s.start for s in box]) - 1
    padded = np.pad(mask[box], 1)
    voxels = np.flatnonzero(padded)
    index = np.full(padded.size, -1, dtype=np.int32)
    index[voxels] = np.arange(voxels.size, dtype=np.int32)
    shape = np.array(padded.shape, dtype=np.int64)
    spacing = np.array(grid.spacing_mm, dtype=np.float64)
    depth = face_distance_mm(voxels, index, shape, spacing)
    starts = index[np.ravel_multi_index(tuple((roots - first).T), padded.shape)]
    before, length, order = least_ways(voxels, index, shape, spacing, depth, np.unique(starts))
    tips = ways_ends(before)
    tips = tips[np.argsort(-length[tips], kind="stable")]
    least_mm = spur_voxels * float(spacing.prod() ** (1 / 3))
    ways = trace(voxels, index, shape, spacing, depth, before, length, tips, spur_radii, least_mm)
    return _assembled(grid, first, (voxels, shape, spacing, depth, before, order), ways)


def _assembled(grid: Volume, first: NDArray[np.int64], field: Any, ways: Any) -> BranchTree:
    """Cut the ways at their partings, and put them into columns."""
    branch, parent, meeting = branches_of(*field, *ways)
    if not parent.size:
        return BranchTree.empty()
    places, radius, owner, own = center_lines(*field, *ways, branch, parent, meeting, SMOOTH_POINTS)
    points = grid.points_mm(places + first)
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    step[owner[1:] != owner[:-1]] = 0.0
    length = np.bincount(owner[1:], weights=step, minlength=parent.size)
    return BranchTree(
        parent=parent,
        generation=_generations(parent),
        lobe=np.full(parent.size, "", dtype="<U3"),
        name=np.full(parent.size, "", dtype="<U24"),
        diameter_mm=2.0 * _medians(radius, owner, own, parent.size),
        length_mm=length.astype(np.float32),
        points_mm=points,
        radius_mm=radius,
        branch=owner,
    )


def _generations(parent: NDArray[np.int32]) -> NDArray[np.int16]:
    generation = np.zeros(parent.size, dtype=np.int16)
    for branch, above in enumerate(parent.tolist()):
        if above >= 0:
            generation[branch] = generation[above] + 1
    return generation


def _medians(
    radius: NDArray[np.float32], owner: NDArray[np.int32], own: NDArray[np.bool_], count: int
) -> NDArray[np.float32]:
    """Median radius of each branch over the points that are its own."""
    radius, owner = radius[own], owner[own]
    ranked = np.lexsort((radius, owner))
    ends = np.cumsum(np.bincount(owner, minlength=count))
    starts = np.concatenate([[0], ends[:-1]])
    low, high = (starts + ends - 1) // 2, (starts + ends) // 2
    return ((radius[ranked[low]] + radius[ranked[high]]) / 2).astype(np.float32)
