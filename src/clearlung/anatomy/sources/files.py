"""Anatomy from a file or a folder of masks: read, understood, checked against the scan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from clearlung.anatomy.air import CoarseAir, find_air
from clearlung.anatomy.sources.conventions import (
    Convention,
    Meaning,
    Spot,
    back_to_front,
    misplaced,
    named_convention,
    recognized,
    spots_of,
    structure_spots,
)
from clearlung.anatomy.sources.dicom_seg import is_dicom, read_dicom_seg
from clearlung.anatomy.sources.label_maps import LABEL_MAP_SUFFIXES, read_label_map
from clearlung.anatomy.sources.names import STRUCTURES, structure_by_name
from clearlung.anatomy.sources.parts import (
    Canvas,
    FileContent,
    Labels,
    Parts,
    Piece,
    on_grid,
    same_lattice,
    shown,
    sides_of,
    whole_numbers,
)
from clearlung.ct import Scan, Volume
from clearlung.errors import AnatomyError, ScanRejected

# A mask of which less lies in the lungs' air was made on another scan, or lies wrongly. Fluid, consolidation
# and vessels are a good part of some lungs, so the limit is low.
LEAST_IN_AIR = 0.3
FEW_IN_AIR = 0.6
# Of the lungs' air, airways included: less is covered only by a fragment. One lung of two is nearly half.
LEAST_COVER = 0.25
FEW_COVERED = 0.8
# A part that is missing leaves much air uncovered, consolidation and fluid lie in no air; where both lungs
# are given, both at once come from a shift.
LEAST_COVER_BESIDE_AIR = 0.6
# A lobe of one lung of two does not reach that far over the middle; the only lung left may well do.
MOST_ACROSS = 0.3
MOST_ACROSS_ALONE = 0.75


def read_anatomy_file(
    path: str | os.PathLike[str],
    scan: Scan,
    labels: str | None = None,
    *,
    air: CoarseAir | None = None,
    series_uid: str | None = None,
    frame_of_reference_uid: str | None = None,
) -> Parts:
    """Read lobes, lungs, airways or vessels that another program has segmented on a scan.

    Parameters
    ----------
    path
        A .nii, .nii.gz, .nrrd, .seg.nrrd or .mha label map, a DICOM SEG file, or a folder of masks named as
        TotalSegmentator names them.
    scan
        The scan that it was made on.
    labels
        Whose label numbers they are: a key of :data:`CONVENTIONS`. If None, names and codes in the file say
        so, and bare numbers are recognized only where one convention alone fits how they lie.
    air
        The scan's air, where it was already found.
    series_uid, frame_of_reference_uid
        The scan's, where they are known: a DICOM SEG of another one is warned about.

    Returns
    -------
    Parts
        On the scan's grid.

    Raises
    ------
    AnatomyError
        If the file is damaged, is not understood, lies on other lungs, or has right and left or upper and
        lower exchanged.
    """
    path = Path(path)
    content = _content(path, {"series_uid": series_uid, "frame_of_reference_uid": frame_of_reference_uid})
    canvas, told_by, warnings = _painted(content, scan.volume, labels, shown(path))
    parts = Parts(
        lobes=canvas.maps.get("lobes"),
        lungs=canvas.maps.get("lungs"),
        airways=canvas.maps.get("airways"),
        vessels=canvas.maps.get("vessels"),
        source="file",
        title=f"read from {shown(path)}",
        convention=told_by,
        warnings=(*content.warnings, *warnings),
    )
    if "trachea" in canvas.maps and parts.airways is not None:
        np.copyto(parts.airways, canvas.maps["trachea"], where=parts.airways == 0)
    checked = _checked(parts, scan, air, shown(path))
    return replace(parts, warnings=(*parts.warnings, *checked))


def _content(path: Path, uids: Mapping[str, str | None]) -> FileContent:
    """Read whatever the path is."""
    if not path.exists():
        raise AnatomyError("--anatomy", f"there is no file or folder {path}.")
    try:
        if path.is_dir():
            return _folder(path, uids)
        if path.name.lower().endswith(LABEL_MAP_SUFFIXES):
            return read_label_map(path)
    except ScanRejected as error:
        raise AnatomyError(shown(path), str(error)) from error
    except OSError as error:
        raise AnatomyError(shown(path), "it cannot be opened. Check its rights.") from error
    if path.suffix.lower() == ".dcm" or is_dicom(path):
        return read_dicom_seg(path, **uids)
    raise AnatomyError(
        shown(path),
        f"files of this kind are not read. Accepted are {', '.join(LABEL_MAP_SUFFIXES)}, DICOM SEG, and a "
        "folder of masks named as TotalSegmentator names them.",
    )


def _folder(path: Path, uids: Mapping[str, str | None]) -> FileContent:
    """Read the one DICOM file of a folder, or its masks whose names are parts of the lungs."""
    pieces = []
    segmentations = [file for file in path.iterdir() if file.is_file() and is_dicom(file)]
    if len(segmentations) == 1:
        return read_dicom_seg(segmentations[0], **uids)
    for file in sorted(path.iterdir()):
        suffix = next((s for s in LABEL_MAP_SUFFIXES[::-1] if file.name.lower().endswith(s)), "")
        structure = structure_by_name(file.name[: -len(suffix)]) if suffix else None
        if structure is None:
            continue
        for piece in read_label_map(file).pieces:
            mask = (piece.volume.array > 0).view(np.uint8)
            pieces.append(Piece(piece.volume.with_array(mask), {1: (structure,)}))
    if not pieces:
        raise AnatomyError(
            shown(path),
            "the folder holds no mask named as a part of the lungs, such as lung_upper_lobe_left.nii.gz.",
        )
    return FileContent(tuple(pieces), "names of the files in the folder", numbered=False)


def _painted(
    content: FileContent, grid: Volume, labels: str | None, where: str
) -> tuple[Canvas, str, tuple[str, ...]]:
    """Bring every label map of a file onto the scan's grid."""
    canvas = Canvas()
    told_by, warnings = content.told_by, []
    if labels is not None and not content.numbered:
        raise AnatomyError(
            "--anatomy-labels",
            f"{where} names its segments itself; leave the option out, or name them there.",
        )
    for piece in content.pieces:
        meaning, told = _meaning(piece, labels, where, told_by)
        told_by = told_by if piece.meaning is not None and labels is None else told[0]
        warnings += told[1:]
        if not same_lattice(piece.volume, grid):
            warnings.append(_moved(piece.volume))
        array = on_grid(whole_numbers(piece.volume, where), grid)
        if array.any():
            canvas.paint(array, meaning)
    if not any(array.any() for array in canvas.maps.values()):
        raise AnatomyError(
            where, "no part of the lungs lies in the scan: it is empty, or was made on another scan."
        )
    overlaps = canvas.warnings(where)
    return canvas, told_by, (*dict.fromkeys(warnings), *overlaps)


