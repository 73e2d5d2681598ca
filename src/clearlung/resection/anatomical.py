"""Segments and lobes as specimens: all that they hold goes, and the margin is to the plane or the stump."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LUNG_LABELS, Lobe, distance_to
from clearlung.ct import Box
from clearlung.resection.segments import Segments, approximate_segments
from clearlung.resection.shapes import surface_beyond_mm
from clearlung.resection.techniques import Technique
from clearlung.resection.workshop import Specimen, Workshop

# More segments than this of one lobe are not taken together: then it is a lobectomy.
_SEGMENTS_TOGETHER = 2


def lobes_and_segments(shop: Workshop, technique: Technique) -> tuple[list[Specimen], dict[int, str]]:
    """Cut the lobes, or the segments, that hold lesions; say for the others why theirs cannot be.

    Parameters
    ----------
    shop
        The scan, prepared.
    technique
        Segmentectomy or lobectomy.

    Notes
    -----
    A lobe is parted from its neighbors at the fissures, which are no cut: its margin is the distance to the
    stumps of the bronchi and vessels. Where a lesion crosses a fissure its rim in the other lobe goes too. A
    segment's margin is the distance to what stays of its lobe; where that is short of what the lesion needs,
    the neighboring segment is taken with it.
    """
    return _lobes(shop, technique) if technique.kind == "lobe" else _segments(shop, technique)


def _lobe_of(shop: Workshop) -> NDArray[np.str_]:
    """Return the lobe that holds most of each lesion's mask."""
    grid = shop.grid
    lobe = grid.nodules.lobe.astype("<U3").copy()
    for row, (number, box) in enumerate(zip(grid.nodules.id.tolist(), grid.boxes, strict=True)):
        counts = np.bincount(grid.anatomy.lobes.array[box][grid.labels[box] == number], minlength=6)
        if counts[1:].any():
            lobe[row] = list(LOBE_LABELS)[int(counts[1:6].argmax())]
    return lobe


def _lobes(shop: Workshop, technique: Technique) -> tuple[list[Specimen], dict[int, str]]:
    grid = shop.grid
    lobe_of = _lobe_of(shop)
    boxes = ndimage.find_objects(grid.anatomy.lobes.array, max_label=len(LOBE_LABELS))
    made: list[Specimen] = []
    why: dict[int, str] = {}
    for lobe, label in LOBE_LABELS.items():
        rows = tuple(
            r
            for r in np.flatnonzero((lobe_of == lobe) & (grid.nodules.side == LOBE_SIDES[lobe])).tolist()
            if len(grid.surfaces[r])
        )
        box = boxes[label - 1]
        if not rows or box is None:
            continue
        points = np.concatenate([grid.surfaces[row] for row in rows])
        reach = float(shop.planned_mm(technique, rows).max()) + surface_beyond_mm(grid.spacing_mm)
        low = np.minimum(points.min(axis=0), [s.start for s in box]) * grid.step_mm - reach
        high = np.maximum(points.max(axis=0), [s.stop for s in box]) * grid.step_mm + reach
        whole = grid.grown(low, high)
        taken = grid.anatomy.lobes.array[whole] == label
        _take_rims(shop, technique, rows, whole, taken, label)
        _leave_others(shop, rows, whole, taken)
        made.append(_measured_lobe(shop, technique, rows, lobe, whole, taken))
    return made, why


def _take_rims(
    shop: Workshop, technique: Technique, rows: Sequence[int], box: Box, taken: NDArray[np.bool_], label: int
) -> None:
    """Add the rim, in other lobes of the lung, of every lesion that crosses the lobe's border."""
    grid = shop.grid
    lungs, lobes = grid.anatomy.lungs.array, grid.anatomy.lobes.array
    corner = np.array([s.start for s in box])
    for row in rows:
        number = int(grid.nodules.id[row])
        own = grid.boxes[row]
        if (lobes[own][grid.labels[own] == number] == label).all():
            continue
        rim = float(shop.planned_mm(technique, [row])[0]) + surface_beyond_mm(grid.spacing_mm)
        points = grid.surfaces[row] * grid.step_mm
        around = grid.grown(points.min(axis=0) - rim, points.max(axis=0) + rim)
        near = distance_to(grid.labels[around] == number, True, grid.step_mm) <= rim
        near &= lungs[around] == LUNG_LABELS[shop.side(rows)]
        local = tuple(slice(s.start - c, s.stop - c) for s, c in zip(around, corner, strict=True))
        taken[local] |= near


def _leave_others(shop: Workshop, rows: Sequence[int], box: Box, taken: NDArray[np.bool_]) -> None:
    """Leave what belongs to lesions that stay."""
    taken &= ~shop.grid.apart(box, rows)[1]


