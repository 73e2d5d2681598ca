"""A synthetic patient on fewer voxels, by the command line, against the truth; `test_demo` has one whole."""

import csv
import json
from functools import partial

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.nodules import match_nodules
from clearlung.phantom import PhantomSpec
from clearlung.staging import Plan

from .command_line import run, run_apart


def columns(path, *names):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [np.array([float(row[name]) for row in rows]) for name in names]


SHAPE = (160, 200, 200)


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantom")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clearlung.phantom.PhantomSpec", partial(PhantomSpec, shape=SHAPE))
        made = run("phantom", "-o", "scan.nii.gz", "--nodules", 60, "--seed", 4, "--json", cwd=folder)
    assert made.returncode == 0, made.stderr
    done = run_apart("plan", "scan.nii.gz", "-o", "out", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_truth_lies_beside_the_scan(planned):
    folder, _ = planned
    assert {p.name for p in folder.iterdir()} == {
        "out",
        "scan.nii.gz",
        "scan_lobes.nii.gz",
        "scan_lungs.nii.gz",
        "scan_nodules.nii.gz",
        "scan_truth.csv",
    }
    (ids,) = columns(folder / "scan_truth.csv", "id")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "scan_nodules.nii.gz")))
    assert labels.shape == SHAPE
    assert set(np.unique(labels)) == {0, *ids.astype(int)}


def test_most_of_what_can_be_seen_is_found_where_it_is(planned):
    folder, _ = planned
    *truth, diameter = columns(folder / "scan_truth.csv", "x_mm", "y_mm", "z_mm", "diameter_mm")
    *found, found_diameter = columns(folder / "out" / "nodules.csv", "x_mm", "y_mm", "z_mm", "diameter_mm")
    match = match_nodules(np.column_stack(truth), diameter, np.column_stack(found))
    hit = match.found_of_known >= 0
    large = diameter >= 5
    assert hit[large].mean() >= 0.9
    assert match.false <= 10
    ratio = found_diameter[match.found_of_known[hit & large]] / diameter[hit & large]
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_every_finding_is_planned_or_left_with_a_reason(planned):
    folder, summary = planned
    plan = Plan.model_validate_json((folder / "out" / "plan.json").read_text())
    removed = {lesion for operation in plan.operations for lesion in operation.lesions}
    left = {entry.lesion for entry in plan.unassigned}
    assert removed | left == set(range(1, summary["nodules"] + 1))
    assert not removed & left
    limits = plan.protocol.per_operation
    for operation in plan.operations:
        assert len(operation.lesions) <= limits.nodules_max
        assert operation.minutes <= limits.minutes_max + 1e-6
        assert operation.removed_ml <= limits.removed_ml_max + 1e-6
        assert operation.fev1_after_low_percent >= plan.protocol.function.fev1_after_percent_min - 1e-6


def test_label_maps_lie_on_the_scans_grid(planned):
    folder, summary = planned
    scan = sitk.ReadImage(str(folder / "scan.nii.gz"))
    for name in ("nodules.nii.gz", "lungs.nii.gz"):
        labels = sitk.ReadImage(str(folder / "out" / name))
        assert labels.GetSize() == scan.GetSize()
        np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(labels.GetDirection(), scan.GetDirection(), atol=1e-6)
    assert sitk.GetArrayFromImage(labels).max() == 2
    nodules = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "out" / "nodules.nii.gz")))
    assert set(np.unique(nodules)) == set(range(summary["nodules"] + 1))
