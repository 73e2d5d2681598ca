"""Vessels: tubes of known course and width, what is no vessel, and the phantom's own trees."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from clearlung.anatomy.vessels import find_vessels
from clearlung.ct import Volume
from clearlung.phantom import PhantomSpec, make_phantom

LUNG_HU, BLOOD_HU, WALL_HU = -870.0, 40.0, 40.0
THIN, THICK = (0.8, 0.8, 0.8), (2.0, 0.7, 0.7)
SIZE_MM = (84.0, 84.0, 84.0)
INNER_MM = 22.0  # away from the wall, whose rim at the hilum may be taken for a vessel


def axes(spacing_mm, size_mm=SIZE_MM):
    return np.meshgrid(
        *((np.arange(round(n / s)) + 0.5) * s - n / 2 for n, s in zip(size_mm, spacing_mm, strict=True)),
        indexing="ij",
    )


def chest(spacing_mm, filled, lungs=None, noise_hu=15.0):
    """Scan a round lung; ``filled`` is the distance in mm outside of things."""
    z, _, _ = grid = axes(spacing_mm)
    if lungs is None:
        lungs = (np.sum([a**2 for a in grid], axis=0) < 40.0**2).astype(np.uint8)
    alpha = np.clip(0.5 - filled / min(spacing_mm), 0.0, 1.0)
    hu = np.where(lungs > 0, LUNG_HU + alpha * (BLOOD_HU - LUNG_HU), WALL_HU)
    hu = gaussian_filter(hu, [0.55 / s for s in spacing_mm])
    hu += np.random.default_rng(3).normal(0.0, noise_hu, z.shape)
    z0, y0, x0 = ((s - n) / 2 for s, n in zip(spacing_mm, SIZE_MM, strict=True))
    ct = Volume.at(np.rint(hu).astype(np.int16), spacing_mm, (x0, y0, z0))
    return ct, lungs


def inner(spacing_mm):
    return np.sum([a**2 for a in axes(spacing_mm)], axis=0) < INNER_MM**2


def tube(spacing_mm, direction, radius_mm, at_mm=(0.0, 0.0, 0.0)):
    """Distance from the surface of a tube through a place (zyx)."""
    places = np.stack(axes(spacing_mm), axis=-1) - np.array(at_mm)
    d = np.array(direction) / np.linalg.norm(direction)
    along = places @ d
    return np.linalg.norm(places - along[..., None] * d, axis=-1) - radius_mm


def found(ct, lungs):
    return find_vessels(ct, lungs, np.zeros(lungs.shape, dtype=bool))


@pytest.mark.parametrize("spacing_mm", [THIN, THICK])
@pytest.mark.parametrize("direction", [(1, 0, 0), (0, 0, 1), (1, 1, 0.5)])
@pytest.mark.parametrize("radius_mm", [1.0, 2.0, 3.5])
def test_a_tube_has_its_course_and_its_width(spacing_mm, direction, radius_mm):
    distance = tube(spacing_mm, direction, radius_mm, np.array(spacing_mm) / 2)
    vessels = found(*chest(spacing_mm, distance))
    middle = inner(spacing_mm)
    core = middle & (distance < -0.25 * radius_mm)
    assert vessels.mask[core].mean() > 0.99
    assert (distance[(vessels.mask > 0) & middle] < max(spacing_mm) + 0.3).mean() > 0.995
    tree = vessels.tree
    central = np.linalg.norm(tree.points_mm, axis=1) < INNER_MM
    assert np.median(tree.radius_mm[central]) == pytest.approx(radius_mm, rel=0.10)


@pytest.mark.parametrize("radius_mm", [2.0, 4.0, 7.0])
def test_a_ball_is_no_vessel_by_itself_nor_on_one(radius_mm):
    z, y, x = axes(THIN)
    ball = np.sqrt(z**2 + (y - 4.0) ** 2 + x**2) - radius_mm
    assert not found(*chest(THIN, ball)).mask[inner(THIN)].any()
    thin = tube(THIN, (1, 0, 0), 1.0, (0.0, 4.0 - 0.8 * radius_mm, 0.0))
    vessels = found(*chest(THIN, np.minimum(ball, thin)))
    assert vessels.mask[(np.abs(z) > 12) & (np.abs(z) < 18) & (thin < -0.5)].mean() > 0.95
    assert vessels.mask[(ball < 0) & (thin > 1.0)].mean() < 0.02


def test_a_sheet_is_no_vessel():
    z, y, x = axes(THIN)
    sheet = np.abs(0.8 * z + 0.5 * y + 0.33 * x) - 0.4
    assert not found(*chest(THIN, sheet)).mask[inner(THIN)].any()


def test_there_are_no_vessels_without_lungs_and_none_in_an_empty_one():
    ct, lungs = chest(THIN, np.full(axes(THIN)[0].shape, 9.0))
    empty = found(ct, lungs)
    assert not empty.mask.any()
    assert not len(empty.tree)
    none = found(ct, np.zeros_like(lungs))
    assert not none.mask.any()
    assert not none.hila_mm


def test_shapes_must_agree():
    ct, lungs = chest(THIN, np.full(axes(THIN)[0].shape, 9.0))
    with pytest.raises(ValueError, match="airways of"):
        find_vessels(ct, lungs, np.zeros((2, 2, 2), dtype=bool))


@pytest.fixture(scope="module")
def phantom():
    return make_phantom(PhantomSpec(nodules=40, seed=5, shape=(200, 256, 256)))


@pytest.fixture(scope="module")
def vessels(phantom):
    return find_vessels(phantom.scan.volume, phantom.lungs.array, phantom.airways.array > 0)


def test_the_phantoms_vessels_are_found(phantom, vessels):
    truth = phantom.vessel_tree
    places = np.rint(phantom.scan.volume.indices(truth.points_mm)).astype(int)
    inside = phantom.lungs.array[tuple(places.T)] > 0
    near = binary_dilation(vessels.mask, np.ones((3, 3, 3)))
    hit = near[tuple(places.T)]
    for low, high, least in ((0.7, 1.0, 0.96), (1.0, 2.0, 0.98), (2.0, 9.0, 0.99)):
        chosen = inside & (truth.radius_mm >= low) & (truth.radius_mm < high)
        assert hit[chosen].mean() > least
    distance, _, diameter = truth.nearest(phantom.scan.volume.points_mm(np.argwhere(vessels.mask)))
    in_lung = phantom.lungs.array[vessels.mask > 0] > 0
    assert (distance - diameter / 2 < 1.6)[in_lung].mean() > 0.92


def test_the_phantoms_nodules_are_no_vessels(phantom, vessels):
    nodules = phantom.nodules.array > 0
    assert vessels.mask[nodules].mean() < 0.12


def test_widths_in_the_phantom_are_true(phantom, vessels):
    distance, _, diameter = phantom.vessel_tree.nearest(vessels.tree.points_mm)
    wide = (distance < 1.0) & (diameter > 2.0) & (diameter < 6.0)
    error = 2.0 * vessels.tree.radius_mm[wide] / diameter[wide] - 1.0
    assert abs(np.median(error)) < 0.05
    assert np.median(np.abs(error)) < 0.1


def test_hila_are_where_bronchi_and_vessels_enter(phantom, vessels):
    assert set(vessels.hila_mm) == {"right", "left"}
    for side, place in phantom.hila_mm.items():
        assert np.linalg.norm(np.subtract(vessels.hila_mm[side], place)) < 20.0


def test_each_tree_begins_at_its_hilum(vessels):
    tree = vessels.tree
    assert (tree.generation[tree.parent < 0] == 0).all()
    child = np.flatnonzero(tree.parent >= 0)
    assert (tree.parent[child] < child).all()
    assert (tree.generation[child] == tree.generation[tree.parent[child]] + 1).all()
    root = np.arange(len(tree))
    for branch in child.tolist():
        root[branch] = root[tree.parent[branch]]
    first = np.searchsorted(tree.branch, root)
    away = np.min(
        [np.linalg.norm(tree.points_mm[first] - h, axis=1) for h in vessels.hila_mm.values()], axis=0
    )
    assert np.average(away < 40.0, weights=tree.length_mm) > 0.8


def test_a_mirrored_chest_has_mirrored_vessels(phantom, vessels):
    lungs = np.ascontiguousarray(phantom.lungs.array[:, :, ::-1])
    swapped = np.array([0, 2, 1], dtype=np.uint8)[lungs]
    hu = phantom.scan.volume.with_array(np.ascontiguousarray(phantom.scan.volume.array[:, :, ::-1]))
    mirrored = find_vessels(hu, swapped, np.ascontiguousarray(phantom.airways.array[:, :, ::-1]) > 0)
    back = mirrored.mask[:, :, ::-1]
    both = np.count_nonzero(back & vessels.mask)
    assert 2.0 * both / (np.count_nonzero(back) + np.count_nonzero(vessels.mask)) > 0.99


def test_one_lung_is_enough(phantom, vessels):
    lungs = np.where(phantom.lungs.array == 1, 1, 0).astype(np.uint8)
    one = find_vessels(phantom.scan.volume, lungs, phantom.airways.array > 0)
    assert set(one.hila_mm) == {"right"}
    assert one.hila_mm["right"] == pytest.approx(vessels.hila_mm["right"], abs=0.5)
    assert np.array_equal(one.mask[lungs > 0], vessels.mask[lungs > 0])
