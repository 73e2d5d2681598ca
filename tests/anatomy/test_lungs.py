import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from clearlung.anatomy.air import find_air
from clearlung.anatomy.airways import find_airways
from clearlung.anatomy.depth import inside_distance_mm
from clearlung.anatomy.lungs import lung_box, survey_lungs
from clearlung.anatomy.sides import split_sides
from clearlung.ct import Scan
from tests.anatomy.bodies import Body, cropped, mirrored


def lungs_of(scan):
    """Label map and depth on the whole scan, and what lies beside the lungs."""
    air = find_air(scan)
    box = lung_box(air, scan.volume.shape)
    hu, spacing = scan.volume.array[box], scan.volume.spacing_mm
    found = survey_lungs(hu, spacing, box, air, find_airways(hu, spacing, box, air))
    lungs = np.zeros(scan.volume.shape, dtype=np.uint8)
    depth = np.zeros(scan.volume.shape, dtype=np.float32)
    lungs[box], depth[box] = found.labels, found.depth_mm
    return lungs, depth, found.beside


def share_inside(body, ball, lungs):
    """Share of the part of a ball within a body's lung that was found to be lung."""
    part = body.ball(*ball[:4]) & (body.radius(np.sign(ball[0])) < 1)
    return (lungs[part] > 0).mean()


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (3.0, 2.0, 1.5)])
def test_the_distance_from_a_sphere_is_exact_between_voxels(spacing):
    axes = [np.arange(-45.3, 45.0, step) for step in spacing]
    r = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2)
    depth = inside_distance_mm((r - 35.0).astype(np.float32), spacing)
    deep = r < 25.0
    assert np.abs(depth[deep] - (35.0 - r[deep])).max() < 0.1
    assert (depth[r >= 35.0] == 0).all()


def test_the_faces_of_the_array_are_no_surface():
    field = np.full((4, 5, 6), -1.0, dtype=np.float32)
    assert np.isinf(inside_distance_mm(field, (1.0, 1.0, 1.0))).all()


def test_the_depth_of_a_ball_is_exact_to_a_tenth_of_a_millimeter():
    body = Body(spacing_mm=(1.0, 1.0, 1.0), half_axes_mm=(45.0, 45.0, 45.0))
    lungs, depth, _ = lungs_of(body.scan())
    true = 45.0 * (1.0 - body.radius(1))
    well_in = true > 2.0
    error = depth[well_in] - true[well_in]
    assert abs(np.median(error)) < 0.1
    assert np.quantile(np.abs(error), 0.9) < 0.2
    assert (lungs[true > 1.0] == 2).all()


WALL = [(91, 0, 0, 40, 40), (85, 0, 0, 40, 40), (55, 45, 0, 40, 40), (-85, 10, 30, 50, 40)]


@pytest.mark.parametrize("ball", WALL)
def test_masses_of_four_and_five_centimeters_at_the_wall_are_inside(ball):
    body = Body(balls=[ball])
    lungs, _, beside = lungs_of(body.scan())
    assert share_inside(body, ball, lungs) > 0.75
    assert beside.solid_ml["left" if ball[0] > 0 else "right"] > 10
    assert beside.fluid_ml == {"right": 0.0, "left": 0.0}


@pytest.mark.parametrize("ball", [(27, 0, 0, 40, 40), (55, 0, 0, 45, 40)], ids=["mediastinum", "amid"])
def test_a_mass_with_lung_on_three_sides_is_inside(ball):
    body = Body(balls=[ball])
    lungs, _, _ = lungs_of(body.scan())
    assert share_inside(body, ball, lungs) > 0.97
    assert (lungs == 2).sum() * 1.25e-3 == pytest.approx(body.lung_ml(), rel=0.02)


def test_the_heart_between_the_lungs_is_outside():
    """A bulge of the mediastinum with a wide base has no lung on three sides."""
    body = Body(balls=[(0, -10, -20, 70, 40)])
    lungs, _, beside = lungs_of(body.scan())
    assert (lungs[body.ball(0, -10, -20, 60)] > 0).mean() < 0.02
    assert beside.solid_ml == {"right": 0.0, "left": 0.0}


