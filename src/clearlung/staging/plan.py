"""`Plan`: the ordered operations, the function around each, and the proof of quality.

This is what ``plan.json`` holds; its JSON schema is published in ``docs/plan.schema.json``.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.anatomy import SIDES, Lobe, Side
from clearlung.evidence import Evidence
from clearlung.perfusion import Regimen
from clearlung.resection import Measure, PredictionMethod, Verdict
from clearlung.staging.assignment import Assignment
from clearlung.staging.perfusion_record import PerfusionChoice
from clearlung.staging.protocol import Protocol

PLAN_FORMAT: Literal["clearlung-plan/1"] = "clearlung-plan/1"

OperationSide = Literal["right", "left", "both"]


def sides_of(side: OperationSide) -> tuple[Side, ...]:
    """Return the lungs that an operation opens, the right one first."""
    return SIDES if side == "both" else (side,)


MeasuredFunction = Literal["fev1_percent", "fev1_predicted_l", "lung_ml", "dlco_percent"]
"""What of the lung function is measured, or assumed where nobody has."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedSpecimen(_Part):
    """One piece of tissue to take out."""

    id: int = Field(ge=1)
    technique: str = Field(description="Name of a registered technique.")
    lesions: tuple[int, ...] = Field(min_length=1, description="Ids of the lesions in it.")
    side: Side
    lobe: Lobe
    volume_ml: float = Field(ge=0, description="Lung and tumor taken out, ml.")
    margin_mm: float = Field(ge=0, description="Rim of lung planned around each lesion, mm.")
    minutes: float = Field(ge=0)
    lobe_ml: dict[Lobe, float] | None = Field(
        default=None, description="What each lobe gives of it, ml; null where unknown."
    )
    reach_mm: float | None = Field(default=None, description="Its deepest point below the pleura, mm.")
    margin_least_mm: float | None = Field(
        default=None, description="Margin of the lesion whose margin may be the least, mm."
    )
    margin_low_mm: float | None = Field(default=None, description="It lies from here (95 %), mm.")
    margin_high_mm: float | None = Field(default=None, description="To here, mm.")
    clear: float | None = Field(
        default=None, ge=0, le=1, description="Chance that the cut misses every tumor in it."
    )
    vessel_mm: float | None = Field(default=None, description="Widest vessel that it cuts, mm; 0 for none.")
    bronchus_mm: float | None = Field(
        default=None, description="Widest bronchus that it cuts, mm; 0 for none."
    )
    closure: str | None = Field(
        default=None, description="airtight, suture, untested, staples or stump; null where unknown."
    )


class Interval(_Part):
    """A number that is not known exactly."""

    low: float
    expected: float
    high: float


