"""A zip of a study is read; one that is made to do harm is refused before anything of it is unpacked."""

import os
import shutil
import stat
import struct
import time
import zipfile

import numpy as np
import pytest

from clearlung.ct import IntakeLimits, archive, list_series, read_scan
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import PATIENT_ID, write_series
from .plain_files import write_mha, write_nifti, write_nrrd

NAME = "MUSTERFRAU_ERIKA"
MIB = 1 << 20


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    return write_series(tmp_path_factory.mktemp("series"), chest(), prefix=NAME)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    room = tmp_path / "rooms"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    yield
    assert not list(room.iterdir())


@pytest.fixture
def path(tmp_path):
    return tmp_path / f"{NAME}.zip"


def packed(path, contents, packing=zipfile.ZIP_DEFLATED):
    """Write an archive of names (or ZipInfos) and bytes."""
    with zipfile.ZipFile(path, "w", packing) as made:
        for name, content in contents:
            made.writestr(name, content)
    return path


def study(series, folder="", names=None):
    names = names or [f"{folder}{file.name}" for file in series]
    return [(name, file.read_bytes()) for name, file in zip(names, series, strict=True)]


def refused(path, code, match=None, **limits):
    begun = time.monotonic()
    with pytest.raises(ScanRejected, match=match) as caught:
        read_scan(path, limits=IntakeLimits(**limits))
    assert time.monotonic() - begun < 10.0
    assert caught.value.code == code, caught.value
    assert NAME not in str(caught.value)
    with pytest.raises(ScanRejected):
        list_series(path, limits=IntakeLimits(**limits))
    return str(caught.value)


def never_unpacked(monkeypatch):
    """From here on, unpacking anything at all is an error."""
    monkeypatch.setattr(archive, "_unpack", lambda *_: pytest.fail("something was unpacked"))


# Read


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("folder", ["", f"{NAME}/study 1/", "DICOM\\"])
def test_a_zip_of_a_study_is_the_scan_in_it(series, path, packing, folder):
    scan = read_scan(packed(path, study(series, folder), packing))
    truth = read_scan(series[0].parent)
    assert scan.volume.on_same_grid(truth.volume)
    np.testing.assert_array_equal(scan.volume.array, truth.volume.array)
    assert scan.input_sha256 == truth.input_sha256
    assert scan.warnings == truth.warnings
    assert scan.series == truth.series
    (info,) = list_series(path)
    assert info == list_series(series[0].parent)[0]


@pytest.mark.parametrize("name", ["study.zip", "study", "study.dcm"])
def test_its_content_says_that_it_is_one(series, tmp_path, name):
    assert read_scan(packed(tmp_path / name, study(series))).source == "dicom"


@pytest.mark.parametrize(
    ("write", "suffix"),
    [(write_nifti, ".nii"), (write_nifti, ".nii.gz"), (write_nrrd, ".nrrd"), (write_mha, ".mha")],
)
def test_a_zip_of_one_volume(tmp_path, path, write, suffix):
    file = write(tmp_path / f"a{suffix}", chest())
    scan = read_scan(packed(path, [("readme.txt", b"hello"), (f"{NAME}{suffix}", file.read_bytes())]))
    np.testing.assert_array_equal(scan.volume.array, chest().array)
    assert "1 files of the archive" in scan.warnings[-1]
    refused_series = pytest.raises(ScanRejected, match="with DICOM files has series")
    with refused_series:
        list_series(path)


def test_other_files_and_folders_are_passed_over(series, path):
    contents = [
        ("a/", b""),
        ("__MACOSX/._a", b"\0" * 200),
        *study(series, "a/"),
        ("a/viewer.exe", b"MZ" * 100),
    ]
    assert "2 files of the archive" in read_scan(packed(path, contents)).warnings[-1]


def test_images_without_preamble(series, path):
    bare = [(name, raw[132:]) for name, raw in study(series)]
    assert "16 slices" in read_scan(packed(path, bare)).series
    assert "16 slices" in read_scan(series[0].parent).series


