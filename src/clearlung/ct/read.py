"""`read_scan`: a path in, a checked scan out, whatever the file does to its decoder."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.archive import Unpacked, unpack
from clearlung.ct.child import run_apart
from clearlung.ct.dicom import read_dicom_scan
from clearlung.ct.dicom_headers import SeriesInfo, read_folder, series_infos
from clearlung.ct.files import read_file_scan
from clearlung.ct.kind import check_preamble, head_of, kind_of, shown
from clearlung.ct.limits import IntakeLimits
from clearlung.ct.scan import Scan
from clearlung.ct.volume import AxisOrder, Volume
from clearlung.errors import ScanRejected

# The class of a DICOMDIR, as the first bytes of one say it.
_DIRECTORY_CLASS = b"1.2.840.10008.1.3.10\0"


def read_scan(
    path: str | os.PathLike[str],
    *,
    series: str | None = None,
    allow_thick: bool = False,
    isolated: bool = True,
    limits: IntakeLimits | None = None,
) -> Scan:
    """Read a CT and refuse it unless it can be planned on.

    Messages name files by their kind or place, DICOM images by their place and number; neither they nor
    warnings nor :attr:`Scan.series` show a file's name, since that is often the patient's.

    Parameters
    ----------
    path
        A folder with DICOM files (subfolders are read too), a DICOMDIR (its folder is read), a DICOM file, a
        .zip of a study, or a .nii, .nii.gz, .nrrd, .mha or .mhd file. What a file is, its content says.
    series
        Which DICOM series to read: its UID, its number, or its 1-based place in :func:`list_series`, in this
        order of precedence. None takes the thinnest that suits, and a warning says which and why.
    allow_thick
        Read slices above 5 mm, with a warning, instead of refusing them.
    isolated
        Read in a child process with limits on its time and memory, which costs less than a second. Without,
        a file made to do harm can take this process down.
    limits
        How much of the machine reading may take; the defaults suit 2000 slices.

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
    limits = limits or IntakeLimits()
    options: dict[str, Any] = {"series": series, "allow_thick": allow_thick}
    if isolated:
        return _scan_from(*run_apart("clearlung.ct.read:scan_job", {"path": str(path)} | options, limits))
    with TemporaryDirectory(prefix="clearlung-") as room:
        return _read(path, room=Path(room), limits=limits, **options)


def list_series(
    path: str | os.PathLike[str], *, isolated: bool = True, limits: IntakeLimits | None = None
) -> tuple[SeriesInfo, ...]:
    """List the DICOM series in a folder and its subfolders, or in a zip, ordered by number.

    Parameters
    ----------
    path
        A folder with DICOM files, a DICOMDIR, a DICOM file, or a .zip of a study.
    isolated, limits
        As for :func:`read_scan`.

    Returns
    -------
    tuple of SeriesInfo
        One for each series, in the order of their numbers.

    Raises
    ------
    ScanRejected
        ``not_found``, ``unsupported_format`` (holds no DICOM) or ``unreadable``, and what an archive or the
        limits give rise to.
    """
    path = _existing(path)
    limits = limits or IntakeLimits()
    if isolated:
        answer, _ = run_apart("clearlung.ct.read:series_job", {"path": str(path)}, limits)
        return tuple(SeriesInfo(**_with_tuples(one)) for one in answer)
    with TemporaryDirectory(prefix="clearlung-") as room:
        return _series(path, room=Path(room), limits=limits)


def scan_job(
    path: str, *, series: str | None, allow_thick: bool, room: Path, limits: IntakeLimits
) -> tuple[dict[str, Any], NDArray[np.int16]]:
    """Read a scan in the child; :func:`~clearlung.ct.child.run_apart` carries it over."""
    scan = _read(Path(path), series=series, allow_thick=allow_thick, room=room, limits=limits)
    volume = scan.volume
    answer = {field.name: getattr(scan, field.name) for field in fields(scan) if field.name != "volume"}
    answer["native"] = asdict(scan.native)
    answer["geometry"] = [volume.spacing_mm, volume.origin_mm, volume.direction.tolist()]
    return answer, volume.array


