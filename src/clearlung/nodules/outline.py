"""Outlining one candidate: threshold, inscribed ball, and what belongs to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

from clearlung.nodules.cubes import distance_to, flood, sample_cube
from clearlung.nodules.features import (
    BACKGROUND,
    CROWD,
    CUT,
    FEATURES,
    MEASURED,
    NECK,
    PEAK,
    PLEURA,
    RADIUS,
    TREE,
)
from clearlung.nodules.measures import contacts, count, crowd, describe, full_density, measured_voxels

# Inflated lung where none is in sight, and the brightest and dimmest lung that is believed.
TYPICAL_LUNG_HU = -850.0
LUNG_BELOW_HU = -550.0
# Soft tissue, so that calcium does not raise the threshold; nodules are near it.
PEAK_AT_MOST_HU = 100.0
# A vessel or the pleura is cut off where it is thinner than this share of the nodule.
CUT_SHARE = 0.5
# The rim in which a voxel may be partly nodule, beyond the outline at half of the contrast.
RIM_MM = 1.6


@numba.njit(cache=True)
def _background(values: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    """Median of the lung in a cube."""
    counts = np.zeros(64, dtype=np.int64)
    width = (LUNG_BELOW_HU + 1024.0) / 64
    total = 0
    for v, lung in zip(values.flat, inside.flat):  # noqa: B905  (numba's zip takes no strict)
        if lung and v < LUNG_BELOW_HU:
            counts[min(63, max(0, int((v + 1024.0) / width)))] += 1
            total += 1
    if total < 20:
        return TYPICAL_LUNG_HU
    seen = 0
    for k in range(64):
        seen += counts[k]
        if 2 * seen >= total:
            return float((k + 0.5) * width - 1024.0)
    return TYPICAL_LUNG_HU


@numba.njit(cache=True)
def _peak(values: NDArray[np.float32], inside: NDArray[np.bool_], reach: float) -> float:
    """Upper quintile of the values near the center."""
    half = values.shape[0] // 2
    r = int(reach) + 1
    near = np.empty((2 * r + 1) ** 3, dtype=np.float32)
    count = 0
    for z in range(half - r, half + r + 1):
        for y in range(half - r, half + r + 1):
            for x in range(half - r, half + r + 1):
                off = (z - half) ** 2 + (y - half) ** 2 + (x - half) ** 2
                if inside[z, y, x] and off <= reach * reach:
                    near[count] = values[z, y, x]
                    count += 1
    if count == 0:
        return float(values[half, half, half])
    ordered = np.sort(near[:count])
    return float(ordered[int(0.8 * (count - 1))])


@numba.njit(cache=True)
def _deepest(distance: NDArray[np.float32], dense: NDArray[np.bool_], reach: float) -> tuple[int, int, int]:
    """Return the dense voxel near the center that is furthest from the rim; the center if there is none."""
    half = distance.shape[0] // 2
    r = min(int(reach) + 1, half)
    best, bz, by, bx = -1.0, half, half, half
    for z in range(half - r, half + r + 1):
        for y in range(half - r, half + r + 1):
            for x in range(half - r, half + r + 1):
                off = (z - half) ** 2 + (y - half) ** 2 + (x - half) ** 2
                # Of equally deep voxels the one nearest to the center is taken.
                depth = distance[z, y, x] - 1e-3 * off / (reach * reach + 1.0)
                if off <= reach * reach and dense[z, y, x] and depth > best:
                    best, bz, by, bx = depth, z, y, x
    return bz, by, bx


@numba.njit(cache=True)
def _above(values: NDArray[np.float32], within: NDArray[np.bool_], limit: float) -> NDArray[np.bool_]:
    """Voxels of a mask whose value is above a limit."""
    out = np.zeros(values.shape, dtype=np.bool_)
    value, mask, result = values.ravel(), within.ravel(), out.ravel()
    for i in range(value.size):
        result[i] = mask[i] and value[i] > limit
    return out


@numba.njit(cache=True)
def _reachable(dense: NDArray[np.bool_], from_core: NDArray[np.float32], reach: float) -> NDArray[np.bool_]:
    """Dense voxels within reach of the core."""
    out = np.zeros(dense.shape, dtype=np.bool_)
    mask, distance, result = dense.ravel(), from_core.ravel(), out.ravel()
    for i in range(mask.size):
        result[i] = mask[i] and distance[i] <= reach
    return out


@numba.njit(cache=True, nogil=True)
def outline(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    center: NDArray[np.float64],
    diameter_mm: float,
    step_mm: float,
    half: int,
    out: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Outline one candidate on a cube of its own and write its features.

    Parameters
    ----------
    hu, lungs
        int16 and uint8 on the anatomy's box.
    spacing_mm
        Along z, y and x.
    center
        Fractional voxel index (z, y, x) of the candidate.
    diameter_mm
        Its rough size.
    step_mm, half
        The cube has ``2 * half + 1`` voxels of this size along each axis.
    out
        Its row of features (:data:`clearlung.nodules.features.FEATURES`), filled in.

    Returns
    -------
    array
        The outline on the cube; empty if nothing dense is there.

    Notes
    -----
    The threshold lies halfway between the lung around and the nodule's own density, which is where the
    edge of a blurred object is. The largest ball inside the dense region is found; what a ball of half its
    radius can reach from there is the nodule, so thinner vessels and bridges to a neighbor are cut off.
    """
    values, inside = sample_cube(hu, lungs, spacing_mm, center, step_mm, half)
    background = _background(values, inside)
    peak = _peak(values, inside, max(1.0, 0.35 * diameter_mm / step_mm))
    threshold = 0.5 * (background + min(peak, PEAK_AT_MOST_HU))
    dense = _above(values, inside, threshold)
    depth = distance_to(dense, False)
    z, y, x = _deepest(depth, dense, 0.5 * diameter_mm / step_mm)
    if not dense[z, y, x]:
        return np.zeros(dense.shape, dtype=np.bool_)
    radius = min(float(depth[z, y, x]), float(2 * half))
    cut = max(1.0, CUT_SHARE * radius)
    if radius <= cut:
        cut = radius - 0.5
    core = flood(_above(depth, dense, cut), z, y, x)
    nodule: NDArray[np.bool_] = _reachable(dense, distance_to(core, True), cut)
    from_nodule = distance_to(nodule, True)
    out[RADIUS] = (radius - 0.5) * step_mm
    describe(out, nodule, values, step_mm)
    out[NECK], out[PLEURA], out[CUT] = contacts(nodule, dense, inside)
    out[BACKGROUND], out[PEAK] = background, peak
    out[CROWD] = crowd(nodule, dense, inside, from_nodule, max(2.0, RIM_MM / step_mm))
    out[TREE] = count(flood(dense, z, y, x)) / max(1, count(nodule))
    full = full_density(min(peak, PEAK_AT_MOST_HU), out[RADIUS], spacing_mm.max())
    rim = RIM_MM / step_mm
    out[MEASURED] = step_mm**3 * measured_voxels(
        values, nodule, dense, inside, from_nodule, depth, rim, background, full
    )
    return nodule


def describe_all(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    half: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Outline many candidates and return their features.

    Parameters
    ----------
    hu, lungs, spacing_mm
        As for :func:`outline`.
    centers
        float64, shape (n, 3): fractional voxel indices (z, y, x).
    diameter_mm, step_mm, half
        Shape (n,): for each candidate as for :func:`outline`.

    Returns
    -------
    array
        float64, shape (n, 21): one row each; of zeros where nothing dense is there.
    """
    rows = np.zeros((len(centers), len(FEATURES)))

    def fill(i: int) -> None:
        outline(
            hu,
            lungs,
            spacing_mm,
            centers[i],
            float(diameter_mm[i]),
            float(step_mm[i]),
            int(half[i]),
            rows[i],
        )

    # The kernel lets go of Python's lock, and threads compile it once where a parallel one takes a minute.
    with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
        list(pool.map(fill, range(len(centers))))
    return rows
