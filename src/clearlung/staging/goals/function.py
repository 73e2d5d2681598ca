"""Goals of lung function: what is lost for good, and the chance that less is left than demanded."""

from __future__ import annotations

from collections.abc import Collection
from statistics import NormalDist

from clearlung.anatomy import SIDES
from clearlung.staging.budget import Allowance
from clearlung.staging.goals.base import Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.problem import Floor


@register
class PermanentLoss(PlanGoal):
    """FEV1 that does not come back."""

    key = "permanent_loss"
    title = "FEV1 lost for good"
    unit = "%"
    description = "FEV1 before the first operation less its expected value after full recovery, points."

    def value(self, outcome: Outcome) -> float:
        """Return the points of percent predicted."""
        model = outcome.problem.function
        lost = sum(event.losses["fev1"].permanent for event in outcome.outlook.events)
        return model.baseline_percent * lost

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return what the specimens and the perfusions that the protocol asks for take in any order."""
        if not outcome.complete:
            return Bound(0.0, "none: lesions could be chosen otherwise")
        lost = _least_permanent(outcome, outcome.budget.measures[0])
        least = outcome.problem.function.baseline_percent * lost
        return Bound(least * (1 - 1e-9), "tissue of the specimens, and one perfusion of each perfused lung")


@register
class BreachChance(PlanGoal):
    """The chance that lung function falls below what is demanded."""

    key = "breach_chance"
    title = "chance of breaching function"
    unit = "%"
    description = (
        "Chance that FEV1 or DLCO is below its limit after some operation or after recovery: of one error of"
        " the prediction, normal with the published bias and standard deviation, common to all operations."
    )

    def value(self, outcome: Outcome) -> float:
        """Return the chance, of the measure and the time at which it is largest."""
        return max((_chance(outcome, floor) for floor in outcome.problem.floors), default=0.0)

    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return the chance after full recovery, which no order of operations changes."""
        if not outcome.complete:
            return Bound(0.0, "none: lesions could be chosen otherwise")
        chances = []
        for floor, measure in zip(outcome.problem.floors, outcome.budget.measures, strict=True):
            final = _least_permanent(outcome, measure)
            recovered = floor.model.baseline_percent * (1.0 + sum(floor.model.unrecovered) - final)
            # The last operation's access is never recovered from right after it.
            after = recovered - floor.model.baseline_percent * measure.access
            chances.append(_below(floor, after, recovered))
        return Bound(max(chances, default=0.0) * (1 - 1e-9), "permanent loss and the last operation's access")


def _least_permanent(outcome: Outcome, measure: Allowance) -> float:
    """Return what all specimens and one perfusion of each perfused lung take for good, as a fraction."""
    counted = sum(measure.counted_ml(items) for items in outcome.lungs.values())
    once = {side: min(outcome.limits.perfused[side], 1) for side in SIDES if len(outcome.lungs[side])}
    return measure.permanent(counted, measure.perfusions(once))


def _chance(outcome: Outcome, floor: Floor) -> float:
    index = range(len(outcome.outlook.events))
    around = [outcome.outlook.around(i) for i in index]
    if not around:
        return 0.0
    name = floor.model.measure
    after = min(float(a[f"{name}_after_percent"] or 0.0) for a in around)
    return _below(floor, after, float(around[-1][f"{name}_recovered_percent"] or 0.0))


def _below(floor: Floor, after: float, recovered: float) -> float:
    """Chance, percent, that the true value is below the limit right after some operation or in the end."""
    error = NormalDist(floor.model.bias_percent, floor.model.sd_percent)
    room = [
        value - limit
        for value, limit in ((after, floor.after_percent_min), (recovered, floor.recovered_percent_min))
        if limit is not None
    ]
    # The true value is the prediction less the error.
    return 100.0 * (1.0 - error.cdf(min(room))) if room else 0.0
