"""`clearlung resect` as a person runs it."""

import json
from importlib.resources import files

import pytest
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main

from .lists import write_list


def run(*arguments):
    return CliRunner().invoke(app, ["resect", *map(str, arguments)], catch_exceptions=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_list(folder / "list.csv", 40, places=True)
    return folder


def test_the_table_for_people_says_what_remains_and_what_is_not_known(folder):
    done = run(folder / "list.csv", "-o", folder / "out")
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    for word in (
        "RUL",
        "right lung",
        "–",
        "FEV1 before",
        "accp-2013 (the protocol's): risk",
        "Not available",
    ):
        assert word in said
    assert RESEARCH_NOTICE in said
    assert "out/specimens.png" in done.stdout


def test_the_json_agrees_with_the_file(folder):
    done = run(folder / "list.csv", "-o", folder / "out-json", "--json")
    said = json.loads(done.stdout)
    record = json.loads((folder / "out-json" / "specimens.json").read_text())
    assert said["candidates"] == len(record["candidates"])
    assert said["choice"] == record["choice"]
    assert said["chosen"] == sorted(
        (c for c in record["candidates"] if c["specimen"]), key=lambda c: c["specimen"]
    )


def test_an_earlier_result_is_not_overwritten_unless_forced(folder):
    run(folder / "list.csv", "-o", folder / "twice")
    with pytest.raises(SystemExit) as refused:
        main(["resect", str(folder / "list.csv"), "-o", str(folder / "twice")])
    assert refused.value.code == 7
    assert run(folder / "list.csv", "-o", folder / "twice", "--force").exit_code == 0


def test_the_protocols_techniques_are_the_ones_that_are_used(folder):
    shipped = files("clearlung.staging") / "protocols" / "conservative.toml"
    lines = shipped.read_text(encoding="utf-8").splitlines()
    own = ['techniques = ["wedge"]' if line.startswith("techniques") else line for line in lines]
    (folder / "wedges.toml").write_text("\n".join(own))
    done = run(folder / "list.csv", "-o", folder / "wedges", "--protocol", folder / "wedges.toml", "--json")
    said = json.loads(done.stdout)
    assert said["techniques"] == ["wedge"]
    assert {specimen["technique"] for specimen in said["chosen"]} == {"wedge"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nowhere.nii.gz",), 3),
        (("list.csv", "--protocol", "bold"), 4),
        (("list.csv", "--case", "nowhere.toml"), 4),
        (("list.csv", "-o", "no/such/place"), 7),
        (("list.csv", "--series", "2"), 2),
        (("list.csv", "--nodules", "somewhere"), 2),
        (("scan.nii.gz", "--nodules", "somewhere", "--anatomy", "lobes.nii.gz"), 2),
    ],
)
def test_what_cannot_be_done_ends_with_its_code(folder, arguments, code, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(SystemExit) as ended:
        main(["resect", *arguments])
    assert ended.value.code == code
