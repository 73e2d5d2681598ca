"""From a scan and its anatomy to the table of its nodules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.candidates import Candidates, get_detector
from clearlung.nodules.features import COLUMN, FEATURES, Outlined
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.outline import describe_all, outline
from clearlung.nodules.painting import paint
from clearlung.nodules.score import built_in_score, shape_terms
from clearlung.nodules.table import NoduleTable, sphere_diameter_mm, sphere_volume_mm3
from clearlung.nodules.tabulate import tabulate

# The first look is coarse and only sorts out; the second one measures.
COARSE_STEPS_PER_DIAMETER = 6.0
COARSE_STEP_MM = (0.5, 2.5)
FINE_STEPS_PER_DIAMETER = 12.0
FINE_STEP_MM = (0.35, 1.0)
# The cube must hold the nodule and enough lung around it to tell its density.
CUBE_PER_DIAMETER = 1.3
CUBE_MARGIN_MM = 2.5
# Half the voxels of the largest cube: what is larger is looked at more coarsely.
LARGEST_HALF = 28
# The first look keeps what is at least this share of the least probability, so that the second decides.
FIRST_LOOK_SHARE = 0.2
# Outlines whose centers are this close, in radii of the larger, are of the same nodule.
SAME_NODULE = 0.5


def find_nodules(scan: Scan, anatomy: Anatomy, options: NoduleOptions | None = None) -> NoduleTable:
    """Find, outline and measure the solid nodules of a scan.

    Parameters
    ----------
    scan, anatomy
        The scan, and its anatomy from :func:`clearlung.anatomy.segment_anatomy`.
    options
        By default those of :class:`NoduleOptions`.

    Returns
    -------
    NoduleTable
        Ordered by side, lobe and height, with the label map. Empty if nothing was found. ``vdt_days`` is
        NaN: one scan does not show growth.

    Notes
    -----
    A detector proposes places; each is outlined on a small cube of its own, scored by its shape, and
    measured with its rim counted by the share of contrast in each voxel. The cost grows with the number
    of candidates, not with that number times the scan.
    """
    options = options or NoduleOptions()
    candidates = get_detector(options.detector)(scan, anatomy, options.smallest_mm)
    found = outline_candidates(scan, anatomy, candidates, options)
    labels, kept = _paint(scan, anatomy, found)
    return tabulate(scan, anatomy, found.take(kept), labels, options)


def outline_candidates(
    scan: Scan, anatomy: Anatomy, candidates: Candidates, options: NoduleOptions
) -> Outlined:
    """Outline candidates twice, coarsely and finely, and keep the probable ones.

    Parameters
    ----------
    scan, anatomy
        The scan and its anatomy.
    candidates
        What a detector proposed; its own probabilities, where it gives them, replace those of the shape.
    options
        The smallest diameter and the least probability to keep.

    Returns
    -------
    Outlined
        Most probable first, one outline for each nodule.
    """
    first = _outlined(
        scan,
        anatomy,
        candidates.indices,
        candidates.diameter_mm,
        (COARSE_STEPS_PER_DIAMETER, COARSE_STEP_MM),
        candidates.probability,
    )
    first = first.take(np.flatnonzero(first.probability >= FIRST_LOOK_SHARE * options.least_probability))
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    first = _one_each(first, spacing)
    second = _outlined(
        scan,
        anatomy,
        first.indices(spacing),
        sphere_diameter_mm(first.column("volume_mm3")),
        (FINE_STEPS_PER_DIAMETER, FINE_STEP_MM),
        None if candidates.probability is None else first.probability,
    )
    smallest = 0.9 * sphere_volume_mm3(options.smallest_mm)
    good = (second.probability >= options.least_probability) & (second.column("measured_mm3") >= smallest)
    rows = np.flatnonzero(good)
    return second.take(rows[np.argsort(-second.probability[rows], kind="stable")])


def _outlined(
    scan: Scan,
    anatomy: Anatomy,
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    steps: tuple[float, tuple[float, float]],
    probability: NDArray[np.float64] | None,
) -> Outlined:
    """Outline every candidate; those without an outline or cut off by their cube get probability 0."""
    per_diameter, (finest, coarsest) = steps
    extent = CUBE_PER_DIAMETER * diameter_mm + CUBE_MARGIN_MM
    step = np.maximum(np.clip(diameter_mm / per_diameter, finest, coarsest), extent / LARGEST_HALF)
    half = np.ceil(extent / step).astype(np.int64)
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    features = describe_all(hu, anatomy.lungs.array, spacing, centers, diameter_mm, step, half)
    seen = (features[:, COLUMN["volume_mm3"]] > 0) & (features[:, COLUMN["cut"]] == 0)
    score = np.zeros(len(centers))
    if probability is not None:
        score[seen] = probability[seen]
    elif seen.any():
        score[seen] = built_in_score().probability(shape_terms(features[seen], float(spacing.max())))
    return Outlined(centers, step, half, diameter_mm, features, score)


def _one_each(found: Outlined, spacing_mm: NDArray[np.float64]) -> Outlined:
    """Keep one outline of each nodule: the one looked for at the size that it turned out to have."""
    if not len(found):
        return found
    diameter = sphere_diameter_mm(found.column("volume_mm3"))
    misfit = np.abs(np.log(diameter / found.diameter_mm))
    order = np.lexsort((np.arange(len(found)), np.round(misfit, 1), -np.round(found.probability, 1)))
    places = (found.centers * spacing_mm + found.offset_mm)[order]
    radius = 0.5 * diameter[order]
    kept = np.ones(len(order), dtype=np.bool_)
    neighbors = cKDTree(places).query_ball_point(places, SAME_NODULE * radius)
    for i, near in enumerate(neighbors):
        if kept[i]:
            kept[[j for j in near if j > i]] = False
    return found.take(order[kept])


def _paint(scan: Scan, anatomy: Anatomy, found: Outlined) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Paint outlines in order into one label map; return it and the rows that found room in it."""
    labels = np.zeros(anatomy.lungs.shape, dtype=np.int32)
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    kept: list[int] = []
    for row in range(len(found)):
        center, step = found.centers[row], float(found.step_mm[row])
        nodule = outline(
            hu,
            anatomy.lungs.array,
            spacing,
            center,
            float(found.diameter_mm[row]),
            step,
            int(found.half[row]),
            np.zeros(len(FEATURES)),
        )
        painted = paint(labels, len(kept) + 1, nodule, anatomy.lungs.array, spacing, center, step)
        if painted:
            kept.append(row)
    return labels, np.asarray(kept, dtype=np.intp)
