"""Where points lie: lobe, depth below each part of the pleura, hilum, nearest vessel and bronchus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from clearlung.anatomy.types import (
    LOBE_LABELS,
    LOBE_OF_LABEL,
    LUNG_LABELS,
    PLEURAL_LABELS,
    SIDES,
    Anatomy,
    PleuralPart,
)
from clearlung.evidence import load_evidence

_SIDE_OF_LABEL = np.array(["", *LUNG_LABELS], dtype="<U5")


@dataclass(frozen=True, eq=False)
class Places:
    """Where points lie in the lungs, as columns: one row per point.

    Distances are in mm and NaN where they do not apply: outside the lungs, or where the anatomy lacks what
    they are measured to.

    Parameters
    ----------
    points_mm
        Shape (n, 3), LPS.
    side
        str: "right", "left", or "" outside the lungs.
    lobe, second_lobe
        str: the lobe, and the one across the nearest fissure; "" outside, or where there is no other.
    confidence
        How sure the lobe is, 0 to 1.
    uncertain
        bool: whether the lobe is too unsure to be stated without the second one.
    depth_mm
        Below the pleural surface of the lung.
    depth_by_part_mm
        By part of the pleura: distance to it, within the point's own lung; to the fissural part, within
        its own lobe.
    hilum_mm
        From the hilum of its side.
    vessel_mm, vessel_diameter_mm
        From the nearest vessel's center line, and the vessel's width there.
    bronchus_mm, bronchus_diameter_mm, bronchus
        The same for bronchi, and the bronchus' name or lobe.
    """

    points_mm: NDArray[np.float64]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    second_lobe: NDArray[np.str_]
    confidence: NDArray[np.float64]
    uncertain: NDArray[np.bool_]
    depth_mm: NDArray[np.float64]
    depth_by_part_mm: dict[PleuralPart, NDArray[np.float64]]
    hilum_mm: NDArray[np.float64]
    vessel_mm: NDArray[np.float64]
    vessel_diameter_mm: NDArray[np.float64]
    bronchus_mm: NDArray[np.float64]
    bronchus_diameter_mm: NDArray[np.float64]
    bronchus: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.points_mm)

    def lobe_words(self, row: int) -> str:
        """Say where a point lies: its lobe, or that it is uncertain, with both names."""
        if not self.lobe[row]:
            return "outside the lungs"
        if self.uncertain[row] and self.second_lobe[row]:
            return f"uncertain: {self.lobe[row]} or {self.second_lobe[row]}"
        return f"{'uncertain: ' if self.uncertain[row] else ''}{self.lobe[row]}"


def find_places(anatomy: Anatomy, points_mm: ArrayLike) -> Places:
    """Tell where points lie in the lungs.

    Parameters
    ----------
    anatomy
        The anatomy of the scan that the points are of.
    points_mm
        Shape (n, 3), LPS.

    Returns
    -------
    Places
        One row per point, in the same order.

    Raises
    ------
    ValueError
        If the points are not of three finite coordinates each.
    """
    points = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
    if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
        raise ValueError(f"points need three finite coordinates each, LPS mm: theirs are of {points.shape}")
    index = anatomy.lungs.indices(points)
    side = _SIDE_OF_LABEL[_labels_at(anatomy.lungs.array, index)]
    lobe = LOBE_OF_LABEL[_labels_at(anatomy.lobes.array, index)]
    second = np.zeros(len(points), dtype="<U3")
    if anatomy.lobe_second is not None:
        second = LOBE_OF_LABEL[_labels_at(anatomy.lobe_second.array, index)]
    confidence = _values_at(anatomy.lobe_confidence.array, index, lobe != "")
    inside = side != ""
    vessel_mm, _, vessel_diameter_mm = anatomy.vessel_tree.nearest(points)
    bronchus_mm, branch, bronchus_diameter_mm = anatomy.airway_tree.nearest(points)
    names = np.where(anatomy.airway_tree.name != "", anatomy.airway_tree.name, anatomy.airway_tree.lobe)
    depth = _values_at(anatomy.depth_mm.array, index, inside)
    sure = load_evidence().value("anatomy.lobe_sure", unit="1")
    return Places(
        points_mm=points,
        side=side,
        lobe=lobe,
        second_lobe=second,
        confidence=confidence,
        uncertain=(lobe != "") & (confidence < sure),
        depth_mm=depth,
        depth_by_part_mm={part: _depth_below(anatomy, part, points, side, lobe) for part in PLEURAL_LABELS},
        hilum_mm=_hilum_distance(anatomy, points, side),
        vessel_mm=vessel_mm,
        vessel_diameter_mm=vessel_diameter_mm,
        bronchus_mm=bronchus_mm,
        bronchus_diameter_mm=bronchus_diameter_mm,
        bronchus=names[branch] if names.size else np.zeros(len(points), dtype="<U24"),
    )


def _labels_at(labels: NDArray[np.uint8], index: NDArray[np.float64]) -> NDArray[np.intp]:
    at = np.rint(index).astype(np.int64)
    inside = ((at >= 0) & (at < labels.shape)).all(axis=1)
    found = np.zeros(len(at), dtype=np.intp)
    found[inside] = labels[tuple(at[inside].T)]
    return found


def _values_at(
    values: NDArray[np.float32], index: NDArray[np.float64], valid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    found = np.full(len(index), np.nan)
    found[valid] = map_coordinates(values, index[valid].T, order=1, mode="nearest")
    return found


def _depth_below(
    anatomy: Anatomy,
    part: PleuralPart,
    points: NDArray[np.float64],
    side: NDArray[np.str_],
    lobe: NDArray[np.str_],
) -> NDArray[np.float64]:
    """Distance of points to one part of the pleura of their own lung, or lobe where the part is fissural."""
    depth = np.full(len(points), np.nan)
    if anatomy.pleura is None or not len(points):
        return depth
    at = np.argwhere(anatomy.pleura.array == PLEURAL_LABELS[part])
    surface = anatomy.pleura.points_mm(at)
    owner = anatomy.lungs.array
    groups = [(LUNG_LABELS[own], side == own) for own in SIDES]
    if part == "fissural":
        owner = anatomy.lobes.array
        groups = [(label, lobe == own) for own, label in LOBE_LABELS.items()]
    owners = owner[tuple(at.T)]
    # The surface lies beyond the center of its voxels, by what their own depth says.
    beyond = 0.5 * min(anatomy.pleura.spacing_mm)
    for label, asked in groups:
        own = owners == label
        if asked.any() and own.any():
            depth[asked] = cKDTree(surface[own]).query(points[asked])[0] + beyond
    return depth


def _hilum_distance(
    anatomy: Anatomy, points: NDArray[np.float64], side: NDArray[np.str_]
) -> NDArray[np.float64]:
    distance = np.full(len(points), np.nan)
    for name, hilum in anatomy.hila_mm.items():
        own = side == name
        distance[own] = np.linalg.norm(points[own] - np.asarray(hilum), axis=1)
    return distance
