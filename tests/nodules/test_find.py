import numpy as np
import pytest

from clearlung.anatomy import LOBES, SIDES, segment_anatomy
from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.errors import FieldError
from clearlung.nodules import (
    Candidates,
    NoduleOptions,
    detect_nodules,
    detector_names,
    find_nodules,
    match_nodules,
    outline_detections,
    register_detector,
    sphere_volume_mm3,
)
from clearlung.nodules.candidates import _DETECTORS
from tests.anatomy.bodies import Body

# x, y, z, diameter, HU
BALLS = [
    (-60.0, 10.0, 30.0, 6.0, 40.0),
    (-45.0, -20.0, -20.0, 10.0, 40.0),
    (-70.0, 15.0, -35.0, 16.0, 30.0),
    (52.0, 5.0, 45.0, 8.0, 40.0),
    (60.0, -15.0, -10.0, 5.0, 50.0),
    (65.0, 20.0, -40.0, 22.0, 40.0),
    (87.0, 0.0, 5.0, 9.0, 40.0),  # at the ribs: its center 10 mm below the pleura
    (40.0, 10.0, 0.0, 7.0, 600.0),
    # a bridge between two
    (60.0, -30.0, 15.0, 8.0, 40.0),
    (68.5, -30.0, 15.0, 8.0, 40.0),
]


@pytest.fixture(scope="module")
def balls():
    return np.array(BALLS)


@pytest.fixture(scope="module")
def scan():
    return Body(balls=BALLS).scan()


@pytest.fixture(scope="module")
def anatomy(scan):
    return segment_anatomy(scan)


@pytest.fixture(scope="module")
def table(scan, anatomy):
    return find_nodules(scan, anatomy)


def test_every_ball_is_found_and_nothing_else(table, balls):
    match = match_nodules(balls[:, :3], balls[:, 3], table.points_mm)
    assert match.hits == len(balls)
    assert match.false == 0


def test_balls_are_measured(table, balls):
    rows = match_nodules(balls[:, :3], balls[:, 3], table.points_mm).found_of_known
    assert table.points_mm[rows] == pytest.approx(balls[:, :3], abs=0.5)
    soft = balls[:, 4] < 200
    assert table.diameter_mm[rows][soft] == pytest.approx(balls[soft, 3], rel=0.03)
    assert table.volume_mm3[rows][soft] == pytest.approx(sphere_volume_mm3(balls[soft, 3]), rel=0.1)
    # The blur of calcium is brighter than soft tissue for some way.
    assert table.diameter_mm[rows] == pytest.approx(balls[:, 3], rel=0.08)
    assert table.diameter_mm == pytest.approx(np.cbrt(6 / np.pi * table.volume_mm3))
    assert table.depth_mm[rows[6]] == pytest.approx(10.0, abs=1.0)
    assert table.calcified[rows].tolist() == [hu > 200 for hu in balls[:, 4]]
    assert table.side[rows].tolist() == ["right" if x < 0 else "left" for x in balls[:, 0]]
    assert np.isnan(table.vdt_days).all()
    assert (table.probability >= NoduleOptions().threshold).all()


def test_nodules_are_numbered_by_side_lobe_and_height(table):
    order = [
        (SIDES.index(s), LOBES.index(b), -z)
        for s, b, z in zip(table.side, table.lobe, table.z_mm, strict=True)
    ]
    assert order == sorted(order)


def test_labels_and_table_agree(table, scan, anatomy):
    labels = table.labels.array
    assert labels.dtype == np.int32
    assert table.labels.on_same_grid(anatomy.lungs)
    assert np.array_equal(np.unique(labels), np.arange(len(table) + 1))
    assert (anatomy.lungs.array[labels > 0] > 0).all()
    hu = scan.volume.array[anatomy.box]
    for row, center in enumerate(table.points_mm):
        own = labels == row + 1
        assert table.labels.points_mm(np.argwhere(own)).mean(axis=0) == pytest.approx(center, abs=0.6)
        assert table.mean_hu[row] == pytest.approx(hu[own].mean())
        assert table.max_hu[row] == hu[own].max()
        voxels_mm3 = np.count_nonzero(own) * table.labels.voxel_ml * 1000
        # A voxel that is half nodule counts whole: of a ball of 5 mm on voxels of 1.25 mm, 30 % may be so.
        assert voxels_mm3 == pytest.approx(table.volume_mm3[row], rel=0.3)


def test_empty_lungs_give_an_empty_table():
    scan = Body(noise_hu=20.0).scan()
    table = find_nodules(scan, segment_anatomy(scan))
    assert len(table) == 0
    assert not table.labels.array.any()


