"""`Workshop`: measures specimens that were cut from one scan: tissue, depth, margins, what is cut through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, Side
from clearlung.ct import Box
from clearlung.evidence import EvidenceBook
from clearlung.resection.candidates import Cut, LesionMargin, Piece
from clearlung.resection.grid import Grid
from clearlung.resection.margins import Satellites, describe_margins, outline_error_mm
from clearlung.resection.shapes import distances_to_cut, surface_beyond_mm
from clearlung.resection.techniques import Technique

FUNCTIONAL_EVIDENCE = ("function.ppo.density_low", "function.ppo.density_high")


@dataclass(frozen=True, eq=False)
class Specimen:
    """One specimen as it was cut and measured."""

    technique: Technique
    rows: tuple[int, ...]
    piece: Piece
    lobe_ml: NDArray[np.float64]
    functional_ml: float
    reach_mm: float
    margins: tuple[LesionMargin, ...]
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, eq=False)
class Workshop:
    """What cutting and measuring specimens needs besides the grid: errors, curves, limits of density."""

    grid: Grid
    error_mm: NDArray[np.float64]
    satellites: Satellites
    functional_hu: tuple[float, float]

    @classmethod
    def of(cls, grid: Grid, book: EvidenceBook) -> Workshop:
        """Prepare for one scan."""
        low, high = FUNCTIONAL_EVIDENCE
        return cls(
            grid,
            outline_error_mm(grid.nodules, float(np.cbrt(np.prod(grid.spacing_mm)))),
            Satellites.of(book),
            (book.value(low, unit="HU"), book.value(high, unit="HU")),
        )

    def planned_mm(self, technique: Technique, rows: Sequence[int]) -> NDArray[np.float64]:
        """Return the rim that a technique asks for around each lesion."""
        return np.array([technique.margin_mm(float(self.grid.nodules.diameter_mm[r])) for r in rows])

    def ids(self, rows: Sequence[int]) -> list[int]:
        """Return the lesions' numbers."""
        return [int(self.grid.nodules.id[row]) for row in rows]

    def side(self, rows: Sequence[int]) -> Side:
        """Return the lung that lesions are in."""
        return cast(Side, str(self.grid.nodules.side[rows[0]]))

    def measured(
        self,
        technique: Technique,
        rows: tuple[int, ...],
        box: Box,
        taken: NDArray[np.bool_],
        distance_mm: NDArray[np.float64],
        cuts: list[Cut],
    ) -> Specimen:
        """Return a specimen with everything that is stated of it."""
        grid = self.grid
        lobe_ml = grid.lobe_ml(box, taken)
        # What no lobe claims is the lobe's that the first lesion is in.
        total = float(np.count_nonzero(taken)) * grid.anatomy.lungs.voxel_ml
        lobe_ml[LOBES.index(str(grid.nodules.lobe[rows[0]]))] += total - lobe_ml.sum()
        functional = np.nan
        if grid.hu is not None:
            hu = grid.hu[box][taken]
            low, high = self.functional_hu
            functional = float(np.count_nonzero((hu >= low) & (hu <= high))) * grid.anatomy.lungs.voxel_ml
        return Specimen(
            technique=technique,
            rows=rows,
            piece=Piece.of(box, taken),
            lobe_ml=lobe_ml,
            functional_ml=functional,
            reach_mm=float(grid.anatomy.depth_mm.array[box][taken].max(initial=0.0)),
            margins=describe_margins(
                self.ids(rows),
                self.planned_mm(technique, rows),
                distance_mm,
                self.error_mm[list(rows)],
                self.satellites,
            ),
            cuts=tuple(cuts),
        )

    def distances_mm(
        self, rows: Sequence[int], box: Box, taken: NDArray[np.bool_], stays: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the least distance from each lesion's surface to the cut."""
        grid = self.grid
        surfaces = [grid.surfaces[row] for row in rows]
        starts = np.cumsum([0, *[len(s) for s in surfaces]]).astype(np.int64)
        found = distances_to_cut(
            taken,
            stays,
            np.array([s.start for s in box], dtype=np.int64),
            grid.step_mm,
            np.concatenate(surfaces) * grid.step_mm,
            starts,
            grid.spheres_mm[list(rows)],
        )
        return np.asarray(found - surface_beyond_mm(grid.spacing_mm))
