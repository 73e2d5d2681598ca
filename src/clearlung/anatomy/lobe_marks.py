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


def lobe_points(ct: Volume, tree: BranchTree) -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Points on the center lines of the bronchi of each lobe.

    Returns
    -------
    points_mm, lobe
        Shape (n, 3), mm along the array axes from the first voxel's center; and the lobe of each.
    """
    if not len(tree) or not tree.branch.size:
        return np.zeros((0, 3)), np.zeros(0, dtype="<U3")
    lobe = tree.lobe[tree.branch]
    told = (lobe != "") & (tree.radius_mm <= WIDEST_RADIUS_MM)
    return ct.indices(tree.points_mm[told]) * np.asarray(ct.spacing_mm), lobe[told]


def marks_for(
    points_mm: NDArray[np.float64],
    lobe: NDArray[np.str_],
    above: tuple[Lobe, ...],
    below: tuple[Lobe, ...],
) -> Marks:
    """Return the points that lie above or below one fissure."""
    over, under = np.isin(lobe, above), np.isin(lobe, below)
    chosen = over | under
    return Marks(points_mm[chosen], over[chosen], np.ones(int(chosen.sum())))
