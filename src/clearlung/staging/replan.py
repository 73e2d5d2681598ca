"""Plan again from what was done, changing as little as possible of what was promised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from clearlung.anatomy import SIDES
from clearlung.errors import InfeasiblePlan
from clearlung.staging.carry import Slot, carry_over
from clearlung.staging.changes import Case, changes
from clearlung.staging.done import Done, earlier_sessions
from clearlung.staging.figures import differences, figures, values
from clearlung.staging.fixed import EarlierSession, Session, earliest, sessions_of, settled
from clearlung.staging.given import plan_of
from clearlung.staging.kept import known_only, with_perfusions_left
from clearlung.staging.plan import Plan, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.replan_record import FromScratch, Replan
from clearlung.staging.rest import rest_problem
from clearlung.staging.solve import solve_plan
from clearlung.staging.targets import aimed_as
from clearlung.staging.uses import limit_uses

# Operations that may be added on each lung: more than that is a plan from scratch.
_ADDED_MAX = 3


@dataclass(frozen=True, eq=False)
class _Rest:
    """What is left, and what it is held against."""

    problem: StagingProblem
    earlier: list[EarlierSession]
    promised: list[int | None]
    slots: list[Slot]
    first_week: int


@dataclass(frozen=True, eq=False)
class _Offer:
    """Operations for what is left, with their weeks from today, and the problem with their targets."""

    problem: StagingProblem
    sessions: list[Session]
    weeks: list[int]
    numbers: list[int | None]
    proven: bool

    @property
    def figures(self) -> tuple[tuple[str, str, float], ...]:
        return figures(self.problem, self.sessions, self.weeks)

    def elsewhere(self, rest: _Rest) -> int:
        """Return how many lesions are in another operation than promised."""
        counts = rest.problem.specimens.counts
        return sum(
            int(counts[row])
            for session, number in zip(self.sessions, self.numbers, strict=True)
            for row in session.rows
            if rest.promised[row] not in (None, number)
        )


def replan(
    problem: StagingProblem,
    plan: Plan,
    done: Done,
    *,
    scanned: StagingProblem | None = None,
    progress: Callable[[str], None] | None = None,
) -> Replan:
    """Plan what is left, with as little change as possible of what was promised.

    Specimens stay in their promised operation where limits allow. In order of rank: few lesions left, few
    operations added, few lesions elsewhere than promised. Operations keep their order, and their week unless
    a limit, a complication or today makes it later. Where that leaves more lesions than a plan from scratch
    or breaks a limit, the plan from scratch is taken.

    Parameters
    ----------
    problem, plan
        What was planned.
    done
        What was done of it, and what is known today.
    scanned
        The problem of a new scan, with the same numbers for the same lesions: its specimens, lesions and
        function take the place of what can be computed from ``problem``. Lesions that were removed must not
        be in it.
    progress
        Called with a phrase for each step.

    Returns
    -------
    Replan
        The plan that is left and every change with its reason. With nothing done and nothing new the plan
        is the promised one.

    Raises
    ------
    InfeasiblePlan
        If lung function or another limit allows no operation any more.
    CaseConflict
        If what was done does not belong to the plan.
    """
    began, say = time.perf_counter(), progress or (lambda phrase: None)
    rest = _rest(problem, plan, done, scanned)
    say("keeping what was promised")
    kept = _kept(rest, plan)
    say("planning from scratch")
    scratch, scratch_plan = _from_scratch(rest, plan)
    chosen = kept
    if chosen is None or (scratch is not None and _left(scratch) < _left(chosen)):
        chosen = scratch
    if chosen is None:
        raise InfeasiblePlan(["What is left of the plan cannot be done within the limits."])
    case = Case(problem, plan, done, chosen.problem, chosen.sessions, chosen.weeks, chosen.numbers)
    made = plan_of(
        chosen.problem,
        chosen.sessions,
        chosen.weeks,
        [case.number_now(place) for place in range(len(chosen.sessions))],
        scratch_plan,
        time.perf_counter() - began,
    )
    operations, lesions, same = changes(case, rest.earlier)
    return Replan(
        done=done,
        method="kept" if chosen is kept else "from scratch",
        proven=chosen.proven,
        plan=made,
        operations=operations,
        lesions=lesions,
        dropped=tuple(
            slot.promised
            for slot in rest.slots
            if slot.promised is not None and slot.promised not in chosen.numbers
        ),
        kept=same,
        from_scratch=None if scratch is None else _compared(rest, chosen, scratch, scratch_plan),
    )


def _rest(problem: StagingProblem, plan: Plan, done: Done, scanned: StagingProblem | None) -> _Rest:
    """Return what is left to do, and what was promised for it."""
    left = rest_problem(problem, plan, done)
    earlier = earlier_sessions(plan, done)
    if scanned is not None:
        assignments = scanned.assignments or known_only(left.assignments, scanned)
        left = replace(scanned, operated=left.operated, assignments=assignments)
    over = {one.number for one in done.operations}
    rest = [operation for operation in plan.operations if operation.number not in over]
    promises = [(side, o.perfusion is not None) for o in rest for side in sides_of(o.side)]
    left = with_perfusions_left(left, earlier, promises)
    where = {lesion: operation.number for operation in rest for lesion in operation.lesions}
    groups = left.specimens.lesions
    promised = [next((where[i] for i in group if i in where), None) for group in groups]
    waits = [one.not_before_week for one in done.operations if one.not_before_week is not None]
    first_week = max([0, *(week - done.today_week for week in waits)])
    slots = [
        Slot(
            operation.side,
            operation.perfusion is not None,
            operation.number,
            max(first_week, operation.week - done.today_week),
        )
        for operation in rest
    ]
    return _Rest(left, earlier, promised, slots, first_week)


def _kept(rest: _Rest, plan: Plan) -> _Offer | None:
    """Return the promised operations with what is left in them, or None where limits break."""
    rest = replace(rest, problem=aimed_as(rest.problem, plan.operations))
    slots = _with_added(rest)
    carried = carry_over(rest.problem, slots, rest.promised, rest.earlier)
    if carried is None:
        return None
    sessions, numbers = [], []
    for place, slot in enumerate(slots):
        rows = tuple(np.flatnonzero(carried.where == place).tolist())
        if rows:
            session = Session(slot.side, rows, slot.perfused, slot.not_before)
            sessions.append(settled(rest.problem, session))
            numbers.append(slot.promised)
    return _offer(rest, sessions, numbers, proven=carried.proven)


def _offer(rest: _Rest, sessions: list[Session], numbers: list[int | None], *, proven: bool) -> _Offer | None:
    """Put operations into weeks; None where a limit breaks."""
    weeks = earliest(rest.problem, sessions, rest.earlier)
    if any(use.broken for use in limit_uses(rest.problem, sessions, weeks, rest.earlier)):
        return None
    return _Offer(rest.problem, sessions, weeks, numbers, proven)


def _with_added(rest: _Rest) -> list[Slot]:
    """Return the promised operations, and before each lung's perfused ones those that may be added."""
    slots = list(rest.slots)
    for side in SIDES:
        if not (rest.problem.specimens.side == side).any():
            continue
        own = [i for i, slot in enumerate(slots) if side in slot.sides]
        perfused = [i for i in own if slots[i].perfused]
        place = perfused[0] if perfused else len(slots)
        # A lung with no operation left is perfused in its last ones, unless that has been done: what does
        # not fit those is for a plan from scratch.
        due = 0 if own or rest.problem.weighs_perfusion else rest.problem.perfusions_on(side)
        added = [Slot(side, due > 0, None, rest.first_week)] * (due or _ADDED_MAX)
        slots[place:place] = added
    return slots


