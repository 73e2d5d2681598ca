"""What plans leave unseen is compared on the same day: who ends later gains nothing by growth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearlung.perfusion import Seen
from clearlung.staging import Unseen, load_protocol, solve_plan, under, unseen_left
from tests.staging.problems import function, problem, protocol

SEEN = Seen.listed([2.9, 3.3, 3.7, 4.5, 6.0, 8.0] * 10, ["RUL", "RLL", "LUL"] * 20)
ROWS = [("RLL", 2.0, 8.0)] * 8 + [("LUL", 2.0, 8.0)] * 8


@pytest.fixture(scope="module")
def given():
    limits = protocol("high-volume", nodules_max=4)
    made = problem(ROWS, limits, model=function(5000.0), perfused=True)
    return replace(made, unseen=Unseen.of(SEEN))


@pytest.fixture(scope="module")
def plan(given):
    return solve_plan(given)


def later(plan, weeks):
    moved = [o.model_copy(update={"week": o.week + weeks}) for o in plan.operations]
    return plan.model_copy(update={"operations": tuple(moved)})


def bare(plan):
    without = [o.model_copy(update={"perfusion": None}) for o in plan.operations]
    return plan.model_copy(update={"operations": tuple(without)})


def test_of_one_plan_it_is_what_the_plan_says(given, plan):
    (one,) = unseen_left([(given, plan)])
    assert one.by_waiting == pytest.approx(0.0)
    assert one.left.mean == pytest.approx(plan.perfusion.left.mean)
    assert one.left.low == pytest.approx(plan.perfusion.left.low)


def test_a_plan_that_is_put_off_leaves_as_much_and_finds_some_by_waiting(given, plan):
    sooner, put_off = unseen_left([(given, bare(plan)), (given, later(bare(plan), 20))])
    assert put_off.left == sooner.left
    assert put_off.weeks == sooner.weeks
    assert sooner.by_waiting == pytest.approx(0.0)
    assert put_off.by_waiting > 0.1


def test_perfusions_leave_fewer_of_the_same(given, plan):
    perfused, without = unseen_left([(given, plan), (given, bare(plan))])
    assert without.left.mean - perfused.left.mean == pytest.approx(plan.perfusion.spared.mean)


def test_a_lung_that_nobody_opens_keeps_all(given, plan):
    right = plan.model_copy(update={"operations": tuple(o for o in plan.operations if o.side == "right")})
    both, one = unseen_left([(given, bare(plan)), (given, bare(right))])
    left = next(lung for lung in plan.perfusion.lungs if lung.side == "left")
    assert one.left.mean - both.left.mean == pytest.approx(left.unseen.mean - left.left_without.mean)


def test_protocols_are_compared_among_the_same_imagined_metastases(given, plan):
    other = under(given, load_protocol("conservative"))
    one, two = unseen_left([(given, plan), (other, solve_plan(other))])
    assert one is not None
    assert two is not None
    assumed = given.protocol.model_copy(update={"assumptions": {"occult.felt.half": 1.0}})
    own = replace(given, protocol=assumed)
    assert unseen_left([(given, plan), (own, plan)])[1] is None
    nothing = replace(given, unseen=None)
    assert unseen_left([(nothing, plan), (given, plan)])[0] is None
