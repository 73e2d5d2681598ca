"""Public scans of real patients are read as SimpleITK reads them, and the thick one is refused."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.ct import AxisOrder, Volume, list_series, read_scan, read_volume
from clearlung.errors import ScanRejected

pytestmark = [
    pytest.mark.real_scan,
    pytest.mark.skipif("CLEARLUNG_DATA" not in os.environ, reason="CLEARLUNG_DATA is not set"),
]
GENEROUS_S = 20.0


def data(name) -> Path:
    path = Path(os.environ["CLEARLUNG_DATA"], name)
    assert path.exists(), f"CLEARLUNG_DATA is set, but {path} is missing"
    return path


def reference(path: Path) -> tuple[Volume, AxisOrder]:
    if path.is_file():
        return Volume.from_sitk(sitk.ReadImage(str(path)))
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path)))
    return Volume.from_sitk(reader.Execute())


@pytest.mark.parametrize(
    ("name", "shape", "slice_mm"),
    [
        ("LIDC-IDRI-0001/ct.nii.gz", (133, 512, 512), 2.5),
        ("LIDC-IDRI-0003/dicom", (140, 512, 512), 2.5),
        ("QIN-LSC-0014/ct.nii.gz", (109, 512, 512), 3.0),
        ("QIN-LSC-0028/ct.nii.gz", (112, 512, 512), 3.0),
        ("QIN-LSC-0088/ct.nii.gz", (104, 512, 512), 3.0),
    ],
)
def test_scans_are_read_without_a_warning(name, shape, slice_mm):
    start = time.perf_counter()
    scan = read_scan(data(name))
    assert time.perf_counter() - start < GENEROUS_S
    assert scan.volume.shape == shape
    assert scan.slice_spacing_mm == pytest.approx(slice_mm, abs=1e-3)
    assert scan.warnings == ()
    expected, order = reference(data(name))
    assert scan.native == order
    assert scan.volume.on_same_grid(expected)
    assert scan.volume.array.dtype == np.int16
    np.testing.assert_array_equal(scan.volume.array, expected.array.clip(-1024, 3071))


@pytest.mark.parametrize("name", ["cip64/ct-64.nrrd", "elastix_pair/3DCT_lung_baseline.mha"])
def test_small_scans_of_other_formats(name):
    scan = read_scan(data(name))
    expected, _ = reference(data(name))
    assert scan.volume.on_same_grid(expected)
    np.testing.assert_array_equal(scan.volume.array, expected.array.clip(-1024, 3071))
    assert any("apart" in warning for warning in scan.warnings) == (name.startswith("cip64"))


def test_thick_slices_are_refused_unless_allowed():
    with pytest.raises(ScanRejected, match="8 mm apart") as caught:
        read_scan(data("thick-slices"))
    assert caught.value.code == "thick_slices"
    scan = read_scan(data("thick-slices"), allow_thick=True)
    assert scan.warnings[0].startswith("DO NOT PLAN")
    assert scan.slice_spacing_mm == 8.0
    expected, _ = reference(data("thick-slices"))
    assert scan.volume.on_same_grid(expected)


def test_label_maps_lie_on_their_scan():
    scan = read_scan(data("LIDC-IDRI-0003/dicom"))
    labels, _ = read_volume(data("LIDC-IDRI-0003/nodules_consensus50.nii.gz"))
    assert labels.on_same_grid(scan.volume)
    inside = scan.volume.array[labels.array > 0]
    assert -800 < inside.mean() < 100  # nodules, not the air that a mirrored map would lie on


def test_a_label_map_is_no_scan():
    with pytest.raises(ScanRejected, match="none is negative"):
        read_scan(data("cip64/wholeLung-64.nrrd"))


def test_the_series_of_a_real_folder():
    (info,) = list_series(data("thick-slices"))
    assert (info.number, info.slices, info.slice_spacing_mm, info.thickness_mm) == (3, 30, 8.0, 8.0)
