"""`ReportInput`: everything that a report is written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clearlung.nodules import NoduleTable
from clearlung.report.course import FIRST_OPERATION, TODAY
from clearlung.report.lung_views import LungViews
from clearlung.report.perfusion_input import PerfusionPages
from clearlung.report.tradeoff_curve import TradeoffCurve
from clearlung.staging import Plan, PlannedLesion, Replan, StressRecord


@dataclass(frozen=True)
class Revision:
    """A plan of what is left, against what was promised."""

    promised: Plan
    record: Replan


@dataclass(frozen=True, eq=False)
class ReportInput:
    """Everything that a report is written from.

    Parameters
    ----------
    plan
        The plan.
    nodules
        The nodules of the scan that was planned on; a lesion of the plan has its nodule's number.
    lungs
        The lungs' projections; None where the plan was made from a radiologist's list without a scan.
    title
        Heading of the report: never the patient's identity.
    source
        Where the input came from, in words: never the patient's identity.
    created
        The day that the report bears, ``YYYY-MM-DD``. Passed in, so that the same input gives the same bytes.
    comparison
        Plans of the same patient by other protocols, to show side by side; the plan itself may be among them.
    curve
        What fewer operations cost, where that was asked for.
    stress
        How the plan fares when things turn out otherwise, where that was tested.
    revision
        What the plan changes of an earlier one; its weeks are then counted from the day of the change.
    perfusions
        The sheets of the plan's perfusions, and what is known of the unseen beside the plan.
    """

    plan: Plan
    nodules: NoduleTable
    lungs: LungViews | None
    title: str
    source: str
    created: str
    comparison: Sequence[Plan] = ()
    curve: TradeoffCurve | None = None
    stress: StressRecord | None = None
    revision: Revision | None = None
    perfusions: PerfusionPages = field(default_factory=PerfusionPages)

    @cached_property
    def lesions(self) -> dict[int, PlannedLesion]:
        """The plan's lesions by number."""
        return {lesion.id: lesion for lesion in self.plan.lesions}

    @property
    def has_places(self) -> bool:
        """Whether nodules can be drawn where they lie."""
        return self.lungs is not None and (len(self.nodules) == 0 or len(self.unplaced) < len(self.nodules))

    @cached_property
    def unplaced(self) -> tuple[int, ...]:
        """Nodules whose place nobody gave."""
        known = np.isfinite(self.nodules.points_mm).all(axis=1)
        return tuple(int(number) for number in self.nodules.id[~known])

    @property
    def weeks_from(self) -> str:
        """What the plan's weeks are counted from, in words."""
        return FIRST_OPERATION if self.revision is None else TODAY

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
