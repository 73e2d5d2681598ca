"""Folders with pipes, devices, loops and crowds in them, and DICOM that is also something else."""

import os
import time

import pytest

from clearlung.ct import list_series, read_scan
from clearlung.ct.kind import check_preamble, kind_of
from clearlung.ct.limits import MAX_FILES
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import write_series


@pytest.fixture
def images(tmp_path):
    return write_series(tmp_path / "study", chest())


def refused(path, code, match=None, **options):
    begun = time.monotonic()
    with pytest.raises(ScanRejected, match=match) as caught:
        read_scan(path, **options)
    assert caught.value.code == code, caught.value
    assert time.monotonic() - begun < 20.0


def test_pipes_devices_and_loops_are_passed_over(images):
    folder = images[0].parent
    os.mkfifo(folder / "pipe.dcm")
    (folder / "zero.dcm").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(folder)
    (folder / "self").symlink_to("self")
    (folder / "nowhere.dcm").symlink_to("nowhere")
    (folder / "empty.dcm").touch()
    assert "16 slices" in read_scan(folder).series
    assert "16 slices" in read_scan(folder, isolated=True).series


@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
@pytest.mark.parametrize("isolated", [True, False])
def test_a_path_to_one_is_refused(tmp_path, kind, isolated):
    path = tmp_path / "scan.nii.gz"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    refused(path, "not_found" if kind == "loop" else "unsupported_format", isolated=isolated)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_what_may_not_be_opened(images):
    images[4].chmod(0)
    refused(images[0].parent, "unreadable", "rights")


def test_a_crowd_of_empty_files(tmp_path, monkeypatch):
    monkeypatch.setattr("clearlung.ct.dicom_headers.MAX_FILES", 2000)  # making 50,000 takes ten seconds
    for part in range(3):
        folder = tmp_path / f"{part}"
        folder.mkdir()
        for i in range(800):
            os.close(os.open(f"{folder}/{i}", os.O_CREAT))
    refused(tmp_path, "too_large", "more than 2000 files")
    assert MAX_FILES >= 20_000


BEGINS = [
    b"MZ\x90\0",
    b"\x7fELF\2\1",
    b"#!/bin/sh\n",
    b"PK\3\4",
    b"%PDF-1.7",
    b"\xcf\xfa\xed\xfe",
    b"<script>",
]


@pytest.mark.parametrize("begin", [*BEGINS, b"\x1f\x8b\x08"])
def test_dicom_that_is_also_a_program_or_an_archive(images, begin):
    raw = images[5].read_bytes()
    images[5].write_bytes(begin + raw[len(begin) :])
    for path in (images[0].parent, images[5]):
        refused(path, "executable_preamble", "first 128 bytes")
        with pytest.raises(ScanRejected, match="executable_preamble"):
            list_series(path)


@pytest.mark.parametrize("begin", [b"II*\0", b"MM\0*", b"\0\0", b"anything"])
def test_other_preambles_are_nobodys_business(images, begin):
    raw = images[5].read_bytes()
    images[5].write_bytes(begin + raw[len(begin) :])
    assert "16 slices" in read_scan(images[0].parent).series


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "unknown"),
        (b"PK", "unknown"),
        (bytes(128) + b"DICM", "dicom"),
        (b"PK\3\4" + bytes(124) + b"DICM", "dicom"),
        (b"PK\3\4" + bytes(200), "zip"),
        (b"NRRD0004\n", "nrrd"),
        (b"\x5c\1\0\0" + bytes(344), "nifti"),
        (b"\0\0\1\x5c" + bytes(344), "nifti"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"ObjectType = Image\n", "metaimage"),
        (b"\n NDims = 3\n", "metaimage"),
        (b"\x08\0\x08\0CS\x16\0ORIGINAL", "dicom"),
    ],
)
def test_the_kind_of_a_file(head, kind):
    assert kind_of(head) == kind
    if not head.startswith((b"PK", b"\x1f")):
        check_preamble(head, "here")
