"""DICOM segmentations: BINARY, FRACTIONAL and LABELMAP, with their frames sparse and in any order.

Each frame says where it lies and whose it is; frames without a voxel are mostly left out. So the frames are
placed one by one on the grid that their positions span.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.filereader import read_partial
from pydicom.pixels.utils import iter_pixels
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import DeflatedExplicitVRLittleEndian

from clearlung.anatomy.sources.conventions import Meaning
from clearlung.anatomy.sources.names import STRUCTURES, Code, Segment
from clearlung.anatomy.sources.parts import FileContent, Layer, Piece, meaning_of, shown
from clearlung.ct import Volume
from clearlung.errors import AnatomyError

SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.7"
# A voxel belongs to a fractional segment from half of it on.
HALF = 0.5
# Positions are written as rounded decimals.
POSITION_TOLERANCE_MM = 0.01
# Frames further than this share of their distance from a regular stack are no stack.
UNEVEN_SHARE = 0.1
# The widest grid that a chest needs, in voxels.
MAX_VOXELS = 1 << 30
# Five lobes of a thousand slices as bytes.
MAX_INFLATED_BYTES = 1 << 31
CHUNK_BYTES = 1 << 20
# Deflate packs at most 1032 to 1; run lengths and wavelets pack less.
MAX_PACKING_RATIO = 1100
# What pydicom raises on damaged files, besides its own.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True)
class _Stack:
    """The grid of the frames, and where each lies on it."""

    affine: NDArray[np.float64]
    planes: int
    plane_of: tuple[int, ...]


def read_dicom_seg(
    path: Path, *, series_uid: str | None = None, frame_of_reference_uid: str | None = None
) -> FileContent:
    """Read a DICOM segmentation.

    Parameters
    ----------
    path
        The file.
    series_uid, frame_of_reference_uid
        Of the scan, where they are known: another one in the file is warned about.

    Raises
    ------
    AnatomyError
        If the file is no segmentation, is damaged, contradicts itself or holds no part of the lungs.
    """
    with _told(path):
        header, segments = _open(path)
        meaning = meaning_of(segments, shown(path))
        _check_size(header, path)
        pieces = _pieces(header, _stack(header, shown(path)), meaning, path)
        told_by = "codes and names of the DICOM segments"
        foreign = _foreign(header, series_uid, frame_of_reference_uid)
        return FileContent(pieces, told_by, foreign, numbered=False)


def read_dicom_layers(path: Path) -> tuple[Layer, ...]:
    """Read every segment of a DICOM segmentation, whatever it is of.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple of Layer
        uint16 label maps with the segments' numbers; one more where segments overlap.

    Raises
    ------
    AnatomyError
        If the file is no segmentation, is damaged or contradicts itself.
    """
    with _told(path):
        header, segments = _open(path)
        _check_size(header, path)
        stack = _stack(header, shown(path))
        frames = _frames(header, stack, segments, path)
        placed = ((plane, "", number, mask) for plane, number, mask in frames)
        painted = _painted(placed, (stack.planes, int(header.Rows), int(header.Columns)), np.uint16)
        return tuple(Layer(Volume.canonical(array, stack.affine)[0], segments) for _, array in painted)


def is_dicom(path: Path) -> bool:
    """Whether a file has the mark of DICOM files."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say of a damaged file that it is one."""
    try:
        yield
    except InvalidDicomError as error:
        raise AnatomyError(shown(path), "it is no readable DICOM file. Export it again.") from error
    except _BROKEN as error:
        raise AnatomyError(
            shown(path), f"it is damaged or incomplete ({type(error).__name__}). Export it again."
        ) from error


