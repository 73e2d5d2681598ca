"""What a plan reports besides its operations: refusals, function, growth, evidence, warnings."""

from __future__ import annotations

import re

import numpy as np
import pytest

from clearlung.errors import InfeasiblePlan
from clearlung.evidence import load_evidence
from clearlung.followup import LesionTable
from clearlung.resection import (
    EarlierResection,
    FunctionModel,
    LungFunction,
    OperationModel,
    PatientFunction,
    published_right_share,
)
from clearlung.staging import Plan, compare, solve_plan
from tests.staging.problems import EASY_LUNG_ML, check, function, goals, problem, protocol

MANY = [("RLL", 2.0, 8.0)] * 20 + [("LUL", 2.0, 8.0)] * 16


def test_no_lesions_is_a_plan_without_operations():
    plan = solve_plan(problem([]))
    assert plan.operations == ()
    assert plan.solver.status == "optimal"
    assert plan.weeks_until_clear == 0
    assert plan.function.ppo_fev1_percent == plan.function.fev1_percent


def test_a_plan_survives_json():
    plan = solve_plan(problem(MANY))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize(
    ("specimen", "limits", "code", "value"),
    [
        (("RLL", 151.0, 10.0), {}, "tissue_limit", "151.0 ml"),
        (("RLL", 10.0, 310.0), {}, "minutes_limit", "310 min"),
        (("RLL", 10.0, 10.0, 16), {"nodules_per_lobe_max": 20}, "nodules_limit", "16"),
        (("RLL", 10.0, 10.0, 6), {"nodules_per_lobe_max": 5}, "lobe_limit", "6"),
    ],
)
def test_what_no_operation_can_hold_is_named_with_its_value(specimen, limits, code, value):
    case = problem([("LLL", 3.0, 10.0), specimen], protocol(**limits))
    plan = solve_plan(case)
    check(case, plan)
    assert {u.code for u in plan.unassigned} == {code}
    assert value in plan.unassigned[0].reason
    assert len(plan.operations) == 1


def test_a_specimen_at_the_limit_is_taken():
    plan = solve_plan(problem([("RLL", 150.0, 307.5)]))
    assert not plan.unassigned
    assert plan.operations[0].minutes == 360.0


def test_an_unresectable_lesion_keeps_its_reason():
    case = problem([("LLL", 3.0, 10.0)])
    more = LesionTable(
        id=np.array([1, 2], dtype=np.int32),
        side=np.array(["left", "left"]),
        lobe=np.array(["LLL", "LUL"]),
        diameter_mm=np.array([6.0, 40.0]),
        depth_mm=np.array([5.0, 50.0]),
        vdt_days=np.full(2, np.nan),
    )
    case.specimens.unresectable[2] = "too deep"
    plan = solve_plan(type(case)(**{**vars(case), "lesions": more}))
    assert [(u.lesion, u.code, u.reason) for u in plan.unassigned] == [(2, "unresectable", "too deep")]
    assert plan.lesions[1].operation is None
    assert goals(plan)[0] == 0


def test_a_specimen_too_long_for_a_perfused_operation_comes_before_the_perfused_one():
    case = problem([("RLL", 3.0, 500.0), ("RUL", 3.0, 20.0)], protocol("high-volume"), perfused=True)
    plan = solve_plan(case)
    check(case, plan)
    assert [o.perfusion is not None for o in plan.operations] == [False, True]
    assert plan.operations[0].lesions == (1,)


def test_a_lung_without_time_for_perfusion_is_left_by_name():
    case = problem([("RLL", 3.0, 500.0), ("LUL", 3.0, 20.0)], protocol("high-volume"), perfused=True)
    plan = solve_plan(case)
    check(case, plan)
    assert [(u.lesion, u.code) for u in plan.unassigned] == [(1, "perfusion_limit")]


def test_every_operation_but_a_lungs_first_takes_longer_by_freeing_it():
    specimens = [("RLL", 3.0, 100.0)] * 3 + [("LLL", 3.0, 100.0)]
    limits = protocol(minutes_max=190.0)
    case = problem(specimens, limits, reentry=30.0)
    plan = solve_plan(case)
    check(case, plan)
    minutes = {side: [o.minutes for o in plan.operations if o.side == side] for side in ("right", "left")}
    assert minutes == {"right": [152.5, 182.5, 182.5], "left": [152.5]}
    again = solve_plan(problem(specimens, limits, reentry=30.0, operated=["left"]))
    assert [o.minutes for o in again.operations if o.side == "left"] == [182.5]


@pytest.mark.parametrize("diameters", [(6.0, 20.0, 20.0), (20.0, 6.0, 6.0)])
def test_what_only_the_first_operation_has_time_for_is_in_it_whatever_is_more_urgent(diameters):
    case = problem(
        [("RLL", 3.0, 130.0), ("RLL", 3.0, 100.0), ("RLL", 3.0, 100.0)],
        protocol(minutes_max=190.0),
        reentry=30.0,
    )
    columns = {**vars(case.lesions), "diameter_mm": np.array(diameters)}
    plan = solve_plan(type(case)(**{**vars(case), "lesions": LesionTable(**columns)}))
    check(case, plan)
    assert plan.operations[0].lesions == (1,)


