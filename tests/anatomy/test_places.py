"""The parts of the pleura and what is told of a point, on a thorax of which every surface is known."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import (
    LOBE_LABELS,
    LUNG_LABELS,
    PLEURAL_LABELS,
    Anatomy,
    BranchTree,
    find_places,
    pleural_parts,
)
from clearlung.ct import Volume

SPACING = (2.0, 2.0, 2.0)
MIDDLE_X = 69.5
# Half axes of the rib cage, half width of the mediastinum, plane of both oblique fissures (z = rise * y).
CAGE_X, CAGE_Y, MEDIASTINUM, RISE = 120.0, 90.0, 20.0, 0.9
HEART = ((35.0, -35.0, -25.0), 42.0)


def coordinates():
    z, y, x = np.indices((130, 100, 140), dtype=float)
    return (z - 64.5) * 2, (y - 49.5) * 2, (x - 69.5) * 2


def floor_mm(y, x):
    """Two domes, each under its lung."""
    return -60 - ((np.abs(x) - 65) ** 2 / 60 + y**2 / 110)


def cage(z, y, x):
    """Below 1 inside of a rib cage that tapers to the neck."""
    taper = np.sqrt(np.clip(1 - (np.maximum(z - 20, 0) / 100) ** 2, 1e-6, 1))
    return np.hypot(x / CAGE_X, y / CAGE_Y) / taper


def thorax():
    z, y, x = coordinates()
    inside = (cage(z, y, x) < 1) & (z > floor_mm(y, x)) & (np.abs(x) > MEDIASTINUM) & (z < 118)
    center, radius = HEART
    inside &= (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 > radius**2
    lungs = np.where(inside, np.where(x < 0, LUNG_LABELS["right"], LUNG_LABELS["left"]), 0).astype(np.uint8)
    above = z > RISE * y
    lobes = np.zeros(lungs.shape, dtype=np.uint8)
    for side, upper, lower in (("right", "RUL", "RLL"), ("left", "LUL", "LLL")):
        own = lungs == LUNG_LABELS[side]
        lobes[own] = np.where(above[own], LOBE_LABELS[upper], LOBE_LABELS[lower])
    return lungs, lobes


@pytest.fixture(scope="module")
def parts():
    return pleural_parts(*thorax(), SPACING, MIDDLE_X)


def share(parts, where, part):
    """Share of the surface voxels in a region that have the part's label."""
    labels = parts[where & (parts > 0)]
    assert labels.size > 100
    return float((labels == PLEURAL_LABELS[part]).mean())


def test_the_wall_is_costal(parts):
    z, y, x = coordinates()
    wall = (cage(z, y, x) > 0.96) & (z > -40) & (z < 90) & (np.abs(x) > 60) & (np.abs(z - RISE * y) > 6)
    assert share(parts, wall, "costal") > 0.98


def test_the_floor_is_diaphragm(parts):
    z, y, x = coordinates()
    floor = (z < floor_mm(y, x) + 3) & (cage(z, y, x) < 0.85) & (np.abs(x) > 35) & (np.abs(z - RISE * y) > 6)
    assert share(parts, floor, "diaphragmatic") > 0.95


