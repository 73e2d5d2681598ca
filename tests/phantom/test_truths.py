"""Trees, depth and hila: what a phantom knows beyond its label maps."""

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES
from clearlung.evidence import load_evidence
from clearlung.phantom import Phantom
from clearlung.phantom.fields import Field
from clearlung.phantom.nodes import Nodes
from clearlung.phantom.pleura import Pleura
from clearlung.phantom.shapes import ellipsoid_field

CENTRAL = ("trachea", "right main", "intermediate", "left main")


@pytest.fixture(scope="module", params=["average", "varied"])
def patient(request, phantom, varied) -> Phantom:
    return phantom if request.param == "average" else varied


def test_the_airways_are_one_tree_from_the_trachea(patient):
    tree = patient.airway_tree
    assert tree.name[0] == "trachea"
    assert np.flatnonzero(tree.parent < 0).tolist() == [0]
    before = tree.parent[1:]
    assert (before < np.arange(1, len(tree))).all()
    assert (tree.generation[1:] == tree.generation[before] + 1).all()
    assert 200 < len(tree) < 4000


def test_each_branch_begins_where_the_one_before_it_ends(patient):
    tree = patient.airway_tree
    first = np.flatnonzero(np.diff(tree.branch, prepend=-1))
    last = np.append(first[1:], tree.branch.size) - 1
    child = np.flatnonzero(tree.parent >= 0)
    gap = np.linalg.norm(tree.points_mm[first[child]] - tree.points_mm[last[tree.parent[child]]], axis=1)
    assert gap.max() < 1e-6
    step = np.linalg.norm(np.diff(tree.points_mm, axis=0), axis=1)
    assert step[np.diff(tree.branch) == 0].max() <= 1.0 + 1e-9


def test_central_airways_have_their_names_and_sides(patient):
    tree = patient.airway_tree
    for name in CENTRAL:
        assert (tree.name == name).sum() == 1, name
    middle = {tree.name[k]: tree.points_mm[tree.branch == k].mean(axis=0)[0] for k in range(9)}
    assert middle["right main"] < -5
    assert middle["left main"] > 5
    assert set(tree.lobe[np.isin(tree.name, CENTRAL)].tolist()) == {""}
    for lobe in LOBES:
        stem = int(np.flatnonzero(tree.lobe == lobe)[0])
        assert tree.name[stem].endswith("lobar")
        assert tree.name[tree.parent[stem]] in CENTRAL
        assert (tree.points_mm[tree.branch == stem][:, 0].mean() < 0) == (LOBE_SIDES[lobe] == "right")


def test_every_lobe_has_its_segments(patient):
    tree, segmental = patient.airway_tree, patient.segmental
    book = load_evidence()
    for lobe in LOBES:
        count = int(segmental[tree.lobe == lobe].sum())
        assert count == book.value(f"segment.count.{lobe}", unit="segment"), lobe
    # No segmental bronchus springs from another, and each is a few millimeters wide.
    for k in np.flatnonzero(segmental):
        above = tree.parent[k]
        while above >= 0:
            assert not segmental[above]
            above = tree.parent[above]
    assert (tree.diameter_mm[segmental] > 2.0).all()
    assert (tree.diameter_mm[segmental] < 8.0).all()


def test_the_lumina_hang_together_down_to_the_segments(patient):
    mask = patient.airways.array
    assert mask.dtype == np.uint8
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(mask), True))
    sizes = np.bincount(parts.ravel())[1:]
    # The voxels are 3 mm wide: what is narrower falls apart.
    assert sizes.max() > 0.6 * sizes.sum()
    assert 40 < mask.sum() * patient.airways.voxel_ml < 130
    hu = patient.scan.volume.array[mask > 0]
    assert np.median(hu) < -930


