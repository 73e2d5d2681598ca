"""Whatever axis order and format a volume is written in, it is read back to the same millimeter."""

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.ct import Volume, read_scan, read_volume, write_volume

from .chests import ALL_ORDERS, assert_same_place, chest
from .dicom_files import write_series
from .plain_files import write_mha, write_nifti, write_nrrd

FORMATS = [".nii", ".nii.gz", ".nrrd", ".mha"]
WRITERS = {".nii": write_nifti, ".nii.gz": write_nifti, ".nrrd": write_nrrd, ".mha": write_mha}


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_axis_order_is_read_back(tmp_path, suffix):
    truth = chest(degrees=(4.0, -7.0, 3.0))
    path = tmp_path / f"scan{suffix}"
    for order in ALL_ORDERS:
        write_volume(truth, path, order)
        scan = read_scan(path)
        assert scan.native == order
        assert_same_place(scan.volume, truth)
        labels, label_order = read_volume(path)
        assert label_order == order
        assert labels.on_same_grid(scan.volume)


@pytest.mark.parametrize("suffix", FORMATS)
def test_headers_written_by_hand_are_read_to_the_same_place(tmp_path, suffix):
    truth = chest(degrees=(-6.0, 2.0, 5.0))
    path = tmp_path / f"scan{suffix}"
    for order in ALL_ORDERS[::5]:
        WRITERS[suffix](path, truth, order)
        scan = read_scan(path)
        assert scan.native == order
        assert_same_place(scan.volume, truth)


@pytest.mark.parametrize("suffix", FORMATS)
def test_simpleitk_sees_what_was_written_at_the_same_place(tmp_path, suffix):
    truth = chest(degrees=(4.0, -7.0, 3.0))
    for order in ALL_ORDERS[::7]:
        path = tmp_path / f"scan{suffix}"
        write_volume(truth, path, order)
        volume, seen = Volume.from_sitk(sitk.ReadImage(str(path)))
        assert seen == order
        assert_same_place(volume, truth)


def test_every_dicom_orientation_is_read_back(tmp_path):
    truth = chest(degrees=(4.0, -7.0, 3.0))
    for number, order in enumerate(ALL_ORDERS):
        write_series(tmp_path / str(number), truth, order)
        scan = read_scan(tmp_path / str(number))
        # stacking order is not stored in DICOM: the slice axis follows the images' normal
        assert scan.native.permutation == order.permutation
        assert_same_place(scan.volume, truth)


angles = st.floats(-12.0, 12.0).filter(math.isfinite)
chests = st.builds(
    chest,
    shape=st.tuples(*[st.integers(16, 24)] * 3),
    spacing_mm=st.tuples(*[st.floats(3.9, 4.9)] * 3),
    origin_mm=st.tuples(*[st.floats(-500.0, 500.0)] * 3),
    degrees=st.tuples(angles, angles, angles),
    seed=st.integers(0, 9),
)


@settings(max_examples=60, deadline=None)
@given(truth=chests, order=st.sampled_from(ALL_ORDERS), suffix=st.sampled_from(FORMATS))
def test_any_grid_is_read_back(truth, order, suffix):
    with TemporaryDirectory() as folder:
        path = Path(folder, f"scan{suffix}")
        write_volume(truth, path, order)
        scan = read_scan(path)
    assert scan.native == order
    assert_same_place(scan.volume, truth)
    assert scan.slice_spacing_mm == pytest.approx(max(truth.spacing_mm), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(truth=chests, order=st.sampled_from(ALL_ORDERS))
def test_any_dicom_grid_is_read_back(truth, order):
    with TemporaryDirectory() as folder:
        write_series(Path(folder), truth, order)
        scan = read_scan(folder)
    assert_same_place(scan.volume, truth)


def test_axis_order_does_not_change_the_scan(tmp_path):
    truth = chest()
    scans = []
    for order in ALL_ORDERS[::11]:
        write_volume(truth, tmp_path / "scan.nrrd", order)
        scans.append(read_scan(tmp_path / "scan.nrrd"))
    for scan in scans:
        np.testing.assert_array_equal(scan.volume.array, scans[0].volume.array)
        assert scan.slice_spacing_mm == scans[0].slice_spacing_mm
        assert scan.warnings == scans[0].warnings
