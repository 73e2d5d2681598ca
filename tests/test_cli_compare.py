"""`clearlung compare` as a person runs it, and what it leaves on disk."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.comparison_jobs import compare_problem, others_of
from clearlung.comparison_record import ComparisonRecord, comparison_schema
from clearlung.errors import InfeasiblePlan
from clearlung.manifest import Manifest, file_sha256
from clearlung.staging import (
    TradeoffOptions,
    compare,
    load_protocol,
    problem_json,
    solve_plan,
    trade_off,
    under,
)

from .staging.problems import problem

CASE = [("RUL", 3.0, 20, 2), ("RLL", 2.0, 15), ("LUL", 4.0, 25), ("LLL", 1.0, 9, 3), ("LLL", 6.0, 9)]
OPTIONS = TradeoffOptions(function_step_percent=20.0)


def made():
    return problem(CASE, load_protocol("conservative"))


def run(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    (folder / "problem.json").write_text(problem_json(made()))
    return folder


@pytest.fixture(scope="module")
def said(folder):
    done = run(folder / "problem.json", "-o", folder / "out", "--function-step", 20, "--json")
    assert done.exit_code == 0
    return json.loads(done.stdout)


def test_the_file_obeys_its_schema_and_is_what_was_printed(folder, said):
    text = (folder / "out" / "comparison.json").read_text()
    jsonschema.validate(json.loads(text), json.loads(comparison_schema()))
    assert said == {"out": str(folder / "out")} | json.loads(text)
    assert ComparisonRecord.model_validate_json(text).model_dump_json(indent=2) + "\n" == text


def test_each_protocol_has_the_figures_of_its_own_plan(said):
    assert [one["protocol"] for one in said["protocols"]] == ["conservative", "high-volume", "weighed"]
    for one in said["protocols"]:
        plan = solve_plan(under(made(), load_protocol(one["protocol"])))
        (row,) = compare([plan]).rows
        assert one["plan"] == vars(row)
        assert one["goals"] == [goal.model_dump() for goal in plan.solver.goals]


def test_the_table_holds_the_curves_points(folder, said):
    with (folder / "out" / "tradeoff.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["operations"]) for row in rows] == [p["operations"] for p in said["curve"]["points"]]
    curve = trade_off(made(), OPTIONS)
    assert [p.row.removed_ml_max for p in curve.points] == [float(row["removed_ml_max"]) for row in rows]
    assert said["curve"]["complete"] == curve.complete


def test_the_pictures_are_the_same_each_time(folder, said):
    again = folder / "again"
    run(folder, "-o", again, "--function-step", 20)
    for name in ("tradeoff.png", "tradeoff.svg", "tradeoff.csv", "comparison.json"):
        assert (again / name).read_bytes() == (folder / "out" / name).read_bytes()
    assert (again / "tradeoff.png").read_bytes().startswith(b"\x89PNG")
    manifest = Manifest.model_validate_json((again / "manifest.json").read_text())
    assert manifest.inputs[0].sha256 == file_sha256(folder / "problem.json")
    assert set(manifest.outputs) == {"tradeoff.png", "tradeoff.svg", "tradeoff.csv", "comparison.json"}


def test_people_see_plans_curve_and_notice(folder):
    out = folder / "people"
    words = " ".join(run(folder / "problem.json", "-o", out, "--function-step", 20).stdout.split())
    for word in ("Conservative", "High volume", "What fewer operations cost", "proven", RESEARCH_NOTICE):
        assert word in words
    assert "weeks until clear" in words
    assert "on both sides" not in words


def test_operations_on_both_sides_are_told_with_their_approach(folder, tmp_path):
    given = made()
    per = given.protocol.per_operation.model_copy(update={"sides_max": 2, "minutes_max": 600.0})
    wide = replace(given, protocol=given.protocol.model_copy(update={"per_operation": per}))
    plan = solve_plan(wide)
    assert any(operation.side == "both" for operation in plan.operations)
    (tmp_path / "problem.json").write_text(problem_json(wide))
    done = run(
        tmp_path / "problem.json",
        "-o",
        tmp_path / "out",
        "--function-step",
        20,
        "--weeks-step",
        12,
        "--more",
        0,
        "--protocol",
        "conservative",
    )
    words = " ".join(done.stdout.replace("│", " ").split())
    assert "Of these on both sides" in words
    assert per.both_sides_approach in words


def test_named_protocols_take_the_place_of_the_shipped_ones(folder):
    own = folder / "own.toml"
    text = Path("src/clearlung/staging/protocols/conservative.toml").read_text()
    own.write_text(text.replace('name = "conservative"', 'name = "own"'))
    said = json.loads(
        run(folder / "problem.json", "--protocol", own, "-o", folder / "named", "--more", 0, "--json").stdout
    )
    assert [one["protocol"] for one in said["protocols"]] == ["conservative", "own"]
    assert {p["operations"] for p in said["curve"]["points"]} == {said["protocols"][0]["plan"]["operations"]}


def test_a_protocol_without_a_plan_is_listed_with_its_reasons():
    given = made()
    weak = replace(given, function=replace(given.function, baseline_percent=25.0))
    with pytest.raises(InfeasiblePlan) as refused:
        solve_plan(weak)
    found = compare_problem(weak, others_of(weak), OPTIONS)
    assert found.protocols[0].reasons == refused.value.reasons
    assert found.curve is None
    record = ComparisonRecord.of(found)
    assert record.protocols[0].plan is None
    assert record.curve is None


def test_the_curve_is_of_the_first_protocol_that_has_a_plan():
    given = made()
    tight = given.protocol.function.model_copy(update={"fev1_after_percent_min": 90.0})
    strict = given.protocol.model_copy(update={"name": "strict", "function": tight})
    found = compare_problem(under(given, strict), [load_protocol("conservative")], OPTIONS)
    assert found.protocols[0].plan is None
    assert found.curve_protocol == "conservative"
    assert found.curve.points


def test_a_wrong_problem_and_an_earlier_result_are_refused(folder, said):
    (folder / "wrong.json").write_text("{}")
    for source, out, code in (("wrong.json", "wrong", 4), ("problem.json", "out", 7)):
        with pytest.raises(SystemExit) as left:
            main(["compare", str(folder / source), "-o", str(folder / out)])
        assert left.value.code == code
    assert not (folder / "wrong").exists()
