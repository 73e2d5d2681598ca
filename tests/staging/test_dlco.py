"""Limits of DLCO: held like those of FEV1, named where they exclude, refused where DLCO is not known."""

from __future__ import annotations

import pytest

from clearlung.errors import CaseError, InfeasiblePlan
from clearlung.staging import LIMITS, solve_plan
from tests.staging.problems import check, function, goals, patient, problem, protocol

MANY = [("RLL", 4.0, 8.0)] * 20 + [("LUL", 4.0, 8.0)] * 16
FEV1 = function(lung_ml=5000.0)


def planned(dlco_percent=80.0, specimens=MANY, **limits):
    case = problem(specimens, protocol(**limits), model=FEV1, patient=patient(FEV1, dlco_percent))
    plan = solve_plan(case)
    check(case, plan)
    return plan


def test_a_limit_of_dlco_that_nothing_reaches_changes_nothing():
    free, limited = planned(110.0), planned(110.0, dlco_after_percent_min=1, ppo_dlco_percent_min=1)
    assert goals(free) == goals(limited)
    assert [o.week for o in free.operations] == [o.week for o in limited.operations]


def test_an_operation_waits_for_the_dlco_to_recover():
    free = planned(95.0)
    low = min(o.dlco_after_low_percent for o in free.operations)
    limited = planned(95.0, dlco_after_percent_min=low + 2)
    assert goals(limited)[:2] == goals(free)[:2]
    assert limited.weeks_until_clear > free.weeks_until_clear
    assert 0 <= LIMITS["function.dlco_after_percent_min"].slack(limited) < 5


def test_a_lower_limit_of_dlco_is_never_worse():
    tissue = [("RLL", 30.0, 8.0), ("RUL", 25.0, 8.0), ("LUL", 30.0, 8.0), ("LLL", 20.0, 8.0)]
    small = function(lung_ml=700.0)
    for key, floors in (
        ("dlco_after_percent_min", (50, 45, 40, 0)),
        ("ppo_dlco_percent_min", (76, 73, 70, 0)),
    ):
        left = []
        for floor in floors:
            case = problem(tissue, protocol(**{key: floor}), model=small, patient=patient(small, 95.0))
            plan = solve_plan(case)
            check(case, plan)
            left.append(goals(plan)[0])
        assert left == sorted(left, reverse=True)
        assert left[0] > left[-1]


def test_lesions_that_stay_for_dlco_say_so():
    tissue = [("RLL", 30.0, 8.0), ("RUL", 25.0, 8.0), ("LUL", 30.0, 8.0), ("LLL", 20.0, 8.0)]
    small = function(lung_ml=700.0)
    for key, floor in (("dlco_after_percent_min", 50), ("ppo_dlco_percent_min", 75)):
        case = problem(tissue, protocol(**{key: floor}), model=small, patient=patient(small, 95.0))
        reasons = [u.reason for u in solve_plan(case).unassigned if u.code == "function_limit"]
        assert reasons
        assert all("lower bound of DLCO" in reason and f"limit {floor} %" in reason for reason in reasons)


@pytest.mark.parametrize("key", ["dlco_after_percent_min", "ppo_dlco_percent_min"])
def test_a_dlco_too_low_for_any_operation_is_named(key):
    with pytest.raises(InfeasiblePlan, match=f"leaves a DLCO of .* function.{key} would have to be"):
        planned(50.0, **{key: 49})


@pytest.mark.parametrize("who", [None, patient(FEV1, known=False)])
def test_a_dlco_that_nobody_measured_cannot_be_limited(who):
    case = problem(MANY, protocol(ppo_dlco_percent_min=40), model=FEV1, patient=who)
    with pytest.raises(CaseError, match="measure it") as caught:
        solve_plan(case)
    assert caught.value.field == "function.dlco_percent"


def test_where_dlco_is_limited_nothing_says_that_it_is_not():
    assert any("No limit holds for DLCO" in warning for warning in planned(52.0).warnings)
    limited = planned(52.0, dlco_after_percent_min=5)
    assert not any("No limit holds for DLCO" in warning for warning in limited.warnings)
