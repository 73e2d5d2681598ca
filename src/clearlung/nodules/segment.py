"""Every nodule's own mask."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.segment_outline import Outline, crop_around, outline_nodule
from clearlung.nodules.sharpen import pooled
from clearlung.nodules.table import sphere_diameter_mm

FIRST_REACH = (1.2, 3.0)
SECOND_REACH = (0.85, 3.0)
SAME_NODULE = 0.5


@dataclass(frozen=True, eq=False)
class Segmented:
    labels: NDArray[np.int32]
    volume_mm3: NDArray[np.float64]


def segment_nodules(scan: Scan, anatomy: Anatomy, points_mm, diameter_mm) -> Segmented:
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    lungs = anatomy.lungs.array
    index = anatomy.lungs.indices(np.asarray(points_mm, dtype=np.float64).reshape(-1, 3))
    diameter = np.asarray(diameter_mm, dtype=np.float64)
    n = len(diameter)
    first = _look(
        hu, lungs, spacing, index, diameter, FIRST_REACH, False, np.ones(n, bool), 1.3 * diameter + 1.0
    )
    index2, diameter2 = index.copy(), diameter.copy()
    for i, o in enumerate(first):
        if o is not None:
            index2[i] = o.center
            diameter2[i] = np.clip(sphere_diameter_mm(o.volume_mm3), 0.6 * diameter[i], 1.7 * diameter[i])
    kept = _one_each(index2 * spacing, diameter2, np.array([o is not None for o in first]))
    second = _look(hu, lungs, spacing, index2, diameter2, SECOND_REACH, True, kept, 0.9 * diameter2 + 1.0)
    labels = np.zeros(hu.shape, dtype=np.int32)
    volume = np.zeros(n)
    for i, o in enumerate(second):
        if o is None:
            continue
        if _paint(labels, i + 1, o):
            volume[i] = o.volume_mm3
    return Segmented(labels, volume)


def _look(hu, lungs, spacing, index, diameter, reach, sharp, kept, limit):
    places = index * spacing
    tree = cKDTree(places)
    largest = diameter.max() if len(diameter) else 0
    out = [None] * len(diameter)

    def one(i):
        if not kept[i]:
            return
        d = float(diameter[i])
        mm = reach[0] * d + reach[1]
        for _ in range(1):
            crop = crop_around(hu, lungs, spacing, index[i], d, mm)
            cell = None
            for j in tree.query_ball_point(places[i], mm * 1.0 + 0.5 * largest):
                if j == i or not kept[j]:
                    continue
                gap = np.linalg.norm(places[i] - places[j])
                if gap > mm * 1.8 + 0.5 * diameter[j] or gap < 0.25 * max(d, diameter[j]):
                    continue
                a = crop.offsets_mm(index[i], spacing)
                b = crop.offsets_mm(index[j], spacing)
                mine = (a[0] ** 2 - b[0] ** 2) + (a[1] ** 2 - b[1] ** 2) + (a[2] ** 2 - b[2] ** 2) <= (
                    d**2 - diameter[j] ** 2
                ) / 4
                cell = mine if cell is None else cell & mine
            o = outline_nodule(crop, spacing, d, cell, sharp, limit[i])
            out[i] = None if o is None else (o, crop)
            if o is None or not o.cut_off:
                break
            mm *= 1.6
        if out[i] is not None:
            o, crop = out[i]
            object.__setattr__(o, "crop", crop)
            out[i] = o

    with ThreadPoolExecutor(max_workers=numba.get_num_threads()) as pool:
        list(pool.map(one, range(len(diameter))))
    return out


def _one_each(places, diameter, found):
    kept = found.copy()
    if not len(places):
        return kept
    tree = cKDTree(places)
    for i in range(len(places)):
        if not kept[i]:
            continue
        for j in tree.query_ball_point(places[i], SAME_NODULE * 0.5 * diameter.max()):
            if (
                j > i
                and kept[j]
                and np.linalg.norm(places[i] - places[j]) < SAME_NODULE * 0.5 * max(diameter[i], diameter[j])
            ):
                kept[j] = False
    return kept


def _paint(labels, label, o: Outline):
    crop = o.crop
    share = pooled(o.share, crop.parts)
    box = tuple(slice(a, a + k) for a, k in zip(crop.low, share.shape, strict=True))
    view = labels[box]
    mine = (share >= 0.5) & (view == 0)
    if not mine.any():
        mine = (share >= min(0.5, share.max())) & (view == 0)
    view[mine] = label
    return int(mine.sum())
