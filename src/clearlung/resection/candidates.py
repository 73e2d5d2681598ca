"""`CandidateSet`: every specimen that could be cut, with what it takes and what margin it gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.ct import Box

CutKind = Literal["vessel", "bronchus"]
Closure = Literal["airtight", "suture", "untested", "staples", "stump"]
"""How the lung is closed where a specimen was: a bed that is airtight by itself, one that a suture makes
airtight, one deeper than anybody has tested, a row of staples, the stump of a bronchus."""


SURELY_CLEAR = 0.95
"""Chance that a cut misses every tumor below which a specimen is marked and warned of."""


@dataclass(frozen=True)
class LesionMargin:
    """The margin that one lesion gets in a specimen, and how sure it is.

    Parameters
    ----------
    lesion
        Its id.
    planned_mm
        Rim that the technique asks for at its size.
    margin_mm
        Least distance from its outline to the cut.
    low_mm, high_mm
        Interval of 95 % in which that distance lies, the outline's error being what it is.
    clear
        Chance that the cut misses the tumor, 0 to 1.
    satellites
        Share of satellite cells that is expected within the margin, 0 to 1.
    """

    lesion: int
    planned_mm: float
    margin_mm: float
    low_mm: float
    high_mm: float
    clear: float
    satellites: float


@dataclass(frozen=True)
class Cut:
    """A vessel or bronchus that a specimen's surface crosses, with the lesser of its widths on both sides."""

    kind: CutKind
    diameter_mm: float


@dataclass(frozen=True, eq=False)
class Piece:
    """Which voxels a specimen takes: a box on the anatomy's grid, and within it one bit per voxel."""

    box: Box
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, box: Box, mask: NDArray[np.bool_]) -> Piece:
        """Pack a mask of the box's shape."""
        return cls(box, np.packbits(mask))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The voxels, of the box's shape."""
        shape = tuple(s.stop - s.start for s in self.box)
        return np.unpackbits(self.bits, count=int(np.prod(shape))).astype(np.bool_).reshape(shape)


@dataclass(frozen=True, eq=False)
class CandidateSet:
    """Every specimen that could be cut, one row each; a lesion is in several of them.

    Parameters
    ----------
    id
        int32: 1 to n.
    lesions
        For each specimen, the ids of the lesions that it removes.
    technique, side, lobe
        Strings; the lobe is the one that gives most of the tissue.
    volume_ml
        float64: lung and tumor, each voxel once.
    lobe_ml
        float64, shape (n, 5) in the order of :data:`clearlung.anatomy.LOBES`: what each lobe gives of it.
    functional_ml
        float64: the part of it that breathes, by its density; NaN without a scan.
    margin_mm
        float64: planned rim, the widest of its lesions'.
    reach_mm
        float64: its deepest point below the pleura.
    minutes
        float64: in theatre, without access.
    closure
        Strings, see :data:`Closure`.
    margins
        What margin each of its lesions gets.
    cuts
        The vessels and bronchi that it cuts, widest first; empty without a scan.
    pieces
        The voxels of each; empty for a list without a scan.
    unresectable
        Lesion id to the reason why no technique fits it.
    evidence
        Ids of the evidence entries that the specimens rest on.
    forced
        Lesion id to the reason why nothing smaller than a segment or a lobe fits it.
    """

    id: NDArray[np.int32]
    lesions: tuple[tuple[int, ...], ...]
    technique: NDArray[np.str_]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    volume_ml: NDArray[np.float64]
    lobe_ml: NDArray[np.float64]
    functional_ml: NDArray[np.float64]
    margin_mm: NDArray[np.float64]
    reach_mm: NDArray[np.float64]
    minutes: NDArray[np.float64]
    closure: NDArray[np.str_]
    margins: tuple[tuple[LesionMargin, ...], ...]
    cuts: tuple[tuple[Cut, ...], ...]
    pieces: tuple[Piece, ...] = ()
    unresectable: dict[int, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    forced: dict[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.id)

    @property
    def anatomical(self) -> NDArray[np.bool_]:
        """Whether each is a segment or a lobe: what leaves the stump of a bronchus."""
        return np.asarray(self.closure == "stump", dtype=np.bool_)

    def mask(self, row: int) -> tuple[Box, NDArray[np.bool_]]:
        """Return the voxels that a specimen takes: a box on the anatomy's grid, and the mask in it."""
        piece = self.pieces[row]
        return piece.box, piece.mask

    def union_ml(self, rows: Sequence[int], voxel_ml: float) -> float:
        """Return the tissue that several specimens take together, every voxel once.

        Parameters
        ----------
        rows
            Of specimens made from a scan.
        voxel_ml
            Volume of a voxel.
        """
        if not len(rows):
            return 0.0
        boxes = np.array([[(s.start, s.stop) for s in self.pieces[row].box] for row in rows])
        corner, end = boxes[:, :, 0].min(axis=0), boxes[:, :, 1].max(axis=0)
        painted = np.zeros(tuple(end - corner), dtype=np.bool_)
        for row in rows:
            box, mask = self.mask(row)
            painted[tuple(slice(s.start - c, s.stop - c) for s, c in zip(box, corner, strict=True))] |= mask
        return float(np.count_nonzero(painted)) * voxel_ml
