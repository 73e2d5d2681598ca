"""Fewer perfusions in all than for each lung: which lung gets them, and what the plan says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearlung.errors import InfeasiblePlan
from clearlung.staging import LIMITS, solve_plan
from clearlung.staging.share import shares
from tests.staging.problems import check, function, goals, problem, protocol

BOTH = [("RLL", 4.0, 30.0)] * 6 + [("LUL", 4.0, 30.0)] * 6


def limited(specimens=BOTH, lung_ml=1e6, **limits):
    base = protocol("high-volume", nodules_max=3)
    perfusion = base.perfusion.model_copy(update=limits)
    demanded = base.model_copy(update={"perfusion": perfusion})
    return problem(specimens, demanded, model=function(lung_ml=lung_ml), perfused=True)


def perfused(plan):
    return [o.side for o in plan.operations if o.perfusion]


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ({"total_max": 0}, 0),
        ({"total_max": 1}, 1),
        ({"total_max": 2}, 2),
        ({"drug_mg_max": 49.9}, 0),
        ({"drug_mg_max": 50.0}, 1),
        ({"drug_mg_max": 99.0}, 1),
        ({"drug_mg_max": 100.0}, 2),
        ({"total_max": 1, "drug_mg_max": 500.0}, 1),
    ],
)
def test_as_many_perfusions_as_number_and_drug_allow(limits, count):
    case = limited(**limits)
    plan = solve_plan(case)
    check(case, plan)
    assert len(perfused(plan)) == count
    assert LIMITS["perfusion.drug_mg_max"].reached(plan).value == 50.0 * count
    told = [warning for warning in plan.warnings if "ways to share" in warning]
    assert len(told) == (count == 1)
    assert plan.solver.status == "optimal"


def test_every_way_is_planned_and_the_best_taken():
    specimens = [("RLL", 4.0, 30.0)] * 9 + [("LUL", 4.0, 30.0)] * 2
    case = limited(specimens, total_max=1)
    ways = shares(case)
    assert ways == [{"right": 1, "left": 0}, {"right": 0, "left": 1}]
    each = [solve_plan(replace(case, perfusions=way)) for way in ways]
    assert goals(solve_plan(case)) == min(map(goals, each))


def test_a_lung_without_disease_gets_none():
    plan = solve_plan(limited([("LLL", 4.0, 30.0)] * 6, total_max=1))
    assert perfused(plan) == ["left"]
    assert not any("ways to share" in warning for warning in plan.warnings)


def test_more_weeks_between_perfusions_take_longer():
    ends = []
    for between in (None, 8, 20):
        case = limited(weeks_between_min=between)
        plan = solve_plan(case)
        check(case, plan)
        ends.append(plan.weeks_until_clear)
    assert ends == sorted(ends)
    assert ends[-1] > ends[0]


def test_a_fixed_share_is_kept():
    plan = solve_plan(replace(limited(total_max=1), perfusions={"right": 0, "left": 1}))
    assert perfused(plan) == ["left"]


@pytest.mark.parametrize("fixed", [{"right": 1, "left": 1}, {"right": 2, "left": 0}])
def test_a_fixed_share_of_more_than_the_protocol_allows_is_refused(fixed):
    with pytest.raises(InfeasiblePlan, match="1 of each lung and 1 in all"):
        solve_plan(replace(limited(total_max=1), perfusions=fixed))
