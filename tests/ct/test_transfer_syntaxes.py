"""Every way of compressing a CT is read: bit by bit if it keeps every bit, else within bounds and warned."""

import base64
import io
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pydicom
import pytest
from jpeg_ls import encode_array
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from clearlung.ct import read_scan
from clearlung.errors import ScanRejected

from . import transcode
from .chests import assert_same_place, chest
from .dicom_files import write_series

LOSSLESS = [JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless]
# Bits stored, signed, and the intercept that goes with them.
STORED = {
    "12": (12, False, -1024),
    "16": (16, False, -1024),
    "12 signed": (12, True, 0),
    "16 signed": (16, True, -24),
}
# A plane of this test (see `striped`), compressed by OpenJPH, since nothing that is installed writes it.
STREAMS = {
    HTJ2KLossless: (
        "/0//UQApQAAAAAAUAAAAEgAAAAAAAAAAAAAAFAAAABIAAAAAAAAAAAABDwEB/1AACAACAAAACv9SAAwAAgABAAUEBEAB/1wAEyCI"
        "kJCQkJCQkJCQkJCQiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4yNi4zLv+QAAoAAAAAAh4AAf+TwAAmi/wFB3QAwAATQAASwAASgFr+"
        "Agd0ANwBB3QAoAEHdADAABPAABPAABMABAX1Aot0APrDigDCNACm+wMHdADAABWQAAVsAAFSMly8hVkzaPE4o5QAi5yDvHrkZgAR"
        "gb+WAP0Cwxb1AIOUAMAAF1MAAFuQAAXQADTG7LRrgMA/Uk/dIYlA4ogCApIp64NIQUK9+QABYhfc7HEiG8QgE54AMiUcanJkIUqC"
        "CJyN8U//G4rfJGkH3F4wgah6ADoGRJKiwUIAHw+PARs/IkAc7ERWFgEzZJIiC8QgIpsAwAAvaoAAXs8AAL1Uho27buWGcdvZWJVt"
        "9Ddu4+yWYQMOim8ORkh7BW6DlA04GIEC+VnYgANa+KZghPhX4OACBSTYgIMRRKDDkwsMwJtvESqYoxMDKvgAg0pj8jDLoQgyFtvb"
        "OHgi0MhVoAGQcAVoA1SIGWa2AdbREwRCQSAS9J9ABg10ELrD4nA0Go3GBBQ4IIECCUTQwAQUOHBgwED3NLmrRvRQF8vW0xIHSIGA"
        "gAQAaMCBCTin4JWSpBWxkuoAPpJfv73NBCEAK4YuK1Yp1R8RoM0IEGMCFBiSngG8etM7OJraeoMGDga4uTU2NDY4Ojga23oDhw4c"
        "OuTQvZubE9t6eedt6+boHA0qq6sc6R1U0xvzPHP4ACzpnJ/hAEnWART9YOL1z9MGOsMIImBE9rsB/9k="
    ),
    HTJ2K: (
        "/0//UQApQAAAAAAUAAAAEgAAAAAAAAAAAAAAFAAAABIAAAAAAAAAAAABDwEB/1AACAACAAAAJf9SAAwAAgABAAUEBEAA/1wAIyKP"
        "dI9Fj0WPF4dch1yHPX+qf6p/wmg1aDVoeGAaYBpvv/9kABcAAU9wZW5KUEggVmVyIDAuMjYuMy7/kAAKAAAAAAD1AAH/k8AAJpcF"
        "BYd0AMAAJYAASwAAlPIBB3QA2ACHdAD4AMd0AMAATwABPAAEoOpM/gGLdADC1P4AYjQAtgEHdADAAKmAAVEAAlDDrNiL9zgjlAC8"
        "jOEAZLZVAJVqM5MAwALUgAWhAArAo2CQw/EpXr/HkNEIX/nEpvUQWQADG2XU9sob2Tkgx7+kjVgAhQKf9AMdfR//BVgAwAW9ABb8"
        "ACsAtBhDkEcBoIwQBiJEUoyC8IReVKp0FKI34B6AKc8AhRgkiCGC2H5NkAAAgQaWByR/QB2q3PKzIckmCABRAYPunr0w9OAyei56"
        "AP/Z"
    ),
}  # fmt: skip
LOSSY_WORDS = "compressed with loss"


@pytest.fixture(scope="module")
def truth():
    return chest((18, 18, 20))


def stored_as(bits, signed, intercept):
    def bend(header, i):
        hu = header.pixel_array.astype(np.int32) - 1024
        header.BitsStored, header.HighBit, header.PixelRepresentation = bits, bits - 1, int(signed)
        header.RescaleIntercept = str(intercept)
        header.PixelData = (hu - intercept).astype(np.int16 if signed else np.uint16).tobytes()

    return bend


