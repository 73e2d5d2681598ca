"""Shapes of known volume in a block of lung, blurred as a scanner does."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from clearlung.anatomy import Anatomy
from clearlung.ct import AxisOrder, Scan, Volume

LUNG_HU, SOFT_HU = -850.0, 40.0
FINE_MM = 0.3  # drawn on voxels about this fine
BLUR_FWHM_MM = 1.2


class Block:
    """A block of lung, centered on the origin, into which shapes are drawn; distances in mm, (x, y, z)."""

    def __init__(self, size_mm=(40.0, 40.0, 40.0), spacing_mm=(0.8, 0.7, 0.7)):
        self.spacing = np.array(spacing_mm)
        self.shape = tuple(int(np.ceil(s / d)) for s, d in zip(size_mm[::-1], spacing_mm, strict=True))
        parts = np.ceil(self.spacing / FINE_MM).astype(int) if max(size_mm) < 50 else np.array([3, 1, 1])
        self.parts = tuple(parts.tolist())
        step = self.spacing / parts
        shape = [n * p for n, p in zip(self.shape, self.parts, strict=True)]
        axes = [(np.arange(n) - (n - 1) / 2) * d for n, d in zip(shape, step, strict=True)]
        self.z, self.y, self.x = np.meshgrid(*axes, indexing="ij", sparse=True)
        self.hu = np.full(shape, LUNG_HU, dtype=np.float32)
        self.outside = np.zeros(self.hu.shape, dtype=bool)

    def ball(self, center, diameter):
        x, y, z = center
        return (self.x - x) ** 2 + (self.y - y) ** 2 + (self.z - z) ** 2 < (diameter / 2) ** 2

    def ellipsoid(self, center, diameters):
        (x, y, z), (a, b, c) = center, diameters
        return (2 * (self.x - x) / a) ** 2 + (2 * (self.y - y) / b) ** 2 + (2 * (self.z - z) / c) ** 2 < 1

    def tube(self, at, diameter):
        """A tube along y at (x, z)."""
        x, z = at
        return ((self.x - x) ** 2 + (self.z - z) ** 2 + 0 * self.y) < (diameter / 2) ** 2

    def slab(self, from_x):
        return (self.x > from_x) & (self.y > -1e9) & (self.z > -1e9)

    def draw(self, where, hu=SOFT_HU):
        self.hu[where] = hu
        return where

    def coarse(self, fine):
        """Share of each of the scan's voxels."""
        (z, y, x), (p, q, r) = self.shape, self.parts
        return fine.reshape(z, p, y, q, x, r).mean(axis=(1, 3, 5), dtype=np.float64)

    def volume_mm3(self, fine):
        return float(np.count_nonzero(fine) * np.prod(self.spacing / self.parts))

    def scan(self, noise_hu=0.0, seed=0):
        hu = self.hu
        for axis, step in enumerate(self.spacing / self.parts):
            hu = gaussian_filter1d(hu, BLUR_FWHM_MM / 2.3548 / step, axis=axis)
        hu = self.coarse(hu)
        hu += np.random.default_rng(seed).normal(0.0, noise_hu, hu.shape)
        volume = self.volume(np.round(hu).astype(np.int16))
        return Scan(volume, AxisOrder(), "phantom", "drawn shapes", "")

    def volume(self, array):
        origin = -(np.array(self.shape) - 1) / 2 * self.spacing
        return Volume.at(array, tuple(self.spacing.tolist()), tuple(origin[::-1].tolist()))

    def anatomy(self, vessels=None):
        lungs = self.volume((self.coarse(self.outside) < 0.5).astype(np.uint8))
        depth = np.where(lungs.array > 0, np.float32(20.0), np.float32(0.0))
        return Anatomy(
            box=(slice(0, self.shape[0]), slice(0, self.shape[1]), slice(0, self.shape[2])),
            lungs=lungs,
            lobes=lungs,
            lobe_confidence=lungs.with_array(lungs.array.astype(np.float32)),
            depth_mm=lungs.with_array(depth),
            lobe_method="drawn",
            vessels=None if vessels is None else self.volume((self.coarse(vessels) > 0.5).astype(np.uint8)),
        )


def dice(mask, truth):
    return 2 * np.count_nonzero(mask & truth) / (np.count_nonzero(mask) + np.count_nonzero(truth))
