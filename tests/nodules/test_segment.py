import numpy as np
import pytest

from clearlung.errors import FieldError
from clearlung.nodules.segment import segment_nodules
from clearlung.nodules.table import sphere_volume_mm3
from tests.nodules.drawn import SOFT_HU, Block, dice

THIN, THICK = (0.8, 0.7, 0.7), (2.5, 0.7, 0.7)


def segmented(block, points, diameters, noise_hu=12.0):
    scan, anatomy = block.scan(noise_hu), block.anatomy()
    return segment_nodules(scan, anatomy, np.reshape(points, (-1, 3)), np.asarray(diameters, dtype=float))


@pytest.mark.parametrize("spacing", [THIN, THICK])
@pytest.mark.parametrize("diameter", [3.0, 4.0, 6.0, 10.0, 16.0, 30.0])
@pytest.mark.parametrize("factor", [0.7, 1.4])
def test_a_ball_has_its_volume_from_a_rough_place_and_size(spacing, diameter, factor):
    block = Block((14 + 1.4 * diameter,) * 3, spacing)
    middle = np.array([0.3, -0.2, 0.4])
    ball = block.draw(block.ball(middle, diameter))
    found = segmented(block, middle + 0.08 * diameter, [factor * diameter])
    allowed = 0.25 if diameter < 5 else 0.1
    assert found.volume_mm3[0] == pytest.approx(sphere_volume_mm3(diameter), rel=allowed)
    assert dice(found.labels == 1, block.coarse(ball) >= 0.5) >= (0.75 if diameter < 5 else 0.92)


@pytest.mark.parametrize("turn", range(3))
def test_an_ellipsoid_is_kept_whole(turn):
    block = Block()
    egg = block.draw(block.ellipsoid((0, 0, 0), np.roll([15.0, 10.0, 8.0], turn)))
    found = segmented(block, [0, 0, 0], [10.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(egg), rel=0.1)
    assert dice(found.labels == 1, block.coarse(egg) >= 0.5) >= 0.92


@pytest.mark.parametrize("spacing", [THIN, THICK])
@pytest.mark.parametrize(("diameter", "vessel"), [(4.0, 2.0), (8.0, 3.0), (12.0, 5.0)])
def test_a_vessel_beside_a_ball_is_cut_off(spacing, diameter, vessel):
    block = Block(spacing_mm=spacing)
    block.draw(block.tube((0.5 * (diameter + vessel) - 0.3, 0.0), vessel))
    ball = block.draw(block.ball((0, 0, 0), diameter))
    found = segmented(block, [0, 0, 0], [diameter])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.35 if diameter < 5 else 0.15)
    assert dice(found.labels == 1, block.coarse(ball) >= 0.5) >= 0.8


