"""Why there is no plan: minimal sets and smallest changes against trying everything."""

from __future__ import annotations

import numpy as np
import pytest

from clearlung.staging import LIMITS
from clearlung.staging.conflicts import Wanted, explain_conflict, limit_gains, probe, smallest_change
from tests.staging.exhaustive import best_goals
from tests.staging.problems import function, problem, protocol

FOUR_EACH_SIDE = [("RLL", 10.0, 60.0)] * 4


def possible(given, wanted) -> bool:
    """Whether trying everything finds a plan as wanted."""
    left, operations, *_ = best_goals(given)
    most = wanted.operations_max
    return left <= wanted.lesions_left_max and (most is None or operations <= most)


def random_problem(seed):
    rng = np.random.default_rng(seed)
    rows = [
        (str(rng.choice(["RUL", "RLL", "LLL"])), float(rng.integers(5, 60)), float(rng.integers(20, 150)))
        for _ in range(4)
    ]
    limits = protocol(
        nodules_max=int(rng.integers(1, 3)),
        nodules_per_lobe_max=int(rng.integers(1, 3)),
        minutes_max=float(rng.integers(150, 250)),
        removed_ml_max=float(rng.integers(40, 90)),
    )
    return problem(rows, limits)


@pytest.mark.parametrize("seed", range(8))
def test_the_conflict_is_minimal_and_the_changes_smallest(seed):
    given, wanted = random_problem(seed), Wanted(operations_max=2)
    conflict = explain_conflict(given, wanted)
    assert (conflict is None) == possible(given, wanted)
    if conflict is None:
        return
    alone = given
    for name, limit in LIMITS.items():
        if name not in conflict.limits:
            alone = limit.freed(alone)
    assert not possible(alone, wanted)
    for name in conflict.limits:
        assert possible(LIMITS[name].freed(alone), wanted), name
    for change in conflict.changes:
        limit = LIMITS[change.limit]
        steps = limit.steps_to_free(given)
        if change.needed is None:
            assert not possible(limit.freed(given), wanted)
            continue
        found = next(n for n in range(1, steps + 1) if limit.after_steps(given, n) == change.needed)
        assert possible(limit.loosened(given, found), wanted)
        assert not possible(limit.loosened(given, found - 1), wanted)


def test_one_limit_that_excludes_a_plan_by_itself_is_the_whole_conflict():
    given = problem(FOUR_EACH_SIDE, protocol(nodules_max=2))
    conflict = explain_conflict(given, Wanted(operations_max=1))
    assert conflict.limits == ("per_operation.nodules_max",)
    assert conflict.proven
    needed = {change.limit: (change.needed, change.proven) for change in conflict.changes}
    assert needed.pop("per_operation.nodules_max") == (4.0, True)
    assert {value for value, _ in needed.values()} == {None}


def test_two_limits_that_each_suffice_are_both_named_and_no_single_change_helps():
    given = problem(FOUR_EACH_SIDE, protocol(nodules_max=2, removed_ml_max=20.0))
    conflict = explain_conflict(given, Wanted(operations_max=1))
    # Either excludes it alone: a minimal set holds one of them, and loosening one alone allows nothing.
    assert conflict.limits == ("per_operation.removed_ml_max",)
    assert all(change.needed is None for change in conflict.changes)


def test_minutes_that_no_operation_has_are_asked_for_to_the_minute():
    given = problem([("RLL", 5.0, 400.0), ("LLL", 5.0, 20.0)], protocol(minutes_max=360.0))
    conflict = explain_conflict(given)
    needed = {change.limit: change.needed for change in conflict.changes}
    assert conflict.limits == ("per_operation.minutes_max",)
    assert needed["per_operation.minutes_max"] == np.ceil(400.0 + given.access_minutes)


def test_function_that_bears_no_operation_names_its_floor():
    given = problem([("RLL", 5.0, 20.0)], model=function(fev1_percent=46.0))
    conflict = explain_conflict(given)
    # Less confidence in the prediction would do as well: the set holds both.
    assert conflict.limits == ("function.fev1_after_percent_min", "function.confidence")
    assert conflict.proven
    floor = next(c for c in conflict.changes if c.limit == "function.fev1_after_percent_min")
    loss = given.loss([0], perfused=False)
    after = given.function.percent([(0, loss)], 0) - given.function.margin_percent
    assert floor.needed <= after < floor.needed + 0.1


def test_a_plan_that_ends_too_late_names_the_week():
    given = problem([("RLL", 5.0, 20.0), ("LLL", 5.0, 20.0)], protocol(total_max=2, other_side_min=3))
    conflict = explain_conflict(given)
    needed = {change.limit: change.needed for change in conflict.changes}
    assert needed["weeks.total_max"] == 3.0
    assert needed["weeks.other_side_min"] == 2.0


def test_no_lungs_left_to_lose_is_no_limits_fault():
    conflict = explain_conflict(problem([("RLL", 5.0, 20.0)], model=function(fev1_percent=1.0)))
    assert conflict.limits == ()
    assert all(change.needed is None for change in conflict.changes)
    assert conflict.proven


def test_where_there_is_a_plan_there_is_no_conflict():
    given = problem(FOUR_EACH_SIDE)
    assert explain_conflict(given) is None
    assert probe(given, Wanted()).found


def test_one_nodule_more_saves_an_operation():
    given = problem(FOUR_EACH_SIDE, protocol(nodules_max=3))
    gains = {gain.limit: gain for gain in limit_gains(given)}
    gain = gains["per_operation.nodules_max"]
    assert (gain.tried, gain.better, gain.goals[0].name) == (4.0, True, "operations")
    assert (gain.goals[0].before, gain.goals[0].after) == (2.0, 1.0)
    assert not gains["per_operation.minutes_max"].goals
    # A week less between operations on a side ends the plan a week earlier.
    weeks = gains["weeks.same_side_min"].goals[0]
    assert weeks.before - weeks.after == 1.0


def test_a_unit_that_makes_room_for_a_refused_lesion_is_a_gain():
    given = problem([("RLL", 151.0, 20.0), ("LLL", 5.0, 20.0)])
    gains = {gain.limit: gain for gain in limit_gains(given)}
    gain = gains["per_operation.removed_ml_max"]
    assert gain.better
    assert (gain.goals[0].before, gain.goals[0].after) == (1.0, 0.0)


def test_a_limit_that_is_not_set_cannot_change():
    with pytest.raises(ValueError, match=r"sets no weeks\.total_max"):
        smallest_change(problem(FOUR_EACH_SIDE), LIMITS["weeks.total_max"], Wanted())


@pytest.mark.parametrize("name", LIMITS)
def test_loosening_never_goes_past_free(name):
    given = problem(FOUR_EACH_SIDE, protocol("high-volume", total_max=60), perfused=True)
    limit = LIMITS[name]
    steps, better = limit.steps_to_free(given), max if limit.up else min
    end = better(limit.free(given), limit.value(given))
    assert limit.after_steps(given, steps + 5) == limit.after_steps(given, steps) == end
    assert limit.value(limit.freed(given)) == end
    assert limit.steps_to_free(limit.freed(given)) == 0
