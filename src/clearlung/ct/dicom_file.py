"""One DICOM file: opened whatever its transfer syntax, and where its planes lie in it."""

from __future__ import annotations

import io
import itertools
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydicom.dataset import FileDataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag, Tag

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
# JPEG baseline and extended have no lossless mode; the JPEG-LS and JPEG 2000 syntaxes that allow loss may do
# without it, and the header's own word counts for them.
LOSSY = tuple(_JPEG + end for end in ("50", "51", "52", "53", "54", "55", "56"))
# JPEG, lossless JPEG, JPEG-LS, JPEG 2000 and high-throughput JPEG 2000: what GDCM decodes.
_COMPRESSED = tuple(
    _JPEG + end for end in ("57", "58", "70", "80", "81", "90", "91", "92", "93", "201", "202", "203")
)
PLAIN = (IMPLICIT, EXPLICIT, BIG_ENDIAN)
READABLE_SYNTAXES = (*PLAIN, RLE, *LOSSY, *_COMPRESSED)
UNDEFINED_LENGTH = 0xFFFFFFFF
# A whole multi-frame scan of 2000 slices.
MAX_INFLATED_BYTES = 1 << 30
# Images of a chest pack to a third; deflate reaches 1032 on zeros alone, which is what a bomb is made of.
# Below the free size any ratio will do.
MAX_RATIO = 10
RATIO_FREE_BYTES = 64 << 20
# Longer than the group of any file's own description.
MAX_META_BYTES = 1 << 16
# Headers have some hundred elements, with a vendor's own some thousands.
MAX_ELEMENTS = 50_000
# Pixels as integers, as floats, as doubles.
_PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)
MAGIC_AT = 128
_LONG_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
# What a dataset without a preamble begins with: its description, or the first elements about its object.
_FIRST_GROUPS = (0x0002, 0x0008)
_MAX_FIRST_ELEMENT = 0x0018


@dataclass(frozen=True)
class StoredPlane:
    """Where one plane's pixels lie in a file, and how they are stored.

    Parameters
    ----------
    path
        The file.
    syntax
        UID of the transfer syntax; empty where the file does not say it and is compressed.
    offset
        Byte at which the value of the pixel data begins, in the file as :func:`open_plain` gives it.
    frame, frames
        0-based place among the file's planes, and their number.
    rows, columns, samples
        Size, and values per pixel.
    bits_allocated, bits_stored, high_bit, signed
        Which bits of a stored word are the value.
    complete
        Whether the file holds all of its pixel data.
    frame_offsets
        Extended table of the frames' places in compressed data, where the file has one.
    """

    path: Path
    syntax: str
    offset: int
    frame: int
    frames: int
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    complete: bool
    frame_offsets: tuple[bytes, bytes] | None = None

    @property
    def encapsulated(self) -> bool:
        """Whether the pixels are compressed, in fragments."""
        return self.syntax not in PLAIN

    @property
    def plane_bytes(self) -> int:
        """Size of one plane that is not compressed."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8


def is_bare_dicom(head: bytes) -> bool:
    """Whether a file's first bytes are those of a DICOM dataset without preamble.

    Old archives and some exports leave out the 128 bytes and the magic. The first element must be one with
    which an image begins, with a length, or an explicit type, that such an element can have.
    """
    for order in "<>":
        if len(head) < 8:
            return False
        group, element, length = struct.unpack_from(order + "HHI", head)
        if group in _FIRST_GROUPS and element <= _MAX_FIRST_ELEMENT:
            explicit = head[4:6] in (b"UL", b"CS", b"UI", b"OB", b"DA", b"TM", b"SH")
            implicit = group == _FIRST_GROUPS[1] and 0 < length <= MAX_META_BYTES and length % 2 == 0
            if explicit or implicit:
                return True
    return False


def open_plain(path: Path) -> BinaryIO:
    """Open a DICOM file so that its dataset can be read: a deflated one is inflated in memory.

    Raises
    ------
    ValueError
        If it would inflate beyond any scan, or is damaged.
    """
    file = path.open("rb")
    try:
        head = file.read(MAX_META_BYTES)
        start, end = _meta_span(head)
        if DEFLATED.encode() not in head[start:end]:
            file.seek(0)
            return file
        file.seek(end)
        packed = file.read()
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        most = min(MAX_INFLATED_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * len(packed)))
        body = inflater.decompress(packed, most)
        if inflater.unconsumed_tail or not inflater.eof:
            raise ValueError("the deflated dataset is cut short, or inflates beyond any scan")
    except zlib.error as error:
        file.close()
        raise ValueError("the deflated dataset is damaged") from error
    except BaseException:
        file.close()
        raise
    file.close()
    # what follows is plain now, and the description must say so: in the same length, with zeros at the end
    plain = EXPLICIT.encode().ljust(len(DEFLATED), b"\0")
    return io.BytesIO(head[:end].replace(DEFLATED.encode(), plain) + body)


def _meta_span(head: bytes) -> tuple[int, int]:
    """Return where the file's own description begins and ends; an empty span if it has none."""
    start = MAGIC_AT + 4 if head[MAGIC_AT : MAGIC_AT + 4] == b"DICM" else 0
    if head[start : start + 8] != b"\x02\0\0\0UL\x04\0":
        return start, start
    (length,) = struct.unpack_from("<I", head, start + 8)
    return start, min(start + 12 + length, len(head))


