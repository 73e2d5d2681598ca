"""The NRRD header: its orientation is optional there and required here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.header_text import MAX_WORDS, brief, real_numbers, whole_numbers
from clearlung.ct.kind import shown
from clearlung.ct.payload import FileImage, Packing
from clearlung.errors import ScanRejected

MAX_HEADER_BYTES = 1 << 20
_TO_LPS = {
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "left-anterior-superior": (1.0, -1.0, 1.0),
    "las": (1.0, -1.0, 1.0),
}
_PACKINGS: dict[str, Packing] = {"raw": "raw", "gzip": "gzip", "gz": "gzip"}
_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": (
        "longlong",
        "long long",
        "long long int",
        "signed long long",
        "signed long long int",
        "int64",
        "int64_t",
    ),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_DTYPES = {name: code for code, names in _TYPES.items() for name in names}
_SPATIAL_KINDS = {"domain", "space", "???", "none"}


def read_nrrd_header(path: Path) -> FileImage:
    """Return what the header of a .nrrd file says.

    Raises
    ------
    ScanRejected
        If it is no NRRD file, not one volume of scalars, or does not say how it lies in the patient.
    """
    fields, data_from = _fields(path)
    shape = _shape(fields, shown(path))
    affine = _affine(fields, shown(path))
    code = _DTYPES.get(fields.get("type", "").lower())
    packing = _PACKINGS.get(fields.get("encoding", "").lower())
    if code is None or packing is None or "data file" in fields or "datafile" in fields:
        raise ScanRejected(
            "unsupported_format",
            shown(path),
            f"NRRD of type {brief(fields.get('type', 'unknown'))} and encoding "
            f"{brief(fields.get('encoding', 'unknown'))} "
            "is not read, nor is one with its data in another file. Write it as one raw or gzip file.",
        )
    if any(
        fields.get(skip, "0") not in ("0",) for skip in ("byte skip", "line skip", "byteskip", "lineskip")
    ):
        raise ScanRejected(
            "unsupported_format", shown(path), "NRRD with skipped bytes is not read. Write it again."
        )
    order = ">" if fields.get("endian", "little").lower() == "big" else "<"
    return FileImage(
        source="nrrd",
        grid=Grid(shape, affine[:, [2, 1, 0, 3]]),
        dtype=np.dtype(order + code),
        path=path,
        packed_from=data_from,
        packing=packing,
    )


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Return the header's fields, and the byte after the blank line that ends it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_HEADER_BYTES)
    except OSError as error:
        raise ScanRejected("unreadable", shown(path), "The file cannot be opened.") from error
    if not raw.startswith(b"NRRD"):
        raise ScanRejected(
            "unsupported_format", shown(path), "This is no NRRD file, although its name says so."
        )
    end = re.search(rb"\r?\n\r?\n", raw)
    if end is None:
        raise ScanRejected(
            "unreadable",
            shown(path),
            "The header does not end with an empty line, so no voxels follow. Write it again.",
        )
    lines = raw[: end.start()].decode("ascii", errors="replace").splitlines()[1:]
    pairs = (line.split(": ", 1) for line in lines if ": " in line and not line.startswith("#"))
    return {key.strip().lower(): value.strip() for key, value in pairs}, end.end()


def _shape(fields: dict[str, str], name: str) -> tuple[int, int, int]:
    sizes = whole_numbers(fields.get("sizes", ""))
    kinds = fields.get("kinds", "").lower().split()
    if len(sizes) != 3 or not set(kinds) <= _SPATIAL_KINDS:
        raise ScanRejected(
            "not_a_volume",
            f"{name}: sizes, kinds",
            f"The file has the axes {brief(fields.get('sizes', ''))} of kinds {brief(' '.join(kinds))}; one "
            "volume with three axes in space is needed.",
        )
    x, y, z = sizes
    return z, y, x


def _affine(fields: dict[str, str], name: str) -> NDArray[np.float64]:
    """Return the affine (i, j, k, 1) to LPS mm."""
    space = fields.get("space", "").lower()
    if space not in _TO_LPS:
        raise ScanRejected(
            "no_orientation",
            f"{name}: space",
            f"It is {brief(space or 'missing')}, which does not say which side is right. Write the file with "
            "'space: left-posterior-superior' or 'right-anterior-superior'.",
        )
    affine = np.eye(4)
    try:
        affine[:3, :3] = np.array([_vector(part) for part in _vectors(fields["space directions"])]).T
        affine[:3, 3] = _vector(_vectors(fields["space origin"])[0])
    except (KeyError, ValueError, IndexError) as error:
        raise ScanRejected(
            "no_orientation",
            f"{name}: space directions, space origin",
            "They are missing or not three vectors of three numbers. Write the file with its orientation.",
        ) from error
    units = fields.get("space units", '"mm" "mm" "mm"').replace('"', "").split()
    if any(unit not in ("mm", "millimeter", "millimeters", "") for unit in units):
        raise ScanRejected(
            "bad_spacing",
            f"{name}: space units",
            f"They are {brief(' '.join(units))}; millimeters are needed.",
        )
    return np.diag([*_TO_LPS[space], 1.0]) @ affine


def _vectors(text: str) -> list[str]:
    return re.findall(r"\(([^()]*)\)", text)


def _vector(text: str) -> NDArray[np.float64]:
    numbers = real_numbers(text.split(",", MAX_WORDS))
    if len(numbers) != 3:
        raise ValueError("not three numbers")
    return np.array(numbers)
