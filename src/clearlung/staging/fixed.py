"""Operations that are given and not chosen, and the weeks in which they can be.

The solver chooses; this judges. An explanation asks what would happen if a specimen were taken elsewhere, and
a changed plan keeps what was promised: both need an assignment's weeks, function and limits without a search.
It shares no code with the solver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from clearlung.anatomy import LOBES, Lobe, Side
from clearlung.resection import FunctionModel, Loss
from clearlung.staging.plan import OperationSide, Plan, sides_of
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
        The lung that it opens, or both.
    rows
        Rows of its specimens in the problem.
    perfused
        Whether the lung is perfused.
    not_before
        First week in which it may be.
    """

    side: OperationSide
    rows: tuple[int, ...]
    perfused: bool
    not_before: int = 0

    @property
    def sides(self) -> tuple[Side, ...]:
        """The lungs that it opens."""
        return sides_of(self.side)


@dataclass(frozen=True)
class EarlierSession:
    """An operation that was done before week 0, for what comes after it.

    Parameters
    ----------
    side
        The lung that it opened, or both.
    week
        0 or negative.
    perfused
        Whether the lung was perfused.
    lobe_ml
        Tissue that it took from each lobe, ml: it counts to what all operations together may take.
    """

    side: OperationSide
    week: int
    perfused: bool
    lobe_ml: Mapping[Lobe, float] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[Side, ...]:
        """The lungs that it opened."""
        return sides_of(self.side)


def sessions_of(problem: StagingProblem, plan: Plan) -> list[Session]:
    """Return a plan's operations as given ones, in time order, each free to be as early as limits allow.

    Raises
    ------
    ValueError
        If an operation takes a specimen that is not one of the problem's.
    """
    row_of = {int(number): row for row, number in enumerate(problem.specimens.id)}
    found = []
    for operation in plan.operations:
        unknown = [s.id for s in operation.specimens if s.id not in row_of]
        if unknown:
            raise ValueError(f"operation {operation.number} takes unknown specimens {unknown}")
        rows = tuple(row_of[specimen.id] for specimen in operation.specimens)
        found.append(Session(operation.side, rows, operation.perfusion is not None))
    return found


def settled(problem: StagingProblem, session: Session) -> Session:
    """Return an operation on both sides as one on a single side where it takes nothing of the other."""
    own = set(problem.specimens.side[list(session.rows)].tolist())
    if session.side != "both" or len(own) != 1:
        return session
    return replace(session, side=cast(Side, own.pop()))


@dataclass
class Past:
    """What has been done so far of a sequence, for the intervals and the function of what follows.

    Parameters
    ----------
    problem
        Limits and function.
    before
        The operations so far, in time order.
    held
        For each measure that is limited, when what was lost of it.
    """

    problem: StagingProblem
    before: list[EarlierSession]
    held: list[tuple[Floor, list[tuple[float, Loss]]]]

    @classmethod
    def of(cls, problem: StagingProblem, earlier: Sequence[EarlierSession]) -> Past:
        """Begin with what was done before week 0: what function that has left is in the problem."""
        return cls(problem, list(earlier), [(floor, []) for floor in problem.floors])

    @property
    def opened(self) -> frozenset[Side]:
        """The lungs that have been operated on."""
        return self.problem.operated.union(*(past.sides for past in self.before))

    def losses(self, session: Session) -> list[Loss]:
        """Return what an operation would take of each measure."""
        return [
            self.problem.loss(session.rows, perfused=session.perfused, model=floor.model)
            for floor, _ in self.held
        ]

    def first_by_intervals(self, session: Session) -> int:
        """Return the first week that the intervals allow an operation after those so far."""
        protocol = self.problem.protocol
        rules, between = protocol.weeks, protocol.perfusion.weeks_between_min or 0
        week = session.not_before
        for past in self.before:
            gap = rules.same_side_min if set(past.sides) & set(session.sides) else rules.other_side_min
            gap = max(gap, protocol.scans.weeks_between_operations)
            if past.perfused:
                gap = max(gap, rules.after_perfusion_min, between if session.perfused else 0)
            week = max(week, past.week + gap)
        return week

    def missing(self, losses: Sequence[Loss], week: int) -> float:
        """Return by how much an operation with such losses misses a limit of function, percent points."""
        missed = [0.0]
        for (floor, done), loss in zip(self.held, losses, strict=True):
            model = floor.model
            if floor.after_percent_min is not None:
                after = model.percent([*done, (week, loss)], week) - model.margin_percent
                missed.append(floor.after_percent_min - after)
            if floor.unrecovered_percent_max is not None:
                missed.append(unrecovered_percent(model, done, week) - floor.unrecovered_percent_max)
        return max(missed)

    def add(self, session: Session, week: int, losses: Sequence[Loss]) -> None:
        """Note that an operation was done."""
        for (_, done), loss in zip(self.held, losses, strict=True):
            done.append((week, loss))
        self.before.append(EarlierSession(session.side, week, session.perfused))


