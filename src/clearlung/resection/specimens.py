"""`SpecimenSet`: what is taken out for each lesion, one array per column."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES

_NOT_MEASURED = np.empty(0, dtype=np.float64)
_NOT_NAMED = np.empty(0, dtype=np.str_)
_NOT_TOLD = np.empty(0, dtype=np.bool_)
_NO_NUMBER = np.empty(0, dtype=np.int32)
_BLANKS = (_NOT_MEASURED, _NOT_NAMED, _NOT_TOLD, _NO_NUMBER)


def _not_measured() -> NDArray[np.float64]:
    return _NOT_MEASURED


def _not_named() -> NDArray[np.str_]:
    return _NOT_NAMED


def _no_number() -> NDArray[np.int32]:
    return _NO_NUMBER


def _not_told() -> NDArray[np.bool_]:
    return _NOT_TOLD


@dataclass(frozen=True, eq=False)
class SpecimenSet:
    """The specimens of one case, and the lesions that nothing fits.

    Parameters
    ----------
    id
        int32: 1 to n.
    lesions
        For each specimen, the ids of the lesions in it. Each lesion is in one specimen at most.
    technique, side, lobe
        Strings.
    volume_ml, margin_mm, minutes
        float64: tissue taken out, planned rim, time in theatre without access. Tissue that two specimens
        share counts for one of them, so volumes add up.
    unresectable
        Lesion id to the reason why no technique fits it.
    evidence
        Ids of the evidence entries that the specimens rest on.
    candidate
        int32: number of the candidate that each is; 0 where there are none.
    lobe_ml
        float64, shape (n, 5) in the order of :data:`clearlung.anatomy.LOBES`: what each lobe gives; NaN where
        unknown.
    reach_mm
        float64: deepest point below the pleura; NaN where unknown.
    margin_least_mm, margin_low_mm, margin_high_mm
        float64: margin of the lesion whose margin may be the least, and its interval; NaN where unknown.
    clear
        float64: chance that the cut misses every tumor in it; NaN where unknown.
    vessel_mm, bronchus_mm
        float64: widest vessel and bronchus that it cuts; 0 for none, NaN where unknown.
    closure
        Strings, see :data:`clearlung.resection.Closure`; "" where unknown.
    anatomical
        bool: whether it is a segment or a lobe.
    forced
        Lesion id to the reason why nothing smaller than a segment or a lobe fits it.
    """

    id: NDArray[np.int32]
    lesions: tuple[tuple[int, ...], ...]
    technique: NDArray[np.str_]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    volume_ml: NDArray[np.float64]
    margin_mm: NDArray[np.float64]
    minutes: NDArray[np.float64]
    unresectable: dict[int, str]
    evidence: tuple[str, ...]
    candidate: NDArray[np.int32] = field(default_factory=_no_number)
    lobe_ml: NDArray[np.float64] = field(default_factory=_not_measured)
    reach_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    margin_least_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    margin_low_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    margin_high_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    clear: NDArray[np.float64] = field(default_factory=_not_measured)
    vessel_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    bronchus_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    closure: NDArray[np.str_] = field(default_factory=_not_named)
    anatomical: NDArray[np.bool_] = field(default_factory=_not_told)
    forced: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in COLUMNS:
            # A shared empty array stands for a column that was left out.
            if any(getattr(self, name) is blank for blank in _BLANKS):
                object.__setattr__(self, name, _filler(name, len(self.id)))
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        inside = [lesion for group in self.lesions for lesion in group]
        if len(inside) != len(set(inside)) or set(inside) & set(self.unresectable):
            raise ValueError("a lesion is in two specimens, or in one and unresectable")

    def __len__(self) -> int:
        return len(self.id)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of lesions in each specimen."""
        return np.array([len(group) for group in self.lesions], dtype=np.int64)

    def take(self, rows: NDArray[np.intp]) -> SpecimenSet:
        """Return some of the specimens, with their numbers."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS if name != "lesions"}
        return replace(self, **columns, lesions=tuple(self.lesions[row] for row in rows))


COLUMNS: tuple[str, ...] = tuple(
    f.name for f in fields(SpecimenSet) if f.name not in ("unresectable", "evidence", "forced")
)
"""The columns, one entry per specimen."""


def _filler(name: str, count: int) -> NDArray[np.generic]:
    """Return a column that says nothing."""
    if name == "lobe_ml":
        return np.full((count, len(LOBES)), np.nan)
    if name == "candidate":
        return np.zeros(count, dtype=np.int32)
    if name == "closure":
        return np.full(count, "", dtype=np.str_)
    return np.zeros(count, dtype=np.bool_) if name == "anatomical" else np.full(count, np.nan)
