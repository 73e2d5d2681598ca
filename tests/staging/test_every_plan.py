"""The optimizer against every plan of tiny problems: all rules, any goals, lung function as it stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.errors import InfeasiblePlan
from clearlung.staging import solve_plan
from tests.staging.every_plan import best
from tests.staging.problems import function
from tests.staging.random_problems import RULES, random_problem, with_parts
from tests.staging.test_second_solver import crowded_out

ORDERS = {
    "default": ((), {}),
    "weeks first": (("lesions_left", "weeks", "operations"), {}),
    "growth first": (("lesions_left", "growth"), {}),
    "function first": (("lesions_left", "permanent_loss"), {}),
    "weighted": (("lesions_left", "weighted"), {"operations": 10.0, "weeks": 1.5, "growth": 20.0}),
}
NOISE = 1e-6


def tight_problem(seed, order):
    """A random problem of up to five specimens in which lung function may bind."""
    rng = np.random.default_rng(seed)
    rules = {rule for rule in RULES if rng.random() < 0.3}
    made = random_problem(seed, rules, (2, 5))
    limits = made.protocol
    if rng.random() < 0.6:
        floors = {"fev1_after_percent_min": 20.0, "ppo_fev1_percent_min": 30.0}
        limits = with_parts(limits, function=floors)
        made = replace(made, function=function(lung_ml=float(rng.integers(150, 900))))
        if rng.random() < 0.4:
            limits = with_parts(limits, function={"fev1_unrecovered_percent_max": float(rng.integers(3, 25))})
    names, weights = ORDERS[order]
    if names:
        limits = with_parts(limits, goals={"order": names, "weights": weights})
    vdt = rng.choice([20.0, 40.0, 80.0, 200.0], len(made.lesions))
    return replace(made, protocol=limits, lesions=replace(made.lesions, vdt_days=vdt))


def enclosed(given):
    """Demand bounds and values around the optimum; return the goal in which the plan is worse, if any."""
    order = given.protocol.goals.ranked
    try:
        plan = solve_plan(given)
    except InfeasiblePlan:
        least = best(given, ["lesions_left"])[0]
        return None if least == given.specimens.counts.sum() else "no plan"
    reduced, crowded = crowded_out(given, plan)
    optimum = best(reduced, order)
    optimum[0] -= len(plan.unassigned) - crowded - plan.solver.goal("lesions_left").value
    for goal, value in zip(plan.solver.goals, optimum, strict=True):
        assert goal.bound <= value + NOISE, (goal.key, goal.value, goal.bound, value)
        assert value <= goal.value + NOISE, (goal.key, goal.value, goal.bound, value)
        assert not goal.proven or abs(goal.value - value) <= NOISE, goal.key
        if goal.value > value + NOISE:
            return goal.key  # the goals after it are conditional on a value that is not the optimum
    return None


@pytest.mark.parametrize("order", sorted(ORDERS))
@pytest.mark.parametrize("seed", range(16))
def test_no_plan_is_better_than_every_plan_and_no_bound_above_it(order, seed):
    enclosed(tight_problem(seed, order))


@pytest.mark.xfail(strict=True, reason="lesions stay by tissue and number alone, not by what the goals say")
@pytest.mark.parametrize(("seed", "order"), [(3, "growth first"), (3, "weighted")])
def test_of_as_many_lesions_those_are_removed_that_the_goals_prefer(seed, order):
    assert enclosed(tight_problem(seed, order)) is None
