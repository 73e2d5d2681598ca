import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.anatomy.fissure_dense import semi_global, thin_plate
from clearlung.anatomy.fissure_evidence import wrong_side_cost
from clearlung.anatomy.fissure_field import lung_field
from clearlung.anatomy.fissure_frame import Frame, sample_around
from clearlung.anatomy.fissure_shape import bent_sheet
from clearlung.anatomy.fissures import find_fissure
from clearlung.evidence import load_evidence

SPACING = (1.5, 1.4, 1.4)
NORMAL = np.array([1.0, -0.9, 0.0]) / np.hypot(1.0, 0.9)


def course(y, x):
    """Height of an oblique fissure that is tilted, bent and wavy."""
    return 55.0 + 0.95 * (y - 60.0) - 0.0025 * (y - 60.0) ** 2 + 0.1 * (x - 40.0) + 2.5 * np.sin(x / 18.0)


def lung_with_sheet(seen=lambda y, x: True, contrast=90.0, noise=35.0, seed=3):
    """An ellipsoid of lung with a thin bright sheet in it, shape (z, y, x)."""
    shape = (84, 92, 62)
    z, y, x = np.meshgrid(*(np.arange(n) * s for n, s in zip(shape, SPACING, strict=True)), indexing="ij")
    lung = ((z - 62) / 56) ** 2 + ((y - 64) / 58) ** 2 + ((x - 43) / 38) ** 2 < 1
    slope = np.hypot(np.hypot(0.95 - 0.005 * (y - 60), 0.1 + 2.5 / 18 * np.cos(x / 18)), 1)
    away = np.abs(z - course(y, x)) / slope
    hu = -860.0 + np.random.default_rng(seed).normal(0, noise, shape)
    hu += contrast * np.exp(-0.5 * (away / 0.8) ** 2) * seen(y, x)
    hu[~lung] = 40
    return hu.astype(np.int16), lung.astype(np.uint8)


def errors_mm(surface):
    """Distance of the surface's cells in the lung from the true course, and where they lie."""
    z, y, x = np.moveaxis(surface.points_mm()[surface.crosses], -1, 0)
    slope = np.hypot(np.hypot(0.95 - 0.005 * (y - 60), 0.1 + 2.5 / 18 * np.cos(x / 18)), 1)
    return (z - course(y, x)) / slope, y, x


def found_in(hu, lungs, marks=None):
    return find_fissure(lung_field(hu, lungs, 1, SPACING), NORMAL, float(NORMAL @ (68.0, 62.0, 40.0)), marks)


@pytest.fixture(scope="module")
def whole():
    return found_in(*lung_with_sheet())


def test_a_sheet_is_found_to_half_a_millimeter(whole):
    error, _, _ = errors_mm(whole)
    assert np.abs(error).mean() < 0.5
    assert np.percentile(np.abs(error), 95) < 1.2
    assert whole.seen_share > 0.85


def test_a_sheet_of_which_half_is_missing_is_bridged_and_says_so(whole):
    half = found_in(*lung_with_sheet(lambda y, x: (x < 45) | (y < 45)))
    error, y, x = errors_mm(half)
    missing = (x > 48) & (y > 48)
    assert np.abs(error[~missing]).mean() < 0.7
    assert np.abs(error[missing]).mean() < 5.0
    assert half.seen_share == pytest.approx(1 - (missing.mean()), abs=0.15)
    sure = half.error_mm[half.crosses]
    assert np.median(sure[missing]) > 1.5 * np.median(sure[~missing])
    assert half.seen_share < whole.seen_share - 0.15


def test_where_nothing_is_seen_the_typical_plane_stays_with_its_error():
    surface = found_in(*lung_with_sheet(contrast=0.0))
    most = load_evidence().value("anatomy.fissure_error", unit="mm")
    assert surface.seen_share < 0.1
    assert (surface.error_mm == np.float32(most)).all()
    z, y, x = np.moveaxis(surface.points_mm()[surface.crosses], -1, 0)
    from_plane = np.stack([z, y, x], axis=-1) @ NORMAL - NORMAL @ (68.0, 62.0, 40.0)
    assert np.abs(from_plane).mean() < 12.0