def test_what_faces_the_middle_and_the_heart_is_mediastinal(parts):
    z, y, x = coordinates()
    medial = (np.abs(x) < MEDIASTINUM + 3) & (np.abs(y) < 60) & (z > -10) & (z < 80)
    assert share(parts, medial & (np.abs(z - RISE * y) > 6), "mediastinal") > 0.97
    center, radius = HEART
    on_heart = (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 < (radius + 3) ** 2
    assert share(parts, on_heart & (z > center[2]) & (np.abs(z - RISE * y) > 6), "mediastinal") > 0.9


def test_what_parts_two_lobes_is_fissural(parts):
    z, y, x = coordinates()
    between = (np.abs(z - RISE * y) < 2) & (cage(z, y, x) < 0.9) & (np.abs(x) > 28) & (z > floor_mm(y, x) + 8)
    center, radius = HEART
    between &= (x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2 > (radius + 8) ** 2
    assert share(parts, between, "fissural") > 0.99


def test_mirroring_the_chest_mirrors_its_surface():
    lungs, lobes = thorax()
    mirrored = np.where(lungs > 0, 3 - lungs, 0).astype(np.uint8)[:, :, ::-1]
    exchanged = np.array([0, 4, 0, 5, 1, 3], dtype=np.uint8)[lobes][:, :, ::-1]
    ours = pleural_parts(np.ascontiguousarray(mirrored), np.ascontiguousarray(exchanged), SPACING, MIDDLE_X)
    direct = pleural_parts(lungs, lobes, SPACING, MIDDLE_X)
    differ = np.count_nonzero(ours[:, :, ::-1] != direct)
    assert differ < 0.005 * np.count_nonzero(direct)


def test_one_lung_alone_keeps_its_mediastinal_side():
    lungs, lobes = thorax()
    both = pleural_parts(lungs, lobes, SPACING, MIDDLE_X)
    right = lungs == LUNG_LABELS["right"]
    alone = pleural_parts(np.where(right, lungs, 0).astype(np.uint8), lobes * right, SPACING, MIDDLE_X)
    agree = (alone == both)[right & (both > 0)].mean()
    assert agree > 0.97


def test_no_lungs_have_no_surface():
    nothing = np.zeros((5, 6, 7), dtype=np.uint8)
    assert not pleural_parts(nothing, nothing, SPACING, 3.0).any()


@pytest.fixture(scope="module")
def anatomy(parts):
    lungs, lobes = thorax()
    grid = Volume.at(lungs, SPACING, tuple(c.ravel()[0] for c in coordinates()[::-1]))
    z, y, _ = coordinates()
    confidence = np.where(np.abs(z - RISE * y) < 5, 0.6, 0.99).astype(np.float32) * (lungs > 0)
    second = np.array([0, 3, 0, 1, 5, 4], dtype=np.uint8)[lobes]
    bronchus = BranchTree(
        parent=np.array([-1], dtype=np.int32),
        generation=np.array([0], dtype=np.int16),
        lobe=np.array(["RUL"]),
        name=np.array([""], dtype="<U24"),
        diameter_mm=np.array([6.0], dtype=np.float32),
        length_mm=np.array([40.0], dtype=np.float32),
        points_mm=np.column_stack([np.linspace(-30, -70, 41), np.full(41, 0.0), np.full(41, 40.0)]),
        radius_mm=np.full(41, 3.0, dtype=np.float32),
        branch=np.zeros(41, dtype=np.int32),
    )
    return Anatomy(
        box=tuple(slice(0, n) for n in lungs.shape),
        lungs=grid,
        lobes=grid.with_array(lobes),
        lobe_confidence=grid.with_array(confidence),
        depth_mm=grid.with_array(np.full(lungs.shape, 7.0, dtype=np.float32)),
        lobe_method="by hand",
        lobe_second=grid.with_array(second),
        airway_tree=bronchus,
        hila_mm={"right": (-25.0, 5.0, 10.0)},
        pleura=grid.with_array(parts),
    )


def test_a_point_is_told_its_lobe_and_its_distances(anatomy):
    found = find_places(anatomy, [(-70.0, 0.0, 50.0)])
    assert found.lobe_words(0) == "RUL"
    assert found.side[0] == "right"
    assert not found.uncertain[0]
    # From the medial plane, the oblique plane and the nearest point of the tapered wall.
    assert found.depth_by_part_mm["mediastinal"][0] == pytest.approx(50, abs=2)
    assert found.depth_by_part_mm["fissural"][0] == pytest.approx(50 / np.hypot(1, RISE), abs=2)
    assert found.depth_by_part_mm["costal"][0] == pytest.approx(nearest_wall((-70.0, 0.0, 50.0)), abs=2)
    assert found.hilum_mm[0] == pytest.approx(np.hypot(np.hypot(45, 5), 40))
    assert found.bronchus_mm[0] == pytest.approx(10)
    assert found.bronchus_diameter_mm[0] == pytest.approx(6)
    assert found.bronchus[0] == "RUL"
    assert np.isnan(found.vessel_mm[0])


def nearest_wall(point):
    """Distance of a point to the tapered cage, by brute force over its surface."""
    x, y, z = point
    heights, angles = np.meshgrid(np.arange(-20, 118, 0.5), np.radians(np.arange(0, 360, 0.5)))
    taper = np.sqrt(np.clip(1 - (np.maximum(heights - 20, 0) / 100) ** 2, 1e-6, 1))
    wall_x, wall_y = CAGE_X * taper * np.cos(angles), CAGE_Y * taper * np.sin(angles)
    return np.sqrt((wall_x - x) ** 2 + (wall_y - y) ** 2 + (heights - z) ** 2).min()


def test_near_a_fissure_both_names_are_told(anatomy):
    found = find_places(anatomy, [(-70.0, 20.0, RISE * 20 + 2), (80.0, 20.0, RISE * 20 - 2)])
    assert found.lobe_words(0) == "uncertain: RUL or RLL"
    assert found.lobe_words(1) == "uncertain: LLL or LUL"


def test_outside_the_lungs_nothing_is_claimed(anatomy):
    found = find_places(anatomy, [(0.0, 0.0, 0.0), (900.0, 0.0, 0.0)])
    for row in (0, 1):
        assert found.lobe_words(row) == "outside the lungs"
        assert np.isnan(
            [found.depth_mm[row], found.depth_by_part_mm["costal"][row], found.hilum_mm[row]]
        ).all()


@pytest.mark.parametrize(
    "points", [[(np.nan, 0, 0)], np.zeros((3, 2)), np.zeros((1, 4)), np.zeros((2, 3, 1))]
)
def test_points_that_are_none_are_refused(anatomy, points):
    with pytest.raises(ValueError, match="three finite coordinates"):
        find_places(anatomy, points)


def test_an_anatomy_without_trees_and_parts_answers_with_what_it_has(anatomy):
    bare = replace(anatomy, airway_tree=BranchTree.empty(), pleura=None, hila_mm={}, lobe_second=None)
    found = find_places(bare, [(-70.0, 0.0, 50.0)])
    assert found.lobe[0] == "RUL"
    assert found.depth_mm[0] == pytest.approx(7)
    assert np.isnan(found.bronchus_mm[0])
    assert found.bronchus[0] == ""
