"""`clearlung report`: a folder's report anew, with what was found out since."""

import html
import json
import re

import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.errors import CaseConflict, OutputError, ProblemError
from clearlung.manifest import file_sha256, read_manifest
from clearlung.report_folder import read_report, renew_report
from clearlung.result_folder import write_result
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest, make_plan

from .lists import write_list

FILES = ("report.html", "report.pdf", "plan.png")


def run(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def write_plan(folder, nodules, seed=0):
    """Plan a list into a folder."""
    request = PlanRequest(
        source=write_list(folder.parent / f"{folder.name}.csv", nodules, seed=seed),
        protocol=load_protocol("high-volume"),
    )
    write_result(make_plan(request), folder, command="test", options={})
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A plan's folder, its stress test, its comparison, and another plan."""
    place = tmp_path_factory.mktemp("report")
    write_plan(place / "plan", 12)
    write_plan(place / "other", 9, seed=5)
    run("stress", place / "plan", "--scenarios", 200, "-o", place / "stress")
    run("compare", place / "plan", "--function-step", 20, "--more", 1, "-o", place / "comparison")
    return place


@pytest.fixture
def plan(made, tmp_path):
    """A copy of the plan's folder."""
    import shutil

    return shutil.copytree(made / "plan", tmp_path / "plan")


def words(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_without_results_the_report_stays_as_it_is(plan):
    before = {name: (plan / name).read_bytes() for name in FILES}
    renew_report(plan)
    assert {name: (plan / name).read_bytes() for name in FILES} == before


def test_results_come_in_and_stay(plan, made):
    before = {f.name for f in plan.iterdir()}
    told = json.loads(
        run("report", plan, "--stress", made / "stress", "--comparison", made / "comparison", "--json")
    )
    assert told["shows"] == {"stress": True, "tradeoff": True, "replan": False}
    assert {f.name for f in plan.iterdir()} == before | {"stress.json", "comparison.json"}
    said = words(plan)
    for heading in ("When things turn out otherwise", "What fewer operations cost"):
        assert heading in said
    assert said.count(RESEARCH_NOTICE) >= 4
    again = (plan / "report.html").read_bytes()
    said = run("report", plan)
    assert "Shows: stress, tradeoff." in said
    assert (plan / "report.html").read_bytes() == again


def test_the_manifest_is_brought_up_to_date(plan, made):
    old = read_manifest(plan)
    renew_report(plan, stress=made / "stress")
    new = read_manifest(plan)
    assert (new.command, new.seed, new.created) == (old.command, old.seed, old.created)
    assert new.outputs == {
        f.name: file_sha256(f) for f in sorted(plan.iterdir()) if f.name != "manifest.json"
    }
    assert [entry.kind for entry in new.inputs] == [*(entry.kind for entry in old.inputs), "stress"]
    renew_report(plan, stress=made / "stress")
    assert read_manifest(plan).inputs == new.inputs


@pytest.mark.parametrize("option", ["stress", "comparison"])
def test_a_result_of_another_plan_is_refused_and_nothing_changes(made, tmp_path, option):
    import shutil

    other = shutil.copytree(made / "other", tmp_path / "other")
    before = {f.name: f.read_bytes() for f in other.iterdir()}
    with pytest.raises(CaseConflict, match="another"):
        renew_report(other, **{option: made / option})
    assert {f.name: f.read_bytes() for f in other.iterdir()} == before


def test_a_stress_test_that_was_put_there_by_hand_is_checked_too(made, tmp_path):
    import shutil

    other = shutil.copytree(made / "other", tmp_path / "other")
    record = json.loads((made / "stress" / "stress.json").read_text())
    record["operations"] = record["operations"] * 2
    (other / "stress.json").write_text(json.dumps(record))
    with pytest.raises(CaseConflict, match="another plan"):
        renew_report(other)
    (other / "stress.json").write_text("{}")
    with pytest.raises(ProblemError, match=r"stress\.json"):
        renew_report(other)


def test_what_is_no_result_is_refused(made, tmp_path, plan):
    with pytest.raises(OutputError, match="holds no result"):
        renew_report(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="holds no result"):
        renew_report(plan, stress=tmp_path)
    with pytest.raises(OutputError, match=r"no stress\.json"):
        renew_report(plan, stress=made / "comparison")
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path / "nowhere")])
    assert ended.value.code == 7


def test_a_folder_that_kept_nothing_gets_a_report_from_its_plan_and_problem(plan):
    (plan / "report.npz").unlink()
    report = renew_report(plan)
    assert report.lungs is None
    assert "A problem of 12 lesions" in words(plan)
    assert {int(number) for number in report.nodules.id} == set(report.lesions)


def test_a_plan_of_what_is_left_has_a_report_with_before_and_after(plan, tmp_path):
    done = tmp_path / "done.json"
    told = {
        "today_week": 1,
        "operations": [{"number": 1}],
        "new": [{"id": 90, "lobe": "RUL", "diameter_mm": 5}],
    }
    done.write_text(json.dumps(told))
    run("replan", plan, "--done", done, "-o", tmp_path / "rest")
    said = words(tmp_path / "rest")
    assert "What has changed" in said
    assert "today is week 1" in said
    assert "Not in the promised plan." in said
    report = read_report(tmp_path / "rest")
    assert report.revision.promised == read_report(plan).plan
    assert 90 in report.nodules.id.tolist()
    before = (tmp_path / "rest" / "report.html").read_bytes()
    renew_report(tmp_path / "rest")
    assert (tmp_path / "rest" / "report.html").read_bytes() == before
    run("stress", tmp_path / "rest", "--scenarios", 100, "-o", tmp_path / "stress")
    run("report", tmp_path / "rest", "--stress", tmp_path / "stress")
    assert "When things turn out otherwise" in words(tmp_path / "rest")
