import numpy as np
import pytest

from clearlung.anatomy.skeleton import tree_of_mask
from clearlung.ct import Volume

SPACINGS = [(1.0, 1.0, 1.0), (0.8, 0.7, 0.7), (2.5, 0.7, 0.7)]
# A trunk that parts in two, one of which parts again: start, end (x, y, z in mm), radius in mm.
TUBES = [
    ((30, 30, 5), (30, 32, 35), 5.0),
    ((30, 32, 35), (14, 24, 55), 3.5),
    ((30, 32, 35), (48, 40, 58), 3.0),
    ((48, 40, 58), (50, 30, 76), 2.0),
    ((48, 40, 58), (54, 54, 74), 1.8),
]


def drawn(tubes, spacing, size_mm=(85.0, 66.0, 66.0)):
    shape = [round(extent / step) for extent, step in zip(size_mm, spacing, strict=True)]
    grid = Volume.at(np.zeros(shape, dtype=bool), spacing, (0.5, -3.0, -4.0))
    at = grid.points_mm(np.argwhere(~grid.array))
    mask = np.zeros(len(at), dtype=bool)
    for start, end, radius in tubes:
        a, way = np.array(start, float), np.subtract(end, start).astype(float)
        t = np.clip((at - a) @ way / (way @ way), 0.0, 1.0)
        mask |= np.linalg.norm(at - a - t[:, None] * way, axis=1) <= radius
    return mask.reshape(shape), grid


def root(grid, point):
    return np.round(grid.indices([point])).astype(np.int64)


def path(tree, branch):
    return tree.points_mm[tree.branch == branch]


def off_line(points, start, end):
    a, way = np.array(start, float), np.subtract(end, start).astype(float)
    t = np.clip((points - a) @ way / (way @ way), 0.0, 1.0)
    return np.linalg.norm(points - a - t[:, None] * way, axis=1)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_every_branch_of_a_drawn_tree_comes_back(spacing):
    mask, grid = drawn(TUBES, spacing)
    tree = tree_of_mask(mask, grid, root(grid, TUBES[0][0]))
    assert len(tree) == 5
    assert sorted(tree.generation.tolist()) == [0, 1, 1, 2, 2]
    slack = 0.6 * float(np.prod(spacing)) ** (1 / 3)
    for start, end, radius in TUBES:
        tips = [path(tree, b)[-1] for b in range(5)]
        b = int(np.argmin([np.linalg.norm(tip - end) for tip in tips]))
        whole = np.linalg.norm(np.subtract(end, start))
        assert np.median(off_line(path(tree, b), start, end)) < slack
        assert tree.diameter_mm[b] == pytest.approx(2 * radius, rel=0.08, abs=0.25)
        assert tree.length_mm[b] == pytest.approx(whole, rel=0.12, abs=radius + slack + max(spacing))


def test_parents_come_first_and_children_begin_on_them():
    mask, grid = drawn(TUBES, SPACINGS[1])
    tree = tree_of_mask(mask, grid, root(grid, TUBES[0][0]))
    assert (np.diff(tree.branch) >= 0).all()
    for branch, parent in enumerate(tree.parent.tolist()):
        assert parent < branch
        if parent >= 0:
            away = np.linalg.norm(path(tree, parent) - path(tree, branch)[0], axis=1)
            assert away.min() < 1.5
            assert tree.generation[branch] == tree.generation[parent] + 1


@pytest.mark.parametrize("radius", [0.8, 1.5, 3.0, 6.0])
@pytest.mark.parametrize("spacing", SPACINGS[:2])
def test_a_straight_tube_is_one_branch_of_its_width(radius, spacing):
    start, end = (14, 20, 12), (50, 41, 72)
    mask, grid = drawn([(start, end, radius)], spacing)
    tree = tree_of_mask(mask, grid, root(grid, start))
    assert len(tree) == 1
    assert tree.diameter_mm[0] == pytest.approx(2 * radius, rel=0.05, abs=0.2)
    assert np.median(off_line(tree.points_mm, start, end)) < 0.4
    away = np.linalg.norm(np.diff(tree.points_mm, axis=0), axis=1)
    assert away.max() < 2.0


