"""Operations that are given and not chosen: when they can be, and how much of each limit they use.

The solver chooses; this judges. An explanation asks what would happen if a specimen were taken elsewhere, and
a changed plan keeps what was promised: both need an assignment's weeks, function and limits without a search.
It shares no code with the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side
from clearlung.resection import Loss
from clearlung.staging.plan import Plan
from clearlung.staging.problem import Floor, StagingProblem

# Points of percent predicted, minutes and milliliters below this are floating-point noise.
NOISE = 1e-6
# Twenty years: a protocol cannot allow more, and every early loss has recovered long before.
_WEEKS_END = 1040


@dataclass(frozen=True)
class Session:
    """An operation whose content is given.

    Parameters
    ----------
    side
        The lung that it opens.
    rows
        Rows of its specimens in the problem.
    perfused
        Whether the lung is perfused.
    not_before
        First week in which it may be.
    """

    side: Side
    rows: tuple[int, ...]
    perfused: bool
    not_before: int = 0


@dataclass(frozen=True)
class EarlierSession:
    """An operation that was done before week 0, for the intervals after it; ``week`` is 0 or negative."""

    side: Side
    week: int
    perfused: bool


class LimitUse(BaseModel):
    """How much of one limit one operation uses."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: int | None = Field(description="Number of the operation; null for a limit of the whole plan.")
    limit: str = Field(description="Dotted name of the limit in the protocol.")
    lobe: Lobe | None = Field(default=None, description="The lobe, for a limit per lobe.")
    unit: str
    used: float
    allowed: float
    slack: float = Field(description="What is left of the limit; negative where it is broken.")

    @property
    def broken(self) -> bool:
        """Whether the limit does not hold."""
        return self.slack < -NOISE


def sessions_of(problem: StagingProblem, plan: Plan) -> list[Session]:
    """Return a plan's operations as given ones, in time order, each free to be as early as limits allow.

    Raises
    ------
    ValueError
        If an operation opens both sides, or takes a specimen that is not one of the problem's.
    """
    row_of = {int(number): row for row, number in enumerate(problem.specimens.id)}
    found = []
    for operation in plan.operations:
        if operation.side == "both":
            raise ValueError(f"operation {operation.number} opens both sides: each lung is judged by itself")
        unknown = [s.id for s in operation.specimens if s.id not in row_of]
        if unknown:
            raise ValueError(f"operation {operation.number} takes unknown specimens {unknown}")
        rows = tuple(row_of[specimen.id] for specimen in operation.specimens)
        found.append(Session(operation.side, rows, operation.perfusion is not None))
    return found


def earliest(
    problem: StagingProblem, sessions: Sequence[Session], earlier: Sequence[EarlierSession] = ()
) -> list[int]:
    """Return the earliest week of each operation in the given order.

    Each comes as soon as the intervals and the function right after it allow; waiting longer than that helps
    no later one. Where function never allows it, the week is that of the intervals alone, and
    :func:`limit_uses` says what is missing.

    Parameters
    ----------
    problem
        Limits and function.
    sessions
        The operations in time order.
    earlier
        What was done before week 0.
    """
    rules, between = problem.protocol.weeks, problem.protocol.perfusion.weeks_between_min or 0
    held: list[tuple[Floor, list[tuple[float, Loss]]]] = [
        (floor, []) for floor in problem.floors if floor.after_percent_min is not None
    ]
    before = list(earlier)
    weeks: list[int] = []
    for session in sessions:
        week = max(session.not_before, weeks[-1] if weeks else 0)
        for past in before:
            gap = rules.same_side_min if past.side == session.side else rules.other_side_min
            if past.perfused:
                gap = max(gap, rules.after_perfusion_min, between if session.perfused else 0)
            week = max(week, past.week + gap)
        losses = [
            problem.loss(session.rows, perfused=session.perfused, model=floor.model) for floor, _ in held
        ]

        def missing(when: int, losses: list[Loss] = losses) -> float:
            return max(
                (
                    (floor.after_percent_min or 0.0)
                    + floor.model.margin_percent
                    - floor.model.percent([*done, (when, loss)], when)
                    for (floor, done), loss in zip(held, losses, strict=True)
                ),
                default=0.0,
            )

        # A week that is not free is no better than the next one that is, and function only gains by waiting.
        week = rules.free_from(_first(rules.free_from(week), missing))
        for (_, done), loss in zip(held, losses, strict=True):
            done.append((week, loss))
        before.append(EarlierSession(session.side, week, session.perfused))
        weeks.append(week)
    return weeks


