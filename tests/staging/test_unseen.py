"""What a plan says of the metastases that the CT does not show, and how operations change it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from clearlung.anatomy import LOBE_SIDES
from clearlung.errors import CaseConflict
from clearlung.perfusion import Seen, make_regimen
from clearlung.staging import Unseen, parse_problem, problem_json, replan, solve_plan
from clearlung.staging.done import Done, DoneOperation
from clearlung.staging.rest import rest_problem
from tests.staging.problems import function, problem, protocol
from tests.staging.random_problems import with_parts

WEIGHED = {"order": ("lesions_left", "perfusion", "operations"), "weights": {}}
ROWS = [("RLL", 2.0, 8.0)] * 8 + [("LUL", 2.0, 8.0)] * 8


def case(*, weighed=False, nodules_max=4):
    """Eight metastases in each lung, of which an operation takes four."""
    limits = protocol("high-volume", nodules_max=nodules_max)
    if weighed:
        limits = with_parts(limits, goals=WEIGHED)
    given = problem(ROWS, limits, model=function(5000.0), perfused=True)
    return replace(given, unseen=Unseen(slice_mm=1.0))


@pytest.fixture(scope="module")
def given():
    return case()


@pytest.fixture(scope="module")
def plan(given):
    return solve_plan(given)


def unseen(plan, side):
    return next(lung.unseen for lung in plan.perfusion.lungs if lung.side == side)


def test_a_plan_by_the_rule_says_what_each_perfusion_spares_and_whether_that_is_worth_it(plan):
    choice = plan.perfusion
    assert not choice.weighed
    assert [(p.side, p.operation) for p in choice.perfusions if p.planned] == sorted(
        ((o.side, o.number) for o in plan.operations if o.perfusion is not None), reverse=True
    )
    for one in choice.perfusions:
        assert one.worth == pytest.approx(one.spared.mean - one.harm)
        assert 0 <= one.edema.low < one.edema.high <= 100
    for lung in choice.lungs:
        assert lung.left.mean < lung.left_without.mean < lung.unseen.mean
    assert all("because the protocol says so" in reason for reason in choice.reasons)
    assert {"worth.edema", "occult.law.last"} <= {entry.id for entry in plan.evidence}


def test_what_is_spared_is_what_is_left_less(plan):
    for lung in plan.perfusion.lungs:
        spared = sum(p.spared.mean for p in plan.perfusion.perfusions if p.side == lung.side and p.planned)
        assert spared == pytest.approx(lung.left_without.mean - lung.left.mean)


def test_lobes_add_up_to_their_lung(plan):
    for lung in plan.perfusion.lungs:
        own = [one for one in plan.perfusion.lobes if LOBE_SIDES[one.lobe] == lung.side]
        for name in ("unseen", "left_without", "left"):
            assert sum(getattr(o, name).mean for o in own) == pytest.approx(getattr(lung, name).mean)
    assert plan.perfusion.spared.mean == pytest.approx(
        plan.perfusion.left_without.mean - plan.perfusion.left.mean
    )


def test_a_problem_that_says_nothing_of_what_is_unseen_gets_no_word_of_it():
    assert solve_plan(replace(case(), unseen=None)).perfusion is None


def test_a_weighed_plan_compares_every_way_and_takes_the_least_net_harm():
    weighed = solve_plan(case(weighed=True))
    ways = weighed.perfusion.ways
    assert {(way.right, way.left) for way in ways} == {(1, 1), (1, 0), (0, 1), (0, 0)}
    chosen = next(way for way in ways if way.chosen)
    assert round(chosen.net_harm) == min(round(way.net_harm) for way in ways)
    assert weighed.solver.goal("perfusion").value == pytest.approx(round(chosen.net_harm))


def test_goals_that_weigh_take_the_lesions_for_all_that_was_seen_where_nothing_else_is_known():
    weighed = solve_plan(replace(case(weighed=True), unseen=None))
    assert weighed.perfusion is not None
    assert any("nothing else was given" in warning for warning in weighed.warnings)


def test_no_harm_at_all_perfuses_both_lungs_and_no_benefit_none():
    free = dict.fromkeys(("worth.edema", "worth.death", "worth.fev1", "worth.week"), 0.0)
    free |= {"worth.least": 0.001}
    for assumptions, perfusions in ((free, 2), ({"worth.edema": 1e4}, 0)):
        made = case(weighed=True)
        limits = made.protocol.model_copy(update={"assumptions": assumptions})
        weighed = solve_plan(replace(made, protocol=limits))
        assert sum(o.perfusion is not None for o in weighed.operations) == perfusions


def test_problem_json_keeps_what_is_unseen(given):
    seen = Seen.listed([3.0, 5.5], ["RUL", "LLL"], chance=[0.4, 1.0], vdt_days=[np.inf, 40.0])
    told = Unseen.of(seen, detection="detector", slice_mm=2.5, weeks_since_ct=3.0)
    stored = replace(given, unseen=told)
    assert parse_problem(problem_json(stored)).unseen == told


def test_an_unknown_reader_is_refused():
    with pytest.raises(ValidationError, match="must be one of"):
        Unseen(detection="oracle")


def test_what_the_hand_found_changes_what_is_left_unseen(given, plan):
    def after(found):
        one = DoneOperation(number=1, found_by_lobe=found)
        done = Done(today_week=plan.operations[0].week, operations=(one,))
        return rest_problem(given, plan, done).burden

    side = plan.operations[0].side
    lobes = ("RUL", "RML", "RLL") if side == "right" else ("LUL", "LLL")
    none, many = after(dict.fromkeys(lobes, 0)), after(dict.fromkeys(lobes, 6))
    before = given.burden
    assert none.count(side).mean() < before.count(side).mean() < many.count(side).mean()
    # What lies unseen in the other lung follows the same law.
    other = "left" if side == "right" else "right"
    assert none.count(other).mean() < many.count(other).mean()


def test_no_hand_feels_a_lobe_that_was_not_opened(given, plan):
    lobe = "LUL" if plan.operations[0].side == "right" else "RUL"
    done = Done(today_week=2, operations=(DoneOperation(number=1, found_by_lobe={lobe: 0}),))
    with pytest.raises(CaseConflict, match=f"no hand felt the {lobe}"):
        rest_problem(given, plan, done)


def test_a_perfusion_that_was_done_has_spared_what_it_could(given, plan):
    number = next(o.number for o in plan.operations if o.perfusion is not None)
    before = tuple(DoneOperation(number=n) for n in range(1, number + 1))
    today = plan.operations[number - 1].week
    done = Done(today_week=today, operations=before)
    dry = (*before[:-1], DoneOperation(number=number, perfused=False))
    left = rest_problem(given, plan, done).benefit
    without = rest_problem(given, plan, Done(today_week=today, operations=dry)).benefit
    side = plan.operations[number - 1].side
    assert left.lungs[side].unseen.sum() < without.lungs[side].unseen.sum()


def test_what_is_left_grows_on_from_the_day_of_the_ct(given, plan):
    done = Done(today_week=10, operations=(DoneOperation(number=1),))
    now, then = rest_problem(given, plan, done).benefit, given.benefit
    side = plan.operations[1].side
    assert now.lungs[side].left(5).mean() == pytest.approx(then.lungs[side].left(15).mean())


def test_a_replan_says_what_is_unseen_now(given, plan):
    lobes = dict.fromkeys(("LUL", "LLL") if plan.operations[0].side == "left" else ("RUL", "RML", "RLL"), 5)
    done = Done(today_week=2, operations=(DoneOperation(number=1, found_by_lobe=lobes),))
    new = replan(given, plan, done)
    side = plan.operations[0].side
    assert unseen(new.plan, side).mean > unseen(plan, side).mean


def test_a_weighed_plan_stays_weighed_after_an_operation():
    given = case(weighed=True)
    plan = solve_plan(given)
    done = Done(today_week=2, operations=(DoneOperation(number=1, perfused=True),))
    new = replan(given, plan, done)
    assert new.plan.perfusion.weighed
    side = plan.operations[0].side
    assert not any(o.perfusion is not None for o in new.plan.operations if o.side == side)


def test_cisplatin_goes_by_body_surface():
    limits = protocol("high-volume", regimen="petrov-cisplatin-135", dose_mg_max=None)
    regimen = make_regimen("petrov-cisplatin-135", limits.book(), body_surface_m2=1.9)
    given = replace(case(), protocol=limits, regimen=regimen, unseen=Unseen(body_surface_m2=1.9))
    assert solve_plan(given).perfusion.perfusions
