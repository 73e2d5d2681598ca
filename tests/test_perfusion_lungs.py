"""The lungs of a perfusion: of a scan against its own voxels, and of what earlier commands left."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from clearlung.anatomy import LOBE_LABELS, Anatomy
from clearlung.anatomy_folder import anatomy_json, describe_anatomy
from clearlung.ct import read_scan
from clearlung.errors import OutputError, PerfusionRefused
from clearlung.evidence import load_evidence
from clearlung.nodule_folder import open_nodule_folder
from clearlung.nodule_jobs import planned_nodules
from clearlung.perfusion import RegimenChanges, lungs_of_scan, reference_lungs, tissue_ml, volume_ml
from clearlung.perfusion_folder import write_perfusion
from clearlung.perfusion_jobs import PERFUSE_PHASES, PerfusionRequest, make_perfusion
from clearlung.perfusion_lungs import NODULES_COUNTED, ScanOptions, find_lungs, kind_of_source
from clearlung.perfusion_record import perfusion_schema
from clearlung.progress import Stopwatch
from clearlung.staging import Unseen, load_protocol, problem_json
from clearlung.workflow import PlanRequest, make_plan

from .lists import write_list

BOOK = load_evidence()
SCANNED_ML = np.array([900.0, 400.0, 0.0, 1100.0, 1000.0])
"""Lobes of a scan after a right lower lobectomy."""
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def protocol():
    return load_protocol("high-volume")


@pytest.fixture(scope="module")
def phantom(coarse):
    return coarse


@pytest.fixture(scope="module")
def scan(coarse_found, tmp_path_factory):
    """A scan whose file has another axis order than ours."""
    return shutil.copytree(coarse_found, tmp_path_factory.mktemp("perfuse") / "found") / "scan.nrrd"


@pytest.fixture(scope="module")
def found(scan):
    return scan.parent / "nodules"


def truth(phantom):
    """The phantom's own lobes as an anatomy, whole scan."""
    grid = phantom.scan.volume
    flat = grid.with_array(np.zeros(grid.shape, dtype=np.float32))
    lobes = phantom.lobes.array
    lungs = np.where(lobes > 3, 2, np.where(lobes > 0, 1, 0)).astype(np.uint8)
    box = tuple(slice(0, n) for n in grid.shape)
    return Anatomy(box, grid.with_array(lungs), phantom.lobes, flat, flat, "the truth")


def by_hand(hu, lobes, voxel_ml, without):
    """Volume and tissue of each lobe, voxel by voxel."""
    tissue = np.clip((hu.astype(float) + 1000) / 1000, 0, 1)
    inside = [(lobes == label) & ~without for label in LOBE_LABELS.values()]
    return [(voxel_ml * mask.sum(), voxel_ml * tissue[mask].sum()) for mask in inside]


def pairs(lungs):
    return [(one.volume_ml, one.tissue_ml) for one in lungs.lobes]


def test_a_phantoms_lobes_hold_what_its_voxels_say(phantom):
    without = phantom.nodules.array > 0
    nodules = replace(phantom.truth, labels=phantom.nodules)
    lungs = lungs_of_scan(phantom.scan, truth(phantom), BOOK, nodules)
    wanted = by_hand(phantom.scan.volume.array, phantom.lobes.array, phantom.scan.volume.voxel_ml, without)
    np.testing.assert_allclose(pairs(lungs), wanted, rtol=1e-9)
    # Published proportions, within what people differ by.
    assert 100 * volume_ml(lungs.lung("right")) / volume_ml(lungs.lobes) == pytest.approx(53.6, abs=5)
    assert 0.08 < tissue_ml(lungs.lobes) / volume_ml(lungs.lobes) < 0.35


def test_a_scan_with_its_reviewed_nodules_is_perfused_end_to_end(scan, found, protocol, tmp_path):
    request = PerfusionRequest(
        protocol=protocol, side="right", source=scan, scan=ScanOptions(nodules=found), draws=500
    )
    watch = Stopwatch()
    made = make_perfusion(request, watch)
    record = write_perfusion(made, tmp_path / "out", options={}, watch=watch)
    assert {time.phase for time in watch.times} == set(PERFUSE_PHASES)
    kept = json.loads((tmp_path / "out" / "perfusion.json").read_text())
    jsonschema.validate(kept, json.loads(perfusion_schema()))
    assert record.volumes.source == "scan"
    assert record.mass_balance_error < 1e-6
    kinds = {part["kind"] for part in json.loads((tmp_path / "out" / "manifest.json").read_text())["inputs"]}
    assert "review" in kinds
    opened = open_nodule_folder(found)
    nodules = planned_nodules(opened, protocol.nodules.false_per_scan)
    lungs = lungs_of_scan(read_scan(scan), opened.anatomy(), BOOK, nodules)
    assert pairs(made.patient.lungs) == pairs(lungs)
    assert record.target.nodules == int((nodules.side == "right").sum())
    assert record.unseen is not None
    assert made.patient.unseen.slice_mm == pytest.approx(opened.found.grid.spacing_mm[0])
    assert [part.volume_ml for part in made.patient.unseen.lungs] == [ml for ml, _ in pairs(lungs)]


