"""The documents say what the program does."""

import re
from pathlib import Path

import pytest
import typer.main

from clearlung import errors
from clearlung.anatomy_folder import anatomy_schema
from clearlung.casefile import load_case
from clearlung.cli import app
from clearlung.comparison_record import comparison_schema
from clearlung.explanation import explanation_schema
from clearlung.nodules import read_nodule_list
from clearlung.perfusion_record import perfusion_schema
from clearlung.replan_folder import done_schema, replan_schema
from clearlung.result_folder import plan_schema, problem_schema
from clearlung.staging import GOALS, load_protocol, parse_protocol, read_assignments, read_done, replan
from clearlung.workflow import PlanRequest, make_plan

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language):
    for path in DOCUMENTS:
        for block in re.findall(rf"```{language}\n(.*?)```", path.read_text(), flags=re.DOTALL):
            yield path.name, block


COMMANDS = [
    (name, line)
    for name, block in blocks("sh")
    for line in block.splitlines()
    if line.startswith("clearlung ")
]


@pytest.mark.parametrize(("document", "line"), COMMANDS)
def test_every_command_in_the_documents_parses(document, line):
    command = typer.main.get_command(app)
    name, *arguments = line.split("#")[0].split()[1:]
    sub = command.get_command(None, name)
    assert sub is not None, f"{document}: there is no command {name}"
    if hasattr(sub, "get_command"):
        name, *arguments = arguments
        sub = sub.get_command(None, name)
        assert sub is not None, f"{document}: there is no command {name}"
    sub.make_context(name, arguments)


def test_the_published_schemas_are_the_programs():
    assert (ROOT / "docs" / "plan.schema.json").read_text() == plan_schema()
    assert (ROOT / "docs" / "anatomy.schema.json").read_text() == anatomy_schema()
    assert (ROOT / "docs" / "explanation.schema.json").read_text() == explanation_schema()
    assert (ROOT / "docs" / "replan.schema.json").read_text() == replan_schema()
    assert (ROOT / "docs" / "done.schema.json").read_text() == done_schema()
    assert (ROOT / "docs" / "problem.schema.json").read_text() == problem_schema()
    assert (ROOT / "docs" / "comparison.schema.json").read_text() == comparison_schema()
    assert (ROOT / "docs" / "perfusion.schema.json").read_text() == perfusion_schema()


def test_the_protocol_in_the_guide_is_accepted():
    (guide,) = [block for name, block in blocks("toml") if name == "guide.md"]
    protocol = parse_protocol(guide)
    assert protocol.name == "our-center"
    # The example shows every key that there is.
    for part in type(protocol).model_fields:
        for key in getattr(type(getattr(protocol, part)), "model_fields", ()):
            assert re.search(rf"^{key} = ", guide, flags=re.MULTILINE), f"{part}.{key}"


def test_the_guide_names_every_goal():
    text = (ROOT / "docs" / "guide.md").read_text()
    for key in GOALS:
        assert f"`{key}`" in text


def test_the_example_case_is_accepted():
    assert load_case(ROOT / "docs" / "example-case.toml").function.percent == pytest.approx(87.8, abs=0.1)


def test_the_example_of_assignments_is_of_the_example_list():
    wanted = read_assignments(ROOT / "docs" / "example-assignments.toml")
    assert len(wanted) == 4
    known = set(read_nodule_list(ROOT / "docs" / "example-list.csv").id.tolist())
    assert {lesion for one in wanted for lesion in one.lesions} <= known


def test_the_example_of_what_was_done_belongs_to_the_plan_of_the_example_list():
    case = load_case(ROOT / "docs" / "example-case.toml")
    source = ROOT / "docs" / "example-list.csv"
    # As the README plans it: without --protocol, under high-volume.
    made = make_plan(PlanRequest(source=source, protocol=load_protocol("high-volume"), case=case))
    done = read_done(ROOT / "docs" / "example-done.json")
    left = replan(made.problem, made.plan, done)
    assert left.operations[0].done
    changed = {change.lesion: change.kind for change in left.lesions}
    assert changed == {22: "left", 33: "gone", 101: "new"}


def test_the_exit_codes_in_the_guide_are_the_errors():
    table = (ROOT / "docs" / "guide.md").read_text().split("## Exit codes")[1].split("##")[0]
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", table, flags=re.MULTILINE)}

    def codes(kind):
        return {kind.exit_code}.union(*map(codes, kind.__subclasses__()))

    assert documented == codes(errors.ClearlungError) | {0, 2}


def test_links_between_documents_lead_somewhere():
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"
