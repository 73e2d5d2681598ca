"""Each way in which a single file can be unfit to plan on."""

import gzip
import os
import tracemalloc

import numpy as np
import pytest

from clearlung.ct import Volume, read_scan, read_volume, write_volume
from clearlung.errors import ScanRejected

from .chests import chest
from .plain_files import nifti_bytes, write_mha, write_nifti, write_nrrd


def refused(path, code, match=None, **options):
    with pytest.raises(ScanRejected, match=match) as caught:
        read_scan(path, **options)
    assert caught.value.code == code, caught.value
    return str(caught.value)


@pytest.fixture
def truth():
    return chest()


@pytest.fixture
def nii(tmp_path):
    return tmp_path / "scan.nii"


def test_a_path_that_does_not_exist(tmp_path):
    refused(tmp_path / "nothing.nii", "not_found", "Check the path")
    with pytest.raises(ScanRejected, match="There is no file"):
        read_volume(tmp_path / "nothing.nii")


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("scan.7z", "unpack it first"),
        ("scan.tar.gz", "unpack"),
        ("scan.png", ".png"),
        ("scan", "without a suffix"),
    ],
)
def test_formats_that_are_not_read(tmp_path, name, match):
    (tmp_path / name).write_bytes(b"\x89 whatever")
    refused(tmp_path / name, "unsupported_format", match)


def test_a_fifo_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.nii")
    refused(tmp_path / "pipe.nii", "unsupported_format")


# NIfTI


def test_nifti_without_orientation(nii, truth):
    message = refused(write_nifti(nii, truth, qform=0, sform=0), "no_orientation", "qform_code")
    assert "which side is right" in message


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize(("qform", "sform"), [(1, 0), (0, 1), (1, 1), (2, 1)])
def test_nifti_with_either_orientation_and_byte_order(nii, truth, endian, qform, sform):
    scan = read_scan(write_nifti(nii, truth, endian=endian, qform=qform, sform=sform))
    assert scan.volume.on_same_grid(truth)
    np.testing.assert_array_equal(scan.volume.array, truth.array)


def test_nifti_whose_two_orientations_contradict(nii, truth):
    flipped = np.diag([-1.0, 1.0, 1.0, 1.0])
    message = refused(write_nifti(nii, truth, bend_sform=flipped), "contradictory_orientation", "mm apart")
    assert "qform, sform" in message
    shifted = np.eye(4)
    shifted[2, 3] = 5.0
    refused(write_nifti(nii, truth, bend_sform=shifted), "contradictory_orientation", "5 mm apart")


def test_sheared_nifti(nii, truth):
    shear = np.eye(4)
    shear[1, 2] = np.tan(np.radians(10.0))
    refused(write_nifti(nii, truth, qform=0, bend_sform=shear), "sheared", "degrees from perpendicular")


@pytest.mark.parametrize("units", [1, 3])
def test_nifti_in_meters_or_micrometers_is_converted(nii, truth, units):
    factor = {1: 1e-3, 3: 1e3}[units]
    small = Volume(truth.array, tuple(np.multiply(truth.spacing_mm, factor)),
                   tuple(np.multiply(truth.origin_mm, factor)), truth.direction)  # fmt: skip
    assert read_scan(write_nifti(nii, small, units=units)).volume.on_same_grid(truth)


def test_spacing_in_meters_under_the_name_of_millimeters(nii, truth):
    tiny = Volume(truth.array, tuple(np.multiply(truth.spacing_mm, 1e-3)), truth.origin_mm, truth.direction)
    refused(write_nifti(nii, tiny), "bad_spacing", "units")


