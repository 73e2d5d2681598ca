"""Blur and noise are read from a scan as they were put into it."""

from types import SimpleNamespace

import numpy as np
import pytest

from clearlung.phantom import PhantomSpec, estimate_blur, estimate_noise, make_phantom
from tests.phantom.flat_chest import chest

# Correlation of neighbors in white noise that was smoothed with a sampled Gaussian of 0.7 voxels.
BESIDE = 0.58


@pytest.mark.parametrize(
    ("spacing", "blur"),
    [((0.7, 0.7, 0.7), (1.3, 1.2)), ((1.0, 0.8, 0.8), (2.0, 1.5)), ((2.5, 0.7, 0.7), (1.2, 2.2))],
)
def test_the_blur_of_known_edges_comes_back(spacing, blur):
    scan, anatomy = chest(spacing, extent=(100.0, 80.0, 150.0), blur_mm=blur, noise_hu=15.0)
    found = estimate_blur(scan, anatomy)
    assert min(found.edges) > 100
    assert found.in_plane_mm == pytest.approx(blur[0], rel=0.08)
    assert found.axial_mm == pytest.approx(blur[1], rel=0.25)


@pytest.mark.parametrize("noise_hu", [8.0, 30.0])
def test_strength_and_correlation_of_known_noise_come_back(noise_hu):
    scan, anatomy = chest((1.5, 1.0, 1.0), noise_hu=noise_hu)
    found = estimate_noise(scan, anatomy)
    assert found.sd_hu == pytest.approx(noise_hu, rel=0.1)
    assert found.in_plane[1] == pytest.approx(BESIDE, abs=0.05)
    assert abs(found.axial[1]) < 0.06
    tile = found.tile((1.5, 1.0, 1.0), np.random.default_rng(1))
    assert tile.std() == pytest.approx(found.sd_hu, rel=1e-3)
    beside = np.corrcoef(tile[:, :, 1:].ravel(), tile[:, :, :-1].ravel())[0, 1]
    assert beside == pytest.approx(found.in_plane[1], abs=0.05)


def test_a_tile_repeats_without_a_seam():
    scan, anatomy = chest((1.5, 1.0, 1.0), noise_hu=20.0)
    tile = estimate_noise(scan, anatomy).tile((1.5, 1.0, 1.0), np.random.default_rng(1))
    seam = np.corrcoef(tile[:, :, 0].ravel(), tile[:, :, -1].ravel())[0, 1]
    assert seam == pytest.approx(BESIDE, abs=0.08)


def test_a_scan_without_noise_has_none():
    scan, anatomy = chest()
    assert estimate_noise(scan, anatomy).sd_hu == 0.0


@pytest.mark.parametrize(
    ("shape", "blur"), [((200, 320, 320), (1.6, 1.6)), ((107, 320, 320), (1.6, 2.5))], ids=["thin", "thick"]
)
def test_the_phantoms_blur_and_noise_come_back(shape, blur):
    spec = PhantomSpec(
        nodules=0, seed=2, shape=shape, noise_hu=20.0, psf_in_plane_mm=blur[0], psf_axial_mm=blur[1]
    )
    phantom = make_phantom(spec)
    inside = np.flatnonzero(phantom.lungs.array.any(axis=(1, 2)))
    # All that the estimates ask of the anatomy is in which slices the lungs are.
    anatomy = SimpleNamespace(box=(slice(int(inside[0]), int(inside[-1]) + 1), slice(None), slice(None)))
    found, noise = estimate_blur(phantom.scan, anatomy), estimate_noise(phantom.scan, anatomy)
    assert found.in_plane_mm == pytest.approx(blur[0], rel=0.2)
    assert found.axial_mm == pytest.approx(blur[1], rel=0.35)
    assert noise.sd_hu == pytest.approx(20.0, rel=0.15)
