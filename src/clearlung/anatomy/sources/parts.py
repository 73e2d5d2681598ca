"""`Parts`: what another program's file gives of the anatomy, on the scan's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.anatomy.sources.conventions import Meaning, check_labels
from clearlung.anatomy.sources.names import STRUCTURES, Group, Segment, structure_of
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS
from clearlung.ct import Box, Volume
from clearlung.errors import AnatomyError

Labels = NDArray[np.uint8]

# Directions closer than this part no voxels of a chest: 1e-4 of 400 mm is 0.04 mm.
PARALLEL_TOLERANCE = 1e-4
# Positions are rounded in files; a tenth of a voxel moves no label to another one.
CROP_TOLERANCE = 0.1
# Lobes of one file that overlap by more are not lobes but something else.
LARGEST_OVERLAP = 0.05


@dataclass(frozen=True, eq=False)
class Layer:
    """One label map of a file, as it stands there.

    Parameters
    ----------
    volume
        Labels, on the file's grid with canonical axes; the values are not checked.
    segments
        What the file says about each label; empty if nothing.
    """

    volume: Volume
    segments: Mapping[int, Segment] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Piece:
    """One label map of a file.

    Parameters
    ----------
    volume
        Whole numbers, on the file's grid with canonical axes.
    meaning
        What each number means; None if the file does not say.
    """

    volume: Volume
    meaning: Meaning | None


@dataclass(frozen=True, eq=False)
class FileContent:
    """What a file holds before it is brought onto the scan's grid.

    Parameters
    ----------
    pieces
        Its label maps.
    told_by
        How the meaning of the labels is known: "names in its header"; "" where it is not.
    warnings
        What the file itself gives reason to warn about.
    numbered
        Whether the numbers in the label maps are the file's own, so that a convention could be named.
    """

    pieces: tuple[Piece, ...]
    told_by: str = ""
    warnings: tuple[str, ...] = ()
    numbered: bool = True


@dataclass(frozen=True, eq=False)
class Parts:
    """The anatomy that a file or another program gives.

    Parameters
    ----------
    lobes, lungs, airways, vessels
        uint8 on the scan's grid (or on a box of it), with the labels of
        :class:`~clearlung.anatomy.Anatomy`; None where the file gives none.
    source
        The registered source: "file", "totalsegmentator", "lungmask".
    title
        Where it is from, in words a report can print.
    convention
        How the meaning of the labels was known.
    warnings
        What a reader of any result must know.
    """

    lobes: Labels | None
    lungs: Labels | None
    airways: Labels | None
    vessels: Labels | None
    source: str
    title: str
    convention: str
    warnings: tuple[str, ...] = field(default=())

    def crop(self, box: Box) -> Parts:
        """Return the part of the arrays in a box: views, not copies."""
        return replace(
            self,
            lobes=None if self.lobes is None else self.lobes[box],
            lungs=None if self.lungs is None else self.lungs[box],
            airways=None if self.airways is None else self.airways[box],
            vessels=None if self.vessels is None else self.vessels[box],
        )


class Canvas:
    """Label maps by group on one grid, into which structures are painted one after another.

    Where two lobes or two lungs claim a voxel the first one keeps it, and the overlap is counted.
    """

    def __init__(self) -> None:
        self.maps: dict[Group, Labels] = {}
        self.overlaps: dict[Group, int] = {}

    def paint(self, array: NDArray[np.integer], meaning: Meaning) -> None:
        """Paint every structure of a label map."""
        largest = int(array.max())
        for group in ("lobes", "lungs", "trachea", "airways", "vessels"):
            table = np.zeros(largest + 1, dtype=np.uint8)
            for number, structures in meaning.items():
                for structure in structures:
                    if STRUCTURES[structure].group == group and number <= largest:
                        table[number] = STRUCTURES[structure].label
            if table.any():
                self._add(group, table[array])

    def _add(self, group: Group, new: Labels) -> None:
        old = self.maps.get(group)
        if old is None:
            self.maps[group] = new
            return
        both = (old > 0) & (new > 0) & (old != new)
        self.overlaps[group] = self.overlaps.get(group, 0) + int(np.count_nonzero(both))
        np.copyto(old, new, where=old == 0)

    def warnings(self, where: str) -> tuple[str, ...]:
        """Return warnings about overlaps.

        Raises
        ------
        AnatomyError
            If so much overlaps that the segments cannot be what they are called.
        """
        told = []
        for group, count in self.overlaps.items():
            share = count / max(1, int(np.count_nonzero(self.maps[group])))
            if share > LARGEST_OVERLAP:
                raise AnatomyError(
                    where,
                    f"{share:.0%} of its {group} belong to two of them at once. Correct the segmentation, so "
                    "that they do not overlap.",
                )
            if count:
                told.append(f"{count} voxels belong to two {group} at once; the first in the file has them.")
        return tuple(told)


def shown(path: Path) -> str:
    """Return what to call a file in a message or a result: its name may be the patient's."""
    kinds = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".dcm")
    suffix = next((kind for kind in kinds if path.name.lower().endswith(kind)), "")
    return f"the {suffix} file" if suffix else "the folder" if path.is_dir() else "the anatomy file"


