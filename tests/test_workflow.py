"""The phases strung together."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.casefile import parse_case
from clearlung.result_folder import write_result
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest, make_plan, plan_again, plan_nodules

from .lists import write_list

ALL_ASSUMED = ("fev1_percent", "fev1_predicted_l", "lung_ml", "dlco_percent")


@pytest.mark.parametrize(
    ("case", "assumed"),
    [
        ("", ALL_ASSUMED),
        ("[function]\nfev1_percent = 90", ("fev1_predicted_l", "lung_ml", "dlco_percent")),
        ("[function]\nfev1_l = 3.0\nfev1_predicted_l = 4.0", ("lung_ml", "dlco_percent")),
        ("[function]\nfev1_l = 3.0\nfev1_predicted_l = 4.0\ndlco_percent = 70", ("lung_ml",)),
    ],
)
def test_what_is_assumed_is_said_in_the_plan_the_warnings_the_evidence_and_the_report(
    tmp_path, case, assumed
):
    source = write_list(tmp_path / "list.csv", 12)
    result = make_plan(
        PlanRequest(source=source, protocol=load_protocol("high-volume"), case=parse_case(case))
    )
    assert result.plan.function.assumed == assumed
    assert result.plan.warnings[0].startswith("Not given and therefore assumed")
    cited = {entry.id for entry in result.plan.evidence}
    for field in ALL_ASSUMED:
        assert (f"function.reference.{field}" in cited) == (field in assumed)
    write_result(result, tmp_path / "out", command="test", options={})
    page = (tmp_path / "out" / "report.html").read_text()
    table = page.split("Lung function</th>")[1].split("</table>")[0]
    assert table.count(">assumed<") == len(assumed)
    assert table.count("given or measured") == 4 - len(assumed)


def test_another_protocol_is_planned_on_the_same_nodules(tmp_path):
    source = write_list(tmp_path / "list.csv", 60)
    first = make_plan(PlanRequest(source=source, protocol=load_protocol("high-volume"), seed=3))
    again = plan_again(first, load_protocol("conservative"))
    assert again.nodules is first.nodules
    assert again.plan.protocol.name == "conservative"
    assert again.plan.solver.seed == 3
    assert len(again.plan.operations) > len(first.plan.operations)


def test_a_centers_own_assumption_reaches_the_plan_and_is_marked(tmp_path):
    from importlib.resources import files

    source = write_list(tmp_path / "list.csv", 40)
    text = (files("clearlung.staging") / "protocols" / "high-volume.toml").read_text()
    (tmp_path / "slow.toml").write_text(text + '\n[assumptions]\n"time.nodule.superficial" = 20\n')
    usual = make_plan(PlanRequest(source=source, protocol=load_protocol("high-volume")))
    slow = make_plan(PlanRequest(source=source, protocol=load_protocol(tmp_path / "slow.toml")))
    assert sum(o.minutes for o in slow.plan.operations) > sum(o.minutes for o in usual.plan.operations)
    (entry,) = [e for e in slow.plan.evidence if e.id == "time.nodule.superficial"]
    assert entry.overridden
    assert entry.value == 20


def test_growth_until_the_operation_is_told_where_the_doubling_time_is_known(tmp_path):
    lines = ["id,side,lobe,diameter_mm,depth_mm,vdt_days", "1,right,RUL,5,5,64", "2,left,LUL,8,5,"]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    plan = make_plan(PlanRequest(source=tmp_path / "list.csv", protocol=load_protocol("high-volume"))).plan
    grown, unknown = plan.lesions
    week = plan.operations[grown.operation - 1].week
    assert grown.diameter_at_operation_mm == pytest.approx(5 * 2 ** (7 * week / (3 * 64)))
    assert unknown.diameter_at_operation_mm is None


def test_what_is_unusual_about_the_lungs_is_told_with_the_plan(one_lung):
    phantom, anatomy = one_lung
    labels = phantom.nodules.crop(anatomy.box)
    known = replace(phantom.truth, labels=labels.with_array(labels.array.astype(np.int32)))
    result = plan_nodules(phantom.scan, anatomy, known, load_protocol("high-volume"))
    assert next(c.code for c in result.anatomy.conditions if c.side == "left") == "one_lung"
    for condition in result.anatomy.conditions:
        assert condition.sentence in result.plan.warnings
    assert all(operation.side == "right" for operation in result.plan.operations)
    # The one lung is all there is: what is left of nineteen segments, and of function, is the right lung's.
    function = result.plan.function
    assert function.right_share_percent == pytest.approx(100)
    assert {p.method for p in function.predicted} >= {"course", "segments", "volume"}
    fev1 = {p.method: p.percent for p in function.predicted if p.measure == "fev1"}
    assert fev1["segments"] == pytest.approx(fev1["volume"], abs=2)


def test_dlco_exercise_and_earlier_resections_of_the_case_reach_the_plan(tmp_path):
    source = write_list(tmp_path / "list.csv", 12)
    text = "[function]\nfev1_percent = 90\nfev1_predicted_l = 3\ndlco_percent = 55\nshuttle_walk_m = 450\n"
    earlier = '[[earlier]]\nside = "right"\ntechnique = "segmentectomy"\nlobe = "RUL"\n'
    earlier += "segments = 1\nweeks_ago = 4\n"
    plans = [
        make_plan(
            PlanRequest(source=source, protocol=load_protocol("conservative"), case=parse_case(case))
        ).plan
        for case in (text, text + earlier)
    ]
    assert all(plan.function.dlco_percent == 55 for plan in plans)
    assert "exercise test is passed" in plans[0].function.verdict.reason
    before, after = (
        {p.method: p.percent for p in plan.function.predicted if p.measure == "fev1"} for plan in plans
    )
    # Eighteen segments are left, of which the same tissue is more; the operation still recovers.
    assert after["segments"] < before["segments"]
    assert after["volume"] < before["volume"]
    assert after["course"] > before["course"]


def test_a_plan_that_removes_nothing_says_so_first_of_all(tmp_path):
    from importlib.resources import files

    source = write_list(tmp_path / "list.csv", 10)
    text = (files("clearlung.staging") / "protocols" / "conservative.toml").read_text()
    reference = '{ evidence = "protocol.conservative.minutes" }'
    assert reference in text
    (tmp_path / "short.toml").write_text(text.replace(reference, "10"))
    plan = make_plan(PlanRequest(source=source, protocol=load_protocol(tmp_path / "short.toml"))).plan
    assert plan.operations == ()
    assert len(plan.unassigned) == 10
    assert any(warning.startswith("This plan removes nothing") for warning in plan.warnings)