class Operation(_Part):
    """One session in theatre."""

    number: int = Field(ge=1)
    side: OperationSide
    approach: str = Field(description="How the chest is opened.")
    week: int = Field(ge=0, description="Weeks after the first operation.")
    scan_week: int | None = Field(
        default=None,
        description="Week of the CT that it is planned on anew, where the protocol asks for one.",
    )
    minutes: float = Field(
        ge=0,
        description="Minutes in theatre that the limit holds for: access, re-entry, perfusion, and every"
        " specimen's own minutes.",
    )
    reentry: bool = Field(default=False, description="Whether the lung has been operated on before.")
    minutes_low: float | None = Field(default=None, description="Were every specimen at the surface.")
    minutes_expected: float | None = Field(
        default=None, description="With the economy of repetition of many specimens."
    )
    minutes_high: float | None = Field(
        default=None, description="By the straight line of the published minutes per metastasis."
    )
    blood_ml: Interval | None = Field(default=None, description="Blood lost, ml; assumed, not published.")
    complication_percent: Interval | None = Field(
        default=None, description="Chance of a complication, the perfusion's own harm not counted."
    )
    stay_days: Interval | None = Field(
        default=None, description="Days in hospital: 95 % of single stays lie between low and high."
    )
    notes: tuple[str, ...] = Field(
        default=(), description="Where these estimates extrapolate, and what is not in them."
    )
    removed_ml: float = Field(ge=0, description="Lung and tumor taken out, ml.")
    perfusion: Regimen | None = Field(description="The regimen, or null where the lung is not perfused.")
    specimens: tuple[PlannedSpecimen, ...]
    fev1_before_percent: float = Field(description="Expected FEV1 just before, percent of predicted.")
    fev1_after_percent: float = Field(description="Expected FEV1 right after, percent of predicted.")
    fev1_after_low_percent: float = Field(description="Its lower bound at the protocol's confidence.")
    fev1_after_high_percent: float | None = Field(default=None, description="Its upper bound.")
    fev1_recovered_percent: float | None = Field(
        default=None,
        description="Expected FEV1 after recovery if no operation followed, percent of predicted.",
    )
    dlco_before_percent: float | None = Field(
        default=None, description="Expected DLCO just before, percent of predicted."
    )
    dlco_after_percent: float | None = Field(
        default=None, description="Expected DLCO right after, percent of predicted."
    )
    dlco_after_low_percent: float | None = Field(default=None, description="Its lower bound.")
    dlco_after_high_percent: float | None = Field(default=None, description="Its upper bound.")
    dlco_recovered_percent: float | None = Field(
        default=None,
        description="Expected DLCO after recovery if no operation followed, percent of predicted.",
    )

    @property
    def lesions(self) -> tuple[int, ...]:
        """Ids of all lesions removed in this operation."""
        return tuple(lesion for specimen in self.specimens for lesion in specimen.lesions)


class Unassigned(_Part):
    """A lesion that no operation removes."""

    lesion: int = Field(ge=1)
    code: str = Field(description="Short, stable reason.")
    reason: str = Field(description="The reason in words, with the values that decide it.")


class PlannedLesion(_Part):
    """One lesion and where it goes."""

    id: int = Field(ge=1)
    side: Side
    lobe: Lobe
    diameter_mm: float = Field(gt=0)
    depth_mm: float = Field(ge=0)
    operation: int | None = Field(description="Number of the operation that removes it, or null.")
    vdt_days: float | None = Field(default=None, description="Volume doubling time, where known.")
    diameter_at_operation_mm: float | None = Field(
        default=None, description="Expected diameter on that day, where the doubling time is known."
    )


class Goal(_Part):
    """One goal of the optimization and how far its value is proven."""

    key: str = Field(description="Name of a registered goal, or weighted.")
    name: str = Field(description="The goal in words.")
    unit: str
    value: float
    bound: float = Field(description="No plan has a lower value than this, given the earlier goals' values.")
    gap: float = Field(ge=0, description="(value - bound) / max(1, |value|).")
    proven: bool = Field(description="Whether the bound equals the value.")
    method: str = Field(description="What proved the bound.")


class SolverReport(_Part):
    """What the optimizer proved, and at what cost."""

    status: Literal["optimal", "feasible"] = Field(description="optimal only if every goal is proven.")
    objective: float = Field(description="Number of operations: the first goal that separates plans.")
    bound: float = Field(description="No plan that removes as many lesions has fewer operations.")
    gap: float = Field(ge=0)
    seed: int
    seconds: float = Field(ge=0)
    solver: str = Field(description="Name and version of what solved the packings.")
    goals: tuple[Goal, ...] = Field(
        description="In order of rank; each is optimized with the earlier ones held."
    )

    def goal(self, key: str) -> Goal:
        """Return a goal by its key.

        Raises
        ------
        KeyError
            If the plan was not made for it.
        """
        for goal in self.goals:
            if goal.key == key:
                return goal
        raise KeyError(key)


class FunctionPoint(_Part):
    """Expected lung function at one time of the course."""

    week: float
    fev1_percent: float = Field(description="Percent of predicted.")
    dlco_percent: float | None = Field(default=None, description="Percent of predicted.")
    fev1_right_percent: float | None = Field(default=None, description="The right lung's part of FEV1.")
    fev1_left_percent: float | None = Field(default=None, description="The left lung's part of FEV1.")


