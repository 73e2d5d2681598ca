import numpy as np
import pytest

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, segment_anatomy
from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.errors import ScanRejected
from clearlung.evidence import load_evidence
from tests.anatomy.bodies import Body


@pytest.fixture(scope="module")
def body():
    return Body()


@pytest.fixture(scope="module")
def anatomy(body):
    return segment_anatomy(body.scan())


def at(anatomy, volume, point):
    z, y, x = np.round(anatomy.lungs.indices([point])[0]).astype(int)
    return volume.array[z, y, x]


def test_lungs_have_their_volume_and_side(body, anatomy):
    for side in SIDES:
        assert anatomy.lung_ml(side) == pytest.approx(body.lung_ml(), rel=0.02)
    assert at(anatomy, anatomy.lungs, (-55, 0, 0)) == LUNG_LABELS["right"]
    assert at(anatomy, anatomy.lungs, (55, 0, 0)) == LUNG_LABELS["left"]


@pytest.mark.parametrize(
    ("point", "depth"),
    [((55, 0, 0), 42.0), ((55 + 32, 0, 0), 10.0), ((55 - 37, 0, 0), 5.0), ((-55, 0, 76), 4.0)],
)
def test_depth_is_the_distance_from_the_pleura(anatomy, point, depth):
    assert at(anatomy, anatomy.depth_mm, point) == pytest.approx(depth, abs=1.0)


def test_depth_and_confidence_are_zero_outside_and_only_there(anatomy):
    outside = anatomy.lungs.array == 0
    assert not anatomy.depth_mm.array[outside].any()
    assert not anatomy.lobe_confidence.array[outside].any()
    assert anatomy.depth_mm.array[~outside].min() > 0
    assert anatomy.lobe_confidence.array[~outside].min() > 0


def test_lobes_fill_the_lungs_near_the_published_shares_where_no_fissure_is_seen(anatomy):
    assert ((anatomy.lobes.array > 0) == (anatomy.lungs.array > 0)).all()
    # The right lung has two surfaces without a fissure to find, and each follows chance a little.
    within = {"right": 0.09, "left": 0.03}
    published = {lobe: load_evidence().value(f"anatomy.lobe_share.{lobe}", unit="%") for lobe in LOBES}
    for side in SIDES:
        own = [lobe for lobe in LOBES if LOBE_SIDES[lobe] == side]
        total = sum(published[lobe] for lobe in own)
        for lobe in own:
            share = anatomy.lobe_ml(lobe) / anatomy.lung_ml(side)
            assert share == pytest.approx(published[lobe] / total, abs=within[side])
            labels = set(np.unique(anatomy.lungs.array[anatomy.lobes.array == LOBE_LABELS[lobe]]).tolist())
            assert labels == {LUNG_LABELS[side]}


def test_lobes_lie_as_in_a_patient(anatomy):
    def center(lobe):
        return anatomy.lobes.points_mm(np.argwhere(anatomy.lobes.array == LOBE_LABELS[lobe])).mean(axis=0)

    assert center("RUL")[2] > center("RLL")[2] + 30
    assert center("LUL")[2] > center("LLL")[2] + 30
    assert center("RML")[1] < center("RLL")[1] - 20, "the middle lobe lies in front"
    assert center("RML")[2] < center("RUL")[2] - 20
    assert [fissure.name for fissure in anatomy.fissures] == [
        "right oblique",
        "right horizontal",
        "left oblique",
    ]


def test_lungs_that_touch_in_front_are_parted():
    touching = segment_anatomy(Body(bridge=True, off_middle_mm=45.0, half_axes_mm=(40.0, 60.0, 75.0)).scan())
    right, left = (touching.lungs.array == LUNG_LABELS[side] for side in SIDES)
    x_right = touching.lungs.points_mm(np.argwhere(right))[:, 0]
    x_left = touching.lungs.points_mm(np.argwhere(left))[:, 0]
    assert touching.lung_ml("right") == pytest.approx(touching.lung_ml("left"), rel=0.03)
    assert (x_right > 2.0).mean() < 0.001
    assert (x_left < -2.0).mean() < 0.001


@pytest.mark.parametrize(
    "balls",
    [
        [
            (-55 - 36, 0, 0, 12, 40),  # at the ribs, three quarters of it in the lung
            (55 + 33, 0, 10, 16, 40),
            (55, -50, 10, 14, 40),  # in front
        ],
        [(55 + 28, 0, 0, 30, 40)],  # a mass with a wide base
    ],
    ids=["nodules", "mass"],
)
def test_nodules_at_the_pleura_stay_inside(body, balls):
    anatomy = segment_anatomy(Body(balls=balls).scan())
    for bx, by, bz, diameter, _ in balls:
        in_ball = body.ball(bx, by, bz, diameter)
        in_lung = body.radius(np.sign(bx)) ** 2 < 0.97
        full = anatomy.full_lungs(in_ball.shape)
        assert (full[in_ball & in_lung] > 0).mean() > 0.95


def test_the_trachea_is_no_lung():
    with_trachea = segment_anatomy(Body(trachea=True).scan())
    assert with_trachea.lung_ml("right") == pytest.approx(Body().lung_ml(), rel=0.02)


def test_one_lung_is_enough():
    anatomy = segment_anatomy(Body(lungs=(-1,)).scan())
    assert anatomy.lung_ml("left") == 0
    assert anatomy.lung_ml("right") == pytest.approx(Body().lung_ml(), rel=0.02)


@pytest.mark.parametrize(
    "array",
    [
        np.full((40, 50, 60), -1000, dtype=np.int16),
        np.full((40, 50, 60), 40, dtype=np.int16),
        np.zeros((1, 1, 1), dtype=np.int16),
    ],
    ids=["air", "tissue", "one voxel"],
)
def test_a_scan_without_lungs_is_refused(array):
    scan = Scan(Volume.at(array, (3.0, 3.0, 3.0)), AxisOrder(), "phantom", "nothing", "")
    with pytest.raises(ScanRejected, match="lungs") as refusal:
        segment_anatomy(scan)
    assert refusal.value.code == "no_lungs"


def test_gas_in_the_belly_is_no_lung():
    scan = Body(lungs=(), balls=[(0, 0, 0, 100, -1000)]).scan()
    with pytest.raises(ScanRejected, match="lungs"):
        segment_anatomy(scan)


def test_the_foam_of_a_table_is_no_lung(body, anatomy):
    z, y, x = body.grid()
    scan = body.scan()
    hu = scan.volume.array.copy()
    flat = (np.abs(x) < 105) & (y > 80) & (np.abs(z) < 90)
    hu[flat & (y <= 84)] = -850  # foam between thin shells and air
    with_table = segment_anatomy(Scan(scan.volume.with_array(hu), AxisOrder(), "phantom", "table", ""))
    assert with_table.lung_ml("left") == pytest.approx(anatomy.lung_ml("left"), rel=1e-3)
