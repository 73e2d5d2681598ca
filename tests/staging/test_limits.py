"""The registry of limits: complete, and right about plans that keep to them and plans that do not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from clearlung.staging import LIMITS, Protocol, broken_limits, solve_plan
from clearlung.staging.assignment import Assignment
from clearlung.staging.limits.base import register
from tests.staging.problems import function, patient, problem, protocol

# What the detector reports is no limit of a plan.
# The last two refuse a regimen before anything is planned.
NOT_LIMITS = {"nodules.false_per_scan", "perfusion.dose_mg_max", "perfusion.temperature_c_max"}
# How sure a limit holds has no value in a plan; the others are no numbers.
CONFIDENCE, BLOCKED, ASSIGNMENTS = "function.confidence", "weeks.blocked", "assignments"
BOUNDS = [field for field in LIMITS if field not in (CONFIDENCE, BLOCKED, ASSIGNMENTS)]
SIX = [("RUL", 4.0, 30.0), ("RUL", 5.0, 25.0), ("RLL", 3.0, 20.0), ("LUL", 6.0, 30.0), ("LLL", 2.0, 10.0)]


def numbers():
    for part, info in Protocol.model_fields.items():
        for name, field in getattr(info.annotation, "model_fields", {}).items():
            if isinstance(field.json_schema_extra, dict) and "unit" in field.json_schema_extra:
                yield f"{part}.{name}"


@pytest.fixture(scope="module")
def plan():
    limits = protocol(
        "high-volume",
        nodules_max=1,
        other_side_min=3,
        same_side_min=5,
        after_perfusion_min=6,
        weeks_after_operation_min=2,
        weeks_before_operation_min=1,
    )
    fev1 = function(lung_ml=5000.0)
    return solve_plan(problem(SIX, limits, model=fev1, patient=patient(fev1), perfused=True))


def test_every_number_of_a_protocol_that_limits_a_plan_is_registered():
    assert set(numbers()) - set(LIMITS) == NOT_LIMITS
    assert set(LIMITS) - set(numbers()) == {BLOCKED, ASSIGNMENTS}
    assert [f for f in LIMITS if f not in (BLOCKED, ASSIGNMENTS)] == [f for f in numbers() if f in LIMITS]
    for field, limit in LIMITS.items():
        assert limit.field == field
        assert limit.title
        assert limit.words
        assert type(limit).__doc__


def test_a_minimum_is_named_so_and_a_maximum_too():
    for field in BOUNDS:
        assert field.endswith("_min" if LIMITS[field].least else "_max")


def with_limit(plan, field, value):
    part, name = field.split(".")
    changed = getattr(plan.protocol, part).model_copy(update={name: value})
    return plan.model_copy(update={"protocol": plan.protocol.model_copy(update={part: changed})})


@pytest.mark.parametrize("field", BOUNDS)
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


# --- Operations on both sides, CTs, what has not recovered, and the surgeon's wishes, by hand ---------------

PAIRS = [("RUL", 10.0, 20.0), ("RLL", 20.0, 20.0), ("LUL", 30.0, 20.0), ("LLL", 40.0, 20.0)]


@pytest.fixture(scope="module")
def both():
    limits = protocol(sides_max=2, nodules_max=2, minutes_max=900.0)
    given = problem(PAIRS, limits, model=function(lung_ml=5000.0))
    return solve_plan(given)


def as_both(plan):
    """The plan with every operation's side said to be both."""
    operations = tuple(o.model_copy(update={"side": "both"}) for o in plan.operations)
    return plan.model_copy(update={"operations": operations})


def test_operations_on_both_sides_share_a_side_with_every_other(plan):
    opened = as_both(plan)
    assert LIMITS["weeks.other_side_min"].reached(opened) is None
    weeks = sorted(o.week for o in plan.operations)
    assert LIMITS["weeks.same_side_min"].reached(opened).value == min(b - a for a, b in pairwise(weeks))
    assert LIMITS["per_operation.sides_max"].reached(opened).value == 2
    assert "per_operation.sides_max" in broken_limits(opened)
    assert LIMITS["per_operation.sides_max"].reached(plan).value == 1


