"""How much of each limit given operations use: the judge of what the solver did not choose.

It shares no code with the solver, nor with the limits that judge a finished plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Lobe, Side
from clearlung.staging.assignment import Assignment
from clearlung.staging.fixed import (
    NOISE,
    EarlierSession,
    Past,
    Session,
    lobe_ml_of,
    unrecovered_percent,
)
from clearlung.staging.problem import StagingProblem


class LimitUse(BaseModel):
    """How much of one limit one operation uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: int | None = Field(description="Number of the operation; null for a limit of the whole plan.")
    limit: str = Field(description="Dotted name of the limit in the protocol, or assignments.")
    lobe: Lobe | None = Field(default=None, description="The lobe, for a limit per lobe.")
    side: Side | None = Field(default=None, description="The lung, for a limit per lung.")
    unit: str
    used: float
    allowed: float
    slack: float = Field(description="What is left of the limit; negative where it is broken.")

    @property
    def broken(self) -> bool:
        """Whether the limit does not hold."""
        return self.slack < -NOISE

    @property
    def of(self) -> tuple[str, Lobe | None, Side | None]:
        """The limit, and the lobe or lung that it holds for here."""
        return self.limit, self.lobe, self.side


def limit_uses(
    problem: StagingProblem,
    sessions: Sequence[Session],
    weeks: Sequence[int],
    earlier: Sequence[EarlierSession] = (),
) -> list[LimitUse]:
    """Return how much of each limit each operation uses, and the whole plan.

    Parameters
    ----------
    problem
        Limits and function.
    sessions, weeks
        The operations in time order, and their weeks.
    earlier
        What was done before week 0.

    Returns
    -------
    list of LimitUse
        Limits on function are held at the lower bound of the protocol's confidence.
    """
    found: list[LimitUse] = []
    past = Past.of(problem, earlier)
    for number, (session, week) in enumerate(zip(sessions, weeks, strict=True), start=1):
        found += content_uses(problem, session, number, past.opened)
        found += _interval_uses(problem, session, week, number, past.before)
        losses = past.losses(session)
        found += _function_before(past, week, number)
        past.add(session, week, losses)
        found += _function_after(past, week, number)
    found += _assignment_uses(problem, sessions)
    if sessions:
        found += _function_in_the_end(past)
    total = problem.protocol.weeks.total_max
    if total is not None:
        found.append(_at_most(None, "weeks.total_max", "week", max(weeks, default=0), total))
    return [*found, *total_uses(problem, sessions, earlier)]


def content_uses(
    problem: StagingProblem, session: Session, number: int, opened: Collection[Side]
) -> list[LimitUse]:
    """Return how much of the limits on what one operation holds it uses.

    Parameters
    ----------
    problem
        Specimens and limits.
    session, number
        The operation and its number.
    opened
        The lungs that have been opened before.
    """
    per, rows = problem.protocol.per_operation, list(session.rows)
    counts = problem.specimens.counts[rows]
    minutes = problem.access_minutes_both if session.side == "both" else problem.access_minutes
    minutes += float(problem.specimens.minutes[rows].sum())
    minutes += problem.reentry_minutes * len(set(opened) & set(session.sides))
    minutes += problem.perfusion_minutes if session.perfused else 0.0
    tissue = float(problem.specimens.volume_ml[rows].sum())
    found = [
        _at_most(number, "per_operation.nodules_max", "1", float(counts.sum()), per.nodules_max),
        _at_most(number, "per_operation.minutes_max", "min", minutes, per.minutes_max),
        _at_most(number, "per_operation.removed_ml_max", "ml", tissue, per.removed_ml_max),
    ]
    shares = lobe_ml_of(problem, rows)
    for lobe in (lobe for lobe in LOBES if LOBE_SIDES[lobe] in session.sides):
        own = float(counts[problem.specimens.lobe[rows] == lobe].sum())
        name = "per_operation.nodules_per_lobe_max"
        found.append(_at_most(number, name, "1", own, per.nodules_per_lobe_max, lobe=lobe))
        if per.removed_ml_per_lobe_max is not None:
            name = "per_operation.removed_ml_per_lobe_max"
            found.append(_at_most(number, name, "ml", shares[lobe], per.removed_ml_per_lobe_max, lobe=lobe))
    if per.sides_max > 1 or len(session.sides) > 1:
        sides = float(len(session.sides))
        found.append(_at_most(number, "per_operation.sides_max", "1", sides, per.sides_max))
    return found