def _measured_lobe(
    shop: Workshop,
    technique: Technique,
    rows: tuple[int, ...],
    lobe: Lobe,
    box: Box,
    taken: NDArray[np.bool_],
) -> Specimen:
    grid = shop.grid
    cuts, where_mm = grid.cuts(box, taken)
    hilum = grid.anatomy.hila_mm.get(LOBE_SIDES[lobe])
    if not len(where_mm) and hilum is not None:
        where_mm = grid.anatomy.lungs.indices([hilum]).reshape(-1, 3) * grid.step_mm
    distance = np.full(len(rows), np.nan)
    if len(where_mm):
        for k, row in enumerate(rows):
            points = grid.surfaces[row] * grid.step_mm
            apart = ((points[:, None, :] - where_mm[None, :, :]) ** 2).sum(axis=2).min()
            distance[k] = np.sqrt(apart) - surface_beyond_mm(grid.spacing_mm)
    # A lesion that crosses the fissure is cut around there, at its planned rim.
    crossing = np.array([_crosses(shop, row, lobe) for row in rows])
    planned = shop.planned_mm(technique, rows)
    distance = np.where(crossing, np.fmin(distance, planned), distance)
    return shop.measured(technique, rows, box, taken, distance, cuts)


def _crosses(shop: Workshop, row: int, lobe: Lobe) -> bool:
    grid = shop.grid
    own = grid.boxes[row]
    mask = grid.labels[own] == int(grid.nodules.id[row])
    return bool((grid.anatomy.lobes.array[own][mask] != LOBE_LABELS[lobe]).any())


def _segments(shop: Workshop, technique: Technique) -> tuple[list[Specimen], dict[int, str]]:
    grid = shop.grid
    segments = approximate_segments(grid.anatomy)
    inside = _segments_of(shop, segments)
    made: list[Specimen] = []
    why = {
        row: f"{technique.title}: its lobe's segments are not known"
        if not len(touched)
        else f"{technique.title} would need more than {_SEGMENTS_TOGETHER} segments"
        for row, touched in enumerate(inside)
    }
    boxes = ndimage.find_objects(segments.labels.array, max_label=len(segments))
    for chosen in _choices(segments, inside):
        specimen = _cut_segments(shop, technique, segments, chosen, boxes)
        if specimen is not None:
            made.append(specimen)
            for row in specimen.rows:
                why.pop(row, None)
    return made, why


def _segments_of(shop: Workshop, segments: Segments) -> list[tuple[int, ...]]:
    """Return the labels of the segments that each lesion lies in; none where part of it lies in none."""
    grid = shop.grid
    found: list[tuple[int, ...]] = []
    for number, box in zip(grid.nodules.id.tolist(), grid.boxes, strict=True):
        labels = np.unique(segments.labels.array[box][grid.labels[box] == number])
        found.append(() if 0 in labels else tuple(int(k) for k in labels))
    return found


def _choices(segments: Segments, inside: Sequence[tuple[int, ...]]) -> Iterable[tuple[int, ...]]:
    """Return segments that hold lesions, and pairs of one lobe, unless these are all that it has."""
    holding = sorted({k for labels in inside for k in labels})
    per_lobe = {lobe: segments.lobe.count(lobe) for lobe in segments.lobe}
    pairs: set[tuple[int, ...]] = set()
    for k in holding:
        yield (k,)
        lobe = segments.lobe[k - 1]
        if per_lobe[lobe] > _SEGMENTS_TOGETHER:
            mates = [m for m in range(1, len(segments) + 1) if segments.lobe[m - 1] == lobe and m != k]
            pairs |= {(min(k, m), max(k, m)) for m in mates}
    yield from sorted(pairs)


def _cut_segments(
    shop: Workshop,
    technique: Technique,
    segments: Segments,
    chosen: tuple[int, ...],
    boxes: Sequence[Box | None],
) -> Specimen | None:
    """Cut segments with every lesion in them; None where one would be cut, or get too short a margin."""
    grid = shop.grid
    corners = [box for k in chosen if (box := boxes[k - 1]) is not None]
    if len(corners) < len(chosen):
        return None
    low = np.min([[s.start for s in box] for box in corners], axis=0)
    high = np.max([[s.stop for s in box] for box in corners], axis=0)
    box = grid.grown(low * grid.step_mm, (high - 1) * grid.step_mm)
    taken = np.isin(segments.labels.array[box], chosen)
    held = np.unique(grid.labels[box][taken])
    rows = tuple(int(r) for r in np.flatnonzero(np.isin(grid.nodules.id, held[held > 0])))
    inside = [np.isin(segments.labels.array[grid.boxes[r]][_mask(shop, r)], chosen).all() for r in rows]
    if not rows or not all(inside):
        return None
    lobe = LOBE_LABELS[segments.lobe[chosen[0] - 1]]
    stays = grid.anatomy.lobes.array[box] == lobe
    distance = shop.distances_mm(rows, box, taken, stays)
    if not np.isfinite(distance).all() or (distance < shop.planned_mm(technique, rows)).any():
        return None
    cuts, _ = grid.cuts(box, taken)
    return shop.measured(technique, rows, box, taken, distance, cuts)


def _mask(shop: Workshop, row: int) -> NDArray[np.bool_]:
    grid = shop.grid
    return np.asarray(grid.labels[grid.boxes[row]] == int(grid.nodules.id[row]))
