"""What one perfusion does about the metastases that the CT does not show in the lobes that it reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import Lobe
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import (
    TARGETS,
    Course,
    LungBenefit,
    LungVolumes,
    OccultBurden,
    sterilized_by,
)
from clearlung.staging.perfusion_record import Expected

UNSEEN_WORDS = (
    "Metastases that the CT does not show in what is perfused: now; after the hands of this operation,"
    " without this perfusion and with it (median, nine in ten); and spared (mean)."
)
"""What is said beside their numbers."""

NO_UNSEEN = (
    "How many metastases the CT does not show is not estimated: no nodules are known. Give a scan, a list, or"
    " what clearlung nodules or plan left."
)
"""What is said where there is nothing to estimate them from."""

# Below the first nothing is felt; above the last much is.
_SIZES_MM = (0.0, 0.5, 1.0, 2.0, np.inf)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UnseenCount(_Part):
    """Metastases that the CT does not show, around the operation of one perfusion."""

    unseen: Expected = Field(description="On the day of the CT, or what earlier operations left of them.")
    left_without: Expected = Field(
        description="After the operation, when the hand has found what it can feel, without the perfusion."
    )
    left: Expected = Field(description="The same with the perfusion.")
    spared: Expected = Field(description="How many fewer that are.")

    @classmethod
    def of(cls, part: LungBenefit, week: int, **where: object) -> Self:
        """Count those of a part of the lung around an operation in some week."""
        without, left = part.left(week), part.left(week, [week])
        counts = {
            "unseen": part.unseen.sum(axis=1),
            "left_without": without,
            "left": left,
            "spared": without - left,
        }
        named = {name: Expected.of(draws) for name, draws in counts.items()}
        return cls.model_validate(named | where)


class UnseenLobe(UnseenCount):
    """Those of one lobe."""

    lobe: Lobe


class UnseenSize(UnseenCount):
    """Those of one size, whatever they have grown to by the day of the operation."""

    low_mm: float = Field(ge=0, description="On the day of the CT.")
    high_mm: float | None = Field(description="Null: and more.")


class UnseenPerfused(UnseenCount):
    """Those of all the lobes that are perfused, by lobe and by size."""

    lobes: tuple[UnseenLobe, ...]
    sizes: tuple[UnseenSize, ...]
    words: tuple[str, ...] = Field(description="What a reader must know of the estimate.")


def unseen_perfused(
    burden: OccultBurden,
    lobes: Mapping[Lobe, LungBenefit],
    course: Course,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    week: int = 0,
    earlier: Sequence[int] = (),
) -> UnseenPerfused | None:
    """Return how many metastases are unseen in what is perfused, and how many are left after the operation.

    Parameters
    ----------
    burden
        What the CT does not show.
    lobes
        The same by lobe, with what the hand feels: :attr:`clearlung.perfusion.Benefit.lobes`.
    course
        Of the drug in the target of its regimen.
    lungs, book
        The patient's lungs and the evidence.
    week
        Of the operation, in which the hand feels through the same lobes.
    earlier
        Weeks of earlier perfusions with the same regimen, after week 0.

    Returns
    -------
    UnseenPerfused or None
        None where no lobe of the target is there.
    """
    mine = {lobe: lobes[lobe] for lobe in TARGETS[course.regimen.target].lobes if lobe in lobes}
    if not mine:
        return None
    first = next(iter(mine))
    table = sterilized_by(course, mine[first].table_mm, burden, lungs, book)
    parts = {lobe: part.changed(sterilized=table).after(earlier) for lobe, part in mine.items()}
    whole = parts[first].changed(unseen=np.sum([part.unseen for part in parts.values()], axis=0))
    return UnseenPerfused.of(
        whole,
        week,
        lobes=tuple(UnseenLobe.of(part, week, lobe=lobe) for lobe, part in parts.items()),
        sizes=tuple(_of_size(whole, week, low, high) for low, high in pairwise(_SIZES_MM)),
        words=burden.words,
    )


def _of_size(whole: LungBenefit, week: int, low_mm: float, high_mm: float) -> UnseenSize:
    within = (whole.diameters_mm >= low_mm) & (whole.diameters_mm < high_mm)
    part = whole.changed(unseen=np.where(within, whole.unseen, 0.0))
    return UnseenSize.of(part, week, low_mm=low_mm, high_mm=high_mm if np.isfinite(high_mm) else None)