def test_a_dose_above_the_maximum_is_refused_before_the_scan_is_read(protocol, tmp_path):
    request = PerfusionRequest(
        protocol=protocol,
        side="left",
        source=tmp_path / "no-scan.nii.gz",
        changes=RegimenChanges(dose_mg=60),
    )
    with pytest.raises(PerfusionRefused, match="60 mg is above 50 mg"):
        make_perfusion(request)


def test_a_folder_of_nodules_has_the_scans_volumes_and_published_tissue(scan, found, protocol):
    without_scan = find_lungs(found, protocol)
    with_scan = find_lungs(scan, protocol, ScanOptions(nodules=found))
    for ours, theirs in zip(without_scan.lungs.lobes, with_scan.lungs.lobes, strict=True):
        assert ours.volume_ml == pytest.approx(theirs.volume_ml, rel=1e-6)
        assert ours.tissue_ml == pytest.approx(ours.volume_ml * 530 / 5000)
    assert without_scan.seen == with_scan.seen
    assert without_scan.unseen.seen == with_scan.unseen.seen
    assert without_scan.unseen.detection == with_scan.unseen.detection
    assert any("densities of the scan are not known" in note for note in without_scan.lungs.notes)


def test_a_folder_of_anatomy_keeps_volume_and_tissue(phantom, protocol, tmp_path):
    text = anatomy_json(describe_anatomy(truth(phantom), phantom.scan))
    (tmp_path / "anatomy.json").write_text(text, encoding="utf-8")
    kept = find_lungs(tmp_path, protocol)
    np.testing.assert_allclose(
        pairs(kept.lungs), pairs(lungs_of_scan(phantom.scan, truth(phantom), BOOK)), atol=0.06
    )
    assert kept.seen is None
    assert kept.unseen is None
    assert NODULES_COUNTED in kept.lungs.notes
    (tmp_path / "anatomy.json").write_text("{}")
    with pytest.raises(OutputError, match="make it again"):
        find_lungs(tmp_path, protocol)


def test_a_plan_of_a_list_has_published_lungs_and_its_lesions(protocol, tmp_path):
    made = make_plan(PlanRequest(source=write_list(tmp_path / "list.csv", 12), protocol=protocol))
    (tmp_path / "problem.json").write_text(problem_json(made.problem), encoding="utf-8")
    kept = find_lungs(tmp_path, protocol)
    assert kept.lungs == reference_lungs(protocol.book())
    assert kept.seen is not None
    assert sum(kept.seen.values()) == 12
    assert kept.unseen == made.problem.unseen


def test_what_a_plans_operations_found_and_perfused_is_not_unseen_again(protocol, tmp_path):
    made = make_plan(PlanRequest(source=write_list(tmp_path / "list.csv", 12), protocol=protocol)).problem
    parts = {"found": ({"week": 1.0, "found": {"LUL": 3, "LLL": 0}},), "weeks_since_ct": 3.0}
    perfused = {"perfused": ({"week": 1.0, "side": "left", "target": "left-upper"},)}

    def unseen(**more):
        told = Unseen.model_validate(made.unseen.model_dump() | parts | more)
        (tmp_path / "problem.json").write_text(problem_json(replace(made, unseen=told)), encoding="utf-8")
        return make_perfusion(PerfusionRequest(protocol=protocol, side="left", source=tmp_path)).unseen

    before, after = unseen(), unseen(**perfused)
    upper, lower = zip(before.lobes, after.lobes, strict=True)
    assert upper[1].unseen.mean < upper[0].unseen.mean
    assert lower[1].unseen == lower[0].unseen


def test_a_plan_of_a_scan_has_its_volumes_and_published_tissue(protocol, tmp_path):
    made = make_plan(PlanRequest(source=write_list(tmp_path / "list.csv", 12), protocol=protocol))
    patient = made.problem.patient
    measured = replace(patient, lungs=replace(patient.lungs, share_method="ct volume"), lobe_ml=SCANNED_ML)
    text = problem_json(replace(made.problem, patient=measured))
    (tmp_path / "problem.json").write_text(text, encoding="utf-8")
    kept = find_lungs(tmp_path, protocol).lungs
    assert kept.source == "scan"
    np.testing.assert_allclose(pairs(kept)[0], (SCANNED_ML[0], SCANNED_ML[0] * 530 / 5000))
    assert [one.lobe for one in kept.lobes] == ["RUL", "RML", "LUL", "LLL"]
    assert NODULES_COUNTED in kept.notes


def test_a_source_is_told_by_what_it_holds(tmp_path, found):
    assert kind_of_source(None) == "reference"
    assert kind_of_source(tmp_path / "some.CSV") == "list"
    assert kind_of_source(found) == "nodules"
    assert kind_of_source(tmp_path) == "scan"


def test_the_published_schema_is_the_programs():
    assert (ROOT / "docs" / "perfusion.schema.json").read_text() == perfusion_schema()
