"""Outlining one candidate: threshold, inscribed ball, and what belongs to it."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from clearlung.nodules.cubes import distance_to, flood, sample_cube

# Columns of a candidate's features; see :func:`outline`.
FEATURES = (
    "radius_mm",
    "volume_mm3",
    "reach_mm",
    "neck",
    "pleura",
    "cut",
    "mean_hu",
    "background_hu",
    "peak_hu",
    "crowd",
    "tree",
    "measured_mm3",
    "center_z",
    "center_y",
    "center_x",
    "zz",
    "yy",
    "xx",
    "zy",
    "zx",
    "yx",
)
COLUMN = {name: k for k, name in enumerate(FEATURES)}

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
def _contacts(
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
def _measured_voxels(
    values: NDArray[np.float32],
    nodule: NDArray[np.bool_],
    others: NDArray[np.bool_],
    from_nodule: NDArray[np.float32],
    to_rim: NDArray[np.float32],
    rim: float,
    background: float,
    full: float,
) -> float:
    """Volume in voxels: whole ones inside, in the rim the share of the contrast that they have."""
    volume = 0.0
    own, other = nodule.ravel(), others.ravel()
    value, out_of, into = values.ravel(), from_nodule.ravel(), to_rim.ravel()
    for i in range(value.size):
        if own[i] and into[i] > rim:
            volume += 1.0
        elif out_of[i] <= rim and not other[i]:
            volume += min(1.0, max(0.0, float((value[i] - background) / (full - background))))
    return volume


@numba.njit(cache=True)
def _describe(
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
    out[1] = total * step**3
    out[2] = np.sqrt(reach) + 0.5 * step
    out[6] = mean / total
    own = step * step / 12.0  # the spread within a voxel
    for a in range(3):
        out[12 + a] = first[a]
        out[15 + a] = second[a, a] - first[a] ** 2 + own
    out[18] = second[0, 1] - first[0] * first[1]
    out[19] = second[0, 2] - first[0] * first[2]
    out[20] = second[1, 2] - first[1] * first[2]


@numba.njit(cache=True)
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
        Its row of features (:data:`FEATURES`), filled in.

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
    dense = inside & (values > threshold)
    depth = distance_to(~dense)
    z, y, x = _deepest(depth, dense, 0.5 * diameter_mm / step_mm)
    if not dense[z, y, x]:
        return np.zeros(dense.shape, dtype=np.bool_)
    radius = min(float(depth[z, y, x]), float(2 * half))
    cut = max(1.0, CUT_SHARE * radius)
    if radius <= cut:
        cut = radius - 0.5
    core = flood(depth > cut, z, y, x)
    nodule: NDArray[np.bool_] = dense & (distance_to(core) <= cut)
    others = dense & ~nodule
    from_nodule = distance_to(nodule)
    near = (from_nodule <= max(2.0, RIM_MM / step_mm)) & inside & ~nodule
    tree = flood(dense, z, y, x)
    out[0] = (radius - 0.5) * step_mm
    _describe(out, nodule, values, step_mm)
    out[3], out[4], out[5] = _contacts(nodule, dense, inside)
    out[7], out[8] = background, peak
    out[9] = (near & others).sum() / max(1, near.sum())
    out[10] = tree.sum() / max(1, nodule.sum())
    out[11] = step_mm**3 * _measured_voxels(
        values,
        nodule,
        others | ~inside,
        from_nodule,
        depth,
        RIM_MM / step_mm,
        background,
        min(peak, PEAK_AT_MOST_HU),
    )
    return nodule


@numba.njit(parallel=True, cache=True)
def describe_all(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    step_mm: NDArray[np.float64],
    half: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Features of many candidates, one row each; a row of zeros where nothing dense is there."""
    rows = np.zeros((len(centers), 21))
    for i in numba.prange(len(centers)):
        outline(hu, lungs, spacing_mm, centers[i], diameter_mm[i], step_mm[i], half[i], rows[i])
    return rows


@numba.njit(cache=True)
def paint(
    labels: NDArray[np.int32],
    label: int,
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    center: NDArray[np.float64],
    diameter_mm: float,
    step_mm: float,
    half: int,
) -> int:
    """Paint a candidate's outline into the label map of the box, unless it is taken.

    Returns
    -------
    int
        How many voxels were painted. 0 if half of the outline or more belongs to others already; then
        nothing was.
    """
    nodule = outline(hu, lungs, spacing_mm, center, diameter_mm, step_mm, half, np.zeros(21))
    reach = half * step_mm / spacing_mm
    low = np.empty(3, dtype=np.int64)
    high = np.empty(3, dtype=np.int64)
    for a in range(3):
        low[a] = max(0, int(np.ceil(center[a] - reach[a])))
        high[a] = min(labels.shape[a] - 1, int(np.floor(center[a] + reach[a])))
    free, taken = 0, 0
    for again in range(2):
        for z in range(low[0], high[0] + 1):
            k = int(np.floor((z - center[0]) * spacing_mm[0] / step_mm + 0.5)) + half
            for y in range(low[1], high[1] + 1):
                j = int(np.floor((y - center[1]) * spacing_mm[1] / step_mm + 0.5)) + half
                for x in range(low[2], high[2] + 1):
                    i = int(np.floor((x - center[2]) * spacing_mm[2] / step_mm + 0.5)) + half
                    if not nodule[k, j, i] or lungs[z, y, x] == 0:
                        continue
                    if again == 1 and labels[z, y, x] == 0:
                        labels[z, y, x] = label
                    elif again == 0 and labels[z, y, x] == 0:
                        free += 1
                    elif again == 0:
                        taken += 1
        if free <= taken:
            return 0
    return free
