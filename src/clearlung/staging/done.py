"""What was done of a plan so far, and the problem that is left of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearlung.anatomy import LOBE_SIDES, SIDES, Lobe, Side
from clearlung.errors import CaseConflict, CaseError
from clearlung.followup import LesionTable
from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.resection import EarlierResection, FunctionModel, PatientFunction, SpecimenSet, excise
from clearlung.resection import Loss as ModelLoss
from clearlung.staging.fixed import EarlierSession
from clearlung.staging.plan import Operation, Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol

# Nobody is planned on with less than this share of the first value: the loss of operations days ago could
# come out as more than there was.
_LEAST_SHARE = 1.0 / 3.0
_ANATOMICAL = ("segmentectomy", "lobectomy")


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
    removed_ml: float | None = Field(
        default=None, ge=0, description="Tissue taken out in all, ml; null: that of the planned specimens."
    )
    perfused: bool | None = Field(
        default=None, description="Whether the lung was perfused; null: as planned."
    )
    complications: tuple[str, ...] = Field(default=(), description="In words.")
    not_before_week: int | None = Field(
        default=None, ge=0, description="No operation before this week of the plan, for complications."
    )


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
        If an operation that was done is not in the plan, or leaves or takes a lesion that it cannot.
    """
    planned = {operation.number: operation for operation in plan.operations}
    known = {lesion.id for lesion in plan.lesions}
    removed: set[int] = set()
    for one in done.operations:
        if one.number not in planned:
            raise CaseConflict(f"operation {one.number} is not in the plan: it has {sorted(planned)}")
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


def week_of(operation: Operation, one: DoneOperation) -> int:
    """Return the week in which an operation was done."""
    return operation.week if one.week is None else one.week


def earlier_sessions(plan: Plan, done: Done) -> list[EarlierSession]:
    """Return the operations that were done, in weeks before today.

    Raises
    ------
    CaseConflict
        If one opened both sides, or is later than today.
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
        perfused = (operation.perfusion is not None) if one.perfused is None else one.perfused
        found.append(EarlierSession(_side(operation), week - done.today_week, perfused))
    return found


def _side(operation: Operation) -> Side:
    if operation.side == "both":
        raise CaseConflict(f"operation {operation.number} opened both sides: each lung is judged by itself")
    return operation.side


def rest_problem(problem: StagingProblem, plan: Plan, done: Done) -> StagingProblem:
    """Return the problem that is left, week 0 being today.

    A specimen of which some lesions are removed keeps its tissue and minutes for the others; new lesions get
    the specimens that a list without a scan gets. Function goes on where the done operations have brought
    it, or from what was measured.

    Parameters
    ----------
    problem, plan
        What was planned.
    done
        What was done.

    Raises
    ------
    CaseConflict
        As for :func:`removed_lesions`, or if a new lesion has a number that is taken.
    """
    out = removed_lesions(plan, done) | set(done.gone)
    taken = {lesion.id for lesion in done.new} & set(problem.lesions.id.tolist())
    if taken:
        raise CaseConflict(f"new lesions have numbers that are taken: {sorted(taken)}")
    book = problem.protocol.book()
    new, specimens = _nodules(done.new), _without(problem.specimens, out)
    if done.new:
        fresh = excise(new, None, problem.protocol.resection.techniques, book)
        specimens = _together(specimens, fresh)
    operated = problem.operated | {past.side for past in earlier_sessions(plan, done)}
    problem = replace(
        problem,
        specimens=specimens,
        lesions=_lesions(problem, new, out),
        operated=operated,
        protocol=_from_today(problem.protocol, done.today_week),
    )
    if not done.operations and done.today_week == 0 and done.fev1_percent is None:
        return problem
    return _function_today(problem, plan, done)


def _from_today(protocol: Protocol, week: int) -> Protocol:
    """Return the protocol with its weeks counted from today."""
    total = protocol.weeks.total_max
    ranges = [(first - week, last - week) for first, last in protocol.weeks.blocked]
    moved = {
        "total_max": None if total is None else max(0, total - week),
        "blocked": tuple((max(1, first), last) for first, last in ranges if last >= 1),
    }
    return protocol.model_copy(update={"weeks": protocol.weeks.model_copy(update=moved)})


def _without(specimens: SpecimenSet, out: frozenset[int] | set[int]) -> SpecimenSet:
    left = [tuple(lesion for lesion in group if lesion not in out) for group in specimens.lesions]
    rows = np.array([row for row, group in enumerate(left) if group], dtype=np.intp)
    stuck = {lesion: why for lesion, why in specimens.unresectable.items() if lesion not in out}
    return replace(specimens.take(rows), lesions=tuple(left[row] for row in rows), unresectable=stuck)


def _together(known: SpecimenSet, fresh: SpecimenSet) -> SpecimenSet:
    """Return two sets as one; the second is numbered on."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(known, name), getattr(fresh, name)])
        for name in (f.name for f in fields(SpecimenSet))
        if name not in ("id", "lesions", "unresectable", "evidence", "forced")
    }
    start = int(known.id.max(initial=0))
    return SpecimenSet(
        **columns,
        id=np.r_[known.id, start + np.arange(1, len(fresh) + 1)].astype(np.int32),
        lesions=(*known.lesions, *fresh.lesions),
        unresectable=known.unresectable | fresh.unresectable,
        evidence=tuple(dict.fromkeys((*known.evidence, *fresh.evidence))),
        forced=known.forced | fresh.forced,
    )


