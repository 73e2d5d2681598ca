"""The goal that weighs what perfusions spare against what they may do, and against waiting for them."""

from __future__ import annotations

from collections.abc import Collection

from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.clearance import Operations
from clearlung.staging.goals.least_harm import least_net_harm, least_of_perfused
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.perfused import in_steps, net_harm
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
        """Return what no plan falls below that perfuses each lung as often as the problem says."""
        problem = outcome.problem
        if problem.benefit is None or not problem.weighs_perfusion:
            return Bound(0.0, "perfusions follow the protocol's rule")
        fewest = int(Operations().bound(outcome, ()).value)
        if outcome.limits.both_sides and all(len(items) for items in outcome.lungs.values()):
            weeks = outcome.least_weeks_from(fewest)
            return Bound(
                in_steps(problem, least_of_perfused(problem, outcome.limits.perfused, weeks)),
                "label setting on the perfused operations alone, and the least weeks of any plan",
            )
        return Bound(
            in_steps(problem, least_net_harm(outcome, fewest, held)),
            "label setting on the least that operations take, for every choice of those that are perfused",
        )
