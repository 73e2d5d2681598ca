"""The command line, run as a person runs it."""

import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import pytest

from clearlung import RESEARCH_NOTICE
from clearlung.casefile import read_ledger
from clearlung.manifest import file_sha256
from clearlung.result_folder import plan_schema

from .command_line import run, run_apart
from .lists import write_list


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    write_list(folder / "list.csv", 170, places=True)
    done = run("plan", "list.csv", "--json", "-o", "out", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_summary_and_the_plan_agree(planned):
    folder, summary = planned
    plan = json.loads((folder / "out" / "plan.json").read_text())
    assert summary["operations"] == len(plan["operations"])
    assert summary["lesions_removed"] + summary["lesions_left"] == 170
    removed = [n for op in plan["operations"] for s in op["specimens"] for n in s["lesions"]]
    left = [u["lesion"] for u in plan["unassigned"]]
    assert sorted(removed + left) == list(range(1, 171))
    assert plan["solver"]["status"] in {"optimal", "feasible"}
    assert plan["notice"] == RESEARCH_NOTICE


def test_the_plan_obeys_its_published_schema(planned):
    folder, _ = planned
    plan = json.loads((folder / "out" / "plan.json").read_text())
    schema = json.loads(plan_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(plan, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plan | {"surprise": 1}, schema)
    del plan["operations"][0]["side"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plan, schema)


def test_the_manifest_names_every_file_by_its_hash(planned):
    folder, _ = planned
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    files = {p.name for p in (folder / "out").iterdir()} - {"manifest.json"}
    assert set(manifest["outputs"]) == files
    for name, digest in manifest["outputs"].items():
        assert file_sha256(folder / "out" / name) == digest
    assert manifest["inputs"] == [{"kind": "nodule list", "sha256": file_sha256(folder / "list.csv")}]


def test_the_ledger_has_every_lesion_once(planned):
    folder, _ = planned
    events = read_ledger(folder / "out" / "ledger.jsonl")
    assert sorted(e.lesion for e in events if e.kind == "found") == list(range(1, 171))
    assert sorted(e.lesion for e in events if e.kind != "found") == list(range(1, 171))


def test_the_same_input_and_seed_give_the_same_plan(planned):
    folder, _ = planned
    again = run_apart("plan", "list.csv", "--json", "-o", "again", cwd=folder)
    assert again.returncode == 0, again.stderr

    def timeless(name):
        plan = json.loads((folder / name / "plan.json").read_text())
        del plan["solver"]["seconds"]
        return plan

    assert timeless("out") == timeless("again")


def test_an_earlier_result_is_not_overwritten_unless_forced(planned):
    folder, _ = planned
    refused = run("plan", "list.csv", "-o", "out", cwd=folder)
    assert refused.returncode == 7
    assert "--force" in refused.stderr
    assert run("plan", "list.csv", "-o", "out", "--force", cwd=folder).returncode == 0


def test_the_table_for_people_carries_the_notice_and_the_report_path(tmp_path):
    write_list(tmp_path / "list.csv", 12)
    done = run("plan", "list.csv", "-o", "for-people", cwd=tmp_path)
    assert "Research software" in done.stdout
    assert "for-people/report.html" in done.stdout
    assert done.stderr == ""  # the progress bar is silent where there is no terminal


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("plan", "list.csv", "--protocol", "bold"), 4, "neither a file nor one of"),
        (("plan", "list.csv", "--case", "nowhere.toml"), 4, "there is no file"),
        (("plan", "nowhere.nii.gz"), 3, "nowhere.nii.gz"),
        (("plan", "broken.csv"), 4, "line 2, side"),
        (("plan", "list.csv", "-o", "no/such/place"), 7, "is not a folder"),
        (("plan", "list.csv", "--protocol", "strict.toml"), 5, "No plan"),
        (("plan",), 2, "INPUT"),
        (("serve", "."), 7, "holds no result"),
        (("phantom", "-o", "scan.dcm"), 7, "must end in"),
        (("phantom", "-o", "no/scan.nii"), 7, "does not exist"),
    ],
)
def test_what_goes_wrong_has_its_exit_code_and_leaves_nothing(tmp_path, arguments, code, says):
    write_list(tmp_path / "list.csv", 5)
    (tmp_path / "broken.csv").write_text("id,side,lobe,diameter_mm,depth_mm\n1,middle,RUL,5,5\n")
    from importlib.resources import files

    shipped = (files("clearlung.staging") / "protocols" / "conservative.toml").read_text()
    strict = shipped.replace(
        'fev1_after_percent_min = { evidence = "protocol.function.fev1_after" }',
        "fev1_after_percent_min = 95",
    )
    assert strict != shipped
    (tmp_path / "strict.toml").write_text(strict)
    before = sorted(os.listdir(tmp_path))
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process is ended without being told")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_run_that_is_told_to_end_leaves_nothing_half_written(tmp_path, name):
    write_list(tmp_path / "list.csv", 100)
    out = tmp_path / "results"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "clearlung.cli", "plan", "list.csv", "-o", "results/plan"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not os.listdir(out):
        time.sleep(0.005)
    number = getattr(signal, name)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    assert os.listdir(out) == []


def test_errors_are_machine_readable_too(tmp_path):
    write_list(tmp_path / "list.csv", 5)
    done = run("plan", "list.csv", "--protocol", "bold", "--json", cwd=tmp_path)
    error = json.loads(done.stdout)["error"]
    assert error["type"] == "ProtocolError"
    assert error["field"] == "protocol"


def test_the_shipped_protocols_are_listed(tmp_path):
    done = run("protocols", "--json", cwd=tmp_path)
    assert [p["name"] for p in json.loads(done.stdout)] == ["conservative", "high-volume", "weighed"]
    assert "nodules_max" in run("protocols", cwd=tmp_path).stdout


def test_who_names_no_protocol_is_shown_the_others_beside_it(planned):
    folder, summary = planned
    assert summary["protocol"] == "high-volume"
    assert [other["protocol"] for other in summary["compared"]] == ["conservative", "weighed"]
    assert "Compared with other protocols" in (folder / "out" / "report.html").read_text()


def test_who_names_a_protocol_is_shown_no_other(tmp_path):
    write_list(tmp_path / "list.csv", 12)
    named = run("plan", "list.csv", "--protocol", "high-volume", "--json", cwd=tmp_path)
    assert "compared" not in json.loads(named.stdout)


def test_the_evidence_is_listed_by_the_beginning_of_its_ids(tmp_path):
    done = run("evidence", "technique.laser", "--json", cwd=tmp_path)
    entries = {entry["id"]: entry for entry in json.loads(done.stdout)}
    assert entries["technique.laser.rim"]["value"] == 5
    assert entries["technique.laser.depth_limit"]["tag"] == "assumed"
    assert all(key.startswith("technique.laser") for key in entries)
    assert "5 mm" in run("evidence", "technique.laser.rim", cwd=tmp_path).stdout
    nothing = run("evidence", "alchemy", cwd=tmp_path)
    assert nothing.returncode == 4
    assert "alchemy" in nothing.stderr


def test_conservative_needs_at_least_twelve_operations_for_170(planned):
    folder, _ = planned
    done = run("plan", "list.csv", "--protocol", "conservative", "--json", "-o", "conservative", cwd=folder)
    summary = json.loads(done.stdout)
    assert summary["operations"] >= 12
    assert summary["nodules_max"] <= 15