class PredictedFunction(_Part):
    """A value predicted for after full recovery by one method."""

    measure: Measure
    method: PredictionMethod = Field(
        description="course: the model of this plan; segments: of nineteen; volume and density: on CT."
    )
    percent: float = Field(description="Percent of predicted.")
    low_percent: float
    high_percent: float
    error_assumed: bool = Field(description="Whether the width of the interval is assumed.")


class RiskVerdict(_Part):
    """What a guideline's rules say of the plan's lung function after recovery."""

    rule_set: str = Field(description="Name of a registered rule set.")
    risk: str = Field(description="Class of risk, at the expected values.")
    next_step: str = Field(description="What the guideline asks for next.")
    reason: str
    risk_at_low: str = Field(description="Class of risk at the lower bounds.")
    next_step_at_low: str
    assumed: bool = Field(description="Whether a threshold that decides it is assumed.")

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """Return a verdict as it is stored."""
        return cls(
            rule_set=verdict.rule_set,
            risk=verdict.risk,
            next_step=verdict.next_step,
            reason=verdict.reason,
            risk_at_low=verdict.at_low.risk,
            next_step_at_low=verdict.at_low.next_step,
            assumed=verdict.assumed,
        )


class FunctionSummary(_Part):
    """Lung function before the first operation and after full recovery."""

    fev1_percent: float = Field(description="FEV1 before the first operation, percent of predicted.")
    fev1_predicted_l: float = Field(description="Predicted FEV1, liters.")
    lung_ml: float = Field(description="Volume of both lungs, ml.")
    assumed: tuple[MeasuredFunction, ...] = Field(description="Which of these are assumed and not measured.")
    ppo_fev1_percent: float = Field(description="Expected FEV1 after full recovery, percent of predicted.")
    ppo_fev1_low_percent: float = Field(description="Its lower bound at the protocol's confidence.")
    ppo_fev1_high_percent: float = Field(description="Its upper bound at the protocol's confidence.")
    dlco_percent: float | None = Field(
        default=None, description="DLCO before the first operation, percent of predicted."
    )
    ppo_dlco_percent: float | None = Field(
        default=None, description="Expected DLCO after full recovery, percent of predicted."
    )
    ppo_dlco_low_percent: float | None = Field(default=None, description="Its lower bound.")
    ppo_dlco_high_percent: float | None = Field(default=None, description="Its upper bound.")
    right_share_percent: float | None = Field(
        default=None, description="The right lung's share of function before the first operation."
    )
    predicted: tuple[PredictedFunction, ...] = Field(
        default=(), description="The values after full recovery by every method that is available."
    )
    verdict: RiskVerdict | None = Field(default=None, description="What the protocol's rule set says.")
    course: tuple[FunctionPoint, ...] = Field(default=(), description="Expected values over time.")


class Plan(_Part):
    """All operations in order, and the proof of quality."""

    format: Literal["clearlung-plan/1"] = PLAN_FORMAT
    notice: str = RESEARCH_NOTICE
    software: str = f"clearlung {__version__}"
    protocol: Protocol
    solver: SolverReport
    function: FunctionSummary
    operations: tuple[Operation, ...]
    unassigned: tuple[Unassigned, ...]
    lesions: tuple[PlannedLesion, ...]
    assignments: tuple[Assignment, ...] = Field(default=(), description="What the surgeon fixed or forbade.")
    perfusion: PerfusionChoice | None = Field(
        default=None, description="What perfusions spare and may cost, and why they are where they are."
    )
    warnings: tuple[str, ...] = Field(description="What a reader must know before relying on the plan.")
    evidence: tuple[Evidence, ...] = Field(description="The evidence that the plan rests on.")

    @property
    def weeks_until_clear(self) -> int:
        """Week of the last operation."""
        return max((operation.week for operation in self.operations), default=0)

    @property
    def removed_ml(self) -> float:
        """Lung and tumor taken out in all operations, ml."""
        return sum(operation.removed_ml for operation in self.operations)
