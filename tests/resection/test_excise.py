"""Specimens against spheres, slabs and caps whose volumes are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from clearlung.anatomy import Anatomy
from clearlung.ct import Volume
from clearlung.evidence import load_evidence
from clearlung.nodules import COLUMNS, NoduleTable, sphere_volume_mm3
from clearlung.resection import deep_beds, excise, make_techniques

SHAPE = (90, 90, 90)
LUNG_FROM = 10  # the lung is the block from here on along x; its pleura is the plane x = 9.5 mm


def sphere(center, radius):
    z, y, x = np.ogrid[tuple(slice(n) for n in SHAPE)]
    return (z - center[0]) ** 2 + (y - center[1]) ** 2 + (x - center[2]) ** 2 <= radius**2


def block_lung():
    lungs = np.zeros(SHAPE, dtype=np.uint8)
    lungs[2:-2, 2:-2, LUNG_FROM:-2] = 1
    depth = ndimage.distance_transform_edt(lungs).astype(np.float32)
    grid = Volume.at(lungs)
    full = tuple(slice(0, n) for n in SHAPE)
    return Anatomy(
        box=full,
        lungs=grid,
        lobes=grid.with_array(lungs * np.uint8(3)),
        lobe_confidence=grid.with_array(lungs.astype(np.float32)),
        depth_mm=grid.with_array(depth),
        lobe_method="a block",
    )


def table(anatomy, centers, radius):
    labels = np.zeros(SHAPE, dtype=np.int32)
    for number, center in enumerate(centers, start=1):
        labels[sphere(center, radius)] = number
    n = len(centers)
    z, y, x = np.array(centers, dtype=float).T
    diameter = np.full(n, 2.0 * radius)
    return NoduleTable(
        id=np.arange(1, n + 1, dtype=np.int32),
        x_mm=x,
        y_mm=y,
        z_mm=z,
        side=np.array(["right"] * n),
        lobe=np.array(["RLL"] * n),
        lobe_confidence=np.ones(n),
        diameter_mm=diameter,
        volume_mm3=sphere_volume_mm3(diameter),
        depth_mm=np.array([anatomy.depth_mm.array[tuple(map(round, c))] for c in centers], dtype=float),
        probability=np.ones(n),
        mean_hu=np.zeros(n),
        max_hu=np.zeros(n),
        calcified=np.zeros(n, dtype=bool),
        vdt_days=np.full(n, np.nan),
        labels=Volume.at(labels),
    )


@pytest.fixture(scope="module")
def anatomy():
    return block_lung()


def volumes(anatomy, centers, radius=4, techniques=("laser",)):
    return excise(table(anatomy, centers, radius), anatomy, techniques, load_evidence()).volume_ml


@pytest.mark.parametrize("radius", [2, 4, 8])
@pytest.mark.parametrize("shift", [(0, 0, 0), (0.3, 0.1, 0.45)])
def test_deep_enucleation_is_the_sphere_with_its_rim(anatomy, radius, shift):
    center = tuple(45 + s for s in shift)
    (volume_ml,) = volumes(anatomy, [center], radius)
    assert volume_ml == pytest.approx(4 / 3 * np.pi * (radius + 5) ** 3 / 1000, rel=0.05)


def test_enucleation_at_the_pleura_loses_the_cap_outside(anatomy):
    (volume_ml,) = volumes(anatomy, [(45, 45, LUNG_FROM + 3)])
    laser = make_techniques(["laser"], load_evidence())[0]
    assert volume_ml == pytest.approx(laser.sphere_ml(8.0, 3.5), rel=0.05)


def test_wedge_reaches_the_pleura(anatomy):
    (volume_ml,) = volumes(anatomy, [(45, 45, LUNG_FROM + 15)], techniques=("wedge",))
    wedge = make_techniques(["wedge"], load_evidence())[0]
    # The voxel wedge is tapered where its path is rounded at the pleura; the analytic one is a cylinder.
    assert volume_ml == pytest.approx(wedge.sphere_ml(8.0, 15.0), rel=0.2)
    assert volume_ml > 4 / 3 * np.pi * 14**3 / 1000


def test_tissue_shared_by_neighbors_is_counted_once(anatomy):
    together = volumes(anatomy, [(45, 45, 40), (45, 45, 50)])
    union = ndimage.distance_transform_edt(~(sphere((45, 45, 40), 4) | sphere((45, 45, 50), 4))) <= 5.25
    assert together.sum() == pytest.approx(union.sum() / 1000)
    assert together[0] == pytest.approx(together[1], rel=0.1)


def test_specimens_that_do_not_meet_add_up(anatomy):
    far = volumes(anatomy, [(25, 45, 45), (65, 45, 45)])
    assert far == pytest.approx([volumes(anatomy, [(25, 45, 45)])[0], volumes(anatomy, [(65, 45, 45)])[0]])


def test_order_of_the_nodules_makes_no_difference(anatomy):
    forth = volumes(anatomy, [(45, 45, 40), (45, 45, 49), (30, 45, 45)])
    back = volumes(anatomy, [(30, 45, 45), (45, 45, 49), (45, 45, 40)])
    assert forth.sum() == pytest.approx(back.sum())


def test_nothing_outside_the_lung_is_removed(anatomy):
    (volume_ml,) = volumes(anatomy, [(45, 45, LUNG_FROM)], radius=2, techniques=("wedge",))
    lung_ml = np.count_nonzero(anatomy.lungs.array) / 1000
    outside_ml = np.count_nonzero(sphere((45, 45, LUNG_FROM), 2) & (anatomy.lungs.array == 0)) / 1000
    assert volume_ml <= lung_ml
    half = 2 / 3 * np.pi * 12.5**3 / 1000
    assert volume_ml <= half + outside_ml


def test_what_nothing_fits_is_unresectable_with_the_reason():
    listed = table(block_lung(), [(45, 45, 45)], 4).with_columns(depth_mm=np.array([70.0]))
    specimens = excise(listed, None, ["laser", "wedge"], load_evidence())
    assert len(specimens) == 0
    assert "79 mm deep, limit 60 mm" in specimens.unresectable[1]
    assert "wedge would reach 74 mm" in specimens.unresectable[1]


def test_laser_beds_beyond_the_tested_depths_are_counted(anatomy):
    """The floor lies a radius of 4 mm and a rim of 5 mm below the center: 14, 18 and 24 mm deep."""
    nodules = table(anatomy, [(30, 45, 45), (45, 45, 45), (60, 45, 45)], 4)
    nodules = nodules.with_columns(depth_mm=np.array([5.0, 9.0, 15.0]))
    book = load_evidence()
    assert deep_beds(nodules, excise(nodules, None, ["laser"], book), book) == (2, 1)
    assert deep_beds(nodules, excise(nodules, None, ["wedge"], book), book) == (0, 0)


def test_no_nodules_give_no_specimens(anatomy):
    empty = table(anatomy, [(45, 45, 45)], 4)
    nothing = NoduleTable(**{name: getattr(empty, name)[:0] for name in COLUMNS}, labels=empty.labels)
    assert len(excise(nothing, anatomy, ["laser"], load_evidence())) == 0


@given(diameter=st.floats(1, 60), depth=st.floats(0, 60), wider=st.floats(0, 20))
def test_a_larger_or_deeper_lesion_never_takes_less(diameter, depth, wider):
    for technique in make_techniques(["laser", "wedge"], load_evidence()):
        volume = technique.sphere_ml(diameter, depth)
        assert technique.sphere_ml(diameter + wider, depth) >= volume - 1e-9
        assert technique.sphere_ml(diameter, depth + wider) >= volume - 1e-9
        assert volume >= 0