def test_a_header_that_is_not_finite(nii, truth):
    bent = np.eye(4)
    bent[0, 3] = np.nan
    refused(write_nifti(nii, truth, qform=0, bend_sform=bent), "not_finite")
    refused(write_nifti(nii, truth, qform=1, bend_sform=bent), "contradictory_orientation")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"dim": [4, 20, 18, 8, 2, 1, 1, 1]}, "not_a_volume"),
        ({"dim": [2, 20, 288, 1, 1, 1, 1, 1]}, "not_a_volume"),
        ({"dim": [5, 20, 18, 16, 1, 3, 1, 1]}, "not_a_volume"),
        ({"dim": [3, 20, 18, 0, 1, 1, 1, 1]}, "too_small"),
        ({"dim": [3, 20, 18, -16, 1, 1, 1, 1]}, "too_small"),
        ({"dim": [3, 20000, 20000, 20000, 1, 1, 1, 1]}, "unreadable"),
        ({"dim": [3, 140, 126, 112, 1, 1, 1, 1]}, "unreadable"),
        ({"dim": [-3, 20, 18, 16, 1, 1, 1, 1]}, "not_a_volume"),
        ({"datatype": 128}, "not_a_volume"),
        ({"datatype": 32}, "not_a_volume"),
        ({"magic": b"ni1\0"}, "unsupported_format"),
        ({"magic": b"\0\0\0\0"}, "no_orientation"),
    ],
)
def test_nifti_headers_that_are_no_scan(nii, truth, options, code):
    refused(write_nifti(nii, truth, **options), code)


def test_a_fourth_axis_of_one_is_no_fourth_axis(nii, truth):
    assert read_scan(write_nifti(nii, truth, dim=[4, 20, 18, 16, 1, 1, 1, 1])).volume.on_same_grid(truth)


def test_nifti_rescaling_is_applied(nii, truth):
    scan = read_scan(write_nifti(nii, truth, scale=(0.5, -100.0)))
    expected = np.clip(np.rint(truth.array * 0.5 - 100.0), -1024, 3071)
    np.testing.assert_array_equal(scan.volume.array, expected)


def test_a_template_space_is_warned_of(nii, truth):
    assert "template" in read_scan(write_nifti(nii, truth, sform=4)).warnings[0]


def test_something_else_under_the_name_of_nifti(nii, tmp_path):
    nii.write_bytes(b"\x89PNG" + bytes(1000))
    refused(nii, "unsupported_format", "NIfTI-1")
    (tmp_path / "scan.nii.gz").write_bytes(b"\x89PNG" + bytes(1000))
    refused(tmp_path / "scan.nii.gz", "unsupported_format")
    nii.write_bytes(b"")
    refused(nii, "unreadable")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd", "scan.mha"])
@pytest.mark.parametrize("keep", [0.001, 0.3, 0.9, 0.999])
def test_a_file_that_ends_in_the_middle(tmp_path, truth, name, keep):
    path = tmp_path / name
    write_volume(truth, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    assert caught.value.code in ("unreadable", "unsupported_format", "no_orientation", "not_a_volume")
    if keep > 0.5:
        assert caught.value.code == "unreadable"


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd", "scan.mha"])
def test_a_flipped_bit_in_packed_voxels(tmp_path, truth, name):
    path = tmp_path / name
    write_volume(truth, path)
    damaged = bytearray(path.read_bytes())
    damaged[-len(damaged) // 4] ^= 0x10
    path.write_bytes(damaged)
    refused(path, "unreadable", "damaged")


def test_a_gzip_file_of_several_members(tmp_path, truth):
    raw = nifti_bytes(truth)
    path = tmp_path / "scan.nii.gz"
    path.write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:5000]) + gzip.compress(raw[5000:]))
    np.testing.assert_array_equal(read_scan(path).volume.array, truth.array)
    path.write_bytes(gzip.compress(raw[:5000]))
    refused(path, "unreadable", "% of its voxels")


def test_the_file_asked_for_is_read_and_not_its_twin(tmp_path, truth):
    other = chest(seed=5)
    write_nifti(tmp_path / "scan.nii", other)
    write_nifti(tmp_path / "scan.nii.gz", truth)
    np.testing.assert_array_equal(read_scan(tmp_path / "scan.nii.gz").volume.array, truth.array)


