"""`ResectionPicture`: what the pictures of specimens are drawn from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules import NoduleTable
from clearlung.report.projections import places_mm
from clearlung.resection import CandidateSet, SpecimenSet


@dataclass(frozen=True)
class Remainder:
    """What becomes of a lobe or lung; None where its size is not known."""

    name: str
    lesions: int
    specimens: int
    volume_ml: float | None
    removed_ml: float


@dataclass(frozen=True, eq=False)
class ResectionPicture:
    """Everything that the pictures of specimens are drawn from.

    Parameters
    ----------
    nodules
        All of them, also those that nothing fits.
    anatomy, scan
        What they lie in; without an anatomy there is a table alone, without a scan the lungs are plain.
    candidates, rows
        Every specimen that could be cut, and the row of each chosen one.
    specimens
        The chosen ones, in the same order.
    remains
        Lobes and lungs, in the order in which they are listed.
    function
        Sentences on lung function.
    source
        What it was made from, in words: never the patient's identity.
    """

    nodules: NoduleTable
    anatomy: Anatomy | None
    scan: Scan | None
    candidates: CandidateSet
    rows: NDArray[np.intp]
    specimens: SpecimenSet
    remains: tuple[Remainder, ...]
    function: tuple[str, ...]
    source: str

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Row in ``nodules`` of each lesion's number."""
        return {number: row for row, number in enumerate(self.nodules.id.tolist())}

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Where the nodules lie along the scan's z, y and x, shape (n, 3), mm; NaN without an anatomy."""
        if self.anatomy is None:
            return np.full((len(self.nodules), 3), np.nan)
        return places_mm(self.nodules, self.anatomy)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Of the anatomy's grid."""
        return (math.nan,) * 3 if self.anatomy is None else self.anatomy.lungs.spacing_mm

    @property
    def drawn(self) -> bool:
        """Whether the specimens have a shape and a place."""
        return self.anatomy is not None and (not len(self.rows) or bool(self.candidates.pieces))
