"""Why there is no plan: minimal sets and smallest changes against trying everything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.staging import LIMITS
from clearlung.staging.assignment import Assignment
from clearlung.staging.conflicts import Wanted, explain_conflict, limit_gains, probe, smallest_change
from tests.staging.exhaustive import best_goals, partitions
from tests.staging.problems import function, patient, problem, protocol

FOUR_EACH_SIDE = [("RLL", 10.0, 60.0)] * 4


def possible(given, wanted) -> bool:
    """Whether trying everything finds a plan as wanted."""
    if given.protocol.per_operation.sides_max > 1:
        return possible_on_both_sides(given, wanted)
    left, operations, *_ = best_goals(given)
    most = wanted.operations_max
    return left <= wanted.lesions_left_max and (most is None or operations <= most)


def possible_on_both_sides(given, wanted) -> bool:
    """The same where operations may open both sides, for lungs of which tissue takes no function."""
    assert not wanted.lesions_left_max
    return any(
        len(groups) <= wanted.operations_max and all(fits(given, group) for group in groups)
        for groups in partitions(list(range(len(given.specimens))))
    )


def fits(given, rows) -> bool:
    """Whether one operation takes these specimens, of one lung or of both."""
    per, spec = given.protocol.per_operation, given.specimens
    counts, lobes = spec.counts[rows], spec.lobe[rows]
    both = len(set(spec.side[rows].tolist())) > 1
    access = given.access_minutes_both if both else given.access_minutes
    return (
        counts.sum() <= per.nodules_max
        and all(counts[lobes == lobe].sum() <= per.nodules_per_lobe_max for lobe in lobes)
        and access + spec.minutes[rows].sum() <= per.minutes_max + 1e-9
        and spec.volume_ml[rows].sum() <= per.removed_ml_max + 1e-9
        and (not both or per.sides_max > 1)
    )


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


ALL_SET = {
    "total_max": 60,
    "blocked": ((2, 4), (9, 9)),
    "removed_ml_per_lobe_max": 50.0,
    "removed_ml_per_lung_max": 80.0,
    "ppo_dlco_percent_min": 30.0,
    "dlco_after_percent_min": 25.0,
    "fev1_unrecovered_percent_max": 5.0,
    "weeks_between_min": 8,
    "drug_mg_max": 60.0,
    "weeks_after_operation_min": 3,
    "weeks_before_operation_min": 1,
}


def everything_limited():
    limits = protocol("high-volume", **ALL_SET)
    perfusion = limits.perfusion.model_copy(update={"total_max": 1})
    fev1 = function()
    given = problem(
        [("RLL", 10.0, 60.0)] * 3,
        limits.model_copy(update={"perfusion": perfusion}),
        perfused=True,
        model=fev1,
        patient=patient(fev1),
    )
    return replace(given, assignments=(Assignment(lesions=(1,), only_in=(1,)),))


@pytest.mark.parametrize("name", LIMITS)
def test_loosening_never_goes_past_free(name):
    given = everything_limited()
    limit = LIMITS[name]
    assert limit.value(given) is not None
    steps, better = limit.steps_to_free(given), max if limit.up else min
    end = better(limit.free(given), limit.value(given))
    assert limit.after_steps(given, steps + 5) == limit.after_steps(given, steps) == end
    assert limit.value(limit.freed(given)) == (end or limit.value(limit.freed(given)))
    assert limit.steps_to_free(limit.freed(given)) == 0


def test_blocked_weeks_and_assignments_are_lifted_as_a_whole():
    given = everything_limited()
    for name, count in (("weeks.blocked", 4), ("assignments", 1)):
        limit = LIMITS[name]
        assert (limit.value(given), limit.steps_to_free(given)) == (count, 1)
        assert limit.value(limit.loosened(given, 1)) is None
        assert limit.loosened(given, 0) is given


def test_lesions_that_the_surgeon_leaves_are_not_lifted():
    given = replace(problem(FOUR_EACH_SIDE), assignments=(Assignment(lesions=(1,), leave=True),))
    assert LIMITS["assignments"].value(given) is None
    assert LIMITS["assignments"].freed(given).assignments == given.assignments
    assert explain_conflict(given) is None


def test_less_confidence_is_less_for_every_measure():
    limit = LIMITS["function.confidence"]
    loose = limit.loosened(everything_limited(), 10)
    lungs = loose.patient.lungs
    found = {loose.function.confidence, loose.protocol.function.confidence}
    assert found | {lungs.fev1.confidence, lungs.dlco.confidence} == {0.85}


# --- The newer limits on problems small enough to see -----------------------------------------------------


def needs(given, wanted=None):
    """The conflict's limits, and the smallest change of each that can give."""
    conflict = explain_conflict(given, wanted)
    return conflict.limits, {c.limit: c.needed for c in conflict.changes if c.needed is not None}


