"""The pixels of DICOM planes: found in their files, decompressed, unpacked to stored values.

Plain and run-length encoded pixels are unpacked here. The JPEG family is decoded by SimpleITK's GDCM, which
reads files only: each plane goes to it in a file of its own with a header of our making, so that neither
multi-frame objects nor headers in another byte order, without preamble or with a patient's name reach it.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import generate_frames
from pydicom.uid import UID

from clearlung.ct.codestream import stated_size
from clearlung.ct.dicom_file import BIG_ENDIAN, READABLE_SYNTAXES, RLE, StoredPlane, open_plain
from clearlung.ct.rle import decode_rle

_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
# Any valid UID will do for a file that lives for a millisecond.
_NO_INSTANCE = "2.25.1"
# Names of the decoder's files: no two threads may write the same one.
_NUMBERS = count()
WORD_BITS = (8, 16, 32)
_FRAGMENT = b"\xfe\xff\x00\xe0"
_END_OF_FRAGMENTS = b"\xfe\xff\xdd\xe0\0\0\0\0"


def can_decode(plane: StoredPlane) -> bool:
    """Whether the way in which a plane is stored is one that is read."""
    return (
        plane.syntax in READABLE_SYNTAXES
        and plane.samples == 1
        and plane.bits_allocated in WORD_BITS
        and 0 < plane.bits_stored <= plane.high_bit + 1 <= plane.bits_allocated
        and not (plane.syntax == BIG_ENDIAN and plane.bits_allocated == 8)
    )


def stored_planes(planes: Sequence[StoredPlane]) -> Iterator[bytes]:
    """Yield the stored bytes of planes of one file, which must be in the order of their frames.

    Raises
    ------
    ValueError, OSError
        If the file is damaged.
    """
    first = planes[0]
    with open_plain(first.path) as file:
        file.seek(first.offset)
        if not first.encapsulated:
            for plane in planes:
                file.seek(first.offset + plane.frame * plane.plane_bytes)
                yield file.read(plane.plane_bytes)
            return
        frames = _frames(file, first)
        place = -1
        for plane in planes:
            while place < plane.frame:
                frame = next(frames)
                place += 1
            yield frame


def _frames(file: BinaryIO, plane: StoredPlane) -> Iterator[bytes]:
    """Yield the compressed frames of a file, in order."""
    try:
        yield from generate_frames(file, number_of_frames=plane.frames, extended_offsets=plane.frame_offsets)
    except Exception as error:  # pydicom raises whatever damaged bytes lead it to
        raise ValueError("the compressed frames cannot be told apart") from error
    raise ValueError("there are fewer frames than the header says")


def same_pixels(one: StoredPlane, other: StoredPlane) -> bool:
    """Whether two planes are stored alike, bit by bit; damaged ones are not."""
    try:
        return _digest(one) == _digest(other)
    except (ValueError, OSError):
        return False


def _digest(plane: StoredPlane) -> tuple[Any, ...]:
    layout = (plane.syntax, plane.rows, plane.columns, plane.bits_stored, plane.high_bit, plane.signed)
    return (*layout, hashlib.sha256(next(stored_planes([plane]))).digest())


def decode_plane(plane: StoredPlane, stored: bytes, room: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    """Decode one plane.

    Parameters
    ----------
    plane
        How it is stored.
    stored
        What :func:`stored_planes` yields for it.
    room
        A private folder for the decoder's file.

    Returns
    -------
    values, words
        Integers of shape (rows, columns): the stored values, and the whole words that they are part of. What
        lies in a word's other bits is an overlay, or left over from the scanner. GDCM gives no words: there
        they are the values.

    Raises
    ------
    ValueError
        If the plane cannot be decoded, or has another size than its header says.
    """
    word_bytes = plane.bits_allocated // 8
    if plane.encapsulated and plane.syntax != RLE:
        values = _decompressed(plane, stored, room)
        return values, values
    if plane.syntax == RLE:
        words = decode_rle(stored, plane.rows * plane.columns, word_bytes)
    else:
        order = ">" if plane.syntax == BIG_ENDIAN else "<"
        words = np.frombuffer(stored, dtype=f"{order}u{word_bytes}").astype(f"u{word_bytes}", copy=False)
    words = words.reshape(plane.rows, plane.columns)
    return _values(plane, words), words


def _values(plane: StoredPlane, words: NDArray[Any]) -> NDArray[Any]:
    """Return the bits of the words that count, with their sign."""
    bits = plane.bits_allocated
    if plane.bits_stored < bits:
        words = words << (bits - 1 - plane.high_bit)  # to the top of the word; the shift back brings the sign
    values = words.view(f"i{bits // 8}") if plane.signed else words
    return values >> (bits - plane.bits_stored) if plane.bits_stored < bits else values


def _decompressed(plane: StoredPlane, stored: bytes, room: Path) -> NDArray[Any]:
    # a decoder allocates what the codestream says of itself, whatever the header says
    if stated_size(stored) != (plane.rows, plane.columns, 1):
        raise ValueError("the codestream is damaged, or has another size than the header says")
    padded = stored + b"\0" * (len(stored) % 2)
    path = room / f"{next(_NUMBERS)}.dcm"
    layout = (plane.rows, plane.columns, plane.bits_allocated, plane.bits_stored, plane.high_bit)
    parts = [
        _header(plane.syntax, layout, signed=plane.signed),
        *(_FRAGMENT, struct.pack("<I", 0)),  # the table of frames: empty for one
        *(_FRAGMENT, struct.pack("<I", len(padded)), padded),
        _END_OF_FRAGMENTS,
    ]
    path.write_bytes(b"".join(parts))
    try:
        image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    except RuntimeError as error:
        raise ValueError("the decoder refuses the plane") from error
    finally:
        path.unlink()
    if image.GetSize()[:2] != (plane.columns, plane.rows) or image.GetNumberOfComponentsPerPixel() != 1:
        raise ValueError("the plane has another size than its header says")
    values: NDArray[Any] = sitk.GetArrayFromImage(image).reshape(plane.rows, plane.columns)
    return values


@lru_cache(maxsize=16)
def _header(syntax: str, layout: tuple[int, ...], *, signed: bool) -> bytes:
    """Return a DICOM file up to the compressed pixels, about nobody."""
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = UID(_CT_IMAGE), UID(_NO_INSTANCE)
    dataset.Modality = "CT"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    names = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit")
    for name, value in zip(names, layout, strict=True):
        setattr(dataset, name, value)
    dataset.PixelRepresentation = int(signed)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = UID(_CT_IMAGE)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(_NO_INSTANCE)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue() + b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff"
