"""Multi-frame CT is read as the same planes in files of their own would be."""

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from clearlung.ct import list_series, read_scan
from clearlung.errors import ScanRejected

from .chests import assert_same_place, chest
from .dicom_files import write_enhanced, write_series

SHAPE = (18, 18, 20)
SHUFFLED = [int(i) for i in np.random.default_rng(5).permutation(SHAPE[0])]


@pytest.fixture(scope="module")
def truth():
    return chest(SHAPE, degrees=(4.0, -7.0, 3.0))


def refused(path, code):
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    assert caught.value.code == code, caught.value
    return str(caught.value)


def compressed(syntax, **options):
    def bend(header):
        header.compress(syntax, generate_instance_uid=False, **options)

    return bend


def deflated(header):
    header.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian


@pytest.mark.parametrize("legacy", [False, True])
def test_frames_in_any_order(tmp_path, truth, legacy):
    write_enhanced(tmp_path / "a.dcm", truth, order=SHUFFLED, legacy=legacy)
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert scan.series == "series 5, 'Thorax enhanced', 18 slices of 20 x 18"
    assert len(scan.warnings) == 1
    (info,) = list_series(tmp_path)
    assert (info.slices, info.slice_spacing_mm, info.thickness_mm) == (18, 4.5, 4.5)


@pytest.mark.parametrize(
    "bend",
    [
        compressed(RLELossless),
        compressed(JPEGLSLossless),
        compressed(JPEGLSLossless, encapsulate_ext=True),
        deflated,
    ],
    ids=["RLE", "JPEG-LS", "extended table", "deflated"],
)
def test_compressed_frames(tmp_path, truth, bend):
    write_enhanced(tmp_path / "a.dcm", truth, order=SHUFFLED, bend=bend)
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_the_file_itself_may_be_given(tmp_path, truth):
    (path,) = write_enhanced(tmp_path / "a.dcm", truth)
    assert_same_place(read_scan(path).volume, truth)


def test_each_frame_has_its_own_rescale(tmp_path, truth):
    write_enhanced(tmp_path / "a.dcm", truth, per_frame_rescale=True)
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_a_concatenation_of_several_files(tmp_path, truth):
    paths = write_enhanced(tmp_path / "a.dcm", truth, order=SHUFFLED, parts=3)
    assert_same_place(read_scan(tmp_path).volume, truth)
    paths[2].unlink()
    assert "1 of them are not there" in refused(tmp_path, "missing_slices")


def test_a_missing_frame_is_filled_and_two_are_refused(tmp_path, truth):
    write_enhanced(tmp_path / "one" / "a.dcm", truth, order=[i for i in SHUFFLED if i != 6])
    scan = read_scan(tmp_path / "one")
    assert scan.volume.on_same_grid(truth)
    assert any("missing between frame" in warning for warning in scan.warnings)
    write_enhanced(tmp_path / "two" / "a.dcm", truth, order=[i for i in SHUFFLED if i not in (6, 9)])
    refused(tmp_path / "two", "missing_slices")


def test_time_points_are_told_apart(tmp_path, truth):
    both = chest((36, 18, 20), seed=3)
    first = both.crop((slice(0, 18), slice(None), slice(None)))

    def twice(own, i):
        own.FrameContentSequence[0].TemporalPositionIndex = 1 + i // 18
        x, y, z = map(float, own.PlanePositionSequence[0].ImagePositionPatient)
        own.PlanePositionSequence[0].ImagePositionPatient = [x, y, z - (81.0 if i >= 18 else 0.0)]

    write_enhanced(tmp_path / "a.dcm", both, bend_frame=twice)
    assert [info.part for info in list_series(tmp_path)] == ["time point 1", "time point 2"]
    scan = read_scan(tmp_path, series="1")
    np.testing.assert_array_equal(scan.volume.array, first.array)
    assert "was taken of 2" in " ".join(read_scan(tmp_path).warnings)


def test_localizer_frames_are_passed_over(tmp_path, truth):
    def bend(own, i):
        if i == 17:
            own.CTImageFrameTypeSequence = [type(own)()]
            own.CTImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]

    write_enhanced(tmp_path / "a.dcm", truth, bend_frame=bend)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, truth.array[:17])
    assert scan.warnings[-1] == "Passed over: 1 localizers."


def test_fewer_functional_groups_than_frames(tmp_path, truth):
    def bend(header):
        del header.PerFrameFunctionalGroupsSequence[3]

    write_enhanced(tmp_path / "a.dcm", truth, bend=bend)
    refused(tmp_path, "unreadable")


def test_frames_cut_off(tmp_path, truth):
    (path,) = write_enhanced(tmp_path / "a.dcm", truth)
    path.write_bytes(path.read_bytes()[:-300])
    refused(tmp_path, "unreadable")


def test_the_thinner_of_classic_and_enhanced(tmp_path):
    classic, enhanced = chest((18, 18, 20)), chest((30, 18, 20), (2.7, 4.0, 3.5))
    write_series(tmp_path / "classic", classic)
    write_enhanced(tmp_path / "enhanced" / "a.dcm", enhanced)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, enhanced.array)