def _open(path: Path) -> tuple[Any, dict[int, Segment]]:
    """Return the header of a segmentation, and what it says about each segment."""
    _check_inflated(path)
    header = pydicom.dcmread(path)
    if header.get("SOPClassUID") not in (SEGMENTATION, LABEL_MAP_SEGMENTATION):
        raise AnatomyError(
            shown(path),
            f"it is a DICOM object of the kind {header.get('Modality', 'unknown')}, and no segmentation. "
            "Give a DICOM SEG file.",
        )
    return header, {int(item.SegmentNumber): _segment(item) for item in header.SegmentSequence}


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that would unpack to more than any segmentation of a chest."""
    with path.open("rb") as file:
        meta = read_partial(file, stop_when=lambda tag, _vr, _length: tag.group > 2)
        if getattr(meta.file_meta, "TransferSyntaxUID", "") != DeflatedExplicitVRLittleEndian:
            return
        file.seek(132 + 12 + int(meta.file_meta.FileMetaInformationGroupLength))
        unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        rest = file.read(CHUNK_BYTES)
        while rest and not unpacker.eof:
            size += len(unpacker.decompress(rest, CHUNK_BYTES))
            rest = unpacker.unconsumed_tail or file.read(CHUNK_BYTES)
            if size > MAX_INFLATED_BYTES:
                raise AnatomyError(shown(path), "it unpacks to more than a segmentation of a chest takes.")


def _segment(item: Any) -> Segment:
    """Return what the header says about one segment."""
    kind, region = _first(item, "SegmentedPropertyTypeCodeSequence"), _first(item, "AnatomicRegionSequence")
    return Segment(
        label=str(item.get("SegmentLabel", "")),
        type_code=_code(kind),
        type_modifier=_code(
            _first(kind, "SegmentedPropertyTypeModifierCodeSequence")
            or _first(item, "SegmentedPropertyTypeModifierCodeSequence")
        ),
        region=_code(region),
        region_modifier=_code(_first(region, "AnatomicRegionModifierSequence")),
    )


def _first(item: Any, keyword: str) -> Any:
    sequence = None if item is None else item.get(keyword)
    return sequence[0] if isinstance(sequence, DicomSequence) and len(sequence) else None


def _code(item: Any) -> Code:
    if item is None:
        return Code()
    scheme, value = item.get("CodingSchemeDesignator", ""), item.get("CodeValue", "")
    return Code(str(scheme), str(value), str(item.get("CodeMeaning", "")))


def _check_size(header: Any, path: Path) -> None:
    """Refuse a header that asks for more than the file can hold."""
    frames, bits = int(header.NumberOfFrames), int(header.BitsAllocated)
    needed = frames * int(header.Rows) * int(header.Columns) * bits // 8
    packed = header.file_meta.TransferSyntaxUID.is_compressed
    room = path.stat().st_size * (MAX_PACKING_RATIO if packed else 1)
    if header.file_meta.TransferSyntaxUID.is_deflated:
        room = path.stat().st_size * MAX_PACKING_RATIO
    if frames < 1 or needed > room or len(header.PerFrameFunctionalGroupsSequence) != frames:
        raise AnatomyError(
            shown(path), f"it says that it has {frames} frames, and they are not all there. Export it again."
        )


def _group(header: Any, frame: Any, keyword: str) -> Any:
    """Return a functional group of a frame, or the one that all share."""
    own = _first(frame, keyword)
    return own if own is not None else _first(header.SharedFunctionalGroupsSequence[0], keyword)


def _stack(header: Any, where: str) -> _Stack:
    """Span a regular grid by the frames' positions."""
    frames = header.PerFrameFunctionalGroupsSequence
    directions = {
        tuple(map(float, _group(header, frame, "PlaneOrientationSequence").ImageOrientationPatient))
        for frame in frames
    }
    if len(directions) != 1:
        raise AnatomyError(where, "its frames lie in different directions. Export it as one stack.")
    along_row, along_column = np.reshape(directions.pop(), (2, 3))
    normal = np.cross(along_row, along_column)
    positions = np.array(
        [list(map(float, _group(header, f, "PlanePositionSequence").ImagePositionPatient)) for f in frames]
    )
    if not np.isfinite([*positions.ravel(), *normal]).all():
        raise AnatomyError(where, "the positions of its frames are not finite numbers. Export it again.")
    heights = positions @ normal
    aside = positions - np.outer(heights, normal)
    if np.abs(aside - aside[0]).max() > 10 * POSITION_TOLERANCE_MM:
        raise AnatomyError(where, "its frames are shifted against each other. Export it as one stack.")
    measures = _group(header, frames[0], "PixelMeasuresSequence")
    row_mm, column_mm = map(float, measures.PixelSpacing)
    step = _distance(measures, heights)
    planes = (heights - heights.min()) / step
    if np.abs(planes - np.rint(planes)).max() > UNEVEN_SHARE:
        raise AnatomyError(where, "the distance between its frames varies. Export it as one regular stack.")
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([normal * step, along_column * row_mm, along_row * column_mm])
    affine[:3, 3] = aside[0] + heights.min() * normal
    count = int(np.rint(planes).max()) + 1
    if count * int(header.Rows) * int(header.Columns) > MAX_VOXELS:
        raise AnatomyError(where, f"its frames span {count} slices, more than a chest has.")
    return _Stack(affine, count, tuple(np.rint(planes).astype(int).tolist()))


