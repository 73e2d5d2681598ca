"""`Grid`: one scan's lungs, lesions and branches, laid out for cutting many specimens from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from clearlung.anatomy import LOBES, LUNG_LABELS, SIDES, Anatomy, BranchTree, Side
from clearlung.ct import Box, Volume
from clearlung.nodules import NoduleTable
from clearlung.resection.candidates import Cut, CutKind
from clearlung.resection.shapes import apart, surface_points

# Voxels whose center is nearer to the pleura than this many of the longest voxel side lie at it.
_AT_PLEURA_VOXELS = 1.0
# No step along a center line is longer than this many voxels.
_FAR_STEP = 8
_CELL_VOXELS = 16
# A branch with this share of its center line in lesions is one of them, and no vessel.
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class _Points:
    """Center lines of one tree as voxels, with their widths, and the steps from one point to the next.

    ``steps`` holds the first points of all steps along branches, sorted by the cell of the grid that they are
    in; ``begins`` where each cell's begin. ``trusted`` tells whose width is a vessel's: one that runs into a
    lesion seems as wide as that.
    """

    kind: CutKind
    voxel: NDArray[np.int32]
    diameter_mm: NDArray[np.float64]
    steps: NDArray[np.int64]
    begins: NDArray[np.int64]
    cells: tuple[int, int, int]
    trusted: NDArray[np.bool_]

    @classmethod
    def of(cls, kind: CutKind, tree: BranchTree, grid: Volume, labels: NDArray[np.int32]) -> _Points:
        voxel = np.rint(grid.indices(tree.points_mm).reshape(-1, 3)).astype(np.int32)
        steps = np.flatnonzero(tree.branch[1:] == tree.branch[:-1])
        z, y, x = (n // _CELL_VOXELS + 1 for n in grid.shape)
        cell = np.ravel_multi_index(
            tuple(np.maximum(voxel[steps], 0).T // _CELL_VOXELS), (z, y, x), mode="clip"
        )
        order = np.argsort(cell, kind="stable")
        steps, begins = steps[order], np.searchsorted(cell[order], np.arange(z * y * x + 1))
        within = _holds(labels > 0, voxel)
        size = np.maximum(np.bincount(tree.branch, minlength=len(tree)), 1)
        share = np.bincount(tree.branch, weights=within, minlength=len(tree)) / size
        trusted = ~within & (share[tree.branch] < _MOSTLY)
        return cls(kind, voxel, 2.0 * tree.radius_mm.astype(np.float64), steps, begins, (z, y, x), trusted)

    def steps_in(self, box: Box) -> NDArray[np.int64]:
        """Return the first points of all steps that may touch a box."""
        low = [max(0, (s.start - _FAR_STEP) // _CELL_VOXELS) for s in box]
        high = [
            min(n - 1, (s.stop + _FAR_STEP) // _CELL_VOXELS) for s, n in zip(box, self.cells, strict=True)
        ]
        rows = [
            ((z * self.cells[1] + y) * self.cells[2], low[2], high[2])
            for z in range(low[0], high[0] + 1)
            for y in range(low[1], high[1] + 1)
        ]
        found = [self.steps[self.begins[at + a] : self.begins[at + b + 1]] for at, a, b in rows]
        return np.concatenate(found) if found else self.steps[:0]


@dataclass(frozen=True, eq=False)
class Grid:
    """One scan's lungs and lesions, on the anatomy's box.

    Parameters
    ----------
    anatomy
        The lungs.
    nodules
        The lesions, with their label map.
    labels
        int32 label map of the lesions.
    hu
        int16 Hounsfield units on the anatomy's box, or None.
    """

    anatomy: Anatomy
    nodules: NoduleTable
    labels: NDArray[np.int32]
    hu: NDArray[np.int16] | None

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Along z, y and x."""
        return self.anatomy.lungs.spacing_mm

    @property
    def step_mm(self) -> NDArray[np.float64]:
        """The spacing as an array."""
        return np.asarray(self.spacing_mm, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y and x."""
        return self.anatomy.lungs.shape

    def apart(self, box: Box, rows: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where in a box some of the lesions are, and where the others."""
        member = np.zeros(int(self.nodules.id.max(initial=0)) + 1, dtype=np.bool_)
        member[self.nodules.id[list(rows)]] = True
        mine, others = apart(self.labels[box], member)
        return mine, others

    @cached_property
    def boxes(self) -> list[Box]:
        """The box of each lesion's mask, in the table's order; an empty one where it has no mask."""
        found = ndimage.find_objects(self.labels, max_label=int(self.nodules.id.max(initial=0)))
        nowhere = (slice(0, 0), slice(0, 0), slice(0, 0))
        return [found[number - 1] or nowhere for number in self.nodules.id.tolist()]

    @cached_property
    def surfaces(self) -> list[NDArray[np.int32]]:
        """Indices of the surface voxels of each lesion's mask, shape (n, 3), in the table's order."""
        found = []
        for number, box in zip(self.nodules.id.tolist(), self.boxes, strict=True):
            points = surface_points(self.labels[box] == number)
            found.append(points + np.array([s.start for s in box], dtype=np.int32))
        return found

    @cached_property
    def spheres_mm(self) -> NDArray[np.float64]:
        """Center (z, y, x, index times spacing) and radius of a sphere around each lesion's surface."""
        rows = np.zeros((len(self.nodules), 4))
        for row, surface in enumerate(self.surfaces):
            points = surface * self.step_mm
            rows[row, :3] = points.mean(axis=0)
            rows[row, 3] = np.sqrt(((points - rows[row, :3]) ** 2).sum(axis=1).max(initial=0.0))
        return rows

    @cached_property
    def deepest_mm(self) -> NDArray[np.float64]:
        """Depth of each lesion's farthest voxel below the pleura."""
        depth = self.anatomy.depth_mm.array
        masks = zip(self.nodules.id.tolist(), self.boxes, strict=True)
        return np.array([depth[b][self.labels[b] == k].max(initial=0.0) for k, b in masks], dtype=np.float64)

    @cached_property
    def _pleura(self) -> dict[Side, tuple[cKDTree, NDArray[np.float64]]]:
        """The voxels at the pleura of each lung, in mm along z, y, x."""
        near = _AT_PLEURA_VOXELS * max(self.spacing_mm)
        depth, lungs = self.anatomy.depth_mm.array, self.anatomy.lungs.array
        index = np.argwhere((depth > 0) & (depth <= near))
        side = lungs[tuple(index.T)]
        found: dict[Side, tuple[cKDTree, NDArray[np.float64]]] = {}
        for name in SIDES:
            points = index[side == LUNG_LABELS[name]] * self.step_mm
            if len(points):
                found[name] = (cKDTree(points, balanced_tree=False, compact_nodes=False), points)
        return found

    def nearest_pleura_mm(self, side: Side, point_mm: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the pleura's nearest point (mm along z, y, x), or None in a lung without a surface."""
        if side not in self._pleura:
            return None
        tree, points = self._pleura[side]
        return np.asarray(points[int(tree.query(point_mm)[1])])

    @cached_property
    def _branches(self) -> tuple[_Points, ...]:
        a = self.anatomy
        trees: tuple[tuple[CutKind, BranchTree], ...] = (
            ("vessel", a.vessel_tree),
            ("bronchus", a.airway_tree),
        )
        return tuple(_Points.of(kind, tree, a.lungs, self.labels) for kind, tree in trees)

    def cuts(self, box: Box, taken: NDArray[np.bool_]) -> tuple[list[Cut], NDArray[np.float64]]:
        """Find the vessels and bronchi that a specimen's surface crosses.

        Returns
        -------
        list of Cut, array
            The cuts, widest first; where they are, mm along z, y, x (index times spacing), shape (n, 3).
        """
        start = np.array([s.start for s in box], dtype=np.int32)
        found: list[Cut] = []
        places: list[NDArray[np.float64]] = []
        for points in self._branches:
            steps = points.steps_in(box)
            ends = [points.voxel[steps + k] - start for k in (0, 1)]
            inside = [_holds(taken, end) for end in ends]
            at = steps[inside[0] != inside[1]]
            width = np.minimum(points.diameter_mm[at], points.diameter_mm[at + 1])
            found += [Cut(points.kind, float(w)) for w in width]
            places.append(0.5 * (points.voxel[at] + points.voxel[at + 1]) * self.step_mm)
        where = np.concatenate(places)
        order = np.argsort([-cut.diameter_mm for cut in found], kind="stable")
        return [found[k] for k in order], where[order] if len(order) else np.zeros((0, 3))

    def wide(self, box: Box, limits_mm: dict[CutKind, float]) -> tuple[NDArray[np.bool_], Cut]:
        """Mark the voxels of vessels and bronchi that are wider than a limit.

        Parameters
        ----------
        box
            Where.
        limits_mm
            The widest vessel and bronchus that may be cut.

        Returns
        -------
        array, Cut
            bool, of the box's shape; the widest that lies there, of no width if none does.
        """
        widest = Cut("vessel", 0.0)
        low, high = (np.array([getattr(s, end) for s in box]) for end in ("start", "stop"))
        marked = np.zeros(tuple(high - low), dtype=np.bool_)
        for points in self._branches:
            wide = np.flatnonzero(points.trusted & (points.diameter_mm > limits_mm[points.kind]))
            reach = np.ceil(points.diameter_mm[wide, None] / 2 / self.step_mm)
            near = ((points.voxel[wide] >= low - reach) & (points.voxel[wide] < high + reach)).all(axis=1)
            for k in wide[near].tolist():
                _mark_ball(
                    marked, (points.voxel[k] - low) * self.step_mm, points.diameter_mm[k] / 2, self.step_mm
                )
                if points.diameter_mm[k] > widest.diameter_mm:
                    widest = Cut(points.kind, float(points.diameter_mm[k]))
        return marked, widest

    def lobe_ml(self, box: Box, taken: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return what each lobe gives of a specimen, in the order of :data:`clearlung.anatomy.LOBES`."""
        counts = np.bincount(self.anatomy.lobes.array[box][taken], minlength=len(LOBES) + 1)
        return np.asarray(counts[1 : len(LOBES) + 1] * self.anatomy.lobes.voxel_ml, dtype=np.float64)

    def grown(self, low_mm: NDArray[np.float64], high_mm: NDArray[np.float64]) -> Box:
        """Return the box of voxels from one point to another (mm along z, y, x), and one voxel more."""
        low = np.maximum(np.floor(low_mm / self.step_mm).astype(int) - 1, 0)
        high = np.minimum(np.ceil(high_mm / self.step_mm).astype(int) + 2, self.shape)
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        return (z, y, x)


def _mark_ball(
    marked: NDArray[np.bool_], center_mm: NDArray[np.float64], radius_mm: float, step_mm: NDArray[np.float64]
) -> None:
    """Mark the voxels whose centers lie in a ball; its center counts from the first voxel's."""
    low = np.maximum(np.ceil((center_mm - radius_mm) / step_mm), 0).astype(int)
    high = np.minimum(np.floor((center_mm + radius_mm) / step_mm) + 1, marked.shape).astype(int)
    if (high <= low).any():
        return
    z, y, x = (
        (np.arange(a, b) * step - center) ** 2
        for a, b, step, center in zip(low, high, step_mm, center_mm, strict=True)
    )
    ball = z[:, None, None] + y[None, :, None] + x[None, None, :] <= radius_mm**2
    marked[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] |= ball


def _holds(mask: NDArray[np.bool_], index: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether a mask holds voxels that may lie outside its array; index of shape (n, 3)."""
    within = ((index >= 0) & (index < mask.shape)).all(axis=1)
    held = np.zeros(len(index), dtype=np.bool_)
    held[within] = mask[tuple(index[within].T)]
    return held
