"""The goal that weighs what perfusions spare against what they may do, and against waiting for them."""

from __future__ import annotations

from collections.abc import Collection

from clearlung.anatomy import SIDES, Side
from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.goals.time import least_weeks
from clearlung.staging.perfused import in_steps, most_worth, net_harm
from clearlung.staging.protocol_parts import PERFUSION


@register
class PerfusionHarm(PlanGoal):
    """What perfusions and waiting may cost beyond what perfusions spare."""

    key = PERFUSION
    title = "harm of perfusions and waiting less what perfusions spare"
    unit = "metastasis"
    description = (
        "Expected harm of all perfusions and the weeks until the last operation, in metastases left behind"
        " that count as much, less the unseen metastases that the perfusions are expected to spare. In steps"
        " of the least that decides."
    )

    def value(self, outcome: Outcome) -> float:
        """Return it in whole steps of what decides anything."""
        problem = outcome.problem
        if not problem.weighs_perfusion:
            return 0.0
        return in_steps(
            problem, net_harm(problem, [(e.side, e.week, e.perfused) for e in outcome.outlook.events])
        )

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return what as many perfusions of each lung come to, if all were on the day of the CT."""
        problem = outcome.problem
        if problem.benefit is None or not problem.weighs_perfusion:
            return Bound(0.0, "perfusions follow the protocol's rule")
        most = {side: min(outcome.limits.perfused[side], len(outcome.lungs[side])) for side in SIDES}
        waiting = problem.benefit.worth.week * least_weeks(outcome)
        last = {side: _last_week(outcome, side) for side in SIDES}
        return Bound(
            in_steps(problem, waiting - most_worth(problem, most, last)),
            "perfusions on the day of the CT, before any growth, and the least weeks of any plan",
        )


def _last_week(outcome: Outcome, side: Side) -> int:
    """Return the week before which a lung's last operation cannot be, by the intervals alone."""
    if not outcome.complete or outcome.limits.both_sides or not len(outcome.lungs[side]):
        return 0
    fewest = outcome.search.proven(outcome.lungs[side])[0]
    return max(0, fewest - 1) * outcome.problem.protocol.weeks.same_side_min
