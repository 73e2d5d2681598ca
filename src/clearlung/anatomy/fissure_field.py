"""A lung made ready for seeking its fissures: flattened, its vessels apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from clearlung.anatomy.interpolation import trilinear
from clearlung.anatomy.morphology import Spacing

FloatArray = NDArray[np.float32]

# Blocks of about this size: a fissure's blurred line is about as wide, noise averages out.
BLOCK_MM = 1.4
# The lungs' own density varies over centimeters; what is finer is structure.
BACKGROUND_MM = 6.0
BACKGROUND_SIGMA = 1.2
# Vessels of 2 mm and more stand out of the lung around them by this; a fissure of a thin slice by half.
VESSEL_HU = 220.0
# Structure beyond this is no fissure; clipped, it cannot outvote one.
CLIP_HU = (-120.0, 180.0)
# A block with less lung than this is rim: partial volume of the wall looks like a sheet.
LEAST_INSIDE = 0.95


@dataclass(frozen=True, eq=False)
class LungField:
    """One lung on a grid of blocks.

    Parameters
    ----------
    flat
        float32, shape (z, y, x): HU above the lung around it, clipped; 0 in vessels, at the rim and outside.
    inside
        float32: 1 where ``flat`` tells something, else 0.
    vessels
        float32: share of vessel, 0 outside the lung.
    lung
        float32: share of lung.
    spacing_mm
        Along z, y and x.
    shift_mm
        Along z, y and x: center of the first block from that of the first voxel.
    """

    flat: FloatArray
    inside: FloatArray
    vessels: FloatArray
    lung: FloatArray
    spacing_mm: Spacing
    shift_mm: NDArray[np.float64]

    def points_mm(self, every: int = 1) -> NDArray[np.float64]:
        """Centers of the blocks that are mostly lung, shape (n, 3)."""
        return np.argwhere(self.lung > 0.5)[::every] * self.spacing_mm + self.shift_mm

    def within(self, keep: NDArray[np.bool_]) -> LungField:
        """Leave only some blocks."""
        flat, inside, vessels, lung = (a * keep for a in (self.flat, self.inside, self.vessels, self.lung))
        return LungField(flat, inside, vessels, lung, self.spacing_mm, self.shift_mm)


@njit(cache=True, parallel=True)
def _blocks(hu: Any, lungs: Any, label: Any, fz: Any, fy: Any, fx: Any) -> Any:
    nz, ny, nx = hu.shape[0] // fz, hu.shape[1] // fy, hu.shape[2] // fx
    mean = np.zeros((nz, ny, nx), dtype=np.float32)
    share = np.zeros((nz, ny, nx), dtype=np.float32)
    whole = np.float32(1.0 / (fz * fy * fx))
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                total = np.float32(0.0)
                count = 0
                for a in range(z * fz, z * fz + fz):
                    for b in range(y * fy, y * fy + fy):
                        for c in range(x * fx, x * fx + fx):
                            if lungs[a, b, c] == label:
                                total += max(np.float32(hu[a, b, c]), np.float32(-1024.0))
                                count += 1
                if count:
                    mean[z, y, x] = total / count
                    share[z, y, x] = count * whole
    return mean, share


@njit(cache=True)
def _coarse(mean: Any, share: Any, factor: Any, ceiling: Any) -> Any:
    sz, sy, sx = mean.shape
    fz, fy, fx = factor
    nz, ny, nx = sz // fz + 1, sy // fy + 1, sx // fx + 1
    total = np.zeros((nz, ny, nx), dtype=np.float32)
    weight = np.zeros((nz, ny, nx), dtype=np.float32)
    for z in range(nz):
        for a in range(z * fz, min(sz, z * fz + fz)):
            for b in range(sy):
                for c in range(sx):
                    if share[a, b, c] > 0.9 and mean[a, b, c] < ceiling:
                        total[z, b // fy, c // fx] += mean[a, b, c]
                        weight[z, b // fy, c // fx] += 1.0
    return total, weight


@njit(cache=True)
def _flatten(mean: Any, share: Any, coarse: Any, factor: Any, vessel_hu: Any) -> Any:
    """HU above the ground, in place; and the share of vessel."""
    nz, ny, nx = mean.shape
    fz, fy, fx = factor
    hz, hy, hx = 0.5 * (fz - 1), 0.5 * (fy - 1), 0.5 * (fx - 1)
    vessels = np.zeros((nz, ny, nx), dtype=np.float32)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if share[z, y, x] > 0:
                    ground = trilinear(coarse, (z - hz) / fz, (y - hy) / fy, (x - hx) / fx)
                    mean[z, y, x] -= ground
                    if mean[z, y, x] > vessel_hu and share[z, y, x] > 0.5:
                        vessels[z, y, x] = share[z, y, x]
    return vessels


@njit(cache=True)
def _add_vessels(vessel_share: Any, share: Any, vessels: Any, fz: Any, fy: Any, fx: Any) -> None:
    nz, ny, nx = share.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if share[z, y, x] > 0.5 and vessel_share[z, y, x] == 0:
                    count = 0
                    for a in range(z * fz, z * fz + fz):
                        for b in range(y * fy, y * fy + fy):
                            for c in range(x * fx, x * fx + fx):
                                count += vessels[a, b, c] != 0
                    if 2 * count > fz * fy * fx:
                        vessel_share[z, y, x] = share[z, y, x]


@njit(cache=True)
def _trusted(flat: Any, share: Any, vessels: Any, least: Any, low: Any, high: Any) -> Any:
    """Clip what tells something, clear the rest: the rim, vessels and what touches them."""
    nz, ny, nx = flat.shape
    inside = np.zeros((nz, ny, nx), dtype=np.float32)
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                around = share[z, y, x]
                beside = vessels[z, y, x]
                for k in (-1, 1):
                    around = min(around, share[z + k, y, x], share[z, y + k, x], share[z, y, x + k])
                    beside = max(beside, vessels[z + k, y, x], vessels[z, y + k, x], vessels[z, y, x + k])
                if around >= least and beside == 0:
                    inside[z, y, x] = 1.0
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                flat[z, y, x] = inside[z, y, x] * min(max(flat[z, y, x], low), high)
    return inside


def lung_field(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    label: int,
    spacing_mm: Spacing,
    vessels: NDArray[np.uint8] | NDArray[np.bool_] | None = None,
) -> LungField:
    """Flatten one lung.

    Parameters
    ----------
    hu, lungs
        Shape (z, y, x).
    label
        Which lung.
    spacing_mm
        Along z, y and x.
    vessels
        Shape (z, y, x), true inside vessels; None: what stands out enough is a vessel.
    """
    factor = tuple(max(1, round(BLOCK_MM / s)) for s in spacing_mm)
    mean, share = _blocks(hu, lungs, label, *factor)
    typical = np.median(mean[share == 1]) if (share == 1).any() else -850.0
    step_mm = tuple(s * f for s, f in zip(spacing_mm, factor, strict=True))
    wide = tuple(max(1, round(BACKGROUND_MM / s)) for s in step_mm)
    total, weight = _coarse(mean, share, wide, np.float32(typical + VESSEL_HU))
    total = gaussian_filter(total, BACKGROUND_SIGMA)
    weight = gaussian_filter(weight, BACKGROUND_SIGMA)
    ground = np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), typical).astype(np.float32)
    vessel_share = _flatten(mean, share, ground, wide, VESSEL_HU)
    if vessels is not None:
        _add_vessels(vessel_share, share, vessels.view(np.uint8), *factor)
    inside = _trusted(mean, share, vessel_share, LEAST_INSIDE, *CLIP_HU)
    z, y, x = step_mm
    shift = np.array([(f - 1) / 2 * s for f, s in zip(factor, spacing_mm, strict=True)])
    return LungField(mean, inside, vessel_share, share, (z, y, x), shift)
