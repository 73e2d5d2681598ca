"""``clearlung stress``: from a plan's folder to what it leaves on disk."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
from PIL import Image

from clearlung.cli import main
from clearlung.errors import CaseConflict, ProblemError
from clearlung.report import stress_alt, stress_svg
from clearlung.staging import (
    Plan,
    RobustRecord,
    StressOptions,
    StressRecord,
    problem_json,
    solve_plan,
    stress_test,
)
from clearlung.stress_folder import (
    StressRequest,
    make_stress,
    robust_schema,
    stress_schema,
)
from tests.staging import problems
from tests.staging.stress.cases import small

DOCS = Path(__file__).parent.parent / "docs"
LIMITS = {"nodules_max": 6, "minutes_max": 180.0}
FEW = ["--scenarios", "200"]


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """A folder with a plan and its problem."""
    folder = tmp_path_factory.mktemp("stress") / "patient-plan"
    folder.mkdir()
    given, plan = small(**LIMITS)
    (folder / "plan.json").write_text(plan.model_dump_json())
    (folder / "problem.json").write_text(problem_json(given))
    return folder


def run(*arguments):
    """Run the command; return its exit code."""
    try:
        main([*map(str, arguments)])
    except SystemExit as end:
        return end.code or 0
    return 0


def test_the_command_writes_what_the_library_finds(planned, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("stress", planned, "-o", out, "--json", *FEW, "--seed", 3) == 0
    said = json.loads(capsys.readouterr().out)
    record = StressRecord.model_validate_json((out / "stress.json").read_text())
    given, plan = small(**LIMITS)
    assert record == stress_test(given, plan, StressOptions(scenarios=200, seed=3))
    assert said["holds"] == record.holds.share
    assert said["breaks_first"] == record.breaks_first
    assert {row["limit"] for row in said["short"]} == {row.limit for row in record.limits if row.short}
    with Image.open(out / "stress.png") as picture:
        assert min(picture.size) > 1000
    manifest = json.loads((out / "manifest.json").read_text())
    assert set(manifest["outputs"]) == {"stress.json", "stress.png"}
    assert [entry["kind"] for entry in manifest["inputs"]] == ["plan", "problem"]
    assert manifest["seed"] == 3


def test_the_words_name_what_breaks_first(planned, tmp_path, capsys):
    assert run("stress", planned / "plan.json", "-o", tmp_path / "out", *FEW) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "is most often the first to break a limit" in said
    assert "not a medical device" in said
    assert run("stress", planned, "-o", tmp_path / "out", *FEW) == 7  # an earlier result is not replaced


def test_a_plan_with_reserve_is_written_and_tested(planned, tmp_path, capsys):
    out, kept = tmp_path / "out", ["--without", "found_ratio", "--without", "growth"]
    assert run("stress", planned, "-o", out, "--json", *FEW, *kept, "--robust", "0.7") == 0
    said = json.loads(capsys.readouterr().out)["robust"]
    record = RobustRecord.model_validate_json((out / "robust.json").read_text())
    plan = Plan.model_validate_json((out / "plan-with-reserve.json").read_text())
    after = StressRecord.model_validate_json((out / "stress-with-reserve.json").read_text())
    assert record.status == said["status"] == "holds"
    assert plan.protocol.name == "conservative-with-reserve"
    assert len(plan.operations) == said["operations"] == len(after.operations)
    assert after.holds.share == said["holds"] >= 0.7
    assert after.protocol == "conservative"
    assert (out / "stress-with-reserve.png").is_file()


def test_words_with_reserve(planned, tmp_path, capsys):
    kept = ["--without", "found_ratio", "--without", "growth"]
    assert run("stress", planned, "-o", tmp_path / "a", *FEW, *kept, "--robust", "0.7") == 0
    assert "With reserve (" in capsys.readouterr().out
    assert run("stress", planned, "-o", tmp_path / "b", "--scenarios", 100, "--robust", "0.999") == 0
    assert re.search("No plan (was found|can hold so often)", " ".join(capsys.readouterr().out.split()))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--without", "weather"], 4, "'weather' is not one of found_ratio"),
        (["--problem", "nowhere.json"], 4, "nowhere.json cannot be read"),
        (["--confidence", "1"], 2, "confidence lies between 0 and 1"),
        (["--scenarios", "0"], 2, "scenarios"),
    ],
)
def test_wrong_options_are_refused_by_name(planned, tmp_path, capsys, arguments, code, says):
    assert run("stress", planned, "-o", tmp_path / "out", *arguments) == code
    assert says in " ".join(capsys.readouterr().err.replace("│", "").split())
    assert not (tmp_path / "out").exists()


def test_what_is_no_plan_is_refused(planned, tmp_path):
    with pytest.raises(ProblemError, match="cannot be read"):
        make_stress(StressRequest(tmp_path / "plan.json"))
    (tmp_path / "plan.json").write_text('{"format": "clearlung-plan/1"}')
    with pytest.raises(ProblemError, match="is not a plan: protocol"):
        make_stress(StressRequest(tmp_path / "plan.json", planned))
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ProblemError, match="is not"):
        make_stress(StressRequest(tmp_path / "plan.json", planned))


def test_a_plan_and_another_problem_do_not_belong_together(planned, tmp_path):
    other = tmp_path / "problem.json"
    other.write_text(problem_json(problems.problem([("RUL", 4.0, 20.0, 2)])))
    with pytest.raises(CaseConflict, match="must belong together"):
        make_stress(StressRequest(planned, other))


def test_a_plan_tested_against_other_limits_says_so(planned, tmp_path):
    given, _ = small(nodules_max=12)
    other = tmp_path / "problem.json"
    other.write_text(problem_json(given))
    record = make_stress(StressRequest(planned, other, scenarios=20)).record
    assert "other limits" in record.warnings[0]
    record = make_stress(StressRequest(planned, scenarios=20)).record
    assert "other limits" not in record.warnings[0]


def test_the_records_keep_their_published_schemas(planned):
    given, plan = small(**LIMITS)
    record = json.loads(stress_test(given, plan, StressOptions(scenarios=20)).model_dump_json())
    schema = json.loads(stress_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record | {"surprise": 1}, schema)
    jsonschema.Draft202012Validator.check_schema(json.loads(robust_schema()))


def test_the_published_schemas_are_the_programs():
    assert (DOCS / "stress.schema.json").read_text() == stress_schema()
    assert (DOCS / "robust.schema.json").read_text() == robust_schema()


def test_the_picture_is_the_same_each_time_and_has_words():
    given, plan = small(**LIMITS)
    record = stress_test(given, plan, StressOptions(scenarios=50))
    assert stress_svg(record, plan) == stress_svg(record, plan)
    words = stress_alt(record)
    assert f"{record.holds.share:.0%}" in words
    assert all(f"operation {o.number}" in words for o in plan.operations)


def test_a_plan_of_nothing_has_a_picture_too():
    given = problems.problem([])
    plan = solve_plan(given)
    assert stress_svg(stress_test(given, plan, StressOptions(scenarios=5)), plan).startswith("<?xml")
