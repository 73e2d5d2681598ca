"""What has changed against a promised plan, lesion by lesion and operation by operation, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearlung.staging.done import Done, removed_lesions, targets_reached, week_of
from clearlung.staging.fixed import EarlierSession, Past, Session
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.replan_record import ChangeKind, LesionChange, OperationChange
from clearlung.staging.uses import content_uses


@dataclass(frozen=True, eq=False)
class Case:
    """A promised plan, what was done of it, and the operations for what is left, in weeks from today.

    ``numbers`` are those of the promised operations that they are, or None.
    """

    problem: StagingProblem
    plan: Plan
    done: Done
    rest: StagingProblem
    sessions: Sequence[Session]
    weeks: Sequence[int]
    numbers: Sequence[int | None]

    def number_now(self, place: int) -> int:
        """Return an operation's number: the promised one for life, new ones after all of those."""
        promised = self.numbers[place]
        if promised is not None:
            return promised
        added = sum(number is None for number in self.numbers[: place + 1])
        return max((operation.number for operation in self.plan.operations), default=0) + added


def changes(
    case: Case, earlier: Sequence[EarlierSession]
) -> tuple[tuple[OperationChange, ...], tuple[LesionChange, ...], int]:
    """Return the operations, the lesions that changed, and how many stay where they were promised.

    Parameters
    ----------
    case
        What was promised, done and is left.
    earlier
        What was done, in weeks before today.
    """
    lesions, kept = _lesions(case)
    done = tuple(_done_operations(case))
    return (*done, *_rest_operations(case, earlier)), lesions, kept


def _done_operations(case: Case) -> list[OperationChange]:
    found = []
    planned = {operation.number: operation for operation in case.plan.operations}
    for one in sorted(case.done.operations, key=lambda o: week_of(planned[o.number], o)):
        operation = planned[one.number]
        removed = len(operation.lesions) - len(one.left) + len(one.also_removed) + one.found_removed
        found.append(
            OperationChange(
                number=one.number,
                promised=one.number,
                side=operation.side,
                done=True,
                promised_week=operation.week,
                week=week_of(operation, one),
                promised_lesions=len(operation.lesions),
                lesions=removed,
                perfused=bool(targets_reached(operation, one)),
                reason="; ".join(one.complications),
            )
        )
    return found


def _rest_operations(case: Case, earlier: Sequence[EarlierSession]) -> list[OperationChange]:
    planned = {operation.number: operation for operation in case.plan.operations}
    found = []
    for place, (session, week, number) in enumerate(
        zip(case.sessions, case.weeks, case.numbers, strict=True)
    ):
        before = None if number is None else planned[number]
        now = week + case.done.today_week
        found.append(
            OperationChange(
                number=case.number_now(place),
                promised=number,
                side=session.side,
                done=False,
                promised_week=None if before is None else before.week,
                week=now,
                promised_lesions=0 if before is None else len(before.lesions),
                lesions=int(case.rest.specimens.counts[list(session.rows)].sum()),
                perfused=session.perfused,
                reason=_why_week(case, earlier, place, None if before is None else before.week),
            )
        )
    return found


def _why_week(case: Case, earlier: Sequence[EarlierSession], place: int, promised: int | None) -> str:
    """Say why an operation is in another week than promised."""
    now = case.weeks[place] + case.done.today_week
    if promised is None:
        return "Added: the promised operations have no room."
    if now == promised:
        return ""
    if now < promised:
        return "Earlier than promised: planned from scratch."
    if case.weeks[place] == 0:
        return "Today is later than its promised week."
    if case.weeks[place] == case.sessions[place].not_before:
        return "No operation before this week, for a complication."
    past = Past.of(case.rest, earlier)
    for session, week in zip(case.sessions[:place], case.weeks[:place], strict=True):
        past.add(session, week, past.losses(session))
    by_intervals = past.first_by_intervals(replace(case.sessions[place], not_before=0))
    if by_intervals == case.weeks[place]:
        return "The protocol's weeks after the operation before it."
    if case.rest.protocol.weeks.free_from(by_intervals) == case.weeks[place]:
        return "Nobody operates in the weeks before it."
    return "Lung function has to recover before it."


def _lesions(case: Case) -> tuple[tuple[LesionChange, ...], int]:
    removed, groups = removed_lesions(case.plan, case.done), case.rest.specimens.lesions
    promised = {lesion: o.number for o in case.plan.operations for lesion in o.lesions}
    place_of = {
        lesion: place for place, s in enumerate(case.sessions) for row in s.rows for lesion in groups[row]
    }
    over = {one.number for one in case.done.operations}
    left = {lesion for one in case.done.operations for lesion in one.left}
    found: list[LesionChange] = []
    kept = 0
    everyone = {lesion.id for lesion in case.plan.lesions} | set(case.rest.lesions.id.tolist())
    for lesion in sorted(everyone):
        was, place = promised.get(lesion), place_of.get(lesion)
        now = None if place is None else case.number_now(place)
        kind: ChangeKind
        if lesion in removed:
            if was in over and not any(lesion in one.also_removed for one in case.done.operations):
                continue
            kind, reason = "removed", "Removed in another operation than promised."
        elif lesion not in case.rest.lesions.id:
            kind, reason = "gone", "Not seen any more."
        elif place is None:
            if was is None and lesion not in left:
                continue
            kind, reason = "stays", "No operation takes it any more."
        elif lesion in left:
            kind, reason = "left", f"Left in operation {was}."
        elif was is None:
            kind, reason = "new", "Not in the promised plan."
        elif case.numbers[place] == was:
            kept += 1
            continue
        elif was not in case.numbers:
            kind, reason = "dropped", f"Operation {was} is not needed any more."
        else:
            kind, reason = "displaced", _why_displaced(case, lesion, was)
        found.append(LesionChange(lesion=lesion, promised=was, now=now, kind=kind, reason=reason))
    return tuple(found), kept


def _why_displaced(case: Case, lesion: int, was: int) -> str:
    """Say which limit its promised operation would break with it."""
    place = list(case.numbers).index(was)
    session = case.sessions[place]
    row = next(r for r, group in enumerate(case.rest.specimens.lesions) if lesion in group)
    opened = case.rest.operated.union(*(s.sides for s in case.sessions[:place]))
    uses = content_uses(case.rest, replace(session, rows=(*session.rows, row)), place + 1, opened)
    broken = [use for use in uses if use.broken]
    if not broken:
        return f"Exchanged, so that everything fits the limits of operation {was}."
    use = broken[0]
    where = f" in {use.lobe}" if use.lobe else ""
    unit = "" if use.unit == "1" else f" {use.unit}"
    return (
        f"With it operation {was} would have {use.used:g}{unit}{where}, over the limit {use.limit} of"
        f" {use.allowed:g}{unit}."
    )
