"""The surface of the lobes by part: costal, diaphragmatic, mediastinal, fissural."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numba import njit, prange
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from clearlung.anatomy.morphology import Spacing, image_of, shrink
from clearlung.anatomy.types import LUNG_LABELS, PLEURAL_LABELS, SIDES

COSTAL, DIAPHRAGMATIC, MEDIASTINAL, FISSURAL = (
    PLEURAL_LABELS[part] for part in ("costal", "diaphragmatic", "mediastinal", "fissural")
)
# Directions and the hull need no more detail than this.
GRID_MM = 3.0
# Ribs and vessels make the surface bumpy over millimeters; its direction is that of a smoother one.
SMOOTH_MM = 4.0
# The rib cage is nearly the convex hull of both lungs: ribs and the hollow flanks leave it by less than this.
WITHIN_HULL_MM = 14.0
# ... and the pleura there faces as the hull does, within 60 degrees.
FACES_OUT = 0.5
# Above the smooth dome that fits the lateral and dorsal floor by more than this is the heart's upper side.
ABOVE_DOME_MM = 14.0
# Columns of floor that the dome is fitted to: enough, and not more than a least-squares fit needs.
FEWEST_COLUMNS = 30
MOST_COLUMNS = 20_000

# What a voxel of a lobe borders on; where it is several things, the last of these counts.
_BETWEEN, _OUTER, _BASE = 1, 2, 3


def pleural_parts(
    lungs: NDArray[np.uint8], lobes: NDArray[np.uint8], spacing_mm: Spacing, middle_x: float
) -> NDArray[np.uint8]:
    """Tell the parts of the lobes' surface apart.

    Parameters
    ----------
    lungs, lobes
        uint8 label maps, shape (z, y, x), canonical axes.
    spacing_mm
        Along z, y and x.
    middle_x
        Index of the body's middle along x; may lie outside the array.

    Returns
    -------
    array
        uint8, same shape: :data:`clearlung.anatomy.PLEURAL_LABELS` on the voxels of the lobes that touch
        what is not their lobe, 0 elsewhere.

    Notes
    -----
    What borders on the other lobes of its lung is fissural. Of the rest, what lies near the convex hull of
    both lungs (each mirrored at the body's middle, so that one lung alone has one too) and faces outwards
    is costal. What has its lung above and none below is the floor: diaphragm, but for what rises above the
    smooth dome through the floor's lateral and dorsal half, which is the heart. The rest is mediastinal.

    Examples
    --------
    >>> ball = (np.indices((20, 20, 20)) - 9.5).__pow__(2).sum(axis=0) < 64
    >>> lungs = ball.astype(np.uint8)
    >>> parts = pleural_parts(lungs, lungs, (2.0, 2.0, 2.0), middle_x=19.5)
    >>> int(parts[9, 9, 2]), int(parts[9, 9, 9])
    (1, 0)
    """
    parts = np.zeros(lungs.shape, dtype=np.uint8)
    lowest = np.stack([_lowest(lungs == LUNG_LABELS[side]) for side in SIDES])
    kinds = _surface(lungs, lobes, lowest)
    parts[kinds == _BETWEEN] = FISSURAL
    index = np.nonzero((kinds == _OUTER) | (kinds == _BASE))
    if not index[0].size:
        return parts
    inside_mm, facing = _against_hull(lungs > 0, index, spacing_mm, middle_x)
    part = np.full(index[0].size, MEDIASTINAL, dtype=np.uint8)
    floor = kinds[index] == _BASE
    costal = (inside_mm < WITHIN_HULL_MM) & (facing > FACES_OUT)
    sides = lungs[index]
    for side in SIDES:
        own = floor & ~costal & (sides == LUNG_LABELS[side])
        part[own] = np.where(_under_dome(index, own, spacing_mm, middle_x), DIAPHRAGMATIC, MEDIASTINAL)
    part[costal] = COSTAL
    parts[index] = part
    return parts


@njit(cache=True)
def _kind(lungs: Any, lobes: Any, lowest: Any, z: Any, y: Any, x: Any) -> Any:
    """Tell what one lobe voxel borders on: 0 its own lobe only, else one of the three kinds."""
    nz, ny, nx = lobes.shape
    kind = 0
    for a, b, c in ((z + 1, y, x), (z - 1, y, x), (z, y + 1, x), (z, y - 1, x), (z, y, x + 1), (z, y, x - 1)):
        if not (0 <= a < nz and 0 <= b < ny and 0 <= c < nx):
            kind = max(kind, _OUTER)
            continue
        other = lobes[a, b, c]
        if other == 0:
            floor = a <= z and a < lowest[lungs[z, y, x] - 1, b, c] < nz
            kind = max(kind, _BASE if floor else _OUTER)
        elif other != lobes[z, y, x]:
            kind = max(kind, _BETWEEN if lungs[a, b, c] == lungs[z, y, x] else _OUTER)
    return kind


@njit(cache=True, parallel=True)
def _surface(lungs: Any, lobes: Any, lowest: Any) -> Any:
    """Tell what each lobe voxel borders on."""
    nz, ny, nx = lobes.shape
    kinds = np.zeros(lobes.shape, dtype=np.uint8)
    for k in prange(nz):
        z = np.int64(k)
        for y in range(ny):
            for x in range(nx):
                if lobes[z, y, x]:
                    kinds[z, y, x] = _kind(lungs, lobes, lowest, z, y, x)
    return kinds


def _lowest(lung: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Index of the lowest voxel of a lung in each column (y, x); the number of slices where there is none."""
    lowest: NDArray[np.int32] = np.where(lung.any(axis=0), lung.argmax(axis=0), lung.shape[0]).astype(
        np.int32
    )
    return lowest


def _against_hull(
    inside: NDArray[np.bool_], index: tuple[NDArray[np.intp], ...], spacing: Spacing, middle_x: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Depth of surface voxels below the lungs' convex hull, and the cosine of their facing to the hull's."""
    share, coarse, factor = shrink(inside.astype(np.float32), spacing, GRID_MM)
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image_of(share, coarse), SMOOTH_MM))
    planes = _hull(share > 0.5, coarse, (middle_x + 0.5) / factor[2] - 0.5)
    if planes is None:
        return np.zeros(index[0].size, dtype=np.float32), np.ones(index[0].size, dtype=np.float32)
    gradient = np.stack(np.gradient(smooth, *coarse))
    cells = tuple(np.minimum(i // f, n - 1) for i, f, n in zip(index, factor, share.shape, strict=True))
    surface = np.zeros(share.shape, dtype=np.bool_)
    surface[cells] = True
    near = np.argwhere(surface)
    outward = -gradient[:, near[:, 0], near[:, 1], near[:, 2]].T
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-6)
    below, nearest = _nearest_plane(near * np.asarray(coarse), planes)
    grids = np.zeros((2, *share.shape), dtype=np.float32)
    grids[0][tuple(near.T)] = below
    grids[1][tuple(near.T)] = np.einsum("ij,ij->i", outward, planes[nearest, :3])
    return grids[0][cells], grids[1][cells]


def _hull(inside: NDArray[np.bool_], spacing: Spacing, middle_x: float) -> NDArray[np.float64] | None:
    """Return the planes (normal z, y, x and offset in mm) of the hull of the lungs and their mirror image."""
    points = np.argwhere(inside).astype(np.float64)
    mirrored = points.copy()
    mirrored[:, 2] = 2 * middle_x - points[:, 2]
    try:
        return np.asarray(ConvexHull(np.vstack([points, mirrored]) * np.asarray(spacing)).equations)
    except (QhullError, ValueError):  # fewer points than a solid needs
        return None


def _nearest_plane(
    points_mm: NDArray[np.float64], planes: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Distance of points to the nearest plane of a hull, and which it is; in blocks, to bound memory."""
    distance = np.empty(len(points_mm), dtype=np.float32)
    nearest = np.empty(len(points_mm), dtype=np.intp)
    normals = planes[:, :3].T.astype(np.float32)
    offsets = planes[:, 3].astype(np.float32)
    for start in range(0, len(points_mm), 16_384):
        block = slice(start, start + 16_384)
        below = -(points_mm[block].astype(np.float32) @ normals + offsets)
        nearest[block] = below.argmin(axis=1)
        distance[block] = below.min(axis=1)
    return distance, nearest


def _under_dome(
    index: tuple[NDArray[np.intp], ...], own: NDArray[np.bool_], spacing: Spacing, middle_x: float
) -> NDArray[np.bool_]:
    """Whether floor voxels of one lung lie on its diaphragm and not on the heart."""
    z, y, x = (i[own] * s for i, s in zip(index, spacing, strict=True))
    if z.size < FEWEST_COLUMNS:
        return np.ones(z.size, dtype=np.bool_)
    outward = np.abs(x - middle_x * spacing[2])
    sure = (outward > np.median(outward)) | (y > np.median(y))
    chosen = np.flatnonzero(sure)[:: max(1, np.count_nonzero(sure) // MOST_COLUMNS)]
    yc, xc = (y - y.mean()) / 50.0, (x - x.mean()) / 50.0  # of order one, for the fit's conditioning
    terms = np.stack([np.ones_like(yc), yc, xc, yc * yc, xc * yc, xc * xc], axis=1)
    weights = np.ones(chosen.size)
    for _ in range(6):  # reweighted: the steep recesses at the wall hang far below the dome
        root = np.sqrt(weights)
        fit = np.linalg.lstsq(terms[chosen] * root[:, None], z[chosen] * root, rcond=None)[0]
        off = terms[chosen] @ fit - z[chosen]
        weights = 1.0 / (1.0 + (off / ABOVE_DOME_MM) ** 2)
    top = np.quantile(z[y > np.median(y)], 0.99)
    return np.asarray(z < np.minimum(terms @ fit, top) + ABOVE_DOME_MM, dtype=np.bool_)
