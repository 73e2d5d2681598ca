"""What a folder of DICOM files contains, from its headers alone."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from pydicom.config import disable_value_validation

from clearlung.ct.dicom_directory import is_directory, named_images
from clearlung.ct.dicom_file import MAGIC_AT, find_planes, is_bare_dicom, open_plain, read_header
from clearlung.ct.dicom_image import CT_IMAGE, ENHANCED_CT_IMAGES, TAGS, DicomImage, image_of
from clearlung.ct.dicom_pixels import same_pixels
from clearlung.ct.dicom_values import text
from clearlung.ct.enhanced import frames_of
from clearlung.ct.header_text import brief
from clearlung.ct.kind import HEAD_BYTES, check_preamble
from clearlung.ct.limits import MAX_FILES
from clearlung.ct.split import split_series
from clearlung.errors import ScanRejected

# Every class of object that the standard defines begins so.
DICOM_ROOT = "1.2.840.10008."


@dataclass(frozen=True)
class FolderContents:
    """What was found in a folder.

    Parameters
    ----------
    images
        Every plane of every DICOM object that has pixels, in the order of the files' names.
    skipped_files
        Number of files that are not DICOM.
    skipped_objects
        Number of DICOM objects without pixels: reports, directories.
    copies
        Number of planes that were there twice, with the same pixels at the same place; one of each is kept.
    missing
        For each series UID, the number of images that a DICOMDIR names and that are not there.
    """

    images: tuple[DicomImage, ...]
    skipped_files: int
    skipped_objects: int
    copies: int = 0
    missing: Counter[str] = field(default_factory=Counter)


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
    kernel
        Reconstruction kernel; empty if the headers do not say.
    part
        What tells these images from the other volumes of the same series; empty if it is the only one.
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
    kernel: str = ""
    part: str = ""

    def __str__(self) -> str:
        number = "without number" if self.number is None else f"{self.number}"
        spacing = (
            "unknown spacing" if self.slice_spacing_mm is None else f"{self.slice_spacing_mm:.3g} mm apart"
        )
        part = f", {self.part}" if self.part else ""
        kernel = f", kernel {brief(self.kernel)}" if self.kernel else ""
        return (
            f"{self.place}: series {number}{part}, {self.description!r}, {self.slices} slices, "
            f"{spacing}{kernel}"
        )


def read_folder(folder: Path) -> FolderContents:
    """Read the headers of all DICOM files in a folder and its subfolders.

    Parameters
    ----------
    folder
        The folder, or a single DICOM file.

    Raises
    ------
    ScanRejected
        ``unreadable`` if a DICOM file is too damaged to say what it is, ``executable_preamble`` if one is a
        program, ``too_large`` if there are more files than any study has.
    """
    images: list[DicomImage] = []
    skipped_files = skipped_objects = 0
    named: set[tuple[str, str]] = set()
    # pydicom warns of and logs invalid values by printing them: a malformed name would be in our log
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        for place, path in enumerate(_files(folder), start=1):
            found = _read(path, f"file {place} by name")
            if found is None:
                skipped_files += 1
            elif found:
                images += found
            else:
                skipped_objects += 1
                if is_directory(path):
                    named.update(named_images(path))
    there = {image.sop_instance for image in images}
    missing = Counter(series for series, instance in named if instance not in there)
    kept = _without_copies(images)
    return FolderContents(tuple(kept), skipped_files, skipped_objects, len(images) - len(kept), missing)


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


def _read(path: Path, where: str) -> tuple[DicomImage, ...] | None:
    """Return the planes of a file; none if it is DICOM without pixels, None if it is not DICOM."""
    if not path.is_file():
        return None
    try:
        with path.open("rb") as start:
            head = start.read(HEAD_BYTES)
    except OSError as error:
        raise ScanRejected(
            "unreadable", where, "A file of the folder cannot be opened. Check its rights, or remove it."
        ) from error
    bare = head[MAGIC_AT : MAGIC_AT + 4] != b"DICM"
    if bare and not is_bare_dicom(head):
        return None
    if not bare:
        check_preamble(head, where)
    header = None
    try:
        with open_plain(path) as file:
            header = read_header(file, TAGS)
            if bare and not text(header, "SOPClassUID").startswith(DICOM_ROOT):
                return None
            stored = find_planes(path, file, header)
            if stored is not None:
                return _images(header, image_of(header, stored))
    except Exception as error:  # pydicom raises whatever damaged bytes lead it to
        if bare and header is None:
            return None
        if header is None or _is_ct_class(header):
            raise _damaged(where) from error
    if _is_ct_class(header):  # cut short within its header
        raise _damaged(where)
    return ()


def _images(header: pydicom.Dataset, image: DicomImage) -> tuple[DicomImage, ...]:
    return frames_of(header, image) if image.is_enhanced else (image,)


def _is_ct_class(header: pydicom.FileDataset) -> bool:
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


def _without_copies(images: Sequence[DicomImage]) -> list[DicomImage]:
    """Keep one of each plane that is there twice: the same place and volume, the same pixels.

    Studies that were sent twice, and some scanners, leave such copies. Planes of different pixels at one
    place are kept: that is for the stack to judge.
    """
    kept: dict[object, list[DicomImage]] = {}
    for image in images:
        place = (image.series_uid, image.position, image.orientation, image.pixel_spacing_mm, image.kernel,
                 image.acquisition, image.temporal, image.stack, image.image_type, image.slope,
                 image.intercept, image.patient, image.frame_of_reference)  # fmt: skip
        others = kept.setdefault(place if image.is_ct and image.position else id(image), [])
        if not any(same_pixels(image.stored, other.stored) for other in others):
            others.append(image)
    remaining = {id(image) for group in kept.values() for image in group}
    return [image for image in images if id(image) in remaining]


def series_of(contents: FolderContents) -> tuple[tuple[SeriesInfo, tuple[DicomImage, ...]], ...]:
    """Return what a list shows, with its images: by series, its planes apart from localizers and captures.

    A series that holds several volumes (phases, kernels, stacks) is listed once for each. Ordered by number.
    """
    groups: dict[tuple[str, bool], list[DicomImage]] = {}
    for image in contents.images:
        groups.setdefault((image.series_uid, image.is_ct), []).append(image)
    ordered = sorted(groups, key=lambda key: (_number(groups[key][0]), key[0], not key[1]))
    parts = [part for key in ordered for part in _parts(groups[key])]
    return tuple((_info(place, name, part), part) for place, (name, part) in enumerate(parts, start=1))


def _parts(images: Sequence[DicomImage]) -> tuple[tuple[str, tuple[DicomImage, ...]], ...]:
    return split_series(images) if images[0].is_ct else (("", tuple(images)),)


def series_infos(contents: FolderContents) -> tuple[SeriesInfo, ...]:
    """Describe each series of a folder, ordered by number."""
    return tuple(info for info, _ in series_of(contents))


def _number(image: DicomImage) -> float:
    return float("inf") if image.series_number is None else image.series_number


def _info(place: int, part: str, images: tuple[DicomImage, ...]) -> SeriesInfo:
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
        rows=first.stored.rows,
        columns=first.stored.columns,
        pixel_spacing_mm=first.pixel_spacing_mm,
        slice_spacing_mm=round(float(np.median(gaps)), 4) if gaps.size else None,
        thickness_mm=first.thickness_mm,
        is_ct=first.is_ct,
        kernel=first.kernel,
        part=part,
    )
