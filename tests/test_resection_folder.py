"""`clearlung resect`: what it leaves on disk says what goes, what stays, and agrees with itself."""

import csv
import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import SimpleITK as sitk

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import LOBES
from clearlung.errors import OutputError
from clearlung.manifest import file_sha256
from clearlung.resection import RULE_SETS
from clearlung.resection_folder import COLUMNS, write_resection
from clearlung.resection_jobs import make_resection
from clearlung.resection_record import describe_resection, specimens_schema
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest

from .lists import write_list

FILES = {
    "specimens.json",
    "specimens.csv",
    "specimens.png",
    "specimens-slices.png",
    "specimens.nii.gz",
    "manifest.json",
}


@pytest.fixture(scope="module")
def protocol():
    return load_protocol("high-volume")


@pytest.fixture(scope="module")
def scan(coarse_found, tmp_path_factory):
    """A scan whose file has another axis order than ours."""
    return shutil.copytree(coarse_found, tmp_path_factory.mktemp("resect") / "found") / "scan.nrrd"


@pytest.fixture(scope="module")
def found(scan):
    return scan.parent / "nodules"


@pytest.fixture(scope="module")
def resection(scan, found, protocol):
    return make_resection(PlanRequest(source=scan, protocol=protocol, nodules=found))


@pytest.fixture(scope="module")
def out(resection, scan):
    write_resection(resection, scan.parent / "out", options={})
    return scan.parent / "out"


@pytest.fixture(scope="module")
def record(out):
    return json.loads((out / "specimens.json").read_text())


def test_everything_promised_is_there_and_nothing_else(out):
    assert {path.name for path in out.iterdir()} == FILES
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["command"] == "resect"
    assert {part["kind"] for part in manifest["inputs"]} >= {"review"}
    for name in FILES - {"manifest.json"}:
        assert manifest["outputs"][name] == file_sha256(out / name)


def test_the_record_keeps_its_published_schema(record):
    schema = json.loads(specimens_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(record, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record | {"surprise": 1}, schema)
    assert record["notice"] == RESEARCH_NOTICE


def test_every_lesion_is_in_one_chosen_specimen_or_unresectable(record, resection):
    chosen = [c for c in record["candidates"] if c["specimen"] is not None]
    inside = [lesion for candidate in chosen for lesion in candidate["lesions"]]
    left = [one["lesion"] for one in record["unresectable"]]
    assert sorted(inside + left) == sorted(resection.nodules.id.tolist())
    assert sorted(c["specimen"] for c in chosen) == list(range(1, len(chosen) + 1))
    assert record["choice"]["lesions"] == len(inside)
    assert all(one["reason"] for one in record["unresectable"])


def test_the_label_map_lies_on_the_scans_grid_and_holds_the_volumes(out, scan, resection):
    labels, image = sitk.ReadImage(str(out / "specimens.nii.gz")), sitk.ReadImage(str(scan))
    assert labels.GetSize() == image.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), image.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(labels.GetDirection(), image.GetDirection(), atol=1e-5)
    voxel_ml = float(np.prod(labels.GetSpacing())) / 1000
    counts = np.bincount(sitk.GetArrayFromImage(labels).ravel(), minlength=len(resection.specimens) + 1)
    np.testing.assert_allclose(counts[1:] * voxel_ml, resection.specimens.volume_ml, rtol=1e-6)


def test_nothing_outside_the_lungs_goes_but_the_lesions(resection):
    outside = (resection.labels > 0) & (resection.anatomy.lungs.array == 0)
    assert not (outside & (resection.nodules.labels.array == 0)).any()


def test_what_remains_is_the_lobe_less_what_goes(record, resection):
    for lobe in LOBES:
        left = record["lobes"][lobe]
        whole = resection.anatomy.lobe_ml(lobe)
        assert left["volume_ml"] == pytest.approx(whole, abs=0.06)
        assert left["remains_ml"] + left["removed_ml"] == pytest.approx(whole, abs=0.11)
    for side, lung in record["lungs"].items():
        own = [left for lobe, left in record["lobes"].items() if lobe[0] == side[0].upper()]
        for key in ("lesions", "specimens", "removed_ml"):
            assert lung[key] == pytest.approx(sum(left[key] for left in own), abs=0.2)
    total = sum(lung["removed_ml"] for lung in record["lungs"].values())
    assert total == pytest.approx(record["choice"]["removed_ml"], abs=0.3)


