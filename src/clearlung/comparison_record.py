"""``comparison.json``: protocols side by side and the trade-off curve, as plain data."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.comparison_jobs import Compared, ComparedProtocol
from clearlung.manifest import published_schema
from clearlung.report import CurvePoint, TradeoffCurve, tradeoff_words
from clearlung.staging import ComparisonRow, Tradeoff, TradeoffAnswer, TradeoffPoint


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProtocolFound(_Part):
    """One protocol: its plan in figures, or why it has none."""

    protocol: str
    plan: ComparisonRow | None = Field(description="Null where the protocol allows no plan.")
    reasons: tuple[str, ...] = Field(description="Why there is no plan.")
    warnings: tuple[str, ...] = Field(description="What a reader must know before relying on the plan.")

    @classmethod
    def of(cls, compared: ComparedProtocol) -> Self:
        """Return a protocol's outcome as plain data."""
        return cls(
            protocol=compared.protocol.name,
            plan=compared.row,
            reasons=compared.reasons,
            warnings=() if compared.plan is None else compared.plan.warnings,
        )


class PointFound(_Part):
    """One plan of the trade-off curve."""

    operations: int
    removed_ml_max: float = Field(description="Tissue of the largest operation.")
    weeks: int = Field(description="Week of the last operation.")
    fev1_lowest_low_percent: float | None = Field(
        description="Lower bound of the lowest FEV1 right after an operation; null without operations."
    )
    lesions_left: int
    nodules_max: int = Field(description="Most metastases in one operation.")
    minutes_max: float = Field(description="Of the longest operation.")
    perfusions: int
    ppo_fev1_low_percent: float = Field(description="Lower bound of FEV1 after full recovery.")
    risk: str | None = Field(description="Class of risk by the protocol's rule set; null: no verdict.")
    removed_ml_limit: float = Field(description="Planned with at most this much tissue in an operation.")
    fev1_limit_percent: float = Field(description="Planned with at least this FEV1 after each.")
    proven: bool = Field(
        description="Whether no plan within both limits leaves fewer lesions, or has fewer operations."
    )
    weeks_bound: float = Field(
        description="No plan with as many operations and as little tissue in each lung's largest ends sooner."
    )
    dominated: bool = Field(description="Whether another point is no worse in anything and better in one.")

    @classmethod
    def of(cls, point: TradeoffPoint) -> Self:
        """Return a point as plain data."""
        row = point.row
        return cls(
            operations=row.operations,
            removed_ml_max=row.removed_ml_max,
            weeks=row.weeks,
            fev1_lowest_low_percent=row.fev1_lowest_low_percent,
            lesions_left=row.lesions_left,
            nodules_max=row.nodules_max,
            minutes_max=row.minutes_max,
            perfusions=row.perfusions,
            ppo_fev1_low_percent=row.ppo_fev1_low_percent,
            risk=point.risk,
            removed_ml_limit=point.removed_ml_limit,
            fev1_limit_percent=point.fev1_limit_percent,
            proven=point.proven,
            weeks_bound=point.weeks_bound,
            dominated=point.dominated,
        )


class AnswerFound(_Part):
    """What one pair of limits was answered with; the answer holds for a rectangle of limits."""

    removed_ml_limit: float
    fev1_limit_percent: float
    verdict: Literal["plan", "more operations", "more lesions left", "no plan found"]
    proven: bool
    removed_ml_down_to: float = Field(description="It holds for limits of tissue down to this.")
    fev1_up_to_percent: float | None = Field(
        description="It holds for limits of FEV1 up to this; null for any."
    )

    @classmethod
    def of(cls, answer: TradeoffAnswer) -> Self:
        """Return an answer as plain data."""
        high = answer.fev1_low_percent
        return cls(
            removed_ml_limit=answer.removed_ml_limit,
            fev1_limit_percent=answer.fev1_limit_percent,
            verdict=answer.verdict,
            proven=answer.proven,
            removed_ml_down_to=answer.removed_ml_max,
            fev1_up_to_percent=high if math.isfinite(high) else None,
        )


class CurveFound(_Part):
    """The trade-off between operations, tissue, weeks and lung function under one protocol."""

    protocol: str
    words: str = Field(description="What its picture shows.")
    complete: bool = Field(
        description="Whether it is proven that no point is missing, to the steps and in operations, tissue"
        " and FEV1. Weeks are those of each plan; sooner ones with larger operations are not looked for."
    )
    tissue_step_ml: float
    function_step_percent: float
    operations_more: int = Field(description="Operations above the fewest that were looked at.")
    fev1_most_percent: float = Field(description="No operation leaves more than this.")
    unexplored: int = Field(description="Pairs of limits that no answer settles.")
    beyond_weeks: int = Field(description="Plans left out because they end later than the protocol allows.")
    points: tuple[PointFound, ...]
    answers: tuple[AnswerFound, ...] = Field(description="Every pair of limits that was solved.")

    @classmethod
    def of(cls, curve: Tradeoff, protocol: str) -> Self:
        """Return a curve as plain data."""
        return cls(
            protocol=protocol,
            words=tradeoff_words(TradeoffCurve.of(curve, protocol)),
            complete=curve.complete,
            tissue_step_ml=curve.options.tissue_step_ml,
            function_step_percent=curve.options.function_step_percent,
            operations_more=curve.options.operations_more,
            fev1_most_percent=curve.fev1_most_percent,
            unexplored=curve.unexplored,
            beyond_weeks=curve.beyond_weeks,
            points=tuple(PointFound.of(point) for point in curve.points),
            answers=tuple(AnswerFound.of(answer) for answer in curve.answers),
        )

    def drawn(self) -> TradeoffCurve:
        """Return what its picture and the report's table show."""
        shown = {field.name for field in fields(CurvePoint)}
        points = tuple(CurvePoint(**point.model_dump(include=shown)) for point in self.points)
        return TradeoffCurve(
            self.protocol, points, self.tissue_step_ml, self.function_step_percent, self.complete
        )


class ComparisonRecord(_Part):
    """Protocols side by side, and the trade-off curve of the first one that has a plan."""

    format: Literal["clearlung-comparison/1"] = "clearlung-comparison/1"
    notice: str = RESEARCH_NOTICE
    software: str = f"clearlung {__version__}"
    protocols: tuple[ProtocolFound, ...]
    curve: CurveFound | None = Field(description="Null where no protocol has a plan.")

    @classmethod
    def of(cls, compared: Compared) -> Self:
        """Return a comparison as plain data."""
        curve = None
        if compared.curve is not None:
            curve = CurveFound.of(compared.curve, compared.curve_protocol)
        return cls(protocols=tuple(map(ProtocolFound.of, compared.protocols)), curve=curve)


def comparison_schema() -> str:
    """Return the JSON schema of ``comparison.json``, as published in ``docs/comparison.schema.json``."""
    return published_schema(ComparisonRecord, "Clearlung comparison")
