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
from clearlung.staging import ComparisonRow, Goal, Tradeoff, TradeoffAnswer, TradeoffPoint, UnseenLeft


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ProtocolFound(_Part):
    """One protocol: its plan in figures, or why it has none."""

    protocol: str
    plan: ComparisonRow | None = Field(description="Null where the protocol allows no plan.")
    unseen: UnseenLeft | None = Field(
        default=None,
        description="What the plan leaves unseen, as far as plans can be compared by it; null where nothing"
        " was estimated, or on other assumptions than for the first.",
    )
    goals: tuple[Goal, ...] = Field(
        description="What the plan was made for, by rank, each with how far it is proven."
    )
    reasons: tuple[str, ...] = Field(description="Why there is no plan.")
    warnings: tuple[str, ...] = Field(description="What a reader must know before relying on the plan.")

    @classmethod
    def of(cls, compared: ComparedProtocol) -> Self:
        """Return a protocol's outcome as plain data."""
        return cls(
            protocol=compared.protocol.name,
            plan=compared.row,
            unseen=compared.unseen,
            goals=() if compared.plan is None else compared.plan.solver.goals,
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
    weeks_limit: int | None = Field(description="Planned to end by this week; null for no limit.")
    proven: bool = Field(
        description="Whether no plan within these limits leaves fewer lesions, or has fewer operations."
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
            weeks_limit=_weeks(point.weeks_limit),
            proven=point.proven,
            weeks_bound=point.weeks_bound,
            dominated=point.dominated,
        )


class AnswerFound(_Part):
    """What one set of limits was answered with; the answer holds for a box of limits."""

    removed_ml_limit: float
    fev1_limit_percent: float
    weeks_limit: int | None = Field(description="Null for no limit.")
    verdict: Literal["plan", "more operations", "more lesions left", "later", "no plan found"] = Field(
        description="later: the operations that are needed cannot end by then, for the intervals and what"
        " opening the chest takes of function alone."
    )
    proven: bool
    removed_ml_down_to: float = Field(description="It holds for limits of tissue down to this.")
    fev1_up_to_percent: float | None = Field(
        description="It holds for limits of FEV1 up to this; null for any."
    )
    weeks_down_to: int = Field(description="It holds for limits of weeks down to this.")

    @classmethod
    def of(cls, answer: TradeoffAnswer) -> Self:
        """Return an answer as plain data."""
        high = answer.fev1_low_percent
        return cls(
            removed_ml_limit=answer.removed_ml_limit,
            fev1_limit_percent=answer.fev1_limit_percent,
            weeks_limit=_weeks(answer.weeks_limit),
            verdict=answer.verdict,
            proven=answer.proven,
            removed_ml_down_to=answer.removed_ml_max,
            fev1_up_to_percent=high if math.isfinite(high) else None,
            weeks_down_to=answer.weeks,
        )


def _weeks(limit: float) -> int | None:
    return int(limit) if math.isfinite(limit) else None


class CurveFound(_Part):
    """The trade-off between operations, tissue, weeks and lung function under one protocol."""

    protocol: str
    words: str = Field(description="What its picture shows.")
    complete: bool = Field(
        description="Whether it is proven that no point is missing in operations, tissue, weeks and FEV1, to"
        " the steps."
    )
    tissue_step_ml: float
    function_step_percent: float
    weeks_step: int
    operations_more: int = Field(description="Operations above the fewest that were looked at.")
    fev1_most_percent: float = Field(description="No operation leaves more than this.")
    unexplored: int = Field(
        description="Pairs of limits of tissue and FEV1 for which no answer settles some of the weeks."
    )
    points: tuple[PointFound, ...]
    answers: tuple[AnswerFound, ...] = Field(description="Every set of limits that was looked at.")

    @classmethod
    def of(cls, curve: Tradeoff, protocol: str) -> Self:
        """Return a curve as plain data."""
        return cls(
            protocol=protocol,
            words=tradeoff_words(TradeoffCurve.of(curve, protocol)),
            complete=curve.complete,
            tissue_step_ml=curve.options.tissue_step_ml,
            function_step_percent=curve.options.function_step_percent,
            weeks_step=curve.options.weeks_step,
            operations_more=curve.options.operations_more,
            fev1_most_percent=curve.fev1_most_percent,
            unexplored=curve.unexplored,
            points=tuple(PointFound.of(point) for point in curve.points),
            answers=tuple(AnswerFound.of(answer) for answer in curve.answers),
        )

    def drawn(self) -> TradeoffCurve:
        """Return what its picture and the report's table show."""
        shown = {field.name for field in fields(CurvePoint)}
        points = tuple(CurvePoint(**point.model_dump(include=shown)) for point in self.points)
        return TradeoffCurve(
            self.protocol,
            points,
            self.tissue_step_ml,
            self.function_step_percent,
            self.weeks_step,
            self.complete,
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
