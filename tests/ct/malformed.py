"""Makes files that no scanner writes, byte by byte."""

import gzip
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLSLossless,
    RLELossless,
)

from .chests import chest
from .dicom_files import write_series
from .plain_files import nifti_bytes, write_mha, write_nifti, write_nrrd

MIB = 1 << 20
# The image of the series that is spoiled: neither the first nor the last.
SPOILED = 3
ROWS, COLUMNS, FRAMES = (0x28, 0x10), (0x28, 0x11), (0x28, 0x08)
PIXELS = (0x7FE0, 0x10)


def at(raw, tag):
    """Where an element with an explicit representation begins."""
    place = raw.index(struct.pack("<HH", *tag), 132)
    assert raw[place + 4 : place + 6].isalpha()
    return place


def with_bytes(raw, place, new):
    return raw[:place] + new + raw[place + len(new) :]


def element(tag, vr, value):
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", *tag, vr, len(value)) + value


def with_element(raw, tag, vr, value):
    """Replace an element, or put it in before the pixels."""
    try:
        place = at(raw, tag)
        (length,) = struct.unpack_from("<H", raw, place + 6)
        rest = raw[place + 8 + length :]
    except ValueError:
        place = at(raw, PIXELS)
        rest = raw[place:]
    return raw[:place] + element(tag, vr, value) + rest


def inserted(raw, before, new):
    place = at(raw, before)
    return raw[:place] + new + raw[place:]


def nested(depth, *, stated):
    """A sequence in a sequence, and so on; unending ones, or with true lengths."""
    if not stated:
        begin = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
        end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
        return begin * depth + end * depth
    made = b""
    for _ in range(depth):
        made = struct.pack("<HHI", 0xFFFE, 0xE000, len(made)) + made
        made = struct.pack("<HH2sHI", 0x08, 0x1115, b"SQ", 0, len(made)) + made
    return made


def fragments(*pieces):
    """Compressed pixel data: an empty table, the pieces, the end."""
    items = [struct.pack("<HHI", 0xFFFE, 0xE000, len(piece)) + piece for piece in (b"", *pieces)]
    return b"".join(items) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def in_syntax(raw, syntax, pixels=None):
    """The same image with its pixels as given, or packed, and another transfer syntax."""
    image = pydicom.dcmread(io.BytesIO(raw))
    if pixels is not None:
        image.PixelData = pixels
        image["PixelData"].VR = "OB"
        image["PixelData"].is_undefined_length = True
    elif syntax == RLELossless:
        image.compress(RLELossless)
    image.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True, implicit_vr=False, little_endian=True)
    return buffer.getvalue()


def deflated_bomb(raw):
    """A deflated dataset that goes on with zeros for four gigabytes."""
    whole = in_syntax(raw, DeflatedExplicitVRLittleEndian)
    (length,) = struct.unpack_from("<I", whole, 140)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = zlib.decompress(whole[144 + length :], -15)[:200]
    pieces = [whole[: 144 + length], packer.compress(begin)]
    zeros = bytes(MIB)
    pieces += [packer.compress(zeros) for _ in range(64)]
    block = packer.compress(zeros) + packer.compress(zeros)
    pieces += [block] * 2000
    return b"".join(pieces) + packer.flush()


def spoiled_images(raw):
    """Each way of spoiling one image of a series: its name, its bytes."""
    yield from _cut(raw)
    yield from _lying_lengths(raw)
    yield from _structures(raw)
    yield from _values(raw)
    yield from _packed(raw)
    yield "deflated bomb", deflated_bomb(raw)


def _cut(raw):
    pixels = at(raw, PIXELS)
    meta_bytes = struct.unpack_from("<I", raw, 140)[0]
    places = {
        "after nothing": 0,
        "in the preamble": 100,
        "after the magic": 132,
        "in the meta group": 150,
        "after the meta group": 144 + meta_bytes,
        "in the header": at(raw, ROWS) + 3,
        "before the pixels": pixels,
        "in the pixels' tag": pixels + 6,
        "in the pixels": pixels + 300,
        "before the last byte": len(raw) - 1,
    }
    for name, size in places.items():
        yield f"cut {name}", raw[:size]