def total_uses(
    problem: StagingProblem, sessions: Sequence[Session], earlier: Sequence[EarlierSession] = ()
) -> list[LimitUse]:
    """Return how much of the limits on all operations together they use: tissue, perfusions and drug.

    Parameters
    ----------
    problem, sessions, earlier
        As for :func:`limit_uses`.
    """
    total, found = problem.protocol.total, list[LimitUse]()
    removed = Counter(lobe_ml_of(problem, [row for session in sessions for row in session.rows]))
    for past in earlier:
        removed.update(past.lobe_ml)
    if total.removed_ml_per_lung_max is not None:
        for side in SIDES:
            ml = sum(removed[lobe] for lobe in LOBES if LOBE_SIDES[lobe] == side)
            name = "total.removed_ml_per_lung_max"
            found.append(_at_most(None, name, "ml", ml, total.removed_ml_per_lung_max, side=side))
    if total.removed_ml_per_lobe_max is not None:
        for lobe in LOBES:
            name = "total.removed_ml_per_lobe_max"
            found.append(_at_most(None, name, "ml", removed[lobe], total.removed_ml_per_lobe_max, lobe=lobe))
    return [*found, *_perfusion_uses(problem, [*earlier, *sessions])]


def _perfusion_uses(
    problem: StagingProblem, operations: Sequence[Session | EarlierSession]
) -> list[LimitUse]:
    limits, regimen = problem.protocol.perfusion, problem.regimen
    if regimen is None:
        return []
    counts = Counter(side for operation in operations if operation.perfused for side in operation.sides)
    found = [
        _at_most(None, "perfusion.per_lung_max", "1", counts[side], limits.per_lung_max, side=side)
        for side in SIDES
    ]
    if limits.total_max is not None:
        found.append(_at_most(None, "perfusion.total_max", "1", counts.total(), limits.total_max))
    if limits.drug_mg_max is not None:
        drug = counts.total() * regimen.dose_mg
        found.append(_at_most(None, "perfusion.drug_mg_max", "mg", drug, limits.drug_mg_max))
    return found


def _function_before(past: Past, week: int, number: int) -> Iterable[LimitUse]:
    """Yield what is still to come back before an operation."""
    for floor, done in past.held:
        if floor.unrecovered_percent_max is not None:
            left = unrecovered_percent(floor.model, done, week)
            name = f"function.{floor.model.measure}_unrecovered_percent_max"
            yield _at_most(number, name, "%", left, floor.unrecovered_percent_max)


def _function_after(past: Past, week: int, number: int) -> Iterable[LimitUse]:
    for floor, done in past.held:
        if floor.after_percent_min is not None:
            after = floor.model.percent(done, week) - floor.model.margin_percent
            name = f"function.{floor.model.measure}_after_percent_min"
            yield _at_least(number, name, "%", after, floor.after_percent_min)


def _function_in_the_end(past: Past) -> Iterable[LimitUse]:
    for floor, done in past.held:
        if floor.recovered_percent_min is not None:
            final = floor.model.final_percent([loss for _, loss in done]) - floor.model.margin_percent
            name = f"function.ppo_{floor.model.measure}_percent_min"
            yield _at_least(None, name, "%", final, floor.recovered_percent_min)


