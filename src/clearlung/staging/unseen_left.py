"""`unseen_left`: what plans leave of the same unseen metastases, with hands that feel on the same day."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import SIDES, Side
from clearlung.staging.perfusion_choice import left_unseen
from clearlung.staging.perfusion_record import Expected
from clearlung.staging.plan import Plan, sides_of
from clearlung.staging.problem import StagingProblem

UNSEEN_LEFT_WORDS = (
    "Unseen metastases left: of those that were there on the day of the CT, what no hand felt and no"
    " perfusion sterilized. Hands feel each lung as in the earliest week in which one of these plans operates"
    " on it last: a plan that ends later finds some more because they have grown. These are told apart; what"
    " else they do while they grow is not counted."
)
"""What is said beside the numbers."""


class UnseenLeft(BaseModel):
    """What a plan leaves unseen, as far as plans can be compared by it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    left: Expected = Field(
        description="Of those on the day of the CT: felt by no hand of the week below, sterilized by no"
        " perfusion of the plan."
    )
    by_waiting: float = Field(
        description="Of these, how many the plan's own last operations are expected to find, since they come"
        " later and metastases have grown: the value of waiting, without what it costs."
    )
    weeks: dict[Side, int] = Field(
        description="In which hands are taken to feel each lung last, the same for all plans: the earliest."
    )


def unseen_left(given: Sequence[tuple[StagingProblem, Plan]]) -> tuple[UnseenLeft | None, ...]:
    """Return what plans leave unseen, told so that those that end later gain nothing from growth.

    Parameters
    ----------
    given
        Plans with the problems that they solve: of the same patient, under several protocols.

    Returns
    -------
    tuple
        For each; None where nothing was estimated, or on other assumptions than for the first: other
        metastases were imagined then.
    """
    imagined = [None if problem.basis is None else problem.basis.imagined for problem, _ in given]
    first = next((one for one in imagined if one is not None), None)
    alike = [one is not None and one == first for one in imagined]
    last = [_last(plan) for _, plan in given]
    known = [weeks for weeks, same in zip(last, alike, strict=True) if same]
    common = {
        side: min(weeks[side] for weeks in known if side in weeks)
        for side in SIDES
        if any(side in weeks for weeks in known)
    }
    return tuple(
        _left(problem, plan, own, common) if same else None
        for (problem, plan), own, same in zip(given, last, alike, strict=True)
    )


def _left(
    problem: StagingProblem, plan: Plan, own: dict[Side, int], common: dict[Side, int]
) -> UnseenLeft | None:
    if problem.benefit is None:
        return None
    # A lung that a plan does not open is felt in no week.
    felt = {side: common[side] for side in own}
    left = left_unseen(problem.benefit, plan.operations, felt)
    then = left_unseen(problem.benefit, plan.operations, own)
    return UnseenLeft(left=Expected.of(left), by_waiting=float((left - then).mean()), weeks=common)


def _last(plan: Plan) -> dict[Side, int]:
    """Return the week of the last operation on each lung that has one."""
    return {side: o.week for o in plan.operations for side in sides_of(o.side)}
