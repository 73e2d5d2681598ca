"""Approximate segments: each lobe parted by which branches of its bronchus lie nearest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from clearlung.anatomy import LOBE_LABELS, LOBES, Anatomy, BranchTree, Lobe
from clearlung.ct import Box, Volume
from clearlung.evidence import EvidenceBook, load_evidence

# A subtree shorter than this makes no territory: it may be a ridge of the wall or mucus.
LEAST_SUBTREE_MM = 7.0
# Territories are drawn in cells of about this size: far finer than they are true, and several times faster.
CELL_MM = 2.5

_METHOD = (
    "Approximate territories, not the anatomical segments S1 to S10: each part of a lobe is what lies "
    "nearest to one part of its bronchial tree as far as the scan shows it"
)

_Part = tuple[int, ...]
"""Branches that a part of a tree begins at."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Approximate segments of both lungs.

    Parameters
    ----------
    labels
        uint8 on the anatomy's box: 1 to n by segment; 0 outside, and in lobes without segments.
    lobe
        The lobe of each, that of label *k* at ``k - 1``.
    names
        "RUL a", "RUL b", …: within a lobe from the head down. They are not the anatomical S1 to S10.
    method
        How they were found and which lobes have none, in words a report can print.
    evidence
        Ids of the evidence entries they rest on.
    """

    labels: Volume
    lobe: tuple[Lobe, ...]
    names: tuple[str, ...]
    method: str
    evidence: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)


def approximate_segments(anatomy: Anatomy, book: EvidenceBook | None = None) -> Segments:
    """Part each lobe into the territories of the branches of its bronchus.

    A lobe's bronchial tree is parted where it first parts, then again and again the part with the largest
    territory, up to the standard count of segments of the lobe. Each voxel of the lobe goes to the part with
    the nearest point of a center line.

    Parameters
    ----------
    anatomy
        With lobes, and the airways as a tree that tells which lobe its branches supply.
    book
        Where the counts of segments come from; the built-in evidence if left out.

    Returns
    -------
    Segments
        Every voxel of a lobe is in one segment, or none of them is: a lobe whose tree shows fewer than two
        parts has no segments, and ``method`` says so.

    Notes
    -----
    The nearest bronchus stands for the segment, as in the approximation of segments by Kuhnigk and others
    [1]_. Which bronchus is which segment's is not known, and planes between true segments bend with the veins
    that run in them: the territories suit what needs a part of a lobe of about a segment's size, not a map
    to operate by.

    References
    ----------
    .. [1] J.-M. Kuhnigk et al., "New tools for computer assistance in thoracic CT. Part 1. Functional
       analysis of lungs, lung lobes, and bronchopulmonary segments", RadioGraphics 25:525-536, 2005.
    """
    book = book or load_evidence()
    labels = np.zeros(anatomy.lobes.shape, dtype=np.uint8)
    boxes = ndimage.find_objects(anatomy.lobes.array, max_label=len(LOBES))
    lobes: list[Lobe] = []
    names: list[str] = []
    without: list[str] = []
    for lobe, box in zip(LOBES, boxes, strict=True):
        if box is None:
            continue
        most = round(book.value(f"segment.count.{lobe}", unit="segment"))
        count = _part_lobe(anatomy, lobe, box, most, labels, first=len(names) + 1)
        if not count:
            without.append(lobe)
        lobes += [lobe] * count
        names += [f"{lobe} {chr(ord('a') + place)}" for place in range(count)]
    none = f" ({', '.join(without)}: too little of it is seen, so no segments)" if without else ""
    return Segments(
        labels=anatomy.lobes.with_array(labels),
        lobe=tuple(lobes),
        names=tuple(names),
        method=f"{_METHOD}{none}.",
        evidence=tuple(f"segment.count.{lobe}" for lobe in dict.fromkeys(lobes)),
    )


def _part_lobe(
    anatomy: Anatomy, lobe: Lobe, box: Box, most: int, labels: NDArray[np.uint8], first: int
) -> int:
    """Label the segments of one lobe from ``first`` on, and return how many there are."""
    tree = _LobeTree.of(anatomy.airway_tree, lobe)
    inside = anatomy.lobes.crop(box).array == LOBE_LABELS[lobe]
    if not tree.roots:
        return 0
    grid = anatomy.lobes.crop(box)
    step = np.maximum(1, np.round(CELL_MM / np.array(grid.spacing_mm))).astype(int)
    cells = _any_in_cell(inside, step)
    at = np.argwhere(cells)
    centers_mm = grid.points_mm(at * step + (step - 1) / 2)
    part = _nearest_part(tree, centers_mm, _parts(tree, centers_mm, most))
    found, part = np.unique(part, return_inverse=True)
    if found.size < 2:
        return 0
    height = np.bincount(part, weights=centers_mm[:, 2]) / np.bincount(part)
    rank = np.argsort(np.argsort(-height, kind="stable"))
    coarse = np.zeros(cells.shape, dtype=np.uint8)
    coarse[tuple(at.T)] = first + rank[part]
    fine = coarse
    for axis in range(3):
        fine = fine.repeat(step[axis], axis=axis)
    fine = fine[tuple(slice(0, size) for size in inside.shape)]
    labels[box][inside] = fine[inside]
    return int(found.size)


def _any_in_cell(mask: NDArray[np.bool_], step: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Whether anything of a mask lies in each cell of ``step`` voxels."""
    for axis, width in enumerate(step):
        mask = np.logical_or.reduceat(mask, np.arange(0, mask.shape[axis], width), axis=axis)
    return mask


