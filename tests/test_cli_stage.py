"""`clearlung stage` as a person runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.staging import Plan, problem_json, solve_plan

from .staging.problems import problem, protocol

CASE = [("RUL", 3.0, 20, 2), ("RLL", 2.0, 15), ("LUL", 4.0, 25), ("LLL", 1.0, 9, 3)]


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "problem.json").write_text(problem_json(problem(CASE, protocol(minutes_max=400.0))))
    return tmp_path / "problem.json"


def test_the_plan_is_the_optimizers(file):
    done = run("stage", file, "-o", file.parent / "plan.json")
    assert done.exit_code == 0
    assert RESEARCH_NOTICE in " ".join(done.stdout.split())
    plan = Plan.model_validate_json((file.parent / "plan.json").read_text())
    expected = solve_plan(problem(CASE, protocol(minutes_max=400.0)))
    assert plan.operations == expected.operations
    assert plan.solver.goals == expected.solver.goals


def test_the_summary_for_programs_agrees_with_the_file(file):
    said = json.loads(run("stage", file, "-o", file.parent / "plan.json", "--seed", 4, "--json").stdout)
    plan = Plan.model_validate_json((file.parent / "plan.json").read_text())
    assert said["operations"] == len(plan.operations)
    assert said["lesions_removed"] == 7
    assert said["solver"]["seed"] == plan.solver.seed == 4


def test_another_protocol_takes_the_problems_place(file):
    out = file.parent / "plan.json"
    run("stage", file, "-o", out, "--protocol", "high-volume")
    plan = Plan.model_validate_json(out.read_text())
    assert plan.protocol.name == "high-volume"
    assert any(o.perfusion for o in plan.operations)


@pytest.mark.parametrize(
    ("change", "code"),
    [({"seed": -1}, 4), ({"fev1": {"baseline_percent": 15.0, "lung_ml": 5000.0}}, 5), (None, 4)],
)
def test_an_error_ends_with_its_code_and_writes_nothing(file, change, code, capsys):
    if change is None:
        file.write_text("{")
    else:
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(SystemExit) as left:
        main(["stage", str(file), "-o", str(file.parent / "plan.json"), "--json"])
    assert left.value.code == code
    assert "error" in json.loads(capsys.readouterr().out)
    assert not (file.parent / "plan.json").exists()


def test_an_earlier_plan_is_not_overwritten_unless_forced(file):
    out = file.parent / "plan.json"
    out.write_text("mine")
    with pytest.raises(SystemExit) as left:
        main(["stage", str(file), "-o", str(out)])
    assert left.value.code == 7
    assert out.read_text() == "mine"
    assert run("stage", file, "-o", out, "--force").exit_code == 0
    assert Plan.model_validate_json(out.read_text())
