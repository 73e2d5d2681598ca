"""What a folder of DICOM files contains, from its headers alone."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pydicom
from pydicom.config import disable_value_validation

from clearlung.ct.kind import check_preamble
from clearlung.ct.limits import MAX_FILES
from clearlung.errors import ScanRejected

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
DEFLATED = "1.2.840.10008.1.2.1.99"
UNDEFINED_LENGTH = 0xFFFFFFFF
# Shorter parts of a name would strike out ordinary words of a description.
MIN_NAME_PART = 3

_TAGS = [
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "ImageType", "InstanceNumber", "FrameOfReferenceUID", "ImageOrientationPatient", "ImagePositionPatient",
    "PixelSpacing", "SliceThickness", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "PixelRepresentation", "PixelPaddingValue", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "LossyImageCompression", "PatientName", "PatientID",
]  # fmt: skip
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")


@dataclass(frozen=True)
class DicomImage:
    """One image's header: only what is needed to stack it, and nothing about the patient.

    Lists have the header's own order; None means that the header does not say.
    """

    path: Path
    sop_class: str
    series_uid: str
    series_number: int | None
    description: str
    modality: str
    image_type: tuple[str, ...]
    instance: int | None
    frame_of_reference: str
    patient: int  # only ever compared: a hash, salted by the process, from which nobody can be told
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    rows: int
    columns: int
    frames: int
    samples: int
    photometric: str
    slope: float | None
    intercept: float | None
    rescale_type: str
    padding: int | None
    lossy: bool
    transfer_syntax: str
    complete: bool

    @property
    def is_ct(self) -> bool:
        """Whether it is a CT image that may belong to a volume: no localizer, no capture of a screen."""
        ct_class = self.sop_class == CT_IMAGE or self.sop_class in ENHANCED_CT_IMAGES
        return ct_class and self.modality == "CT" and "LOCALIZER" not in self.image_type

    @property
    def along_normal_mm(self) -> float | None:
        """Place of the image along its own normal; None without orientation and position."""
        if self.orientation is None or self.position is None:
            return None
        return float(np.cross(self.orientation[:3], self.orientation[3:]) @ np.asarray(self.position))

    @property
    def label(self) -> str:
        """How messages name the image: by its place and number, since a file name may be the patient's."""
        place = self.along_normal_mm
        number = f"image {self.instance}" if self.instance is not None else "an image without number"
        return number if place is None else f"{number} at {place:.2f} mm"


@dataclass(frozen=True)
class FolderContents:
    """What was found in a folder.

    Parameters
    ----------
    images
        Every DICOM object that has pixels, in the order of the files' names.
    skipped_files
        Number of files that are not DICOM.
    skipped_objects
        Number of DICOM objects without pixels: reports, directories.
    """

    images: tuple[DicomImage, ...]
    skipped_files: int
    skipped_objects: int


@dataclass(frozen=True)
class SeriesInfo:
    """One DICOM series as a list shows it; nothing about the patient.

    Parameters
    ----------
    place
        1-based place in the list.
    uid, number, description, modality
        As the headers say.
    slices, rows, columns
        Number of images, and the first image's size.
    pixel_spacing_mm
        Distance between rows and between columns; None if the headers do not say.
    slice_spacing_mm
        Median distance between images; None if the headers do not say.
    thickness_mm
        Slice thickness; None if the headers do not say.
    is_ct
        Whether these are CT images that may be read as a volume.
    """

    place: int
    uid: str
    number: int | None
    description: str
    modality: str
    slices: int
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, ...] | None
    slice_spacing_mm: float | None
    thickness_mm: float | None
    is_ct: bool

    def __str__(self) -> str:
        number = "without number" if self.number is None else f"{self.number}"
        spacing = (
            "unknown spacing" if self.slice_spacing_mm is None else f"{self.slice_spacing_mm:.3g} mm apart"
        )
        return f"{self.place}: series {number}, {self.description!r}, {self.slices} slices, {spacing}"


