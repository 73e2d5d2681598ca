"""What plans of the same lesions are compared by: a few figures in the order of the goals."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import SIDES
from clearlung.staging.fixed import Session, peak_ml, sessions_of
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol_parts import DEFAULT_GOALS

WEEKS = "weeks until clear"
"""Name of the figure that counts weeks."""


class Difference(BaseModel):
    """One figure of two plans."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    unit: str
    before: float
    after: float = Field(description="Less is better for every figure.")


Figures = tuple[tuple[str, str, float], ...]
"""Name, unit and value of each figure, in order of rank; less is better."""

FIGURE_GOALS = DEFAULT_GOALS
"""The goal that each figure is the value of."""


def figures(problem: StagingProblem, sessions: Sequence[Session], weeks: Sequence[int]) -> Figures:
    """Return lesions left, operations, the most tissue at once of each lung, and weeks until clear.

    Parameters
    ----------
    problem
        The lesions and specimens.
    sessions, weeks
        The operations and their weeks.
    """
    counts = problem.specimens.counts
    removed = sum(int(counts[list(session.rows)].sum()) for session in sessions)
    return (
        ("lesions left", "1", float(len(problem.lesions) - removed)),
        ("operations", "1", float(len(sessions))),
        *(
            (f"tissue of the largest operation, {side} lung", "ml", float(peak_ml(problem, sessions, side)))
            for side in SIDES
        ),
        (WEEKS, "week", float(max(weeks, default=0))),
    )


def plan_figures(problem: StagingProblem, plan: Plan) -> Figures:
    """Return the figures of a plan of the problem."""
    return figures(problem, sessions_of(problem, plan), [operation.week for operation in plan.operations])


def differences(before: Figures, after: Figures) -> tuple[Difference, ...]:
    """Return the figures that differ, in order of rank."""
    return tuple(
        Difference(name=name, unit=unit, before=old, after=new)
        for (name, unit, old), (_, _, new) in zip(before, after, strict=True)
        if old != new
    )


def values(of: Figures) -> tuple[float, ...]:
    """Return the values alone: of two plans the smaller tuple is the better."""
    return tuple(value for _, _, value in of)
