"""Reading in a process of its own: the same scan, and whatever happens there comes back as a refusal."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from clearlung.ct import REJECTION_CODES, IntakeLimits, list_series, read_scan
from clearlung.ct.child import run_apart
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import write_series
from .plain_files import write_nifti

JOBS = "tests.ct.child_jobs"
MIB = 1 << 20


def rejected(job, code, **limits):
    with pytest.raises(ScanRejected) as caught:
        run_apart(f"{JOBS}:{job}", {}, IntakeLimits(**limits))
    assert caught.value.code == code
    assert code in REJECTION_CODES
    assert "Musterfrau" not in str(caught.value)
    return caught.value


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """No folder and no process, not even a dead one, is there afterwards."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    before = children()
    yield
    assert not list(tmp_path.glob("clearlung-*"))
    assert children() == before


def test_what_a_job_returns_comes_back():
    answer, array = run_apart(f"{JOBS}:answer", {}, IntakeLimits(seconds=30))
    assert answer["seconds"] == 30
    assert not Path(answer["room"]).exists()
    np.testing.assert_array_equal(array, np.arange(24).reshape(2, 3, 4))
    assert array.dtype == np.int16
    assert array.flags.writeable
    assert array.flags.owndata or array.base.flags.owndata
    assert run_apart(f"{JOBS}:nothing", {}) == (None, None)


def test_voxels_come_back_where_no_file_can_be_in_memory(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    _, array = run_apart(f"{JOBS}:answer", {})
    np.testing.assert_array_equal(array, np.arange(24).reshape(2, 3, 4))


def test_a_refusal_comes_back_as_it_was():
    error = rejected("rejects", "not_hu")
    assert error.where == "somewhere [odd: text]"
    assert str(error) == "The values are wrong. [not_hu: somewhere [odd: text]]"


@pytest.mark.parametrize(
    ("job", "where"),
    [
        ("fails", "RuntimeError"),
        ("recurses", "RecursionError"),
        ("leaves", "SystemExit"),
        ("crashes", "SIGSEGV"),
        ("aborts", "SIGABRT"),
        ("exits", "exit code 0"),
        ("forges_an_answer", "answer"),
        ("links_the_answer", "exit code 0"),
        ("writes_too_much", "OSError"),
        ("sends_complex_numbers", "answer"),
    ],
)
def test_a_child_that_fails_is_a_refusal(job, where):
    error = rejected(job, "decoder_failed")
    assert where in error.where
    assert "Export it again" in str(error)


@pytest.mark.parametrize("job", ["sleeps", "computes"])
def test_a_child_that_takes_too_long_is_ended(job):
    begun = time.monotonic()
    error = rejected(job, "took_too_long", seconds=1.5)
    assert time.monotonic() - begun < 5.0
    assert "1.5 s" in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
@pytest.mark.parametrize("job", ["eats", "eats_slowly"])
def test_a_child_that_takes_too_much_memory_is_refused(job):
    error = rejected(job, "too_large", memory_bytes=1024 * MIB)
    assert "IntakeLimits.memory_bytes" in str(error)


def test_what_a_decoder_prints_is_not_shown(capfd):
    run_apart(f"{JOBS}:chatters", {})
    assert capfd.readouterr() == ("", "")


# Parents that are ended

PARENT = f"""
from clearlung.ct import IntakeLimits
from clearlung.ct.child import run_apart
run_apart("{JOBS}:sleeps", {{}}, IntakeLimits(seconds=60))
"""


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"
    except OSError:
        return True


def waited(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_parent_that_is_ended_takes_the_child_and_its_files_with_it(tmp_path, number):
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    offspring = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    waited(lambda: list(tmp_path.glob("clearlung-*/work")))
    (child,) = offspring.read_text().split()
    process.send_signal(number)
    assert process.wait(10) != 0
    waited(lambda: gone(child) and not list(tmp_path.glob("clearlung-*")))


# Scans


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_series(folder / "dicom", chest())
    write_nifti(folder / "scan.nii.gz", chest(degrees=(5.0, 0.0, 0.0)))
    return folder


@pytest.mark.parametrize("name", ["dicom", "scan.nii.gz"])
def test_a_scan_read_apart_is_the_same(study, name):
    apart, here = (read_scan(study / name, isolated=isolated) for isolated in (True, False))
    assert apart.volume.on_same_grid(here.volume)
    np.testing.assert_array_equal(apart.volume.array, here.volume.array)
    np.testing.assert_array_equal(apart.volume.affine, here.volume.affine)
    for field in fields(apart):
        if field.name != "volume":
            assert getattr(apart, field.name) == getattr(here, field.name), field.name


def test_series_listed_apart_are_the_same(study):
    assert list_series(study / "dicom", isolated=True) == list_series(study / "dicom", isolated=False)


def test_apart_is_the_default():
    code = (
        "import json; from clearlung.ct import *; "
        "print(json.dumps([f.__kwdefaults__ for f in (read_scan, list_series)]))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(defaults["isolated"] for defaults in json.loads(shown))


def test_a_module_in_the_working_folder_is_not_taken_for_ours(study, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("import os; os._exit(7)")
    (tmp_path / "numpy.py").write_text("import os; os._exit(7)")
    monkeypatch.chdir(tmp_path)
    assert read_scan(study / "dicom", isolated=True).source == "dicom"


def test_a_relative_path_with_odd_letters(study, tmp_path, monkeypatch):
    odd = os.fsdecode(b"M\xfcller 'x'.nii.gz")
    (tmp_path / odd).write_bytes((study / "scan.nii.gz").read_bytes())
    monkeypatch.chdir(tmp_path)
    assert read_scan(odd, isolated=True).source == "nifti"


def test_a_refusal_of_reading_comes_back(tmp_path):
    with pytest.raises(ScanRejected) as caught:
        read_scan(write_nifti(tmp_path / "a.nii", chest(), qform=0, sform=0), isolated=True)
    assert caught.value.code == "no_orientation"
