"""Writes NIfTI, NRRD and MetaImage byte by byte, so that a test can say what a header may not."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from clearlung.ct import AxisOrder, Volume

from .chests import native_grid

NOT_BENT = np.eye(4)
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
NIFTI_TYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "u2": 512}


def affine_ijk(volume: Volume, order: AxisOrder | None = None):
    """The file's array (k, j, i) and the affine (i, j, k, 1) to LPS mm."""
    array, affine = native_grid(volume, order or AxisOrder())
    return array, affine[:, [2, 1, 0, 3]]


def quaternion(affine_ras: np.ndarray):
    """(pixdim[0:4], b, c, d) of an affine without shear."""
    from scipy.spatial.transform import Rotation

    spacing = np.linalg.norm(affine_ras[:3, :3], axis=0)
    axes = affine_ras[:3, :3] / spacing
    qfac = 1.0
    if np.linalg.det(axes) < 0:
        qfac, axes = -1.0, axes * [1.0, 1.0, -1.0]
    b, c, d, a = Rotation.from_matrix(axes).as_quat()
    sign = -1.0 if a < 0 else 1.0
    return [qfac, *spacing], [sign * b, sign * c, sign * d]


def nifti_bytes(
    volume, order=None, *, endian="<", qform=1, sform=1, dtype="i2", datatype=None, scale=(0.0, 0.0), units=2,
    bend_sform=NOT_BENT, dim=None, magic=b"n+1\0",
) -> bytes:  # fmt: skip
    array, affine = affine_ijk(volume, order)
    ras = RAS @ affine
    header = bytearray(352)
    pixdim, bcd = quaternion(ras)
    pack = lambda fmt, at, *values: struct.pack_into(endian + fmt, header, at, *values)  # noqa: E731
    pack("i", 0, 348)
    pack("8h", 40, *(dim or [3, *array.shape[::-1], 1, 1, 1, 1]))
    pack("2h", 70, NIFTI_TYPES[dtype] if datatype is None else datatype, np.dtype(dtype).itemsize * 8)
    pack("8f", 76, *pixdim, 0, 0, 0, 0)
    pack("3f", 108, 352.0, *scale)
    header[123] = units
    pack("2h", 252, qform, sform)
    pack("6f", 256, *bcd, *ras[:3, 3])
    pack("12f", 280, *(bend_sform @ ras)[:3].ravel())
    header[344:348] = magic
    return bytes(header) + array.astype(endian + dtype).tobytes()


def write_nifti(path: Path, volume, order=None, **options) -> Path:
    raw = nifti_bytes(volume, order, **options)
    path.write_bytes(gzip.compress(raw, 1) if path.name.endswith(".gz") else raw)
    return path


def write_nrrd(
    path: Path, volume, order=None, *, space="right-anterior-superior", drop=(), encoding="gzip", **more
):
    """Write with RAS or LPS vectors; ``drop`` names fields to leave out, ``more`` replaces fields."""
    array, affine = affine_ijk(volume, order)
    affine = {"right-anterior-superior": RAS, "left-anterior-superior": np.diag([1.0, -1, 1, 1])}.get(
        space, np.eye(4)
    ) @ affine
    vector = lambda v: "(" + ",".join(repr(float(x)) for x in v) + ")"  # noqa: E731
    fields = {
        "type": "short",
        "dimension": "3",
        "space": space,
        "sizes": " ".join(map(str, array.shape[::-1])),
        "space directions": " ".join(vector(affine[:3, axis]) for axis in range(3)),
        "kinds": "domain domain domain",
        "endian": "big",
        "encoding": encoding,
        "space origin": vector(affine[:3, 3]),
    }
    fields |= {key.replace("_", " "): value for key, value in more.items()}
    text = "NRRD0004\n# a comment: here\n" + "".join(
        f"{k}: {v}\n" for k, v in fields.items() if k not in drop
    )
    raw = array.astype(">i2").tobytes()
    path.write_bytes(
        text.encode()
        + b"key:=value: of somebody\n\n"
        + (gzip.compress(raw, 1) if encoding == "gzip" else raw)
    )
    return path


def write_mha(path: Path, volume, order=None, *, drop=(), packed=True, data_file=None, **more):
    array, affine = affine_ijk(volume, order)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    words = lambda v: " ".join(repr(float(x)) for x in v)  # noqa: E731
    raw = array.astype(">i2").tobytes()
    raw = zlib.compress(raw, 1) if packed else raw
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "True",
        "CompressedData": str(packed),
        "TransformMatrix": words((affine[:3, :3] / spacing).T.ravel()),
        "Offset": words(affine[:3, 3]),
        "AnatomicalOrientation": "???",
        "ElementSpacing": words(spacing),
        "DimSize": " ".join(map(str, array.shape[::-1])),
        "ElementType": "MET_SHORT",
    }
    fields |= more
    text = "".join(f"{k} = {v}\n" for k, v in fields.items() if k not in drop)
    if data_file is None:
        path.write_bytes(text.encode() + b"ElementDataFile = LOCAL\n" + raw)
    else:
        path.write_text(text + f"ElementDataFile = {data_file}\n")
        (path.parent / data_file).write_bytes(raw)
    return path