def read_header(file: BinaryIO, tags: Sequence[str]) -> FileDataset:
    """Read the given elements up to the pixel data, before which the file is left.

    Raises
    ------
    ValueError
        If there are more elements than any header has: zeros are read as empty elements, eight bytes each.
    """
    seen = itertools.count(1)

    def at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
        if next(seen) > MAX_ELEMENTS:
            raise ValueError("the header does not end")
        return tag in _PIXEL_TAGS

    wanted = cast(Any, [Tag(tag) for tag in tags])
    return read_partial(file, at_pixels, force=True, specific_tags=wanted)


def find_planes(path: Path, file: BinaryIO, header: FileDataset) -> StoredPlane | None:
    """Return the first plane of a file whose header was just read; None if it has no pixels."""
    syntax = _syntax(header)
    order = ">" if syntax == BIG_ENDIAN else "<"
    start = file.read(12)
    if len(start) < 12 or struct.unpack_from(order + "2H", start) != (0x7FE0, 0x0010):
        return None
    if syntax == IMPLICIT or start[4:6] not in _LONG_VRS:
        file.seek(-4, os.SEEK_CUR)
        (length,) = struct.unpack_from(order + "I", start, 4)
    else:
        (length,) = struct.unpack_from(order + "I", start, 8)
    offset = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(offset)
    plane = _plane(path, header, syntax, offset)
    if length == UNDEFINED_LENGTH:
        # compressed, and a description that is missing or says otherwise does not tell how
        return replace(
            plane, syntax="" if syntax in PLAIN else syntax, complete=_fragments_complete(file, size)
        )
    # pixels of a stated length are plain, whatever an export that forgot to say so left in the description
    needed = plane.plane_bytes * plane.frames
    complete = length >= needed and offset + length <= size
    return replace(plane, syntax=syntax if syntax in PLAIN else EXPLICIT, complete=complete)


def _plane(path: Path, header: FileDataset, syntax: str, offset: int) -> StoredPlane:
    stored = int(header.get("BitsStored") or header.BitsAllocated)
    high_bit = header.get("HighBit")
    tables = (header.get("ExtendedOffsetTable"), header.get("ExtendedOffsetTableLengths"))
    return StoredPlane(
        path=path,
        syntax=syntax,
        offset=offset,
        frame=0,
        frames=int(header.get("NumberOfFrames") or 1),
        rows=int(header.Rows),
        columns=int(header.Columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        bits_allocated=int(header.BitsAllocated),
        bits_stored=stored,
        high_bit=stored - 1 if high_bit is None else int(high_bit),
        signed=header.get("PixelRepresentation") == 1,
        complete=True,
        frame_offsets=tables if all(isinstance(table, bytes) for table in tables) else None,
    )


def _syntax(header: FileDataset) -> str:
    stated = header.file_meta.get("TransferSyntaxUID") if hasattr(header, "file_meta") else None
    if stated:
        # an inflated dataset says what it is now; what it was does not matter any more
        return str(stated)
    implicit, little = header.original_encoding
    return IMPLICIT if implicit else EXPLICIT if little else BIG_ENDIAN


def _fragments_complete(file: BinaryIO, size: int) -> bool:
    """Whether compressed pixel data end with their delimiter inside the file."""
    while len(head := file.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if (group, element) == (0xFFFE, 0xE0DD):
            return True
        if (group, element) != (0xFFFE, 0xE000) or file.tell() + length > size:
            return False
        file.seek(length, os.SEEK_CUR)
    return False
