"""Points of known lobes: the bronchi that the airway tree names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.fissures import Marks
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import Lobe
from clearlung.ct import Volume

# A wider bronchus runs in the hilum, beside its lobe and not within it.
WIDEST_RADIUS_MM = 3.0


Points = tuple[NDArray[np.float64], NDArray[np.str_], NDArray[np.float64]]
"""Points (n, 3) in mm along the array axes, the lobe of each, and the length of bronchus that each is for."""


def lobe_points(ct: Volume, tree: BranchTree) -> Points:
    """Points on the center lines of the bronchi of each lobe.

    Returns
    -------
    points_mm, lobe, length_mm
        Shape (n, 3), mm along the array axes from the first voxel's center; the lobe of each, and the length
        of bronchus that it stands for.
    """
    if not len(tree) or not tree.branch.size:
        return np.zeros((0, 3)), np.zeros(0, dtype="<U3"), np.zeros(0)
    lobe = tree.lobe[tree.branch]
    told = (lobe != "") & (tree.radius_mm <= WIDEST_RADIUS_MM)
    points = np.bincount(tree.branch, minlength=len(tree))
    length = (tree.length_mm / np.maximum(points, 1))[tree.branch[told]].astype(np.float64)
    return ct.indices(tree.points_mm[told]) * np.asarray(ct.spacing_mm), lobe[told], length


def marks_for(points: Points, above: tuple[Lobe, ...], below: tuple[Lobe, ...]) -> Marks:
    """Return the points that lie above or below one fissure."""
    points_mm, lobe, length_mm = points
    over, under = np.isin(lobe, above), np.isin(lobe, below)
    chosen = over | under
    return Marks(points_mm[chosen], over[chosen], length_mm[chosen])
