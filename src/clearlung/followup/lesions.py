"""`LesionTable`: each lesion's identity over all scans, one array per column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.nodules import NoduleTable


@dataclass(frozen=True, eq=False)
class LesionTable:
    """Lesions of one patient.

    Parameters
    ----------
    id
        int32: the lesion's number, kept for life.
    nodule
        int32: its nodule on the latest scan.
    side, lobe
        Strings.
    diameter_mm, depth_mm, vdt_days
        float64: on the latest scan; the doubling time is NaN where unknown.
    scans
        int32: on how many scans it was seen.
    """

    id: NDArray[np.int32]
    nodule: NDArray[np.int32]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    diameter_mm: NDArray[np.float64]
    depth_mm: NDArray[np.float64]
    vdt_days: NDArray[np.float64]
    scans: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.id)


def lesions_of_first_scan(nodules: NoduleTable) -> LesionTable:
    """Every nodule of a first scan is a lesion, and gives it its number."""
    return LesionTable(
        id=nodules.id,
        nodule=nodules.id,
        side=nodules.side,
        lobe=nodules.lobe,
        diameter_mm=nodules.diameter_mm,
        depth_mm=nodules.depth_mm,
        vdt_days=nodules.vdt_days,
        scans=np.ones(len(nodules), dtype=np.int32),
    )