def _moved(volume: Volume) -> str:
    z, y, x = volume.shape
    spacing = " x ".join(f"{s:.3g}" for s in volume.spacing_mm[::-1])
    return (
        f"The anatomy lies on another grid than the scan ({x} x {y} x {z} voxels of {spacing} mm); it was "
        "brought onto the scan's by nearest neighbor."
    )


def _meaning(piece: Piece, labels: str | None, where: str, told_by: str) -> tuple[Meaning, list[str]]:
    """Return what a label map's numbers mean, how that is known, and warnings."""
    if labels is None and piece.meaning is not None:
        return piece.meaning, [told_by]
    try:
        spots = spots_of(piece.volume)
    except ValueError as error:
        raise AnatomyError(where, f"{error}. Give a label map.") from error
    if not spots:
        raise AnatomyError(where, "it is empty: no voxel has a label.")
    if labels is None:
        convention, how = named_convention(recognized(spots, where)), "recognized by where the labels lie"
    else:
        convention, how = named_convention(labels), "as asked for"
        _check_named(spots, convention, where)
    unknown = [str(label) for label in spots if label not in convention.labels]
    told = [f"{convention.title} ({how})"]
    if unknown:
        more = ", ..." if len(unknown) > 10 else ""
        told.append(f"Labels without a meaning here were passed over: {', '.join(unknown[:10])}{more}.")
    return convention.labels, told


def _check_named(spots: Mapping[int, Spot], convention: Convention, where: str) -> None:
    """Refuse numbers that lie otherwise than the convention that they are said to follow."""
    found = structure_spots(spots, convention.labels)
    if not found:
        raise AnatomyError(where, f"none of its labels {sorted(spots)[:20]} is one of {convention.title}.")
    if wrong := misplaced(found) + back_to_front(found):
        raise AnatomyError(where, f"if its labels are {convention.title}, {'; '.join(wrong)}.")