def test_a_perfusion_of_both_sides_counts_for_each(plan):
    opened, perfused = as_both(plan), sum(o.perfusion is not None for o in plan.operations)
    assert LIMITS["perfusion.total_max"].reached(opened).value == 2 * perfused
    assert LIMITS["perfusion.per_lung_max"].reached(opened).value == perfused


def test_tissue_is_summed_over_lobes_lungs_and_operations(plan):
    assert LIMITS["total.removed_ml_per_lung_max"].reached(plan).value == pytest.approx(4.0 + 5.0 + 3.0)
    found = LIMITS["total.removed_ml_per_lobe_max"].reached(plan)
    assert (found.value, found.where) == (pytest.approx(9.0), "RUL")
    assert LIMITS["per_operation.removed_ml_per_lobe_max"].reached(plan).value == pytest.approx(6.0)


def test_a_specimen_in_two_lobes_gives_each_its_part(plan):
    first = plan.operations[0]
    shared = first.specimens[0].model_copy(update={"volume_ml": 50.0, "lobe_ml": {"RUL": 30.0, "RML": 20.0}})
    operations = (first.model_copy(update={"specimens": (shared,)}),)
    alone = plan.model_copy(update={"operations": operations})
    for field in ("per_operation.removed_ml_per_lobe_max", "total.removed_ml_per_lobe_max"):
        assert LIMITS[field].reached(alone).value == 30.0


def test_a_lobe_of_an_operation_on_both_sides_counts_by_itself(both):
    most = max(
        sum(len(s.lesions) for s in o.specimens if s.lobe == lobe)
        for o in both.operations
        for lobe in ("RUL", "RLL", "LUL", "LLL")
    )
    assert LIMITS["per_operation.nodules_per_lobe_max"].reached(both).value == most


def test_an_operation_without_the_ct_that_is_asked_for_breaks_the_limit(plan):
    last = plan.operations[-1]
    assert all(o.scan_week == o.week - 1 for o in plan.operations[1:])
    blind = (*plan.operations[:-1], last.model_copy(update={"scan_week": None}))
    broken = broken_limits(plan.model_copy(update={"operations": blind}))
    assert set(broken) == {"scans.weeks_after_operation_min"}
    assert f"{last.number}, no CT" in broken["scans.weeks_after_operation_min"].where


def test_what_has_not_recovered_is_what_waiting_would_bring_back(plan):
    reached = LIMITS["function.fev1_unrecovered_percent_max"].reached(plan)
    missing = [
        before.fev1_recovered_percent - after.fev1_before_percent
        for before, after in pairwise(plan.operations)
    ]
    assert reached.value == max(missing) > 0


def wished(plan, *wishes):
    return plan.model_copy(update={"assignments": wishes})


def test_the_surgeons_wishes_count_operations_on_the_lesions_own_lung(plan):
    place, lung = {}, {"right": 0, "left": 0}
    for operation in plan.operations:
        lung[operation.side] += 1
        place |= dict.fromkeys(operation.lesions, lung[operation.side])
    for lesion, number in place.items():
        assert not broken_limits(wished(plan, Assignment(lesions=(lesion,), only_in=(number,))))
        wrong = broken_limits(wished(plan, Assignment(lesions=(lesion,), never_in=(number,))))
        assert wrong[ASSIGNMENTS].value == 1
        assert str(lesion) in wrong[ASSIGNMENTS].where
    assert LIMITS[ASSIGNMENTS].slack(plan) is None


def test_lesions_that_are_to_be_left_or_apart_must_be(plan, both):
    left = broken_limits(wished(plan, Assignment(lesions=(1, 2), leave=True)))
    assert left[ASSIGNMENTS].value == 2
    assert not broken_limits(wished(plan, Assignment(lesions=(1, 2, 3), apart=True)))
    pair = both.operations[0].lesions[:2]
    assert broken_limits(wished(both, Assignment(lesions=pair, apart=True)))[ASSIGNMENTS].value == 2


def test_a_limit_is_registered_once():
    with pytest.raises(ValueError, match="already"):
        register(type(LIMITS["weeks.total_max"]))
