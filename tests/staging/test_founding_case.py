"""The case that the program was built for: 170 metastases, six operations with perfusion, or fewer.

The synthetic patient of ``clearlung demo``, planned as a radiologist's list of all its metastases. The list
is the same at any resolution of the scan, so a coarse one is drawn.
"""

from __future__ import annotations

import pytest

from clearlung.nodules import write_nodules
from clearlung.phantom import PhantomSpec, make_phantom
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest, make_plan
from tests.staging.random_problems import with_parts

HOURS = 60.0


@pytest.fixture(scope="module")
def nodules(tmp_path_factory):
    truth = make_phantom(PhantomSpec(nodules=170, seed=1, shape=(48, 64, 64))).truth
    assert len(truth) == 170
    path = tmp_path_factory.mktemp("founding") / "nodules.csv"
    write_nodules(truth, path)
    return truth, path


def planned(nodules, protocol):
    plan = make_plan(PlanRequest(nodules[1], protocol)).plan
    removed = sum(len(operation.lesions) for operation in plan.operations)
    assert removed + len(plan.unassigned) == 170
    return plan


def test_high_volume_needs_at_most_six_operations_with_perfusion(nodules):
    plan = planned(nodules, load_protocol("high-volume"))
    assert not plan.unassigned
    assert len(plan.operations) <= 6
    assert plan.solver.goal("lesions_left").proven
    assert plan.solver.goal("operations").proven
    assert max(len(operation.lesions) for operation in plan.operations) <= 50
    assert all(operation.minutes > 3 * HOURS for operation in plan.operations)
    perfused = {operation.side for operation in plan.operations if operation.perfusion is not None}
    assert perfused == {"right", "left"}


def test_three_of_six_operations_are_perfused_where_the_protocol_says_so(nodules):
    """One lung twice. Each perfusion takes function for good: what stays, stays for that."""
    base = load_protocol("high-volume")
    plan = planned(nodules, with_parts(base, perfusion={"per_lung_max": 2, "total_max": 3}))
    assert len(plan.operations) <= 6
    assert sum(operation.perfusion is not None for operation in plan.operations) == 3
    assert {lesion.code for lesion in plan.unassigned} <= {"function_limit"}


@pytest.mark.parametrize(("most", "shared", "apart"), [(10, 17, 18), (15, 12, 12)])
def test_the_usual_numbers_of_metastases_need_seventeen_and_twelve(nodules, most, shared, apart):
    """The conservative protocol with this number per operation; minutes, tissue and lobes are not limited.

    Where each operation opens one side, each lung needs its own; 17 and 12 are the minimum where an operation
    may open both. Lung function and the weeks between operations are limited as ever.
    """
    lifted = {"nodules_per_lobe_max": most, "minutes_max": 24 * HOURS, "removed_ml_max": 3000.0}
    base = with_parts(load_protocol("conservative"), per_operation={"nodules_max": most, **lifted})
    truth = nodules[0]
    right, left = (int((truth.side == side).sum()) for side in ("right", "left"))
    assert shared == -(-170 // most)
    assert apart == -(-right // most) - (-left // most)
    for sides, fewest in ((2, shared), (1, apart)):
        plan = planned(nodules, with_parts(base, per_operation={"sides_max": sides}))
        assert not plan.unassigned
        goal = plan.solver.goal("operations")
        assert (goal.value, goal.bound, goal.proven) == (fewest, fewest, True)
        assert len(plan.operations) == fewest
