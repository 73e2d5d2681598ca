"""Which lung gets how many perfusions, where the protocol allows fewer in all than for each lung.

So it is where the goals weigh what perfusions spare against their harm: then none at all is a way as well.
There are few ways, so each is planned and the best plan taken; those that no plan can have are left out. A
goal of it is proven only if no other way can be better: by that way's own bound of the goal, where it does as
well in all earlier goals.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import NamedTuple

from clearlung.anatomy import SIDES, Side
from clearlung.errors import InfeasiblePlan
from clearlung.staging.budget import Budget
from clearlung.staging.goals.least_harm import least_of_perfused
from clearlung.staging.items import limits_of, thousandths_up
from clearlung.staging.perfused import in_steps, net_harm
from clearlung.staging.perfusion_record import PerfusionWay
from clearlung.staging.plan import Goal, Plan, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol_parts import PERFUSION, WEIGHTED
from clearlung.staging.screen import some_operation_takes
from clearlung.staging.sequence import FUNCTION_NOISE
from clearlung.staging.targets import aimed_as, targets_of


def shares(problem: StagingProblem) -> list[dict[Side, int]]:
    """Return every way to share the perfusions between the lungs; none where there is nothing to choose.

    Where perfusions are weighed, ways that no plan can have are left out.

    Raises
    ------
    InfeasiblePlan
        If the problem fixes more perfusions than the protocol allows.
    """
    each, total = problem.perfusions_per_lung, problem.perfusions_in_all
    if problem.perfusions is not None:
        if max(problem.perfusions.values()) > each or sum(problem.perfusions.values()) > total:
            raise InfeasiblePlan(
                [
                    f"The perfusions that the problem fixes ({in_words(problem.perfusions)}) are more than"
                    f" the protocol allows: {each} of each lung and {total} in all."
                ]
            )
        if not problem.weighs_perfusion:
            return []
    allowed = dict.fromkeys(SIDES, each) if problem.perfusions is None else problem.perfusions
    most = {side: allowed[side] if (problem.specimens.side == side).any() else 0 for side in SIDES}
    if problem.weighs_perfusion:
        every = product(*(range(most[side], -1, -1) for side in SIDES))
        ways = [dict(zip(SIDES, way, strict=True)) for way in every if sum(way) <= total]
        return [way for way in ways if can_be(problem, way)]
    if sum(most.values()) <= total:
        return []
    return [
        {"right": right, "left": total - right}
        for right in range(min(most["right"], total), -1, -1)
        if total - right <= most["left"]
    ]


def can_be(problem: StagingProblem, way: Mapping[Side, int]) -> bool:
    """Whether operations that remove one specimen each, as far as time goes, could be perfused so often.

    Each of a lung's perfused operations removes something that leaves time for the perfusion; at most one of
    them is the lung's first. Function has to bear them, and it bears no others besides where it does not.
    """
    if not any(way.values()):
        return True
    limits, fits = limits_of(problem), some_operation_takes(problem)
    minutes = thousandths_up(problem.specimens.minutes)
    for side in SIDES:
        mine = minutes[fits & (problem.specimens.side == side)]
        later = int((mine <= limits.minutes_left(side, first=False, perfused=True)).sum())
        first = int((mine <= limits.minutes_left(side, first=True, perfused=True)).sum())
        if way[side] > min(later + 1, first):
            return False
    return least_of_perfused(problem, way) < math.inf and all(
        measure.perfusions(way) <= measure.final + FUNCTION_NOISE for measure in Budget.of(problem).measures
    )


def in_words(way: Mapping[Side, int], targets: Mapping[Side, str] | None = None) -> str:
    """Return the number for each lung in words, and what of it is perfused where that is not all."""
    lobar = {side: f" ({name})" for side, name in (targets or {}).items() if name != side}
    return ", ".join(f"{side} lung {way[side]}{lobar.get(side, '')}" for side in SIDES)


def best_of(
    problem: StagingProblem, ways: Sequence[Mapping[Side, int]], found: Sequence[Plan | None]
) -> Plan:
    """Return the plan that is best by the goals' order, with bounds that hold for every way.

    Parameters
    ----------
    problem
        Without a share of its own.
    ways
        All ways to share the perfusions.
    found
        The plan of each way, None where there is none.
    """
    plans = [plan for plan in found if plan is not None]
    best = min(plans, key=lambda plan: (_values(plan), _tie(problem, plan)))
    bare = next((plan for way, plan in zip(ways, found, strict=True) if not any(way.values())), None)
    compared = []
    for way, plan in zip(ways, found, strict=True):
        nothing = _known_anyway(problem, way, bare, best)
        if plan is None or _refused_by_rule(problem, way, plan):
            # A way without a plan has not been shown to have none.
            compared.append(_Compared([math.inf] * len(nothing), nothing, nothing))
        else:
            compared.append(_Compared(_values(plan), _bounds(plan), nothing))
    bounds = _bounds_of_all(_values(best), compared)
    bounds[0] -= _refused(best)
    goals = tuple(
        _with_bound(goal, bound, len(ways)) for goal, bound in zip(best.solver.goals, bounds, strict=True)
    )
    operations = next(goal for goal in goals if goal.key == "operations")
    solver = best.solver.model_copy(
        update={
            "status": "optimal" if all(goal.proven for goal in goals) else "feasible",
            "bound": operations.bound,
            "gap": operations.gap,
            "seconds": sum(plan.solver.seconds for plan in plans),
            "goals": goals,
        }
    )
    given = {side: sum(o.perfusion is not None for o in best.operations if o.side == side) for side in SIDES}
    sentence = (
        f"Perfusions that the protocol allows in all: {problem.perfusions_in_all}. Of the {len(ways)} ways to"
        " share them between the lungs each was planned, and the best by the goals' order taken:"
        f" {in_words(given, targets_of(best.operations))}."
    )
    warnings = (*best.warnings, sentence) if len(ways) > 1 else best.warnings
    update = {"solver": solver, "warnings": warnings}
    if best.perfusion is not None:
        compared_ways = tuple(_way(problem, plan, plan is best) for plan in plans)
        update["perfusion"] = best.perfusion.model_copy(update={"ways": compared_ways})
    return best.model_copy(update=update)


def _way(problem: StagingProblem, plan: Plan, chosen: bool) -> PerfusionWay:
    counts = {
        side: sum(o.perfusion is not None for o in plan.operations if side in sides_of(o.side))
        for side in SIDES
    }
    targets = targets_of(plan.operations)
    return PerfusionWay(
        **counts,
        right_target=targets.get("right"),
        left_target=targets.get("left"),
        operations=len(plan.operations),
        weeks=plan.weeks_until_clear,
        lesions_left=len(plan.unassigned),
        net_harm=_net_harm(problem, plan),
        chosen=chosen,
    )


def _tie(problem: StagingProblem, plan: Plan) -> float:
    """Return what decides between plans that all goals call equal: less harm, or more perfusions by rule."""
    return _net_harm(problem, plan) if problem.weighs_perfusion else -_perfusions(plan)


def _net_harm(problem: StagingProblem, plan: Plan) -> float:
    course = [(o.side, o.week, o.perfusion is not None) for o in plan.operations]
    return net_harm(aimed_as(problem, plan.operations), course)


def _known_anyway(
    problem: StagingProblem, way: Mapping[Side, int], bare: Plan | None, best: Plan
) -> list[float]:
    """Return what each goal is at least where as much is perfused as a way says, and nothing else is known.

    Without any perfusion, as in ``bare``, operations have more time and leave more function: what is proven
    then of other goals than the weighing holds for every plan that is as good in the earlier ones.
    """
    keys = [goal.key for goal in best.solver.goals]
    least = [0.0] * len(keys)
    if not problem.weighs_perfusion:
        return least
    weighed = in_steps(problem, least_of_perfused(problem, way)) if problem.benefit is not None else 0.0
    place = keys.index(PERFUSION) if PERFUSION in keys else len(keys)
    if place < len(keys):
        least[place] = weighed
    if WEIGHTED in keys:
        # No other goal is below 0.
        least[keys.index(WEIGHTED)] = problem.protocol.goals.weights.get(PERFUSION, 0.0) * weighed
    if bare is None or WEIGHTED in keys:
        return least
    values, bounds, mine = _values(bare), _bounds(bare), _values(best)
    for k in range(len(keys)):
        earlier = [i for i in range(k) if i != place]
        if k != place and all(values[i] == mine[i] for i in earlier):
            least[k] = bounds[k]
    return least


def _refused_by_rule(problem: StagingProblem, way: Mapping[Side, int], plan: Plan) -> bool:
    """Whether lesions were refused only as the last operations are the perfused ones, which others may be."""
    if not problem.weighs_perfusion:
        return False
    by_rule = {u.lesion for u in plan.unassigned if u.code in ("perfusion_limit", "first_operation_limit")}
    return any(lesion.id in by_rule and way[lesion.side] for lesion in plan.lesions)


def _perfusions(plan: Plan) -> int:
    return sum(operation.perfusion is not None for operation in plan.operations)


def _refused(plan: Plan) -> int:
    """Lesions that no operation can take: which ones depends on which are perfused."""
    return len(plan.unassigned) - round(plan.solver.goal("lesions_left").value)


def _values(plan: Plan) -> list[float]:
    """Values of the goals, the first with all lesions that stay."""
    values = [goal.value for goal in plan.solver.goals]
    return [values[0] + _refused(plan), *values[1:]]


def _bounds(plan: Plan) -> list[float]:
    bounds = [goal.bound for goal in plan.solver.goals]
    return [bounds[0] + _refused(plan), *bounds[1:]]


class _Compared(NamedTuple):
    """One way: its plan's values and bounds, and what each goal is at least where nothing is known."""

    values: list[float]
    bounds: list[float]
    nothing: list[float]


def _bounds_of_all(best: list[float], compared: Sequence[_Compared]) -> list[float]:
    """Return for each goal what no way falls below, given the best plan's values of the earlier goals."""
    found = []
    for k, value in enumerate(best):
        least = value
        for way in compared:
            if any(bound > mine for bound, mine in zip(way.bounds[:k], best[:k], strict=True)):
                continue
            # A bound holds for its own plan's earlier values; where these differ, nothing is known.
            least = min(least, way.bounds[k] if way.values[:k] == best[:k] else way.nothing[k])
        found.append(least)
    return found


def _with_bound(goal: Goal, bound: float, ways: int) -> Goal:
    return goal.model_copy(
        update={
            "bound": bound,
            "gap": max(0.0, goal.value - bound) / max(1.0, abs(goal.value)),
            "proven": bound >= goal.value,
            "method": f"{goal.method}; {ways} ways to share the perfusions compared"
            if ways > 1
            else goal.method,
        }
    )
