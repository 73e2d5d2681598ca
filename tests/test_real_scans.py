"""The main job on real scans with radiologists' annotations."""

import csv
import json

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.anatomy import segment_anatomy
from clearlung.casefile import read_ledger
from clearlung.ct import AxisOrder, read_scan, read_volume, write_volume
from clearlung.errors import ScanRejected
from clearlung.nodules import find_nodules, match_nodules
from clearlung.staging import Plan, load_protocol
from clearlung.workflow import PlanRequest, make_plan

from .real import SCANS

pytestmark = pytest.mark.real_scan


def radiologists_solid_nodules(folder):
    """Centers and diameters of the solid nodules of 5 mm and more (texture 4 and 5 of 5: solid)."""
    if (folder / "nodules.csv").is_file():
        rows = list(csv.DictReader((folder / "nodules.csv").open()))
        solid = [r for r in rows if float(r["texture"]) >= 3.5 and float(r["equiv_diam_mm"]) >= 5]
        points = np.array([[float(r[c]) for c in ("x_lps", "y_lps", "z_lps")] for r in solid])
        return points, np.array([float(r["equiv_diam_mm"]) for r in solid])
    tumor, _ = read_volume(folder / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    diameter = np.cbrt(6 / np.pi * len(inside) * tumor.voxel_ml * 1000)
    return tumor.points_mm(inside).mean(axis=0)[None], np.array([diameter])


@pytest.mark.parametrize("name", SCANS)
def test_a_real_scan_ends_with_a_plan(real_plan, name):
    result = real_plan(name)
    folder = result.folder
    plan = Plan.model_validate_json((folder / "plan.json").read_text())
    removed = [lesion for operation in plan.operations for lesion in operation.lesions]
    left = [entry.lesion for entry in plan.unassigned]
    assert sorted(removed + left) == result.nodules.id.tolist()
    assert len(removed) > 0
    assert len(read_ledger(folder / "ledger.jsonl")) == 2 * len(result.nodules)
    for file in ("report.html", "report.pdf", "plan.png", "nodules.csv"):
        assert (folder / file).stat().st_size > 0


@pytest.mark.parametrize("name", SCANS)
def test_the_radiologists_solid_nodules_are_among_those_found(real_plan, real_scans, name):
    known, diameters = radiologists_solid_nodules(real_scans / name)
    assert len(known) > 0
    missed = match_nodules(known, diameters, real_plan(name).nodules.points_mm).found_of_known < 0
    assert not missed.any(), f"missed: {known[missed].tolist()}"


@pytest.mark.parametrize("name", ["LIDC-IDRI-0001", "LIDC-IDRI-0003"])
def test_label_maps_lie_on_the_scans_own_grid(real_plan, real_scans, name):
    result = real_plan(name)
    source = real_scans / name / SCANS[name]
    if source.is_dir():
        files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(source))
        scan = sitk.ReadImage(list(files))
    else:
        scan = sitk.ReadImage(str(source))
    for file in ("nodules.nii.gz", "lungs.nii.gz"):
        labels = sitk.ReadImage(str(result.folder / file))
        assert labels.GetSize() == scan.GetSize()
        for corner in ((0, 0, 0), tuple(n - 1 for n in scan.GetSize())):
            np.testing.assert_allclose(
                labels.TransformIndexToPhysicalPoint(corner),
                scan.TransformIndexToPhysicalPoint(corner),
                atol=0.01,
            )
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(result.folder / "nodules.nii.gz")))
    assert set(np.unique(labels)) - {0} == set(result.nodules.id.tolist())


def test_the_manifest_carries_nothing_of_the_patient(real_plan):
    folder = real_plan("LIDC-IDRI-0003").folder
    text = (folder / "manifest.json").read_text() + (folder / "plan.json").read_text()
    text += (folder / "report.html").read_text()
    assert "LIDC-IDRI" not in text
    assert json.loads((folder / "manifest.json").read_text())["inputs"][0]["kind"] == "dicom"


def test_a_flipped_and_permuted_copy_gives_the_same_nodules(real_plan, real_scans, tmp_path):
    name, order = "LIDC-IDRI-0001", AxisOrder((2, 0, 1), (True, False, True))
    first = real_plan(name).nodules
    scan = read_scan(real_scans / name / SCANS[name])
    write_volume(scan.volume, tmp_path / "turned.nii.gz", order)
    turned = read_scan(tmp_path / "turned.nii.gz")
    assert turned.native == order
    again = find_nodules(turned, segment_anatomy(turned))
    np.testing.assert_allclose(again.points_mm, first.points_mm, atol=0.01)
    np.testing.assert_allclose(again.diameter_mm, first.diameter_mm, rtol=1e-3)


def test_eight_millimeter_slices_are_refused(real_scans):
    with pytest.raises(ScanRejected, match="8") as caught:
        make_plan(PlanRequest(source=real_scans / "thick-slices", protocol=load_protocol("high-volume")))
    assert caught.value.code == "thick_slices"