def test_of_two_that_need_the_first_operation_the_shorter_is_taken_and_the_other_named():
    case = problem(
        [("RLL", 3.0, 130.0), ("RLL", 3.0, 120.0), ("RLL", 3.0, 20.0)],
        protocol(minutes_max=190.0),
        reentry=30.0,
    )
    plan = solve_plan(case)
    check(case, plan)
    (left,) = plan.unassigned
    assert (left.lesion, left.code) == (1, "first_operation_limit")
    assert "re-entry 30 min" in left.reason


def test_an_opened_lung_has_no_first_operation_of_its_own():
    case = problem([("RLL", 3.0, 130.0)], protocol(minutes_max=190.0), reentry=30.0, operated=["right"])
    (left,) = solve_plan(case).unassigned
    assert (left.lesion, left.code) == (1, "minutes_limit")
    assert "re-entry 82.5 min" in left.reason


def test_a_lung_operated_on_in_the_patients_history_is_an_opened_one():
    book = load_evidence()
    fev1, dlco = (
        FunctionModel.from_evidence(book, measure, percent=98, predicted=None, lung_ml=1e6, confidence=0.95)
        for measure in ("fev1", "dlco")
    )
    patient = PatientFunction(
        LungFunction(fev1, dlco, published_right_share(book), "published"),
        lobe_ml=np.full(5, 2e5),
        earlier=(EarlierResection("left", "wedge", removed_ml=10.0, weeks_ago=50.0),),
    )
    case = problem([("RLL", 3.0, 20.0), ("LLL", 3.0, 20.0)], operated=None, patient=patient, reentry=30.0)
    assert case.operated == {"left"}
    minutes = {o.side: o.minutes for o in solve_plan(case).operations}
    assert minutes == {"right": 72.5, "left": 102.5}


def test_each_operation_tells_what_it_takes_as_intervals():
    minutes = load_evidence().value("time.reentry", unit="min")
    limits = protocol("high-volume", nodules_max=45, nodules_per_lobe_max=45)
    plan = solve_plan(problem([("RLL", 1.0, 26.25)] * 42, limits, perfused=True, reentry=minutes))
    for operation in plan.operations:
        model = OperationModel.from_evidence(load_evidence())
        own = [s.minutes for s in operation.specimens]
        perfused = operation.perfusion is not None
        found = model.estimate(own, len(own), perfused=perfused, reentry=operation.reentry)
        assert operation.minutes_expected == found.minutes.expected
        assert operation.complication_percent.expected == 100 * found.complication.expected
        assert operation.stay_days.high == found.stay_days.high
        assert operation.blood_ml.low == found.blood_ml.low
        assert operation.notes == found.notes
    assert {"operation.economy.exponent", "time.reentry"} <= {entry.id for entry in plan.evidence}


@pytest.mark.parametrize("per_lung", [1, 2, 3])
def test_the_last_operations_on_each_lung_are_perfused(per_lung):
    model = function(perfusion_permanent=0.0)
    limits = protocol("high-volume", per_lung_max=per_lung, nodules_max=8)
    case = problem(MANY, limits, perfused=True, model=model)
    plan = solve_plan(case)
    check(case, plan)
    assert sum(o.perfusion is not None for o in plan.operations) == min(per_lung, 3) + min(per_lung, 2)


def test_operations_with_more_tumor_come_first():
    case = problem(MANY)
    grown = case.lesions.diameter_mm.copy()
    grown[5:8] = 20.0
    columns = {**vars(case.lesions), "diameter_mm": grown}
    plan = solve_plan(type(case)(**{**vars(case), "lesions": LesionTable(**columns)}))
    tumor = [sum(grown[i - 1] ** 3 for i in o.lesions) for o in plan.operations if o.side == "right"]
    assert tumor == sorted(tumor, reverse=True)


def test_growth_until_the_operation():
    plan = solve_plan(problem(MANY, vdt=42.0))
    weeks = {o.number: o.week for o in plan.operations}
    for lesion in plan.lesions:
        doublings = 7 * weeks[lesion.operation] / 42.0
        assert lesion.diameter_at_operation_mm == pytest.approx(6.0 * 2 ** (doublings / 3))
    assert all(lesion.diameter_at_operation_mm is None for lesion in solve_plan(problem(MANY)).lesions)


def test_evidence_and_warnings():
    case = problem([("RLL", 2.0, 8.0)] * 30, protocol("high-volume"), perfused=True)
    plan = solve_plan(case)
    ids = [e.id for e in plan.evidence]
    assert ids == sorted(set(ids))
    assert {"regimen.placement", "time.access", "time.perfusion", "function.fev1.slow_weeks"} <= set(ids)
    assert set(case.protocol.evidence.values()) <= set(ids)
    assert any("dozens of specimens" in w for w in plan.warnings)
    assert "regimen.placement" not in [e.id for e in solve_plan(problem(MANY)).evidence]