@pytest.fixture(scope="module")
def compressed(tmp_path_factory, truth):
    """Folders of the same scan, by how its values are stored and how they are compressed."""
    folder = tmp_path_factory.mktemp("compressed")
    for name, how in STORED.items():
        write_series(folder / name / "plain", truth, bend=stored_as(*how))
        syntaxes = [*LOSSLESS, *([JPEGExtended12Bit] if name == "12" else [])]
        command = [sys.executable, transcode.__file__, folder / name / "plain", folder / name, *syntaxes]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def encapsulated(folder: Path, encode, syntax, **more):
    """Replace the pixels of each file by what encode(values) returns, in a syntax."""
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.PixelData = encapsulate([encode(header.pixel_array)])
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = syntax
        for name, value in more.items():
            setattr(header, name, value)
        header.save_as(path)


def is_lossy(scan):
    return any(LOSSY_WORDS in warning for warning in scan.warnings)


@pytest.mark.parametrize("stored", STORED)
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid[-3:])
def test_lossless_syntaxes_keep_every_bit(compressed, truth, stored, syntax):
    folder = compressed / stored / syntax.rsplit(".", 1)[1]
    assert pydicom.dcmread(next(folder.iterdir())).file_meta.TransferSyntaxUID == syntax
    scan = read_scan(folder)
    assert_same_place(scan.volume, truth)
    assert not is_lossy(scan)


def test_extended_jpeg_of_12_bits(compressed, truth):
    scan = read_scan(compressed / "12" / "51")
    assert np.abs(scan.volume.array - truth.array).max() <= 4
    assert is_lossy(scan)


def pil_encoded(values, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format=kind, **options)
    return buffer.getvalue()


def test_near_lossless_jpeg_ls(tmp_path, truth):
    for path in write_series(tmp_path, truth, bend=stored_as(*STORED["12"])):
        header = pydicom.dcmread(path)
        header.compress(JPEGLSNearLossless, jls_error=3)
        header.LossyImageCompression = "01"
        header.save_as(path)
    scan = read_scan(tmp_path)
    assert 0 < np.abs(scan.volume.array - truth.array).max() <= 3
    assert is_lossy(scan)


def test_lossy_jpeg_2000(tmp_path, truth):
    """Pillow's decoder is the reference."""

    def encode(values):
        options = {"irreversible": True, "quality_mode": "rates", "quality_layers": [3]}
        stream = pil_encoded(values, "JPEG2000", no_jp2=True, **options)
        expected.append(np.asarray(Image.open(io.BytesIO(stream))).astype(int) - 1024)
        return stream

    expected = []
    write_series(tmp_path, truth)
    encapsulated(tmp_path, encode, JPEG2000, LossyImageCompression="01")
    scan = read_scan(tmp_path)
    errors = [min(np.abs(plane - one).max() for one in expected) for plane in scan.volume.array.astype(int)]
    assert max(errors) <= 1
    assert not np.array_equal(scan.volume.array, truth.array)
    assert is_lossy(scan)


def test_baseline_jpeg_of_8_bits(tmp_path, truth):
    def bend(header, i):
        values = (header.pixel_array // 8).astype(np.uint8)
        header.BitsAllocated = header.BitsStored = 8
        header.HighBit = 7
        header.RescaleSlope = "8"
        header.PixelData = values.tobytes()

    write_series(tmp_path, truth, bend=bend)
    encapsulated(tmp_path, lambda values: pil_encoded(values, "JPEG", quality=100), JPEGBaseline8Bit)
    scan = read_scan(tmp_path)
    assert np.abs(scan.volume.array.astype(int) - truth.array).max() <= 3 * 8
    assert is_lossy(scan)  # the header does not say so, and there is no other


def striped():
    y, x = np.mgrid[:18, :20]
    plane = 20 + (7 * y + 13 * x) % 29
    plane[4:-4, 5:-5] += 1040
    return plane


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K])
def test_high_throughput_jpeg_2000(tmp_path, truth, syntax):
    stream = base64.b64decode(STREAMS[HTJ2K if syntax == HTJ2K else HTJ2KLossless])
    write_series(tmp_path, truth)
    encapsulated(tmp_path, lambda _: stream, syntax)
    error = np.abs(read_scan(tmp_path).volume.array + 1024 - striped())
    assert error.max() <= (40 if syntax == HTJ2K else 0)


def test_other_byte_orders(tmp_path, truth):
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        folder = tmp_path / syntax
        for path in write_series(folder, truth):
            header = pydicom.dcmread(path)
            big = syntax == ExplicitVRBigEndian
            header.PixelPaddingValue = 5
            if big:
                header.PixelData = header.pixel_array.astype(">u2").tobytes()
            header.file_meta.TransferSyntaxUID = syntax
            pydicom.dcmwrite(path, header, implicit_vr=not big, little_endian=not big)
        assert_same_place(read_scan(folder).volume, truth)


