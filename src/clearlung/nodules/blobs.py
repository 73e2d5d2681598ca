"""The built-in detector: bright blobs of every size in scale space."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.candidates import Candidates, register_detector

# Blob diameters that are searched for; neighbors differ by 1.4, across which the response falls by 10 %.
DIAMETERS_MM = (2.5, 3.5, 5.0, 7.0, 10.0, 14.0, 20.0, 28.0, 38.0)
# A ball answers most strongly at this scale, with 0.93 of its contrast.
SIGMA_PER_DIAMETER = 1.0 / (2.0 * np.sqrt(3.0))
# Response that a blob must have, at slices of these thicknesses and between. Solid nodules differ from lung
# by 800 HU, of which thick slices and blur take most from the smallest. Of the training phantoms' nodules of
# 3 mm, 0.8 mm slices lose none at the first; 2.5 mm slices lose 1 in 20 at the first, 1 in 40 at the second.
WEAKEST_HU = (200.0, 150.0)
WEAKEST_AT_MM = (1.0, 2.5)
# Brighter than soft tissue is cut off, so that calcium and contrast medium do not outshine their neighbors.
BRIGHTEST_HU = 150
DARKEST_HU = -1000
# The grid is halved when the scale spans this many voxels.
VOXELS_PER_SIGMA = 2.2
# Along thick slices the blur of the slice replaces the scale's own.
LEAST_SIGMA_VOXELS = 0.6
# Curvatures at the blob: the weakest of the three must be this share of the strongest. A tube has 0, and most
# of what is no nodule has less than 0.3; nodules on vessels come down to 0.22.
LEAST_ROUNDNESS = 0.22
# A blob within this share of a stronger one's radius is the same blob at another scale.
SAME_BLOB = 0.6


@dataclass(frozen=True, eq=False)
class _Level:
    """Image and lungs on one grid of the pyramid."""

    image: NDArray[np.float32]
    inside: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]
    factor: tuple[int, int, int]


@register_detector("blob")
def find_blobs(scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    """Find bright, round blobs in the lungs at all scales.

    Parameters
    ----------
    scan, anatomy
        The scan and its anatomy.
    smallest_mm
        Blobs of a scale below this diameter are not searched for.

    Returns
    -------
    Candidates
        Sorted from the strongest to the weakest.

    Notes
    -----
    Local maxima of the negative scale-normalized Laplacian of a Gaussian pyramid [1]_, kept where all
    curvatures are bright-to-dark and of similar strength. Tissue outside the lungs is replaced by lung, so
    a nodule at the pleura is a blob like any other.

    References
    ----------
    .. [1] T. Lindeberg, "Feature detection with automatic scale selection", Int. J. Computer Vision 30(2),
       1998.
    """
    level = _first_level(scan, anatomy)
    weakest = np.interp(max(anatomy.lungs.spacing_mm), WEAKEST_AT_MM, WEAKEST_HU)
    found = []
    for diameter in DIAMETERS_MM:
        if diameter < smallest_mm and diameter != DIAMETERS_MM[-1]:
            continue
        sigma = diameter * SIGMA_PER_DIAMETER
        while sigma > 2.0 * VOXELS_PER_SIGMA * min(level.spacing_mm):
            level = _next_level(level)
        found.append(_blobs_of_scale(level, sigma, diameter, float(weakest)))
    return _strongest(np.concatenate(found), np.asarray(anatomy.lungs.spacing_mm))


def _first_level(scan: Scan, anatomy: Anatomy) -> _Level:
    """Lungs with everything else replaced by the lungs' own typical density."""
    hu = scan.volume.array[anatomy.box]
    inside = anatomy.lungs.array > 0
    typical = float(np.median(hu[inside][::101]))
    image = np.clip(hu, DARKEST_HU, BRIGHTEST_HU).astype(np.float32)
    image[~inside] = typical
    return _Level(image, inside, anatomy.lungs.spacing_mm, (1, 1, 1))


def _next_level(level: _Level) -> _Level:
    """Halve the grid along the axes that are finer than the others."""
    limit = 1.5 * min(level.spacing_mm)
    steps = [
        2 if s < limit and n >= 8 else 1 for s, n in zip(level.spacing_mm, level.image.shape, strict=True)
    ]
    sz, sy, sx = (s * k for s, k in zip(level.spacing_mm, steps, strict=True))
    fz, fy, fx = (f * k for f, k in zip(level.factor, steps, strict=True))
    image = sitk.GetArrayFromImage(sitk.BinShrink(sitk.GetImageFromArray(level.image), steps[::-1]))
    inside = sitk.BinShrink(sitk.GetImageFromArray(level.inside.astype(np.float32)), steps[::-1])
    return _Level(image, sitk.GetArrayFromImage(inside) > 0.25, (sz, sy, sx), (fz, fy, fx))


