"""However bytes are damaged, the answer is a scan or a reasoned refusal, never a traceback."""

import contextlib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.ct import REJECTION_CODES, list_series, read_scan, write_volume
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import write_series
from .plain_files import write_nifti

HEADER_BYTES = {"scan.nii": 352, "scan.nrrd": 420, "scan.mha": 330}
damages = st.lists(
    st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6
)


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    write_nifti(folder / "scan.nii", chest())
    for name in ("scan.nrrd", "scan.mha"):
        write_volume(chest(), folder / name)
    dicom = write_series(folder / "dicom", chest())
    return {path.name: path.read_bytes() for path in folder.glob("scan.*")}, [
        path.read_bytes() for path in dicom
    ]


def damaged(raw, damages, reach):
    raw = bytearray(raw)
    for where, value in damages:
        raw[int(where * reach)] = value
    return bytes(raw)


@contextlib.contextmanager
def documented():
    try:
        yield
    except ScanRejected as rejected:
        assert rejected.code in REJECTION_CODES  # noqa: PT017


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(HEADER_BYTES)), damages=damages)
def test_damaged_headers_of_files(originals, name, damages):
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(damaged(originals[0][name], damages, HEADER_BYTES[name]))
        with documented():
            read_scan(path)


@settings(max_examples=60, deadline=None)
@given(damages=damages, cut=st.floats(0.0, 1.0))
def test_damaged_and_cut_dicom_files(originals, damages, cut):
    with TemporaryDirectory() as folder:
        for i, raw in enumerate(originals[1]):
            Path(folder, f"{i}.dcm").write_bytes(raw)
        header_bytes = originals[1][3].rindex(b"\xe0\x7f\x10\x00")
        raw = damaged(originals[1][3], damages, header_bytes)
        Path(folder, "3.dcm").write_bytes(raw[: int(len(raw) * cut)] if cut < 0.5 else raw)
        with documented():
            read_scan(folder)
        with documented():
            list_series(folder)


def test_a_class_that_cannot_be_read_is_damage_and_no_other_object(originals, tmp_path):
    for i, raw in enumerate(originals[1]):
        (tmp_path / f"{i}.dcm").write_bytes(raw)
    raw = bytearray(originals[1][3])
    place = raw.index(b"\x08\x00\x16\x00UI")
    raw[place + 5] = 0xFB
    (tmp_path / "3.dcm").write_bytes(raw)
    with pytest.raises(ScanRejected) as caught:
        read_scan(tmp_path)
    assert caught.value.code == "unreadable"