@dataclass(frozen=True, eq=False)
class _LobeTree:
    """The branches of one lobe's bronchus.

    Parameters
    ----------
    roots
        Those that spring from elsewhere and lead far enough to count.
    children
        By branch: those that spring from it and count.
    total_mm
        By branch of the whole tree: its length with all that springs from it within the lobe.
    below
        By branch: all that spring from it, itself included.
    """

    tree: BranchTree
    roots: _Part
    children: Mapping[int, _Part]
    total_mm: NDArray[np.float64]
    below: Mapping[int, NDArray[np.intp]]

    @classmethod
    def of(cls, tree: BranchTree, lobe: Lobe) -> _LobeTree:
        own = np.flatnonzero(tree.lobe == lobe)
        member = set(own.tolist())
        total = tree.length_mm.astype(np.float64)
        below: dict[int, list[int]] = {branch: [branch] for branch in own.tolist()}
        # A parent comes before its branches, so from the end every branch is whole when it is added.
        for branch in own[::-1].tolist():
            parent = int(tree.parent[branch])
            if parent in member:
                total[parent] += total[branch]
                below[parent] += below[branch]
        children: dict[int, list[int]] = {branch: [] for branch in own.tolist()}
        roots: list[int] = []
        for branch in own[total[own] >= LEAST_SUBTREE_MM].tolist():
            children.get(int(tree.parent[branch]), roots).append(branch)
        return cls(
            tree=tree,
            roots=tuple(roots),
            children={branch: tuple(kids) for branch, kids in children.items()},
            total_mm=total,
            below={branch: np.array(all_of, dtype=np.intp) for branch, all_of in below.items()},
        )

    def branches(self, part: _Part) -> NDArray[np.intp]:
        """Return all branches of a part."""
        return np.concatenate([self.below[root] for root in part])

    def split(self, part: _Part) -> tuple[_Part, _Part] | None:
        """Part at the first parting: the longest subtree there, and the rest. None if it never parts."""
        while len(part) == 1:
            part = self.children[part[0]]
        if not part:
            return None
        longest = max(part, key=lambda root: float(self.total_mm[root]))
        return (longest,), tuple(root for root in part if root != longest)


def _parts(tree: _LobeTree, centers_mm: NDArray[np.float64], most: int) -> list[_Part]:
    """Split the part with the largest territory until there are ``most``, or none that parts."""
    nearest = _nearest_branch(tree.tree, tree.branches(tree.roots), centers_mm)
    territory = np.bincount(nearest, minlength=len(tree.tree))
    parts: list[_Part] = [tree.roots]
    whole: list[_Part] = []
    while parts and len(parts) + len(whole) < most:
        largest = max(parts, key=lambda part: int(territory[tree.branches(part)].sum()))
        parts.remove(largest)
        halves = tree.split(largest)
        if halves:
            parts += halves
        else:
            whole.append(largest)
    return parts + whole


def _nearest_part(tree: _LobeTree, centers_mm: NDArray[np.float64], parts: list[_Part]) -> NDArray[np.intp]:
    """Return the index of the nearest part of each point."""
    owner = np.full(len(tree.tree), -1, dtype=np.intp)
    for index, part in enumerate(parts):
        owner[tree.branches(part)] = index
    roots = [root for part in parts for root in part]
    nearest = _nearest_branch(tree.tree, np.flatnonzero(owner >= 0), centers_mm, without_start=roots)
    return owner[nearest]


def _nearest_branch(
    tree: BranchTree,
    branches: NDArray[np.intp],
    points_mm: NDArray[np.float64],
    without_start: Sequence[int] = (),
) -> NDArray[np.int32]:
    """Return which of some branches is nearest to each point.

    Branches that spring from one place share it as their first point; it tells nothing about which of them is
    nearer, so it can be left out.
    """
    own = np.isin(tree.branch, branches)
    starts = np.searchsorted(tree.branch, without_start)
    own[starts[tree.branch[np.minimum(starts + 1, own.size - 1)] == without_start]] = False
    _, at = cKDTree(tree.points_mm[own]).query(points_mm, workers=-1)
    nearest: NDArray[np.int32] = tree.branch[own][at]
    return nearest
