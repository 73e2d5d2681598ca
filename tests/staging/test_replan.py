"""Plans after what was done: as promised where nothing changed, and as little changed as can be."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pydantic import ValidationError

from clearlung.errors import CaseConflict, InfeasiblePlan
from clearlung.evidence import load_evidence
from clearlung.resection import FunctionModel, LungFunction, PatientFunction
from clearlung.staging import Plan, broken_limits, solve_plan
from clearlung.staging.assignment import Assignment
from clearlung.staging.done import Done, DoneOperation, FoundLesion, earlier_sessions
from clearlung.staging.fixed import sessions_of
from clearlung.staging.replan import replan
from clearlung.staging.replan_record import Replan
from clearlung.staging.rest import rest_problem
from clearlung.staging.today import Loss, continued
from clearlung.staging.uses import limit_uses
from tests.staging.problems import function, problem, protocol

MANY = [("RLL", 2.0, 8.0)] * 7 + [("LUL", 2.0, 8.0)] * 6
NOTHING = Done(today_week=0)


def random_problem(seed, **limits):
    rng = np.random.default_rng(seed)
    rows = [
        (str(rng.choice(["RUL", "RLL", "LLL"])), float(rng.integers(2, 30)), float(rng.integers(8, 60)))
        for _ in range(16)
    ]
    return problem(rows, protocol(nodules_max=5, minutes_max=260.0, **limits), model=function(5000.0))


def first_done(plan, **what):
    return Done(today_week=plan.operations[0].week + 2, operations=(DoneOperation(number=1, **what),))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("perfused", [False, True])
def test_with_nothing_done_the_plan_is_the_promised_one(seed, perfused):
    given = random_problem(seed)
    if perfused:
        given = problem(MANY, protocol("high-volume", nodules_max=4), perfused=True, seed=seed)
    plan = solve_plan(given)
    new = replan(given, plan, NOTHING)
    assert new.plan.operations == plan.operations
    assert new.plan.unassigned == plan.unassigned
    assert new.plan.solver.goals == plan.solver.goals
    assert (new.lesions, new.dropped, new.method) == ((), (), "kept")
    assert new.kept == sum(len(o.lesions) for o in plan.operations)
    assert new.from_scratch.figures == ()


@pytest.mark.parametrize("seed", range(5))
def test_done_as_planned_leaves_the_rest_as_promised(seed):
    given = random_problem(seed)
    plan = solve_plan(given)
    new = replan(given, plan, first_done(plan))
    assert new.lesions == ()
    assert [o.lesions for o in new.plan.operations] == [o.lesions for o in plan.operations[1:]]
    # What the first operation took is still in the course, told from another first value.
    for now, before in zip(new.plan.operations, plan.operations[1:], strict=True):
        assert now.week + new.done.today_week == before.week
        assert now.fev1_after_percent == pytest.approx(before.fev1_after_percent, abs=1e-6)
    assert new.plan.function.ppo_fev1_percent == pytest.approx(plan.function.ppo_fev1_percent, abs=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_obeys_every_limit_and_accounts_for_every_lesion(seed):
    given = random_problem(seed)
    plan = solve_plan(given)
    left = plan.operations[0].lesions[:2]
    new = replan(
        given,
        plan,
        first_done(plan, left=left).model_copy(
            update={"new": (FoundLesion(id=90, lobe="RUL", diameter_mm=5.0),), "gone": (16,)}
        ),
    )
    rest = rest_problem(given, plan, new.done)
    weeks = [operation.week for operation in new.plan.operations]
    assert not any(use.broken for use in limit_uses(rest, sessions_of(rest, new.plan), weeks))
    told = {lesion.id for lesion in new.plan.lesions}
    done = set(plan.operations[0].lesions) - set(left)
    assert told == ({lesion.id for lesion in plan.lesions} | {90}) - done - {16}
    kinds = {change.lesion: change.kind for change in new.lesions}
    assert {kinds[lesion] for lesion in left} == {"left"}
    assert kinds[90] == "new"
    assert Replan.model_validate_json(new.model_dump_json()) == new


@pytest.mark.parametrize("seed", range(6))
def test_no_assignment_changes_less(seed):
    rng = np.random.default_rng(seed)
    rows = [("RLL", float(rng.integers(5, 20)), float(rng.integers(20, 70))) for _ in range(6)]
    given = problem(rows, protocol(nodules_max=3, minutes_max=200.0))
    plan = solve_plan(given)
    left = plan.operations[0].lesions[:1]
    new = replan(given, plan, first_done(plan, left=left))
    rest = rest_problem(given, plan, new.done)
    promised = {i: o.number for o in plan.operations[1:] for i in o.lesions}
    numbers = sorted(set(promised.values()))
    fewest = None
    for where in product([*numbers, "added"], repeat=len(rest.specimens)):
        groups = {n: [r for r, at in enumerate(where) if at == n] for n in (*numbers, "added")}
        if all(_fits(rest, rows) for rows in groups.values()):
            moved = sum(
                promised.get(rest.specimens.lesions[row][0], at) != at for row, at in enumerate(where)
            )
            cost = (bool(groups["added"]), moved)
            fewest = cost if fewest is None else min(fewest, cost)
    added = any(o.promised is None for o in new.operations)
    displaced = sum(change.kind in ("displaced", "dropped") for change in new.lesions)
    assert (added, displaced) == fewest
    assert new.proven


def _fits(given, rows):
    per, spec = given.protocol.per_operation, given.specimens
    minutes = given.access_minutes + spec.minutes[rows].sum()
    return (
        len(rows) <= min(per.nodules_max, per.nodules_per_lobe_max)
        and minutes <= per.minutes_max
        and spec.volume_ml[rows].sum() <= per.removed_ml_max
    )


def test_what_was_left_goes_where_there_is_room_and_moves_nothing():
    given = problem(MANY, protocol(nodules_max=4))
    plan = solve_plan(given)
    left = plan.operations[0].lesions[:1]
    new = replan(given, plan, first_done(plan, left=left))
    (change,) = new.lesions
    assert (change.kind, change.lesion, change.promised) == ("left", left[0], 1)
    assert len(new.plan.operations) == len(plan.operations) - 1


def test_what_has_no_room_gets_an_operation_of_its_own_with_the_reason():
    given = problem([("RLL", 2.0, 8.0)] * 4, protocol(nodules_max=2))
    plan = solve_plan(given)
    new = replan(given, plan, first_done(plan, left=plan.operations[0].lesions))
    rest = [o for o in new.operations if not o.done]
    assert sorted(len(o.lesions) for o in new.plan.operations) == [2, 2]
    assert [o.promised for o in rest].count(None) == 1
    assert next(o for o in rest if o.promised is None).reason.startswith("Added")


def test_a_new_lesion_in_a_full_operation_displaces_none():
    given = problem(MANY, protocol(nodules_max=4))
    plan = solve_plan(given)
    done = Done(today_week=0, new=(FoundLesion(id=50, lobe="RLL", diameter_mm=6.0),))
    new = replan(given, plan, done)
    assert [(c.lesion, c.kind) for c in new.lesions] == [(50, "new")]


def test_a_complication_delays_and_says_so():
    given = problem(MANY, protocol(nodules_max=4))
    plan = solve_plan(given)
    late = plan.operations[1].week + 5
    new = replan(given, plan, first_done(plan, not_before_week=late, complications=("air leak",)))
    done, following = new.operations[:2]
    assert done.reason == "air leak"
    assert (following.week, following.promised_week) == (late, plan.operations[1].week)
    assert "complication" in following.reason
    assert "weeks after the operation before" in new.operations[2].reason


def test_a_late_today_moves_everything_later():
    given = problem(MANY, protocol(nodules_max=4))
    plan = solve_plan(given)
    today = plan.operations[1].week + 4
    new = replan(given, plan, Done(today_week=today, operations=(DoneOperation(number=1),)))
    following = new.operations[1]
    assert following.week == today
    assert following.reason.startswith("Today")


def test_more_tissue_lost_than_planned_waits_for_function():
    rows = [("RLL", 40.0, 20.0)] * 2 + [("LLL", 40.0, 20.0)] * 2
    given = problem(rows, protocol(nodules_max=1), model=function(4000.0, fev1_percent=70.0))
    plan = solve_plan(given)
    as_planned = replan(given, plan, first_done(plan))
    more = replan(given, plan, first_done(plan, removed_ml=140.0))
    assert more.plan.weeks_until_clear > as_planned.plan.weeks_until_clear
    assert any("function" in operation.reason for operation in more.operations)
    worse = first_done(plan).model_copy(update={"fev1_percent": 20.0})
    with pytest.raises(InfeasiblePlan):
        replan(given, plan, worse)


def test_a_lung_that_has_been_perfused_is_not_perfused_again():
    given = problem([("RLL", 2.0, 8.0)] * 4, protocol("high-volume"), perfused=True)
    plan = solve_plan(given)
    assert len(plan.operations) == 1
    done = Done(
        today_week=6,
        operations=(DoneOperation(number=1, week=0),),
        new=(FoundLesion(id=9, lobe="RUL", diameter_mm=5.0),),
    )
    new = replan(given, plan, done)
    assert [o.perfusion for o in new.plan.operations] == [None]
    assert new.from_scratch.figures == ()
    assert new.from_scratch.proven


def test_a_new_scan_takes_the_place_of_what_was_known():
    given = problem(MANY, protocol(nodules_max=4))
    plan = solve_plan(given)
    done = first_done(plan)
    rest = rest_problem(given, plan, done)
    assert replan(given, plan, done, scanned=rest).lesions == ()


@pytest.mark.parametrize("measure", ["fev1", "dlco"])
@pytest.mark.parametrize("unrecovered", [(0.0, 0.0), (0.08, 0.05)])
def test_function_goes_on_as_if_told_from_the_start(measure, unrecovered):
    model = FunctionModel.from_evidence(
        load_evidence(), measure, percent=88.0, predicted=None, lung_ml=4800.0, confidence=0.9
    )
    model = function(4800.0, unrecovered=unrecovered) if measure == "fev1" else model
    done = [Loss("right", 11.0, 60.0, 0.0, perfused=True), Loss("left", 3.0, 25.0, 120.0, perfused=False)]
    past = [
        (
            14.0 - one.weeks_ago,
            model.loss(
                one.bedded_ml + one.anatomical_ml, perfused=one.perfused, anatomical_ml=one.anatomical_ml
            ),
        )
        for one in done
    ]
    today = continued(model, done, 14.0)
    then, now = model.loss(50.0, perfused=True), today.loss(50.0, perfused=True)
    for week in (0.0, 1.0, 7.5, 60.0):
        assert today.percent([(0, now)], week) == pytest.approx(
            model.percent([*past, (14.0, then)], 14.0 + week)
        )
    assert today.final_percent([now]) == pytest.approx(
        model.final_percent([*(loss for _, loss in past), then])
    )
    assert today.margin_percent == model.margin_percent


def test_each_lungs_part_goes_on_too():
    lungs = LungFunction(
        fev1=function(5000.0),
        dlco=FunctionModel.from_evidence(
            load_evidence(), "dlco", percent=80.0, predicted=None, lung_ml=5000.0, confidence=0.95
        ),
        right_share=0.53,
        share_method="published",
    )
    patient = PatientFunction(lungs=lungs, lobe_ml=np.full(5, 1000.0))
    given = problem([("RLL", 80.0, 20.0), ("LLL", 20.0, 20.0)], model=function(5000.0), patient=patient)
    plan = solve_plan(given)
    new = replan(given, plan, first_done(plan))
    assert new.plan.function.ppo_dlco_percent == pytest.approx(plan.function.ppo_dlco_percent)
    last, was = new.plan.function.course[-1], plan.function.course[-1]
    assert last.week + new.done.today_week == was.week
    assert last.fev1_percent == pytest.approx(was.fev1_percent)
    # What an operation gives back is shared by both lungs from today; in the end each has its own part.
    today = rest_problem(given, plan, new.done).patient.lungs
    side = plan.operations[0].side
    past = (side, 0.0, given.loss([0 if side == "right" else 1], perfused=False))
    for lung in ("right", "left"):
        before = lungs.lung_percent("fev1", lung, [past], week=1e5)
        assert today.lung_percent("fev1", lung, [], week=1e5) == pytest.approx(before)


@pytest.mark.parametrize(
    ("done", "words"),
    [
        (Done(today_week=1, operations=(DoneOperation(number=9),)), "operation 9 is not in the plan"),
        (Done(today_week=1, operations=(DoneOperation(number=1, left=(99,)),)), "99"),
        (Done(today_week=1, operations=(DoneOperation(number=1, also_removed=(99,)),)), "found_removed"),
        (Done(today_week=1, operations=(DoneOperation(number=2),)), "week in which it was done"),
        (Done(today_week=1, new=(FoundLesion(id=1, lobe="RLL", diameter_mm=4.0),)), "taken"),
    ],
)
def test_what_does_not_belong_to_the_plan_is_refused(done, words):
    given = problem(MANY, protocol(nodules_max=4))
    with pytest.raises(CaseConflict, match=words):
        replan(given, solve_plan(given), done)


def test_an_operation_is_done_once_and_not_in_the_future():
    with pytest.raises(ValidationError, match="twice"):
        Done(today_week=9, operations=(DoneOperation(number=1), DoneOperation(number=1)))
    with pytest.raises(ValidationError, match="later than today"):
        Done(today_week=2, operations=(DoneOperation(number=1, week=3),))


def test_what_no_operation_takes_keeps_its_reason():
    given = problem([("RLL", 151.0, 10.0), ("LLL", 3.0, 10.0)])
    plan = solve_plan(given)
    new = replan(given, plan, NOTHING)
    assert new.plan.unassigned == plan.unassigned
    assert isinstance(new.plan, Plan)


# --- Operations on both sides, tissue in all, and the surgeon's wishes --------------------------------------

FIVE_EACH = [("RLL", 6.0, 10.0)] * 5 + [("LUL", 6.0, 10.0)] * 5


def on_both_sides(**limits):
    limits = protocol(nodules_max=4, sides_max=2, minutes_max=900.0, **limits)
    given = problem(FIVE_EACH, limits, model=function(5000.0), reentry=20.0)
    plan = solve_plan(given)
    assert [o.side for o in plan.operations].count("both") >= 1
    assert len(plan.operations) == 3
    return given, plan


def test_a_plan_with_operations_on_both_sides_stays_as_it_is():
    given, plan = on_both_sides()
    new = replan(given, plan, NOTHING)
    assert new.plan.operations == plan.operations
    assert new.plan.solver.goals == plan.solver.goals
    assert [o.side for o in new.operations] == [o.side for o in plan.operations]


def test_after_an_operation_on_both_sides_the_rest_is_as_promised():
    given, plan = on_both_sides()
    assert plan.operations[0].side == "both"
    new = replan(given, plan, first_done(plan))
    assert new.lesions == ()
    assert rest_problem(given, plan, new.done).operated == {"right", "left"}
    for now, before in zip(new.plan.operations, plan.operations[1:], strict=True):
        assert now.week + new.done.today_week == before.week
        assert now.minutes == pytest.approx(before.minutes)
        assert now.fev1_after_percent == pytest.approx(before.fev1_after_percent, abs=1e-6)


def test_what_an_operation_on_both_sides_left_is_planned_again():
    given, plan = on_both_sides()
    left = plan.operations[0].lesions
    new = replan(given, plan, first_done(plan, left=left, removed_ml=0.0))
    rest = rest_problem(given, plan, new.done)
    weeks = [operation.week for operation in new.plan.operations]
    earlier = earlier_sessions(plan, new.done)
    assert not any(u.broken for u in limit_uses(rest, sessions_of(rest, new.plan), weeks, earlier))
    assert {lesion for o in new.plan.operations for lesion in o.lesions} >= set(left)


def test_tissue_that_was_taken_counts_to_all_operations_together():
    given, plan = on_both_sides(removed_ml_per_lung_max=31.0)
    (past,) = earlier_sessions(plan, first_done(plan))
    own = plan.operations[0]
    for lobe, side in (("RLL", "right"), ("LUL", "left")):
        assert past.lobe_ml[lobe] == pytest.approx(6.0 * sum(s.side == side for s in own.specimens))
    # More was taken than planned, and of each lung as much more: what is left has no room for all.
    done = first_done(plan, removed_ml=own.removed_ml + 14.0)
    new = replan(given, plan, done)
    rest = rest_problem(given, plan, done)
    taken = {
        side: sum(s.volume_ml for o in new.plan.operations for s in o.specimens if s.side == side)
        for side in ("right", "left")
    }
    (past,) = earlier_sessions(plan, done)
    assert taken["right"] + past.lobe_ml["RLL"] <= 31.0
    assert taken["left"] + past.lobe_ml["LUL"] <= 31.0
    assert new.plan.unassigned
    assert len(rest.specimens) > sum(len(o.specimens) for o in new.plan.operations)


def test_a_wish_counts_on_from_the_operations_that_are_done():
    given = problem([("RLL", 2.0, 8.0)] * 6, protocol(nodules_max=2))
    wishes = (
        Assignment(lesions=(1, 2), only_in=(3,)),
        Assignment(lesions=(3,), never_in=(1, 2)),
        Assignment(lesions=(4, 5), apart=True),
        Assignment(lesions=(6,), leave=True),
    )
    given = replace(given, assignments=wishes)
    plan = solve_plan(given)
    new = replan(given, plan, first_done(plan))
    kept = {wish.lesions: wish for wish in new.plan.assignments}
    assert kept[1, 2].only_in == (2,)
    assert kept[3,].never_in == (1,)
    assert kept[6,].leave
    assert new.lesions == ()
    assert not broken_limits(new.plan)
    for now, before in zip(new.plan.operations, plan.operations[1:], strict=True):
        assert now.lesions == before.lesions


def test_a_wish_that_came_too_late_is_named():
    given = problem([("RLL", 2.0, 8.0)] * 4, protocol(nodules_max=2))
    given = replace(given, assignments=(Assignment(lesions=(1, 2), only_in=(1,)),))
    plan = solve_plan(given)
    assert plan.operations[0].lesions == (1, 2)
    new = replan(given, plan, first_done(plan, left=(2,)))
    assert new.plan.assignments == ()
    assert any("lesion 2: only in operation 1" in warning for warning in new.plan.warnings)
    assert {i for o in new.plan.operations for i in o.lesions} == {2, 3, 4}


def test_each_lung_gets_the_perfusions_that_it_has_not_had():
    given = problem(MANY, protocol("high-volume", nodules_max=4), perfused=True)
    plan = solve_plan(given)
    perfused = {o.side: o.number for o in plan.operations if o.perfusion}
    first = min(perfused.values())
    done = Done(
        # Late enough for function to bear an operation on the day.
        today_week=plan.operations[first - 1].week + 40,
        operations=tuple(DoneOperation(number=n) for n in range(1, first + 1)),
    )
    new = replan(given, plan, done)
    (side,) = {side for side, number in perfused.items() if number > first}
    assert [o.side for o in new.plan.operations if o.perfusion] == [side]
    assert new.lesions == ()
    assert new.from_scratch is not None


def test_the_first_operation_that_is_left_has_its_ct():
    given = problem(MANY, protocol(nodules_max=4, weeks_after_operation_min=2, weeks_before_operation_min=1))
    plan = solve_plan(given)
    new = replan(given, plan, first_done(plan))
    today = new.done.today_week
    assert [o.scan_week + today for o in new.plan.operations] == [o.scan_week for o in plan.operations[1:]]
    assert all(o.scan_week == o.week - 1 for o in new.plan.operations)