# NRRD and MetaImage


@pytest.mark.parametrize(
    "space", ["left-posterior-superior", "right-anterior-superior", "left-anterior-superior"]
)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_nrrd_spaces(tmp_path, truth, space, encoding):
    scan = read_scan(write_nrrd(tmp_path / "scan.nrrd", truth, space=space, encoding=encoding))
    assert scan.volume.on_same_grid(truth)
    np.testing.assert_array_equal(scan.volume.array, truth.array)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"drop": ["space"]}, "no_orientation"),
        ({"space": "scanner-xyz"}, "no_orientation"),
        ({"drop": ["space directions"]}, "no_orientation"),
        ({"drop": ["space origin"]}, "no_orientation"),
        ({"space_directions": "none (1,0,0) (0,1,0)"}, "no_orientation"),
        ({"space_directions": "(1,0,x) (0,1,0) (0,0,1)"}, "no_orientation"),
        ({"space_directions": "(4,0,0) (0,4,1) (0,0,4)"}, "sheared"),
        ({"space_directions": "(4,0,0) (0,4,0) (0,0,nan)"}, "not_finite"),
        ({"space_directions": "(4,0,0) (0,4,0) (0,0,0)"}, "bad_spacing"),
        ({"space_units": '"m" "m" "m"'}, "bad_spacing"),
        ({"sizes": "3 20 18 16", "dimension": "4"}, "not_a_volume"),
        ({"sizes": "many"}, "not_a_volume"),
        ({"kinds": "vector domain domain"}, "not_a_volume"),
        ({"type": "block"}, "unsupported_format"),
        ({"encoding": "bzip2"}, "unsupported_format"),
        ({"data_file": "scan.raw"}, "unsupported_format"),
        ({"byte_skip": "-1"}, "unsupported_format"),
    ],
)
def test_nrrd_headers_that_are_no_scan(tmp_path, truth, options, code):
    refused(write_nrrd(tmp_path / "scan.nrrd", truth, **options), code)


def test_nrrd_without_end_of_header(tmp_path):
    (tmp_path / "scan.nrrd").write_bytes(b"NRRD0004\ntype: short\n")
    refused(tmp_path / "scan.nrrd", "unreadable")
    (tmp_path / "scan.nrrd").write_bytes(b"something else")
    refused(tmp_path / "scan.nrrd", "unsupported_format")


@pytest.mark.parametrize("key", ["TransformMatrix", "Offset", "ElementSpacing"])
def test_metaimage_without_orientation(tmp_path, truth, key):
    refused(write_mha(tmp_path / "scan.mha", truth, drop=[key]), "no_orientation", key)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 one"}, "no_orientation"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0.2 1"}, "sheared"),
        ({"ElementNumberOfChannels": "3"}, "not_a_volume"),
        ({"DimSize": "20 18 8 2"}, "not_a_volume"),
        ({"DimSize": "a b c"}, "not_a_volume"),
        ({"ElementType": "MET_SHORT_ARRAY"}, "unsupported_format"),
        ({"BinaryData": "False"}, "unsupported_format"),
        ({"HeaderSize": "-1"}, "unsupported_format"),
    ],
)
def test_metaimage_headers_that_are_no_scan(tmp_path, truth, options, code):
    refused(write_mha(tmp_path / "scan.mha", truth, **options), code)


@pytest.mark.parametrize("packed", [True, False])
def test_metaimage_with_its_voxels_in_another_file(tmp_path, truth, packed):
    path = write_mha(tmp_path / "scan.mhd", truth, packed=packed, data_file="scan.raw")
    scan = read_scan(path)
    np.testing.assert_array_equal(scan.volume.array, truth.array)
    (tmp_path / "scan.raw").unlink()
    refused(path, "unsupported_format", "beside the header")
    path.write_text(path.read_text().replace("scan.raw", "../scan.raw"))
    refused(path, "unsupported_format", "beside the header")


