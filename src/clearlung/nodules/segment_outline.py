"""One nodule's outline on a crop of the scan whose voxels are parted into finer ones."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from clearlung.nodules.segment_kernels import distance_to, fill_holes, flood
from clearlung.nodules.sharpen import FloatArray, Scanner, pooled, repeated

Mask = NDArray[np.bool_]

# Finer voxels are about so many to the diameter, within limits: finer ones cost and tell nothing more.
STEPS_PER_DIAMETER = 8.0
STEP_MM = (0.4, 1.0)
LARGEST_CROP = 2_000_000
# Inflated lung where none is in sight, and the brightest that is believed.
TYPICAL_LUNG_HU = -850.0
LUNG_BELOW_HU = -550.0
LEAST_LUNG_VOXELS = 20
# Soft tissue: what is brighter is calcium or contrast medium, and must not raise the edge's level.
SOLID_HU = 35.0
SOFT_AT_MOST_HU = 100.0
# A nodule whose inner radius is less than this shows less than its own density even when sharpened.
SHOWN_FROM_MM = (1.0, 2.5)
# A vessel or the pleura is cut off where it is thinner than this share of the nodule.
CUT_SHARE = 0.5
# How far beyond the outline a voxel may be partly nodule.
RIM_MM = 1.2
RAY_QUANTILE = 0.3
REACH_BY_RADIUS = ((2.0, 7.0), (1.2, 2.5))


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a scan around a place, and where the finer voxels' centers lie."""

    low: NDArray[np.int64]
    hu: FloatArray
    inside: Mask
    parts: tuple[int, int, int]
    step_mm: NDArray[np.float64]
    center: NDArray[np.float64]  # on the finer voxels

    def offsets_mm(
        self, index: NDArray[np.float64], spacing_mm: NDArray[np.float64]
    ) -> list[NDArray[np.float64]]:
        """Distances along z, y and x of the finer voxels from a voxel index of the box, to broadcast."""
        out = []
        for a in range(3):
            n = self.hu.shape[a] * self.parts[a]
            place = self.low[a] - 0.5 + (np.arange(n) + 0.5) / self.parts[a]
            shape = [1, 1, 1]
            shape[a] = n
            out.append(((place - index[a]) * spacing_mm[a]).reshape(shape))
        return out


def crop_around(hu, lungs, spacing_mm, index, diameter_mm, reach_mm) -> Crop:
    low = np.maximum(np.floor(index - reach_mm / spacing_mm), 0).astype(np.int64)
    high = np.minimum(np.ceil(index + reach_mm / spacing_mm) + 1, hu.shape).astype(np.int64)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    target = float(np.clip(diameter_mm / STEPS_PER_DIAMETER, *STEP_MM))
    parts = np.maximum(1, np.round(spacing_mm / target)).astype(int)
    while np.prod((high - low) * parts) > LARGEST_CROP and parts.max() > 1:
        parts[np.argmax(parts)] -= 1
    parts = (int(parts[0]), int(parts[1]), int(parts[2]))
    inside = repeated(lungs[box] > 0, parts)
    step = spacing_mm / np.array(parts)
    center = (index - low + 0.5) * np.array(parts) - 0.5
    return Crop(low, hu[box].astype(np.float32), np.ascontiguousarray(inside), parts, step, center)


def lung_around(hu: FloatArray, inside: Mask) -> float:
    values = hu[inside & (hu < LUNG_BELOW_HU)]
    return float(np.median(values)) if values.size >= LEAST_LUNG_VOXELS else TYPICAL_LUNG_HU


@numba.njit(cache=True, nogil=True)
def _deepest(distance, dense, center, step_mm, reach):
    best, bz, by, bx = -1.0, -1, -1, -1
    nz, ny, nx = dense.shape
    for z in range(nz):
        dz = (z - center[0]) * step_mm[0]
        if abs(dz) > reach:
            continue
        for y in range(ny):
            dy = (y - center[1]) * step_mm[1]
            for x in range(nx):
                if not dense[z, y, x]:
                    continue
                dx = (x - center[2]) * step_mm[2]
                off = dz * dz + dy * dy + dx * dx
                if off > reach * reach:
                    continue
                depth = distance[z, y, x] - 0.3 * off / (reach + 0.1)
                if depth > best:
                    best, bz, by, bx = depth, z, y, x
    return bz, by, bx


@numba.njit(cache=True, nogil=True)
def _round_part(dense, center, step_mm, rays, longest, drift, quantile):
    """Center and robust radius of the round part around a place: rays from it to the rim, the long ones clipped."""
    nz, ny, nx = dense.shape
    start = center.copy()
    here = center.copy()
    n = len(rays)
    length = np.empty(n)
    step = 0.25 * min(step_mm[0], min(step_mm[1], step_mm[2]))
    typical = 0.0
    for _ in range(4):
        for k in range(n):
            r = 0.0
            while r < longest:
                z = int(np.floor(here[0] + r * rays[k, 0] / step_mm[0] + 0.5))
                y = int(np.floor(here[1] + r * rays[k, 1] / step_mm[1] + 0.5))
                x = int(np.floor(here[2] + r * rays[k, 2] / step_mm[2] + 0.5))
                if not (0 <= z < nz and 0 <= y < ny and 0 <= x < nx) or not dense[z, y, x]:
                    break
                r += step
            length[k] = r
        typical = float(np.sort(length)[int(quantile * (n - 1))])
        move = np.zeros(3)
        for k in range(n):
            r = min(max(length[k], 0.6 * typical), 1.4 * typical)
            for a in range(3):
                move[a] += 2.0 * r * rays[k, a] / n
        gone = 0.0
        for a in range(3):
            gone += ((here[a] - start[a]) * step_mm[a] + move[a]) ** 2
        if gone > drift * drift:
            break
        for a in range(3):
            here[a] += move[a] / step_mm[a]
    return here, typical