def read_folder(folder: Path) -> FolderContents:
    """Read the headers of all DICOM files in a folder and its subfolders.

    Raises
    ------
    ScanRejected
        ``unreadable`` if a DICOM file is too damaged to say what it is.
    """
    images = []
    skipped_files = skipped_objects = 0
    # pydicom warns of and logs invalid values by printing them: a malformed name would be in our log
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        for place, path in enumerate(_files(folder), start=1):
            where = f"file {place} by name"
            image = _read_image(path, where) if _is_dicom(path, where) else "no DICOM"
            if isinstance(image, DicomImage):
                images.append(image)
            elif image == "no pixels":
                skipped_objects += 1
            else:
                skipped_files += 1
    return FolderContents(tuple(images), skipped_files, skipped_objects)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its subfolders, ordered by name, or the one file."""
    if not folder.is_dir():
        yield folder
        return
    count = 0
    for root, folders, names in os.walk(folder):
        folders.sort()
        count += len(names)
        if count > MAX_FILES:
            raise ScanRejected(
                "too_large",
                "the folder",
                f"It holds more than {MAX_FILES} files. Give the folder of one study, not of many.",
            )
        for name in sorted(names):
            yield Path(root, name)


def grouped(images: Sequence[DicomImage]) -> tuple[tuple[DicomImage, ...], ...]:
    """Group images into what a list shows: by series, its CT images apart from localizers and captures."""
    groups: dict[tuple[str, bool], list[DicomImage]] = {}
    for image in images:
        groups.setdefault((image.series_uid, image.is_ct), []).append(image)
    ordered = sorted(groups, key=lambda key: (_number(groups[key][0]), key[0], not key[1]))
    return tuple(tuple(groups[key]) for key in ordered)


def series_infos(contents: FolderContents) -> tuple[SeriesInfo, ...]:
    """Describe each series of a folder, ordered by number."""
    return tuple(_info(place, group) for place, group in enumerate(grouped(contents.images), start=1))


def _number(image: DicomImage) -> float:
    return float("inf") if image.series_number is None else image.series_number


def _info(place: int, images: tuple[DicomImage, ...]) -> SeriesInfo:
    first = images[0]
    places = [image.along_normal_mm for image in images]
    gaps = np.diff(np.sort([value for value in places if value is not None]))
    return SeriesInfo(
        place=place,
        uid=first.series_uid,
        number=first.series_number,
        description=first.description,
        modality=first.modality,
        slices=len(images),
        rows=first.rows,
        columns=first.columns,
        pixel_spacing_mm=first.pixel_spacing_mm,
        slice_spacing_mm=round(float(np.median(gaps)), 4) if gaps.size else None,
        thickness_mm=first.thickness_mm,
        is_ct=first.is_ct,
    )


def _is_dicom(path: Path, where: str) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(132)
    except OSError as error:
        raise ScanRejected(
            "unreadable", where, "A file of the folder cannot be opened. Check its rights, or remove it."
        ) from error
    if head[128:] != b"DICM":
        return False
    check_preamble(head, where)
    return True


def _read_image(path: Path, where: str) -> DicomImage | str:
    """Return the image's header, or "no pixels"."""
    header = None
    try:
        with path.open("rb") as file:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=cast(Any, _TAGS))
            has_pixels, complete = _pixel_data(file, header)
            if has_pixels:
                return _image(path, header, complete=complete)
    except Exception as error:  # pydicom raises whatever damaged bytes lead it to
        if header is None or _is_ct_class(header):
            raise _damaged(where) from error
    if _is_ct_class(header):  # cut short within its header
        raise _damaged(where)
    return "no pixels"


def _is_ct_class(header: pydicom.Dataset) -> bool:
    """Whether the object is a CT image; its first bytes say so too, where the rest is cut off.

    An object whose class cannot be read may be one, and passing it over would lose a slice.
    """
    try:
        classes = (header.get("SOPClassUID"), header.file_meta.get("MediaStorageSOPClassUID"))
    except Exception:  # pydicom decodes when asked, and raises whatever damaged bytes lead it to
        return True
    return any(sop_class in (CT_IMAGE, *ENHANCED_CT_IMAGES) for sop_class in classes)


