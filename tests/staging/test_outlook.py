"""What a plan tells of lung function: around each operation, over time, afterwards, and by which rules."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clearlung.evidence import load_evidence
from clearlung.resection import (
    EarlierResection,
    Exercise,
    FunctionModel,
    LungFunction,
    PatientFunction,
    lobe_volumes,
    with_history,
)
from clearlung.staging import solve_plan
from tests.staging.problems import check, goals, problem, protocol, rows_of

MANY = [("RLL", 4.0, 8.0)] * 20 + [("LUL", 4.0, 8.0)] * 16
BOOK = load_evidence()
LUNG_ML = 5000.0


def patient(*earlier, dlco=80.0, dlco_known=True, functional=None, **exercise):
    def model(measure, percent):
        fresh = FunctionModel.from_evidence(
            BOOK, measure, percent=percent, predicted=2.8, lung_ml=LUNG_ML, confidence=0.95
        )
        return with_history(fresh, earlier)

    return PatientFunction(
        LungFunction(model("fev1", 98.0), model("dlco", dlco), 0.53, "ct volume"),
        lobe_volumes(LUNG_ML, BOOK),
        functional,
        dlco_known,
        tuple(earlier),
        Exercise(**exercise),
    )


def planned(who, specimens=MANY, **more):
    case = problem(specimens, protocol(), model=who.lungs.fev1, patient=who, **more)
    plan = solve_plan(case)
    check(case, plan)
    return case, plan


def test_dlco_follows_its_own_model():
    who = patient()
    case, plan = planned(who)
    dlco, done = who.lungs.dlco, []
    for operation in plan.operations:
        assert operation.dlco_before_percent == pytest.approx(dlco.percent(done, operation.week))
        done.append((operation.week, case.loss(rows_of(operation), perfused=False, model=dlco)))
        after = dlco.percent(done, operation.week)
        assert operation.dlco_after_percent == pytest.approx(after)
        assert operation.dlco_after_low_percent == pytest.approx(after - dlco.margin_percent)
        assert operation.dlco_after_high_percent == pytest.approx(after + dlco.margin_percent)
        assert operation.dlco_recovered_percent == pytest.approx(
            dlco.final_percent([loss for _, loss in done])
        )
    assert plan.function.ppo_dlco_percent == pytest.approx(plan.operations[-1].dlco_recovered_percent)
    assert plan.function.ppo_fev1_percent == pytest.approx(plan.operations[-1].fev1_recovered_percent)


def test_the_course_over_time_is_the_models():
    who = patient()
    case, plan = planned(who)
    course, fev1 = plan.function.course, who.lungs.fev1
    assert [p.week for p in course] == sorted(p.week for p in course)
    losses = [(o.week, case.loss(rows_of(o), perfused=False)) for o in plan.operations]
    between = [p for p in course if p.week not in {o.week for o in plan.operations}]
    assert len(between) > 20
    for point in between:
        assert point.fev1_percent == pytest.approx(fev1.percent(losses, point.week))
        assert point.fev1_right_percent + point.fev1_left_percent == pytest.approx(point.fev1_percent)
        assert point.dlco_percent is not None
    for operation in plan.operations:
        here = [p.fev1_percent for p in course if p.week == operation.week]
        assert here == pytest.approx([operation.fev1_before_percent, operation.fev1_after_percent])


def test_every_available_method_predicts():
    _, plan = planned(patient())
    found = {(p.measure, p.method): p for p in plan.function.predicted}
    assert set(found) == {(m, k) for m in ("fev1", "dlco") for k in ("course", "segments", "volume")}
    assert found["fev1", "volume"].percent == pytest.approx(98 * (1 - 144 / LUNG_ML))
    assert found["fev1", "course"].percent == plan.function.ppo_fev1_percent
    assert not found["fev1", "volume"].error_assumed
    assert found["dlco", "volume"].error_assumed
    functional = lobe_volumes(3000.0, BOOK) * np.array([1, 1, 0, 1, 1])
    _, plan = planned(patient(functional=functional))
    density = {p.measure: p for p in plan.function.predicted if p.method == "density"}
    # Nothing of the lower lobe breathes, so only what the left upper lobe gives counts.
    left_upper = 64 / lobe_volumes(LUNG_ML, BOOK)[3]
    expected = 98 * (1 - left_upper * functional[3] / functional.sum())
    assert density["fev1"].percent == pytest.approx(expected)


def test_the_verdict_is_that_of_the_rule_set_at_the_value_and_at_its_bound():
    _, plan = planned(patient(dlco=72.0))
    verdict = plan.function.verdict
    assert verdict.rule_set == "accp-2013"
    assert verdict.risk == "low"
    assert "stair climb" in verdict.next_step_at_low
    cited = {entry.id for entry in plan.evidence}
    assert {"threshold.accp.low_risk_ppo", "segment.count.RLL", "function.dlco.access"} <= cited
    _, unknown = planned(patient(dlco_known=False))
    assert unknown.function.verdict.next_step == "measure DLCO"


def test_what_earlier_operations_give_back_shortens_no_interval_and_is_told():
    recent = EarlierResection("right", "wedge", "RLL", removed_ml=40.0, weeks_ago=3.0)
    who = patient(recent)
    _, plan = planned(who)
    _, without = planned(patient())
    assert plan.function.ppo_fev1_percent > without.function.ppo_fev1_percent
    assert goals(plan)[0] == goals(without)[0]
    segments = {p.method: p for p in plan.function.predicted if p.measure == "fev1"}["segments"]
    plain = {p.method: p for p in without.function.predicted if p.measure == "fev1"}["segments"]
    assert segments.percent != plain.percent
    assert any("so many operations" in warning for warning in plan.warnings)


@pytest.mark.parametrize(("dlco", "told"), [(110.0, False), (50.0, True)])
def test_a_dlco_that_nothing_limits_is_told_where_it_falls_low(dlco, told):
    _, plan = planned(patient(dlco=dlco))
    lowest = min(plan.operations, key=lambda o: o.dlco_after_low_percent)
    assert (lowest.dlco_after_low_percent < plan.protocol.function.fev1_after_percent_min) == told
    sentences = [warning for warning in plan.warnings if warning.startswith("No limit holds for DLCO")]
    assert len(sentences) == told
    assert all(f"operation {lowest.number} is" in sentence for sentence in sentences)


def test_without_a_patient_only_fev1_is_told():
    plan = solve_plan(problem(MANY))
    assert plan.function.dlco_percent is None
    assert plan.function.verdict is None
    assert plan.function.predicted == ()
    assert all(o.dlco_after_percent is None for o in plan.operations)
    assert all(math.isfinite(p.fev1_percent) for p in plan.function.course)


def test_a_plan_without_operations_has_no_course():
    who = patient()
    plan = solve_plan(problem([], protocol(), model=who.lungs.fev1, patient=who))
    assert plan.function.course == ()
    assert plan.function.ppo_dlco_low_percent == plan.function.ppo_dlco_percent == 80.0
