"""`Seen`: the metastases that the CT shows, as far as their number, size and lobe go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clearlung.anatomy import LOBES
from clearlung.followup import LesionTable
from clearlung.nodules import NoduleTable

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Seen:
    """What the CT shows, one entry per nodule.

    Parameters
    ----------
    diameter_mm
        float64: of the sphere of equal volume.
    lobe
        One of :data:`clearlung.anatomy.LOBES`.
    chance
        float64 in [0, 1]: how likely each is a metastasis; all 1 if left out.
    vdt_days
        float64: volume doubling time, NaN where unknown; all so if left out.

    Raises
    ------
    ValueError
        If the columns differ in length, or a diameter, lobe or chance is none.

    Examples
    --------
    >>> len(Seen.listed([4.0, 7.5], ["RUL", "LLL"]))
    2
    """

    diameter_mm: FloatArray
    lobe: NDArray[np.str_]
    chance: FloatArray = field(default_factory=lambda: np.zeros(0))
    vdt_days: FloatArray = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        for name, filler in (("chance", 1.0), ("vdt_days", np.nan)):
            if not len(getattr(self, name)):
                object.__setattr__(self, name, np.full(len(self.diameter_mm), filler))
        lengths = {n: len(getattr(self, n)) for n in ("diameter_mm", "lobe", "chance", "vdt_days")}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        if not (np.isfinite(self.diameter_mm) & (self.diameter_mm > 0)).all():
            raise ValueError("every diameter must be above 0 mm: leave out nodules that were not measured")
        if not ((self.chance >= 0) & (self.chance <= 1)).all():
            raise ValueError("the chance of being a metastasis must be 0 to 1; give 1 where it is not known")
        strange = set(self.lobe.tolist()) - set(LOBES)
        if strange:
            raise ValueError(f"a lobe must be one of {', '.join(LOBES)}, not {sorted(strange)}")

    def __len__(self) -> int:
        return len(self.diameter_mm)

    @classmethod
    def listed(
        cls, diameter_mm: ArrayLike, lobe: Sequence[str], *, chance: ArrayLike = (), vdt_days: ArrayLike = ()
    ) -> Seen:
        """Make it from plain lists."""
        columns = (np.asarray(c, dtype=np.float64) for c in (diameter_mm, chance, vdt_days))
        diameters, chances, vdt = columns
        return cls(diameters, np.asarray(lobe, dtype="<U3"), chances, vdt)

    @classmethod
    def of_lesions(cls, lesions: LesionTable, chance: ArrayLike = ()) -> Seen:
        """Make it from a table of lesions, with each one's chance to be a metastasis, if that is known."""
        return cls.listed(
            lesions.diameter_mm, lesions.lobe.tolist(), chance=chance, vdt_days=lesions.vdt_days
        )

    @classmethod
    def of_nodules(cls, nodules: NoduleTable) -> Seen:
        """Make it from a table of nodules.

        A nodule is a metastasis as likely as it is a nodule and a nodule is malignant; where no evidence
        states the latter, it counts as certain.
        """
        malignant = np.nan_to_num(nodules.malignant_chance, nan=1.0)
        return cls.listed(
            nodules.diameter_mm,
            nodules.lobe.tolist(),
            chance=nodules.probability * malignant,
            vdt_days=nodules.vdt_days,
        )
