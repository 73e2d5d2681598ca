"""What is painted has the volume that it should."""

import numpy as np
import pytest

from clearlung.phantom.body import make_body
from clearlung.phantom.fields import Field, distance_like, smooth_union
from clearlung.phantom.labels import paint_metastases
from clearlung.phantom.metastases import Metastases
from clearlung.phantom.painting import Canvas, paint_field, paint_tubes
from clearlung.phantom.round_shapes import DEGREES, fibonacci_sphere, relative_radius
from clearlung.phantom.scanner import scan_canvas
from clearlung.phantom.shapes import Tubes, ellipsoid_field, smooth_path, tubes_field
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.trees import make_trees

BACKGROUND, CONTRAST = -860.0, 900.0


def canvas(shape=(40, 44, 48), spacing=(0.8, 0.7, 0.7)):
    hu = np.full(shape, BACKGROUND, dtype=np.float32)
    spacing = np.array(spacing)
    return Canvas(hu, spacing, -spacing * (np.array(shape) - 1) / 2)


def painted_mm3(view):
    return float((view.hu.astype(float) - BACKGROUND).sum() / CONTRAST * np.prod(view.spacing_mm))


def one_metastasis(diameter, seed, center=(0.13, -0.21, 0.3)):
    rng = np.random.default_rng(seed)
    axes = rng.standard_normal((len(DEGREES), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    weights = 0.08 * rng.standard_normal(len(DEGREES)).clip(-1.5, 1.5)
    relative = relative_radius(axes, weights, fibonacci_sphere(5000))
    size = diameter / 2 / np.mean(relative**3) ** (1 / 3)
    one = np.ones(1)
    return Metastases(
        np.array([center]), diameter * one, np.array([center]), size * one, axes[None], weights[None],
        np.array(["RUL"]), one, (BACKGROUND + CONTRAST) * one, 0 * one, 0 * one, one > 0, one > 0,
    )  # fmt: skip


@pytest.mark.parametrize("diameter", [1.5, 3.0, 6.0, 14.0, 24.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_nodule_fills_its_analytic_volume(diameter, seed):
    view = canvas()
    labels = paint_metastases(view, one_metastasis(diameter, seed))
    assert painted_mm3(view) == pytest.approx(np.pi / 6 * diameter**3, rel=0.01 if diameter > 2 else 0.03)
    assert labels.max() == 1
    if diameter >= 6:
        assert labels.sum() * np.prod(view.spacing_mm) == pytest.approx(np.pi / 6 * diameter**3, rel=0.05)


@pytest.mark.parametrize("diameter", [2.0, 5.0])
def test_a_nodule_keeps_its_volume_in_large_voxels(diameter):
    view = canvas((20, 20, 20), (3.2, 2.8, 2.8))
    labels = paint_metastases(view, one_metastasis(diameter, 0))
    assert painted_mm3(view) == pytest.approx(np.pi / 6 * diameter**3, rel=0.05)
    assert (labels == 1).any()


def test_blur_keeps_a_nodules_volume():
    spec = PhantomSpec(shape=(64, 64, 64), noise_hu=0.0)
    view = Canvas.blank(spec, BACKGROUND)
    paint_metastases(view, one_metastasis(20.0, 0))
    hu = scan_canvas(view, spec, np.random.default_rng(0)).astype(float)
    near = hu[20:60, 16:48, 16:48] - BACKGROUND
    assert near.sum() / CONTRAST * np.prod(view.spacing_mm) == pytest.approx(np.pi / 6 * 8000, rel=0.02)


@pytest.mark.parametrize("radius", [0.2, 0.35, 0.6, 1.0, 2.5])
def test_a_tube_fills_its_cross_section(radius):
    view = canvas((40, 60, 60))
    ends = np.array([[-9.0, -6.0, -8.0], [9.0, 7.0, 8.5]])
    tube = Tubes(ends[:1], ends[1:], np.array([radius]), np.array([radius]))
    paint_tubes(view, tube, BACKGROUND + CONTRAST, "brighter", BACKGROUND)
    length = np.linalg.norm(ends[1] - ends[0])
    caps = 4 / 3 * np.pi * radius**3
    assert painted_mm3(view) == pytest.approx(np.pi * radius**2 * length + caps, rel=0.06)


def test_pieces_that_meet_do_not_add_up():
    whole, parted = canvas(), canvas()
    a, b, c = np.array([[-8.0, 0, 0]]), np.array([[0.0, 0, 0]]), np.array([[8.0, 0, 0]])
    r = np.array([1.0])
    paint_tubes(whole, Tubes(a, c, r, r), BACKGROUND + CONTRAST, "brighter", BACKGROUND)
    halves = Tubes(np.vstack([a, b]), np.vstack([b, c]), np.ones(2), np.ones(2))
    paint_tubes(parted, halves, BACKGROUND + CONTRAST, "brighter", BACKGROUND)
    assert np.allclose(whole.hu, parted.hu, atol=0.01)


def test_an_ellipsoid_from_a_coarse_grid_has_its_volume():
    grid = Field(np.zeros((36, 36, 36), dtype=np.float32), 2.0, (-35.0, -35.0, -35.0))
    field = ellipsoid_field(grid, (0.4, 0.3, -0.2), (12.0, 9.0, 10.0), (1.0, 0.5, 0.2))
    view = canvas((50, 50, 50), (0.7, 0.7, 0.7))
    paint_field(view, field, BACKGROUND + CONTRAST)
    assert painted_mm3(view) == pytest.approx(4 / 3 * np.pi * 12 * 9 * 10, rel=0.02)


def test_nothing_is_painted_beyond_a_fields_grid():
    grid = Field(np.zeros((6, 6, 6), dtype=np.float32), 2.0, (-5.0, -5.0, -5.0))
    _, _, x = grid.axes_mm()
    slab = grid.with_array(np.broadcast_to(4.0 - np.abs(x) * 0.5, grid.array.shape))
    view = canvas()
    paint_field(view, slab, BACKGROUND + CONTRAST)
    assert (view.hu == BACKGROUND).all()


def test_a_field_knows_its_surface_and_slope():
    grid = Field(np.zeros((30, 30, 30), dtype=np.float32), 2.0, (-29.0, -29.0, -29.0))
    center = np.array([3.0, -2.0, 6.0])
    sphere = ellipsoid_field(grid, center, (15.0, 15.0, 15.0))
    radii = np.linalg.norm(sphere.surface_points_mm() - center, axis=1)
    assert np.abs(radii - 15).max() < 0.05
    slope = sphere.gradient_at(center + 15 * np.eye(3))
    assert np.allclose(slope, np.eye(3), atol=0.02)
    # Between grid points, a curve of 10 mm radius is missed by up to 2 * 2 mm * 2 mm / (8 * 10 mm).
    assert sphere.at(center + np.array([10.0, 0, 0]))[0] == pytest.approx(-5, abs=0.1)


def test_any_implicit_function_becomes_a_distance():
    grid = Field(np.zeros((30, 30, 30), dtype=np.float32), 2.0, (-29.0, -29.0, -29.0))
    z, y, x = grid.axes_mm()
    steep = distance_like(grid.with_array(7 * (x + 0 * y + 0 * z - 3.0)))
    assert steep.at([[5.0, 0, 0]])[0] == pytest.approx(2.0, abs=1e-3)


def test_a_smooth_union_contains_both():
    a, b = np.float32(np.linspace(-5, 5, 11)), np.float32(np.linspace(5, -5, 11))
    union = smooth_union(a, b, 2.0)
    assert (union <= np.minimum(a, b) + 1e-6).all()
    assert np.abs(union - np.minimum(a, b)).max() <= 0.51


def test_tubes_measure_their_distance():
    grid = Field(np.zeros((20, 20, 20), dtype=np.float32), 2.0, (-19.0, -19.0, -19.0))
    field = tubes_field(grid, Tubes.along([(-10, 0, 0, 2.0), (10, 0, 0, 4.0)]))
    assert field.array[9, 14, 9] == pytest.approx(np.hypot(9, 1) - 2.9, abs=1e-4)


def test_a_smooth_path_goes_through_its_points():
    points = [(0, 0, 0, 1), (10, 2, 0, 2), (20, 0, 5, 1)]
    path = smooth_path(points, pieces=4)
    assert len(path) == 9
    assert np.allclose(path[::4], points)


@pytest.fixture(scope="module")
def grown():
    body = make_body(np.random.default_rng(2))
    return body, make_trees(body, np.random.default_rng(3))


def test_vessels_keep_to_the_lungs_and_reach_the_periphery(grown):
    body, trees = grown
    ends = trees.vessels.end_mm
    depth = np.maximum(-body.lungs["right"].at(ends), -body.lungs["left"].at(ends))
    assert (depth > 0).mean() > 0.98
    assert 1.5 < np.percentile(depth[depth > 0], 5) < 6


def test_trees_taper(grown):
    _, trees = grown
    for tubes in (trees.arteries, trees.veins):
        assert (tubes.end_radius_mm <= tubes.start_radius_mm + 1e-9).mean() > 0.8
        assert 4.5 < tubes.end_radius_mm.max() < 9
        assert tubes.end_radius_mm.min() < 0.5
    assert 8 < trees.bronchi.start_radius_mm.max() < 11