def test_candidates_hold_margins_lobes_and_what_they_cost(record):
    for candidate in record["candidates"]:
        assert [m["lesion"] for m in candidate["margins"]] == candidate["lesions"]
        assert sum(candidate["lobe_ml"].values()) == pytest.approx(candidate["volume_ml"], abs=0.01)
        for margin in candidate["margins"]:
            assert margin["low_mm"] <= margin["margin_mm"] <= margin["high_mm"]
        assert candidate["functional_ml"] is not None
        assert candidate["fev1_loss_points"] > 0
        widths = [cut["diameter_mm"] for cut in candidate["cuts"]]
        assert widths == sorted(widths, reverse=True)


def test_the_larger_of_two_alike_takes_more_function(record):
    alike = [c for c in record["candidates"] if c["technique"] == "laser"]
    order = np.argsort([c["volume_ml"] for c in alike])
    losses = np.array([c["fev1_loss_points"] for c in alike])[order]
    assert (np.diff(losses) >= -1e-3).all()


def test_function_has_every_method_and_every_rule_set(record):
    function = record["function"]
    by_method = {(p["measure"], p["method"]): p for p in function["predicted"]}
    methods = ("course", "segments", "volume", "density")
    assert set(by_method) == {(measure, method) for measure in ("fev1", "dlco") for method in methods}
    for (measure, _), value in by_method.items():
        assert value["low_percent"] < value["percent"] < value["high_percent"]
        assert value["percent"] < function[f"{measure}_percent"]
    assert [verdict["rule_set"] for verdict in function["verdicts"]] == list(RULE_SETS)
    assert set(function["assumed"]) >= {"fev1_percent", "dlco_percent"}
    assert function["not_available"] == []


def test_the_table_holds_the_chosen_ones(out, record):
    with (out / "specimens.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    chosen = {c["specimen"]: c for c in record["candidates"] if c["specimen"] is not None}
    assert [int(row["specimen"]) for row in rows] == sorted(chosen)
    for row in rows:
        candidate = chosen[int(row["specimen"])]
        assert row["lesions"].split() == [str(i) for i in candidate["lesions"]]
        assert row["technique"] == candidate["technique"]
        assert float(row["volume_ml"]) <= candidate["volume_ml"] + 1e-6
        least = min(candidate["margins"], key=lambda margin: margin["low_mm"])
        for column, key in (("least", "margin_mm"), ("low", "low_mm"), ("high", "high_mm")):
            assert float(row[f"margin_{column}_mm"]) == pytest.approx(least[key], abs=0.01)


def test_the_evidence_of_everything_shown_is_listed(record):
    ids = {entry["id"] for entry in record["evidence"]}
    assert "measurement.repeat.volume" in ids
    assert any(key.startswith("technique.") for key in ids)
    assert any(key.startswith("function.fev1.") for key in ids)
    assert any(key.startswith("threshold.") for key in ids)


def test_a_folder_of_nodules_does_without_the_scan(found, resection, protocol, tmp_path):
    alone = make_resection(PlanRequest(source=found, protocol=protocol))
    np.testing.assert_array_equal(alone.labels, resection.labels)
    assert np.isnan(alone.excision.candidates.functional_ml).all()
    record = write_resection(alone, tmp_path / "out", options={})
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert {p.method for p in record.function.predicted} == {"course", "segments", "volume"}
    assert any("needs the scan" in why for why in record.function.not_available)
    assert any("without the scan" in warning for warning in record.warnings)
    with_scan = describe_resection(resection)
    assert record.choice.removed_ml == with_scan.choice.removed_ml
    assert record.lobes == with_scan.lobes


def test_a_list_has_tables_and_a_picture_alone(protocol, tmp_path):
    listed = make_resection(
        PlanRequest(source=write_list(tmp_path / "list.csv", 40, places=True), protocol=protocol)
    )
    record = write_resection(listed, tmp_path / "out", options={})
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == FILES - {"specimens.nii.gz", "specimens-slices.png"}
    jsonschema.validate(
        json.loads((tmp_path / "out" / "specimens.json").read_text()), json.loads(specimens_schema())
    )
    assert record.lobes["RUL"].volume_ml is None
    assert record.choice.lesions + len(record.unresectable) == 40
    assert any("without a scan" in warning for warning in record.warnings)


def test_the_published_schema_is_the_programs():
    published = Path(__file__).parent.parent / "docs" / "specimens.schema.json"
    assert published.read_text() == specimens_schema()


def test_nothing_is_left_when_writing_fails(resection, tmp_path, monkeypatch):
    from clearlung import resection_folder

    def fail(picture):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(resection_folder, "specimen_sheet", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_resection(resection, tmp_path / "out", options={})
    assert list(tmp_path.iterdir()) == []
