"""Volumes in one file: NIfTI, NRRD and MetaImage, read and written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from clearlung.atomic import write_file
from clearlung.ct.checks import check_geometry, check_grid, check_slices
from clearlung.ct.hounsfield import check_finite, to_hounsfield
from clearlung.ct.kind import FileKind, head_of, kind_of, shown
from clearlung.ct.metaimage import read_metaimage_header
from clearlung.ct.nifti import read_nifti_header
from clearlung.ct.nrrd import read_nrrd_header
from clearlung.ct.payload import FileImage, read_voxels
from clearlung.ct.scan import Scan
from clearlung.ct.volume import AxisOrder, Volume
from clearlung.errors import OutputError, ScanRejected

_KIND_READERS: dict[FileKind, Callable[[Path], FileImage]] = {
    "nifti": read_nifti_header,
    "nrrd": read_nrrd_header,
    "metaimage": read_metaimage_header,
    "gzip": read_nifti_header,
}
_HEADER_READERS = {
    ".nii": read_nifti_header,
    ".nii.gz": read_nifti_header,
    ".nrrd": read_nrrd_header,
    ".mha": read_metaimage_header,
    ".mhd": read_metaimage_header,
}
READABLE = tuple(_HEADER_READERS)
_WRITABLE = (".nii", ".nii.gz", ".nrrd", ".mha")
# Readers asked for one of the two silently take the other.
_CONFUSED = {".nii": ".nii.gz", ".nii.gz": ".nii"}
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")
# What follows the last dot of a longer name is no suffix, and may be a part of the patient's name.
MAX_SUFFIX_CHARACTERS = 5
_FORMAT_NAMES = {"nifti": "NIfTI", "nrrd": "NRRD", "metaimage": "MetaImage"}


def suffix_of(path: Path) -> str:
    """Return a file's suffix in lower case; ``.nii.gz`` counts as one."""
    suffix = path.suffix.lower()
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else suffix


def read_file_scan(path: Path, *, allow_thick: bool) -> Scan:
    """Read and check a CT in a single file.

    Parameters
    ----------
    path
        A .nii, .nii.gz, .nrrd, .mha or .mhd file.
    allow_thick
        Read slices above 5 mm with a warning.

    Raises
    ------
    ScanRejected
        With one of :data:`~clearlung.ct.REJECTION_CODES`.
    """
    image = _read_header(path)
    check_grid(image.grid, shown(path))
    coarsest = float(image.grid.spacing_mm.max())
    warnings = image.warnings + check_slices(coarsest, None, allow_thick=allow_thick, where=shown(path))
    array, sha256 = read_voxels(image)
    array = to_hounsfield(array, shown(path), slope=image.slope, intercept=image.intercept)
    volume, order = Volume.canonical(array, image.grid.affine)
    z, y, x = image.grid.shape
    return Scan(
        volume=volume,
        native=order,
        source=image.source,
        series=f"{_FORMAT_NAMES[image.source]} file, {x} x {y} x {z} voxels",
        input_sha256=sha256,
        warnings=warnings,
    )


def read_volume(path: str | os.PathLike[str]) -> tuple[Volume, AxisOrder]:
    """Read a label map or any other volume, without judging its values or its size.

    Parameters
    ----------
    path
        A .nii, .nii.gz, .nrrd, .mha or .mhd file.

    Returns
    -------
    volume, order
        The canonical volume with the file's values (floats where the header rescales them), and the file's
        own axis order.

    Raises
    ------
    ScanRejected
        If the file is damaged or does not say how it lies in the patient.
    """
    path = Path(path)
    if not path.is_file():
        raise ScanRejected("not_found", "the path", f"There is no file {path}.")
    image = _read_header(path)
    check_geometry(image.grid, shown(path))
    array, _ = read_voxels(image)
    check_finite(array, shown(path))
    if (image.slope, image.intercept) != (1.0, 0.0):
        array = array * np.float64(image.slope) + image.intercept
    return Volume.canonical(array, image.grid.affine)


def _read_header(path: Path) -> FileImage:
    """Read the header by the file's content; where that says nothing, its name says what is missing."""
    kind = kind_of(head_of(path))
    suffix = suffix_of(path)
    reader = _KIND_READERS.get(kind)
    if reader is None or (kind == "gzip" and suffix not in READABLE):
        reader = None if kind in ("dicom", "zip") else _HEADER_READERS.get(suffix)
    if reader is None:
        raise ScanRejected("unsupported_format", shown(path), _advice(path, kind))
    return reader(path)


def _advice(path: Path, kind: FileKind) -> str:
    accepted = "Accepted are a folder or .zip with DICOM files, and the files " + ", ".join(READABLE) + "."
    if kind == "dicom":
        return f"This is a DICOM file, and a volume in one file is needed here. {accepted}"
    if kind in ("zip", "gzip") or suffix_of(path) in _ARCHIVES:
        return f"Archives other than .zip are not read, and those not here: unpack it first. {accepted}"
    suffix = path.suffix if len(path.suffix) <= MAX_SUFFIX_CHARACTERS else "given"
    return f"Files of the kind {suffix or 'without a suffix'} are not read. {accepted}"


def write_volume(volume: Volume, path: str | os.PathLike[str], order: AxisOrder | None = None) -> None:
    """Write a volume to one file, whole or not at all.

    Parameters
    ----------
    volume
        What to write. Booleans are written as uint8.
    path
        A .nii, .nii.gz, .nrrd or .mha file; an existing one is replaced.
    order
        The axis order of the file, e.g. :attr:`Scan.native` so that a label map lies on the scan's own
        grid; canonical if None.

    Raises
    ------
    OutputError
        If the format is not writable, the folder is missing, a .nii would lie beside a .nii.gz of the same
        name (or the other way), or writing fails.
    """
    path = Path(path)
    check_volume_target(path)
    if volume.array.dtype == np.bool_:
        volume = volume.with_array(volume.array.view(np.uint8))
    compress = suffix_of(path) != ".nii"
    try:
        image = volume.to_sitk(order)
        write_file(path, lambda part: sitk.WriteImage(image, str(part), useCompression=compress))
    except (OSError, RuntimeError, TypeError, KeyError, NotImplementedError) as error:
        raise OutputError(
            f"{path} cannot be written: {type(error).__name__}. Check space, rights and type."
        ) from error


def check_volume_target(path: Path) -> None:
    """Refuse a file name under which no volume can be written, before any work is done.

    Parameters
    ----------
    path
        The file that is to be written; it need not exist.

    Raises
    ------
    OutputError
        If the format is not writable, the folder is missing, or a .nii would lie beside a .nii.gz of the
        same name (or the other way).
    """
    suffix = suffix_of(path)
    if suffix not in _WRITABLE:
        raise OutputError(f"{path} has a suffix that cannot be written; use one of {', '.join(_WRITABLE)}.")
    if suffix in _CONFUSED:
        twin = path.with_name(path.name[: -len(suffix)] + _CONFUSED[suffix])
        if twin.exists():
            raise OutputError(
                f"{twin} exists: many programs would read it instead of {path.name}. Remove or rename it "
                "first."
            )
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} does not exist. Make it first.")
