"""`ReportInput`: everything that a report is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules import NoduleTable
from clearlung.staging import Plan, PlannedLesion


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything that a report is written from.

    Parameters
    ----------
    plan
        The plan.
    nodules
        The nodules of the scan that was planned on; a lesion of the plan has its nodule's number.
    anatomy, scan
        Both None where the plan was made from a radiologist's list without places.
    title
        Heading of the report: never the patient's identity.
    source
        Where the input came from, in words: never the patient's identity.
    created
        The day that the report bears, ``YYYY-MM-DD``. Passed in, so that the same input gives the same bytes.
    comparison
        Plans of the same patient by other protocols, to show side by side; the plan itself may be among them.
    """

    plan: Plan
    nodules: NoduleTable
    anatomy: Anatomy | None
    scan: Scan | None
    title: str
    source: str
    created: str
    comparison: Sequence[Plan] = ()

    @cached_property
    def lesions(self) -> dict[int, PlannedLesion]:
        """The plan's lesions by number."""
        return {lesion.id: lesion for lesion in self.plan.lesions}

    @property
    def has_places(self) -> bool:
        """Whether every nodule can be drawn where it lies."""
        return self.anatomy is not None and bool(np.isfinite(self.nodules.points_mm).all())

    @property
    def not_planned(self) -> tuple[int, ...]:
        """Nodules that the plan does not speak of: findings too unlikely to be nodules."""
        return tuple(int(number) for number in self.nodules.id if int(number) not in self.lesions)

    @cached_property
    def row_of(self) -> dict[int, int]:
        """Row in ``nodules`` of each nodule's number."""
        return {number: row for row, number in enumerate(self.nodules.id.tolist())}

    def operation_of(self, number: int) -> int | None:
        """Return the operation that removes a nodule, or None."""
        lesion = self.lesions.get(number)
        return None if lesion is None else lesion.operation