@pytest.mark.parametrize("axes", [((0, 1, 2), (True, True, False)), ((2, 0, 1), (False, True, True))])
def test_the_order_of_the_axes_in_the_file_does_not_matter(axes, scan, table):
    turned = AxisOrder(*axes)
    native = turned.to_native(scan.volume.array)
    affine = np.eye(4)
    full = scan.volume.to_sitk(turned)
    affine[:3, :3] = (np.reshape(full.GetDirection(), (3, 3)) * np.asarray(full.GetSpacing()))[:, ::-1]
    affine[:3, 3] = full.GetOrigin()
    volume, order = Volume.canonical(native, affine)
    again = Scan(volume, order, scan.source, scan.series, "")
    other = find_nodules(again, segment_anatomy(again))
    assert other.points_mm == pytest.approx(table.points_mm, abs=1e-3)
    assert other.volume_mm3 == pytest.approx(table.volume_mm3)


def test_a_scan_moved_in_space_gives_the_same_nodules_moved(scan, table):
    far = Volume(scan.volume.array, scan.volume.spacing_mm, (100.0, 200.0, -300.0), scan.volume.direction)
    moved = Scan(far, scan.native, scan.source, scan.series, "")
    other = find_nodules(moved, segment_anatomy(moved))
    shift = np.subtract(far.origin_mm, scan.volume.origin_mm)
    assert other.points_mm - shift == pytest.approx(table.points_mm, abs=1e-6)


def test_a_higher_threshold_finds_a_part_of_what_a_lower_one_finds(scan, anatomy):
    low = find_nodules(scan, anatomy, NoduleOptions(least_probability=0.2))
    high = find_nodules(scan, anatomy, NoduleOptions(least_probability=0.9))
    assert len(high) <= len(low)
    assert (high.probability >= 0.9).all()


def test_finding_is_detecting_and_outlining_what_is_likely(scan, anatomy, table):
    every = detect_nodules(scan, anatomy, NoduleOptions(least_probability=0.001))
    assert (np.diff(every.probability) <= 0).all()
    likely = every.likely(NoduleOptions().threshold)
    assert len(likely) <= len(every)
    again = outline_detections(scan, anatomy, likely)
    assert again.points_mm == pytest.approx(table.points_mm)
    assert again.volume_mm3 == pytest.approx(table.volume_mm3)
    assert again.probability == pytest.approx(table.probability)


def test_outlines_that_a_detector_brings_are_kept_and_judged(scan, anatomy):
    labels = np.zeros(anatomy.lungs.shape, dtype=np.int32)
    places = np.rint(anatomy.lungs.indices([BALLS[2][:3], (-60.0, 40.0, 40.0)])).astype(int)
    for number, (z, y, x) in enumerate(places, start=1):
        labels[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] = number

    @register_detector("two cubes")
    def two_cubes(scan, anatomy, smallest_mm):
        return Candidates(
            places.astype(float), np.array([16.0, 6.0]), labels=labels, warnings=("They are cubes.",)
        )

    try:
        found = find_nodules(scan, anatomy, NoduleOptions(detector="two cubes"))
    finally:
        del _DETECTORS["two cubes"]
    voxels = 125 * anatomy.lungs.voxel_ml * 1000.0
    assert found.volume_mm3 == pytest.approx([voxels, voxels])
    assert found.warnings == ("They are cubes.",)
    on_the_ball = np.argmin(np.linalg.norm(found.points_mm - BALLS[2][:3], axis=1))
    assert found.probability[on_the_ball] > 0.5 > found.probability[1 - on_the_ball]


def test_small_nodules_can_be_left_out(scan, anatomy):
    assert (find_nodules(scan, anatomy, NoduleOptions(smallest_mm=9.0)).diameter_mm > 8.5).all()


@pytest.mark.parametrize(
    "values", [{"smallest_mm": 0.0}, {"least_probability": 1.5}, {"smallest_mm": np.nan}]
)
def test_impossible_options_are_refused(values):
    with pytest.raises(FieldError, match="must be"):
        NoduleOptions(**values)


def test_a_detector_can_be_plugged_in_by_name(scan, anatomy):
    @register_detector("one place")
    def one_place(scan, anatomy, smallest_mm):
        index = anatomy.lungs.indices([BALLS[1][:3]])
        return Candidates(index, np.array([9.0]), np.array([0.75]))

    try:
        assert set(detector_names()) >= {"blob", "one place"}
        found = find_nodules(scan, anatomy, NoduleOptions(detector="one place"))
        assert found.probability.tolist() == [0.75]
        assert found.points_mm[0] == pytest.approx(BALLS[1][:3], abs=0.5)
        with pytest.raises(ValueError, match="registered already"):
            register_detector("one place")(one_place)
    finally:
        del _DETECTORS["one place"]
    with pytest.raises(FieldError, match="known are blob"):
        find_nodules(scan, anatomy, NoduleOptions(detector="one place"))
