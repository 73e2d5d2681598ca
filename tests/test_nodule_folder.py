"""`clearlung nodules`: find, review, find again and plan, from the command line, and what a crash leaves."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from clearlung import nodule_folder
from clearlung.anatomy import segment_anatomy
from clearlung.anatomy_cache import read_anatomy_cache, settled, write_anatomy_cache
from clearlung.cli import app
from clearlung.ct import AxisOrder, read_scan, write_volume
from clearlung.errors import OutputError, ReviewError
from clearlung.manifest import file_sha256
from clearlung.nodule_folder import act, open_nodule_folder
from clearlung.nodule_record import nodules_schema
from clearlung.nodules.review import accept, reject

from .anatomy.bodies import Body

BALLS = [(-55, 0, 0, 8, 30.0), (-60, 20, 40, 6, 30.0), (55, 0, 0, 10, 30.0), (60, -20, -40, 7, 30.0)]
SPACING = (2.5, 2.0, 2.0)
ORDER = AxisOrder((2, 0, 1), (True, False, True))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A scan whose file has another axis order than ours, and what was found on it."""
    folder = tmp_path_factory.mktemp("nodules")
    write_volume(Body(balls=BALLS, spacing_mm=SPACING).scan().volume, folder / "scan.nrrd", ORDER)
    done = run("find", folder / "scan.nrrd", "-o", folder / "out", "--json")
    assert json.loads(done.stdout)["found"] == len(BALLS)
    return folder


@pytest.fixture
def out(made, tmp_path):
    """A copy of it, to review."""
    import shutil

    shutil.copytree(made / "out", tmp_path / "out")
    return tmp_path / "out"


def run(*arguments, code=0):
    done = CliRunner().invoke(app, ["nodules", *map(str, arguments)], env={"CLEARLUNG_READER": ""})
    if code == 0 and done.exception:
        raise done.exception
    return done


def refused(*arguments):
    done = run(*arguments, code=1)
    assert done.exception is not None
    return done.exception


def listed(out, *more):
    return [row["id"] for row in json.loads(run("list", out, "--json", *more).stdout)["nodules"]]


def test_everything_promised_is_there(made):
    assert {path.name for path in (made / "out").iterdir() if path.name[0] != "."} == {
        "nodules.csv",
        "nodules.nii.gz",
        "nodules.json",
        "nodules.png",
        "review.jsonl",
        "manifest.json",
        "found-1.npz",
        "anatomy.npz",
        "tiles.npz",
    }
    record = json.loads((made / "out" / "nodules.json").read_text())
    jsonschema.validate(record, json.loads(nodules_schema()))
    assert "Research software" in record["notice"]


def test_the_label_map_lies_on_the_files_own_grid(made):
    scan, labels = (sitk.ReadImage(str(made / name)) for name in ("scan.nrrd", "out/nodules.nii.gz"))
    assert labels.GetSize() == scan.GetSize()
    np.testing.assert_allclose(labels.GetDirection(), scan.GetDirection(), atol=1e-5)
    np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-3)
    for row in json.loads((made / "out" / "nodules.json").read_text())["nodules"]:
        at = labels.TransformPhysicalPointToIndex((row["x_mm"], row["y_mm"], row["z_mm"]))
        assert labels[at] == row["id"]


def test_the_kept_anatomy_is_the_one_that_was_measured_on(made, tmp_path):
    anatomy = settled(segment_anatomy(read_scan(made / "scan.nrrd")))
    write_anatomy_cache(anatomy, tmp_path / "a.npz")
    back = read_anatomy_cache(tmp_path / "a.npz")
    for name in ("lungs", "lobes", "lobe_confidence", "depth_mm", "vessels", "airways", "pleura"):
        here, there = getattr(anatomy, name), getattr(back, name)
        assert (here is None) == (there is None)
        if here is not None:
            np.testing.assert_array_equal(here.array, there.array)
            assert here.on_same_grid(there)
    assert back.conditions == anatomy.conditions
    assert len(back.vessel_tree) == len(anatomy.vessel_tree)


def test_a_review_end_to_end(made, out):
    scan = made / "scan.nrrd"
    run("accept", out, 1, 2, "--by", "AB")
    run("reject", out, 3, "--by", "AB", "--why", "a vessel")
    run("redraw", out, 4, "--scan", scan, "--point", "60,-20,-40", "--diameter", 9, "--by", "AB")
    run("relabel", out, 1, "--lobe", "RML", "--by", "AB")
    assert listed(out, "--state", "rejected") == [3]
    assert listed(out, "--state", "unreviewed") == []
    run("again", out, scan, "--least-probability", 0.1, "--by", "AB")
    assert 3 not in listed(out)
    assert {1, 2, 4} <= set(listed(out))
    again = json.loads((out / "nodules.json").read_text())
    assert again["review"]["detections"] == 2
    shown = json.loads(run("show", out, 1, "--json").stdout)
    assert shown["nodule"]["lobe"] == "RML"
    assert [row["kind"] for row in shown["log"]] == ["accept", "relabel"]
    run("undo", out, 2, "--by", "AB")
    assert 3 in listed(out)
    log = json.loads(run("log", out, "--json").stdout)["log"]
    assert [row["undone"] for row in log] == [False, True, False, False, False, False]
    assert "a vessel" in run("log", out).stdout
    outputs = json.loads((out / "manifest.json").read_text())["outputs"]
    assert all(file_sha256(out / name) == digest for name, digest in outputs.items())


