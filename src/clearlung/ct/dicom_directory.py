"""A DICOMDIR: which images its medium should hold.

The paths in it are never followed, wherever they lead: the folder is read as it is, and the directory only
tells what should have been found.
"""

from __future__ import annotations

from pathlib import Path

import pydicom

from clearlung.ct.dicom_values import text

NAME = "DICOMDIR"
# A disk with 20,000 images has a directory of some 12 MB.
MAX_BYTES = 64 << 20


def is_directory(path: Path) -> bool:
    """Whether a file is a DICOMDIR by its name, which the standard prescribes."""
    return path.name.upper() == NAME


def named_images(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the images that a DICOMDIR names.

    Parameters
    ----------
    path
        The DICOMDIR. A damaged one names nothing: the images speak for themselves.

    Returns
    -------
    tuple of (series UID, instance UID)
        In the order of the directory.
    """
    named = []
    series = ""
    try:
        if path.stat().st_size > MAX_BYTES:
            return ()
        for record in pydicom.dcmread(path).get("DirectoryRecordSequence") or ():
            kind = text(record, "DirectoryRecordType")
            if kind == "SERIES":
                series = text(record, "SeriesInstanceUID")
            instance = text(record, "ReferencedSOPInstanceUIDInFile")
            if kind == "IMAGE" and instance:
                named.append((series, instance))
    except Exception:  # pydicom raises whatever damaged bytes lead it to
        return ()
    return tuple(named)