def _interval_uses(
    problem: StagingProblem, session: Session, week: int, number: int, before: Sequence[EarlierSession]
) -> list[LimitUse]:
    """Return the weeks since the latest operation to which each interval applies."""
    rules, between = problem.protocol.weeks, problem.protocol.perfusion.weeks_between_min
    scans = problem.protocol.scans
    perfused = [past for past in before if past.perfused]
    same = [past for past in before if set(past.sides) & set(session.sides)]
    kinds = (
        ("weeks.same_side_min", rules.same_side_min, same),
        ("weeks.other_side_min", rules.other_side_min, [past for past in before if past not in same]),
        ("weeks.after_perfusion_min", rules.after_perfusion_min, perfused),
        ("perfusion.weeks_between_min", between or 0, perfused if session.perfused and between else []),
    )
    found = [
        _at_least(number, name, "week", week - max(past.week for past in those), least)
        for name, least, those in kinds
        if those
    ]
    if scans.weeks_after_operation_min is not None and before:
        scanned = week - scans.weeks_before_operation_min
        weeks = scanned - max(past.week for past in before)
        name = "scans.weeks_after_operation_min"
        found.append(_at_least(number, name, "week", weeks, scans.weeks_after_operation_min))
    if rules.blocked:
        found.append(_at_most(number, "weeks.blocked", "week", float(rules.free_from(week) != week), 0.0))
    return found


def _assignment_uses(problem: StagingProblem, sessions: Sequence[Session]) -> list[LimitUse]:
    """Return for each operation that holds lesions of the surgeon's assignments how many should not be."""
    found, places = list[LimitUse](), Counter[Side]()
    for number, session in enumerate(sessions, start=1):
        places.update(session.sides)
        place_of = {
            lesion: places[cast(Side, str(problem.specimens.side[row]))]
            for row in session.rows
            for lesion in problem.specimens.lesions[row]
        }
        named = {lesion for wish in problem.assignments for lesion in wish.lesions} & set(place_of)
        if named:
            wrong = {lesion for wish in problem.assignments for lesion in _unkept(wish, place_of)}
            found.append(_at_most(number, "assignments", "1", float(len(wrong)), 0.0))
    return found


def _unkept(wish: Assignment, place_of: dict[int, int]) -> list[int]:
    """Return the lesions of one operation, by place on their lung, that an assignment wants elsewhere."""
    here = [lesion for lesion in wish.lesions if lesion in place_of]
    if wish.leave or (wish.apart and len(here) > 1):
        return here
    return [lesion for lesion in here if not wish.allows(place_of[lesion])]


def _at_most(
    number: int | None,
    limit: str,
    unit: str,
    used: float,
    allowed: float,
    *,
    lobe: Lobe | None = None,
    side: Side | None = None,
) -> LimitUse:
    return LimitUse(
        operation=number,
        limit=limit,
        lobe=lobe,
        side=side,
        unit=unit,
        used=used,
        allowed=allowed,
        slack=allowed - used,
    )


def _at_least(number: int | None, limit: str, unit: str, used: float, allowed: float) -> LimitUse:
    return LimitUse(
        operation=number, limit=limit, unit=unit, used=used, allowed=allowed, slack=used - allowed
    )


def holds(problem: StagingProblem, sessions: Sequence[Session], weeks: Sequence[int]) -> bool:
    """Whether every limit holds."""
    return not any(use.broken for use in limit_uses(problem, sessions, weeks))


def removes_nothing(problem: StagingProblem) -> bool:
    """Whether no operation is possible, not even of a single specimen.

    A lung's only operation is a perfused one where the protocol leaves no choice. What does not hold for a
    single specimen holds for no plan: more specimens and more operations use more of every limit. Only the
    surgeon's assignments may ask for operations before it; they are left out of account.
    """
    bare = replace(problem, assignments=())
    return not any(_alone(bare, row) for row in range(len(bare.specimens)))


def _alone(problem: StagingProblem, row: int) -> bool:
    side: Side = "right" if problem.specimens.side[row] == "right" else "left"
    return holds(problem, [Session(side, (row,), _must_perfuse(problem, side))], [0])


def _must_perfuse(problem: StagingProblem, side: Side) -> bool:
    """Whether a lung's last operation is perfused for certain, whichever lungs get the perfusions."""
    if problem.perfusions is not None:
        return problem.perfusions[side] > 0
    # Where fewer are allowed in all than for each lung, the other one may have got them.
    return problem.perfusions_in_all > problem.perfusions_per_lung * (len(SIDES) - 1)