def test_the_pleura_is_cut_off():
    block = Block()
    block.outside[block.slab(4.0)] = True
    ball = block.ball((0, 0, 0), 12.0) & ~block.outside
    block.draw(block.outside)
    block.draw(ball)
    found = segmented(block, [-0.5, 0, 0], [10.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.1)
    assert not (found.labels[block.coarse(block.outside) > 0.5] > 0).any()


def test_a_thin_fissure_is_cut_off():
    block = Block()
    sheet = (np.abs(block.x) < 0.4) & (block.y > -1e9) & (block.z > -1e9)
    block.draw(sheet)
    ball = block.draw(block.ball((0, 0, 0), 8.0))
    found = segmented(block, [0, 0, 0], [8.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.12)


@pytest.mark.parametrize("diameters", [(10.0, 10.0), (14.0, 8.0)])
def test_touching_balls_are_split_at_the_plane_between_them(diameters):
    block = Block((50.0, 40.0, 40.0))
    a, b = diameters
    left, right = np.array([-a / 2 + 0.3, 0, 0]), np.array([b / 2 - 0.3, 0, 0])
    one, two = block.draw(block.ball(left, a)), block.draw(block.ball(right, b))
    found = segmented(block, [left + 0.4, right - 0.4], [0.9 * a, 1.1 * b])
    assert found.volume_mm3 == pytest.approx([block.volume_mm3(one), block.volume_mm3(two)], rel=0.12)
    x = np.argwhere(found.labels == 1)[:, 2].max(), np.argwhere(found.labels == 2)[:, 2].min()
    assert x[0] - x[1] <= 1
    assert dice(found.labels == 1, block.coarse(one) >= 0.5) >= 0.9


def test_a_cavity_belongs_to_its_nodule():
    block = Block()
    ball = block.draw(block.ball((0, 0, 0), 14.0))
    block.draw(block.ball((0, 0, 0), 8.0), -1000.0)
    found = segmented(block, [0.5, 0, 0], [12.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.1)
    assert found.labels[tuple(n // 2 for n in block.shape)] == 1


def test_a_calcified_core_does_not_enlarge_its_nodule():
    block = Block()
    ball = block.draw(block.ball((0, 0, 0), 8.0))
    block.draw(block.ball((0, 0, 0), 5.0), 900.0)
    found = segmented(block, [0, 0.5, 0], [7.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.12)


def test_the_halo_of_a_part_solid_nodule_belongs_to_it():
    block = Block()
    ball = block.draw(block.ball((0, 0, 0), 16.0), -600.0)
    block.draw(block.ball((0, 0, 0), 7.0), SOFT_HU)
    found = segmented(block, [0, 0.5, 0], [14.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.15)


def test_ground_glass_is_outlined():
    block = Block()
    ball = block.draw(block.ball((0, 0, 0), 12.0), -600.0)
    found = segmented(block, [0, 0.5, 0], [11.0])
    assert found.volume_mm3[0] == pytest.approx(block.volume_mm3(ball), rel=0.12)


def many(block, rng, count=12):
    points, sizes = [], []
    while len(points) < count:
        point, size = rng.uniform(-16, 16, 3), rng.uniform(3, 9)
        apart = [np.linalg.norm(point - p) - (size + s) / 2 for p, s in zip(points, sizes, strict=True)]
        if min(apart, default=9) > 1.0:
            points.append(point)
            sizes.append(size)
            block.draw(block.ball(point, size))
    return np.array(points), np.array(sizes)


def test_the_order_of_the_places_does_not_matter():
    block = Block()
    points, sizes = many(block, np.random.default_rng(3))
    one = segmented(block, points, sizes)
    order = np.random.default_rng(4).permutation(len(sizes))
    other = segmented(block, points[order], sizes[order])
    assert other.volume_mm3 == pytest.approx(one.volume_mm3[order])
    number = np.concatenate([[0], order + 1])
    assert np.array_equal(number[other.labels], one.labels)


def test_a_flipped_scan_gives_flipped_masks():
    block, mirror = Block(), Block()
    points, sizes = many(block, np.random.default_rng(5))
    for point, size in zip(points, sizes, strict=True):
        mirror.draw(mirror.ball(point * [-1, 1, 1], size))
    one = segmented(block, points, sizes, noise_hu=0.0)
    other = segmented(mirror, points * [-1, 1, 1], sizes, noise_hu=0.0)
    assert other.volume_mm3 == pytest.approx(one.volume_mm3, rel=0.02)
    assert np.mean(other.labels[:, :, ::-1] != one.labels) < 1e-3


def test_two_places_in_one_nodule_give_one_mask():
    block = Block()
    ball = block.draw(block.ball((0, 0, 0), 10.0))
    found = segmented(block, [[0.5, 0, 0], [-0.5, 0, 0]], [9.0, 10.0])
    assert (found.volume_mm3 > 0).sum() == 1
    assert found.volume_mm3.max() == pytest.approx(block.volume_mm3(ball), rel=0.1)


def test_nothing_asked_gives_nothing():
    block = Block((15.0,) * 3)
    found = segmented(block, np.empty((0, 3)), [])
    assert found.labels.dtype == np.int32
    assert not found.labels.any()
    assert found.volume_mm3.shape == (0,)


@pytest.mark.parametrize(
    ("points", "sizes"), [([[0, 0, 0]], [1.0, 2.0]), ([[0, 0, np.nan]], [1.0]), ([[0, 0, 0]], [0.0])]
)
def test_impossible_places_are_refused(points, sizes):
    block = Block((15.0,) * 3)
    with pytest.raises(FieldError):
        segmented(block, points, sizes)


@pytest.mark.parametrize("seed", range(3))
def test_specks_of_any_size_and_nothing_at_all_are_looked_at(seed):
    rng = np.random.default_rng(seed)
    block = Block((30.0,) * 3)
    points, sizes = rng.uniform(-16, 16, (40, 3)), rng.uniform(0.3, 3.0, 40)
    for point, size in zip(points[:20], sizes[:20], strict=True):
        block.draw(block.ball(point, size), rng.uniform(-700, 900))
    found = segmented(block, points, sizes, noise_hu=40.0)
    painted = np.bincount(found.labels.ravel(), minlength=41)[1:]
    assert ((painted > 0) == (found.volume_mm3 > 0)).all()


def test_no_walk_over_the_scan_for_each_nodule(monkeypatch):
    """A thousand nodules are looked at on crops whose size does not depend on the scan's."""
    from clearlung.nodules import segment as module

    sizes = []

    def counted(*given):
        crop = crop_around(*given)
        sizes.append(crop.inside.size)
        return crop

    crop_around = module.crop_around
    monkeypatch.setattr(module, "crop_around", counted)
    largest = []
    for size in (25.0, 45.0):
        block = Block((size,) * 3)
        block.draw(block.ball((0, 0, 0), 4.0))
        segmented(block, [[0, 0, 0]], [4.0])
        largest.append(max(sizes))
        assert len(sizes) == 2
        sizes.clear()
    assert largest[0] == pytest.approx(largest[1], rel=0.2)
