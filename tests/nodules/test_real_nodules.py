"""The radiologists' solid nodules of 5 mm and more, and the outlined tumors, must be found."""

import csv

import numpy as np
import pytest

from clearlung.ct import read_volume
from clearlung.nodules import match_nodules

MOST_FALSE = 30
SOLID_TEXTURE = 2.5  # the radiologists' scale runs from 1, ground glass, to 5, solid

pytestmark = pytest.mark.real_scan


@pytest.mark.parametrize("name", ["LIDC-IDRI-0001", "LIDC-IDRI-0003"])
def test_what_radiologists_marked_is_found(real_plan, real_scans, name):
    with (real_scans / name / "nodules.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if float(row["texture"]) >= SOLID_TEXTURE]
    known = np.array([[float(row[key]) for key in ("x_lps", "y_lps", "z_lps")] for row in rows])
    diameter = np.array([float(row["equiv_diam_mm"]) for row in rows])
    table = real_plan(name).nodules
    match = match_nodules(known, diameter, table.points_mm)
    assert match.hits == len(rows)
    assert match.false <= MOST_FALSE
    # Outlines of readers include the partial-volume rim, so theirs are the larger ones.
    assert table.diameter_mm[match.found_of_known] == pytest.approx(diameter, rel=0.2)
    for side in ("right", "left"):
        assert 1000 < real_plan(name).lung_ml[side] < 4500


@pytest.mark.parametrize("name", ["QIN-LSC-0014", "QIN-LSC-0028", "QIN-LSC-0088"])
def test_outlined_tumors_are_found(real_plan, real_scans, name):
    table = real_plan(name).nodules
    tumor, _ = read_volume(real_scans / name / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    volume = len(inside) * tumor.voxel_ml * 1000.0
    center = tumor.points_mm(inside).mean(axis=0)
    match = match_nodules(center[None], np.cbrt([6.0 / np.pi * volume]), table.points_mm)
    assert match.hits == 1
    assert match.false <= MOST_FALSE
    assert table.volume_mm3[match.found_of_known[0]] == pytest.approx(volume, rel=0.35)
