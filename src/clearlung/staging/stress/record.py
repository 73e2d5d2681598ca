"""What ``stress.json`` holds; its JSON schema is published in ``docs/stress.schema.json``."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.evidence import Evidence
from clearlung.staging.stress.spreads import Scope, Shape

STRESS_FORMAT: Literal["clearlung-stress/1"] = "clearlung-stress/1"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Share(_Part):
    """A share of scenarios with its sampling error."""

    share: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1, description="95 % interval by Wilson, of the number of scenarios alone.")
    high: float = Field(ge=0, le=1)


class SpreadUsed(_Part):
    """One thing that was varied."""

    name: str
    title: str
    unit: str
    scope: Scope = Field(description="Drawn once a patient, or anew for each operation.")
    shape: Shape = Field(
        description="triangular: from low over value to high; normal, lognormal: mean in value, one SD above"
        " it in high; either: low or high; imagined: a patient of the estimate of what is unseen, with"
        " quantiles of 5, 50 and 95 % in low, value and high."
    )
    planned: float = Field(description="What the plan takes it for.")
    low: float
    value: float
    high: float
    strength: float = Field(ge=0, le=1, description="1 as drawn, 0 as planned.")
    evidence: tuple[str, ...]
    assumed: bool = Field(
        description="Whether its range is assumed; how patients spread within it is for all of them."
    )
    alone: Share | None = Field(
        description="Scenarios in which every limit holds where this alone varies: found nodules with their"
        " size and minutes, complications with edema and stay; null for what is varied with another."
    )


class LimitHeld(_Part):
    """How one limit fares in one operation, or in the whole plan."""

    operation: int | None = Field(description="The operation's number; null for a limit of the whole plan.")
    limit: str = Field(description="Dotted name of the limit in the protocol.")
    title: str
    unit: str
    value: float = Field(description="The limit.")
    planned: float = Field(description="What the plan expects.")
    low: float = Field(description="5 % of the scenarios lie below.")
    middle: float
    high: float = Field(description="5 % of the scenarios lie above.")
    holds: Share
    room: float = Field(description="What the plan leaves to the limit, in its unit.")
    needed: float = Field(
        ge=0, description="What it would have to leave for the limit to hold at the confidence."
    )
    short: float = Field(ge=0, description="By how much the room falls short of that.")


class OperationHeld(_Part):
    """How one operation fares."""

    operation: int
    holds: Share = Field(description="Scenarios in which it keeps every limit.")
    first: Share = Field(description="Scenarios in which it is the first to break a limit.")
    first_limit: str | None = Field(description="The limit that it then misses most, as a rule.")
    weeks_later: int | None = Field(
        description="Weeks later that it would have to be for FEV1 right after it to hold at the confidence;"
        " 0 where it holds, null where no wait of a year does."
    )


class GoalKept(_Part):
    """What the plan promises, and what the scenarios make of it."""

    name: str
    title: str
    unit: str
    promised: float
    low: float = Field(description="5 % of the scenarios lie below.")
    middle: float
    high: float = Field(description="5 % of the scenarios lie above.")
    kept: Share = Field(description="Scenarios that keep the promise.")


class Fan(_Part):
    """FEV1 over time: quantiles over the scenarios, percent of predicted."""

    weeks: tuple[float, ...]
    quantiles: tuple[float, ...] = Field(description="0 to 1, rising.")
    fev1_percent: tuple[tuple[float, ...], ...] = Field(description="For each quantile, one value per week.")


class StressRecord(_Part):
    """How a plan fares when things turn out otherwise."""

    format: Literal["clearlung-stress/1"] = STRESS_FORMAT
    notice: str = RESEARCH_NOTICE
    software: str = f"clearlung {__version__}"
    protocol: str
    scenarios: int = Field(ge=1)
    seed: int = Field(ge=0)
    confidence: float = Field(gt=0, lt=1, description="Share of scenarios for which reserves are stated.")
    holds: Share = Field(description="Scenarios in which every limit holds in every operation.")
    lesions_planned: int
    found: tuple[float, float, float] = Field(
        description="Nodules found besides those seen, in all operations: 5 %, middle and 95 %."
    )
    found_by: Literal["published ratio", "occult burden"] = Field(
        default="published ratio",
        description="What they were drawn from: the published ratio of found to seen, or what is estimated to"
        " be unseen.",
    )
    breaks_first: int | None = Field(
        description="The operation that is most often the first to break a limit; null if none ever is."
    )
    operations: tuple[OperationHeld, ...]
    limits: tuple[LimitHeld, ...]
    goals: tuple[GoalKept, ...]
    fan: Fan
    spreads: tuple[SpreadUsed, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]


class RobustStep(_Part):
    """One plan on the way to a robust one."""

    limits: dict[str, float] = Field(description="Limits that it was planned with.")
    operations: int | None = Field(description="Its operations; null where there was no plan.")
    weeks: int | None
    lesions_left: int | None
    holds: float | None = Field(description="Share of scenarios in which it keeps the protocol's limits.")


class RobustRecord(_Part):
    """A plan with reserve, or why there is none; the content of ``robust.json``."""

    format: Literal["clearlung-robust/1"] = "clearlung-robust/1"
    notice: str = RESEARCH_NOTICE
    software: str = f"clearlung {__version__}"
    protocol: str
    confidence: float = Field(gt=0, lt=1, description="Share of scenarios in which every limit must hold.")
    status: Literal["holds", "impossible", "not found"] = Field(
        description="holds: the plan keeps the limits in that share; impossible: no plan of these"
        " specimens can, for the reasons given; not found: the search ended without one, which proves"
        " nothing."
    )
    reasons: tuple[str, ...]
    reserve: dict[str, float] = Field(
        description="What the plan leaves of each limit for what may come, in the limit's unit."
    )
    operations: int | None = Field(description="Of the plan with reserve; null where there is none.")
    weeks: int | None
    holds: float | None = Field(description="Share of scenarios in which it keeps the protocol's limits.")
    steps: tuple[RobustStep, ...]
