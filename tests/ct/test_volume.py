"""The one geometry type: what it refuses, and that its questions agree with each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.ct import AxisOrder, Volume

from .chests import ALL_ORDERS, assert_same_place, chest, native_grid

UPRIGHT = np.eye(3)[:, ::-1]


@pytest.mark.parametrize(
    ("array", "spacing_mm", "origin_mm", "direction", "match"),
    [
        (np.zeros((2, 2)), (1, 1, 1), (0, 0, 0), UPRIGHT, "three non-empty axes"),
        (np.zeros((2, 0, 2)), (1, 1, 1), (0, 0, 0), UPRIGHT, "three non-empty axes"),
        (np.zeros((2, 3, 4), order="F"), (1, 1, 1), (0, 0, 0), UPRIGHT, "C order"),
        (np.zeros((2, 3, 4))[::-1], (1, 1, 1), (0, 0, 0), UPRIGHT, "C order"),
        (np.zeros((2, 3, 4)), (1, np.nan, 1), (0, 0, 0), UPRIGHT, "not finite"),
        (np.zeros((2, 3, 4)), (1, 1, 1), (0, np.inf, 0), UPRIGHT, "not finite"),
        (np.zeros((2, 3, 4)), (1, 0, 1), (0, 0, 0), UPRIGHT, "positive"),
        (np.zeros((2, 3, 4)), (1, 1, 1), (0, 0, 0), UPRIGHT * 1.1, "orthonormal"),
        (np.zeros((2, 3, 4)), (1, 1, 1), (0, 0, 0), np.eye(3), "left-handed"),
    ],
)
def test_impossible_volumes(array, spacing_mm, origin_mm, direction, match):
    with pytest.raises(ValueError, match=match):
        Volume(array, spacing_mm, origin_mm, direction)


@pytest.mark.parametrize(
    "affine", [np.full((4, 4), np.nan), np.diag([1.0, 0, 1, 1]), np.eye(4) + np.eye(4, k=1)]
)
def test_impossible_affines(affine):
    with pytest.raises(ValueError, match=r"finite|orthonormal"):
        Volume.canonical(np.zeros((2, 3, 4)), affine)


@pytest.mark.parametrize("order", ALL_ORDERS)
def test_every_order_goes_in_and_out(order):
    truth = chest(degrees=(5.0, -3.0, 8.0))
    array, affine = native_grid(truth, order)
    volume, found = Volume.canonical(array, affine)
    assert found == order
    assert_same_place(volume, truth, 1e-9)
    np.testing.assert_array_equal(order.to_native(volume.array), array)
    back, again = Volume.from_sitk(volume.to_sitk(order))
    assert again == order
    assert back.on_same_grid(truth)


numbers = st.floats(-500.0, 500.0)


@given(points=st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=5))
def test_points_and_indices_are_inverse(points):
    volume = chest(degrees=(5.0, -3.0, 8.0))
    np.testing.assert_allclose(volume.points_mm(volume.indices(points)), points, atol=1e-9)


def test_a_crop_stays_where_it_was():
    volume = chest(degrees=(5.0, -3.0, 8.0))
    part = volume.crop((slice(2, 9), slice(-5, None), slice(None, 7)))
    assert part.shape == (7, 5, 7)
    assert np.shares_memory(part.array, volume.array)
    np.testing.assert_allclose(part.points_mm([[1, 2, 3]]), volume.points_mm([[3, 15, 3]]))


def test_grids_are_compared_by_place():
    volume = chest()
    assert volume.on_same_grid(chest(seed=4))
    assert not volume.on_same_grid(chest(origin_mm=(-31.0, 17.1, -230.0)))
    assert not volume.on_same_grid(chest(shape=(16, 18, 21)))
    assert not volume.on_same_grid(chest(degrees=(1.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="not on a grid"):
        volume.with_array(np.zeros((2, 2, 2)))


def test_volume_of_a_voxel_and_the_plain_order():
    assert Volume.at(np.zeros((2, 2, 2)), (2.0, 0.5, 0.5)).voxel_ml == pytest.approx(0.0005)
    assert AxisOrder().is_identity
    assert not ALL_ORDERS[1].is_identity
