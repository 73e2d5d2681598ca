"""How far points are from the pleural surface, to a small fraction of a voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from clearlung.phantom.fields import Field

# From so many of the nearest known points of the surface, the foot of the perpendicular is sought ...
CANDIDATES = 6
# ... in so many steps along it, each no longer than this.
STEPS = 8
LONGEST_STEP_MM = 1.5
# A foot this near to the surface is on it.
ON_SURFACE_MM = 0.02
SLOPE_STEP_MM = 0.5


class Pleura:
    """The pleural surface of one lung.

    Parameters
    ----------
    lung
        Signed distance, negative inside.
    """

    def __init__(self, lung: Field) -> None:
        self.lung = lung
        self.points_mm = lung.surface_points_mm()
        self._tree = cKDTree(self.points_mm)

    def depth_mm(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Distance from the surface of LPS points (n, 3), inside and outside alike."""
        return self.nearest(points_mm)[0]

    def nearest(self, points_mm: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distance of LPS points (n, 3) from the surface, and the nearest points on it, (n, 3)."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        if not len(points):
            return np.zeros(0), np.zeros((0, 3))
        known, index = self._tree.query(points, k=CANDIDATES)
        target = np.repeat(points, CANDIDATES, axis=0)
        foot = self.points_mm[index.ravel()]
        for _ in range(STEPS):
            foot = self._nearer(target, foot)
        found = np.linalg.norm(target - foot, axis=1)
        found[np.abs(self.lung.at(foot)) > ON_SURFACE_MM] = np.inf
        distance = np.column_stack([found.reshape(-1, CANDIDATES), known[:, 0]])
        feet = np.concatenate(
            [foot.reshape(-1, CANDIDATES, 3), self.points_mm[index[:, 0]][:, None, :]], axis=1
        )
        best = distance.argmin(axis=1)
        rows = np.arange(len(points))
        return distance[rows, best], feet[rows, best]

    def _nearer(self, target: NDArray[np.float64], foot: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points of the surface along it, nearer to their targets."""
        slope = self.lung.gradient_at(foot, SLOPE_STEP_MM)
        steep = np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)
        normal = slope / steep
        away = target - foot
        along = away - (away * normal).sum(axis=1, keepdims=True) * normal
        length = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        moved = foot + along * np.minimum(1.0, LONGEST_STEP_MM / length)
        return np.asarray(moved - self.lung.at(moved)[:, None] * normal / steep)
