"""`Nodes`: the partings and ends of a tree, and what is needed to draw it or to list its branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import BranchTree
from clearlung.phantom.shapes import Tubes

# Center lines have a point at least this often.
POINT_STEP_MM = 1.0


@dataclass(frozen=True, eq=False)
class Nodes:
    """Points of one or several trees, each joined to the one before it by a straight piece.

    Parameters
    ----------
    place_mm
        float64, shape (n, 3): LPS.
    parent
        int64: index of the node before it, less than its own; -1 for a root.
    first_mm, radius_mm
        float64: radius of the piece that leads to the node, where it begins and at the node.
    supplied
        float64: how much lung lies beyond, in ends of the tree.
    lobe, name
        str: as of :class:`clearlung.anatomy.BranchTree`, for the piece that leads to the node.
    """

    place_mm: NDArray[np.float64]
    parent: NDArray[np.int64]
    first_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    supplied: NDArray[np.float64]
    lobe: NDArray[np.str_]
    name: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.parent)

    @classmethod
    def joined(cls, parts: Sequence[Nodes], stems: Sequence[int]) -> Nodes:
        """Put several into one; the roots of each part are joined to a node given by its number, or -1."""
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        parents = [
            np.where(part.parent >= 0, part.parent + start, stem)
            for part, start, stem in zip(parts, starts, stems, strict=True)
        ]
        columns = ("first_mm", "radius_mm", "supplied", "lobe", "name")
        return cls(
            np.concatenate([part.place_mm for part in parts]),
            np.concatenate(parents).astype(np.int64),
            *(np.concatenate([getattr(part, column) for part in parts]) for column in columns),
        )

    @classmethod
    def along(cls, path: NDArray[np.float64], name: str, lobe: str = "") -> Nodes:
        """Make a chain of points (x, y, z, radius); the first one is its root."""
        n = len(path)
        radius = path[:, 3]
        return cls(
            path[:, :3].copy(),
            np.arange(-1, n - 1, dtype=np.int64),
            np.concatenate([radius[:1], radius[:-1]]),
            radius.copy(),
            np.zeros(n),
            np.full(n, lobe, dtype="<U3"),
            np.full(n, name, dtype="<U24"),
        )

    def extended(
        self,
        place_mm: NDArray[np.float64],
        parent: NDArray[np.int64],
        radius_mm: NDArray[np.float64],
        supplied: NDArray[np.float64],
        lobe: str,
        name: str,
    ) -> Nodes:
        """Add nodes at the end; their parents are given by the numbers of the whole."""
        n = len(place_mm)
        known = np.concatenate([self.radius_mm, radius_mm])
        return Nodes(
            np.concatenate([self.place_mm, place_mm]),
            np.concatenate([self.parent, parent]),
            np.concatenate([self.first_mm, np.minimum(known[parent], 1.15 * radius_mm)]),
            known,
            np.concatenate([self.supplied, supplied]),
            np.concatenate([self.lobe, np.full(n, lobe, dtype="<U3")]),
            np.concatenate([self.name, np.full(n, name, dtype="<U24")]),
        )

    def kept(self, drawn: NDArray[np.bool_]) -> Nodes:
        """Keep the nodes that are drawn and hang together with their root."""
        keep = drawn.copy()
        for k in range(len(self)):  # parents come first
            before = self.parent[k]
            if before >= 0 and not keep[before]:
                keep[k] = False
        number = np.cumsum(keep) - 1
        parent = self.parent[keep]
        return Nodes(
            self.place_mm[keep],
            np.where(parent >= 0, number[parent], -1),
            self.first_mm[keep],
            self.radius_mm[keep],
            self.supplied[keep],
            self.lobe[keep],
            self.name[keep],
        )

    def tubes(self) -> Tubes:
        """Return the pieces as tubes."""
        child = np.flatnonzero(self.parent >= 0)
        before = self.parent[child]
        return Tubes(self.place_mm[before], self.place_mm[child], self.first_mm[child], self.radius_mm[child])

    def branches(self) -> tuple[BranchTree, NDArray[np.float64]]:
        """List the branches from parting to parting.

        Returns
        -------
        tree, supplied
            The branches, and how much lung each supplies.
        """
        chains = self._chains()
        count = len(chains)
        of_node = np.full(len(self), -1, dtype=np.int64)
        for number, chain in enumerate(chains):
            of_node[chain] = number
        first = np.array([chain[0] for chain in chains], dtype=np.int64)
        before = self.parent[first]
        parent = np.where(before >= 0, of_node[before], -1).astype(np.int32)
        generation = np.zeros(count, dtype=np.int16)
        for k in np.flatnonzero(parent >= 0):  # parents come first
            generation[k] = generation[parent[k]] + 1
        points, radii, branch = self._center_lines(chains)
        step = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1)
        step[np.flatnonzero(np.diff(branch, prepend=-1))] = 0.0
        tree = BranchTree(
            parent=parent,
            generation=generation,
            lobe=np.array([self.lobe[chain[-1]] for chain in chains], dtype="<U3"),
            name=np.array([self.name[chain[-1]] for chain in chains], dtype="<U24"),
            diameter_mm=np.array(
                [2.0 * np.median(part) for part in np.split(radii, np.flatnonzero(np.diff(branch)) + 1)],
                dtype=np.float32,
            ),
            length_mm=np.bincount(branch, weights=step, minlength=count).astype(np.float32),
            points_mm=points,
            radius_mm=radii.astype(np.float32),
            branch=branch,
        )
        return tree, self.supplied[first]

    def _chains(self) -> list[NDArray[np.int64]]:
        """Nodes of each branch; the node where it parts is its last. A root alone belongs to its child."""
        children = np.bincount(self.parent[self.parent >= 0], minlength=len(self))
        only = np.zeros(len(self), dtype=np.int64)
        only[self.parent[self.parent >= 0]] = np.flatnonzero(self.parent >= 0)
        chains = []
        for k in range(len(self)):
            before = self.parent[k]
            if before >= 0 and children[before] == 1:
                continue
            chain = [k]
            while children[chain[-1]] == 1:
                chain.append(int(only[chain[-1]]))
            if before >= 0 or len(chain) > 1:
                chains.append(np.array(chain, dtype=np.int64))
        return chains

    def _center_lines(
        self, chains: list[NDArray[np.int64]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
        """Points every :data:`POINT_STEP_MM` or more often, their radii and branches."""
        nodes = np.concatenate(chains)
        owner = np.repeat(np.arange(len(chains)), [len(chain) for chain in chains])
        before = np.where(self.parent[nodes] >= 0, self.parent[nodes], nodes)
        start, end = self.place_mm[before], self.place_mm[nodes]
        length = np.linalg.norm(end - start, axis=1)
        # Each piece gives its end; the first of a branch also where it begins.
        pieces = np.maximum(np.ceil(length / POINT_STEP_MM).astype(int), 1)
        begins = np.diff(owner, prepend=-1) > 0
        counts = pieces + begins
        counts[before == nodes] = 1
        piece = np.repeat(np.arange(len(nodes)), counts)
        rank = np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)
        t = ((rank + 1 - begins[piece]) / pieces[piece])[:, None]
        points = start[piece] + (end - start)[piece] * t
        radii = self.first_mm[nodes][piece] * (1 - t[:, 0]) + self.radius_mm[nodes][piece] * t[:, 0]
        return points, radii, owner[piece].astype(np.int32)