@pytest.mark.parametrize("perfused", [False, True])
@pytest.mark.parametrize("fev1", [50.0, 62.0, 65.0])
@pytest.mark.parametrize("changed", [{}, {"fev1_after_percent_min": 0}, {"ppo_fev1_percent_min": 60}])
def test_an_infeasible_function_says_a_change_that_works(perfused, fev1, changed):
    def case(limits, fev1_percent=fev1):
        model = function(lung_ml=5000.0, fev1_percent=fev1_percent)
        return problem(MANY, limits, perfused=perfused, model=model)

    name = "high-volume" if perfused else "conservative"
    try:
        check(case(protocol(name, **changed)), solve_plan(case(protocol(name, **changed))))
        return
    except InfeasiblePlan as error:
        reasons = error.reasons
    limit = re.compile(r"function\.(\w+) would have to be ([\d.]*\d)")
    before = re.compile(r"FEV1 before it (?:would have to be )?([\d.]*\d)")
    lower = {m[1]: float(m[2]) for reason in reasons for m in limit.finditer(reason)}
    higher = max(float(m[1]) for reason in reasons for m in before.finditer(reason))
    if len(lower) == len(reasons):
        assert solve_plan(case(protocol(name, **{**changed, **lower}))).operations
        with pytest.raises(InfeasiblePlan):
            solve_plan(case(protocol(name, **{**changed, **{k: v + 0.2 for k, v in lower.items()}})))
    assert solve_plan(case(protocol(name, **changed), higher)).operations
    with pytest.raises(InfeasiblePlan):
        solve_plan(case(protocol(name, **changed), higher - 0.2))


def test_too_few_weeks_says_how_many_would_do():
    given = problem(MANY, protocol(total_max=2))
    plan = solve_plan(given)
    check(given, plan)
    assert {u.code for u in plan.unassigned} == {"weeks_limit"}
    needed = int(re.search(r"weeks\.total_max would have to be (\d+)", plan.unassigned[0].reason)[1])
    whole = solve_plan(problem(MANY, protocol(total_max=needed)))
    assert (whole.weeks_until_clear, whole.unassigned) == (needed, ())
    assert solve_plan(problem(MANY, protocol(total_max=needed - 1))).unassigned


def test_no_time_for_any_perfusion_says_the_minutes():
    tight = protocol("high-volume", minutes_max=140)
    with pytest.raises(InfeasiblePlan, match=r"minutes_max would have to be 151") as caught:
        solve_plan(problem(MANY, tight, perfused=True))
    assert len(caught.value.reasons) == 1
    assert solve_plan(problem(MANY, protocol("high-volume", minutes_max=151), perfused=True)).operations


def test_what_function_does_not_bear_is_left_from_the_largest():
    limits = protocol(fev1_after_percent_min=30)
    case = problem([("RLL", float(ml), 10.0) for ml in range(1, 25)], limits, model=function(lung_ml=900.0))
    plan = solve_plan(case)
    check(case, plan)
    left = [u.lesion for u in plan.unassigned]
    assert left
    assert left == list(range(25 - len(left), 25))
    assert {u.code for u in plan.unassigned} == {"function_limit"}
    assert plan.solver.goals[0].bound <= plan.solver.goals[0].value == len(left)


def test_a_mismatched_lesion_table_is_refused():
    case = problem(MANY)
    with pytest.raises(ValueError, match="not on the"):
        LesionTable(**{**vars(case.lesions), "side": case.lesions.side[::-1]})
    with pytest.raises(ValueError, match="twice"):
        LesionTable(**{**vars(case.lesions), "id": np.ones(len(case.lesions), dtype=np.int32)})
    with pytest.raises(ValueError, match="differ in length"):
        LesionTable(**{**vars(case.lesions), "lobe": case.lesions.lobe[:-1]})
    with pytest.raises(ValueError, match="lesion 36"):
        type(case)(
            **{
                **vars(case),
                "lesions": LesionTable(**{k: v[:-1] for k, v in vars(case.lesions).items()}),
            }
        )


def test_plans_side_by_side():
    plans = [
        solve_plan(problem(MANY, protocol())),
        solve_plan(problem(MANY, protocol("high-volume"), perfused=True)),
        solve_plan(problem([])),
    ]
    rows = compare(plans).rows
    assert [r.protocol for r in rows] == ["conservative", "high-volume", "conservative"]
    assert [r.operations for r in rows] == [4, 2, 0]
    assert [r.perfusions for r in rows] == [0, 2, 0]
    assert rows[0].nodules_max <= 15 < rows[1].nodules_max
    assert rows[0].minutes_total == pytest.approx(sum(o.minutes for o in plans[0].operations))
    assert rows[0].lesions_removed == 36
    assert rows[2].fev1_lowest_percent is None
    assert rows[1].ppo_fev1_percent < rows[0].ppo_fev1_percent
    assert function().lung_ml == EASY_LUNG_ML
