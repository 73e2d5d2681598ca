"""Plans that perfuse lobes, from the command line, as a person with a protocol that allows it runs them."""

import json
from importlib.resources import files

import pytest

from .command_line import run
from .lists import write_list

# Goals that weigh nothing but what is spared and the function that it takes.
FREE = """
[assumptions]
"worth.edema" = 0.0
"worth.death" = 0.0
"worth.fev1" = 0.05
"worth.week" = 0.0
"worth.least" = 0.001
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lobes")
    write_list(folder / "list.csv", 24)
    shipped = (files("clearlung.staging") / "protocols" / "weighed.toml").read_text(encoding="utf-8")
    line = next(line for line in shipped.splitlines() if line.startswith("# targets = "))
    own = shipped.replace(line, line.removeprefix("# ")) + FREE
    (folder / "lobes.toml").write_text(own.replace('name = "weighed"', 'name = "lobes"'), encoding="utf-8")
    done = run("plan", "list.csv", "--protocol", "lobes.toml", "--json", "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads((folder / "out" / "plan.json").read_text(encoding="utf-8"))


def test_every_target_is_planned_and_the_plan_says_which_it_has(planned):
    _, plan = planned
    ways = plan["perfusion"]["ways"]
    assert {way["left_target"] for way in ways} == {None, "left", "left-upper"}
    assert {way["right_target"] for way in ways} == {None, "right", "right-upper-middle"}
    [chosen] = [way for way in ways if way["chosen"]]
    for operation in plan["operations"]:
        if operation["perfusion"] is not None:
            assert operation["perfusion"]["target"] == chosen[f"{operation['side']}_target"]
    weighed = {one["target"] for one in plan["perfusion"]["perfusions"]}
    assert weighed == {"left", "left-upper", "right", "right-upper-middle"}


def test_the_report_names_the_lobes(planned):
    folder, _ = planned
    report = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "left upper 1" in report
    assert "right upper middle" in report


def test_perfuse_and_the_plan_say_the_same_of_a_perfusion(planned):
    folder, plan = planned
    weighed = {one["target"]: one for one in plan["perfusion"]["perfusions"]}
    done = run("perfuse", "out", "--protocol", "lobes.toml", "--target", "left-upper", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    alone = json.loads(done.stdout)
    for name in ("low", "median", "high"):
        assert weighed["left-upper"]["edema"][name] == pytest.approx(
            100 * alone["edema_risk"][name], abs=0.01
        )


def test_what_is_stored_goes_through_the_other_commands(planned):
    folder, plan = planned
    for arguments in (
        ("stress", "out", "--scenarios", "50", "--json"),
        ("stage", "out/problem.json", "--json"),
        ("explain", "out", "--lesion", str(plan["operations"][0]["specimens"][0]["lesions"][0]), "--json"),
    ):
        done = run(*arguments, cwd=folder)
        assert done.returncode == 0, (arguments, done.stderr, done.stdout)


def test_a_target_that_nobody_knows_is_refused_by_its_field(planned):
    folder, _ = planned
    own = (folder / "lobes.toml").read_text(encoding="utf-8").replace('"left-upper"', '"lingula"')
    (folder / "strange.toml").write_text(own, encoding="utf-8")
    done = run("plan", "list.csv", "--protocol", "strange.toml", "--json", cwd=folder)
    assert json.loads(done.stdout)["error"]["field"] == "perfusion.targets"