def test_something_else_under_the_name_of_metaimage(tmp_path):
    (tmp_path / "scan.mha").write_bytes(b"no key\n")
    refused(tmp_path / "scan.mha", "unreadable")


# Grids and values


@pytest.mark.parametrize(
    ("shape", "spacing_mm", "code"),
    [
        ((16, 18, 20), (4.5, 12.0, 12.0), "bad_spacing"),
        ((16, 900, 900), (4.5, 0.08, 0.08), "bad_spacing"),
        ((10, 18, 20), (4.5, 4.0, 4.0), "too_small"),
        ((16, 18, 20), (4.5, 4.0, 2.0), "bad_field_of_view"),
        ((16, 220, 20), (4.5, 4.0, 4.0), "bad_field_of_view"),
        ((600, 18, 20), (4.0, 4.0, 4.0), "bad_field_of_view"),
    ],
)
def test_grids_that_no_chest_has(nii, shape, spacing_mm, code):
    refused(write_nifti(nii, chest(shape, spacing_mm)), code)


def test_slices_from_three_millimeters_are_warned_of_and_above_five_refused(nii):
    def read(mm, **options):
        return read_scan(
            write_nifti(nii, chest((24, 30, 30), (mm, 2.5, 2.5)), **options.pop("write", {})), **options
        )

    assert read(2.5).warnings == ()
    assert read(3.0).warnings == ()
    assert "3.3 mm apart" in read(3.3).warnings[0]
    assert "5 mm apart" in read(5.0).warnings[0]
    refused(write_nifti(nii, chest((24, 30, 30), (8.0, 2.5, 2.5))), "thick_slices", "8 mm apart")
    scan = read(8.0, allow_thick=True)
    assert scan.warnings[0].startswith("DO NOT PLAN")
    assert scan.slice_spacing_mm == 8.0


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (np.abs, "none is negative"),
        (lambda a: a + 1024, "rescale intercept"),
        (lambda a: (a > 0).astype(np.int16), "label map"),
        (lambda a: np.maximum(a, -300), "air or lung"),
        (lambda a: np.minimum(a, -500), "tissue"),
        (lambda a: np.where(a > 0, 9000, a), "above 3071"),
    ],
)
def test_values_that_cannot_be_hounsfield_units(nii, truth, change, match):
    refused(write_nifti(nii, truth.with_array(change(truth.array).astype(np.int16))), "not_hu", match)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(nii, truth, value):
    array = truth.array.astype(np.float32)
    array[5, 5, 5] = value
    path = write_nifti(nii, truth.with_array(array), dtype="f4")
    refused(path, "not_finite", "1 voxels")
    with pytest.raises(ScanRejected, match="not_finite"):
        read_volume(path)


def test_values_are_rounded_and_clipped(nii, truth):
    array = truth.array.astype(np.float32) + np.float32(0.4)
    array[0, 0, 5:9] = [-2048.0, 30000.0, 4e9, -4e9]
    scan = read_scan(write_nifti(nii, truth.with_array(array), dtype="f4"))
    assert scan.volume.array.dtype == np.int16
    assert scan.volume.array[0, 0, 5:9].tolist() == [-1024, 3071, 3071, -1024]
    np.testing.assert_array_equal(scan.volume.array[1:-1], truth.array[1:-1])


def test_asking_a_file_for_a_series_is_warned_of(nii, truth):
    assert "only one" in read_scan(write_nifti(nii, truth), series="3").warnings[-1]


def test_reading_needs_the_memory_of_one_copy(nii):
    write_nifti(nii, chest((128, 256, 256), (1.0, 1.0, 1.0)))
    tracemalloc.start()
    try:
        scan = read_scan(nii)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * scan.volume.array.nbytes  # one copy, and a chunk of the file on its way