def unrecovered_percent(model: FunctionModel, done: Sequence[tuple[float, Loss]], week: float) -> float:
    """Return what is still to come back in a week after operations (week, loss), percent of predicted."""
    return model.final_percent([loss for _, loss in done]) - model.percent(done, week)


def earliest(
    problem: StagingProblem, sessions: Sequence[Session], earlier: Sequence[EarlierSession] = ()
) -> list[int]:
    """Return the earliest week of each operation in the given order.

    Each comes as soon as the intervals and function allow; waiting longer than that helps no later one. Where
    function never allows it, the week is that of the intervals alone, and
    :func:`~clearlung.staging.uses.limit_uses` says what is missing.

    Parameters
    ----------
    problem
        Limits and function.
    sessions
        The operations in time order.
    earlier
        What was done before week 0.
    """
    rules, past, weeks = problem.protocol.weeks, Past.of(problem, earlier), [0]
    for session in sessions:
        losses = past.losses(session)
        week = max(weeks[-1], past.first_by_intervals(session))

        def missing(when: int, losses: list[Loss] = losses) -> float:
            return past.missing(losses, when)

        # A week that is not free is no better than the next one that is, and function only gains by waiting.
        week = rules.free_from(_first(rules.free_from(week), missing))
        past.add(session, week, losses)
        weeks.append(week)
    return weeks[1:]


def _first(week: int, missing: Callable[[int], float]) -> int:
    """Return the first week from the given one in which nothing is missing, or the given one if none is."""
    low, high = week, max(_WEEKS_END, week + 1)
    if missing(low) <= NOISE or missing(high) > NOISE:
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if missing(middle) <= NOISE else (middle, high)
    return high


def peak_ml(problem: StagingProblem, sessions: Sequence[Session], side: Side) -> int:
    """Return the tissue of a lung's largest operation, rounded up to whole ml.

    One on both sides counts on neither, as in the goals of balance.
    """
    volumes = [float(problem.specimens.volume_ml[list(s.rows)].sum()) for s in sessions if s.side == side]
    return max((math.ceil(ml - NOISE) for ml in volumes), default=0)


def lobe_ml_of(problem: StagingProblem, rows: Sequence[int]) -> dict[Lobe, float]:
    """Return what specimens take of each lobe, ml; all is their own lobe's where that is not known."""
    chosen = np.asarray(rows, dtype=np.intp)
    shares = problem.specimens.lobe_ml[chosen].reshape(len(chosen), len(LOBES))
    known = np.isfinite(shares).all(axis=1)
    own, rest = problem.specimens.lobe[chosen][~known], problem.specimens.volume_ml[chosen][~known]
    told = shares[known].sum(axis=0)
    return {lobe: float(told[place] + rest[own == lobe].sum()) for place, lobe in enumerate(LOBES)}
