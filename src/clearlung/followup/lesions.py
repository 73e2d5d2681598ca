"""`LesionTable`: each lesion's identity over all scans, one array per column."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES
from clearlung.nodules import NoduleTable


@dataclass(frozen=True, eq=False)
class LesionTable:
    """Lesions of one patient, as they are on the latest scan.

    Parameters
    ----------
    id
        int32: the lesion's number, kept for life; each one once, in any order.
    side, lobe
        Strings.
    diameter_mm, depth_mm
        float64.
    vdt_days
        float64: volume doubling time; NaN where unknown.
    hilum_mm
        float64: distance of the center from the hilum of its side; NaN where unknown, all so if left out.

    Raises
    ------
    ValueError
        If the columns differ in length, an id occurs twice, or a lobe is not on its side.
    """

    id: NDArray[np.int32]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    diameter_mm: NDArray[np.float64]
    depth_mm: NDArray[np.float64]
    vdt_days: NDArray[np.float64]
    hilum_mm: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not len(self.hilum_mm):
            object.__setattr__(self, "hilum_mm", np.full(len(self.id), np.nan))
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        if len(np.unique(self.id)) < len(self):
            raise ValueError("a lesion id occurs twice")
        sides = {str(lobe): side for lobe, side in LOBE_SIDES.items()}
        for lesion, side, lobe in zip(self.id.tolist(), self.side.tolist(), self.lobe.tolist(), strict=True):
            if sides.get(lobe) != side:
                raise ValueError(f"lesion {lesion}: lobe {lobe!r} is not on the {side!r} side")

    def __len__(self) -> int:
        return len(self.id)


def lesions_of_first_scan(nodules: NoduleTable) -> LesionTable:
    """Make every nodule of a first scan a lesion.

    Parameters
    ----------
    nodules
        The nodules of the first scan or list.

    Returns
    -------
    LesionTable
        One lesion per nodule, with the nodule's number for life.
    """
    return LesionTable(
        id=nodules.id,
        side=nodules.side,
        lobe=nodules.lobe,
        diameter_mm=nodules.diameter_mm,
        depth_mm=nodules.depth_mm,
        vdt_days=nodules.vdt_days,
        hilum_mm=nodules.hilum_mm,
    )
