import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.nodules.network import (
    NEAR_STEP_MM,
    PATCH,
    WIDE_PER_NEAR,
    WINDOW_HU,
    Pyramid,
    near_step_mm,
    sample_patches,
    size_terms,
)

SPACING = np.array([2.5, 0.7, 0.7])
LOW, HIGH = WINDOW_HU


def ramp(shape, slope):
    """HU that rise by so much per mm along z, y and x, from -600 at the middle."""
    place = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, SPACING, strict=True)], indexing="ij"
    )
    return np.rint(-600 + sum(k * p for k, p in zip(slope, place, strict=True))).astype(np.int16)


def middle(shape):
    return (np.array([shape]) - 1) / 2.0


def in_hu(patch):
    return patch * (HIGH - LOW) + LOW


def test_a_patch_has_the_values_at_its_points():
    shape = (41, 121, 121)
    hu = ramp(shape, (2.0, -3.0, 4.0))
    pyramid = Pyramid.of(hu, np.ones(shape, np.uint8), SPACING)
    patch = sample_patches(pyramid, middle(shape), np.array([0.9]))
    at = (np.arange(PATCH) - (PATCH - 1) / 2) * 0.9
    z, y, x = np.meshgrid(at, at, at, indexing="ij")
    assert in_hu(patch[0, 0]) == pytest.approx(-600 + 2 * z - 3 * y + 4 * x, abs=0.8)
    assert (patch[0, 1] == 1).all()


def test_a_turned_patch_looks_along_its_own_axes():
    shape = (41, 121, 121)
    pyramid = Pyramid.of(ramp(shape, (0.0, 0.0, 5.0)), np.ones(shape, np.uint8), SPACING)
    quarter = np.array([[[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]])
    patch = in_hu(sample_patches(pyramid, middle(shape), np.array([0.8]), quarter))[0, 0]
    assert np.diff(patch, axis=1) == pytest.approx(4.0, abs=0.8)  # x of the scan is the patch's y
    assert np.diff(patch, axis=2) == pytest.approx(0.0, abs=0.6)


def test_a_mirrored_patch_is_the_patch_reversed():
    rng = np.random.default_rng(1)
    hu = rng.integers(-900, 300, (30, 60, 60), dtype=np.int16)
    pyramid = Pyramid.of(hu, (hu > -700).astype(np.uint8), SPACING)
    step = np.array([1.1])
    plain = sample_patches(pyramid, middle(hu.shape), step)
    mirrored = sample_patches(pyramid, middle(hu.shape), step, np.diag([1.0, -1.0, 1.0])[None])
    assert mirrored == pytest.approx(plain[:, :, :, ::-1], abs=1e-5)


def test_wide_steps_average_what_lies_between_them():
    rng = np.random.default_rng(2)
    hu = rng.normal(-600, 100, (40, 160, 160)).astype(np.int16)
    pyramid = Pyramid.of(hu, np.ones(hu.shape, np.uint8), SPACING)
    narrow = in_hu(sample_patches(pyramid, middle(hu.shape), np.array([0.5])))[0, 0]
    wide = in_hu(sample_patches(pyramid, middle(hu.shape), np.array([4.0])))[0, 0]
    assert wide.std() < 0.5 * narrow.std()
    assert wide.mean() == pytest.approx(-600, abs=5)


def test_levels_lie_where_their_voxels_are():
    shape = (24, 96, 96)
    hu = np.full(shape, -900, np.int16)
    hu[10:14, 40:56, 30:46] = 100
    pyramid = Pyramid.of(hu, np.ones(shape, np.uint8), SPACING)
    assert len(pyramid.images) > 1
    for image, factor in zip(pyramid.images, pyramid.factors, strict=True):
        weight = image - image.min()
        place = [
            ((np.arange(n) * weight.sum(axis=tuple(k for k in range(3) if k != a))).sum() / weight.sum())
            for a, n in enumerate(image.shape)
        ]
        assert (np.array(place) + 0.5) * factor - 0.5 == pytest.approx([11.5, 47.5, 37.5])


def test_beyond_the_box_the_nearest_voxel_counts():
    hu = np.full((10, 20, 20), -500, np.int16)
    pyramid = Pyramid.of(hu, np.ones(hu.shape, np.uint8), SPACING)
    patch = sample_patches(pyramid, np.array([[0.0, 0.0, 0.0]]), np.array([2.0]))
    assert in_hu(patch[0, 0]) == pytest.approx(-500)


@settings(max_examples=20, deadline=None)
@given(st.floats(1.0, 40.0), st.floats(1.01, 2.0))
def test_larger_candidates_get_larger_cubes(diameter, factor):
    small, large = near_step_mm(np.array([diameter, diameter * factor]))
    assert NEAR_STEP_MM[0] <= small <= large <= NEAR_STEP_MM[1]
    assert large * WIDE_PER_NEAR * PATCH >= 20.0


def test_sizes_are_told_on_a_scale_of_their_own():
    terms = size_terms(np.array([8.0]), np.array([8.0, 2.0, 2.0]))
    assert terms[0] == pytest.approx([0.0, 0.0, np.log(0.25)])
