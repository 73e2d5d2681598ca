"""The goal that weighs what perfusions spare against what they may do."""

from __future__ import annotations

from collections.abc import Collection

from clearlung.anatomy import SIDES
from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.perfused import in_steps, least_net_harm, perfused_weeks, worth_of
from clearlung.staging.plan import sides_of
from clearlung.staging.protocol_parts import PERFUSION


@register
class PerfusionHarm(PlanGoal):
    """What perfusions may cost beyond what they spare."""

    key = PERFUSION
    title = "harm of perfusions less what they spare"
    unit = "metastasis"
    description = (
        "Expected harm of all perfusions, in metastases left behind that count as much, less the unseen"
        " metastases that they are expected to spare; below 0 they are worth it. In steps of the least that"
        " decides."
    )

    def value(self, outcome: Outcome) -> float:
        """Return it in whole steps of what decides anything."""
        if not outcome.problem.weighs_perfusion:
            return 0.0
        last: dict[str, int] = {}
        for event in outcome.outlook.events:
            last |= dict.fromkeys(sides_of(event.side), event.week)
        weeks = perfused_weeks((e.side, e.week, e.perfused) for e in outcome.outlook.events)
        problem = outcome.problem
        worth = sum(worth_of(problem, side, last[side], weeks[side]) for side in SIDES if side in last)
        return in_steps(problem, -worth)

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return what as many perfusions of each lung come to if all were on the day of the CT."""
        if not outcome.problem.weighs_perfusion:
            return Bound(0.0, "perfusions follow the protocol's rule")
        most = {side: min(outcome.limits.perfused[side], len(outcome.lungs[side])) for side in SIDES}
        return Bound(
            least_net_harm(outcome.problem, most), "perfusions on the day of the CT, before any growth"
        )
