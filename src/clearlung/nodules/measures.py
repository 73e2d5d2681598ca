"""Kernels that describe and measure an outline on its cube."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from clearlung.nodules.features import CENTER, CROSS, MEAN, REACH, SPREAD, VOLUME

# Solid nodules, where blur hides their own density: a nodule narrower than about three times the blur, which
# is at least this and at least a slice.
SOLID_HU = 30.0
LEAST_BLUR_MM = 1.2


@numba.njit(cache=True)
def contacts(
    nodule: NDArray[np.bool_], dense: NDArray[np.bool_], inside: NDArray[np.bool_]
) -> tuple[float, float, float]:
    """Shares of the outline's faces that touch other dense tissue and the pleura; whether it is cut off."""
    n = nodule.shape[0]
    faces, neck, pleura, cut = 0, 0, 0, 0
    for z in range(n):
        for y in range(n):
            for x in range(n):
                if not nodule[z, y, x]:
                    continue
                for k in range(6):
                    pz = z + (k == 0) - (k == 1)
                    py = y + (k == 2) - (k == 3)
                    px = x + (k == 4) - (k == 5)
                    if not (0 <= pz < n and 0 <= py < n and 0 <= px < n):
                        cut = 1
                        continue
                    if nodule[pz, py, px]:
                        continue
                    faces += 1
                    if not inside[pz, py, px]:
                        pleura += 1
                    elif dense[pz, py, px]:
                        neck += 1
    total = max(faces, 1)
    return neck / total, pleura / total, float(cut)


@numba.njit(cache=True)
def count(mask: NDArray[np.bool_]) -> int:
    """Count the voxels of a mask."""
    total = 0
    for here in mask.ravel():
        if here:
            total += 1
    return total


@numba.njit(cache=True)
def crowd(
    nodule: NDArray[np.bool_],
    dense: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    from_nodule: NDArray[np.float32],
    reach: float,
) -> float:
    """Share of the lung around an outline that is dense but not part of it."""
    own, full, lung, distance = nodule.ravel(), dense.ravel(), inside.ravel(), from_nodule.ravel()
    around, crowded = 0, 0
    for i in range(own.size):
        if lung[i] and not own[i] and distance[i] <= reach:
            around += 1
            if full[i]:
                crowded += 1
    return crowded / max(1, around)


@numba.njit(cache=True)
def full_density(peak: float, radius_mm: float, slice_mm: float) -> float:
    """Density of a voxel that is all nodule; blur keeps small nodules from showing theirs."""
    blurred = min(1.0, max(0.0, 1.5 - radius_mm / max(slice_mm, LEAST_BLUR_MM)))
    return peak + blurred * max(0.0, SOLID_HU - peak)


@numba.njit(cache=True)
def measured_voxels(
    values: NDArray[np.float32],
    nodule: NDArray[np.bool_],
    dense: NDArray[np.bool_],
    inside: NDArray[np.bool_],
    from_nodule: NDArray[np.float32],
    to_rim: NDArray[np.float32],
    rim: float,
    background: float,
    full: float,
) -> float:
    """Volume in voxels: whole ones inside, in the rim the share of the contrast that they have."""
    volume = 0.0
    own, solid, lung = nodule.ravel(), dense.ravel(), inside.ravel()
    value, out_of, into = values.ravel(), from_nodule.ravel(), to_rim.ravel()
    for i in range(value.size):
        if own[i] and into[i] > rim:
            volume += 1.0
        elif own[i] or (out_of[i] <= rim and lung[i] and not solid[i]):
            # No floor at 0: noise around the lung's mean must cancel, not add up.
            volume += min(1.0, float((value[i] - background) / (full - background)))
    return volume


@numba.njit(cache=True)
def describe(
    out: NDArray[np.float64], nodule: NDArray[np.bool_], values: NDArray[np.float32], step: float
) -> None:
    """Write volume, center, spread, reach and mean of an outline into its row of features."""
    half = values.shape[0] // 2
    total, mean, reach = 0, 0.0, 0.0
    first: NDArray[np.float64] = np.zeros(3)
    second: NDArray[np.float64] = np.zeros((3, 3))
    place = np.zeros(3)
    for index, here in np.ndenumerate(nodule):
        if not here:
            continue
        total += 1
        mean += float(values[index])
        for a in range(3):
            place[a] = (index[a] - half) * step
        for a in range(3):
            first[a] += place[a]
            for b in range(3):
                second[a, b] += place[a] * place[b]
    if total == 0:
        return
    first = first / total
    second = second / total
    for index, here in np.ndenumerate(nodule):
        if here:
            for a in range(3):
                place[a] = (index[a] - half) * step - first[a]
            reach = max(reach, float((place * place).sum()))
    out[VOLUME] = total * step**3
    out[REACH] = np.sqrt(reach) + 0.5 * step
    out[MEAN] = mean / total
    own = step * step / 12.0  # the spread within a voxel
    for a in range(3):
        out[CENTER + a] = first[a]
        out[SPREAD + a] = second[a, a] - first[a] ** 2 + own
    out[CROSS] = second[0, 1] - first[0] * first[1]
    out[CROSS + 1] = second[0, 2] - first[0] * first[2]
    out[CROSS + 2] = second[1, 2] - first[1] * first[2]
