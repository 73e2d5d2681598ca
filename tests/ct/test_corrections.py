"""A tilted gantry is straightened and one missing slice filled, with a warning: the body stays in place."""

import numpy as np
import pytest

from clearlung.ct import Volume, read_scan, read_volume, write_volume
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import at, write_series

CENTER_MM = np.array([12.0, -7.0, -105.0])
RADIUS_MM = 28.0
SPACING_MM = (2.5, 1.5, 1.5)
SHAPE = (64, 80, 80)


def body(points_mm):
    """HU of a ball in air with an edge one voxel wide, and a slab of tissue behind it."""
    depth = RADIUS_MM - np.linalg.norm(points_mm - CENTER_MM, axis=-1)
    return np.rint(-1000.0 + 1040.0 * np.clip(depth / 2.0 + 0.5, 0.0, 1.0)).astype(np.int16)


def tilted_scan(folder, degrees, leave_out=()):
    """Write slices as a gantry tilted about the patient's left-right axis images them."""
    angle = np.radians(degrees)
    row, column = np.array([1.0, 0.0, 0.0]), np.array([0.0, np.cos(angle), np.sin(angle)])
    first = np.array([-48.0, -64.0, -185.0])
    dz, dy, dx = SPACING_MM
    table = np.arange(SHAPE[0])[:, None] * [0.0, 0.0, dz]
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    in_plane = rows[..., None] * dy * column + columns[..., None] * dx * row
    planes = body(first + table[:, None, None, :] + in_plane)

    def bend(header, i):
        header.ImageOrientationPatient = [f"{v:.8f}" for v in (*row, *column)]
        header.ImagePositionPatient = [f"{v:.8f}" for v in first + table[i]]

    write_series(folder, Volume.at(planes, SPACING_MM), bend=bend, leave_out=leave_out)


def ball_of(volume):
    """Center in mm and volume in ml of what is denser than halfway."""
    weight = np.clip((volume.array + 1000.0) / 1040.0, 0.0, 1.0)
    weight[weight < 0.02] = 0.0
    places = np.argwhere(weight > 0)
    center = np.average(volume.points_mm(places), axis=0, weights=weight[weight > 0])
    return center, float(weight.sum()) * volume.voxel_ml


@pytest.mark.parametrize("degrees", [-24.0, -5.5, 12.0, 30.0])
def test_a_tilted_gantry_leaves_the_ball_where_it_is(tmp_path, degrees):
    tilted_scan(tmp_path, degrees)
    scan = read_scan(tmp_path)
    center, ml = ball_of(scan.volume)
    np.testing.assert_allclose(center, CENTER_MM, atol=0.1)
    assert ml == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3 / 1000.0, rel=0.01)
    (warning,) = [text for text in scan.warnings if "tilted" in text]
    assert f"tilted by {abs(degrees):.1f} degrees" in warning
    assert "Label maps" in warning
    assert scan.resampled


def test_values_are_those_of_the_body_at_their_places(tmp_path):
    tilted_scan(tmp_path, 17.0)
    volume = read_scan(tmp_path).volume
    places = np.argwhere(np.ones(volume.shape, bool)).reshape(-1, 3)[::7]
    points = volume.points_mm(places)
    error = np.abs(volume.array[tuple(places.T)].astype(int) - body(points))
    inside = np.linalg.norm(points - CENTER_MM, axis=1) < RADIUS_MM - 4.0
    assert error[inside].max() <= 1
    imaged = volume.array[tuple(places.T)] > -1015  # the larger grid is air elsewhere
    assert imaged.mean() > 0.7
    assert np.mean(error[imaged]) < 2.0


def test_label_maps_of_a_tilted_scan_come_back_on_its_grid(tmp_path):
    tilted_scan(tmp_path / "scan", 12.0)
    scan = read_scan(tmp_path / "scan")
    labels = scan.volume.with_array((scan.volume.array > -400).astype(np.uint8))
    write_volume(labels, tmp_path / "labels.nii.gz", scan.native)
    read, _ = read_volume(tmp_path / "labels.nii.gz")
    assert read.on_same_grid(scan.volume)


def test_a_straight_stack_is_not_touched(tmp_path):
    tilted_scan(tmp_path, 0.0)
    scan = read_scan(tmp_path)
    assert scan.volume.shape == SHAPE
    assert not scan.resampled
    assert scan.warnings == ()


def test_a_tilt_that_is_stated_and_not_seen_is_warned_of(tmp_path):
    write_series(tmp_path, chest((18, 18, 20)), bend=at(None, GantryDetectorTilt="12"))
    assert any("states a gantry tilt of 12.0" in text for text in read_scan(tmp_path).warnings)


# One missing slice


@pytest.mark.parametrize("missing", [1, 9, 16])
def test_one_missing_slice_is_the_mean_of_its_neighbors(tmp_path, missing):
    truth = chest((18, 18, 20))
    write_series(tmp_path, truth, leave_out=[missing])
    scan = read_scan(tmp_path)
    assert scan.volume.on_same_grid(truth)
    present = [i for i in range(18) if i != missing]
    np.testing.assert_array_equal(scan.volume.array[present], truth.array[present])
    mean = (truth.array[missing - 1].astype(float) + truth.array[missing + 1]) / 2.0
    np.testing.assert_allclose(scan.volume.array[missing], mean, atol=0.5)
    (warning,) = [text for text in scan.warnings if "missing" in text]
    assert f"between image {missing} at" in warning
    assert f"and image {missing + 2} at" in warning
    assert scan.resampled


@pytest.mark.parametrize("missing", [(4, 5), (4, 9)])
def test_two_missing_slices_are_refused(tmp_path, missing):
    write_series(tmp_path, chest((18, 18, 20)), leave_out=missing)
    with pytest.raises(ScanRejected) as caught:
        read_scan(tmp_path)
    assert caught.value.code == "missing_slices"


def test_a_missing_slice_of_a_tilted_scan(tmp_path):
    tilted_scan(tmp_path, 12.0, leave_out=[30])
    scan = read_scan(tmp_path)
    center, ml = ball_of(scan.volume)
    np.testing.assert_allclose(center, CENTER_MM, atol=0.1)
    assert ml == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3 / 1000.0, rel=0.01)
    assert sum("missing" in text or "tilted" in text for text in scan.warnings) == 2
