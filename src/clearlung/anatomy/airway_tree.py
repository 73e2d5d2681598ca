"""The airways as a tree of named branches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.airway_names import name_airways
from clearlung.anatomy.morphology import Mask
from clearlung.anatomy.skeleton import tree_of_mask
from clearlung.anatomy.tree import BranchTree
from clearlung.ct import Volume

# The trachea is often flat or folded: its edges rise above the round tube that a center line stands for.
SPUR_RADII = 1.0


def grow_airway_tree(ct: Volume, airways: Mask) -> BranchTree:
    """Draw the center lines of the airways, measure their widths, and name them.

    Parameters
    ----------
    ct
        The scan's part that the mask lies on; only its geometry counts.
    airways
        bool, shape (z, y, x): their lumen, as :func:`find_airways` finds it.

    Returns
    -------
    BranchTree
        From the trachea's upper end outwards, with generation, diameter, name and lobe of each branch; empty
        if there are no airways. See :func:`name_airways` for the names.
    """
    top = _top(airways)
    if top is None:
        return BranchTree.empty()
    return name_airways(tree_of_mask(airways, ct, top, spur_radii=SPUR_RADII))


def _top(airways: Mask) -> NDArray[np.int64] | None:
    """Return the voxel in the middle of the highest slice that holds airways, shape (1, 3)."""
    filled = np.flatnonzero(airways.any(axis=(1, 2)))
    if not filled.size:
        return None
    z = int(filled[-1])
    spots = np.argwhere(airways[z])
    middle = spots[np.argmin(((spots - spots.mean(axis=0)) ** 2).sum(axis=1))]
    return np.array([[z, *middle]], dtype=np.int64)
