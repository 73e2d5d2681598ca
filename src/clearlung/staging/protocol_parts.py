"""The parts of a protocol: each limit typed and described, with its unit."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clearlung.anatomy import SIDES
from clearlung.perfusion import TARGETS
from clearlung.resection import DEFAULT_RULE_SET, RULE_SETS, Approach

# Twenty years: a plan that takes longer is a slip of the pen.
_LAST_WEEK = 1040

DEFAULT_GOALS = ("lesions_left", "operations", "balance_right", "balance_left", "weeks")
"""Goals by rank where a protocol names no others."""
PERFUSION = "perfusion"
"""The goal by which the solver chooses what is perfused; without it, as much as may be is, and last."""
WEIGHTED = "weighted"
"""Stands for the weighted sum in an order of goals."""


def _limit(unit: str, description: str, **bounds: Any) -> Any:
    return Field(description=description, json_schema_extra={"unit": unit}, **bounds)


class Part(BaseModel):
    """What every part of a protocol has in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PerOperation(Part):
    """Limits of a single operation."""

    nodules_max: int = _limit("1", "Metastases removed, at most.", ge=1)
    nodules_per_lobe_max: int = _limit("1", "Metastases removed from one lobe, at most.", ge=1)
    minutes_max: float = _limit("min", "Minutes in theatre, perfusion included, at most.", gt=0, le=1440)
    removed_ml_max: float = _limit("ml", "Lung tissue removed, at most.", gt=0, le=3000)
    removed_ml_per_lobe_max: float | None = _limit(
        "ml", "Lung tissue removed from one lobe, at most.", default=None, gt=0, le=3000
    )
    sides_max: int = _limit("1", "Lungs opened, at most.", default=1, ge=1, le=2)
    both_sides_approach: Approach = Field(
        default="bilateral anterior",
        description="How the chest is opened for both sides at once; thoracotomy: one on each side.",
    )


class Total(Part):
    """Limits of all operations together."""

    removed_ml_per_lung_max: float | None = _limit(
        "ml", "Tissue removed from one lung in all operations, at most.", default=None, gt=0, le=5000
    )
    removed_ml_per_lobe_max: float | None = _limit(
        "ml", "Tissue removed from one lobe in all operations, at most.", default=None, gt=0, le=3000
    )