def _lesions(problem: StagingProblem, new: NoduleTable, out: frozenset[int] | set[int]) -> LesionTable:
    table = problem.lesions
    stay = ~np.isin(table.id, list(out))
    columns = {
        name: np.concatenate([getattr(table, name)[stay], getattr(new, name)])
        for name in ("id", "side", "lobe", "diameter_mm", "depth_mm", "vdt_days")
    }
    return LesionTable(**columns)


def _nodules(new: Sequence[FoundLesion]) -> NoduleTable:
    count, diameter = len(new), np.array([lesion.diameter_mm for lesion in new], dtype=np.float64)
    nan = np.full(count, np.nan)
    return NoduleTable(
        id=np.array([lesion.id for lesion in new], dtype=np.int32),
        x_mm=nan,
        y_mm=nan,
        z_mm=nan,
        side=np.array([LOBE_SIDES[lesion.lobe] for lesion in new], dtype=np.str_),
        lobe=np.array([lesion.lobe for lesion in new], dtype=np.str_),
        lobe_confidence=np.ones(count),
        diameter_mm=diameter,
        volume_mm3=sphere_volume_mm3(diameter),
        depth_mm=np.array([lesion.depth_mm for lesion in new], dtype=np.float64),
        probability=np.ones(count),
        mean_hu=nan,
        max_hu=nan,
        calcified=np.zeros(count, dtype=bool),
        vdt_days=nan,
    )


@dataclass(frozen=True)
class Loss:
    """What one done operation took: weeks ago, ml around beds, ml taken anatomically, whether perfused."""

    side: Side
    weeks_ago: float
    bedded_ml: float
    anatomical_ml: float
    perfused: bool


def _function_today(problem: StagingProblem, plan: Plan, done: Done) -> StagingProblem:
    """Return the problem with the function that the operations have left, and have still to give back."""
    lost = _lost(plan, done)
    fev1 = continued(problem.function, lost, done.today_week, measured=done.fev1_percent)
    patient = problem.patient
    if patient is not None:
        patient = _patient_today(patient, fev1, lost, done.today_week)
    note = "Lung function goes on from what the operations so far are expected to have left."
    if done.fev1_percent is not None:
        note = "FEV1 is the value measured today; what it has still to regain is computed, not measured."
    return replace(problem, function=fev1, patient=patient, warnings=(*problem.warnings, note))


