"""Why a lesion is in its operation: the limits that bind there, and what its next best place would cost.

Two kinds of answer, told apart: what happens in the given plan if one specimen is moved, or exchanged for one
other, with everything else as it is; and what the best of all plans looks like if the lesion must be in
another operation of its lung, or stays. The first is exact for the plan as it stands, the second comes from
the solver with its own proof.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung.errors import InfeasiblePlan
from clearlung.staging.assignment import Assignment
from clearlung.staging.figures import WEEKS, Difference, Figures, differences, figures, plan_figures, values
from clearlung.staging.fixed import NOISE, Session, earliest, sessions_of, settled
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.solve import solve_plan
from clearlung.staging.targets import aimed_as
from clearlung.staging.uses import LimitUse, content_uses, limit_uses, total_uses

Say = Callable[[str], None]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BindingUse(LimitUse):
    """How much of one limit an operation uses, and whether that is why nothing more is in it."""

    binds: bool = Field(
        description="Whether no specimen of the lung's other operations could be added without breaking it;"
        " for an interval or function, whether the operation could not be a week earlier either; for tissue"
        " in all, whether a lesion stays that it has no room for; for assignments, whether they name this"
        " lesion."
    )


class Place(_Part):
    """The lesion's specimen in another operation of the plan, everything else and the order as they are."""

    operation: int
    how: Literal["move", "exchange", "none"] = Field(
        description="move: it fits as well. exchange: it fits for one other specimen, the best one. none:"
        " neither."
    )
    exchanged: tuple[int, ...] = Field(description="Lesions that come over for it.")
    broken: tuple[LimitUse, ...] = Field(description="Limits that moving it alone would break.")
    cost: tuple[Difference, ...] = Field(
        description="Figures of the plan that would differ, in order of rank; empty also where nothing fits."
    )


class Resolved(_Part):
    """The best of all plans under one more condition, from the solver."""

    condition: str
    possible: bool
    cost: tuple[Difference, ...]
    proven: bool = Field(description="Whether that plan is proven optimal.")


class LesionExplanation(_Part):
    """Why a lesion is where it is."""

    lesion: int
    operation: int | None
    specimen: int | None
    technique: str | None
    companions: tuple[int, ...] = Field(description="Other lesions in the same specimen.")
    reason: str | None = Field(description="Why no operation takes it; null where one does.")
    uses: tuple[BindingUse, ...] = Field(description="Limits of its operation and of the whole plan.")
    places: tuple[Place, ...] = Field(description="Every other operation that opens its lung.")
    next_best: int | None = Field(
        description="The operation, of those that it fits into by a move or an exchange, that costs least."
    )
    resolved: tuple[Resolved, ...]


def explain_lesion(
    problem: StagingProblem,
    plan: Plan,
    lesion: int,
    *,
    resolve: bool = True,
    progress: Say | None = None,
) -> LesionExplanation:
    """Say why a lesion is in its operation, and what its next best place would cost.

    Parameters
    ----------
    problem
        The problem of the plan.
    plan
        Its plan.
    lesion
        Id of the lesion.
    resolve
        Whether the solver is asked too: once for each other operation on the lung, and once without it.
    progress
        Called with a phrase for each step.

    Raises
    ------
    ValueError
        If there is no such lesion, or the plan is not one of this problem.
    """
    if lesion not in problem.lesions.id:
        raise ValueError(f"there is no lesion {lesion}: the plan's are 1 to {problem.lesions.id.max()}")
    say = progress or (lambda phrase: None)
    problem = aimed_as(problem, plan.operations)
    sessions = sessions_of(problem, plan)
    groups = problem.specimens.lesions
    row = next((r for r, group in enumerate(groups) if lesion in group), None)
    here = next((i for i, session in enumerate(sessions) if row in session.rows), None)
    case = _Case(problem, plan, _waiting(problem, plan, sessions), [o.week for o in plan.operations])
    places = () if row is None or here is None else case.places(row, here)
    fitting = [place for place in places if place.how != "none"]
    best = min(fitting, key=lambda place: case.value_of(place.cost), default=None)
    return LesionExplanation(
        lesion=lesion,
        operation=None if here is None else case.number(here),
        specimen=None if row is None else int(problem.specimens.id[row]),
        technique=None if row is None else str(problem.specimens.technique[row]),
        companions=() if row is None else tuple(other for other in groups[row] if other != lesion),
        reason=next((u.reason for u in plan.unassigned if u.lesion == lesion), None),
        uses=() if here is None else case.uses(here, lesion),
        places=places,
        next_best=None if best is None else best.operation,
        resolved=() if row is None or here is None or not resolve else tuple(case.resolved(row, here, say)),
    )


