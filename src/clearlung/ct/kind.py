"""What kind of file it is, by its first bytes: names lie, and a name may be the patient's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from clearlung.ct.dicom_file import is_bare_dicom
from clearlung.errors import ScanRejected

FileKind = Literal["dicom", "zip", "nifti", "nrrd", "metaimage", "gzip", "unknown"]

# A NIfTI-1 header, the longest that is looked at.
HEAD_BYTES = 352
DICOM_MAGIC_AT = 128
GZIP_MAGIC = b"\x1f\x8b"
_NIFTI_SIZES = (b"\x5c\x01\x00\x00", b"\x00\x00\x01\x5c")
_ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
_METAIMAGE_KEYS = (b"ObjectType", b"NDims", b"Comment", b"ObjectSubType")
# What a computer would run or unpack: Windows, Linux, macOS, Java and script starts, archives, documents.
# DICOM leaves 128 bytes before its own magic to the writer; a TIFF header there is legal and harmless.
_EXECUTABLE = (
    b"MZ",
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"#!",
    b"\x00asm",
    b"dex\n",
    b"PK",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
    b"7z\xbc\xaf",
    b"Rar!",
    GZIP_MAGIC,
    b"<?php",
    b"<html",
    b"<scri",
    b"<!DOC",
)
_NAMES = {
    ".nii": "the .nii file",
    ".nii.gz": "the .nii.gz file",
    ".nrrd": "the .nrrd file",
    ".mha": "the .mha file",
    ".mhd": "the .mhd file",
    ".zip": "the .zip file",
    ".dcm": "the .dcm file",
}


def kind_of(head: bytes) -> FileKind:
    """Return the kind of file that begins with these bytes (:data:`HEAD_BYTES` of them, or all)."""
    if head[DICOM_MAGIC_AT : DICOM_MAGIC_AT + 4] == b"DICM":
        return "dicom"
    if head.startswith(_ZIP_MAGICS):
        return "zip"
    if head.startswith(b"NRRD"):
        return "nrrd"
    if head.startswith(_NIFTI_SIZES):
        return "nifti"
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    if head.lstrip().startswith(_METAIMAGE_KEYS):
        return "metaimage"
    return "dicom" if is_bare_dicom(head) else "unknown"


def head_of(path: Path) -> bytes:
    """Return a file's first bytes.

    Raises
    ------
    ScanRejected
        ``unreadable`` if it cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise ScanRejected(
            "unreadable", shown(path), "The file cannot be opened. Check its rights, or copy it again."
        ) from error


def check_preamble(head: bytes, where: str) -> None:
    """Refuse a DICOM file that is also a program, an archive or a page.

    Such a file passes for an image on its way through a hospital and runs when it is opened by its other
    name (CVE-2019-11687). Reading it here would do no harm, but the place to say so is where it enters.

    Raises
    ------
    ScanRejected
        ``executable_preamble``.
    """
    if head.startswith(_EXECUTABLE):
        raise ScanRejected(
            "executable_preamble",
            where,
            "The file is DICOM and at the same time a program or an archive: its first 128 bytes are those "
            "of one. Nobody's scanner writes that. Do not open it, tell those who look after the network, "
            "and export the series again from the archive.",
        )


def shown(path: Path) -> str:
    """Return how messages name a file: by its kind, since its name may be the patient's."""
    name = path.name.lower()
    suffix = ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()
    return _NAMES.get(suffix, "the file")
