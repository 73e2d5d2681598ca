"""What was done of a plan so far."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side
from clearlung.errors import CaseConflict, CaseError
from clearlung.perfusion import TARGETS
from clearlung.staging.fixed import EarlierSession
from clearlung.staging.plan import Operation, Plan, PlannedSpecimen, sides_of
from clearlung.staging.targets import targets_of


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FoundLesion(_Part):
    """A lesion that the plan does not know."""

    id: int = Field(ge=1, description="Its number: one that no other lesion has.")
    lobe: Lobe
    diameter_mm: float = Field(gt=0, le=300)
    depth_mm: float = Field(default=0.0, ge=0, le=300, description="Of its center below the pleura, mm.")


class DoneOperation(_Part):
    """What was done in one of the plan's operations."""

    number: int = Field(ge=1, description="Its number in the plan.")
    week: int | None = Field(
        default=None, ge=0, description="Weeks after the plan's first operation; null: as planned."
    )
    left: tuple[int, ...] = Field(default=(), description="Lesions planned for it that were not removed.")
    also_removed: tuple[int, ...] = Field(
        default=(), description="Lesions of later operations, or that the plan leaves, removed in it."
    )
    found_removed: int = Field(
        default=0, ge=0, description="Lesions that the plan does not know, found and removed."
    )
    found_by_lobe: dict[Lobe, Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        description="For each lobe that was felt through, metastases found by hand that the CT had not shown:"
        " 0 says that there was none to feel. What is left unseen is estimated anew from it.",
    )
    removed_ml: float | None = Field(
        default=None, ge=0, description="Tissue taken out in all, ml; null: that of the planned specimens."
    )
    perfused: bool | None = Field(
        default=None, description="Whether the lung was perfused; null: as planned."
    )
    target: str | None = Field(
        default=None,
        description="What of the lung was perfused: a registered target; null: as planned, and all of it"
        " where no perfusion was planned.",
    )
    complications: tuple[str, ...] = Field(default=(), description="In words.")
    not_before_week: int | None = Field(
        default=None, ge=0, description="No operation before this week of the plan, for complications."
    )

    @field_validator("target")
    @classmethod
    def _registered(cls, name: str | None) -> str | None:
        if name is not None and name not in TARGETS:
            raise ValueError(f"{name!r} is not a target; there are {', '.join(TARGETS)}")
        return name


