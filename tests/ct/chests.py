"""Small volumes that could be a chest, with corners that can be told apart."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from scipy.spatial.transform import Rotation

from clearlung.ct import AxisOrder, Volume

ALL_ORDERS = [
    AxisOrder(permutation, flipped)
    for permutation in permutations(range(3))
    for flipped in product((False, True), repeat=3)
]
CORNERS = list(product((0, -1), repeat=3))
CORNER_VALUES = [101, 103, 107, 109, 113, 127, 131, 137]


def chest(
    shape=(16, 18, 20),
    spacing_mm=(4.5, 4.0, 3.5),
    origin_mm=(-31.0, 17.0, -230.0),
    degrees=(0.0, 0.0, 0.0),
    seed=0,
) -> Volume:
    """Air around a block of tissue with noise, each corner its own value; canonical, perhaps oblique."""
    rng = np.random.default_rng(seed)
    array = rng.integers(-1010, -980, shape).astype(np.int16)
    inner = tuple(slice(n // 4, n - n // 4) for n in shape)
    array[inner] = rng.integers(20, 60, array[inner].shape)
    for corner, value in zip(CORNERS, CORNER_VALUES, strict=True):
        array[corner] = value
    direction = Rotation.from_euler("zyx", degrees, degrees=True).as_matrix() @ np.eye(3)[:, ::-1]
    return Volume(array, tuple(map(float, spacing_mm)), tuple(map(float, origin_mm)), direction)


def corners_mm(volume: Volume) -> np.ndarray:
    """Where each corner value lies, in the order of CORNER_VALUES."""
    places = [np.argwhere(volume.array == value) for value in CORNER_VALUES]
    assert all(len(place) == 1 for place in places)
    return volume.points_mm(np.vstack(places))


def assert_same_place(read: Volume, truth: Volume, tolerance_mm=1e-3) -> None:
    np.testing.assert_allclose(corners_mm(read), corners_mm(truth), atol=tolerance_mm)
    np.testing.assert_array_equal(read.array, truth.array)
    assert read.array.flags.c_contiguous


def native_grid(volume: Volume, order: AxisOrder):
    """The file's array and its affine (a, b, c, 1) to LPS mm, without the code under test."""
    array = volume.array[tuple(slice(None, None, -1 if flip else 1) for flip in order.flipped)]
    array = np.transpose(array, np.argsort(order.permutation))
    affine = np.eye(4)
    far = np.zeros(3)
    for canonical, native in enumerate(order.permutation):
        sign = -1.0 if order.flipped[canonical] else 1.0
        affine[:3, native] = volume.direction[:, canonical] * volume.spacing_mm[canonical] * sign
        far[canonical] = volume.shape[canonical] - 1 if order.flipped[canonical] else 0
    affine[:3, 3] = volume.origin_mm + volume.direction @ (far * volume.spacing_mm)
    return array, affine
