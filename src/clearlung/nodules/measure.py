"""Every column of the nodule table, from a label map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, map_coordinates

from clearlung.anatomy import LOBE_SIDES, LOBES, Anatomy, find_places
from clearlung.ct import Scan
from clearlung.errors import FieldError
from clearlung.evidence import load_evidence
from clearlung.nodules.measure_shape import (
    Faces,
    FloatArray,
    Voxels,
    contact_share,
    diameters,
    find_faces,
    sphericity,
)
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.table import NoduleTable, sphere_diameter_mm

# The sizes of the series of small nodules in ``measurement.repeat.volume_small``, mm³.
SMALL_SERIES_MM3 = (30.0, 150.0)
# Halfway between air and soft tissue.
CAVITY_EDGE_HU = -480.0


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
        Ascending by number, with the label map. Empty if nothing is labelled. ``vdt_days`` and
        ``malignant_chance`` are NaN: one scan alone does not tell them.

    Raises
    ------
    FieldError
        If a column has another number of entries than there are labels.
    """
    options = options or NoduleOptions()
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    voxels = Voxels.of(labels)
    n = len(voxels)
    faces = find_faces(labels, voxels)
    count = voxels.count()
    center = np.column_stack([voxels.sums(at) for at in voxels.index.T]).reshape(n, 3) / count[:, None]
    points = np.asarray(anatomy.lungs.points_mm(center)).reshape(n, 3)
    volume = count * np.prod(spacing) if volume_mm3 is None else _column(volume_mm3, n, "volume_mm3")
    low, high = repeat_interval(volume)
    sizes = diameters(faces, spacing, n)
    lobe, confidence = _lobes(anatomy, voxels)
    table = NoduleTable(
        id=voxels.ids,
        x_mm=points[:, 0].copy(),
        y_mm=points[:, 1].copy(),
        z_mm=points[:, 2].copy(),
        side=np.array([LOBE_SIDES[LOBES[k]] for k in lobe], dtype="<U5"),
        lobe=np.array([LOBES[k] for k in lobe], dtype="<U3"),
        lobe_confidence=confidence,
        diameter_mm=sphere_diameter_mm(volume),
        volume_mm3=volume,
        depth_mm=_depths(anatomy, center),
        probability=np.ones(n) if probability is None else _column(probability, n, "probability"),
        vdt_days=np.full(n, np.nan),
        volume_low_mm3=low,
        volume_high_mm3=high,
        longest_axial_mm=sizes.longest_axial_mm,
        short_axial_mm=sizes.short_axial_mm,
        longest_mm=sizes.longest_mm,
        perpendicular_mm=sizes.perpendicular_mm,
        sphericity=sphericity(labels, voxels, faces, spacing),
        pleura_contact=contact_share(faces, anatomy.lungs.array == 0, spacing, n, outside=True),
        vessel_contact=_vessel_contact(anatomy, faces, spacing, n),
        review=np.full(n, "", dtype="<U8") if review is None else _column(review, n, "review"),
        **_densities(scan, anatomy, voxels, faces, volume, options),
        **_places(anatomy, points, lobe),
    )
    order = np.lexsort((table.x_mm, -table.z_mm, lobe)) if renumber else np.arange(n)
    table = table.take(order)
    painted = labels.astype(np.int32, copy=True)
    if renumber:
        number = np.empty(n, dtype=np.int32)
        number[order] = np.arange(1, n + 1)
        painted[tuple(voxels.index.T)] = number[voxels.row]
        table = table.with_columns(id=np.arange(1, n + 1, dtype=np.int32))
    return table.with_columns(labels=anatomy.lungs.with_array(painted))


