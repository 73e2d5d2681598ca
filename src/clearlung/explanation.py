"""``clearlung explain``: what is asked of a plan, its answers as one record, and their words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.errors import InfeasiblePlan
from clearlung.manifest import published_schema
from clearlung.staging import (
    Conflict,
    LesionExplanation,
    LimitGain,
    Plan,
    StagingProblem,
    Wanted,
    explain_conflict,
    explain_lesion,
    limit_gains,
    solve_plan,
)

EXPLANATION_FORMAT: Literal["clearlung-explanation/1"] = "clearlung-explanation/1"


class Explanation(BaseModel):
    """Answers about one plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["clearlung-explanation/1"] = EXPLANATION_FORMAT
    notice: str = RESEARCH_NOTICE
    protocol: str = Field(description="Name of the protocol.")
    lesions: tuple[LesionExplanation, ...] = Field(description="Why each is where it is.")
    conflict: Conflict | None = Field(
        description="Why there is no plan as it is wanted; null where there is one, or nobody asked."
    )
    gains: tuple[LimitGain, ...] = Field(description="What one unit more of each limit gains, if asked.")


@dataclass(frozen=True)
class Question:
    """What is asked of a plan.

    Parameters
    ----------
    lesions
        Ids of lesions.
    wanted
        What a plan has to reach: asks why there is none that does.
    gains
        Whether to ask what one unit more of each limit gains.
    resolve
        Whether the solver is asked about each lesion too.
    """

    lesions: Sequence[int] = ()
    wanted: Wanted | None = None
    gains: bool = False
    resolve: bool = True


def explain(
    problem: StagingProblem, plan: Plan | None, question: Question, say: Callable[[str], None]
) -> Explanation:
    """Answer a question about a plan; where there is no plan, say why.

    Parameters
    ----------
    problem
        What is planned.
    plan
        Its plan; solved for if left out.
    question
        What is asked.
    say
        Called with a phrase for each step.

    Raises
    ------
    InfeasiblePlan
        If there is no plan, and what is asked is of one.
    ValueError
        If a lesion is not in the problem.
    """
    wanted = question.wanted
    if plan is None:
        say("planning")
        try:
            plan = solve_plan(problem)
        except InfeasiblePlan:
            if question.lesions or question.gains:
                raise
            wanted = wanted or Wanted()
    lesions: list[LesionExplanation] = []
    gains: tuple[LimitGain, ...] = ()
    if plan is not None:
        for lesion in question.lesions:
            lesions.append(explain_lesion(problem, plan, lesion, resolve=question.resolve, progress=say))
    if question.gains:
        gains = limit_gains(problem, say)
    return Explanation(
        protocol=problem.protocol.name,
        lesions=tuple(lesions),
        conflict=None if wanted is None else explain_conflict(problem, wanted, say),
        gains=gains,
    )


def explanation_schema() -> str:
    """Return the JSON schema of what ``clearlung explain -o`` writes, as published in ``docs``."""
    return published_schema(Explanation, "Clearlung explanation")