def _waiting(problem: StagingProblem, plan: Plan, sessions: Sequence[Session]) -> list[Session]:
    """Return operations that wait for something else than limits where the plan has them wait for it.

    What is left of a plan keeps to promised weeks, and to intervals after what was done before it.
    """
    found: list[Session] = []
    for session, operation in zip(sessions, plan.operations, strict=True):
        done = [replace(s, not_before=o.week) for s, o in zip(found, plan.operations, strict=False)]
        waits = earliest(problem, [*done, session])[-1] < operation.week
        found.append(replace(session, not_before=operation.week) if waits else session)
    return found


@dataclass(frozen=True, eq=False)
class _Case:
    """A plan taken apart."""

    problem: StagingProblem
    plan: Plan
    sessions: list[Session]
    weeks: list[int]

    @property
    def now(self) -> Figures:
        """The plan's figures."""
        return figures(self.problem, self.sessions, self.weeks)

    def number(self, place: int) -> int:
        """Return an operation's number in the plan."""
        return self.plan.operations[place].number

    def named(self, use: LimitUse, places: Sequence[int] | None = None) -> LimitUse:
        """Return a use of the n-th operation, or the n-th of some places, with its number in the plan."""
        if use.operation is None:
            return use
        place = use.operation - 1 if places is None else places[use.operation - 1]
        return use.model_copy(update={"operation": self.number(place)})

    def value_of(self, cost: Sequence[Difference]) -> tuple[float, ...]:
        """Return all figures of a plan that differs so from this one."""
        new = {d.name: d.after for d in cost}
        return tuple(new.get(name, value) for name, _, value in self.now)

    def uses(self, here: int, lesion: int) -> tuple[BindingUse, ...]:
        """Return the limits of a lesion's operation and of the whole plan, with those that bind."""
        own = [
            use
            for use in limit_uses(self.problem, self.sessions, self.weeks)
            if use.operation in (here + 1, None)
        ]
        fuller = self._fuller(here)
        return tuple(
            BindingUse(**self.named(use).model_dump(), binds=self._binds(use, here, lesion, fuller))
            for use in own
        )

    def _fuller(self, here: int) -> list[list[LimitUse]]:
        """Return the limits of the operation with each specimen of the lung's other operations added."""
        session = self.sessions[here]
        others = [
            row
            for i, other in enumerate(self.sessions)
            if i != here
            for row in other.rows
            if self.problem.specimens.side[row] in session.sides
        ]
        return [self._content(replace(session, rows=(*session.rows, row)), here) for row in others]

    def _binds(self, use: LimitUse, here: int, lesion: int, fuller: Sequence[Sequence[LimitUse]]) -> bool:
        part = use.limit.partition(".")[0]
        if part == "per_operation":
            return _all_break(use, fuller)
        if part == "total":
            return _all_break(use, self._with_one_that_stays())
        if part == "assignments":
            return any(lesion in wish.lesions for wish in self.problem.assignments)
        if part == "perfusion" and use.operation is None:
            # As many lungs are perfused as may be: that keeps no lesion out.
            return False
        if use.limit == "weeks.blocked":
            return self.problem.protocol.weeks.free_from(self.weeks[here] - 1) == self.weeks[here]
        if use.unit == "week":
            return use.slack < 1
        if use.operation is None:
            return use.slack < NOISE
        return self._waits_for(use.limit, here)

    def _with_one_that_stays(self) -> list[list[LimitUse]]:
        """Return the limits on all operations together with each specimen added that no operation takes."""
        taken = {row for session in self.sessions for row in session.rows}
        rest = [row for row in range(len(self.problem.specimens)) if row not in taken]
        alone = [Session("both", (row,), perfused=False) for row in rest]
        return [total_uses(self.problem, [*self.sessions, session]) for session in alone]

    def _waits_for(self, limit: str, here: int) -> bool:
        """Whether an operation a week earlier would break a limit of function."""
        previous = self.weeks[here - 1] if here else 0
        if self.weeks[here] - 1 < previous:
            return False
        weeks = [*self.weeks[:here], self.weeks[here] - 1]
        uses = limit_uses(self.problem, self.sessions[: here + 1], weeks)
        return any(use.broken for use in uses if use.limit == limit and use.operation == here + 1)

    def _content(self, session: Session, place: int) -> list[LimitUse]:
        opened = self.problem.operated.union(*(s.sides for s in self.sessions[:place]))
        return content_uses(self.problem, session, place + 1, opened)

    def places(self, row: int, here: int) -> tuple[Place, ...]:
        """Return every other operation that opens the lung of a specimen."""
        return tuple(self._place(row, here, there) for there in self._others(row, here))

    def _others(self, row: int, here: int) -> list[int]:
        side = self.problem.specimens.side[row]
        return [i for i, session in enumerate(self.sessions) if i != here and side in session.sides]

    def _place(self, row: int, here: int, there: int) -> Place:
        broken, moved = self._judge(self._with(row, here, there, None))
        if not broken:
            cost = differences(self.now, moved)
            return Place(operation=self.number(there), how="move", exchanged=(), broken=(), cost=cost)
        best: tuple[tuple[float, ...], int, Figures] | None = None
        own = self.sessions[here].sides
        for other in self.sessions[there].rows:
            if self.problem.specimens.side[other] not in own:
                continue
            changed = self._with(row, here, there, other)
            # What the two operations hold is quickly judged; weeks and function only where that fits.
            if any(use.broken for i in (here, there) for use in self._content(changed[i], i)):
                continue
            breaks, found = self._judge(changed)
            if not breaks and (best is None or values(found) < best[0]):
                best = values(found), other, found
        if best is None:
            return Place(operation=self.number(there), how="none", exchanged=(), broken=broken, cost=())
        return Place(
            operation=self.number(there),
            how="exchange",
            exchanged=self.problem.specimens.lesions[best[1]],
            broken=broken,
            cost=differences(self.now, best[2]),
        )

    def _judge(self, sessions: Sequence[Session]) -> tuple[tuple[LimitUse, ...], Figures]:
        """Return the limits that changed operations break in the same order, and their figures.

        One that has nothing left is not done; its perfusion goes to the one before it on the lung.
        """
        done = [i for i, session in enumerate(sessions) if session.rows]
        perfusions = Counter(session.side for session in sessions if session.perfused)
        kept: list[Session] = []
        for i in reversed(done):
            perfused = perfusions[sessions[i].side] > 0
            perfusions[sessions[i].side] -= 1
            kept.insert(0, replace(sessions[i], perfused=perfused))
        weeks = earliest(self.problem, kept)
        broken = tuple(
            use
            if use.operation is None
            else use.model_copy(update={"operation": done[use.operation - 1] + 1})
            for use in limit_uses(self.problem, kept, weeks)
            if use.broken
        )
        return broken, figures(self.problem, kept, weeks)

    def _with(self, row: int, here: int, there: int, other: int | None) -> list[Session]:
        """Return the operations with a specimen taken elsewhere, and another coming over for it."""
        sessions = list(self.sessions)
        stay = tuple(r for r in sessions[here].rows if r != row)
        sessions[here] = replace(sessions[here], rows=stay if other is None else (*stay, other))
        kept = tuple(r for r in sessions[there].rows if r != other)
        sessions[there] = replace(sessions[there], rows=(*kept, row))
        return [settled(self.problem, session) for session in sessions]

    def resolved(self, row: int, here: int, say: Say) -> list[Resolved]:
        """Ask the solver for the best plan with the lesion elsewhere on its lung, and without it."""
        lesions = self.problem.specimens.lesions[row]
        name = _named(lesions)
        side = str(self.problem.specimens.side[row])
        opening = [place for place, session in enumerate(self.sessions) if side in session.sides]
        found = []
        for count, there in enumerate(opening, start=1):
            if there != here:
                wish = Assignment(lesions=lesions, only_in=(count,))
                where = f"only in the {side} lung's operation {count}, now operation {self.number(there)}"
                say(f"the best plan with {name} {where}")
                found.append(self._resolve(self._assigned(wish), f"{name} {where}"))
        say(f"the best plan without {name}")
        found.append(self._resolve(self._assigned(Assignment(lesions=lesions, leave=True)), f"{name} left"))
        return found

    def _assigned(self, wish: Assignment) -> StagingProblem:
        return replace(self.problem, assignments=(*self.problem.assignments, wish))

    def _resolve(self, problem: StagingProblem, condition: str) -> Resolved:
        try:
            plan = solve_plan(problem)
        except InfeasiblePlan:
            return Resolved(condition=condition, possible=False, cost=(), proven=False)
        cost = differences(self.now, plan_figures(problem, plan))
        if any(session.not_before for session in self.sessions):
            # The solver knows nothing of what these operations wait for: its weeks are not comparable.
            cost = tuple(one for one in cost if one.name != WEEKS)
        return Resolved(
            condition=condition,
            possible=True,
            cost=cost,
            proven=plan.solver.status == "optimal",
        )


def _all_break(use: LimitUse, fuller: Sequence[Sequence[LimitUse]]) -> bool:
    """Whether each specimen that uses more of a limit breaks it, and there is one."""
    # A specimen of another lobe does not tell how full this lobe is.
    tried = [
        other for uses in fuller for other in uses if other.of == use.of and other.used > use.used + NOISE
    ]
    return bool(tried) and all(other.broken for other in tried)


def _named(lesions: Sequence[int]) -> str:
    return f"lesion{'s' * (len(lesions) > 1)} {', '.join(map(str, lesions))}"