def _directions(n):
    k = np.arange(n) + 0.5
    z = 1 - 2 * k / n
    angle = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z**2)
    return np.column_stack([z, ring * np.cos(angle), ring * np.sin(angle)])


RAYS = _directions(120)


@dataclass(frozen=True, eq=False)
class Outline:
    mask: Mask  # on the finer voxels
    share: FloatArray  # of each finer voxel that is nodule
    volume_mm3: float
    center: NDArray[np.float64]  # index on the box
    lung_hu: float
    full_hu: float
    radius_mm: float
    cut_off: bool


def outline_nodule(
    crop: Crop, spacing_mm, diameter_mm, cell: Mask | None, sharp: bool, limit_mm: float
) -> Outline | None:
    lung_hu = lung_around(crop.hu, pooled(crop.inside, crop.parts) > 0.5)
    seen = crop.hu
    start = np.ascontiguousarray(repeated(seen, crop.parts))
    values = start
    own = crop.inside if cell is None else crop.inside & cell
    own = own & _near(crop, limit_mm, own)
    # density
    near = _near(crop, 0.35 * diameter_mm, own)
    peak = float(np.percentile(start[near], 80)) if near.any() else SOLID_HU
    soft = min(peak, SOFT_AT_MOST_HU)
    if sharp:
        scanner = Scanner.of(seen.shape, crop.parts, spacing_mm)
        radius = 0.5 * diameter_mm
        full = _full(soft, radius)
        high = full if start[near].max() < 150 else 3000.0
        values = scanner.sharpened(seen, start, lung_hu - 150.0, high)
    else:
        full = soft
    level = 0.5 * (lung_hu + full)
    close = _within(crop, crop.center, max(0.35 * diameter_mm, float(crop.step_mm.max()))) & own
    if close.any():
        # A speck never shows its own density: half of what it shows has to do.
        level = min(level, 0.5 * (lung_hu + float(values[close].max())))
    dense = (values > level) & own
    dense = fill_holes(dense)
    middle, typical = _round_part(dense, crop.center, crop.step_mm, RAYS, limit_mm, 0.35 * diameter_mm, RAY_QUANTILE)
    if typical > 0:
        a, b = REACH_BY_RADIUS[0], REACH_BY_RADIUS[1]
        allowed = float(np.interp(typical, a, b)) * typical + 0.25 * float(crop.step_mm.max())
        dense &= _within(crop, middle, allowed)
    depth = distance_to(dense, False, crop.step_mm)
    z, y, x = _deepest(depth, dense, crop.center, crop.step_mm, 0.5 * diameter_mm)
    if z < 0:
        return None
    step = float(crop.step_mm.max())
    radius = float(depth[z, y, x])
    cut = max(step, CUT_SHARE * radius)
    if radius <= cut:
        cut = radius - 0.5 * step
    core = flood(depth > cut, z, y, x)
    nodule = dense & (distance_to(core, True, crop.step_mm) <= cut + 0.5 * step)
    nodule = flood(nodule, z, y, x)
    away = distance_to(nodule, True, crop.step_mm)
    rim = (away <= RIM_MM) & own & ~(values > level)
    share = np.zeros(values.shape, dtype=np.float32)
    contrast = full - lung_hu
    if sharp:
        share[nodule | rim] = np.minimum((values[nodule | rim] - lung_hu) / contrast, 1.0)
        share[nodule & (depth > RIM_MM)] = 1.0
    else:
        share[nodule] = 1.0
    weight = np.clip(share, 0, 1)
    total = float(weight.sum())
    if total <= 0:
        return None
    idx = []
    for a in range(3):
        axes = tuple(k for k in range(3) if k != a)
        along = weight.sum(axis=axes, dtype=np.float64)
        at = float((along * np.arange(len(along))).sum() / total)
        idx.append(crop.low[a] - 0.5 + (at + 0.5) / crop.parts[a])
    voxel = float(np.prod(crop.step_mm))
    edge = _touches_edge(nodule)
    mask_mm3 = float(np.count_nonzero(nodule)) * voxel
    return Outline(
        nodule,
        share,
        float(np.clip(share.sum() * voxel, 0.7 * mask_mm3, 1.3 * mask_mm3)),
        np.array(idx),
        lung_hu,
        full,
        radius - 0.5 * step,
        edge,
    )


def _full(soft, radius):
    """Density of a voxel that is all nodule."""
    a, b = SHOWN_FROM_MM
    w = float(np.clip((b - radius) / (b - a), 0, 1))
    return w * max(SOLID_HU, soft) + (1 - w) * soft


def _within(crop, center, reach):
    off = [((np.arange(n) - c) * s) ** 2 for n, c, s in zip(crop.inside.shape, center, crop.step_mm, strict=True)]
    return off[0][:, None, None] + off[1][None, :, None] + off[2][None, None, :] <= reach**2


def _near(crop, reach, own):
    off = [
        ((np.arange(n) - c) * s) ** 2
        for n, c, s in zip(crop.inside.shape, crop.center, crop.step_mm, strict=True)
    ]
    r2 = off[0][:, None, None] + off[1][None, :, None] + off[2][None, None, :]
    return (r2 <= max(reach, crop.step_mm.max()) ** 2) & own


def _touches_edge(mask):
    return bool(
        mask[0].any()
        or mask[-1].any()
        or mask[:, 0].any()
        or mask[:, -1].any()
        or mask[:, :, 0].any()
        or mask[:, :, -1].any()
    )
