"""What size a compressed image says that it has, before a decoder takes its word for it.

A codestream of 300 bytes may ask for gigabytes: decoders allocate what its own header says, which need not be
what the DICOM header says.
"""

from __future__ import annotations

import struct

_J2K_BEGIN = b"\xff\x4f\xff\x51"
# Boxes that may come before a JPEG 2000 codestream are short.
_MAX_BOXES_BYTES = 4096
_JPEG_BEGIN = b"\xff\xd8"
# Starts of frames of every JPEG process, and that of JPEG-LS; C4, C8 and CC are tables and extensions.
_FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def stated_size(codestream: bytes) -> tuple[int, int, int] | None:
    r"""Return what a JPEG, JPEG-LS or JPEG 2000 codestream says of its size.

    Returns
    -------
    (rows, columns, components), or None where it does not say it

    Examples
    --------
    >>> stated_size(b"\xff\xd8\xff\xc3\x00\x0b\x10\x02\x00\x01\x00\x01\x01\x11\x00")
    (512, 256, 1)
    """
    begin = codestream.find(_J2K_BEGIN, 0, _MAX_BOXES_BYTES)
    if begin >= 0 and len(codestream) >= begin + 42:
        columns, rows, left, top = struct.unpack_from(">4I", codestream, begin + 8)
        (components,) = struct.unpack_from(">H", codestream, begin + 40)
        return rows - top, columns - left, components
    return _jpeg_size(codestream) if codestream.startswith(_JPEG_BEGIN) else None


def _jpeg_size(codestream: bytes) -> tuple[int, int, int] | None:
    place = len(_JPEG_BEGIN)
    while place + 10 <= len(codestream) and codestream[place] == 0xFF:
        marker = codestream[place + 1]
        if marker in _FRAME_MARKERS:
            rows, columns = struct.unpack_from(">HH", codestream, place + 5)
            return rows, columns, codestream[place + 9]
        if marker == 0xFF:  # padding
            place += 1
            continue
        place += 2 + int.from_bytes(codestream[place + 2 : place + 4], "big")
    return None
