"""Divide the lungs into their five lobes along the fissures that the scan shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.fissure_field import LungField, lung_field
from clearlung.anatomy.fissures import Surface, find_fissure
from clearlung.anatomy.lobe_labels import Maps, label_lung, lies_above, surface_maps
from clearlung.anatomy.lobe_marks import Points, lobe_points, marks_for
from clearlung.anatomy.lobe_model import HORIZONTAL, MODEL_EVIDENCE, OBLIQUE, model_plane, share_of
from clearlung.anatomy.morphology import Spacing
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Fissure, Lobe, Side
from clearlung.ct import Volume

LOBE_METHOD = (
    "Fissures sought as bright sheets without vessels between the bronchi of the lobes, around where they "
    "lie in most people; bridged where they are not seen. Confidence falls near a fissure, the more so where "
    "it is bridged."
)

LOBE_EVIDENCE = (*MODEL_EVIDENCE, "anatomy.fissure_error_seen", "anatomy.fissure_error_growth")
"""The evidence that the lobes and their confidence rest on."""

ALL_PRESENT: Mapping[Side, tuple[Lobe, ...]] = {
    side: tuple(lobe for lobe in LOBES if LOBE_SIDES[lobe] == side) for side in SIDES
}
"""The lobes of a chest that has not been operated on."""

# The horizontal fissure begins at the oblique one; this near to it the oblique sheet would be taken for it.
APART_MM = 2.0


@dataclass(frozen=True, eq=False)
class Lobes:
    """The lobes of a scan, on the grid of the lungs that were given.

    Parameters
    ----------
    lobes
        uint8: 0 outside the lungs, else :data:`clearlung.anatomy.LOBE_LABELS`.
    second
        uint8: the lobe across the nearest fissure; 0 outside and where the lung is one lobe.
    confidence
        float32 in [0, 1]: chance that the fissures leave the voxel in its lobe; 0 outside.
    fissures
        How each fissure was found.
    method
        In words a report can print.
    evidence
        Ids of the evidence entries that the result rests on.
    """

    lobes: NDArray[np.uint8]
    second: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    fissures: tuple[Fissure, ...]
    method: str
    evidence: tuple[str, ...]


def find_lobes(
    ct: Volume,
    lungs: NDArray[np.uint8],
    airway_tree: BranchTree | None = None,
    vessels: NDArray[np.uint8] | NDArray[np.bool_] | None = None,
    present: Mapping[Side, tuple[Lobe, ...]] | None = None,
) -> Lobes:
    """Divide the lungs into lobes.

    Parameters
    ----------
    ct
        int16 HU, shape (z, y, x), canonical axes: a box around both lungs.
    lungs
        uint8 on the same grid: 0 outside, 1 right, 2 left.
    airway_tree
        Its branches' lobes keep the fissures on the right side of the bronchi; None or empty: not used.
    vessels
        On the same grid, true inside the vessels of the lungs; None: what is bright is a vessel.
    present
        The lobes that are left of each lung after a lobectomy; None: all.

    Returns
    -------
    Lobes
        On the same grid.

    Raises
    ------
    ValueError
        If the arrays' shapes differ.

    Notes
    -----
    Fissures, vessels and bronchi are weighed together, as in [1]_, but each fissure is one height function
    over a plane and all evidence one cost: first a bent sheet, then every cell together with its neighbors
    (:func:`~clearlung.anatomy.fissure_dense.semi_global`). What is not seen is bridged by a thin plate; a
    fitted surface bridges in [2]_ too. The oblique fissure comes first, the horizontal one in what is in
    front of it. A point at distance d keeps its lobe with the chance that a normal error of the surface is
    less than d; the error is small where the fissure is seen and grows with the distance from there.

    References
    ----------
    .. [1] B. Lassen et al., "Automatic segmentation of the pulmonary lobes from chest CT scans based on
       fissures, vessels, and bronchi", IEEE Trans. Med. Imaging 32(2), 2013.
    .. [2] J. Pu et al., "Pulmonary lobe segmentation in CT examinations using implicit surface fitting",
       IEEE Trans. Med. Imaging 28(12), 2009.
    """
    for name, array in (("lungs", lungs), ("vessels", vessels)):
        if array is not None and array.shape != ct.shape:
            raise ValueError(f"{name} have the shape {array.shape}, and the scan has {ct.shape}")
    tree = BranchTree.empty() if airway_tree is None else airway_tree
    points = lobe_points(ct, tree)
    out = (
        np.zeros(ct.shape, dtype=np.uint8),
        np.zeros(ct.shape, dtype=np.uint8),
        np.zeros(ct.shape, dtype=np.float32),
    )
    fissures: list[Fissure] = []
    for side in SIDES:
        if (lungs == LUNG_LABELS[side]).any():
            left = tuple(lobe for lobe in ALL_PRESENT[side] if lobe in (present or ALL_PRESENT)[side])
            field = lung_field(ct.array, lungs, LUNG_LABELS[side], ct.spacing_mm, vessels)
            found = _fissures_of(side, left, field, points)
            maps: list[Maps] = []
            for fissure, surface in found:
                fissures.append(fissure)
                maps.append(_maps(surface, ct.spacing_mm))
            label_lung(lungs, LUNG_LABELS[side], tuple(maps), tuple(LOBE_LABELS[lobe] for lobe in left), out)
    return Lobes(*out, tuple(fissures), LOBE_METHOD, LOBE_EVIDENCE)


def _maps(surface: Surface, spacing_mm: Spacing, shift_mm: NDArray[np.float64] | float = 0.0) -> Maps:
    return surface_maps(surface.frame, surface.heights_mm, surface.error_mm, spacing_mm, shift_mm)


def _fissures_of(
    side: Side,
    left: tuple[Lobe, ...],
    field: LungField,
    points: Points,
) -> list[tuple[Fissure, Surface]]:
    """Find the fissures between the lobes that are left of one lung, the oblique one first."""
    found = []
    lower: Lobe = "RLL" if side == "right" else "LLL"
    upper = tuple(lobe for lobe in left if lobe != lower)
    if lower in left and upper:
        normal, offset = model_plane(OBLIQUE[side], side, field.points_mm(5), share_of(lower, left))
        surface = find_fissure(field, normal, offset, marks_for(points, upper, (lower,)))
        found.append((Fissure(f"{side} oblique", left, surface.seen_share), surface))
        if len(upper) == 2:
            field = field.within(
                lies_above(field.lung.shape, _maps(surface, field.spacing_mm, field.shift_mm), APART_MM)
            )
    if len(upper) == 2:
        normal, offset = model_plane(HORIZONTAL, side, field.points_mm(5), share_of("RML", upper))
        surface = find_fissure(field, normal, offset, marks_for(points, ("RUL",), ("RML",)))
        if found:
            surface = surface.without_islands(found[0][1])
        found.append((Fissure("right horizontal", upper, surface.seen_share), surface))
    return found