def _distance(measures: Any, heights: NDArray[np.float64]) -> float:
    """Distance between slices: as stated, else the least between two frames, else their thickness."""
    stated = measures.get("SpacingBetweenSlices")
    if stated is not None and abs(float(stated)) > POSITION_TOLERANCE_MM:
        return abs(float(stated))
    gaps = np.diff(np.unique(heights))
    gaps = gaps[gaps > POSITION_TOLERANCE_MM]
    return float(gaps.min()) if gaps.size else float(measures.SliceThickness)


def _pieces(header: Any, stack: _Stack, meaning: Meaning, path: Path) -> tuple[Piece, ...]:
    """Paint the frames: one label map for each segment group, and one more where two overlap."""
    known = {number: STRUCTURES[structures[0]] for number, structures in meaning.items()}
    named = {(known[number].group, known[number].label): meaning[number][:1] for number in meaning}
    placed = (
        (plane, known[number].group, known[number].label, mask)
        for plane, number, mask in _frames(header, stack, meaning, path)
    )
    painted = _painted(placed, (stack.planes, int(header.Rows), int(header.Columns)), np.uint8)
    return tuple(
        Piece(
            Volume.canonical(array, stack.affine)[0],
            {label: named[group, label] for of, label in named if of == group and np.any(array == label)},
        )
        for group, array in painted
    )


def _painted(
    placed: Iterable[tuple[int, str, int, NDArray[np.bool_]]], shape: tuple[int, int, int], dtype: type
) -> list[tuple[str, NDArray[Any]]]:
    """Paint masks of plane, group and label into label maps of one group each, without overlap."""
    layers: list[tuple[str, NDArray[Any]]] = []
    for plane, group, label, mask in placed:
        for of, array in layers:
            if of == group and not np.any((array[plane] > 0) & mask):
                break
        else:
            array = np.zeros(shape, dtype=dtype)
            layers.append((group, array))
        array[plane][mask] = label
    return layers


def _frames(
    header: Any, stack: _Stack, sought: Collection[int], path: Path
) -> Iterator[tuple[int, int, NDArray[np.bool_]]]:
    """Yield plane, segment number and voxels of each frame of the segments that are sought."""
    kind = str(header.SegmentationType).upper()
    least = HALF * float(header.get("MaximumFractionalValue", 1)) if kind == "FRACTIONAL" else 0.5
    numbers = (
        None if kind == "LABELMAP" else [_number(header, f) for f in header.PerFrameFunctionalGroupsSequence]
    )
    wanted = [i for i in range(len(stack.plane_of)) if numbers is None or numbers[i] in sought]
    try:
        for index, frame in zip(wanted, iter_pixels(header, indices=wanted), strict=True):
            plane = stack.plane_of[index]
            if numbers is not None:
                yield plane, numbers[index], np.asarray(frame >= least, dtype=np.bool_)
                continue
            for number in np.intersect1d(np.unique(frame), list(sought)):
                yield plane, int(number), np.asarray(frame == number, dtype=np.bool_)
    except (RuntimeError, NotImplementedError) as error:
        raise AnatomyError(
            shown(path),
            f"its frames are packed in a way that is not read ({header.file_meta.TransferSyntaxUID.name}). "
            "Export it uncompressed or with run lengths.",
        ) from error


def _number(header: Any, frame: Any) -> int:
    return int(_group(header, frame, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _foreign(header: Any, series_uid: str | None, frame_of_reference_uid: str | None) -> tuple[str, ...]:
    """Warn where the file says that it was made on another scan."""
    told = []
    series: Mapping[str, Any] = {
        str(s.SeriesInstanceUID): s for s in header.get("ReferencedSeriesSequence", [])
    }
    if series_uid and series and series_uid not in series:
        told.append("The segmentation says that it was made on another series than the scan.")
    own = header.get("FrameOfReferenceUID")
    if frame_of_reference_uid and own and str(own) != frame_of_reference_uid:
        told.append("The segmentation says that it lies in another frame of reference than the scan.")
    return tuple(told)