def _lying_lengths(raw):
    description, pixels = at(raw, (0x08, 0x103E)), at(raw, PIXELS)
    for value in (1, 0x7FFF, 0xFFFF):
        yield f"text of {value}", with_bytes(raw, description + 6, struct.pack("<H", value))
    for value in (0, 10, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF):
        yield f"pixels of {value}", with_bytes(raw, pixels + 8, struct.pack("<I", value))
    for value in (0, 1, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"meta of {value}", with_bytes(raw, 140, struct.pack("<I", value))
    for value in (0x7FFFFFFE, 0xFFFFFFFE, 0xFFFFFFFF):
        unknown = struct.pack("<HH2sHI", 0x09, 0x10, b"UN", 0, value)
        yield f"unknown of {value}", inserted(raw, (0x10, 0x10), unknown)
    yield "text before its time", with_bytes(raw, description, struct.pack("<HH", 0x28, 0x103E))


def _structures(raw):
    name = (0x10, 0x10)
    yield "10,000 sequences, unending", inserted(raw, name, nested(10_000, stated=False))
    yield "2,000 sequences, with lengths", inserted(raw, name, nested(2_000, stated=True))
    yield "sequences that never end", inserted(raw, name, nested(10_000, stated=False)[:200_000])
    items = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\0\0\0\0" * 20_000
    yield "items without end", inserted(raw, name, items)
    yield "an item of four gigabytes", inserted(raw, name, items[:12] + b"\xfe\xff\0\xe0\xfe\xff\xff\xff")
    private = b"".join(struct.pack("<HH2sHH", 0x09, 0x1000 + i % 0xEFFF, b"SH", 2, 0) for i in range(30_000))
    yield "30,000 private elements", inserted(raw, name, private)
    yield "a megabyte of zeros", inserted(raw, name, bytes(MIB))
    rows = at(raw, ROWS)
    yield "group and element swapped", with_bytes(raw, rows, struct.pack("<HH", *reversed(ROWS)))
    yield "rows after the pixels", raw[:rows] + raw[rows + 10 :] + raw[rows : rows + 10]
    yield "big endian by name only", raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")
    yield "implicit by name only", raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
    yield "no such syntax", raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    for vr in (b"SQ", b"OB", b"UN", b"ZZ", b"\0\0", b"DS", b"FD", b"PN", b"AT"):
        yield f"rows as {vr!r}", with_bytes(raw, rows + 4, vr)
        yield f"series as {vr!r}", with_bytes(raw, at(raw, (0x20, 0x0E)) + 4, vr)


def _values(raw):
    for tag, vr, values in (
        ((0x20, 0x32), b"DS",
         (b"nan\\nan\\nan", b"inf\\0\\0", b"1e999\\0\\0", b"1\\2", b"a\\b\\c", b"\\\\", b"0\\0\\1e300")),
        ((0x20, 0x37), b"DS", (b"nan\\0\\0\\0\\1\\0", b"0\\0\\0\\0\\0\\0", b"1e200\\0\\0\\0\\1e200\\0")),
        ((0x28, 0x30), b"DS", (b"nan\\nan", b"inf\\1", b"0\\0", b"-1\\-1", b"1e-300\\1e300", b"")),
        ((0x28, 0x1053), b"DS", (b"nan", b"inf", b"1e999", b"0", b"-1", b"1e300", b"1_0", b"")),
        ((0x28, 0x1052), b"DS", (b"nan", b"-inf", b"1e300", b"9" * 5000, b"x")),
        ((0x18, 0x50), b"DS", (b"nan", b"inf", b"-5", b"1e300")),
        (FRAMES, b"IS", (b"0", b"-1", b"2147483647", b"99999999999999999999", b"1e3", b"x")),
        ((0x20, 0x13), b"IS", (b"9" * 400, b"-5", b"1.5", b"x")),
        ((0x20, 0x11), b"IS", (b"9" * 5000, b"1.5", b"x")),
        ((0x08, 0x05), b"CS", (b"ISO_IR 999", b"\\".join([b"ISO 2022 IR 87"] * 50), b"\xff" * 20)),
        ((0x10, 0x20), b"LO", (b"\xff\xfe" * 30, b"\x1b$B" * 9)),
        ((0x08, 0x103E), b"LO", (b"\x1b]0;title\x07\x1b[31m", b"\0" * 20, b"a" * 60_000)),
        ((0x08, 0x16), b"UI", (b"9" * 3000, b"..", b"")),
        ((0x20, 0x0E), b"UI", (b"", b"..")),
    ):  # fmt: skip
        for value in values:
            yield f"{tag[0]:04X},{tag[1]:04X} {value[:12]!r}", with_element(raw, tag, vr, value)
    for tag, values in (
        (ROWS, (0, 1, 65535)), (COLUMNS, (0, 1, 65535)), ((0x28, 0x02), (0, 3, 65535)),
        ((0x28, 0x100), (0, 1, 8, 32, 64, 65535)),
        ((0x28, 0x101), (0, 17, 65535)), ((0x28, 0x102), (0, 65535)),
        ((0x28, 0x103), (1, 2, 65535)),
    ):  # fmt: skip
        for value in values:
            yield (
                f"{tag[0]:04X},{tag[1]:04X} {value}",
                with_bytes(raw, at(raw, tag) + 8, struct.pack("<H", value)),
            )


def _packed(raw):
    rng = np.random.default_rng(7)
    for syntax, stream in codestreams(raw).items():
        short = syntax.name.split(" ")[0] + syntax[-2:]
        yield f"{short}, empty", in_syntax(raw, syntax, fragments(b""))
        yield f"{short}, cut", in_syntax(raw, syntax, fragments(stream[: len(stream) // 4 * 2]))
        noise = rng.integers(0, 256, len(stream), np.uint8).tobytes()
        yield f"{short}, noise", in_syntax(raw, syntax, fragments(noise))
        yield (
            f"{short}, noise after the head",
            in_syntax(raw, syntax, fragments(stream[:60] + noise[60:])),
        )
        half = len(stream) // 4 * 2
        turned = fragments(stream[half:], stream[:half])
        yield f"{short}, two fragments", in_syntax(raw, syntax, fragments(stream[:half], stream[half:]))
        yield f"{short}, fragments in the wrong order", in_syntax(raw, syntax, turned)
        whole = in_syntax(raw, syntax, fragments(stream))
        yield f"{short}, no end", whole[:-8]
        place = at(whole, PIXELS) + 12
        yield f"{short}, a table of four gigabytes", with_bytes(whole, place + 4, b"\xfe\xff\xff\xff")
        yield f"{short}, 65k x 65k", _of_65k(whole)
    yield "J2K that says 65k x 65k itself", in_syntax(raw, JPEG2000Lossless, fragments(_j2k(size=65535)))


def _of_65k(raw):
    for tag in (ROWS, COLUMNS):
        raw = with_bytes(raw, at(raw, tag) + 8, struct.pack("<H", 65535))
    return raw


def codestreams(raw):
    """Compressed pixels of the image's size, or the head of such and noise, for each syntax."""
    return {
        JPEGLossless: _jpeg_lossless(),
        JPEG2000Lossless: _j2k(),
        JPEGLSLossless: _jpeg_ls(),
        RLELossless: _rle(raw),
    }


def _jpeg_lossless(size=20):
    head = b"\xff\xd8\xff\xc3\0\x0b\x10" + struct.pack(">HH", size, size) + b"\x01\x01\x11\0"
    head += b"\xff\xc4\0\x1c\0" + bytes([0, 1, 5, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]) + bytes(range(9))
    return head + b"\xff\xda\0\x08\x01\x01\0\x01\0\0" + bytes(range(200)) + b"\xff\xd9"


def _j2k(size=20):
    """The head of a JPEG 2000 codestream and some of its data."""
    siz = struct.pack(">HIIIIIIIIH3B", 0, size, size, 0, 0, size, size, 0, 0, 1, 15, 1, 1)
    cod = bytes.fromhex("00 00 00 01 00 05 03 03 00 00")
    qcd = bytes.fromhex("40 20 28 28 30 28 28 30 28 28 30 28 28 30 28 28 30")
    head = b"\xff\x4f\xff\x51" + struct.pack(">H", 2 + len(siz)) + siz
    head += b"\xff\x52" + struct.pack(">H", 2 + len(cod)) + cod
    head += b"\xff\x5c" + struct.pack(">H", 2 + len(qcd)) + qcd
    return head + b"\xff\x90\0\x0a\0\0\0\0\0\0\0\1\xff\x93" + bytes(range(200)) + b"\xff\xd9"


def _jpeg_ls(size=20):
    head = b"\xff\xd8\xff\xf7\0\x0b\x10" + struct.pack(">HH", size, size) + b"\x01\x01\x11\0"
    return head + b"\xff\xda\0\x08\x01\x01\0\0\0\0" + bytes(range(200)) + b"\xff\xd9"


def _rle(raw):
    image = pydicom.dcmread(io.BytesIO(raw))
    image.compress(RLELossless)
    stream = next(generate_frames(image.PixelData, number_of_frames=1))
    return stream + bytes(len(stream) % 2)


def spoiled_series(folder: Path):
    """Folders of a series in which one image is spoiled: name, folder, file."""
    images = write_series(folder / "whole", chest())
    raw = images[SPOILED].read_bytes()
    for i, (name, made) in enumerate(spoiled_images(raw)):
        place = folder / f"{i:03d}"
        place.mkdir()
        for image in images:
            if image != images[SPOILED]:
                os.link(image, place / image.name)
        (place / images[SPOILED].name).write_bytes(made)
        yield name, place


def whole_series_spoiled(folder: Path):
    """Series in which every image is spoiled in the same way: name, folder."""
    ways = {
        "all 65k x 65k": lambda raw: with_element(_of_65k(raw), (0x28, 0x30), b"DS", b"0.01\\0.01"),
        "all 8k x 8k": lambda raw: with_element(
            with_bytes(with_bytes(raw, at(raw, ROWS) + 8, b"\0\x20"), at(raw, COLUMNS) + 8, b"\0\x20"),
            (0x28, 0x30), b"DS", b"0.1\\0.1",
        ),
        "all cut": lambda raw: raw[: at(raw, PIXELS)],
        "all without a place": lambda raw: with_element(raw, (0x20, 0x32), b"DS", b""),
        "all at not a number": lambda raw: with_element(raw, (0x20, 0x32), b"DS", b"nan\\nan\\nan"),
        "all with noise for J2K": lambda raw: in_syntax(
            raw, JPEG2000Lossless, fragments(bytes(range(256)))
        ),
        "all with two billion frames": lambda raw: with_element(raw, FRAMES, b"IS", b"2147483647"),
    }  # fmt: skip
    for i, (name, way) in enumerate(ways.items()):
        for image in write_series(folder / f"all-{i}", chest()):
            image.write_bytes(way(image.read_bytes()))
        yield name, folder / f"all-{i}"


def spoiled_files(folder: Path):
    """Volumes in one file, each spoiled: name, path."""
    truth = chest()
    nii = nifti_bytes(truth)

    def made(name, suffix, raw):
        path = folder / f"{len(list(folder.iterdir()))}{suffix}"
        path.write_bytes(raw)
        return name, path

    zeros = gzip.compress(bytes(16 * MIB))
    yield made("gzip bomb after the voxels", ".nii.gz", gzip.compress(nii) + zeros * 200)
    large = nifti_bytes(truth, dim=[3, 8000, 8000, 8000, 1, 1, 1, 1])
    yield made("gzip bomb by the header", ".nii.gz", gzip.compress(large) + zeros * 20)
    yield made("gzip of empty members", ".nii.gz", gzip.compress(nii[:-2]) + gzip.compress(b"") * 500_000)
    tiny = b"".join(gzip.compress(bytes([byte]), 1) for byte in nii[352:1352])
    yield made("gzip of tiny members", ".nii.gz", gzip.compress(nii[:352]) + tiny * 50)
    for size in (0, 1, 10, 200, 347, 348, 352, 400, 9000):
        yield made(f"nii of {size} bytes", ".nii", nii[:size])
        yield made(f"nii.gz of {size} bytes", ".nii.gz", gzip.compress(nii)[:size])
    for value in ("nan", "inf", "-inf"):
        values = np.full(truth.shape, -900.0, np.float32)
        values[3, 4, 5] = float(value)
        raw = nifti_bytes(truth, dtype="f4")
        yield made(f"voxels of {value}", ".nii", raw[:352] + values.tobytes())
        slope = nii[:112] + struct.pack("<2f", float(value), 0.0) + nii[120:]
        yield made(f"slope of {value}", ".nii", slope)
        spacing = nifti_bytes(truth, sform=0)
        yield made(f"spacing of {value}", ".nii", with_bytes(spacing, 80, struct.pack("<f", float(value))))
    fields = {
        "a number of 5,000 digits": {"sizes": "9" * 5000 + " 18 16"},
        "a number of 400 digits": {"sizes": "9" * 400 + " 18 16"},
        "a number with an underscore": {"sizes": "2_0 18 16"},
        "negative sizes": {"sizes": "-20 -18 16"},
        "a million brackets": {"space_directions": "(" * 900_000},
        "not a number": {"space_directions": "(nan,0,0) (0,1,0) (0,0,1)"},
        "infinite": {"space_origin": "(inf,0,0)"},
        "beyond every float": {"space_directions": "(1e999,0,0) (0,1,0) (0,0,1)"},
        "65k x 65k": {"sizes": "65535 65535 16"},
        "large but allowed": {"sizes": "8000 8000 8000"},
    }
    for name, field in fields.items():
        yield f"nrrd, {name}", write_nrrd(folder / f"{len(name)}-{name[:5]}.nrrd", truth, **field)
    for name, field in {
        "digits": {"DimSize": "9" * 5000 + " 18 16"}, "not numbers": {"ElementSpacing": "nan inf -1"},
        "channels": {"ElementNumberOfChannels": "65535"}, "large": {"DimSize": "8000 8000 8000"},
        "many": {"TransformMatrix": "1 " * 20_000}, "another file": {"drop": (), "data_file": "raw.raw"},
    }.items():  # fmt: skip
        yield f"mha, {name}", write_mha(folder / f"{name}.mha", truth, **field)
    outside = write_mha(folder / "outside.mhd", truth, data_file="raw2.raw")
    outside.write_text(outside.read_text().replace("raw2.raw", "../../../../../../etc/passwd"))
    yield "mhd that leads out", outside
    bomb = folder / "bomb.mha"
    head = write_mha(bomb, truth).read_bytes().split(b"LOCAL\n")[0] + b"LOCAL\n"
    packer = zlib.compressobj(9)
    bomb.write_bytes(head + b"".join(packer.compress(bytes(MIB)) for _ in range(300)) + packer.flush())
    yield "zlib bomb", bomb
    yield "nii in another's name", write_nifti(folder / "a.nii", truth).rename(folder / "a.mha")