def test_tissue_of_a_lobe_in_one_operation():
    given = problem(FOUR_EACH_SIDE, protocol(removed_ml_per_lobe_max=25.0))
    total = given.protocol.total.model_copy(update={"removed_ml_per_lobe_max": None})
    given = replace(given, protocol=given.protocol.model_copy(update={"total": total}))
    limits, needed = needs(given, Wanted(operations_max=1))
    assert limits == ("per_operation.removed_ml_per_lobe_max",)
    assert needed == {"per_operation.removed_ml_per_lobe_max": 40.0}


def test_tissue_of_a_lung_in_all():
    given = problem(FOUR_EACH_SIDE, protocol(removed_ml_per_lung_max=35.0))
    limits, needed = needs(given)
    assert limits == ("total.removed_ml_per_lung_max",)
    assert needed == {"total.removed_ml_per_lung_max": 40.0}


def test_one_side_at_a_time_is_what_makes_two_operations():
    given = problem([("RLL", 10.0, 60.0), ("LLL", 10.0, 60.0)], protocol(minutes_max=900.0))
    limits, needed = needs(given, Wanted(operations_max=1))
    assert limits == ("per_operation.sides_max",)
    assert needed == {"per_operation.sides_max": 2.0}


def test_a_ct_between_operations_that_the_weeks_have_no_room_for():
    given = problem(
        [("RLL", 5.0, 20.0), ("LLL", 5.0, 20.0)],
        protocol(total_max=6, weeks_after_operation_min=5, weeks_before_operation_min=2),
    )
    limits, needed = needs(given)
    # Both sides in one operation would do as well: it is freed in the search for a minimal set.
    assert "per_operation.sides_max" in limits
    assert {"weeks.total_max", "scans.weeks_after_operation_min"} <= set(limits)
    assert needed["weeks.total_max"] == 7.0
    assert needed["scans.weeks_after_operation_min"] == 4.0
    assert needed["scans.weeks_before_operation_min"] == 1.0


def test_blocked_weeks_that_end_a_plan_too_late():
    given = problem([("RLL", 5.0, 20.0), ("LLL", 5.0, 20.0)], protocol(total_max=3, blocked=((2, 4),)))
    limits, needed = needs(given)
    assert {"weeks.total_max", "weeks.blocked"} <= set(limits)
    assert needed["weeks.blocked"] == 0.0
    assert needed["weeks.total_max"] == 5.0


def test_assignments_that_make_an_operation_more():
    given = replace(problem(FOUR_EACH_SIDE), assignments=(Assignment(lesions=(1, 2), apart=True),))
    limits, needed = needs(given, Wanted(operations_max=1))
    assert limits == ("assignments",)
    assert needed == {"assignments": 0.0}


def test_perfusions_in_all_that_leave_no_time():
    limits = protocol("high-volume", minutes_max=400.0)
    given = problem([("RLL", 5.0, 300.0)], limits, perfused=True)
    assert given.access_minutes + 300.0 < 400.0 < given.access_minutes + 300.0 + given.perfusion_minutes
    total = limits.perfusion.model_copy(update={"total_max": 2})
    given = replace(given, protocol=limits.model_copy(update={"perfusion": total}))
    _, needed = needs(given)
    assert needed["perfusion.per_lung_max"] == 0.0
    assert needed["perfusion.total_max"] in (0.0, 1.0)


def test_function_that_has_to_come_back_before_the_last_week():
    given = problem(
        [("RLL", 5.0, 20.0), ("LLL", 5.0, 20.0)],
        protocol(total_max=4, fev1_unrecovered_percent_max=3.0),
    )
    limits, needed = needs(given)
    assert {"weeks.total_max", "function.fev1_unrecovered_percent_max"} <= set(limits)
    early = given.function.baseline_percent * given.loss([0], perfused=False).early

    def left(week):
        return early * given.function.recovery.left(week)

    least = np.ceil(left(4) * 10) / 10
    assert needed["function.fev1_unrecovered_percent_max"] == pytest.approx(least)
    assert left(needed["weeks.total_max"]) <= 3.0 < left(needed["weeks.total_max"] - 1)