class Done(_Part):
    """What was done of a plan, and what is known today."""

    today_week: int = Field(ge=0, description="Weeks after the plan's first operation.")
    operations: tuple[DoneOperation, ...] = Field(default=(), description="Those carried out.")
    new: tuple[FoundLesion, ...] = Field(
        default=(), description="Lesions that the plan does not know and that are to be removed."
    )
    gone: tuple[int, ...] = Field(default=(), description="Lesions that a new scan does not show any more.")
    fev1_percent: float | None = Field(
        default=None,
        gt=0,
        le=200,
        description="FEV1 measured today, percent of predicted; null: as expected.",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Done:
        numbers = [operation.number for operation in self.operations]
        if len(set(numbers)) < len(numbers):
            raise ValueError("an operation is listed twice")
        if any((operation.week or 0) > self.today_week for operation in self.operations):
            raise ValueError(f"an operation is later than today, week {self.today_week}")
        return self


def read_done(path: Path) -> Done:
    """Read what was done from a JSON file.

    Raises
    ------
    CaseError
        If the file cannot be read, or holds an unknown field or an impossible value; ``field`` names it.
    """
    try:
        return Done.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CaseError("file", f"{path.name!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CaseError("file", f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise CaseError(field, f"{first['msg']}: see docs/done.schema.json") from error


def removed_lesions(plan: Plan, done: Done) -> frozenset[int]:
    """Return the plan's lesions that were removed.

    Raises
    ------
    CaseConflict
        If an operation that was done is not in the plan, leaves or takes a lesion that it cannot, or found
        some in a lobe that it did not open.
    """
    planned = {operation.number: operation for operation in plan.operations}
    known = {lesion.id for lesion in plan.lesions}
    removed: set[int] = set()
    for one in done.operations:
        if one.number not in planned:
            raise CaseConflict(f"operation {one.number} is not in the plan: it has {sorted(planned)}")
        _check_found(planned[one.number], one)
        own = set(planned[one.number].lesions)
        strange = set(one.left) - own
        if strange:
            raise CaseConflict(f"operation {one.number}: lesions {sorted(strange)} were not planned for it")
        unknown = set(one.also_removed) - known
        if unknown:
            raise CaseConflict(
                f"operation {one.number}: lesions {sorted(unknown)} are not in the plan: count what was found"
                " as found_removed"
            )
        removed |= (own - set(one.left)) | set(one.also_removed)
    return frozenset(removed)


def _check_found(operation: Operation, one: DoneOperation) -> None:
    """Refuse findings in a lobe that the operation did not open."""
    sides = sides_of(operation.side)
    elsewhere = [lobe for lobe in one.found_by_lobe or () if LOBE_SIDES[lobe] not in sides]
    if elsewhere:
        raise CaseConflict(
            f"operation {one.number} opened {' and '.join(sides)}: no hand felt the {elsewhere[0]} in it"
        )


def week_of(operation: Operation, one: DoneOperation) -> int:
    """Return the week in which an operation was done."""
    return operation.week if one.week is None else one.week


def earlier_sessions(plan: Plan, done: Done) -> list[EarlierSession]:
    """Return the operations that were done, in weeks before today.

    Raises
    ------
    CaseConflict
        If one is later than today.
    """
    planned = {operation.number: operation for operation in plan.operations}
    found = []
    for one in done.operations:
        operation = planned[one.number]
        week = week_of(operation, one)
        if week > done.today_week:
            raise CaseConflict(
                f"operation {one.number} is in week {week}, after today's week {done.today_week}: give the"
                " week in which it was done"
            )
        perfused = bool(targets_reached(operation, one))
        lobe_ml = dict.fromkeys(LOBES, 0.0)
        for specimen, share in taken_in(plan, one):
            for lobe, ml in (specimen.lobe_ml or {specimen.lobe: specimen.volume_ml}).items():
                lobe_ml[lobe] += share * ml
        found.append(EarlierSession(operation.side, week - done.today_week, perfused, lobe_ml))
    return found


def targets_reached(operation: Operation, one: DoneOperation) -> dict[Side, str]:
    """Return what a done operation perfused of each lung that it opened, by name.

    Raises
    ------
    CaseConflict
        If it was a lung that the operation did not open.
    """
    planned = targets_of([operation])
    if not (bool(planned or one.target) if one.perfused is None else one.perfused):
        return {}
    if one.target is None:
        return {side: planned.get(side, side) for side in sides_of(operation.side)}
    side = TARGETS[one.target].side
    if side not in sides_of(operation.side):
        raise CaseConflict(
            f"operation {one.number} opened the {operation.side} lung, and what was perfused,"
            f" {TARGETS[one.target].title}, is not of it: name another target"
        )
    return {side: one.target}


def taken_in(plan: Plan, one: DoneOperation) -> list[tuple[PlannedSpecimen, float]]:
    """Return the specimens that a done operation took, and what part of their planned tissue each gave.

    What was taken in all, where that is known, is shared as planned.
    """
    own = next(operation for operation in plan.operations if operation.number == one.number)
    out = (set(own.lesions) - set(one.left)) | set(one.also_removed)
    taken = [s for operation in plan.operations for s in operation.specimens if out & set(s.lesions)]
    planned = sum(s.volume_ml for s in taken)
    share = 1.0 if one.removed_ml is None or not planned else one.removed_ml / planned
    return [(specimen, share) for specimen in taken]
