"""`BranchTree`: airways or vessels as branches that part, each with its center line and its width."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True, eq=False)
class BranchTree:
    """Branches and their center lines, as columns.

    A branch runs from one parting to the next. Several roots are allowed: the vessels of each lung begin at
    its hilum.

    Parameters
    ----------
    parent
        int32, one per branch: the branch that it springs from, -1 for a root. A parent comes before its
        branches.
    generation
        int16, one per branch: 0 for a root (the trachea), one more at each parting.
    lobe
        str, one per branch: the lobe that it supplies or lies in, "" for a central one or where unknown.
    name
        str, one per branch: "trachea", "right main", … where it has a name, else "".
    diameter_mm
        float32, one per branch: median over its length.
    length_mm
        float32, one per branch: along the center line.
    points_mm
        float64, shape (m, 3): LPS points of all center lines, branch after branch, each from the center
        outwards.
    radius_mm
        float32, one per point.
    branch
        int32, one per point: whose center line it is on; ascending.
    """

    parent: NDArray[np.int32]
    generation: NDArray[np.int16]
    lobe: NDArray[np.str_]
    name: NDArray[np.str_]
    diameter_mm: NDArray[np.float32]
    length_mm: NDArray[np.float32]
    points_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float32]
    branch: NDArray[np.int32]

    @classmethod
    def empty(cls) -> BranchTree:
        """Return a tree without branches."""
        return cls(
            parent=np.zeros(0, dtype=np.int32),
            generation=np.zeros(0, dtype=np.int16),
            lobe=np.zeros(0, dtype="<U3"),
            name=np.zeros(0, dtype="<U24"),
            diameter_mm=np.zeros(0, dtype=np.float32),
            length_mm=np.zeros(0, dtype=np.float32),
            points_mm=np.zeros((0, 3)),
            radius_mm=np.zeros(0, dtype=np.float32),
            branch=np.zeros(0, dtype=np.int32),
        )

    def __len__(self) -> int:
        return self.parent.size

    def nearest(
        self, points_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
        """Find the nearest branch of each point.

        Parameters
        ----------
        points_mm
            Shape (k, 3), LPS.

        Returns
        -------
        distance_mm, branch, diameter_mm
            From each point to the nearest point on a center line; the branch there, -1 if the tree is
            empty; the branch's width there. Distance and width are NaN if the tree is empty.
        """
        points_mm = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        if not self.branch.size:
            nothing = np.full(len(points_mm), np.nan)
            return nothing, np.full(len(points_mm), -1, dtype=np.int32), nothing.copy()
        distance, at = cKDTree(self.points_mm).query(points_mm)
        return distance, self.branch[at], 2.0 * self.radius_mm[at].astype(np.float64)