def test_a_series_is_chosen_in_a_zip_too(series, path, tmp_path):
    other = write_series(tmp_path / "other", chest(seed=1), number=8, prefix="other")
    packed(path, study(series) + study(other))
    assert [info.number for info in list_series(path)] == [3, 8]
    assert "series 8" in read_scan(path, series="8").series


def test_zip64(series, path):
    with zipfile.ZipFile(path, "w") as made:
        for file in series:
            with made.open(file.name, "w", force_zip64=True) as member:
                member.write(file.read_bytes())
    assert read_scan(path).source == "dicom"


def test_an_archive_is_read_apart(series, path):
    scan = read_scan(packed(path, study(series)), isolated=True)
    np.testing.assert_array_equal(scan.volume.array, chest().array)


# Refused by the directory, before anything is unpacked


@pytest.mark.parametrize(
    "name",
    ["../a", "a/../../b", "/etc/passwd", "..\\a", "\\\\host\\share", "C:\\a", "C:a", "a\x1bb", "a" * 1025,
     f"../{NAME}"],
)  # fmt: skip
def test_a_name_that_leads_out(series, path, monkeypatch, name):
    never_unpacked(monkeypatch)
    message = refused(packed(path, [*study(series), (name, b"")]), "unsafe_archive", "member 17")
    assert name not in message


def test_a_name_that_goes_on_after_its_end(series, path, monkeypatch):
    never_unpacked(monkeypatch)
    packed(path, [*study(series), ("a.dcm_b", b"")])
    path.write_bytes(path.read_bytes().replace(b"a.dcm_b", b"a.dcm\0b"))
    refused(path, "unsafe_archive", "member 17")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices(series, path, monkeypatch, kind):
    never_unpacked(monkeypatch)
    member = zipfile.ZipInfo(f"{NAME}-link")
    member.create_system = 3
    member.external_attr = (kind | 0o777) << 16
    refused(packed(path, [*study(series), (member, b"/etc/passwd")]), "unsafe_archive", "link or a device")


def test_two_members_of_one_name(series, path, monkeypatch):
    never_unpacked(monkeypatch)
    with pytest.warns(UserWarning, match="Duplicate"):
        packed(path, [*study(series), (series[0].name, b"")])
    refused(path, "unsafe_archive", "same name")


def test_too_many_members(path, monkeypatch):
    never_unpacked(monkeypatch)
    packed(path, [(str(i), b"") for i in range(60_000)], zipfile.ZIP_STORED)
    refused(path, "too_large", "60000 members; the limit is 50000")


def test_too_much(series, path, monkeypatch):
    never_unpacked(monkeypatch)
    refused(packed(path, study(series)), "too_large", "bytes unpacked", unpacked_bytes=20_000)


def test_no_room_on_the_disk(series, path, monkeypatch):
    never_unpacked(monkeypatch)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10_000, 0, 10_000))
    refused(packed(path, study(series)), "too_large", "TMPDIR")


def test_a_bomb_of_zeros(path, monkeypatch):
    never_unpacked(monkeypatch)
    packed(path, [("a.dcm", bytes(80 * MIB))])
    assert path.stat().st_size < MIB
    refused(path, "unsafe_archive", "times its size")


def test_a_bomb_of_members_that_share_their_bytes(path, monkeypatch):
    """As by D. Fifield: every member is the one kernel, listed again and again."""
    never_unpacked(monkeypatch)
    packed(path, [("00000", bytes(MIB))])
    raw = path.read_bytes()
    at = raw.index(b"PK\x01\x02")
    entry, end = raw[at : raw.index(b"PK\x05\x06")], bytearray(raw[raw.index(b"PK\x05\x06") :])
    entries = b"".join(entry.replace(b"00000", b"%05d" % i) for i in range(1000))
    struct.pack_into("<HHI", end, 8, 1000, 1000, len(entries))
    path.write_bytes(raw[:at] + entries + bytes(end))
    assert len(zipfile.ZipFile(path).namelist()) == 1000
    refused(path, "unsafe_archive", "share the same bytes")