def _scan_from(answer: dict[str, Any], array: NDArray[Any] | None) -> Scan:
    """Return the scan that the child sent."""
    spacing, origin, direction = answer.pop("geometry")
    volume = Volume(cast(NDArray[Any], array), tuple(spacing), tuple(origin), np.array(direction))
    native = AxisOrder(**_with_tuples(answer.pop("native")))
    return Scan(volume=volume, native=native, **_with_tuples(answer))


def series_job(path: str, *, room: Path, limits: IntakeLimits) -> tuple[list[dict[str, Any]], None]:
    """List the series in the child; :func:`~clearlung.ct.child.run_apart` carries them over."""
    return [asdict(info) for info in _series(Path(path), room=room, limits=limits)], None


def _with_tuples(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a record that went through JSON, which knows no tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in answer.items()}


def _read(path: Path, *, series: str | None, allow_thick: bool, room: Path, limits: IntakeLimits) -> Scan:
    """Read a scan in this process."""
    place = _dicom_place(path)
    if place is not None:
        return read_dicom_scan(place, series=series, allow_thick=allow_thick)
    skipped = 0
    if kind_of(head_of(path)) == "zip":
        unpacked = unpack(path, room, limits)
        if unpacked.dicom is not None:
            scan = read_dicom_scan(unpacked.dicom, series=series, allow_thick=allow_thick)
            return _with_warning(scan, *_of_skipped(unpacked.skipped + len(unpacked.volumes)))
        path, skipped = _only_volume(unpacked), unpacked.skipped
    scan = read_file_scan(path, allow_thick=allow_thick)
    unused = f"The series {series!r} was asked for, but a single file holds only one."
    return _with_warning(scan, *_of_skipped(skipped), *([unused] if series is not None else []))


def _series(path: Path, *, room: Path, limits: IntakeLimits) -> tuple[SeriesInfo, ...]:
    place = _dicom_place(path)
    if place is None and kind_of(head_of(path)) == "zip":
        place = unpack(path, room, limits).dicom
    if place is None:
        raise ScanRejected(
            "unsupported_format", shown(path), "Only a folder, or a zip, with DICOM files has series."
        )
    return series_infos(read_folder(place))


def _dicom_place(path: Path) -> Path | None:
    """Return the folder or file in which DICOM is to be looked for; None for files of another kind."""
    if path.is_dir():
        return path
    head = head_of(path)
    if kind_of(head) != "dicom":
        return None
    check_preamble(head, shown(path))
    # what a DICOMDIR refers to lies beside it; its own paths are not followed, wherever they lead
    return path.parent if _DIRECTORY_CLASS in head else path


def _only_volume(unpacked: Unpacked) -> Path:
    if len(unpacked.volumes) == 1:
        return unpacked.volumes[0]
    if unpacked.volumes:
        raise ScanRejected(
            "mixed_series",
            "the archive",
            f"It holds {len(unpacked.volumes)} volumes and no DICOM. Unpack it and give one of them.",
        )
    raise ScanRejected(
        "no_ct_series",
        "the archive",
        f"None of its {unpacked.skipped} files is a CT in DICOM or a volume; archives in it are not opened. "
        "Give the zip of the chest CT itself.",
    )


def _of_skipped(count: int) -> list[str]:
    return [f"{count} files of the archive that are not the scan's images were passed over."] if count else []


def _with_warning(scan: Scan, *warnings: str) -> Scan:
    return replace(scan, warnings=(*scan.warnings, *warnings))


def _existing(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    try:
        path = path.absolute()
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise ScanRejected(
            "not_found",
            "the path",
            f"There is nothing at {path}, or it may not be looked at. Check the path.",
        ) from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise ScanRejected("unsupported_format", "the path", f"{path} is neither a folder nor a file.")
    return path
