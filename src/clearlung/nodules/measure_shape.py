"""Faces, diameters and roundness of every nodule of a label map, from its labelled voxels alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, gaussian_filter
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist, squareform

FloatArray = NDArray[np.float64]

# Smoothing before the slope of a surface is read, in voxels, and the room that it needs.
SMOOTHING_VOXELS = 1.2
MARGIN = 5
# More corners than this are more than a hull of nodules ever needs; beyond, every n-th is taken.
MOST_CORNERS = 1500


@dataclass(frozen=True, eq=False)
class Voxels:
    """The labelled voxels of a label map.

    Parameters
    ----------
    ids
        The labels, ascending.
    index
        int64, shape (m, 3): voxel index (z, y, x) of each labelled voxel.
    row
        Shape (m,): position of its label in ``ids``.
    """

    ids: NDArray[np.int32]
    index: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, labels: NDArray[np.int32]) -> Voxels:
        """List the labelled voxels of a label map, shape (z, y, x)."""
        flat = np.flatnonzero(labels)
        ids, row = np.unique(labels.ravel()[flat], return_inverse=True)
        index = np.column_stack(np.unravel_index(flat, labels.shape)).astype(np.int64)
        return cls(ids.astype(np.int32), index, row.astype(np.int64).reshape(-1))

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, array: NDArray[Any]) -> NDArray[Any]:
        """Values of an array on the same grid at the voxels."""
        return np.asarray(array[tuple(self.index.T)])

    def count(self, which: NDArray[np.bool_] | None = None) -> FloatArray:
        """How many voxels each nodule has, or how many of some of them."""
        row = self.row if which is None else self.row[which]
        return np.asarray(np.bincount(row, minlength=len(self)), dtype=np.float64)

    def sums(self, values: NDArray[Any]) -> FloatArray:
        """Sum of a value over each nodule's voxels."""
        return np.asarray(np.bincount(self.row, weights=values, minlength=len(self)), dtype=np.float64)

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest value among each nodule's voxels."""
        out = np.full(len(self), -np.inf)
        np.maximum.at(out, self.row, values)
        return out


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces of voxels at which nodules end, one row per face.

    Parameters
    ----------
    row
        Which nodule.
    axis
        The axis that the face is perpendicular to.
    middle
        float64, shape (m, 3): where its middle lies, in voxels (z, y, x).
    beyond
        int64, shape (m, 3): the voxel on its other side.
    voxel
        Which of the labelled voxels it bounds.
    """

    row: NDArray[np.int64]
    axis: NDArray[np.int64]
    middle: FloatArray
    beyond: NDArray[np.int64]
    voxel: NDArray[np.int64]


def find_faces(labels: NDArray[np.int32], voxels: Voxels) -> Faces:
    """Find the faces between each nodule's voxels and what is not the nodule."""
    own = voxels.at(labels)
    parts: list[tuple[NDArray[np.int64], int, int]] = []
    for axis in range(3):
        for step in (-1, 1):
            there = voxels.index.copy()
            there[:, axis] += step
            within = (there[:, axis] >= 0) & (there[:, axis] < labels.shape[axis])
            other = np.zeros(len(own), dtype=labels.dtype)
            other[within] = labels[tuple(there[within].T)]
            parts.append((np.flatnonzero(other != own), axis, step))
    voxel = np.concatenate([v for v, _, _ in parts])
    axis_of = np.concatenate([np.full(len(v), axis) for v, axis, _ in parts])
    step_of = np.concatenate([np.full(len(v), step) for v, _, step in parts])
    beyond = voxels.index[voxel].copy()
    rows = np.arange(len(voxel))
    middle = beyond.astype(np.float64)
    beyond[rows, axis_of] += step_of
    middle[rows, axis_of] += 0.5 * step_of
    return Faces(voxels.row[voxel], axis_of, middle, beyond, voxel)


def contact_share(
    faces: Faces, beside: NDArray[np.bool_], spacing_mm: FloatArray, n: int, outside: bool
) -> FloatArray:
    """Share of each nodule's surface that has something on its other side.

    Parameters
    ----------
    faces
        Of the nodules.
    beside
        bool, shape (z, y, x): what is looked for.
    spacing_mm
        Along z, y and x.
    n
        How many nodules there are.
    outside
        Whether what lies beyond the array counts as such.
    """
    area = (np.prod(spacing_mm) / spacing_mm)[faces.axis]
    within = ((faces.beyond >= 0) & (faces.beyond < beside.shape)).all(axis=1)
    touching = np.full(len(area), outside)
    touching[within] = beside[tuple(faces.beyond[within].T)]
    total = np.bincount(faces.row, weights=area, minlength=n)
    return np.asarray(np.bincount(faces.row, weights=area * touching, minlength=n) / np.maximum(total, 1e-12))


@dataclass(frozen=True, eq=False)
class Diameters:
    """Diameters in mm, one entry per nodule; see :class:`clearlung.nodules.NoduleTable`."""

    longest_axial_mm: FloatArray
    short_axial_mm: FloatArray
    longest_mm: FloatArray
    perpendicular_mm: FloatArray


