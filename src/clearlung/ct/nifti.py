"""The NIfTI-1 header: read here because a reader that finds no orientation in it makes one up."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.kind import GZIP_MAGIC, head_of, shown
from clearlung.ct.payload import FileImage
from clearlung.errors import ScanRejected

HEADER_BYTES = 348
# Quaternions are single precision: over a field of view of 500 mm they agree with an affine to 0.001 mm.
SAME_PLACE_MM = 0.1
# NIfTI is RAS, Clearlung is LPS.
_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
_DTYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_UNIT_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_TEMPLATE_CODES = (3, 4)


def read_nifti_header(path: Path) -> FileImage:
    """Return what the header of a .nii or .nii.gz file says.

    Raises
    ------
    ScanRejected
        If it is no NIfTI-1 file, not one volume of scalars, or does not say how it lies in the patient.
    """
    packed = head_of(path).startswith(GZIP_MAGIC)
    raw = _header_bytes(path, packed=packed)
    order = _byte_order(raw, shown(path))
    shape = _shape(raw, order, shown(path))
    affine, warnings = _affine(raw, order, shape, shown(path))
    (datatype,) = struct.unpack_from(order + "h", raw, 70)
    if datatype not in _DTYPES:
        raise ScanRejected(
            "not_a_volume",
            f"{shown(path)}: datatype {datatype}",
            "The voxels are not single numbers (color, complex or bits). Give the CT with one value per "
            "voxel.",
        )
    offset, slope, intercept = struct.unpack_from(order + "3f", raw, 108)
    scaled = bool(np.isfinite(slope)) and slope != 0.0
    start = max(int(offset), HEADER_BYTES) if np.isfinite(offset) else HEADER_BYTES
    return FileImage(
        source="nifti",
        grid=Grid(shape, affine[:, [2, 1, 0, 3]]),
        dtype=np.dtype(order + _DTYPES[datatype]),
        path=path,
        packed_from=0 if packed else start,
        packing="gzip" if packed else "raw",
        skip=start if packed else 0,
        slope=float(slope) if scaled else 1.0,
        intercept=float(intercept) if scaled and np.isfinite(intercept) else 0.0,
        warnings=warnings,
    )


def _header_bytes(path: Path, *, packed: bool) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(1 << 16)
        if packed:
            raw = zlib.decompressobj(31).decompress(raw, HEADER_BYTES)
    except (OSError, zlib.error) as error:
        raise ScanRejected(
            "unreadable", shown(path), "The file cannot be opened or unpacked. Copy or export it again."
        ) from error
    if len(raw) < HEADER_BYTES:
        raise ScanRejected(
            "unreadable",
            shown(path),
            f"The file ends inside its header of {HEADER_BYTES} bytes. Export it again.",
        )
    return raw[:HEADER_BYTES]


def _byte_order(raw: bytes, name: str) -> str:
    for order in "<>":
        if struct.unpack_from(order + "i", raw)[0] == HEADER_BYTES:
            break
    else:
        raise ScanRejected(
            "unsupported_format", name, "This is no NIfTI-1 file. Convert it to .nii.gz (NIfTI-1) or .nrrd."
        )
    magic = raw[344:348]
    if magic[:3] != b"n+1":
        raise ScanRejected(
            "unsupported_format" if magic[:3] == b"ni1" else "no_orientation",
            f"{name}: magic",
            "The header belongs to a pair of files or to the Analyze format, which has no orientation. "
            "Convert the original DICOM to .nii.gz.",
        )
    return order


def _shape(raw: bytes, order: str, name: str) -> tuple[int, int, int]:
    count, *sizes = struct.unpack_from(order + "8h", raw, 40)
    used = sizes[: max(count, 0)]
    if not 3 <= count <= 7 or any(size != 1 for size in used[3:]):
        raise ScanRejected(
            "not_a_volume",
            f"{name}: dim",
            f"The file has {count} axes of {used} values; one volume with three axes is needed.",
        )
    x, y, z = used[:3]
    return z, y, x


def _affine(
    raw: bytes, order: str, shape: tuple[int, int, int], name: str
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Return the affine (i, j, k, 1) to LPS mm that the header states, and warnings."""
    qform, sform = struct.unpack_from(order + "2h", raw, 252)
    unit = _UNIT_MM.get(raw[123] & 7, 1.0)
    affines = []
    if qform > 0:
        affines.append(_qform_affine(raw, order))
    if sform > 0:
        affines.append(
            np.vstack([np.reshape(struct.unpack_from(order + "12f", raw, 280), (3, 4)), [0, 0, 0, 1]])
        )
    if not affines:
        raise ScanRejected(
            "no_orientation",
            f"{name}: qform_code, sform_code",
            "Both are 0: the file does not say which side is right. Convert the original DICOM again with "
            "its orientation.",
        )
    affines = [_RAS_TO_LPS @ np.diag([unit, unit, unit, 1.0]) @ affine for affine in affines]
    if len(affines) == 2:
        _check_agreement(affines[0], affines[1], shape, name)
    warnings: tuple[str, ...] = ()
    if (sform or qform) in _TEMPLATE_CODES:
        warnings = (
            "The file says that the scan was brought into a template's space: sizes may be distorted.",
        )
    return affines[-1], warnings


def _qform_affine(raw: bytes, order: str) -> NDArray[np.float64]:
    pixdim = np.array(struct.unpack_from(order + "8f", raw, 76), dtype=np.float64)
    b, c, d, *offset = struct.unpack_from(order + "6f", raw, 256)
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    affine = np.eye(4)
    affine[:3, :3] = rotation * pixdim[1:4] * [1.0, 1.0, -1.0 if pixdim[0] < 0 else 1.0]
    affine[:3, 3] = offset
    return affine


def _check_agreement(
    qform: NDArray[Any], sform: NDArray[Any], shape: tuple[int, int, int], name: str
) -> None:
    corners = np.array(
        [[i, j, k, 1] for i in (0, shape[2] - 1) for j in (0, shape[1] - 1) for k in (0, shape[0] - 1)]
    )
    apart = float(np.abs(corners @ (qform - sform).T).max())
    if not apart <= SAME_PLACE_MM:  # also where it is not a number
        raise ScanRejected(
            "contradictory_orientation",
            f"{name}: qform, sform",
            f"They place the same voxel {apart:.3g} mm apart. Convert the original DICOM again, or "
            "remove the "
            "wrong one from the header.",
        )