def _from_scratch(rest: _Rest, plan: Plan) -> tuple[_Offer | None, Plan | None]:
    """Return the best plan of what is left, its operations named after the promised ones most alike."""
    try:
        solved = solve_plan(rest.problem)
    except InfeasiblePlan:
        return None, None
    rest = replace(rest, problem=aimed_as(rest.problem, solved.operations))
    sessions = [replace(s, not_before=rest.first_week) for s in sessions_of(rest.problem, solved)]
    offer = _offer(rest, sessions, _named(rest, sessions), proven=solved.solver.status == "optimal")
    return offer, solved


def _named(rest: _Rest, sessions: Sequence[Session]) -> list[int | None]:
    """Give each operation the number of the promised one with which it shares the most lesions."""
    numbers = [slot.promised for slot in rest.slots]
    counts = rest.problem.specimens.counts
    shared = np.array(
        [
            [sum(int(counts[row]) for row in s.rows if rest.promised[row] == number) for number in numbers]
            for s in sessions
        ]
    ).reshape(len(sessions), len(numbers))
    found: list[int | None] = [None] * len(sessions)
    for i, j in zip(*linear_sum_assignment(-shared), strict=True):
        if shared[i, j]:
            found[i] = numbers[j]
    return found


def _left(offer: _Offer) -> float:
    return values(offer.figures)[0]


def _compared(rest: _Rest, chosen: _Offer, scratch: _Offer, solved: Plan | None) -> FromScratch:
    return FromScratch(
        figures=differences(chosen.figures, scratch.figures),
        lesions_elsewhere=scratch.elsewhere(rest),
        proven=solved is not None and solved.solver.status == "optimal",
    )
