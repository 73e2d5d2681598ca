"""`clearlung explain` and `clearlung replan` as a person runs them."""

import csv
import json

import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.explanation import Explanation, Question, explain
from clearlung.explanation_summary import explanation_lines
from clearlung.planned_folder import read_planned
from clearlung.report import replan_alt_text, replan_svg
from clearlung.result_folder import plan_json
from clearlung.staging import Plan, Replan, Wanted, problem_json, read_problem, solve_plan

from .staging.problems import function, problem, protocol

ROWS = [("RLL", 2.0, 8.0)] * 7 + [("LUL", 2.0, 8.0)] * 6


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def write_planned(folder, given):
    folder.mkdir()
    (folder / "problem.json").write_text(problem_json(given))
    (folder / "plan.json").write_text(plan_json(solve_plan(given)))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_planned(tmp_path_factory.mktemp("explain") / "plan", problem(ROWS, protocol(nodules_max=4)))


@pytest.fixture
def done(folder, tmp_path):
    left = json.loads((folder / "plan.json").read_text())["operations"][0]["specimens"][0]["lesions"]
    path = tmp_path / "done.json"
    path.write_text(
        json.dumps(
            {
                "today_week": 2,
                "operations": [{"number": 1, "left": left, "complications": ["air leak"]}],
                "new": [{"id": 90, "lobe": "RUL", "diameter_mm": 5}],
            }
        )
    )
    return path


def test_a_lesion_is_told_with_its_limits_and_its_next_best_place(folder, tmp_path):
    told = run("explain", folder, "--lesion", 3, "-o", tmp_path / "why.json")
    said = " ".join(told.stdout.split())
    for word in (
        "Lesion 3 is in operation",
        "per_operation.nodules_max: 4, at most 4",
        "function.fev1_after_percent_min",
        "exchanged for",
        "no figure of the plan changes",
        "Solved anew",
        "lesion 3 left: lesions left 0 to 1",
        RESEARCH_NOTICE,
    ):
        assert word in said
    record = Explanation.model_validate_json((tmp_path / "why.json").read_text())
    assert record.lesions[0].lesion == 3
    assert run("explain", folder, "--lesion", 3, "--quick", "--json").exit_code == 0


def test_too_few_operations_are_told_with_what_would_allow_them(folder):
    said = run("explain", folder, "--operations", 2).stdout
    assert "There is no plan that removes every lesion in 2 operations at most." in said
    assert "per_operation.nodules_max: 7 in place of 4" in said


def test_what_a_unit_gains_is_a_line_for_each_limit(folder):
    told = json.loads(run("explain", folder, "--gains", "--json").stdout)
    assert {gain["limit"] for gain in told["gains"]} >= {"per_operation.nodules_max", "weeks.same_side_min"}
    assert told["conflict"] is None


def test_where_there_is_a_plan_nothing_is_in_the_way(folder):
    assert "no limit is in the way" in run("explain", folder).stdout


def test_a_problem_without_a_plan_says_which_limits_exclude_it(tmp_path):
    path = tmp_path / "problem.json"
    path.write_text(problem_json(problem([("RLL", 5.0, 20.0)], model=function(fev1_percent=46.0))))
    said = run("explain", path).stdout
    assert "function.fev1_after_percent_min" in said
    assert "none can be spared" in said
    with pytest.raises(SystemExit) as refused:
        main(["explain", str(path), "--gains"])
    assert refused.value.code == 5


def test_no_limits_fault_is_said_in_words():
    given = problem([("RLL", 5.0, 20.0)], model=function(fev1_percent=1.0))
    told = explain(given, None, Question(wanted=Wanted(lesions_left_max=0)), print)
    assert any(line.startswith("No limit of the protocol excludes it") for line in explanation_lines(told))


def test_what_is_left_is_written_with_its_changes_and_can_be_explained(folder, done, tmp_path):
    out = tmp_path / "rest"
    told = run("replan", folder, "--done", done, "-o", out)
    assert told.exit_code == 0
    said = " ".join(told.stdout.split())
    for word in (
        "1 done",
        "air leak",
        "stay in their promised operation",
        "lesion 90: none to",
        "From scratch",
    ):
        assert word in said
    record = Replan.model_validate_json((out / "replan.json").read_text())
    assert Plan.model_validate_json((out / "plan.json").read_text()) == record.plan
    rows = list(csv.DictReader((out / "changes.csv").open()))
    assert [int(row["lesion"]) for row in rows] == [change.lesion for change in record.lesions]
    assert (out / "replan.png").read_bytes().startswith(b"\x89PNG")
    made = json.loads((out / "manifest.json").read_text())
    assert {entry["kind"] for entry in made["inputs"]} == {"plan", "problem", "done"}
    assert run("explain", out, "--lesion", 90, "--quick").exit_code == 0


def test_numbers_are_kept_for_life(folder, done, tmp_path):
    told = json.loads(run("replan", folder, "--done", done, "-o", tmp_path / "r", "--json").stdout)
    for one in told["operations"]:
        assert one["promised"] is None or one["number"] == one["promised"]


def test_a_new_scan_is_read_from_a_problem(folder, done, tmp_path):
    run("replan", folder, "--done", done, "-o", tmp_path / "a")
    told = run("replan", folder, "--done", done, "--scan", tmp_path / "a", "-o", tmp_path / "b", "--json")
    first = json.loads((tmp_path / "a" / "replan.json").read_text())
    assert json.loads(told.stdout)["operations"] == first["operations"]


def test_the_picture_is_the_same_each_time_and_is_told_in_words(folder, done, tmp_path):
    run("replan", folder, "--done", done, "-o", tmp_path / "r")
    record = Replan.model_validate_json((tmp_path / "r" / "replan.json").read_text())
    _, plan = read_planned(folder)
    assert replan_svg(plan, record) == replan_svg(plan, record)
    assert "operation 1" in replan_alt_text(record)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("explain", "{folder}", "--lesion", "99"), 2),
        (("explain", "{folder}", "-o", "no/such/place.json"), 7),
        (("explain", "nowhere"), 4),
        (("replan", "{folder}", "--done", "nowhere.json"), 4),
        (("replan", "{folder}/problem.json", "--done", "{done}"), 4),
        (("replan", "{folder}", "--done", "{folder}/plan.json"), 4),
        (("replan", "{folder}", "--done", "{done}", "-o", "no/such/place"), 7),
    ],
)
def test_each_kind_of_failure_has_its_exit_code(folder, done, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as refused:
        main([word.format(folder=folder, done=done) for word in arguments])
    assert refused.value.code == code


def test_what_contradicts_the_plan_has_its_exit_code(folder, tmp_path):
    path = tmp_path / "done.json"
    path.write_text('{"today_week": 3, "operations": [{"number": 44}]}')
    with pytest.raises(SystemExit) as refused:
        main(["replan", str(folder), "--done", str(path), "-o", str(tmp_path / "r")])
    assert refused.value.code == 6


def test_a_plan_of_another_problem_is_refused(folder, tmp_path):
    other = write_planned(tmp_path / "other", problem(ROWS[:3]))
    (other / "plan.json").write_text((folder / "plan.json").read_text())
    with pytest.raises(SystemExit) as refused:
        main(["explain", str(other)])
    assert refused.value.code == 4
    assert len(read_problem(other).lesions) == 3