def repeat_interval(volume_mm3: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Interval in which the volume on a repeated scan would lie, by published limits of agreement.

    Parameters
    ----------
    volume_mm3
        Any shape.

    Returns
    -------
    low, high
        float64 mm³, same shape.

    Notes
    -----
    Limits of agreement of repeat scans: 202 nodules of all sizes (``measurement.repeat.volume``), and 100 of
    30 to 150 mm³ (``measurement.repeat.volume_small``). They were measured on thin slices. Thicker ones are
    less repeatable, and no published number says by how much.
    """
    volume = np.asarray(volume_mm3, dtype=np.float64)
    book = load_evidence()
    wide, narrow = book["measurement.repeat.volume"], book["measurement.repeat.volume_small"]
    small = (volume >= SMALL_SERIES_MM3[0]) & (volume <= SMALL_SERIES_MM3[1])
    low = np.where(small, narrow.low or 0.0, wide.low or 0.0)
    high = np.where(small, narrow.high or 0.0, wide.high or 0.0)
    return np.asarray(volume * (1.0 + low / 100.0)), np.asarray(volume * (1.0 + high / 100.0))


def _column(values: NDArray[Any], n: int, name: str) -> NDArray[Any]:
    if len(values) != n:
        raise FieldError(name, f"needs one entry for each of the {n} labels, and has {len(values)}")
    return np.asarray(values)


def _depths(anatomy: Anatomy, center: FloatArray) -> FloatArray:
    """Depth at the nodules' centers, linear between voxels; shape (n,)."""
    depth = map_coordinates(anatomy.depth_mm.array, center.T, order=1, mode="nearest")
    return np.asarray(np.maximum(depth, 0.0), dtype=np.float64)


def _vessel_contact(anatomy: Anatomy, faces: Faces, spacing: FloatArray, n: int) -> FloatArray:
    if anatomy.vessels is None:
        return np.full(n, np.nan)
    return contact_share(faces, anatomy.vessels.array > 0, spacing, n, outside=False)


def _densities(
    scan: Scan,
    anatomy: Anatomy,
    voxels: Voxels,
    faces: Faces,
    volume_mm3: FloatArray,
    options: NoduleOptions,
) -> dict[str, Any]:
    """Columns that follow from the attenuation inside."""
    book = load_evidence()
    hu = voxels.at(scan.volume.array[anatomy.box]).astype(np.float64)
    count = voxels.count()
    peak = voxels.largest(hu)
    mean = voxels.sums(hu) / count
    inner = np.ones(len(hu), dtype=np.bool_)
    inner[faces.voxel] = False
    air = _air(voxels, hu, inner)
    lowest = book.value("nodule.solid_hu", unit="HU")
    solid = hu >= lowest
    # The rim is partly lung; where a nodule is all rim, its brightest voxel has to do.
    inside = voxels.count(inner & ~air)
    share = voxels.count(inner & solid) / np.maximum(inside, 1.0)
    texture = np.full(len(voxels), "part-solid", dtype="<U12")
    texture[share >= book.value("nodule.solid_share", unit="1")] = "solid"
    texture[share < book.value("nodule.ground_glass_share", unit="1")] = "ground-glass"
    bare = inside == 0
    texture[bare] = np.where(peak[bare] >= lowest, "solid", "")
    return {
        "mean_hu": mean,
        "max_hu": peak,
        "calcified": peak >= options.calcified_hu,
        "mass_mg": volume_mm3 * (1.0 + mean / 1000.0),
        "calcified_share": voxels.count(hu >= options.calcified_hu) / count,
        "cavity_share": voxels.count(air) / count,
        "texture": texture,
    }


def _air(voxels: Voxels, hu: FloatArray, inner: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the voxels that are a cavity: air, and beside it what is more air than tissue."""
    book = load_evidence()
    air = hu < book.value("nodule.cavity_hu", unit="HU")
    for row in np.unique(voxels.row[air]).tolist():
        own = np.flatnonzero(voxels.row == row)
        place = voxels.index[own] - voxels.index[own].min(axis=0) + 1
        core = np.zeros(place.max(axis=0) + 2, dtype=np.bool_)
        core[tuple(place.T)] = air[own]
        beside = binary_dilation(core, np.ones((3, 3, 3)))[tuple(place.T)]
        air[own] |= beside & inner[own] & (hu[own] < CAVITY_EDGE_HU)
    return np.asarray(air)


def _places(anatomy: Anatomy, points: FloatArray, lobe: NDArray[np.intp]) -> dict[str, Any]:
    """Second lobes and distances, at the centers."""
    # Without the parts of the pleura no depth below each of them is worked out, which takes seconds.
    places = find_places(replace(anatomy, pleura=None), points)
    own = np.array([LOBES[k] for k in lobe], dtype="<U3")
    # The center of a nodule across a fissure may lie in the lobe that holds less of it.
    second = np.where(places.second_lobe == own, places.lobe, places.second_lobe)
    return {
        "second_lobe": np.where(second == own, "", second),
        "hilum_mm": places.hilum_mm,
        "vessel_mm": places.vessel_mm,
        "bronchus_mm": places.bronchus_mm,
    }


def _lobes(anatomy: Anatomy, voxels: Voxels) -> tuple[NDArray[np.intp], FloatArray]:
    """Position in ``LOBES`` of the lobe that holds most of each nodule, and the mean confidence there."""
    n, kinds = len(voxels), len(LOBES) + 1  # labels are 1 to 5 in the order of LOBES
    cell = voxels.row * kinds + voxels.at(anatomy.lobes.array)
    inside = np.bincount(cell, minlength=n * kinds).reshape(n, kinds)[:, 1:]
    sure = voxels.at(anatomy.lobe_confidence.array)
    sums = np.bincount(cell, weights=sure, minlength=n * kinds).reshape(n, kinds)[:, 1:]
    best = np.argmax(inside, axis=1)
    rows = np.arange(n)
    return best, sums[rows, best] / np.maximum(inside[rows, best], 1)
