"""`TradeoffCurve`: what a trade-off's picture and table show, just solved or read from a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from clearlung.staging import Plan, Tradeoff, compare


@dataclass(frozen=True)
class CurvePoint:
    """One plan of the curve.

    Parameters
    ----------
    operations, weeks, lesions_left
        Their number, the week of the last one, and what none removes.
    removed_ml_max
        Tissue of the largest operation.
    fev1_lowest_low_percent
        Lower bound of the lowest FEV1 right after an operation; None without operations.
    fev1_limit_percent
        The floor of FEV1 that it was planned under.
    risk
        Class of risk by the protocol's rule set after recovery; None for no verdict.
    proven
        Whether no plan within its limits has fewer operations.
    dominated
        Whether another point is no worse in anything and better in one.
    """

    operations: int
    weeks: int
    lesions_left: int
    removed_ml_max: float
    fev1_lowest_low_percent: float | None
    fev1_limit_percent: float
    risk: str | None
    proven: bool
    dominated: bool


@dataclass(frozen=True)
class TradeoffCurve:
    """The trade-off between operations, tissue, weeks and lung function under one protocol.

    Parameters
    ----------
    protocol
        Its name.
    points
        By operations, then by tissue.
    tissue_step_ml, function_step_percent, weeks_step
        Steps of the limits that were swept.
    complete
        Whether it is proven that no point is missing, to the steps.
    """

    protocol: str
    points: tuple[CurvePoint, ...]
    tissue_step_ml: float
    function_step_percent: float
    weeks_step: int
    complete: bool

    @classmethod
    def of(cls, curve: Tradeoff, protocol: str) -> Self:
        """Return a curve that :func:`clearlung.staging.trade_off` has just made."""
        points = tuple(
            CurvePoint(
                operations=point.row.operations,
                weeks=point.row.weeks,
                lesions_left=point.row.lesions_left,
                removed_ml_max=point.row.removed_ml_max,
                fev1_lowest_low_percent=point.row.fev1_lowest_low_percent,
                fev1_limit_percent=point.fev1_limit_percent,
                risk=point.risk,
                proven=point.proven,
                dominated=point.dominated,
            )
            for point in curve.points
        )
        return cls(
            protocol,
            points,
            curve.options.tissue_step_ml,
            curve.options.function_step_percent,
            curve.options.weeks_step,
            curve.complete,
        )

    @property
    def best(self) -> tuple[CurvePoint, ...]:
        """The points that no other is better than."""
        return tuple(point for point in self.points if not point.dominated)


@dataclass(frozen=True)
class PlanPlace:
    """Where a plan lies beside the curve."""

    operations: int
    weeks: int
    removed_ml_max: float

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return a plan's place."""
        row = compare([plan]).rows[0]
        return cls(row.operations, row.weeks, row.removed_ml_max)
