"""Blur, derivatives and eigenvalues against numpy, scipy and what is known of them in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clearlung.anatomy.hessian import eigenvalues, eigenvector, second_derivatives, smooth

entries = st.lists(st.floats(-1e4, 1e4, allow_subnormal=False), min_size=6, max_size=6)
few = st.lists(st.sampled_from([-300.0, 0.0, 1.0, 500.0]), min_size=6, max_size=6)


def matrix(zz, yy, xx, zy, zx, yx):
    return np.array([[zz, zy, zx], [zy, yy, yx], [zx, yx, xx]])


@given(entries | few)
def test_eigenvalues_are_those_of_numpy(six):
    expected = np.linalg.eigvalsh(matrix(*six))
    assert np.allclose(eigenvalues(*six), expected, atol=1e-5 * (1.0 + np.abs(expected).max()))


@given(entries | few)
def test_an_eigenvector_is_only_stretched(six):
    values = np.linalg.eigvalsh(matrix(*six))
    for value in values:
        vector = np.array(eigenvector(*six, value))
        assert np.linalg.norm(vector) == pytest.approx(1.0)
        rest = matrix(*six) @ vector - value * vector
        assert np.abs(rest).max() <= 1e-4 * (1.0 + np.abs(values).max())


@pytest.mark.parametrize("sigma", [(1.0, 1.5, 0.7), (0.0, 2.0, 1.0), (3.0, 0.0, 0.0)])
def test_the_blur_is_that_of_scipy(sigma):
    image = np.random.default_rng(1).integers(-1000, 200, (23, 31, 37)).astype(np.int16)
    expected = gaussian_filter(image.astype(np.float64), sigma, mode="nearest", truncate=4.0)
    assert np.abs(smooth(image, sigma) - expected).max() < 0.004 * 1200


def test_a_blur_wider_than_the_image_keeps_a_constant():
    assert np.allclose(smooth(np.full((2, 3, 4), 7.0), (5.0, 5.0, 5.0)), 7.0, rtol=1e-5)


def test_derivatives_of_a_quadric_are_exact_on_any_grid():
    spacing = np.array([2.5, 0.7, 0.8])
    hessian = np.array([[4.0, -1.0, 0.5], [-1.0, -2.0, 3.0], [0.5, 3.0, 1.0]])
    points = np.stack(np.meshgrid(*[np.arange(5.0)] * 3, indexing="ij"), axis=-1) * spacing
    image = 0.5 * np.einsum("...a,ab,...b->...", points, hessian, points)
    zz, yy, xx, zy, zx, yx = second_derivatives(image, 2, 2, 2, *(1.0 / spacing))
    assert np.allclose(matrix(zz, yy, xx, zy, zx, yx), hessian)
