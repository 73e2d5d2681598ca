"""DICOM's run-length encoding: one segment of PackBits for each byte of a word, the highest first."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

HEADER_BYTES = 64
MAX_SEGMENTS = 15


def decode_rle(encoded: bytes, pixels: int, word_bytes: int) -> NDArray[np.unsignedinteger]:
    """Decode one plane.

    Parameters
    ----------
    encoded
        The plane's fragment, with its header of segment offsets.
    pixels
        Number of pixels.
    word_bytes
        Bytes per pixel.

    Returns
    -------
    ndarray of unsigned integers
        Shape (pixels,).

    Raises
    ------
    ValueError
        If it is damaged or cut short.

    References
    ----------
    DICOM PS3.5, annex G.
    """
    if len(encoded) < HEADER_BYTES:
        raise ValueError("the run-length header is cut short")
    count, *offsets = struct.unpack_from("<16I", encoded)
    if count != word_bytes or count > MAX_SEGMENTS:
        raise ValueError(f"{count} run-length segments for words of {word_bytes} bytes")
    bounds = [*offsets[:count], len(encoded)]
    words = np.empty((pixels, word_bytes), dtype=np.uint8)
    for place in range(count):
        segment = encoded[bounds[place] : bounds[place + 1]]
        # the highest byte comes first, and words are little endian
        words[:, word_bytes - 1 - place] = np.frombuffer(_unpack(segment, pixels), dtype=np.uint8)
    return words.reshape(-1).view(f"<u{word_bytes}")


def _unpack(segment: bytes, size: int) -> bytes:
    """Undo PackBits until ``size`` bytes are there."""
    out = bytearray()
    at, end = 0, len(segment)
    while len(out) < size and at < end:
        code = segment[at]
        if code < 128:
            out += segment[at + 1 : at + 2 + code]
            at += 2 + code
        elif code > 128:
            out += segment[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(out) < size:
        raise ValueError("the run-length segment is cut short")
    return bytes(out[:size])