def whole_numbers(volume: Volume, where: str) -> Volume:
    """Return a label map with labels of a whole-number type.

    Raises
    ------
    AnatomyError
        If its values are no label numbers.
    """
    try:
        check_labels(volume.array)
    except ValueError as error:
        raise AnatomyError(where, f"{error}. Give a label map.") from error
    if volume.array.dtype.kind in "iu" and volume.array.dtype.itemsize <= 4:
        return volume
    return volume.with_array(np.rint(volume.array).astype(np.int32))


def meaning_of(segments: Mapping[int, Segment], where: str) -> Meaning:
    """Return what the labels of a file mean by the names and codes that it gives them.

    Raises
    ------
    AnatomyError
        If names and codes contradict each other, or nothing is a part of the lungs.
    """
    meaning = {}
    for number, segment in segments.items():
        try:
            structure = structure_of(segment)
        except ValueError as error:
            raise AnatomyError(where, f"{error}. Correct the one that is wrong.") from error
        if structure is not None:
            meaning[number] = (structure,)
    if not meaning:
        names = ", ".join(repr(segment.label) for segment in list(segments.values())[:8])
        raise AnatomyError(
            where,
            f"none of its {len(segments)} segments is known as a lobe, a lung, airways or vessels: {names}. "
            "Name them as in 'right upper lobe' or 'left lung', or code them by SNOMED CT.",
        )
    return meaning


def sides_of(lobes: Labels) -> Labels:
    """Return the lung (:data:`~clearlung.anatomy.LUNG_LABELS`) that each voxel of a lobe map is part of."""
    table = np.zeros(len(LOBES) + 1, dtype=np.uint8)
    for lobe in LOBES:
        table[LOBE_LABELS[lobe]] = LUNG_LABELS[LOBE_SIDES[lobe]]
    return table[lobes]


def on_grid(volume: Volume, grid: Volume) -> NDArray[np.integer]:
    """Return a label map on another grid, by nearest neighbor; 0 where it does not reach.

    Parameters
    ----------
    volume
        Labels.
    grid
        The grid that is wanted; its values are not looked at.
    """
    if volume.on_same_grid(grid):
        return volume.array
    if np.abs(volume.direction - grid.direction).max() < PARALLEL_TOLERANCE:
        return _gathered(volume, grid)
    image = volume.to_sitk()
    target = sitk.Image(list(grid.shape[::-1]), sitk.sitkUInt8)
    target.SetSpacing(grid.spacing_mm[::-1])
    target.SetOrigin(grid.origin_mm)
    target.SetDirection(tuple(np.ravel(grid.direction[:, ::-1])))
    moved = sitk.Resample(image, target, sitk.Transform(), sitk.sitkNearestNeighbor, 0, image.GetPixelID())
    array: NDArray[np.integer] = sitk.GetArrayFromImage(moved)
    return array


def same_lattice(volume: Volume, grid: Volume) -> bool:
    """Return whether a volume's voxels are voxels of a grid, or would be if that went on: a crop of it."""
    last = [n - 1 for n in grid.shape]
    start, end = volume.indices(grid.points_mm([[0, 0, 0], last]))
    steps = np.concatenate([start - np.rint(start), end - start - last])
    turned = np.abs(volume.direction - grid.direction).max()
    return bool(turned < PARALLEL_TOLERANCE and np.abs(steps).max() < CROP_TOLERANCE)


def _gathered(volume: Volume, grid: Volume) -> NDArray[np.integer]:
    """Nearest neighbors on a grid with the same axes: one index list per axis."""
    start = volume.indices(grid.points_mm([[0, 0, 0]]))[0]
    inside, index = [], []
    for axis in range(3):
        step = grid.spacing_mm[axis] / volume.spacing_mm[axis]
        nearest = np.rint(start[axis] + step * np.arange(grid.shape[axis])).astype(np.intp)
        inside.append((nearest >= 0) & (nearest < volume.shape[axis]))
        index.append(nearest[inside[-1]])
    moved = np.zeros(grid.shape, dtype=volume.array.dtype)
    moved[np.ix_(*inside)] = volume.array[np.ix_(*index)]
    return moved
