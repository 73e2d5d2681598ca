"""`read_scan`: a path in, a checked scan out."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path

from clearlung.ct.dicom import read_dicom_scan
from clearlung.ct.dicom_headers import SeriesInfo, read_folder, series_infos
from clearlung.ct.files import read_file_scan
from clearlung.ct.scan import Scan
from clearlung.errors import ScanRejected


def read_scan(path: str | os.PathLike[str], *, series: str | None = None, allow_thick: bool = False) -> Scan:
    """Read a CT and refuse it unless it can be planned on.

    Messages name files by their own name at most, DICOM images by their place and number; warnings and
    :attr:`Scan.series` name no file, since a file name is often the patient's.

    Parameters
    ----------
    path
        A folder with DICOM files (subfolders are read too), or a .nii, .nii.gz, .nrrd, .mha or .mhd file.
    series
        Which DICOM series to read where several suit: its UID, its number, or its 1-based place in
        :func:`list_series`, in this order of precedence.
    allow_thick
        Read slices above 5 mm, with a warning, instead of refusing them.

    Returns
    -------
    Scan
        int16 HU with canonical axes, and what to be warned of.

    Raises
    ------
    ScanRejected
        With one of :data:`~clearlung.ct.REJECTION_CODES`.
    """
    path = _existing(path)
    if path.is_dir():
        return read_dicom_scan(path, series=series, allow_thick=allow_thick)
    scan = read_file_scan(path, allow_thick=allow_thick)
    if series is not None:
        unused = f"The series {series!r} was asked for, but a single file holds only one."
        scan = replace(scan, warnings=(*scan.warnings, unused))
    return scan


def list_series(folder: str | os.PathLike[str]) -> tuple[SeriesInfo, ...]:
    """List the DICOM series in a folder and its subfolders, ordered by number.

    Parameters
    ----------
    folder
        A folder with DICOM files.

    Returns
    -------
    tuple of SeriesInfo
        One for each series, in the order of their numbers.

    Raises
    ------
    ScanRejected
        ``not_found``, ``unsupported_format`` (not a folder) or ``unreadable``.
    """
    path = _existing(folder)
    if not path.is_dir():
        raise ScanRejected("unsupported_format", path.name, "Only a folder with DICOM files has series.")
    return series_infos(read_folder(path))


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ScanRejected(
            "not_found", path.name, f"There is nothing at {path}, or it may not be looked at. Check the path."
        ) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise ScanRejected("unsupported_format", path.name, f"{path} is neither a folder nor a file.")
    return path