def _blobs_of_scale(
    level: _Level, sigma_mm: float, diameter_mm: float, weakest: float
) -> NDArray[np.float64]:
    """Rows of z, y, x (on the box), diameter and response of one scale's blobs."""
    spacing = np.asarray(level.spacing_mm)
    sigmas = np.maximum(sigma_mm / spacing, LEAST_SIGMA_VOXELS)
    smooth = _smoothed(level.image, sigmas)
    response = _response(smooth, sigmas.astype(np.float32))
    peaks = np.argwhere(_peaks(response, level.inside, np.float32(weakest)))
    if not len(peaks):
        return np.empty((0, 5))
    roundness = _roundness(smooth, peaks, sigmas)
    keep = roundness > LEAST_ROUNDNESS
    peaks = peaks[keep]
    strength = response[tuple(peaks.T)].astype(np.float64)
    factor = np.asarray(level.factor)
    place = (peaks + 0.5) * factor - 0.5
    return np.column_stack([place, np.full(len(peaks), diameter_mm), strength])


def _smoothed(image: NDArray[np.float32], sigmas: NDArray[np.float64]) -> NDArray[np.float32]:
    """Gaussian with a width for each axis, in voxels, on all processor cores."""
    workers = numba.get_num_threads()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for axis, sigma in enumerate(sigmas.tolist()):
            out = np.empty_like(image)
            # Lines along one axis do not know each other: the parts are cut along another.
            across = 1 if axis == 0 else 0
            parts = zip(
                np.array_split(image, workers, axis=across),
                np.array_split(out, workers, axis=across),
                strict=True,
            )
            running = [
                pool.submit(gaussian_filter1d, a, sigma, axis, output=b, mode="nearest", truncate=3.0)
                for a, b in parts
            ]
            for job in running:
                job.result()
            image = out
    return image


@numba.njit(parallel=True, cache=True)
def _response(smooth: NDArray[np.float32], sigmas: NDArray[np.float32]) -> NDArray[np.float32]:
    """Negative Laplacian, each axis normalized by the scale in voxels; 0 on the faces."""
    nz, ny, nx = smooth.shape
    out = np.zeros((nz, ny, nx), dtype=np.float32)
    wz, wy, wx = sigmas[0] ** 2, sigmas[1] ** 2, sigmas[2] ** 2
    for z in numba.prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                twice = np.float32(2.0) * smooth[z, y, x]
                out[z, y, x] = (
                    wz * (twice - smooth[z - 1, y, x] - smooth[z + 1, y, x])
                    + wy * (twice - smooth[z, y - 1, x] - smooth[z, y + 1, x])
                    + wx * (twice - smooth[z, y, x - 1] - smooth[z, y, x + 1])
                )
    return out


@numba.njit(parallel=True, cache=True)
def _peaks(
    response: NDArray[np.float32], inside: NDArray[np.bool_], weakest: np.float32
) -> NDArray[np.bool_]:
    """Whether a voxel inside is a local maximum among its 26 neighbors; of equals the first one is."""
    nz, ny, nx = response.shape
    out = np.zeros((nz, ny, nx), dtype=np.bool_)
    for z in numba.prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                value = response[z, y, x]
                if value < weakest or not inside[z, y, x]:
                    continue
                highest = True
                for k in range(27):
                    if k == 13:
                        continue
                    other = response[z + k // 9 - 1, y + (k // 3) % 3 - 1, x + k % 3 - 1]
                    if other > value or (other == value and k < 13):
                        highest = False
                        break
                out[z, y, x] = highest
    return out


def _roundness(
    smooth: NDArray[np.float32], peaks: NDArray[np.intp], sigmas: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weakest over strongest of the three curvatures at each peak; below 0 on saddles."""
    hessian = np.empty((len(peaks), 3, 3))
    for a in range(3):
        for b in range(a, 3):
            hessian[:, a, b] = hessian[:, b, a] = _second_difference(smooth, peaks, a, b)
    hessian *= sigmas[:, None] * sigmas[None, :]
    curvatures = np.sort(-np.linalg.eigvalsh(hessian), axis=1)
    return np.asarray(curvatures[:, 0] / np.maximum(curvatures[:, 2], 1e-6), dtype=np.float64)


def _second_difference(
    smooth: NDArray[np.float32], peaks: NDArray[np.intp], a: int, b: int
) -> NDArray[np.float64]:
    """Central second difference along axes a and b at each peak."""

    def at(da: int, db: int) -> NDArray[np.float64]:
        place = peaks.copy()
        place[:, a] += da
        place[:, b] += db
        return np.asarray(smooth[tuple(place.T)], dtype=np.float64)

    difference: NDArray[np.float64]
    if a == b:
        difference = at(1, 0) + at(-1, 0) - 2.0 * at(0, 0)
    else:
        difference = 0.25 * (at(1, 1) + at(-1, -1) - at(1, -1) - at(-1, 1))
    return difference


def _strongest(rows: NDArray[np.float64], spacing_mm: NDArray[np.float64]) -> Candidates:
    """Keep the strongest of the blobs that lie within each other, whatever their scales."""
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0], -rows[:, 4]))]
    places = rows[:, :3] * spacing_mm
    kept = np.ones(len(rows), dtype=np.bool_)
    if len(rows):
        neighbors = cKDTree(places).query_ball_point(places, SAME_BLOB * rows[:, 3] / 2.0)
        for i, near in enumerate(neighbors):
            if kept[i]:
                kept[[j for j in near if j > i and rows[j, 3] <= 1.5 * rows[i, 3]]] = False
    return Candidates(rows[kept, :3], rows[kept, 3])