def test_roughness_is_no_branch():
    mask, grid = drawn(TUBES[:3], SPACINGS[1])
    shell = mask.copy()
    for axis in range(3):
        shell |= np.roll(mask, 1, axis) | np.roll(mask, -1, axis)
    rough = mask | (shell & (np.random.default_rng(3).random(mask.shape) < 0.3))
    assert len(tree_of_mask(rough, grid, root(grid, TUBES[0][0]))) == 3


def test_a_loop_is_opened():
    ring = [((30, 12, 20), (50, 30, 20), 2.0), ((50, 30, 20), (30, 50, 20), 2.0)]
    ring += [((30, 50, 20), (10, 30, 20), 2.0), ((10, 30, 20), (30, 12, 20), 2.0)]
    mask, grid = drawn([*ring, ((30, 12, 20), (30, 12, 60), 2.5)], SPACINGS[0])
    tree = tree_of_mask(mask, grid, root(grid, (30, 12, 60)))
    assert len(tree) == 3
    assert tree.parent.tolist() == [-1, 0, 0]
    halves = tree.length_mm[1:]
    assert halves.sum() == pytest.approx(4 * np.hypot(20, 19), rel=0.15)


def test_each_root_has_its_tree_and_pieces_without_one_are_left_out():
    apart = [
        ((12, 12, 10), (12, 12, 70), 2.0),
        ((40, 40, 10), (40, 40, 70), 3.0),
        ((55, 10, 5), (55, 10, 60), 2.0),
    ]
    mask, grid = drawn(apart, SPACINGS[0])
    roots = np.vstack([root(grid, (12, 12, 10)), root(grid, (40, 40, 70)), [[0, 0, 0]], [[-1, 900, 0]]])
    tree = tree_of_mask(mask, grid, roots)
    assert tree.parent.tolist() == [-1, -1]
    assert sorted(np.round(tree.diameter_mm).tolist()) == [4.0, 6.0]


def test_two_roots_in_one_piece_share_it():
    mask, grid = drawn([((20, 30, 5), (20, 30, 75), 3.0)], SPACINGS[0])
    tree = tree_of_mask(mask, grid, np.vstack([root(grid, (20, 30, 5)), root(grid, (20, 30, 75))]))
    assert (tree.parent == -1).sum() == 2
    assert tree.length_mm == pytest.approx([35.0, 35.0], abs=6.0)


def test_mirrored_masks_have_mirrored_trees():
    mask, grid = drawn(TUBES, SPACINGS[1])
    at = root(grid, TUBES[0][0])
    mirrored = at.copy()
    mirrored[:, 2] = mask.shape[2] - 1 - at[:, 2]
    one = tree_of_mask(mask, grid, at)
    other = tree_of_mask(mask[:, :, ::-1], grid, mirrored)
    assert sorted(one.generation.tolist()) == sorted(other.generation.tolist())
    assert np.sort(other.diameter_mm) == pytest.approx(np.sort(one.diameter_mm), rel=0.1)
    assert np.sort(other.length_mm) == pytest.approx(np.sort(one.length_mm), rel=0.1, abs=1.0)


def test_nothing_in_nothing_out():
    grid = Volume.at(np.zeros((5, 6, 7), dtype=bool))
    assert len(tree_of_mask(grid.array, grid, np.zeros((0, 3), dtype=np.int64))) == 0
    assert len(tree_of_mask(grid.array, grid, np.array([[1, 1, 1]]))) == 0
    one = grid.array.copy()
    one[2, 3, 4] = True
    assert len(tree_of_mask(one, grid, np.array([[2, 3, 4]]))) <= 1
    with pytest.raises(ValueError, match="not on a grid"):
        tree_of_mask(np.zeros((3, 3, 3), dtype=bool), grid, np.array([[1, 1, 1]]))
