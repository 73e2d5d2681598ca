"""Changes that keep an input interesting: single elements and fields, inside packed data too."""

from __future__ import annotations

import gzip
import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

Change = Callable[[bytes, random.Random], bytes]

_NUMBERS = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_WORDS = (
    b"", b"0", b"-1", b"1", b"nan", b"inf", b"-inf", b"1e308", b"1e-308", b"65535", b"4294967296", b"9" * 30,
    b"1_0", b"\xff\xfe", b"\\\\", b"1\\2\\3", b" ", b"(", b"()", b"(1,2)", b"none", b"LOCAL", b"LIST",
    b"../a", b"/dev/zero", b"\x00", b"\xe2\x91\xa0", b"1/2", b"True", b"\x1b$B",
)  # fmt: skip
_VRS = (
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
)
_ELEMENT = re.compile(rb"[\x02\x08\x10\x18\x20\x28]\x00[\x00-\x53]{2}(?:[A-Z]{2})?", flags=re.DOTALL)
_NESTED = b"\x08\x00\x15\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
_NIFTI_FIELDS = {
    "i": (0,),
    "h": (40, 42, 44, 46, 48, 70, 72, 252, 254),
    "f": (76, 80, 84, 88, *range(108, 120, 4), *range(256, 296, 4), 304, 324),
}
_FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-38, 1e38, float("nan"), float("inf"), float("-inf"), 352.0, 1e9)
MAX_NESTED = 3000


def change(raw: bytes, kind: int, rng: random.Random) -> bytes:
    """Return the file changed in one place that its format knows of."""
    return _CHANGES[kind](raw, rng)


def _dicom(raw: bytes, rng: random.Random) -> bytes:
    places = [found.start() for found in _ELEMENT.finditer(raw, 132)]
    if not places:
        return raw[: rng.randrange(len(raw) + 1)]
    at = rng.choice(places)
    end = next((place for place in places if place > at), len(raw))
    pieces: list[Callable[[], bytes]] = [
        lambda: raw[:at] + raw[end:],
        lambda: raw[:end] + raw[at:end] + raw[end:],
        lambda: raw[:at] + _NESTED * rng.choice((1, 50, MAX_NESTED)) + raw[at:],
        lambda: raw[: at + 4] + rng.choice(_VRS.split()) + raw[at + 6 :],
        lambda: raw[: at + 6] + struct.pack("<H", rng.choice(_NUMBERS) & 0xFFFF) + raw[at + 8 :],
        lambda: raw[: at + 4] + struct.pack("<I", rng.choice(_NUMBERS)) + raw[at + 8 :],
        lambda: raw[: at + 8] + _fit(rng.choice(_WORDS), end - at - 8) + raw[end:],
        lambda: _with_value(raw, at, end, rng.choice(_WORDS)),
        lambda: _with_value(raw, at, end, struct.pack("<I", rng.choice(_NUMBERS))[: rng.choice((2, 4))]),
        lambda: raw[:at] + raw[at + 2 : at + 4] + raw[at : at + 2] + raw[at + 4 :],
        lambda: raw[: rng.randrange(at, end)],
    ]
    return rng.choice(pieces)()


def _fit(value: bytes, size: int) -> bytes:
    return value[: max(0, size)].ljust(max(0, size))


def _with_value(raw: bytes, at: int, end: int, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return raw[: at + 6] + struct.pack("<H", len(value)) + value + raw[end:]


def _nifti(raw: bytes, rng: random.Random) -> bytes:
    changed = bytearray(raw)
    form = rng.choice("ihff")
    at = rng.choice(_NIFTI_FIELDS[form])
    value = rng.choice(_FLOATS) if form == "f" else rng.choice(_NUMBERS)
    if form != "f":
        bits = 16 if form == "h" else 32
        value = (int(value) & ((1 << bits) - 1)) - ((int(value) & (1 << (bits - 1))) << 1)
    if len(changed) >= 348:
        struct.pack_into("<" + form, changed, at, value)
    return bytes(changed)


def _gzipped(raw: bytes, rng: random.Random) -> bytes:
    try:
        inside = zlib.decompressobj(31).decompress(raw, 1 << 16)
    except zlib.error:
        return raw
    packed = gzip.compress(_nifti(inside, rng), 1)
    return rng.choice((packed, packed, packed + packed, packed + gzip.compress(b"") * 20, packed[:-4]))


def _text(raw: bytes, rng: random.Random) -> bytes:
    lines = raw.split(b"\n")
    fields = [i for i, line in enumerate(lines[:20]) if re.match(rb"[ -~]+[:=]", line)]
    if not fields:
        return raw
    i = rng.choice(fields)
    key, sign, value = re.split(rb"([:=] ?)", lines[i], maxsplit=1)
    words = value.split()
    if words and rng.random() < 0.7:
        words[rng.randrange(len(words))] = rng.choice(_WORDS)
        lines[i] = key + sign + b" ".join(words)
    else:
        lines[i] = rng.choice((b"", key + sign + rng.choice(_WORDS), lines[i] + b"\n" + lines[i]))
    return b"\n".join(lines)


def _zip(raw: bytes, rng: random.Random) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inside = [(info.orig_filename, archive.read(info)) for info in archive.infolist()[:8]]
    except Exception:  # whatever: it is damaged already
        return raw
    i = rng.randrange(len(inside)) if inside else None
    if i is None:
        return raw
    name, content = inside[i]
    if rng.random() < 0.5:
        content = _dicom(content, rng) if content[128:132] == b"DICM" else _gzipped(content, rng)
    else:
        name = rng.choice(("../a", "/a", "C:\\a", "a" * 2000, "a\x01", name, inside[0][0], "ä"))
    inside[i] = (name, content)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((0, 8))) as archive:
        for name, content in inside:
            archive.writestr(name, content)
    return _poked(buffer.getvalue(), rng) if rng.random() < 0.5 else buffer.getvalue()


def _poked(raw: bytes, rng: random.Random) -> bytes:
    """Change one number of the archive's directory."""
    at = rng.choice([found.start() for found in re.finditer(rb"PK\x01\x02|PK\x03\x04|PK\x05\x06", raw)])
    changed = bytearray(raw)
    offset = at + rng.choice((4, 6, 8, 10, 12, 16, 20, 24, 28, 30, 38, 42))
    value = struct.pack("<I", rng.choice(_NUMBERS))[: rng.choice((2, 4))]
    changed[offset : offset + len(value)] = value
    return bytes(changed)


_CHANGES: tuple[Change, ...] = (_dicom, _dicom, _nifti, _gzipped, _text, _text, _zip, _dicom, _dicom)