@pytest.mark.parametrize("thickness_mm", [15.0, 30.0])
def test_fluid_behind_a_lung_is_outside_and_measured(thickness_mm):
    body = Body(fluid_behind_mm=thickness_mm)
    lungs, _, beside = lungs_of(body.scan())
    fluid = body.fluid()
    assert (lungs[fluid] > 0).mean() < 0.02
    true_ml = fluid.sum() * 1.25e-3
    assert 0.55 * true_ml < beside.fluid_ml["left"] < 1.05 * true_ml, "its thin edges are not counted"
    assert beside.fluid_ml["right"] == 0.0


@pytest.mark.parametrize(
    ("part", "side"),
    [({"z": slice(50, None)}, 1), ({"z": slice(None, 110)}, 1), ({"x": slice(None, 195)}, 2)],
    ids=["feet", "head", "left"],
)
def test_a_lung_cut_off_is_found_and_the_cut_is_no_pleura(part, side):
    whole = Body().scan()
    lungs, depth, _ = lungs_of(cropped(whole, **part))
    truth = Scan(whole.volume.with_array(_labels()), whole.native, whole.source, "truth", "")
    kept = cropped(truth, **part).volume.array
    inside = kept > 0
    assert (lungs[inside] == kept[inside]).mean() > 0.99
    assert depth[lungs == side].max() > 38.0, "deep at the cut too"


def _labels():
    body = Body()
    return np.where(body.radius(-1) < 1, 1, np.where(body.radius(1) < 1, 2, 0)).astype(np.int16)


@pytest.fixture(scope="module")
def found(healthy):
    return lungs_of(healthy.scan)


def test_the_lungs_of_a_phantom_overlap_with_the_truth(healthy, found):
    for label in (1, 2):
        ours, true = found[0] == label, healthy.lungs.array == label
        assert 2 * (ours & true).sum() / (ours.sum() + true.sum()) > 0.985


def test_every_nodule_at_the_pleura_is_inside(healthy, found):
    labels = healthy.nodules.array
    size = np.bincount(labels.ravel(), minlength=len(healthy.truth) + 1)[1:]
    inside = np.bincount(labels[found[0] > 0], minlength=len(healthy.truth) + 1)[1:]
    at_pleura = healthy.touches_pleura
    assert at_pleura.sum() > 5
    assert (inside[at_pleura] >= 0.95 * size[at_pleura] - 1).all(), "all but voxels at its rim"


def test_the_depth_of_a_phantoms_nodules_is_right(healthy, found):
    at = healthy.scan.volume.indices(healthy.truth.points_mm).T
    error = map_coordinates(found[1], at, order=1) - healthy.truth.depth_mm
    assert np.median(np.abs(error)) < 0.3
    assert abs(np.median(error)) < 0.3


def test_a_mirrored_patient_has_mirrored_lungs():
    body = Body(balls=[(91, 0, 0, 40, 40)], noise_hu=0.0)
    scan = body.scan()
    lungs, depth, beside = lungs_of(scan)
    turned, turned_depth, turned_beside = lungs_of(mirrored(scan))
    back = turned[:, :, ::-1]
    exchanged = np.where(back > 0, 3 - back, 0)
    assert (exchanged != lungs).mean() < 1e-3
    both = (exchanged > 0) & (lungs > 0)
    assert np.abs(turned_depth[:, :, ::-1] - depth)[both].mean() < 0.1
    assert turned_beside.solid_ml["right"] == pytest.approx(beside.solid_ml["left"], rel=0.1)


def test_lungs_that_touch_are_not_parted_through_the_airways():
    hu = np.full((60, 60, 120), 40, dtype=np.int16)
    air = np.zeros(hu.shape, dtype=np.bool_)
    air[5:55, 5:55, 5:55] = air[5:55, 5:55, 65:115] = True
    air[25:35, 8:20, 54:66] = True  # where both touch
    pocket = np.zeros_like(air)
    pocket[40:48, 30:38, 56:61] = True
    neck = np.zeros_like(air)
    neck[43:45, 33:35, 54:56] = True  # the pocket hangs on the right lung
    air |= pocket | neck
    hu[air] = -850
    hu[25:35, 8:20, 60] = -600  # the pleurae between the lungs
    hu[neck] = -500
    hu[43:45, 33:35, 61:65] = -1000  # a bronchus beyond the pocket
    sides = split_sides(air, hu, (2.0, 2.0, 2.0), 59.5)
    assert (sides[pocket] == 1).all()
    assert (sides[:, :, 70:][air[:, :, 70:]] == 2).all()
    assert ((sides > 0) == air).all()