@pytest.mark.parametrize("bit", [0x1, 0x40, 0x2000])
def test_an_encrypted_one(series, path, monkeypatch, bit):
    never_unpacked(monkeypatch)
    raw = bytearray(packed(path, study(series)).read_bytes())
    struct.pack_into("<H", raw, raw.index(b"PK\x01\x02") + 8, bit)
    path.write_bytes(raw)
    refused(path, "unsupported_format", "encrypted")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packed_in_another_way(series, path, monkeypatch, packing):
    never_unpacked(monkeypatch)
    refused(packed(path, study(series), packing), "unsupported_format", "deflated")


def test_a_directory_that_is_too_large_is_not_read(path):
    raw = bytearray(packed(path, [("a", b"")]).read_bytes())
    size = 40 * MIB
    at = raw.index(b"PK\x05\x06")
    struct.pack_into("<I", raw, at + 12, size)
    path.write_bytes(bytes(size) + bytes(raw))
    path.write_bytes(b"PK\x03\x04" + path.read_bytes()[4:])
    refused(path, "too_large", "directory")


# Refused while it is unpacked


def directory_poked(path, field_at, value, form="<I", member=0):
    raw = bytearray(path.read_bytes())
    at = -1
    for _ in range(member + 1):
        at = raw.index(b"PK\x01\x02", at + 1)
    struct.pack_into(form, raw, at + field_at, value)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("size", [0, 100, 1500, 10 * MIB])
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_size_that_lies(series, path, size, packing):
    directory_poked(packed(path, study(series), packing), 24, size)
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    assert caught.value.code in ("unreadable", "unsafe_archive")


@pytest.mark.parametrize(
    ("field_at", "value", "form"),
    [(16, 7, "<I"), (20, 10, "<I"), (20, 0xFFFFFFFF, "<I"), (42, 0xFFFFFFF0, "<I"), (42, 7, "<I"),
     (28, 0xFFFF, "<H"), (10, 77, "<H")],
)  # fmt: skip
def test_a_directory_that_lies(series, path, field_at, value, form):
    directory_poked(packed(path, study(series)), field_at, value, form)
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    assert caught.value.code in ("unreadable", "unsafe_archive", "unsupported_format")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.99, 0.9999])
def test_one_that_is_cut_short(series, path, share):
    raw = packed(path, study(series)).read_bytes()
    path.write_bytes(raw[: max(4, int(len(raw) * share))])
    refused(path, "unreadable", "damaged or cut short")


def test_one_whose_middle_is_damaged(series, path):
    raw = bytearray(packed(path, study(series)).read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 100] = bytes(100)
    path.write_bytes(raw)
    refused(path, "unreadable")


def test_nothing_in_it(path):
    refused(packed(path, []), "no_ct_series")
    refused(packed(path, [("a.txt", b"hello"), ("b/", b"")]), "no_ct_series", "None of its 1 files")


def test_archives_in_an_archive_are_not_opened(series, path, tmp_path):
    inner = packed(tmp_path / "inner.zip", study(series))
    refused(packed(path, [("inner.zip", inner.read_bytes())]), "no_ct_series", "archives in it")


def test_several_volumes(path, tmp_path):
    raw = write_nifti(tmp_path / "a.nii", chest()).read_bytes()
    refused(packed(path, [("a.nii", raw), ("b.nii", raw)]), "mixed_series", "2 volumes")


def test_a_member_that_is_also_a_program(series, path):
    contents = study(series)
    contents[2] = (contents[2][0], b"MZ" + contents[2][1][2:])
    refused(packed(path, contents), "executable_preamble", "member 3")


def test_a_damaged_image_is_named_by_its_place(series, path):
    contents = study(series)
    contents[2] = (contents[2][0], contents[2][1][:600])
    message = refused_scan(packed(path, contents))
    assert "file 3" in message


def refused_scan(path):
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    assert NAME not in str(caught.value)
    assert PATIENT_ID not in str(caught.value)
    return str(caught.value)


def test_unpacked_files_are_nobody_elses(series, path, monkeypatch):
    seen = []
    write = archive._write

    def spied(target, *rest):
        seen.append((target, os.stat(target.parent.parent).st_mode & 0o077))
        write(target, *rest)

    monkeypatch.setattr(archive, "_write", spied)
    read_scan(packed(path, study(series)))
    assert len(seen) == len(series)
    assert all(mode == 0 and target.name[:6].isdigit() for target, mode in seen)
