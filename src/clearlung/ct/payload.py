"""The voxels of a file: read, unpacked and hashed in one pass, and complete or refused.

SimpleITK reads a .nii.gz that ends in the middle, and compressed data that fail their checksum, without a
word; half a chest would then be planned on. So the bytes are counted and their checksums verified here.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.kind import GZIP_MAGIC, shown
from clearlung.ct.limits import MAX_VOXELS
from clearlung.ct.scan import SourceKind
from clearlung.errors import ScanRejected

Packing = Literal["raw", "gzip", "zlib"]

CHUNK_BYTES = 1 << 20
# Deflate cannot pack better than 1032 to 1.
MAX_PACKING_RATIO = 1100
# Some writers pad; a bomb goes on for a terabyte.
MAX_TRAILING_BYTES = 16 << 20
# Parallel packers write members of 64 KiB; a file of tiny ones is made to take forever.
_FEWEST_BYTES_PER_MEMBER = 1024
_MEMBERS_FREE = 1000
_WINDOW_BITS = {"gzip": 31, "zlib": 15}
_REMEDY = "Copy or export it again."


@dataclass(frozen=True, eq=False)
class FileImage:
    """What a file's header says.

    Parameters
    ----------
    source
        The file's format.
    grid
        Shape and affine of the array as it is stored.
    dtype
        Of the stored values, with byte order.
    path
        The file with the voxels.
    packed_from
        Byte at which the packed (or raw) voxels begin in that file.
    packing
        How they are packed.
    skip
        Bytes to pass over after unpacking: the header, where that is packed too.
    slope, intercept
        Value = slope * stored + intercept.
    preface
        Bytes of a separate header file, which are hashed first.
    warnings
        What the header gives reason to warn about.
    """

    source: SourceKind
    grid: Grid
    dtype: np.dtype[Any]
    path: Path
    packed_from: int
    packing: Packing
    skip: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    preface: bytes = b""
    warnings: tuple[str, ...] = ()


def read_voxels(image: FileImage) -> tuple[NDArray[Any], str]:
    """Return the stored values and the SHA-256 of the file's bytes.

    Returns
    -------
    array, sha256
        The array has the grid's shape and native byte order, and is writable.

    Raises
    ------
    ScanRejected
        ``unreadable`` if bytes are missing or fail their checksum.
    """
    _check_size(image)
    digest = hashlib.sha256(image.preface)
    array: NDArray[Any] = np.empty(image.grid.shape, dtype=image.dtype)
    target = array.reshape(-1).view(np.uint8).data
    try:
        filled = _fill(target, image, digest)
    except (zlib.error, OSError) as error:
        raise ScanRejected(
            "unreadable", shown(image.path), f"The file's voxels are damaged or cut short. {_REMEDY}"
        ) from error
    if filled < len(target):
        share = 100.0 * filled / len(target)
        raise ScanRejected(
            "unreadable", shown(image.path), f"The file ends after {share:.0f} % of its voxels. {_REMEDY}"
        )
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder())
    return array, digest.hexdigest()


def _fill(target: memoryview, image: FileImage, digest: hashlib._Hash) -> int:
    """Fill the target with the file's voxels; return how many bytes there were."""
    filled, skip, after = 0, image.skip, 0
    for unpacked in _unpacked(image, digest):
        piece = memoryview(unpacked)[skip:]
        after += max(0, len(piece) - (len(target) - filled))
        if after > MAX_TRAILING_BYTES:
            raise zlib.error("the data go on and on after the last voxel")
        skip = max(0, skip - len(unpacked))
        piece = piece[: len(target) - filled]  # what follows the voxels is only hashed
        target[filled : filled + len(piece)] = piece
        filled += len(piece)
    return filled


def _check_size(image: FileImage) -> None:
    """Refuse a header that asks for more memory than a scan needs, or than the file could fill."""
    voxels = int(np.prod(image.grid.shape, dtype=np.int64))
    if voxels > MAX_VOXELS:
        raise ScanRejected(
            "too_large",
            shown(image.path),
            f"The header asks for {voxels} voxels; no scan has more than {MAX_VOXELS}. Export it again.",
        )
    needed = voxels * image.dtype.itemsize
    room = image.path.stat().st_size - image.packed_from
    if needed > room * (1 if image.packing == "raw" else MAX_PACKING_RATIO):
        raise ScanRejected(
            "unreadable",
            shown(image.path),
            f"The header asks for {needed} bytes of voxels, and {max(room, 0)} are there: it was cut short. "
            f"{_REMEDY}",
        )


def _unpacked(image: FileImage, digest: hashlib._Hash) -> Iterator[bytes]:
    """Yield the unpacked bytes, hashing the packed ones of the whole file on the way."""
    with image.path.open("rb") as file:
        digest.update(file.read(image.packed_from))
        if image.packing == "raw":
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                yield chunk
            return
        yield from _unpacked_members(file, _WINDOW_BITS[image.packing], digest)


def _unpacked_members(file: BinaryIO, window_bits: int, digest: hashlib._Hash) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(window_bits)
    members, unpacked_bytes = 1, 0
    while chunk := file.read(CHUNK_BYTES):
        digest.update(chunk)
        while chunk and not unpacker.eof:
            unpacked = unpacker.decompress(
                chunk, CHUNK_BYTES
            )  # a part: zeros unpack to a thousand times more
            unpacked_bytes += len(unpacked)
            yield unpacked
            chunk = unpacker.unconsumed_tail
            if unpacker.eof and unpacker.unused_data.startswith(GZIP_MAGIC):
                chunk = unpacker.unused_data  # gzip files may have several members
                unpacker = zlib.decompressobj(_WINDOW_BITS["gzip"])
                members += 1
                if members > _MEMBERS_FREE + unpacked_bytes // _FEWEST_BYTES_PER_MEMBER:
                    raise zlib.error("the packed data are in pieces too small to be honest")
    if not unpacker.eof:
        raise zlib.error("the packed data end before their checksum")
