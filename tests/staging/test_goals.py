"""Goals: their values by hand, their bounds, and what ranking or weighing them changes."""

import math
from dataclasses import replace
from importlib.resources import files
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import InfeasiblePlan, ProtocolError
from clearlung.followup import LesionTable
from clearlung.staging import broken_limits, load_protocol, parse_protocol, solve_plan
from clearlung.staging.goals import GOALS
from clearlung.staging.protocol_parts import DEFAULT_GOALS, Goals

from .problems import check, function, problem, protocol

LOBES = ("RUL", "RLL", "LUL", "LLL")
ONE_AT_A_TIME = {"nodules_max": 1, "other_side_min": 2, "same_side_min": 4}


def ranked(limits, *order, **weights):
    return limits.model_copy(update={"goals": Goals(order=("lesions_left", *order), weights=weights)})


def with_lesions(case, **columns):
    table = {**vars(case.lesions), **{name: np.array(c, dtype=float) for name, c in columns.items()}}
    return replace(case, lesions=LesionTable(**table))


def value(plan, key):
    return plan.solver.goal(key).value


def week_of(plan, lesion):
    return next(o.week for o in plan.operations if lesion in o.lesions)


def test_every_goal_has_a_name_a_unit_and_says_what_it_is():
    assert set(DEFAULT_GOALS) < set(GOALS)
    for key, goal in GOALS.items():
        assert goal.key == key
        assert goal.title
        assert goal.unit
        assert goal.description
        assert type(goal).__doc__


@settings(max_examples=25)
@given(
    specimens=st.lists(
        st.tuples(st.sampled_from(LOBES), st.floats(2, 40), st.floats(5, 60)), min_size=1, max_size=7
    ),
    lung_ml=st.floats(700, 8000),
    first=st.sampled_from(sorted(set(GOALS) - {"lesions_left"})),
)
def test_no_plan_falls_below_a_bound_and_every_limit_holds(specimens, lung_ml, first):
    limits = protocol(nodules_max=3, total_max=80)
    case = problem(specimens, ranked(limits, first), model=function(lung_ml=lung_ml))
    keys = list(dict.fromkeys(("lesions_left", first, *DEFAULT_GOALS)))
    try:
        plan = solve_plan(case)
    except InfeasiblePlan:
        return
    check(case, plan)
    assert [goal.key for goal in plan.solver.goals] == keys
    default = solve_plan(replace(case, protocol=limits))
    # Whatever is ranked second, what the default order finds is no better in it.
    if value(plan, "lesions_left") == value(default, "lesions_left") and first in DEFAULT_GOALS:
        assert value(plan, first) <= value(default, first)


def test_fast_growers_come_first_where_growth_is_ranked():
    case = problem([("RLL", 5.0, 20.0)] * 4, ranked(protocol(**ONE_AT_A_TIME), "operations", "growth"))
    vdt = [200.0, 20.0, 90.0, 40.0]
    case = with_lesions(case, vdt_days=vdt, diameter_mm=[8.0] * 4)
    plan = solve_plan(case)
    weeks = [week_of(plan, lesion) for lesion in (2, 4, 3, 1)]
    assert weeks == sorted(weeks)
    by_hand = sum(
        math.pi / 6 * 8**3 / 1000 * (2 ** (7 * week_of(plan, i + 1) / days) - 1) for i, days in enumerate(vdt)
    )
    assert value(plan, "growth") == pytest.approx(by_hand)
    assert plan.solver.goal("growth").proven


def test_a_fast_grower_changes_place_within_what_an_operation_holds():
    # Two in each operation; without growth the largest ones would go together.
    limits = protocol(nodules_max=2, other_side_min=2, same_side_min=10)
    specimens = [("RLL", 20.0, 20.0), ("RLL", 20.0, 20.0), ("RLL", 5.0, 20.0), ("RLL", 5.0, 20.0)]
    case = with_lesions(
        problem(specimens, ranked(limits, "operations", "growth")),
        vdt_days=[300.0, 300.0, 20.0, 20.0],
        diameter_mm=[20.0, 20.0, 10.0, 10.0],
    )
    plan = solve_plan(case)
    check(case, plan)
    assert [week_of(plan, lesion) for lesion in (3, 4)] == [0, 0]
    plain = solve_plan(replace(case, protocol=limits))
    assert value(plan, "growth") < sum(
        math.pi / 6 * d**3 / 1000 * (2 ** (7 * week_of(plain, i + 1) / v) - 1)
        for i, (d, v) in enumerate(zip((20, 20, 10, 10), (300, 300, 20, 20), strict=True))
    )


