"""The vessels of the lungs, as a mask and as a tree from each hilum outwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.hila import find_hila
from clearlung.anatomy.morphology import COARSE_MM, Mask, Spacing, bounding_box, close, repeat, shrink
from clearlung.anatomy.skeleton import tree_of_mask
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LUNG_LABELS, SIDES, Side
from clearlung.anatomy.vessel_kernels import mark_balls, pieces, strongest
from clearlung.anatomy.vessel_mask import LungVessels, listed, lung_vessels
from clearlung.anatomy.vessel_width import with_widths
from clearlung.ct import Box, Volume

# The walls of segmental bronchi and of all that is narrower.
WALL_MM = 1.0
# Around the hilum, a ball of this radius that stays outside of the lung does not reach its large vessels.
HILUM_MM, NOTCH_MM = 28.0, 12.0
# A vessel leaves the lung where there is none this far towards the other one; the exit of a vessel worth a
# root is as large as this.
EXIT_MM, EXIT_MM3 = 2.5, 15.0
MARGIN_MM = 3.0
# Halfway between lung and blood: what is brighter may be a large vessel.
EDGE_HU = -420
OTHER: dict[Side, Side] = {"right": "left", "left": "right"}


@dataclass(frozen=True, eq=False)
class Vessels:
    """The vessels of both lungs.

    Parameters
    ----------
    mask
        uint8, shape (z, y, x): 1 in a vessel. Around the hila it reaches a few mm out of the lungs.
    tree
        Branches from each hilum outwards; arteries and veins are not told apart. A piece whose connection is
        not seen begins with a root of its own, at its end nearest to the hilum.
    hila_mm
        LPS point of each hilum that was found.
    """

    mask: NDArray[np.uint8]
    tree: BranchTree
    hila_mm: Mapping[Side, tuple[float, float, float]]


def find_vessels(
    ct: Volume, lungs: NDArray[np.uint8], airways: Mask, given: NDArray[np.uint8] | None = None
) -> Vessels:
    """Find arteries and veins of the lungs, with or without contrast medium, and the hila.

    Parameters
    ----------
    ct
        int16, HU, canonical axes: a box around the lungs.
    lungs
        uint8: 0 outside, 1 right, 2 left; same shape.
    airways
        bool, same shape: lumina of trachea and bronchi; may be empty.
    given
        uint8, same shape: vessels that are known already; only their tree and the hila are found then.

    Returns
    -------
    Vessels
        On the same grid; empty where there is no lung.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    A tube filter over all widths, thresholds with hysteresis, and bridges over partings, where tubes are
    not tubes. Nodules are balls whose surface ends on all sides; they are cut out before.
    """
    if not ct.shape == lungs.shape == airways.shape:
        raise ValueError(
            f"the scan is of shape {ct.shape}, the lungs of {lungs.shape}, the airways of {airways.shape}"
        )
    spacing = ct.spacing_mm
    hila = find_hila(lungs, airways, ct.array > EDGE_HU, ct)
    if given is not None:
        known = given > 0
        tree = tree_of_mask(known, ct, _roots(known, lungs, ct, hila)) if known.any() else BranchTree.empty()
        return Vessels(known.view(np.uint8), tree, hila)
    walled = _walled(airways, spacing)
    mask = np.zeros(ct.shape, dtype=np.bool_)
    found: list[LungVessels] = []
    for side in SIDES:
        own = lungs == LUNG_LABELS[side]
        if not own.any():
            continue
        box = bounding_box(own, spacing, MARGIN_MM)
        within = own[box]
        hilum = None
        if side in hila:
            grid = ct.crop(box)
            hilum = grid.indices([hila[side]])[0]
            _add_hilum(within, lungs[box], grid, hilum)
        inside = within & ~walled[box]
        if inside.any():
            found.append(lung_vessels(ct.array[box], inside, within, spacing, hilum))
            mask[box] |= found[-1].mask
    if not mask.any():
        return Vessels(mask.view(np.uint8), BranchTree.empty(), hila)
    tree = tree_of_mask(mask, ct, _roots(mask, lungs, ct, hila))
    blood = float(np.median([f.blood_hu for f in found]))
    lung = float(np.median([f.lung_hu for f in found]))
    return Vessels(mask.view(np.uint8), with_widths(tree, ct, blood, lung), hila)


def _walled(airways: Mask, spacing: Spacing) -> Mask:
    """Airways with their walls."""
    walled = airways.copy()
    places = np.flatnonzero(airways)
    mark_balls(places, np.full(places.size, WALL_MM), np.array(spacing), walled)
    return walled


def _add_hilum(within: Mask, lungs: NDArray[np.uint8], grid: Volume, center: NDArray[np.float64]) -> None:
    """Add the notch of the hilum, where large vessels lie outside the lung; in place."""
    box = _cube(center, HILUM_MM, grid)
    if not within[box].any():
        return
    share, step, factor = shrink(within[box].astype(np.float32), grid.spacing_mm, COARSE_MM)
    notch = repeat(close(share > 0.5, step, NOTCH_MM), factor, within[box].shape)
    within[box] |= notch & (lungs[box] == 0)


def _cube(center: NDArray[np.float64], reach_mm: float, grid: Volume) -> Box:
    z, y, x = (
        slice(max(0, int(c - reach_mm / s)), max(0, min(n, int(c + reach_mm / s) + 2)))
        for c, s, n in zip(center, grid.spacing_mm, grid.shape, strict=True)
    )
    return z, y, x


def _roots(
    mask: Mask, lungs: NDArray[np.uint8], grid: Volume, hila: Mapping[Side, tuple[float, float, float]]
) -> NDArray[np.int64]:
    """Voxels that the trees begin at: where vessels leave the lungs, and the end of what does not."""
    voxels, index, shape = listed(mask)
    places = np.stack(np.unravel_index(voxels, mask.shape), axis=1)
    away = _distance_to_hila(grid.points_mm(places), lungs, grid, hila)
    leaving = (away <= HILUM_MM) & _at_the_exit(places, mask, lungs, grid)
    label, count = pieces(voxels, index, shape, leaving)
    sizes = np.bincount(label[label >= 0], minlength=count) * grid.voxel_ml * 1000.0
    roots = strongest(label, count, -away)[sizes >= EXIT_MM3]
    whole, count = pieces(voxels, index, shape, np.ones(voxels.size, dtype=np.bool_))
    rooted = np.zeros(count, dtype=np.bool_)
    rooted[whole[roots]] = True
    others = strongest(np.where(rooted[whole], -1, whole), count, -away)
    return np.asarray(places[np.concatenate([roots, others[others >= 0]])], dtype=np.int64)


def _at_the_exit(
    places: NDArray[np.intp], mask: Mask, lungs: NDArray[np.uint8], grid: Volume
) -> NDArray[np.bool_]:
    """Whether, from each place towards the other lung, what is next is neither lung nor vessel."""
    z, y, x = places.T
    steps = max(1, round(EXIT_MM / grid.spacing_mm[2]))
    # Canonical axes: x runs to the patient's left.
    middle = np.where(_column_sides(lungs)[x] == LUNG_LABELS["right"], 1, -1)
    beyond = np.clip(x + steps * middle, 0, lungs.shape[2] - 1)
    return np.asarray((lungs[z, y, beyond] == 0) & ~mask[z, y, beyond])


def _column_sides(lungs: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Which lung's column each x is: the one with more voxels there."""
    counts = [(lungs == LUNG_LABELS[side]).sum(axis=(0, 1)) for side in SIDES]
    return np.asarray(np.argmax(counts, axis=0) + 1, dtype=np.intp)


def _distance_to_hila(
    points_mm: NDArray[np.float64],
    lungs: NDArray[np.uint8],
    grid: Volume,
    hila: Mapping[Side, tuple[float, float, float]],
) -> NDArray[np.float64]:
    """Distance of each point from the nearest hilum; from between the lungs if there is none."""
    ends = list(hila.values())
    if not ends:
        middle = (np.array(lungs.shape) - 1) / 2
        for side, column in zip(SIDES, (lungs.shape[2] - 1, 0), strict=True):
            if not (lungs == LUNG_LABELS[OTHER[side]]).any():
                middle[2] = column
        ends = [tuple(grid.points_mm([middle])[0])]
    away = [np.linalg.norm(points_mm - end, axis=1) for end in np.array(ends)]
    return np.asarray(np.min(away, axis=0), dtype=np.float64)