def test_deflated(tmp_path, truth):
    for path in write_series(tmp_path, truth):
        header = pydicom.dcmread(path)
        header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        header.save_as(path)
    assert_same_place(read_scan(tmp_path).volume, truth)


@pytest.mark.parametrize("bare", [ImplicitVRLittleEndian, "1.2.840.10008.1.2.1", ExplicitVRBigEndian])
@pytest.mark.parametrize("described", [False, True])
def test_without_preamble(tmp_path, truth, bare, described):
    for path in write_series(tmp_path, truth):
        header = pydicom.dcmread(path)
        if bare == ExplicitVRBigEndian:
            header.PixelData = header.pixel_array.astype(">u2").tobytes()
        header.file_meta.TransferSyntaxUID = bare
        if not described:
            del header.file_meta
        header.preamble = None
        pydicom.dcmwrite(path, header, implicit_vr=bare == ImplicitVRLittleEndian,
                         little_endian=bare != ExplicitVRBigEndian, enforce_file_format=False)  # fmt: skip
        assert path.read_bytes()[128:132] != b"DICM"
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert len(scan.warnings) == 1


def test_what_only_begins_like_dicom_is_passed_over(tmp_path, truth):
    write_series(tmp_path, truth)
    (tmp_path / "notes").write_bytes(b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100 is how this begins, and it goes on")
    (tmp_path / "more").write_bytes(b"\x02\0\0\0UL\x04\0")
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert scan.warnings[-1] == "Passed over: 2 files that are not DICOM."


def test_a_compressed_image_in_several_fragments_and_a_cut_one(tmp_path, truth):
    paths = write_series(tmp_path, truth)
    for path in paths:
        header = pydicom.dcmread(path)
        header.compress(JPEGLSLossless, generate_instance_uid=False)
        frame = next(pydicom.encaps.generate_frames(header.PixelData, number_of_frames=1))
        header.PixelData = encapsulate([frame], fragments_per_frame=3, has_bot=False)
        header.save_as(path)
    assert_same_place(read_scan(tmp_path).volume, truth)
    paths[4].write_bytes(paths[4].read_bytes()[:-40])
    with pytest.raises(ScanRejected, match="image 5 at") as caught:
        read_scan(tmp_path)
    assert caught.value.code == "unreadable"


def test_plain_pixels_under_the_name_of_a_compression(tmp_path, truth):
    """Exports exist that decompress and leave the old name."""
    for path in write_series(tmp_path, truth):
        raw = path.read_bytes()
        header = pydicom.dcmread(path)
        length = len(header.file_meta.TransferSyntaxUID)
        assert length == 19
        path.write_bytes(raw.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_a_codestream_of_another_size_is_refused_before_it_is_decoded(tmp_path, truth):
    write_series(tmp_path, truth, bend=stored_as(*STORED["12"]))
    encapsulated(tmp_path, lambda values: bytes(encode_array(np.tile(values, (2, 1)))), JPEGLSNearLossless)
    with pytest.raises(ScanRejected, match="cannot be decoded"):
        read_scan(tmp_path)


def test_a_deflated_file_that_inflates_beyond_any_scan(tmp_path, truth, monkeypatch):
    monkeypatch.setattr("clearlung.ct.dicom_file.RATIO_FREE_BYTES", 100)
    path = write_series(tmp_path, truth)[3]
    raw = path.read_bytes()
    meta = 144 + int.from_bytes(raw[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(raw[meta:] + bytes(1 << 20)) + packer.flush()
    name = b"1.2.840.10008.1.2.1.99"
    short = b"1.2.840.10008.1.2.1\0"
    assert short in raw[:meta]
    place = raw.index(short) - 2
    described = raw[:place] + len(name).to_bytes(2, "little") + name + raw[place + 2 + len(short) : meta]
    grown = (int.from_bytes(raw[140:144], "little") + 2).to_bytes(4, "little")
    path.write_bytes(described[:140] + grown + described[144:] + body)
    with pytest.raises(ScanRejected) as caught:
        read_scan(tmp_path)
    assert caught.value.code == "unreadable"


def test_without_preamble_in_an_archive(tmp_path, truth):
    folder = tmp_path / "bare"
    with zipfile.ZipFile(tmp_path / "bare.zip", "w") as archive:
        for path in write_series(folder, truth):
            path.write_bytes(path.read_bytes()[132:])
            archive.write(path, path.name)
    assert_same_place(read_scan(tmp_path / "bare.zip").volume, truth)
    with pytest.raises(ScanRejected, match="single image"):
        read_scan(next(folder.iterdir()))
