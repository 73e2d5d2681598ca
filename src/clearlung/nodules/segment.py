"""Every nodule's own mask, and its volume to fractions of a voxel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.errors import FieldError
from clearlung.nodules.segment_crop import Crop, Mask, crop_around
from clearlung.nodules.segment_outline import Outline, outline_nodule
from clearlung.nodules.table import sphere_diameter_mm

# Beyond this a size is a slip.
LARGEST_MM = 200.0
# How far a crop reaches, in diameters and mm: the first look allows for a size that is too small by half.
FIRST_REACH = (1.2, 3.0)
SECOND_REACH = (0.85, 3.0)
# How far from its place a nodule can reach, in diameters and mm.
FIRST_LIMIT = (1.1, 0.0)
SECOND_LIMIT = (0.8, 0.5)
# Larger ones need no sharpening for a first look.
SHARP_BELOW_MM = 8.0
# What the first look may change: the size by these factors, the place by this share of the diameter.
RESIZED = (0.6, 1.7)
MOVED = 0.35
# Places this close, in radii of the larger, are of the same nodule.
SAME_NODULE = 0.5


@dataclass(frozen=True, eq=False)
class Segmented:
    """Masks of nodules.

    Parameters
    ----------
    labels
        int32 on the anatomy's box: place *i* has label *i + 1*; 0 outside. Each voxel is one nodule's.
    volume_mm3
        float64, one per place: sub-voxel volume; 0 where there is no mask.
    """

    labels: NDArray[np.int32]
    volume_mm3: NDArray[np.float64]


def segment_nodules(scan: Scan, anatomy: Anatomy, points_mm: ArrayLike, diameter_mm: ArrayLike) -> Segmented:
    """Outline nodules whose places are known roughly.

    Parameters
    ----------
    scan, anatomy
        What they lie in.
    points_mm
        LPS, shape (n, 3), to within about a sixth of the diameter.
    diameter_mm
        Shape (n,), to within a factor of about 1.5.

    Returns
    -------
    Segmented
        Vessels, pleura, fissures and diaphragm are cut off, touching nodules split, cavities filled.

    Raises
    ------
    FieldError
        If the places are not as many as the sizes, or one is impossible.

    Notes
    -----
    Each nodule is outlined twice on a small crop of its own, whose voxels are parted into finer ones and
    freed of the scanner's blur by Landweber's iteration: with the size that was given, and with the one
    found. Between neighbors runs the radical plane of their balls. A voxel belongs to the nodule that fills
    half of it; what fills half of none gets the voxel that it fills most. Of several places in one nodule
    the first counts. The cost grows with the number of nodules, not with that number times the scan.
    """
    diameter = np.asarray(diameter_mm, dtype=np.float64).reshape(-1)
    points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
    if len(points) != len(diameter) or not np.isfinite(points).all():
        raise FieldError(
            "points_mm", f"needs three finite LPS coordinates for each of the {len(diameter)} diameters"
        )
    if not ((diameter > 0) & (diameter < LARGEST_MM)).all():
        raise FieldError("diameter_mm", f"must lie between 0 and {LARGEST_MM:g} mm, in mm")
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    labels = np.zeros(hu.shape, dtype=np.int32)
    volume = np.zeros(len(diameter))
    if not len(diameter):
        return Segmented(labels, volume)
    look = _Look(hu, anatomy.lungs.array, np.asarray(anatomy.lungs.spacing_mm))
    index = np.asarray(anatomy.lungs.indices(points), dtype=np.float64)
    first = look.at(index, diameter, np.ones(len(diameter), dtype=np.bool_), FIRST_REACH, FIRST_LIMIT, False)
    index, diameter = _corrected(first, index, diameter, look.spacing_mm)
    seen = np.array([outline is not None for outline in first])
    kept = _one_each(index * look.spacing_mm, diameter, seen)
    for row, outline in enumerate(look.at(index, diameter, kept, SECOND_REACH, SECOND_LIMIT, True)):
        if outline is not None and _paint(labels, row + 1, outline):
            volume[row] = outline.volume_mm3
    return Segmented(labels, volume)


@dataclass(frozen=True, eq=False)
class _Look:
    """Outlines nodules on their crops, knowing where their neighbors are."""

    hu: NDArray[np.int16]
    lungs: NDArray[np.uint8]
    spacing_mm: NDArray[np.float64]

    def at(
        self,
        index: NDArray[np.float64],
        diameter: NDArray[np.float64],
        wanted: NDArray[np.bool_],
        reach: tuple[float, float],
        limit: tuple[float, float],
        sharp: bool,
    ) -> list[Outline | None]:
        """Outline the wanted ones."""
        places = index * self.spacing_mm
        rows = np.flatnonzero(wanted)
        tree = cKDTree(places[rows]) if len(rows) else None

        def one(row: int) -> Outline | None:
            if tree is None or not wanted[row]:
                return None
            size = float(diameter[row])
            mm = reach[0] * size + reach[1]
            near = rows[tree.query_ball_point(places[row], 1.8 * mm + 0.5 * float(diameter.max()))]
            crop = crop_around(self.hu, self.lungs, self.spacing_mm, index[row], size, mm)
            cell = _own_cell(crop, row, near, index, diameter, places)
            most = limit[0] * size + limit[1]
            return outline_nodule(crop, self.spacing_mm, size, cell, most, sharp or size < SHARP_BELOW_MM)

        # The kernels let go of Python's lock.
        with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
            return list(pool.map(one, range(len(diameter))))


def _own_cell(
    crop: Crop,
    row: int,
    near: NDArray[np.intp],
    index: NDArray[np.float64],
    diameter: NDArray[np.float64],
    places: NDArray[np.float64],
) -> Mask | None:
    """Mark what lies on a nodule's side of the radical planes between its ball and its neighbors'."""
    cell: Mask | None = None
    own = None
    for other in near:
        gap = float(np.linalg.norm(places[other] - places[row]))
        larger = max(diameter[row], diameter[other])
        # Balls that lie in each other have no plane between them: they are the same nodule.
        if other == row or gap < 0.5 * SAME_NODULE * larger or gap > 2.0 * (diameter[row] + diameter[other]):
            continue
        if own is None:
            own = crop.squared_mm2(crop.center)
        away = crop.squared_mm2(crop.place_of(index[other]))
        mine = own - away <= 0.25 * (diameter[row] ** 2 - diameter[other] ** 2)
        cell = mine if cell is None else cell & mine
    return cell


def _corrected(
    found: list[Outline | None],
    index: NDArray[np.float64],
    diameter: NDArray[np.float64],
    spacing_mm: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places and sizes as the first look found them, held near what was given."""
    index, diameter = index.copy(), diameter.copy()
    for row, outline in enumerate(found):
        if outline is None:
            continue
        given = diameter[row]
        move = (outline.index - index[row]) * spacing_mm
        held = min(1.0, MOVED * given / max(float(np.linalg.norm(move)), 1e-9))
        index[row] += held * move / spacing_mm
        low, high = RESIZED
        diameter[row] = np.clip(sphere_diameter_mm(outline.volume_mm3), low * given, high * given)
    return index, diameter


def _one_each(
    places: NDArray[np.float64], diameter: NDArray[np.float64], seen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Keep the first of several places in one nodule."""
    kept = seen.copy()
    reach = 0.5 * SAME_NODULE * float(diameter.max())
    for row, near in enumerate(cKDTree(places).query_ball_point(places, reach)):
        for other in near:
            larger = max(diameter[row], diameter[other])
            apart = float(np.linalg.norm(places[row] - places[other]))
            if kept[row] and other > row and apart < 0.5 * SAME_NODULE * larger:
                kept[other] = False
    return kept


def _paint(labels: NDArray[np.int32], label: int, outline: Outline) -> bool:
    """Paint the voxels that are at least half nodule and free, or else the one that is most."""
    share = outline.voxel_share()
    box = tuple(slice(int(a), int(a) + n) for a, n in zip(outline.crop.low, share.shape, strict=True))
    view = labels[box]
    mine = (share >= 0.5) & (view == 0)
    if not mine.any():
        free = np.where(view == 0, share, -1.0)
        mine = (free == free.max()) & (free > 0)
    view[mine] = label
    return bool(mine.any())