class Weeks(Part):
    """Time between operations."""

    other_side_min: int = _limit("week", "Weeks until the other side, at least.", ge=0, le=104)
    same_side_min: int = _limit("week", "Weeks until the same side again, at least.", ge=1, le=104)
    after_perfusion_min: int = _limit(
        "week", "Weeks after an operation with perfusion, at least.", ge=1, le=104
    )
    total_max: int | None = _limit(
        "week", "Week of the last operation, at most.", default=None, ge=0, le=_LAST_WEEK
    )
    blocked: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Weeks in which nobody operates: ranges [from, to], both included, counted from the first"
        " operation.",
    )

    @field_validator("blocked")
    @classmethod
    def _ranges(cls, ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for first, last in ranges:
            if not 1 <= first <= last <= _LAST_WEEK:
                raise ValueError(
                    f"[{first}, {last}] must run from week 1 or later to the same week or a later one, up to"
                    f" {_LAST_WEEK}: the first operation is in week 0"
                )
        return tuple(sorted(ranges))

    def free_from(self, week: int) -> int:
        """Return the first week from this one on that is not blocked.

        Examples
        --------
        >>> weeks = Weeks(other_side_min=3, same_side_min=6, after_perfusion_min=6, blocked=((4, 5), (6, 8)))
        >>> weeks.free_from(3), weeks.free_from(4)
        (3, 9)
        """
        for first, last in self.blocked:
            if first <= week <= last:
                week = last + 1
        return week


class Function(Part):
    """Lung function that must be left, with the given confidence."""

    ppo_fev1_percent_min: float = _limit(
        "%", "FEV1 after full recovery, percent of predicted, at least.", ge=0, le=150
    )
    fev1_after_percent_min: float = _limit(
        "%", "FEV1 right after each operation, percent of predicted, at least.", ge=0, le=150
    )
    ppo_dlco_percent_min: float | None = _limit(
        "%", "DLCO after full recovery, percent of predicted, at least.", default=None, ge=0, le=150
    )
    dlco_after_percent_min: float | None = _limit(
        "%", "DLCO right after each operation, percent of predicted, at least.", default=None, ge=0, le=150
    )
    fev1_unrecovered_percent_max: float | None = _limit(
        "%",
        "FEV1 that is still to come back before the next operation, points of percent predicted, at most.",
        default=None,
        gt=0,
        le=100,
    )
    confidence: float = _limit("1", "Confidence at which these hold.", ge=0.5, lt=1)
    rule_set: str = Field(
        default=DEFAULT_RULE_SET, description="Registered rule set that classes the predicted values."
    )

    @field_validator("rule_set")
    @classmethod
    def _registered(cls, name: str) -> str:
        if name not in RULE_SETS:
            raise ValueError(f"must be one of {', '.join(RULE_SETS)}")
        return name


class Resection(Part):
    """How metastases are cut out."""

    techniques: tuple[str, ...] = Field(
        min_length=1, description="Registered techniques that the center uses."
    )


class Nodules(Part):
    """Which findings are planned."""

    false_per_scan: float = _limit(
        "1", "The detector's operating point: false findings that a scan may have on average.", gt=0, le=1000
    )


class Perfusion(Part):
    """Whether the isolated lung is perfused, and how often."""

    regimen: str = Field(description="A registered regimen, or none.")
    targets: tuple[str, ...] = Field(
        default=SIDES,
        min_length=1,
        description="What a perfusion may reach: registered targets, whole lungs unless others are named. Of"
        " several for one lung the solver takes the best where the goals weigh perfusions, and the first"
        " otherwise; all perfusions of one lung in a plan have the same.",
    )
    lobes_dose: Literal["lung", "lung_share"] = Field(
        default="lung",
        description="Dose where only lobes are perfused: that of the whole lung, or in proportion to their"
        " share of its volume. Neither is published for lobes.",
    )
    per_lung_max: int = _limit("1", "Perfusions of each lung, at most.", ge=0, le=10)
    total_max: int | None = _limit("1", "Perfusions in all, at most.", default=None, ge=0, le=20)
    weeks_between_min: int | None = _limit(
        "week", "Weeks between two perfusions of whichever lungs, at least.", default=None, ge=0, le=104
    )
    drug_mg_max: float | None = _limit(
        "mg", "Drug of all perfusions together, at most.", default=None, gt=0, le=100_000
    )
    dose_mg_max: float | None = _limit(
        "mg", "Dose of one perfusion of the regimen's drug, at most.", default=None, gt=0, le=100_000
    )
    temperature_c_max: float | None = _limit(
        "degC", "Temperature of the perfusate, at most.", default=None, gt=0, lt=50
    )

    @field_validator("targets")
    @classmethod
    def _of_both_lungs(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in names if name not in TARGETS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is not a target; there are {', '.join(TARGETS)}")
        if len(set(names)) < len(names):
            raise ValueError("names a target twice")
        for side in SIDES:
            if not any(TARGETS[name].side == side for name in names):
                raise ValueError(
                    f"names nothing of the {side} lung: name {side}, or some of its lobes; how often a lung"
                    " is perfused is per_lung_max"
                )
        return names


class Scans(Part):
    """The CT before each operation after the first, on which it is planned anew."""

    weeks_after_operation_min: int | None = _limit(
        "week",
        "Weeks from an operation to the next CT, at least; none is planned unless this is set.",
        default=None,
        ge=0,
        le=104,
    )
    weeks_before_operation_min: int = _limit(
        "week", "Weeks from that CT to the operation, at least.", default=0, ge=0, le=52
    )

    @property
    def weeks_between_operations(self) -> int:
        """Weeks that a CT between two operations keeps them apart, at least."""
        if self.weeks_after_operation_min is None:
            return 0
        return self.weeks_after_operation_min + self.weeks_before_operation_min


class Goals(Part):
    """What a plan is to be good at."""

    order: tuple[str, ...] = Field(
        default=DEFAULT_GOALS,
        description="Registered goals by rank: each is optimized with the earlier ones held. Those left out"
        " follow in the default order. The word weighted stands for the weighted sum.",
    )
    weights: dict[str, float] = Field(
        default_factory=dict,
        description="What one unit of each goal of the weighted sum counts.",
    )

    @model_validator(mode="after")
    def _known(self) -> Goals:
        # Goals judge the plans of problems, which have protocols: only here does it go the other way.
        from clearlung.staging.goals import GOALS

        known = ", ".join(GOALS)
        for name in (*self.order, *self.weights):
            if name not in GOALS and not (name == WEIGHTED and name in self.order):
                raise ValueError(f"{name!r} is not a registered goal; known are {known}")
        if not self.order or self.order[0] != DEFAULT_GOALS[0]:
            raise ValueError(f"order must begin with {DEFAULT_GOALS[0]}: completeness comes first")
        if len(set(self.order)) < len(self.order):
            raise ValueError("order names a goal twice")
        if (WEIGHTED in self.order) != bool(self.weights):
            raise ValueError("weights are needed for weighted in the order, and for nothing else")
        if any(not 0 < weight < float("inf") for weight in self.weights.values()):
            raise ValueError("weights must be finite and above 0")
        return self

    @property
    def weighs_perfusion(self) -> bool:
        """Whether the benefit of perfusions is weighed against their harm."""
        return PERFUSION in self.order or PERFUSION in self.weights

    @property
    def ranked(self) -> tuple[str, ...]:
        """All goals that are optimized, by rank."""
        return (*self.order, *(name for name in DEFAULT_GOALS if name not in self.order))
