"""``replan.json``: what is left of a plan after what was done, and what has changed against the promise."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.staging.done import Done
from clearlung.staging.figures import Difference
from clearlung.staging.plan import OperationSide, Plan

REPLAN_FORMAT: Literal["clearlung-replan/1"] = "clearlung-replan/1"

ChangeKind = Literal["left", "new", "displaced", "dropped", "gone", "removed", "stays"]
"""left: planned for a done operation and not removed. new: not in the promised plan. displaced: elsewhere
than promised. dropped: its promised operation is not needed any more. gone: not seen any more. removed:
removed earlier than promised. stays: promised, and no operation takes it now."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LesionChange(_Part):
    """A lesion that is not where it was promised."""

    lesion: int
    promised: int | None = Field(description="Number of the promised operation.")
    now: int | None = Field(description="Number of the operation now; null for none.")
    kind: ChangeKind
    reason: str


class OperationChange(_Part):
    """One operation that was promised, or one that is added."""

    number: int = Field(description="Its promised number, or the next free one for one that is added.")
    promised: int | None = Field(description="Its number in the promised plan; null for one that is added.")
    side: OperationSide
    done: bool
    promised_week: int | None = Field(description="Weeks after the promised plan's first operation.")
    week: int = Field(description="The same, now.")
    promised_lesions: int
    lesions: int
    perfused: bool
    reason: str = Field(description="Why its week has changed; empty where it has not.")


class FromScratch(_Part):
    """The best plan of what is left if nothing promised counts."""

    figures: tuple[Difference, ...] = Field(
        description="Where it differs from the plan that is taken: before is that, after is this."
    )
    lesions_elsewhere: int = Field(description="Lesions that it takes in another operation than promised.")
    proven: bool = Field(
        description="Whether it is proven optimal, not counting the weeks to what was done before today."
    )


class Replan(_Part):
    """What is left of a plan, with as little change as possible."""

    format: Literal["clearlung-replan/1"] = REPLAN_FORMAT
    notice: str = RESEARCH_NOTICE
    done: Done
    method: Literal["kept", "from scratch"] = Field(
        description="kept: as few lesions as possible are elsewhere than promised. from scratch: keeping"
        " the promise would leave more lesions or break a limit."
    )
    proven: bool = Field(description="Whether no plan of the same kind changes less.")
    plan: Plan = Field(
        description="The operations that are left, with their numbers for life and weeks from today."
    )
    operations: tuple[OperationChange, ...] = Field(description="Done and left, in time order.")
    lesions: tuple[LesionChange, ...] = Field(description="Only those that changed.")
    dropped: tuple[int, ...] = Field(
        description="Promised operations that are not needed any more, and their perfusion with them."
    )
    kept: int = Field(description="Lesions that are left to remove and stay in their promised operation.")
    from_scratch: FromScratch | None = Field(
        description="For comparison; null where there is none, or it breaks a limit after what was done."
    )
