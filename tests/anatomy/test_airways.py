import numpy as np
import pytest

from clearlung.anatomy.bronchi import grow_bronchi
from tests.anatomy.test_skeleton import drawn

LUNG_HU, WALL_HU, AIR_HU = -860.0, 0.0, -1000.0
SPACING = (0.8, 0.7, 0.7)
STEM = ((33, 33, 82), (33, 33, 52), 5.0)
BRONCHI = [
    ((33, 33, 52), (22, 28, 36), 2.4),
    ((33, 33, 52), (45, 40, 34), 2.2),
    ((22, 28, 36), (12, 20, 18), 1.6),
    ((22, 28, 36), (26, 40, 16), 1.6),
    ((45, 40, 34), (54, 48, 14), 1.6),
]
ARTERIES = [((26, 26, 38), (15, 17, 16), 1.6), ((50, 38, 36), (59, 46, 12), 1.7)]
REACHED = [(14, 22, 21), (25.6, 38, 19), (52, 46, 18)]


def painted(noise_hu=20.0, gap=None, seed=4):
    """Walled bronchi with arteries beside them in lung, blurred, with noise; HU and the geometry."""
    walls = [(a, b, 1.25 * r + 0.3) for a, b, r in [STEM, *BRONCHI]]
    stem, grid = drawn([STEM], SPACING)
    fine = np.full(grid.shape, LUNG_HU, dtype=np.float32)
    fine[drawn(walls, SPACING)[0]] = WALL_HU
    fine[drawn(ARTERIES, SPACING)[0]] = 40.0
    fine[drawn([STEM, *BRONCHI], SPACING)[0]] = AIR_HU
    if gap is not None:
        fine[
            np.linalg.norm(grid.points_mm(np.argwhere(stem >= 0)) - gap, axis=1).reshape(grid.shape) < 1.6
        ] = -720.0
    blurred = fine.copy()
    for axis in range(3):
        blurred = 0.5 * blurred + 0.25 * (np.roll(blurred, 1, axis) + np.roll(blurred, -1, axis))
    blurred += np.random.default_rng(seed).normal(0.0, noise_hu, grid.shape)
    return np.round(blurred).astype(np.int16), stem, grid


def reached(lumen, grid, point, within=1):
    z, y, x = np.round(grid.indices([point])[0]).astype(int)
    near = lumen[z - within : z + within + 1, y - within : y + within + 1, x - within : x + within + 1]
    return bool(near.any())


@pytest.mark.parametrize("noise_hu", [5.0, 20.0, 35.0])
def test_bronchi_are_followed_to_their_ends_without_leaking(noise_hu):
    hu, stem, grid = painted(noise_hu)
    lumen = grow_bronchi(hu, SPACING, stem)
    assert (lumen & stem).sum() == stem.sum()
    for point in REACHED:
        assert reached(lumen, grid, point)
    around = drawn([(a, b, r + 1.2) for a, b, r in [STEM, *BRONCHI]], SPACING)[0]
    assert (lumen & ~around).sum() < 0.01 * lumen.sum()


def test_a_short_blur_of_wall_and_lumen_is_bridged():
    hu, stem, grid = painted(10.0, gap=np.array([16.0, 23.5, 26.0]))
    assert reached(grow_bronchi(hu, SPACING, stem), grid, REACHED[0])


def test_lung_without_walls_is_not_entered():
    _, stem, grid = painted()
    hu = np.random.default_rng(1).normal(LUNG_HU, 40.0, grid.shape)
    hu[stem] = AIR_HU
    lumen = grow_bronchi(hu.astype(np.int16), SPACING, stem)
    assert (lumen & ~drawn([(*STEM[:2], STEM[2] + 1.2)], SPACING)[0]).sum() < 20


def test_mirrored_lungs_give_mirrored_bronchi():
    hu, stem, _ = painted(10.0)
    one = grow_bronchi(hu, SPACING, stem)
    other = grow_bronchi(
        np.ascontiguousarray(hu[:, :, ::-1]), SPACING, np.ascontiguousarray(stem[:, :, ::-1])
    )
    assert (one ^ other[:, :, ::-1]).sum() < 0.03 * one.sum()


def test_without_a_stem_there_is_nothing():
    hu, stem, _ = painted()
    assert not grow_bronchi(hu, SPACING, np.zeros_like(stem)).any()