def _damaged(where: str) -> ScanRejected:
    return ScanRejected(
        "unreadable",
        where,
        "This DICOM file is damaged or cut short. Copy or export it again: a slice would be missing.",
    )


def _image(path: Path, header: pydicom.Dataset, *, complete: bool) -> DicomImage:
    def text(tag: str) -> str:
        return str(header.get(tag) or "").strip()

    def whole(tag: str, default: int) -> int:
        value = header.get(tag)
        return default if value is None or value == "" else int(value)

    def number(tag: str) -> float | None:
        value = header.get(tag)
        return None if value is None or value == "" else float(value)

    def numbers(tag: str, count: int) -> tuple[float, ...] | None:
        values = tuple(float(value) for value in header.get(tag) or ())
        return values if len(values) == count and np.isfinite(values).all() else None

    return DicomImage(
        path=path,
        sop_class=text("SOPClassUID"),
        series_uid=str(header.SeriesInstanceUID),
        series_number=None if number("SeriesNumber") is None else whole("SeriesNumber", 0),
        description=_without_identity(text("SeriesDescription"), text("PatientName"), text("PatientID")),
        modality=text("Modality"),
        image_type=tuple(str(value) for value in header.get("ImageType") or ()),
        instance=None if number("InstanceNumber") is None else whole("InstanceNumber", 0),
        frame_of_reference=text("FrameOfReferenceUID"),
        patient=hash(text("PatientID")),
        orientation=numbers("ImageOrientationPatient", 6),
        position=numbers("ImagePositionPatient", 3),
        pixel_spacing_mm=numbers("PixelSpacing", 2),
        thickness_mm=number("SliceThickness") or None,
        rows=whole("Rows", 0),
        columns=whole("Columns", 0),
        frames=whole("NumberOfFrames", 1),
        samples=whole("SamplesPerPixel", 1),
        photometric=text("PhotometricInterpretation"),
        slope=number("RescaleSlope"),
        intercept=number("RescaleIntercept"),
        rescale_type=text("RescaleType"),
        padding=None if number("PixelPaddingValue") is None else whole("PixelPaddingValue", 0),
        lossy=text("LossyImageCompression") == "01",
        transfer_syntax=str(header.file_meta.TransferSyntaxUID),
        complete=complete,
    )


def _without_identity(description: str, *identity: str) -> str:
    """Strike out a description in which somebody typed the patient's name or number."""
    parts = " ".join(identity).replace("^", " ").replace("=", " ").lower().split()
    found = any(part in description.lower() for part in parts if len(part) >= MIN_NAME_PART)
    return "(withheld: it contains the patient's name or number)" if found else description


def _pixel_data(file: BinaryIO, header: pydicom.Dataset) -> tuple[bool, bool]:
    """Whether pixel data follow the header, and whether the file holds all of them."""
    syntax = header.file_meta.TransferSyntaxUID
    if syntax == DEFLATED:
        return True, True
    size = os.fstat(file.fileno()).st_size
    order = "<" if syntax.is_little_endian else ">"
    start = file.read(12)
    if len(start) < 12 or struct.unpack_from(order + "2H", start) != (0x7FE0, 0x0010):
        return False, False
    if syntax.is_implicit_VR or start[4:6] not in _LONG_VRS:
        file.seek(-4, os.SEEK_CUR)
        (length,) = struct.unpack_from(order + "I", start, 4)
    else:
        (length,) = struct.unpack_from(order + "I", start, 8)
    if length == UNDEFINED_LENGTH:
        return True, _fragments_complete(file, size)
    needed = header.Rows * header.Columns * header.BitsAllocated // 8 * header.get("SamplesPerPixel", 1)
    frames = int(header.get("NumberOfFrames") or 1)
    return True, length >= needed * frames and file.tell() + length <= size


def _fragments_complete(file: BinaryIO, size: int) -> bool:
    """Whether compressed pixel data end with their delimiter inside the file."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return False