def diameters(faces: Faces, spacing_mm: FloatArray, n: int) -> Diameters:
    """Measure each nodule between the middles of the faces at which it ends.

    Parameters
    ----------
    faces
        Of the nodules.
    spacing_mm
        Along z, y and x.
    n
        How many nodules there are.

    Notes
    -----
    The faces' middles lie on the edge between voxels, so that a digital ball has its own diameter to within
    about half a voxel. Only corners of the convex hull can be ends of a longest diameter.
    """
    out = np.zeros((4, n))
    order = np.argsort(faces.row, kind="stable")
    ends = np.searchsorted(faces.row[order], np.arange(n + 1))
    for k in range(n):
        own = order[ends[k] : ends[k + 1]]
        points = faces.middle[own] * spacing_mm
        flat = faces.axis[own] != 0
        out[0, k], out[1, k] = _axial(points[flat])
        out[2, k], out[3, k] = _spatial(points)
    return Diameters(out[0], out[1], out[2], out[3])


def _axial(points: FloatArray) -> tuple[float, float]:
    """Longest diameter in any slice, and the longest one perpendicular to it in that slice."""
    best = (0.0, 0.0)
    order = np.argsort(points[:, 0], kind="stable")
    slices = np.split(order, np.flatnonzero(np.diff(points[order, 0])) + 1)
    for own in sorted(slices, key=len, reverse=True):
        plane = points[own, 1:]
        if np.linalg.norm(np.ptp(plane, axis=0)) <= best[0]:
            continue
        hull = plane[ConvexHull(plane).vertices]
        length, along = _longest(hull)
        if length > best[0]:
            best = (length, _chord(hull, along))
    return best


def _spatial(points: FloatArray) -> tuple[float, float]:
    """Longest diameter, and the longest extent perpendicular to it."""
    hull = points[ConvexHull(points).vertices]
    hull = hull[:: len(hull) // MOST_CORNERS + 1]
    length, along = _longest(hull)
    across = hull - np.outer(hull @ along, along)
    return length, float(pdist(across).max())


def _longest(points: FloatArray) -> tuple[float, FloatArray]:
    distance = squareform(pdist(points))
    a, b = np.unravel_index(int(np.argmax(distance)), distance.shape)
    length = float(distance[a, b])
    return length, (points[b] - points[a]) / length


def _chord(hull: FloatArray, along: FloatArray) -> float:
    """Longest chord of a convex polygon perpendicular to a direction."""
    u, v = hull @ along, hull @ np.array([-along[1], along[0]])
    first, last = int(np.argmin(u)), int(np.argmax(u))
    n = len(hull)
    there = [(first + k) % n for k in range((last - first) % n + 1)]
    back = [(last + k) % n for k in range((first - last) % n + 1)][::-1]
    above = np.interp(u, u[there], v[there])
    below = np.interp(u, u[back], v[back])
    return float(np.abs(above - below).max())


def sphericity(labels: NDArray[np.int32], voxels: Voxels, faces: Faces, spacing_mm: FloatArray) -> FloatArray:
    """Surface of the ball of equal volume over each nodule's own, at most 1.

    Parameters
    ----------
    labels
        Label map, shape (z, y, x).
    voxels, faces
        Of that map.
    spacing_mm
        Along z, y and x.

    Notes
    -----
    The faces of voxels across an axis add up to the surface's projection along it. Weighted with the slope
    of the surface towards the axis, read from the smoothed mask, the faces of all axes add up to its area.
    """
    n = len(voxels)
    per_face = (np.prod(spacing_mm) / spacing_mm)[faces.axis]
    area = np.zeros(n)
    order = np.argsort(faces.row, kind="stable")
    ends = np.searchsorted(faces.row[order], np.arange(n + 1))
    boxes = find_objects(labels)
    for k, label in enumerate(voxels.ids.tolist()):
        own = order[ends[k] : ends[k + 1]]
        box = boxes[label - 1]
        mask = np.pad((labels[box] == label).astype(np.float32), MARGIN)
        low = np.array([b.start for b in box]) - MARGIN
        slope = np.stack(np.gradient(gaussian_filter(mask, SMOOTHING_VOXELS), *spacing_mm), axis=-1)
        here = slope[tuple((voxels.index[faces.voxel[own]] - low).T)]
        normal = here + slope[tuple((faces.beyond[own] - low).T)]
        length = np.maximum(np.linalg.norm(normal, axis=1), 1e-12)
        towards = np.abs(normal[np.arange(len(own)), faces.axis[own]]) / length
        area[k] = (per_face[own] * towards).sum()
    volume = voxels.count() * np.prod(spacing_mm)
    return np.asarray(np.minimum(1.0, np.pi ** (1 / 3) * (6.0 * volume) ** (2 / 3) / np.maximum(area, 1e-12)))
