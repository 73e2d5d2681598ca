"""`SpecimenSet`: what is taken out for each lesion, one array per column."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


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
        float64: tissue taken out, planned rim, time in theatre without access.
    unresectable
        Lesion id to the reason why no technique fits it.
    evidence
        Ids of the evidence entries that the specimens rest on.
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

    def __post_init__(self) -> None:
        lengths = {f.name: len(getattr(self, f.name)) for f in fields(self)[:8]}
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