def test_what_shrinks_gains_nothing_by_waiting():
    case = problem([("RLL", 5.0, 20.0)] * 2, ranked(protocol(**ONE_AT_A_TIME), "growth"))
    plan = solve_plan(with_lesions(case, vdt_days=[-50.0, -50.0]))
    assert value(plan, "growth") == 0.0
    assert plan.solver.goal("growth").proven


def test_lesions_that_would_reach_the_hilum_come_before():
    limits = ranked(protocol(nodules_max=1, other_side_min=2, same_side_min=12), "operations", "at_hilum")
    case = problem([("RLL", 5.0, 20.0)] * 3, limits)
    reach = limits.book().value("growth.hilum.reach", unit="mm")
    # All double in 60 days. The second is 1 mm short of it, the third is there, the first is far away.
    case = with_lesions(
        case,
        vdt_days=[60.0] * 3,
        diameter_mm=[20.0, 10.0, 10.0],
        hilum_mm=[200.0, reach + 6.0, reach],
    )
    plan = solve_plan(case)
    assert week_of(plan, 2) == 0
    # The third counts wherever it is.
    assert value(plan, "at_hilum") == 1
    assert plan.solver.goal("at_hilum").proven


def test_the_chance_of_a_breach_is_the_normal_error_of_the_lowest_prediction():
    model = function(lung_ml=4000.0)
    limits = ranked(protocol(), "operations", "breach_chance")
    plan = solve_plan(problem([("RLL", 30.0, 30.0), ("LLL", 30.0, 30.0)], limits, model=model))
    floors = limits.function
    lowest = min(o.fev1_after_percent for o in plan.operations) - floors.fev1_after_percent_min
    final = plan.function.ppo_fev1_percent - floors.ppo_fev1_percent_min
    error = NormalDist(model.bias_percent, model.sd_percent)
    assert value(plan, "breach_chance") == pytest.approx(100 * (1 - error.cdf(min(lowest, final))))
    # The protocol's confidence bounds it, whatever is planned.
    assert value(plan, "breach_chance") <= 100 * (1 - floors.confidence) + 1e-6


def test_what_is_lost_for_good_is_the_same_in_every_order():
    model = function(lung_ml=4000.0)
    limits = ranked(protocol(nodules_max=1), "operations", "permanent_loss")
    plan = solve_plan(problem([("RLL", 30.0, 30.0), ("LLL", 50.0, 30.0)], limits, model=model))
    assert value(plan, "permanent_loss") == pytest.approx(98.0 * 80.0 / 4000.0)
    assert plan.solver.goal("permanent_loss").proven


def test_a_weighted_sum_counts_each_goal_with_its_weight():
    specimens = [(lobe, 10.0, 30.0) for lobe in LOBES * 2]
    limits = ranked(protocol(nodules_max=2), "weighted", operations=3.0, weeks=0.5)
    plan = solve_plan(problem(specimens, limits))
    goal = plan.solver.goal("weighted")
    assert goal.value == pytest.approx(3.0 * value(plan, "operations") + 0.5 * value(plan, "weeks"))
    assert goal.bound <= goal.value
    assert "3 per 1 of operations" in goal.name


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('order = ["operations"]', "must begin with lesions_left"),
        ('order = ["lesions_left", "speed"]', "not a registered goal"),
        ('order = ["lesions_left", "weeks", "weeks"]', "twice"),
        ('order = ["lesions_left", "weighted"]', "weights are needed"),
        ("weights = { weeks = 1.0 }", "weights are needed"),
        ('order = ["lesions_left", "weighted"]\nweights = { weeks = -1.0 }', "above 0"),
    ],
)
def test_goals_that_mean_nothing_are_refused(text, says):
    shipped = (files("clearlung.staging") / "protocols" / "conservative.toml").read_text(encoding="utf-8")
    with pytest.raises(ProtocolError, match=says):
        parse_protocol(f"{shipped}\n[goals]\n{text}\n")


def test_protocols_have_the_default_order_unless_they_say_otherwise():
    assert load_protocol("conservative").goals.ranked == DEFAULT_GOALS


@pytest.mark.parametrize(("right", "left", "both"), [(3, 3, 1), (2, 2, 0), (4, 3, 0), (3, 1, 1)])
def test_only_as_many_operations_open_both_sides_as_save_one(right, left, both):
    # Two in each operation: with three on each lung one of each is left over, and one operation takes both.
    specimens = [("RLL", 5.0, 20.0)] * right + [("LLL", 5.0, 20.0)] * left
    limits = ranked(protocol(nodules_max=2, sides_max=2), "operations", "both_sides")
    case = problem(specimens, limits)
    plan = solve_plan(case)
    assert not broken_limits(plan)
    assert len(plan.operations) == -(-(right + left) // 2)
    assert [o.side for o in plan.operations].count("both") == both == value(plan, "both_sides")
    assert plan.solver.goal("both_sides").proven