def test_the_cheapest_surface_is_the_drawn_one():
    u, v = np.meshgrid(np.arange(40), np.arange(50), indexing="ij")
    true = 20 + 6 * np.sin(u / 12) + 0.15 * v
    h = np.arange(45)[None, None, :]
    cost = np.random.default_rng(1).normal(0, 0.3, (40, 50, 45)) - np.exp(-0.5 * (h - true[:, :, None]) ** 2)
    surface = semi_global(cost.astype(np.float32), 0.2)
    assert np.abs(surface - true).mean() < 0.5


def test_a_bent_sheet_is_found_far_from_the_plane():
    u, v = np.meshgrid(np.linspace(-1, 1, 50), np.linspace(-1, 1, 60), indexing="ij")
    true = 14 - 9 * u + 16 * v + 6 * u * v
    heights = np.arange(-45, 46, 1.5).astype(np.float32)
    cost = -np.exp(-0.5 * ((heights - true[:, :, None]) / 2) ** 2)
    sheet = bent_sheet(cost.astype(np.float32), heights, 3000.0)
    assert np.abs(sheet - true).mean() < 1.0


@given(a=st.floats(-0.5, 0.5), b=st.floats(-0.5, 0.5), c=st.floats(-20, 20))
def test_a_thin_plate_continues_a_plane_exactly(a, b, c):
    u, v = np.meshgrid(np.arange(30.0), np.arange(24.0), indexing="ij")
    plane = c + a * u + b * v
    trust = np.zeros_like(plane)
    trust[3:12, 4:20] = 1.0
    plate = thin_plate(np.where(trust > 0, plane, 99.0).astype(np.float32), trust.astype(np.float32), 10.0)
    assert np.abs(plate - plane).max() < 0.5


def test_a_frame_and_its_coordinates_agree():
    points = np.random.default_rng(2).uniform(0, 100, (500, 3))
    frame = Frame.around(points, NORMAL)
    u, v, h = frame.coordinates(points).T
    assert u.min() >= 0
    assert v.min() >= 0
    assert (u.max(), v.max()) <= frame.shape
    plane = frame.plane(NORMAL, 12.0)
    height = plane[np.rint(u).astype(int), np.rint(v).astype(int)]
    np.testing.assert_allclose(h - height, points @ NORMAL - 12.0, atol=1e-3)


def test_columns_sample_what_lies_there():
    z, y, x = np.meshgrid(
        *(np.arange(n) * s for n, s in zip((30, 40, 50), SPACING, strict=True)), indexing="ij"
    )
    volume = (2 * z - y + 3 * x).astype(np.float32)
    frame = Frame.around(np.array([[10.0, 20.0, 20.0], [30.0, 40.0, 50.0]]), NORMAL)
    heights = np.array([-2.0, 0.0, 3.0], dtype=np.float32)
    base = np.full(frame.shape, 1.5, dtype=np.float32)
    sampled = sample_around(volume, SPACING, np.zeros(3), frame, base, heights)
    i, j = frame.shape[0] // 2, frame.shape[1] // 2
    for k, height in enumerate(heights):
        point = frame.origin_mm + np.array([i * 1.5, j * 1.5, 1.5 + height]) @ frame.axes
        assert sampled[i, j, k] == pytest.approx(point @ (2, -1, 3), abs=1e-2)


def test_a_bronchus_of_the_upper_lobe_pushes_the_fissure_below_it():
    heights = np.arange(-10, 11).astype(np.float32)
    place, weight = np.array([[5.0, 5.0, 0.0]]), np.ones(1)
    over = wrong_side_cost((11, 11, 21), place, np.array([True]), weight, 3, heights)[5, 5]
    under = wrong_side_cost((11, 11, 21), place, np.array([False]), weight, 3, heights)[5, 5]
    assert over[heights <= 0].max() == 0
    assert (np.diff(over) >= 0).all()
    assert over[-1] == pytest.approx(1.0)
    np.testing.assert_allclose(under, over[::-1])
