"""The MetaImage header: its orientation is optional there and required here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.header_text import MAX_WORDS, brief, real_numbers, whole_numbers
from clearlung.ct.kind import shown
from clearlung.ct.payload import FileImage
from clearlung.errors import ScanRejected

MAX_HEADER_BYTES = 1 << 16
_DTYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
_MATRIX = ("TransformMatrix", "Orientation", "Rotation")
_ORIGIN = ("Offset", "Position", "Origin")
_SPACING = ("ElementSpacing",)


def read_metaimage_header(path: Path) -> FileImage:
    """Return what the header of a .mha or .mhd file says.

    Raises
    ------
    ScanRejected
        If it is no MetaImage, not one volume of scalars, or does not say how it lies in the patient.
    """
    fields, header, data_from = _fields(path)
    shape = _shape(fields, shown(path))
    affine = _affine(fields, shown(path))
    code = _DTYPES.get(fields.get("ElementType", ""))
    if code is None or not _is_true(fields.get("BinaryData", "True")):
        raise ScanRejected(
            "unsupported_format",
            f"{shown(path)}: ElementType",
            f"{brief(fields.get('ElementType', 'It is missing'))} as text or of this type is not read. Write "
            "the file "
            "with binary numbers.",
        )
    if fields.get("HeaderSize", "0") != "0":
        raise ScanRejected("unsupported_format", f"{shown(path)}: HeaderSize", "Skipped bytes are not read.")
    data_file = fields["ElementDataFile"]
    local = data_file.upper() == "LOCAL"
    big = any(_is_true(fields.get(key, "False")) for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    return FileImage(
        source="metaimage",
        grid=Grid(shape, affine[:, [2, 1, 0, 3]]),
        dtype=np.dtype((">" if big else "<") + code),
        path=path if local else _beside(path, data_file),
        packed_from=data_from if local else 0,
        packing="zlib" if _is_true(fields.get("CompressedData", "False")) else "raw",
        preface=b"" if local else header,
    )


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1")


def _beside(path: Path, data_file: str) -> Path:
    """Return the file with the voxels: beside its header, nowhere else."""
    beside = path.parent / data_file
    if Path(data_file).name != data_file or not beside.is_file():
        raise ScanRejected(
            "unsupported_format",
            f"{shown(path)}: ElementDataFile",
            "The voxels must be in one file beside the header. Put it there, or write the volume as .mha.",
        )
    return beside


def _fields(path: Path) -> tuple[dict[str, str], bytes, int]:
    """Return the header's fields, its bytes, and the byte at which the voxels begin."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_HEADER_BYTES)
    except OSError as error:
        raise ScanRejected("unreadable", shown(path), "The file cannot be opened.") from error
    fields: dict[str, str] = {}
    position = 0
    while (end := raw.find(b"\n", position)) >= 0:
        key, sign, value = raw[position:end].decode("ascii", errors="replace").partition("=")
        position = end + 1
        if not sign:
            break
        fields[key.strip()] = value.strip()
        if key.strip() == "ElementDataFile":
            return fields, raw[:position], position
    raise ScanRejected(
        "unreadable", shown(path), "The header does not lead to any voxels: it is no MetaImage or cut short."
    )


def _shape(fields: dict[str, str], name: str) -> tuple[int, int, int]:
    sizes = whole_numbers(fields.get("DimSize", ""))
    channels = fields.get("ElementNumberOfChannels", "1")
    if len(sizes) != 3 or channels != "1":
        raise ScanRejected(
            "not_a_volume",
            f"{name}: DimSize, ElementNumberOfChannels",
            f"The file has the axes {brief(fields.get('DimSize', ''))} with {brief(channels)} values per "
            "voxel; one volume with three axes and one value per voxel is needed.",
        )
    x, y, z = sizes
    return z, y, x


def _affine(fields: dict[str, str], name: str) -> NDArray[np.float64]:
    """Return the affine (i, j, k, 1) to LPS mm."""
    matrix = _numbers(fields, _MATRIX, 9, name).reshape(3, 3).T  # the file lists one axis after the other
    affine = np.eye(4)
    affine[:3, :3] = matrix * _numbers(fields, _SPACING, 3, name)
    affine[:3, 3] = _numbers(fields, _ORIGIN, 3, name)
    return affine


def _numbers(fields: dict[str, str], keys: tuple[str, ...], count: int, name: str) -> NDArray[np.float64]:
    text = next((fields[key] for key in keys if key in fields), "")
    numbers = np.array(real_numbers(text.split(None, MAX_WORDS)))
    if numbers.shape != (count,):
        raise ScanRejected(
            "no_orientation",
            f"{name}: {keys[0]}",
            f"It is {brief(text or 'missing')}; {count} numbers are needed, or nobody knows how the volume "
            "lies in the "
            "patient. Write the file with its orientation.",
        )
    return numbers