def _first(week: int, missing: Callable[[int], float]) -> int:
    """Return the first week from the given one in which nothing is missing, or the given one if none is."""
    low, high = week, max(_WEEKS_END, week + 1)
    if missing(low) <= NOISE or missing(high) > NOISE:
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if missing(middle) <= NOISE else (middle, high)
    return high


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
    opened = {*problem.operated, *(past.side for past in earlier)}
    before = list(earlier)
    held: list[tuple[Floor, list[tuple[float, Loss]]]] = [(floor, []) for floor in problem.floors]
    for number, (session, week) in enumerate(zip(sessions, weeks, strict=True), start=1):
        found += content_uses(problem, session, number, reentry=session.side in opened)
        found += _interval_uses(problem, session, week, number, before)
        for floor, done in held:
            loss = problem.loss(session.rows, perfused=session.perfused, model=floor.model)
            done.append((week, loss))
            if floor.after_percent_min is not None:
                after = floor.model.percent(done, week) - floor.model.margin_percent
                field = f"function.{floor.model.measure}_after_percent_min"
                found.append(_at_least(number, field, "%", after, floor.after_percent_min))
        opened.add(session.side)
        before.append(EarlierSession(session.side, week, session.perfused))
    if sessions:
        for floor, done in held:
            if floor.recovered_percent_min is not None:
                final = floor.model.final_percent([loss for _, loss in done]) - floor.model.margin_percent
                field = f"function.ppo_{floor.model.measure}_percent_min"
                found.append(_at_least(None, field, "%", final, floor.recovered_percent_min))
    total = problem.protocol.weeks.total_max
    if total is not None:
        found.append(_at_most(None, "weeks.total_max", "week", max(weeks, default=0), total))
    return found


def content_uses(problem: StagingProblem, session: Session, number: int, *, reentry: bool) -> list[LimitUse]:
    """Return how much of the limits on what one operation holds it uses.

    Parameters
    ----------
    problem
        Specimens and limits.
    session, number
        The operation and its number.
    reentry
        Whether its lung has been opened before.
    """
    per, rows = problem.protocol.per_operation, list(session.rows)
    counts = problem.specimens.counts[rows]
    minutes = problem.access_minutes + float(problem.specimens.minutes[rows].sum())
    minutes += problem.reentry_minutes if reentry else 0.0
    minutes += problem.perfusion_minutes if session.perfused else 0.0
    found = [
        _at_most(number, "per_operation.nodules_max", "1", float(counts.sum()), per.nodules_max),
        _at_most(number, "per_operation.minutes_max", "min", minutes, per.minutes_max),
        _at_most(
            number,
            "per_operation.removed_ml_max",
            "ml",
            float(problem.specimens.volume_ml[rows].sum()),
            per.removed_ml_max,
        ),
    ]
    for lobe in LOBES:
        if LOBE_SIDES[lobe] == session.side:
            own = float(counts[problem.specimens.lobe[rows] == lobe].sum())
            found.append(
                _at_most(
                    number, "per_operation.nodules_per_lobe_max", "1", own, per.nodules_per_lobe_max, lobe
                )
            )
    return found


def _interval_uses(
    problem: StagingProblem, session: Session, week: int, number: int, before: Sequence[EarlierSession]
) -> list[LimitUse]:
    """Return the weeks since the latest operation to which each interval applies."""
    rules, between = problem.protocol.weeks, problem.protocol.perfusion.weeks_between_min
    perfused = [past for past in before if past.perfused]
    kinds = (
        ("weeks.same_side_min", rules.same_side_min, [p for p in before if p.side == session.side]),
        ("weeks.other_side_min", rules.other_side_min, [p for p in before if p.side != session.side]),
        ("weeks.after_perfusion_min", rules.after_perfusion_min, perfused),
        ("perfusion.weeks_between_min", between or 0, perfused if session.perfused and between else []),
    )
    return [
        _at_least(number, name, "week", week - max(past.week for past in those), least)
        for name, least, those in kinds
        if those and least is not None
    ]


def _at_most(
    number: int | None, limit: str, unit: str, used: float, allowed: float, lobe: Lobe | None = None
) -> LimitUse:
    return LimitUse(
        operation=number,
        limit=limit,
        lobe=lobe,
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

    A lung's only operation is a perfused one where the protocol asks for perfusion. What does not hold for a
    single specimen holds for no plan: more specimens and more operations use more of every limit.
    """
    return not any(_alone(problem, row) for row in range(len(problem.specimens)))


def _alone(problem: StagingProblem, row: int) -> bool:
    side: Side = "right" if problem.specimens.side[row] == "right" else "left"
    return holds(problem, [Session(side, (row,), problem.perfusions_per_lung > 0)], [0])


def peak_ml(problem: StagingProblem, sessions: Sequence[Session], side: Side) -> int:
    """Return the tissue of the largest operation on a lung, rounded up to whole ml."""
    volumes = [float(problem.specimens.volume_ml[list(s.rows)].sum()) for s in sessions if s.side == side]
    return max((math.ceil(ml - NOISE) for ml in volumes), default=0)