def test_vessels_lie_in_the_lungs_and_are_arteries_and_veins(patient):
    tree = patient.vessel_tree
    assert set(tree.name.tolist()) == {"artery", "vein"}
    assert set(tree.lobe.tolist()) == set(LOBES)
    assert (tree.parent < 0).sum() == 2 * len(LOBES)
    mask = patient.vessels.array
    # Voxels of 3 mm show the wide ones only.
    assert 20 < mask.sum() * patient.vessels.voxel_ml < 200
    points = patient.vessels.points_mm(np.argwhere(mask))
    assert np.isfinite(patient.depth_mm(points)).mean() > 0.95


def test_each_lung_has_its_hilum(patient):
    hila = patient.hila_mm
    assert set(hila) == set(SIDES)
    for side, sign in zip(SIDES, (-1, 1), strict=True):
        x, y, z = hila[side]
        assert 25 < sign * x < 70
        assert -20 < y < 45
        assert -60 < z < 15


def test_depth_is_the_distance_to_a_known_surface():
    grid = Field(np.zeros((40, 40, 40), dtype=np.float32), 2.0, (-39.0, -39.0, -39.0))
    center, radius = np.array([1.3, -0.7, 2.1]), 30.0
    sphere = Pleura(ellipsoid_field(grid, center, (radius, radius, radius)))
    rng = np.random.default_rng(0)
    direction = rng.standard_normal((300, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    depth = rng.uniform(0.1, 25.0, 300)
    found = sphere.depth_mm(center + direction * (radius - depth)[:, None])
    # A sphere interpolated on a grid of 2 mm lies up to 2 * 2 * 2 / (8 * 30) mm inside of itself.
    assert np.abs(found - depth).max() < 0.04
    assert sphere.depth_mm(np.empty((0, 3))).shape == (0,)


def test_the_lung_ends_at_its_depth_and_no_nearer(patient):
    rng = np.random.default_rng(1)
    inside = np.argwhere(patient.lungs.array)
    points = patient.lungs.points_mm(inside[rng.integers(len(inside), size=200)])
    depth = patient.depth_mm(points)
    direction = rng.standard_normal((500, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    for lung in patient.patient.lungs.values():
        own = lung.at(points) < 0
        found, foot = Pleura(lung).nearest(points[own])
        assert np.allclose(found, depth[own])
        # The lung ends at the foot of the perpendicular, and nowhere nearer.
        assert np.abs(lung.at(foot)).max() < 0.03
        for point, deep in zip(points[own], found, strict=True):
            assert (lung.at(point + direction * max(deep - 0.05, 0.0)) < 0).all()


def test_nodules_have_the_depth_of_their_points(patient):
    truth = patient.truth
    points = np.column_stack([truth.x_mm, truth.y_mm, truth.z_mm])
    assert np.allclose(patient.depth_mm(points), truth.depth_mm)
    assert np.isnan(patient.depth_mm(np.array([[0.0, 0.0, 500.0]]))).all()


def test_nodes_become_branches():
    path = np.array([(0, 0, 0, 2.0), (0, 0, 10, 2.0), (0, 0, 20, 2.0)])
    trunk = Nodes.along(path, "trunk")
    left, right = (Nodes.along(np.array([(0, 0, 20, 1.0), (x, 0, 30, 1.0)]), "") for x in (5.0, -5.0))
    tree, _ = Nodes.joined([trunk, left, right], [-1, 2, 2]).branches()
    assert tree.parent.tolist() == [-1, 0, 0]
    assert tree.generation.tolist() == [0, 1, 1]
    assert tree.name.tolist() == ["trunk", "", ""]
    assert np.allclose(tree.length_mm, [20.0, np.hypot(5, 10), np.hypot(5, 10)])
    assert np.allclose(tree.diameter_mm, [4.0, 2.0, 2.0])


def test_what_hangs_on_nothing_is_left_out():
    chain = Nodes.along(np.array([(0, 0, z, 1.0) for z in range(5)]), "")
    assert len(chain.kept(np.array([True, True, False, True, True]))) == 2
