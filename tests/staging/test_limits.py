"""The registry of limits: complete, and right about plans that keep to them and plans that do not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clearlung.staging import LIMITS, Protocol, broken_limits, solve_plan
from tests.staging.problems import function, patient, problem, protocol

# Numbers of a protocol that no plan can break: how sure a limit holds, and what the detector reports.
BLOCKED = "weeks.blocked"
NOT_LIMITS = {"function.confidence", "nodules.false_per_scan"}
SIX = [("RUL", 4.0, 30.0), ("RUL", 5.0, 25.0), ("RLL", 3.0, 20.0), ("LUL", 6.0, 30.0), ("LLL", 2.0, 10.0)]


def numbers():
    for part, info in Protocol.model_fields.items():
        for name, field in getattr(info.annotation, "model_fields", {}).items():
            if isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra:
                yield f"{part}.{name}"


@pytest.fixture(scope="module")
def plan():
    limits = protocol("high-volume", nodules_max=1, other_side_min=2, same_side_min=5, after_perfusion_min=6)
    fev1 = function(lung_ml=5000.0)
    return solve_plan(problem(SIX, limits, model=fev1, patient=patient(fev1), perfused=True))


def test_every_number_of_a_protocol_that_limits_a_plan_is_registered():
    assert set(numbers()) - set(LIMITS) == NOT_LIMITS
    assert set(LIMITS) - set(numbers()) == {BLOCKED}
    assert [field for field in LIMITS if field != BLOCKED] == [f for f in numbers() if f in LIMITS]
    for field, limit in LIMITS.items():
        assert limit.field == field
        assert limit.title
        assert type(limit).__doc__


def test_a_minimum_is_named_so_and_a_maximum_too():
    for field in set(LIMITS) - {BLOCKED}:
        assert field.endswith("_min" if LIMITS[field].least else "_max")


def with_limit(plan, field, value):
    part, name = field.split(".")
    changed = getattr(plan.protocol, part).model_copy(update={name: value})
    return plan.model_copy(update={"protocol": plan.protocol.model_copy(update={part: changed})})


@pytest.mark.parametrize("field", [field for field in LIMITS if field != BLOCKED])
def test_a_limit_holds_up_to_what_the_plan_reaches_and_not_beyond(plan, field):
    limit = LIMITS[field]
    reached = limit.reached(plan)
    assert reached is not None
    exact = with_limit(plan, field, reached.value)
    assert limit.slack(exact) == pytest.approx(0.0)
    assert limit.holds(exact)
    beyond = with_limit(plan, field, reached.value + (0.5 if limit.least else -0.5))
    assert limit.slack(beyond) == pytest.approx(-0.5)
    assert broken_limits(beyond) == {field: reached}


def test_what_is_reached_is_where_it_says(plan):
    weeks = sorted(o.week for o in plan.operations)
    assert len(plan.operations) == 5
    assert LIMITS["weeks.other_side_min"].reached(plan).value == min(b - a for a, b in pairwise(weeks))
    assert LIMITS["per_operation.minutes_max"].reached(plan).value == max(o.minutes for o in plan.operations)
    assert LIMITS["perfusion.per_lung_max"].reached(plan).value == 1
    most = max(plan.operations, key=lambda o: o.removed_ml)
    assert LIMITS["per_operation.removed_ml_max"].reached(plan).where.endswith(str(most.number))


def test_a_limit_that_is_not_set_has_no_slack(plan):
    assert plan.protocol.weeks.total_max is None
    assert LIMITS["weeks.total_max"].slack(plan) is None
    assert LIMITS["weeks.total_max"].holds(plan)


def test_without_operations_nothing_is_broken():
    plan = solve_plan(problem([]))
    assert not broken_limits(plan)
    assert LIMITS["per_operation.nodules_max"].reached(plan) is None
    assert LIMITS["function.ppo_fev1_percent_min"].reached(plan) is None


def test_operations_in_blocked_weeks_are_counted(plan):
    second, third = plan.operations[1:3]
    blocked = with_limit(plan, BLOCKED, ((second.week, second.week), (third.week, third.week + 1)))
    reached = LIMITS[BLOCKED].reached(blocked)
    assert reached.value >= 2
    assert broken_limits(blocked) == {BLOCKED: reached}
    assert LIMITS[BLOCKED].slack(plan) is None
    assert LIMITS[BLOCKED].holds(with_limit(plan, BLOCKED, ((plan.weeks_until_clear + 1, 1000),)))
