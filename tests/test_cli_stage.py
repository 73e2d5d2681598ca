"""`clearlung stage` as a person runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.staging import Plan, problem_json, read_assignments, read_problem, solve_plan

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


@pytest.fixture(scope="module")
def wanted(tmp_path_factory) -> Path:
    """What `clearlung plan` leaves for the example list with the example assignments."""
    out = tmp_path_factory.mktemp("wanted") / "out"
    given = ("--assignments", "docs/example-assignments.toml", "--protocol", "conservative")
    assert run("plan", "docs/example-list.csv", *given, "-o", out, "--json").exit_code == 0
    return out


def test_plan_keeps_to_the_surgeons_assignments(wanted):
    plan = Plan.model_validate_json((wanted / "plan.json").read_text())
    assert plan.assignments == read_assignments(Path("docs/example-assignments.toml"))
    right = [o for o in plan.operations if o.side == "right"]
    left = [o for o in plan.operations if o.side == "left"]
    assert 7 in right[0].lesions
    assert not {26, 27} & set(left[1].lesions if len(left) > 1 else ())
    assert not any({15, 18} <= set(o.lesions) for o in plan.operations)
    assert [u.code for u in plan.unassigned if u.lesion == 24] == ["left_by_surgeon"]
    assert read_problem(wanted).assignments == plan.assignments
    words = run("explain", wanted, "--lesion", 7, "--quick").stdout
    assert "only in operation 1 on its lung (grows toward the hilum)" in words


def test_specimens_are_chosen_among_all_candidates_where_asked(wanted, tmp_path):
    run("stage", wanted, "--choose", "-o", tmp_path / "chosen.json")
    chosen = Plan.model_validate_json((tmp_path / "chosen.json").read_text())
    plan = Plan.model_validate_json((wanted / "plan.json").read_text())
    # A list has no voxels to lose: the choice is that of the plan.
    assert chosen.operations == plan.operations
    assert any("without their voxels" in warning for warning in chosen.warnings)


def test_assignments_take_the_place_of_the_problems(wanted, tmp_path, capsys):
    own = tmp_path / "own.toml"
    own.write_text("[[assignment]]\nlesions = [3]\nleave = true\n")
    run("stage", wanted, "--assignments", own, "-o", tmp_path / "plan.json")
    plan = Plan.model_validate_json((tmp_path / "plan.json").read_text())
    assert [a.lesions for a in plan.assignments] == [(3,)]
    own.write_text(
        "[[assignment]]\nlesions = [3]\nleave = true\n[[assignment]]\nlesions = [999]\napart = true\n"
    )
    with pytest.raises(SystemExit) as left:
        main(["stage", str(wanted), "--assignments", str(own), "-o", str(tmp_path / "no.json"), "--json"])
    assert left.value.code == 4
    assert "assignment[1]" in json.loads(capsys.readouterr().out)["error"]["field"]


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
