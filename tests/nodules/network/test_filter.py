import numpy as np
import pytest

from clearlung.nodules.network import PATCH, WIDE_PER_NEAR, Pyramid, judge, near_step_mm
from clearlung.nodules.network.filter import one_of_each

SPACING = np.array([1.0, 1.0, 1.0])
BALLS = np.array([[20.0, 30.0, 40.0], [40.0, 20.0, 20.0]])
DIAMETER = np.array([8.0, 12.0])


@pytest.fixture(scope="module")
def pyramid():
    z, y, x = np.indices((60, 60, 60))
    hu = np.full((60, 60, 60), -900, np.int16)
    for (a, b, c), d in zip(BALLS, DIAMETER, strict=True):
        hu[(z - a) ** 2 + (y - b) ** 2 + (x - c) ** 2 <= (d / 2) ** 2] = 50
    return Pyramid.of(hu, np.ones(hu.shape, np.uint8), SPACING)


def brightness_network(near, wide, sizes):
    """What a perfect network would say of bright balls: is there one, where, and how large."""
    at = np.arange(PATCH) - (PATCH - 1) / 2
    grid = np.stack(np.meshgrid(at, at, at, indexing="ij"))
    answers = np.zeros((len(near), 5), np.float32)
    diameter = 8.0 * np.exp(sizes[:, 0])
    step = near_step_mm(diameter)
    for i, patch in enumerate(near[:, 0]):
        bright = (patch > 0.4) & (np.linalg.norm(grid, axis=0) * step[i] < diameter[i])
        total = bright.sum()
        center = (grid * bright).sum(axis=(1, 2, 3)) / max(total, 1) * step[i]
        answers[i, 0] = 5.0 - np.linalg.norm(center) if total > 20 else -8.0
        if total > 20:
            answers[i, 1] = np.log(np.cbrt(6 / np.pi * total * step[i] ** 3) / diameter[i])
            answers[i, 2:] = center / diameter[i]
    return answers


def test_candidates_move_to_the_nodule_and_take_its_size(pyramid):
    moved = BALLS + np.array([[1.5, -1.0, 0.8], [-2.0, 1.0, 2.0]])
    centers = np.vstack([moved, [[10.0, 50.0, 50.0]]])
    judged = judge(brightness_network, pyramid, centers, np.array([6.5, 15.0, 5.0]))
    assert len(judged) == 2
    order = np.argsort(judged.centers[:, 0])
    assert judged.centers[order] == pytest.approx(BALLS, abs=0.5)
    assert judged.diameter_mm[order] == pytest.approx(DIAMETER, rel=0.1)


def test_two_candidates_of_one_nodule_become_one(pyramid):
    centers = BALLS[[0, 0, 1]] + [[1.0, 0, 0], [-1.0, 0, 0], [0, 0, 0]]
    assert len(judge(brightness_network, pyramid, centers, np.array([8.0, 9.0, 12.0]))) == 2


def test_nothing_proposed_gives_nothing(pyramid):
    judged = judge(brightness_network, pyramid, np.empty((0, 3)), np.empty(0))
    assert len(judged) == 0


def test_the_order_of_candidates_does_not_matter(pyramid):
    rng = np.random.default_rng(3)
    centers = np.vstack([BALLS + 1.0, rng.uniform(5, 55, (20, 3))])
    diameter = np.append(DIAMETER, rng.uniform(3, 10, 20))
    order = rng.permutation(len(centers))
    first = judge(brightness_network, pyramid, centers, diameter)
    other = judge(brightness_network, pyramid, centers[order], diameter[order])
    assert np.sort(first.logit) == pytest.approx(np.sort(other.logit))
    assert sorted(map(tuple, first.centers.round(3))) == sorted(map(tuple, other.centers.round(3)))


def test_the_best_of_each_nodule_is_kept_and_touching_ones_stay():
    points = np.array([[0.0, 0, 0], [1.0, 0, 0], [6.5, 0, 0], [30.0, 0, 0]])
    kept = one_of_each(points, np.array([8.0, 8.0, 5.0, 3.0]))
    assert kept.tolist() == [0, 2, 3]


def test_a_small_nodule_beside_a_large_one_stays():
    points = np.array([[0.0, 0, 0], [0.0, 17.0, 0]])
    assert one_of_each(points, np.array([30.0, 4.0])).tolist() == [0, 1]


def test_the_wide_patch_is_wide():
    assert WIDE_PER_NEAR > 2
