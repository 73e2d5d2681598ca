"""Plans with reserve: they hold, or a bound says why none can."""

from dataclasses import replace

from clearlung.staging import solve_plan
from clearlung.staging.stress import plan_with_reserve, stress_test
from tests.staging import problems
from tests.staging.problems import check
from tests.staging.stress.cases import options, small


def twice(given, **more):
    return options(given, "pace", found_ratio=dict.fromkeys(("low", "value", "high"), 1.5), **more)


def test_a_plan_with_reserve_holds_as_often_as_asked():
    given, plan = small(nodules_max=6)
    asked = twice(given, confidence=0.8, scenarios=1000)
    assert stress_test(given, plan, asked).holds.share < 0.8
    found = plan_with_reserve(given, asked)
    assert found.record.status == "holds"
    # Rehearsal again by itself, against the center's own limits, and valid under the tighter ones.
    assert stress_test(given, found.plan, asked).holds.share >= 0.8
    check(replace(given, protocol=found.plan.protocol), found.plan)
    assert len(found.plan.operations) >= len(plan.operations)
    assert found.record.reserve["per_operation.nodules_max"] > 0
    assert found.record.holds == stress_test(given, found.plan, asked).holds.share
    assert found.record.operations == len(found.plan.operations)
    assert found.record.steps[0].holds == stress_test(given, plan, asked).holds.share


def test_where_the_plan_holds_already_it_is_the_plan():
    given, plan = small(nodules_max=3)
    found = plan_with_reserve(given, options(given))
    assert found.record.status == "holds"
    assert not any(found.record.reserve.values())
    assert len(found.record.steps) == 1
    assert [o.lesions for o in found.plan.operations] == [o.lesions for o in plan.operations]


def test_one_specimen_that_is_too_long_by_itself_makes_it_impossible():
    given, _ = small(nodules_max=3)
    minutes = given.access_minutes + 21.0
    given = replace(given, protocol=problems.protocol(nodules_max=1, minutes_max=minutes))
    found = plan_with_reserve(given, options(given, "access", confidence=0.9))
    assert found.record.status == "impossible"
    assert "per_operation.minutes_max" in found.record.reasons[0]
    assert found.plan is None
    assert found.record.reserve == {}


def test_too_little_left_in_the_end_makes_it_impossible():
    model = problems.function(lung_ml=500.0)
    given = problems.problem(
        [("RUL", 20.0, 20.0)] * 3, problems.protocol(nodules_max=1, ppo_fev1_percent_min=70.0), model=model
    )
    plan = solve_plan(given)
    given = replace(given, protocol=problems.protocol(nodules_max=1, ppo_fev1_percent_min=70.0))
    error = dict.fromkeys(("low",), -30.0) | {"value": 0.0, "high": 30.0}
    found = plan_with_reserve(given, options(given, fev1_error=error, confidence=0.95))
    assert not plan.unassigned
    assert found.record.status == "impossible"
    assert "function.ppo_fev1_percent_min" in found.record.reasons[0]


def test_a_search_that_ends_without_a_plan_proves_nothing_and_says_so():
    given, plan = small(nodules_max=6)
    limits = problems.protocol(nodules_max=6, total_max=plan.weeks_until_clear)
    given = replace(given, protocol=limits)
    many = dict.fromkeys(("low", "value", "high"), 1.6)
    found = plan_with_reserve(given, options(given, found_ratio=many, confidence=0.95, scenarios=500))
    assert found.record.status == "not found"
    assert "weeks.total_max" in found.record.reasons[0]
    assert found.plan is None


def test_more_confidence_never_takes_fewer_operations():
    given, _ = small(nodules_max=6)
    operations = [
        len(plan_with_reserve(given, twice(given, confidence=share, scenarios=500)).plan.operations)
        for share in (0.5, 0.8, 0.95)
    ]
    assert operations == sorted(operations)


def test_no_reserve_that_was_tried_and_holds_needs_fewer_operations():
    given, _ = small(nodules_max=6)
    found = plan_with_reserve(given, twice(given, confidence=0.9, scenarios=1000))
    fewest = min(step.operations for step in found.record.steps if step.holds and step.holds >= 0.9)
    assert found.record.operations == fewest
