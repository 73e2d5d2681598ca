"""Tissue that several specimens would take: counted once, for the one whose lesion is nearest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES
from clearlung.ct import Box, Volume
from clearlung.nodules import NoduleTable
from clearlung.resection.candidates import CandidateSet

Voxels = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Which voxels candidates share; what was looked up is remembered.

    Parameters
    ----------
    candidates
        With their voxels.
    lobes
        Label map of the lobes.
    nodules
        The lesions, with their places.
    """

    candidates: CandidateSet
    lobes: Volume
    nodules: NoduleTable
    _pairs: dict[tuple[int, int], Voxels] = field(default_factory=dict)

    def shared_ml(self, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return what each of some candidates gives up to the others, by lobe.

        Parameters
        ----------
        rows
            Rows of candidates that are cut together.

        Returns
        -------
        array
            float64, shape (rows, lobes): less this, their tissue adds up to their union.
        """
        lost = np.zeros((len(rows), len(LOBES)))
        voxel, owner, beaten = self._ranked(rows)
        label = self.lobes.array.ravel()[voxel[beaten]].astype(np.int64)
        theirs = owner[beaten]
        # A voxel that no lobe claims counts for the lobe that gives the specimen most.
        main = self.candidates.lobe_ml[np.asarray(rows, dtype=np.int64)].argmax(axis=1)[theirs]
        lobe = np.where(label > 0, label - 1, main)
        np.add.at(lost, (theirs, lobe), self.lobes.voxel_ml)
        return lost

    def keepers(self, rows: Sequence[int]) -> tuple[Voxels, NDArray[np.int64]]:
        """Return for which candidate each shared voxel counts.

        Parameters
        ----------
        rows
            Rows of candidates that are cut together.

        Returns
        -------
        voxel, place
            int64, shape (n,): flat index of every voxel that several of them take, and the place in ``rows``
            of the one that it counts for.
        """
        voxel, owner, beaten = self._ranked(rows)
        return voxel[~beaten], owner[~beaten]

    def _ranked(self, rows: Sequence[int]) -> tuple[Voxels, NDArray[np.int64], NDArray[np.bool_]]:
        """Return every claim on a shared voxel, by voxel, and whether a nearer one beats it."""
        voxel, owner = self._claims(rows)
        distance = self._distances(rows, voxel, owner)
        order = np.lexsort((owner, distance, voxel))
        voxel, owner = voxel[order], owner[order]
        beaten = np.zeros(len(voxel), dtype=np.bool_)
        beaten[1:] = voxel[1:] == voxel[:-1]
        return voxel, owner, beaten

    def _claims(self, rows: Sequence[int]) -> tuple[Voxels, Voxels]:
        """Return every shared voxel with each of the candidates (by place in ``rows``) that takes it."""
        found: list[tuple[Voxels, int]] = []
        for (a, one), (b, other) in combinations(enumerate(rows), 2):
            shared = self._shared(one, other)
            if len(shared):
                found += [(shared, a), (shared, b)]
        if not found:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        voxel = np.concatenate([v for v, _ in found])
        owner = np.concatenate([np.full(len(v), k, dtype=np.int64) for v, k in found])
        claims = np.unique(np.column_stack([voxel, owner]), axis=0)
        return claims[:, 0], claims[:, 1]

    def _shared(self, one: int, other: int) -> Voxels:
        """Return the flat indices of the voxels that two candidates share."""
        key = (one, other) if one < other else (other, one)
        if key not in self._pairs:
            self._pairs[key] = self._meet(*key)
        return self._pairs[key]

    def _meet(self, one: int, other: int) -> Voxels:
        a, b = self.candidates.pieces[one], self.candidates.pieces[other]
        z, y, x = (
            slice(max(s.start, t.start), min(s.stop, t.stop)) for s, t in zip(a.box, b.box, strict=True)
        )
        both = (z, y, x)
        if any(s.stop <= s.start for s in both):
            return np.zeros(0, dtype=np.int64)
        masks = [p.mask[_within(both, p.box)] for p in (a, b)]
        local = np.nonzero(masks[0] & masks[1])
        place = tuple(k + s.start for k, s in zip(local, both, strict=True))
        return np.asarray(np.ravel_multi_index(place, self.lobes.shape), dtype=np.int64)

    def _distances(self, rows: Sequence[int], voxel: Voxels, owner: Voxels) -> NDArray[np.float64]:
        """Return how far each voxel lies from the nearest lesion of the candidate that takes it."""
        index = np.column_stack(np.unravel_index(voxel, self.lobes.shape))
        points = self.lobes.points_mm(index)
        place = {int(lesion): k for k, lesion in enumerate(self.nodules.id.tolist())}
        distance = np.full(len(voxel), np.inf)
        for k in np.unique(owner).tolist():
            mine = owner == k
            for lesion in self.candidates.lesions[rows[k]]:
                at = place[lesion]
                away = np.linalg.norm(points[mine] - self.nodules.points_mm[at], axis=1)
                distance[mine] = np.minimum(distance[mine], away - self.nodules.diameter_mm[at] / 2)
        return distance


def _within(box: Box, outer: Box) -> Box:
    """Return a box as seen from another's corner."""
    z, y, x = (slice(s.start - t.start, s.stop - t.start) for s, t in zip(box, outer, strict=True))
    return (z, y, x)
