"""Columns of the nodule table from outlines and label map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from clearlung.anatomy import LOBE_SIDES, LOBES, Anatomy
from clearlung.ct import Scan
from clearlung.nodules.features import Outlined
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.table import NoduleTable, sphere_diameter_mm


def tabulate(
    scan: Scan, anatomy: Anatomy, found: Outlined, labels: NDArray[np.int32], options: NoduleOptions
) -> NoduleTable:
    """Measure painted nodules and number them by side, lobe, and from head to feet.

    Parameters
    ----------
    scan, anatomy
        What they were found on.
    found
        Row *i* is painted as label *i + 1*.
    labels
        int32 on the anatomy's box; renumbered in place.
    options
        The rule for calcification.

    Returns
    -------
    NoduleTable
        With the label map.
    """
    count = len(found)
    inside = np.flatnonzero(labels)
    of_voxel = labels.ravel()[inside] - 1
    lobe, confidence = _lobes(anatomy, inside, of_voxel, count)
    mean_hu, max_hu = _densities(scan, anatomy, inside, of_voxel, count)
    index = found.indices(np.asarray(anatomy.lungs.spacing_mm))
    x, y, z = anatomy.lungs.points_mm(index).T
    order = np.lexsort((x, -z, lobe))  # LOBES lists the right lung first, each from the head down
    number = np.empty(count + 1, dtype=np.int32)
    number[0] = 0
    number[order + 1] = np.arange(1, count + 1)
    labels.ravel()[inside] = number[of_voxel + 1]
    volume = found.column("measured_mm3")[order]
    names = np.array([LOBES[k] for k in lobe[order]], dtype=np.str_)
    return NoduleTable(
        id=np.arange(1, count + 1, dtype=np.int32),
        x_mm=x[order],
        y_mm=y[order],
        z_mm=z[order],
        side=np.array([LOBE_SIDES[LOBES[k]] for k in lobe[order]], dtype=np.str_),
        lobe=names,
        lobe_confidence=confidence[order],
        diameter_mm=sphere_diameter_mm(volume),
        volume_mm3=volume,
        depth_mm=_depths(anatomy, index[order]),
        probability=found.probability[order],
        mean_hu=mean_hu[order],
        max_hu=max_hu[order],
        calcified=max_hu[order] >= options.calcified_hu,
        vdt_days=np.full(count, np.nan),
        labels=anatomy.lungs.with_array(labels),
    )


def _lobes(
    anatomy: Anatomy, inside: NDArray[np.intp], of_voxel: NDArray[np.int32], count: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Position in ``LOBES`` of the lobe that holds most of each nodule, and the mean confidence there."""
    kinds = len(LOBES) + 1  # labels are 1 to 5 in the order of LOBES
    lobe = anatomy.lobes.array.ravel()[inside]
    cell = of_voxel.astype(np.int64) * kinds + lobe
    voxels = np.bincount(cell, minlength=count * kinds).reshape(count, kinds)[:, 1:]
    sure = anatomy.lobe_confidence.array.ravel()[inside]
    sums = np.bincount(cell, weights=sure, minlength=count * kinds).reshape(count, kinds)[:, 1:]
    best = np.argmax(voxels, axis=1)
    rows = np.arange(count)
    return best, sums[rows, best] / np.maximum(voxels[rows, best], 1)


def _densities(
    scan: Scan, anatomy: Anatomy, inside: NDArray[np.intp], of_voxel: NDArray[np.int32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and peak HU of each nodule's voxels."""
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box]).ravel()[inside].astype(np.float64)
    voxels = np.maximum(np.bincount(of_voxel, minlength=count), 1)
    mean = np.bincount(of_voxel, weights=hu, minlength=count) / voxels
    peak = np.full(count, -1024.0)
    np.maximum.at(peak, of_voxel, hu)
    return mean, peak


def _depths(anatomy: Anatomy, index: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth at the nodules' centers, linear between voxels; shape (n,)."""
    depth = map_coordinates(anatomy.depth_mm.array, index.T, order=1, mode="nearest")
    return np.asarray(np.maximum(depth, 0.0), dtype=np.float64)