def _checked(parts: Parts, scan: Scan, air: CoarseAir | None, where: str) -> tuple[str, ...]:
    """Refuse parts that cannot be these lungs; return what is doubtful."""
    if parts.lobes is None and parts.lungs is None:
        if parts.airways is None and parts.vessels is None:
            raise AnatomyError(
                where,
                "it holds the trachea alone, which replaces nothing. Give lobes, lungs, airways or vessels.",
            )
        return ()
    air = find_air(scan) if air is None else air
    coarse = _coarse(parts, air)
    warnings = []
    for group, array in (("lobes", coarse.lobes), ("lungs", coarse.lungs)):
        if array is None:
            continue
        # Positions count from the array's corner: they are only compared with each other.
        spots = structure_spots(spots_of(Volume.at(array, air.spacing_mm)), _own_meaning(group))
        if wrong := misplaced(spots):
            raise AnatomyError(
                where, f"{'; '.join(wrong)}. Export it again with its orientation, or correct its labels."
            )
        warnings += [
            f"In the anatomy given, {doubt}: look at it before relying on it."
            for doubt in back_to_front(spots)
        ]
    return (*warnings, *_against_air(coarse, air, where))


def _own_meaning(group: str) -> Meaning:
    return {known.label: (name,) for name, known in STRUCTURES.items() if known.group == group}


def _coarse(parts: Parts, air: CoarseAir) -> Parts:
    """Return lobes and lungs on the air's grid: the voxel in the middle of each block."""

    def middles(array: Labels | None) -> Labels | None:
        if array is None:
            return None
        index = [
            np.minimum(np.arange(n) * f + f // 2, m - 1)
            for n, f, m in zip(air.lungs.shape, air.factor, array.shape, strict=True)
        ]
        return array[np.ix_(*index)]

    return replace(parts, lobes=middles(parts.lobes), lungs=middles(parts.lungs))


def _against_air(parts: Parts, air: CoarseAir, where: str) -> list[str]:
    """Compare lobes and lungs with the air that the scan shows."""
    sided = _side_map(parts)
    given = sided > 0
    inside = float(np.count_nonzero(given & air.lungs))
    in_air = inside / max(1.0, float(np.count_nonzero(given)))
    cover = inside / max(1.0, float(np.count_nonzero(air.lungs)))
    alone = len(np.unique(sided)) < 3
    shifted = not alone and in_air < FEW_IN_AIR and cover < LEAST_COVER_BESIDE_AIR
    if in_air < LEAST_IN_AIR or cover < LEAST_COVER or shifted:
        raise AnatomyError(
            where,
            f"it does not lie on the lungs: {in_air:.0%} of it is in their air, and it covers {cover:.0%} of "
            "that. It was made on another scan, or its orientation is wrong.",
        )
    warnings = _check_sides(parts, air, alone=alone, where=where)
    if in_air < FEW_IN_AIR:
        warnings.append(
            f"Only {in_air:.0%} of the anatomy given lies in air: consolidation, fluid, or a shift."
        )
    if cover < FEW_COVERED:
        warnings.append(f"The anatomy given covers only {cover:.0%} of the lungs' air.")
    return warnings


def _check_sides(parts: Parts, air: CoarseAir, *, alone: bool, where: str) -> list[str]:
    """Refuse a lobe or lung of which much lies on the other side of the body; warn if it is the only lung."""
    warnings = []
    columns_left = np.arange(air.lungs.shape[2]) > air.middle_x
    for structure, known in STRUCTURES.items():
        array = {"lobes": parts.lobes, "lungs": parts.lungs}.get(known.group)
        if array is None:
            continue
        mask = array == known.label
        on_left = float(mask[:, :, columns_left].sum()) / max(1.0, float(mask.sum()))
        across = on_left if known.side == "right" else 1.0 - on_left
        if mask.any() and across > (MOST_ACROSS_ALONE if alone else MOST_ACROSS):
            name = structure.replace("_", " ")
            raise AnatomyError(
                where,
                f"{across:.0%} of the {name} lies on the other side of the body. Correct its labels or its "
                "orientation.",
            )
        if mask.any() and across > MOST_ACROSS and known.group == "lungs":
            warnings.append(
                f"{across:.0%} of the only lung given, the {known.side} one, lies on the other side of the "
                "body: right if the other lung is gone, wrong if the file marks both lungs by one number."
            )
    return warnings


def _side_map(parts: Parts) -> Labels:
    """Right 1, left 2 by the lungs that are given, and by the lobes elsewhere."""
    if parts.lobes is None:
        if parts.lungs is None:
            raise ValueError("neither lobes nor lungs")
        return parts.lungs
    sides = sides_of(parts.lobes)
    if parts.lungs is not None:
        np.copyto(sides, parts.lungs, where=parts.lungs > 0)
    return sides
