"""Every column of the nodule table, from a label map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, Anatomy, find_places
from clearlung.ct import Scan
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.table import NoduleTable, sphere_diameter_mm


def measure_nodules(
    scan: Scan,
    anatomy: Anatomy,
    labels: NDArray[np.int32],
    *,
    probability: NDArray[np.float64] | None = None,
    volume_mm3: NDArray[np.float64] | None = None,
    review: NDArray[np.str_] | None = None,
    renumber: bool = False,
    options: NoduleOptions | None = None,
) -> NoduleTable:
    """Measure every nodule of a label map.

    Parameters
    ----------
    scan, anatomy
        What the nodules lie in.
    labels
        int32 on the anatomy's box: 0 outside, else the nodule's number.
    probability, volume_mm3, review
        One entry per label, ascending: how likely each is a nodule (1 by default), its volume where it is
        known better than from its voxels, and what a reader did.
    renumber
        Whether to number them 1 to n by side, lobe, and from head to feet, or keep the labels as numbers.
    options
        The rule for calcification.

    Returns
    -------
    NoduleTable
        Ascending by number, with the label map. Empty if nothing is labelled.
    """
    options = options or NoduleOptions()
    flat = np.flatnonzero(labels)
    ids, row = np.unique(labels.ravel()[flat], return_inverse=True)
    n = len(ids)
    lobe, confidence = _lobes(anatomy, flat, row, n)
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box]).ravel()[flat].astype(np.float64)
    count = np.bincount(row, minlength=n)
    peak = np.full(n, -1024.0)
    np.maximum.at(peak, row, hu)
    zyx = (
        np.column_stack(
            [np.bincount(row, weights=at, minlength=n) for at in np.unravel_index(flat, labels.shape)]
        ).reshape(n, 3)
        / np.maximum(count, 1)[:, None]
    )
    points = anatomy.lungs.points_mm(zyx).reshape(n, 3)
    volume = count * anatomy.lungs.voxel_ml * 1000.0 if volume_mm3 is None else np.asarray(volume_mm3, float)
    order = np.lexsort((points[:, 0], -points[:, 2], lobe)) if renumber else np.arange(n)
    number = np.arange(1, n + 1) if renumber else ids
    painted = np.zeros(labels.shape, dtype=np.int32)
    of_row = np.empty(n, dtype=np.int32)
    of_row[order] = number
    painted.ravel()[flat] = of_row[row]
    places = find_places(anatomy, points) if n else None
    mean = np.bincount(row, weights=hu, minlength=n) / np.maximum(count, 1)
    names = np.array([LOBES[k] for k in lobe], dtype="<U3")
    blank = np.empty(0)
    table = NoduleTable(
        id=np.asarray(number, dtype=np.int32),
        x_mm=points[order, 0],
        y_mm=points[order, 1],
        z_mm=points[order, 2],
        side=np.array([LOBE_SIDES[LOBES[k]] for k in lobe[order]], dtype="<U5"),
        lobe=names[order],
        lobe_confidence=confidence[order],
        diameter_mm=sphere_diameter_mm(volume)[order],
        volume_mm3=volume[order],
        depth_mm=np.nan_to_num(places.depth_mm[order]) if places is not None else blank,
        probability=(np.ones(n) if probability is None else np.asarray(probability, float))[order],
        mean_hu=mean[order],
        max_hu=peak[order],
        calcified=peak[order] >= options.calcified_hu,
        vdt_days=np.full(n, np.nan),
        labels=anatomy.lungs.with_array(painted),
        review=(np.full(n, "", dtype="<U8") if review is None else np.asarray(review))[order],
    )
    return table


def _lobes(
    anatomy: Anatomy, flat: NDArray[np.intp], row: NDArray[np.intp], n: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Position in ``LOBES`` of the lobe that holds most of each nodule, and the mean confidence there."""
    kinds = len(LOBE_LABELS) + 1
    cell = row.astype(np.int64) * kinds + anatomy.lobes.array.ravel()[flat]
    voxels = np.bincount(cell, minlength=n * kinds).reshape(n, kinds)[:, 1:]
    sure = anatomy.lobe_confidence.array.ravel()[flat]
    sums = np.bincount(cell, weights=sure, minlength=n * kinds).reshape(n, kinds)[:, 1:]
    best = np.argmax(voxels, axis=1)
    rows = np.arange(n)
    return best, sums[rows, best] / np.maximum(voxels[rows, best], 1)
