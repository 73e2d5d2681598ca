"""Nodules outlined elsewhere: a label map or mask, brought onto the lungs' box with its outlines kept."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from clearlung.anatomy import Anatomy, read_labels
from clearlung.ct import Box, Scan
from clearlung.errors import AnatomyError, DetectorError
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.detectors.places import LARGEST_MM, MAX_PLACES, ROUGH, check_inside, in_lungs
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.source import DetectorSource
from clearlung.nodules.table import sphere_diameter_mm

# Voxels that touch by a corner are of one nodule: on thick slices, thin parts hang together by corners.
TOUCHING = np.ones((3, 3, 3))
# What a segment of nodules is called, in part; 3D Slicer calls segments without a name Segment_1 and so on.
NODULE = re.compile(r"nodul|metasta|lesion|tumou?r|mass|neoplasm|gtv", re.IGNORECASE)
UNNAMED = re.compile(r"(segment|label)?[ _-]*\d*", re.IGNORECASE)
OPTION = "--detector-labels"

Piece = tuple[Box, NDArray[np.bool_]]


def load_mask(source: DetectorSource) -> PluggedDetector:
    """Return the detector that hands over the outlines in a file."""
    return PluggedDetector(partial(_outlined, source), "mask", "outlines read from a file")


def _outlined(source: DetectorSource, scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    """Return each piece of each label as a candidate that is outlined already."""
    where = "the mask"
    pieces, warnings = _pieces(source.file, scan, source.labels, where)
    spacing = np.asarray(scan.volume.spacing_mm)
    voxel_mm3 = float(np.prod(spacing))
    middles = np.array([_middle(piece) for piece in pieces]).reshape(-1, 3)
    diameter = np.array([sphere_diameter_mm(mask.sum() * voxel_mm3) for _, mask in pieces], dtype=np.float64)
    points = scan.volume.points_mm(middles)
    inside = in_lungs(anatomy, anatomy.lungs.indices(points), diameter)
    warnings += check_inside(anatomy, points, diameter, inside, where)
    canvas = np.zeros(scan.volume.shape, dtype=np.int32)
    kept: list[int] = []
    for row in np.flatnonzero(inside & (ROUGH * diameter >= smallest_mm)):
        box, mask = pieces[row]
        free = mask & (canvas[box] == 0)
        canvas[box][free] = len(kept) + 1
        if free.any():
            kept.append(int(row))
        else:
            warnings += (f"One outline of {where} lies within another one and was left out.",)
    labels = np.ascontiguousarray(canvas[anatomy.box])
    return Candidates(
        anatomy.lungs.indices(points[kept]),
        diameter[kept],
        labels=labels,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _pieces(
    path: Path, scan: Scan, wanted: tuple[int, ...], where: str
) -> tuple[list[Piece], tuple[str, ...]]:
    """Return the connected pieces of every label that is wanted, on the scan's grid, and warnings."""
    try:
        layers = read_labels(path, scan.volume)
    except AnatomyError as error:
        raise DetectorError(error.field, str(error).removeprefix(f"{error.field}: ")) from error
    present = [
        {n: box for n, box in enumerate(find_objects(array), 1) if box is not None} for array, _ in layers
    ]
    _check_present(present, wanted, where)
    pieces: list[Piece] = []
    broken: list[int] = []
    for (array, names), boxes in zip(layers, present, strict=True):
        chosen = set(boxes) & set(wanted) if wanted else _nodules(boxes, names, where)
        for number in sorted(chosen):
            parts = list(_parts(array[boxes[number]] == number, boxes[number]))
            pieces += parts
            if len(parts) > 1:
                broken.append(number)
            if len(pieces) > MAX_PLACES:
                raise DetectorError(where, f"it has more than {MAX_PLACES} pieces: no mask of nodules.")
    _check_sizes(pieces, scan, where)
    several = len({n for boxes in present for n in boxes}) > 1
    if several and broken:
        named = ", ".join(map(str, broken[:10]))
        return pieces, (f"Of {where}, the labels {named} are in several pieces; each counts as a nodule.",)
    return pieces, ()


def _check_present(present: Sequence[Collection[int]], wanted: tuple[int, ...], where: str) -> None:
    found = {n for boxes in present for n in boxes}
    missing = sorted(set(wanted) - found)
    if missing:
        listed = ", ".join(map(str, sorted(found)[:20])) or "none"
        raise DetectorError(OPTION, f"{where} has no label {missing[0]} on this scan; it has {listed}.")


def _nodules(labels: Collection[int], names: Mapping[int, str], where: str) -> set[int]:
    """Return the labels that are nodules by their names; all, if the file names none."""
    telling = {n: names[n] for n in labels if n in names and not UNNAMED.fullmatch(names[n].strip())}
    if not telling:
        return set(labels)
    chosen = {n for n, name in telling.items() if NODULE.search(name)}
    if not chosen:
        listed = ", ".join(f"{n} {name!r}" for n, name in list(telling.items())[:8])
        raise DetectorError(
            where, f"none of its segments is called a nodule: {listed}. Say which are by {OPTION} 1,2."
        )
    return chosen


def _parts(mask: NDArray[np.bool_], around: Box) -> Iterator[Piece]:
    """Yield the connected pieces of a mask, each with its box on the scan."""
    numbered, _ = label(mask, structure=TOUCHING)
    for part, box in enumerate(find_objects(numbered), 1):
        z, y, x = (slice(a.start + b.start, a.start + b.stop) for a, b in zip(around, box, strict=True))
        yield (z, y, x), numbered[box] == part


def _middle(piece: Piece) -> NDArray[np.float64]:
    box, mask = piece
    return np.asarray(np.argwhere(mask).mean(axis=0) + [s.start for s in box], dtype=np.float64)


def _check_sizes(pieces: list[Piece], scan: Scan, where: str) -> None:
    for box, _ in pieces:
        extent = max((s.stop - s.start) * d for s, d in zip(box, scan.volume.spacing_mm, strict=True))
        if extent > LARGEST_MM:
            raise DetectorError(
                where,
                f"a piece of it is {extent:.0f} mm long: no nodule, perhaps a lung. Say which labels are "
                f"nodules by {OPTION} 1,2.",
            )
