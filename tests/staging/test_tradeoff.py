"""The trade-off curve against trying everything under every pair of limits."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearlung.errors import InfeasiblePlan
from clearlung.staging import TradeoffOptions, trade_off

from .exhaustive import best_goals
from .problems import function, problem, protocol

specimen = st.tuples(
    st.sampled_from(("RUL", "RLL", "LUL", "LLL")),
    st.integers(2, 40).map(lambda n: n / 2),
    st.integers(5, 40),
    st.sampled_from([1, 1, 2]),
)
OPTIONS = TradeoffOptions(tissue_step_ml=4.0, function_step_percent=5.0, operations_more=9)


def under(case, removed_ml, fev1, weeks=None):
    limits = case.protocol
    per = limits.per_operation.model_copy(update={"removed_ml_max": removed_ml})
    parts = {
        "per_operation": per,
        "function": limits.function.model_copy(update={"fev1_after_percent_min": fev1}),
        "weeks": limits.weeks.model_copy(update={"total_max": weeks}),
    }
    return replace(case, protocol=limits.model_copy(update=parts))


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(specimen, min_size=1, max_size=4),
    st.integers(300, 4000),
    st.booleans(),
    st.integers(2, 5),
)
def test_no_point_is_missed(specimens, lung_ml, perfused, nodules_max):
    case = problem(
        specimens,
        protocol(removed_ml_max=41.0, nodules_max=nodules_max, fev1_after_percent_min=20.0, per_lung_max=1),
        model=function(lung_ml=float(lung_ml)),
        perfused=perfused,
    )
    try:
        curve = trade_off(case, OPTIONS)
    except InfeasiblePlan:
        return
    left = best_goals(case)[0]
    ends = sorted({point.row.weeks for point in curve.points})
    latest = [None, *(week - 1 for week in ends if week)]
    for removed_ml in (41.0, 28.0, 16.0, 8.0):
        for fev1 in (20.0, 40.0, 55.0, 70.0):
            for weeks in latest:
                limits = removed_ml, fev1, np.inf if weeks is None else weeks
                best = best_goals(under(case, removed_ml, fev1, weeks))
                expected = best[1] if best[0] == left else None
                found = curve.fewest(*limits)
                if curve.proven(*limits):
                    assert found == expected, limits
                elif found is not None:
                    # What is not proven is still a plan: never better than the best.
                    assert expected is not None
                    assert found >= expected


def test_the_curve_of_equal_specimens_is_the_one_that_division_gives():
    # Twelve specimens of 5 ml: n operations take at least 5 × ⌈12 / n⌉ ml each.
    case = problem(
        [("RUL", 5.0, 5)] * 12, protocol(removed_ml_max=61.0, nodules_max=20, nodules_per_lobe_max=20)
    )
    curve = trade_off(case, TradeoffOptions(function_step_percent=100.0, operations_more=20))
    assert curve.complete
    found = [(p.row.operations, p.row.removed_ml_max) for p in curve.points]
    assert found == [(1, 60.0), (2, 30.0), (3, 20.0), (4, 15.0), (6, 10.0), (12, 5.0)]
    assert all(point.proven and not point.dominated for point in curve.points)
    told = [a.verdict for a in curve.answers]
    # The intervals alone say that none of the six ends sooner: it takes no solving.
    assert told == ["plan"] * 6 + ["more lesions left"] + ["later"] * 5
    # Up to six operations the interval alone sets the pace.
    same_side = case.protocol.weeks.same_side_min
    assert [p.row.weeks for p in curve.points[:5]] == [(n - 1) * same_side for n, _ in found[:5]]


def test_waiting_longer_for_more_function_is_a_point_of_its_own():
    case = problem([("RUL", 5.0, 5), ("RUL", 5.0, 5)], protocol(nodules_max=1, fev1_after_percent_min=20.0))
    curve = trade_off(case, TradeoffOptions(function_step_percent=2.0))
    weeks, low = zip(*[(p.row.weeks, p.fev1_low_percent) for p in curve.best], strict=True)
    assert len(weeks) > 1
    assert np.all(np.diff(np.argsort(weeks)) == np.diff(np.argsort(low)))
    assert max(low) <= curve.fev1_most_percent


def test_dominated_points_are_those_that_another_is_no_worse_than():
    specimens = [("RUL", 9.0, 20), ("RLL", 4.0, 20), ("LUL", 6.0, 30), ("LLL", 2.5, 10), ("LLL", 7.5, 10)]
    case = problem(specimens, protocol(nodules_max=3), model=function(lung_ml=500.0))
    curve = trade_off(case, OPTIONS)
    for point in curve.points:
        others = [np.array(p.costs) for p in curve.points if p is not point]
        mine = np.array(point.costs)
        assert point.dominated == any((o <= mine).all() and (o < mine).any() for o in others)


def test_tighter_limits_never_need_fewer_operations():
    case = problem([("RUL", 9.0, 20), ("RLL", 4.0, 20), ("LUL", 6.0, 30), ("LLL", 2.5, 10)], protocol())
    curve = trade_off(case, OPTIONS)
    grid = [[curve.fewest(ml, f) or 99 for ml in range(40, 0, -2)] for f in range(20, 80, 5)]
    assert (np.diff(grid, axis=0) >= 0).all()
    assert (np.diff(grid, axis=1) >= 0).all()


def test_where_it_stops_early_it_says_so():
    case = problem([("RUL", 5.0, 5)] * 6, protocol(nodules_max=9, nodules_per_lobe_max=9))
    curve = trade_off(case, TradeoffOptions(solves_max=2, function_step_percent=100.0))
    assert len(curve.answers) == 2
    assert curve.unexplored
    assert not curve.complete


def test_plans_keep_to_the_protocols_last_week():
    tight = protocol(nodules_max=20, nodules_per_lobe_max=20, total_max=8)
    case = problem([("RUL", 5.0, 5)] * 6, tight)
    curve = trade_off(case, TradeoffOptions(function_step_percent=100.0))
    assert curve.complete
    assert all(point.row.weeks <= 8 for point in curve.points)
    assert all(answer.weeks_limit <= 8 for answer in curve.answers)


def test_fewer_weeks_for_larger_operations_is_a_point_of_its_own():
    """Twelve of 5 ml, four operations at the most: each one fewer ends an interval sooner."""
    case = problem(
        [("RUL", 5.0, 5)] * 12, protocol(removed_ml_max=61.0, nodules_max=20, nodules_per_lobe_max=20)
    )
    options = TradeoffOptions(tissue_step_ml=1.0, function_step_percent=100.0, operations_more=3)
    curve = trade_off(case, options)
    assert curve.complete
    for point in curve.points:
        assert curve.fewest(point.row.removed_ml_max, 0.0, point.row.weeks) == point.row.operations
        if point.row.weeks:
            assert curve.fewest(point.row.removed_ml_max, 0.0, point.row.weeks - 1) is None
            assert curve.proven(point.row.removed_ml_max, point.fev1_low_percent, point.row.weeks - 1)


def test_steps_of_weeks_are_multiples():
    case = problem([("RUL", 5.0, 5), ("RUL", 5.0, 5)], protocol(nodules_max=1, fev1_after_percent_min=20.0))
    curve = trade_off(case, TradeoffOptions(function_step_percent=5.0, weeks_step=4))
    limits = {answer.weeks_limit for answer in curve.answers} - {np.inf}
    assert limits
    assert all(limit % 4 == 0 for limit in limits)


def test_no_lesions_is_one_point():
    curve = trade_off(problem([]))
    assert [point.row.operations for point in curve.points] == [0]
    assert curve.complete


def test_limits_that_allow_no_plan_are_refused():
    with pytest.raises(InfeasiblePlan):
        trade_off(problem([("RUL", 5.0, 5)], model=function(fev1_percent=20.0)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"tissue_step_ml": 0.0},
        {"function_step_percent": np.inf},
        {"operations_more": -1},
        {"solves_max": 0},
        {"weeks_step": 0},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TradeoffOptions(**wrong)