def test_the_tables_follow_the_review(out):
    run("reject", out, 2, "--by", "AB")
    table = (out / "nodules.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == ["1", "3", "4"]
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "nodules.nii.gz")))
    assert set(np.unique(labels)) == {0, 1, 3, 4}


def test_another_scan_is_refused(made, out, tmp_path):
    write_volume(read_scan(made / "scan.nrrd").volume, tmp_path / "other.nrrd")
    before = (out / "review.jsonl").read_bytes()
    error = refused("add", out, "--scan", tmp_path / "other.nrrd", "--point", "60,10,10", "--by", "AB")
    assert "SHA-256" in str(error)
    assert (out / "review.jsonl").read_bytes() == before


def test_bad_input_is_refused_and_changes_nothing(made, out, tmp_path):
    scan = made / "scan.nrrd"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert "who" in str(refused("accept", out, 1))
    assert "nodule 99" in str(refused("accept", out, 99, "--by", "AB"))
    assert "outside" in str(refused("add", out, "--scan", scan, "--point", "0,0,0", "--by", "AB"))
    assert "nodule 1" in str(refused("split", out, 1, "--scan", scan, "--point", "0,0,0", "--by", "AB"))
    assert isinstance(refused("list", tmp_path), OutputError)
    assert isinstance(refused("list", out, "--state", "odd"), ReviewError)
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.name != ".review.lock"}
    assert after == {name: content for name, content in before.items() if name != ".review.lock"}


@pytest.mark.parametrize("victim", ["_write_tables", "_write_pictures", "write_file", "_manifest"])
def test_a_crash_after_the_record_is_healed_by_the_next_command(out, monkeypatch, victim):
    class Crash(BaseException):
        pass

    def crash(*arguments):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(nodule_folder, victim, crash)
        with pytest.raises(Crash):
            act(out, lambda review: reject(review.state, [2]), who="AB")
    assert len((out / "review.jsonl").read_text().splitlines()) == 1
    assert listed(out) == [1, 3, 4]
    assert [line.split(",")[0] for line in (out / "nodules.csv").read_text().splitlines()[1:]] == [
        "1",
        "3",
        "4",
    ]
    assert json.loads((out / "nodules.json").read_text())["review"]["rejected"] == 1


def test_a_table_changed_by_hand_is_written_again(out):
    before = (out / "nodules.csv").read_bytes()
    (out / "nodules.csv").write_text("id\n")
    listed(out)
    assert (out / "nodules.csv").read_bytes() == before


def test_a_torn_action_is_told_and_kept(out):
    act(out, lambda review: accept(review.state, [1]), who="AB")
    with (out / "review.jsonl").open("ab") as file:
        file.write(b'{"id":2,"who":"AB","wh')
    assert "cut off" in run("list", out).output
    assert open_nodule_folder(out).torn
    act(out, lambda review: accept(review.state, [2]), who="AB")
    assert (out / "review.torn").read_bytes().startswith(b'{"id":2')
    assert not open_nodule_folder(out).torn


def test_the_queue_says_why(out):
    rows = json.loads(run("queue", out, "--json").stdout)
    assert all(row["weight"] > 0 and row["why"] for row in rows)
    assert [row["weight"] for row in rows] == sorted((row["weight"] for row in rows), reverse=True)


def test_a_plan_is_made_of_what_was_reviewed(made, out, tmp_path):
    def plan(name):
        command = ["plan", str(made / "scan.nrrd"), "--nodules", str(out), "--protocol", "high-volume"]
        done = CliRunner().invoke(app, [*command, "-o", str(tmp_path / name)], catch_exceptions=False)
        assert done.exit_code == 0
        return json.loads((tmp_path / name / "plan.json").read_text())

    act(out, lambda review: reject(review.state, [2]), who="AB")
    act(out, lambda review: accept(review.state, [1]), who="AB")
    half = plan("half")
    assert sorted(lesion["id"] for lesion in half["lesions"]) == [1, 3, 4]
    assert any("2 of the 3 planned nodules are not reviewed" in warning for warning in half["warnings"])
    act(out, lambda review: accept(review.state, [3, 4]), who="AB")
    assert not any("not reviewed" in w or "nobody" in w for w in plan("whole")["warnings"])


def test_the_published_schema_is_the_programs():
    published = Path(__file__).parent.parent / "docs" / "nodules.schema.json"
    assert published.read_text() == nodules_schema()