def _patient_today(
    patient: PatientFunction, fev1: FunctionModel, lost: Sequence[Loss], weeks: float
) -> PatientFunction:
    """Return the patient with today's function, each lung's part in it, and the operations in the history."""
    lungs = patient.lungs
    permanent = dict.fromkeys(SIDES, 0.0)
    for one in lost:
        permanent[one.side] += _loss(lungs.fev1, one).permanent
    left = max(_LEAST_SHARE, 1.0 - sum(permanent.values()))
    right = min(1.0, max(0.0, (lungs.right_share - permanent["right"]) / left))
    return replace(
        patient,
        lungs=replace(lungs, fev1=fev1, dlco=continued(lungs.dlco, lost, weeks), right_share=right),
        earlier=(
            *patient.earlier,
            *(
                EarlierResection(
                    one.side,
                    "laser",
                    removed_ml=one.bedded_ml + one.anatomical_ml,
                    weeks_ago=one.weeks_ago,
                    perfused=one.perfused,
                )
                for one in lost
            ),
        ),
    )


def _lost(plan: Plan, done: Done) -> list[Loss]:
    planned = {operation.number: operation for operation in plan.operations}
    specimens = [s for operation in plan.operations for s in operation.specimens]
    found = []
    for one, past in zip(done.operations, earlier_sessions(plan, done), strict=True):
        out = (set(planned[one.number].lesions) - set(one.left)) | set(one.also_removed)
        taken = [s for s in specimens if out & set(s.lesions)]
        total = sum(s.volume_ml for s in taken)
        whole = sum(s.volume_ml for s in taken if s.technique in _ANATOMICAL)
        removed = total if one.removed_ml is None else one.removed_ml
        whole = min(whole, removed)
        found.append(Loss(past.side, float(-past.week), removed - whole, whole, past.perfused))
    return found


def _loss(model: FunctionModel, one: Loss) -> ModelLoss:
    return model.loss(
        one.bedded_ml + one.anatomical_ml, perfused=one.perfused, anatomical_ml=one.anatomical_ml
    )


def continued(
    model: FunctionModel, lost: Sequence[Loss], weeks: float, *, measured: float | None = None
) -> FunctionModel:
    """Return the model that goes on from today: the same course, told from another first value.

    Losses are fractions of the first value, so that with today's value in its place each part is scaled by
    the first value over today's; the volume of the lungs is what tissue is a fraction of, and is scaled the
    other way.

    Parameters
    ----------
    model
        The model of the plan.
    lost
        The operations that were done.
    weeks
        Weeks from the model's first value to today.
    measured
        Today's value, percent of predicted; the model's own expectation if left out.

    Returns
    -------
    FunctionModel
        ``percent`` and ``final_percent`` of it equal those of ``model`` with the operations done before.
    """
    losses = [(one.weeks_ago, _loss(model, one)) for one in lost]
    shares, constants = model.recovery.shares, model.recovery.weeks
    # What earlier operations had not given back when the plan began is given back since then.
    before = [part * math.exp(-weeks / tau) for part, tau in zip(model.unrecovered, constants, strict=True)]
    left = [
        part + sum(loss.early * share * math.exp(-ago / tau) for ago, loss in losses)
        for part, share, tau in zip(before, shares, constants, strict=True)
    ]
    regained = sum(model.unrecovered) - sum(before)
    early = sum(left) - sum(before)
    of_first = max(_LEAST_SHARE, 1.0 + regained - sum(loss.permanent for _, loss in losses) - early)
    today = model.baseline_percent * of_first if measured is None else measured
    scale = model.baseline_percent / today
    return replace(
        model,
        baseline_percent=today,
        lung_ml=model.lung_ml / scale,
        early_access=model.early_access * scale,
        perfusion_permanent=model.perfusion_permanent * scale,
        unrecovered=(left[0] * scale, left[1] * scale),
    )
