import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.nodules.detectors.boxes import centers_and_sizes, overlap, strongest


def brute_overlap(a, size_a, b, size_b):
    """Count the cells of a fine grid that lie in both boxes, and in either."""
    cells = np.stack(np.meshgrid(*[np.arange(-6, 6, 0.25) + 0.125] * 3, indexing="ij"), axis=-1)
    first = (np.abs(cells - a) < size_a / 2).all(axis=-1)
    second = (np.abs(cells - b) < size_b / 2).all(axis=-1)
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("seed", range(5))
def test_overlap_is_that_of_counted_cells(seed):
    random = np.random.default_rng(seed)
    a, b = random.integers(-4, 5, (2, 3)) / 2
    size_a, size_b = random.integers(2, 9, (2, 3)) / 2
    a, b = a + (size_a / 4 % 0.25), b + (size_b / 4 % 0.25)  # edges between cells
    a, b = np.round(a * 4) / 4, np.round(b * 4) / 4
    size_a, size_b = np.round(size_a) * 1.0 + 0.5, np.round(size_b) * 1.0 + 0.5
    assert overlap(a, size_a, b[None], size_b[None])[0] == pytest.approx(brute_overlap(a, size_a, b, size_b))


def test_the_ways_to_write_a_box_agree():
    center, size = np.array([[10.0, 20.0, 30.0]]), np.array([[2.0, 4.0, 6.0]])
    low, high = center - size / 2, center + size / 2
    for mode, box in (
        ("cccwhd", np.hstack([center, size])),
        ("xyzxyz", np.hstack([low, high])),
        ("zyxzyx", np.hstack([low[:, ::-1], high[:, ::-1]])),
    ):
        np.testing.assert_array_equal(centers_and_sizes(box, mode), (center, size))


@given(st.integers(0, 2**32 - 1))
def test_no_two_that_are_kept_overlap_and_what_is_dropped_overlaps_a_better_one(seed):
    random = np.random.default_rng(seed)
    centers, sizes = random.uniform(0, 20, (30, 3)), random.uniform(2, 8, (30, 3))
    scores = random.uniform(0, 1, 30)
    kept = strongest(centers, sizes, scores)
    assert list(scores[kept]) == sorted(scores[kept], reverse=True)
    for row in range(30):
        shared = overlap(centers[row], sizes[row], centers[kept], sizes[kept])
        better = shared[(scores[kept] > scores[row])]
        assert (better <= 0.25).all() == (row in kept)
    order = random.permutation(30)
    again = order[strongest(centers[order], sizes[order], scores[order])]
    np.testing.assert_array_equal(again, kept)


def test_nothing_is_kept_of_nothing():
    assert len(strongest(np.empty((0, 3)), np.empty((0, 3)), np.empty(0))) == 0
