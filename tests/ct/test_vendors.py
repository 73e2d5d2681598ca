"""Scanners and archives write headers in their own ways; the voxels are the same."""

import shutil

import numpy as np
import pydicom
import pytest
from pydicom.fileset import FileSet

from clearlung.ct import read_scan

from .chests import assert_same_place, chest
from .dicom_files import at, write_series


@pytest.fixture(scope="module")
def truth():
    return chest((18, 18, 20))


def with_pixels(change, **more):
    """Change the stored words of each plane; they begin as HU + 1024 in 16 unsigned bits."""

    def bend(header, i):
        header.PixelData = np.ascontiguousarray(change(header.pixel_array.copy())).tobytes()
        for name, value in more.items():
            setattr(header, name, value)

    return bend


CORNER = (slice(None), 0, slice(1, 4))
TWELVE = {"BitsStored": 12, "HighBit": 11}


def padded_corner(value):
    def change(words):
        words = words.astype(np.int32)
        words[0, 1:4] = value
        return words.astype(np.uint16) if value >= 0 else words.astype(np.int16)

    return change


def as_signed(words):
    hu = words.astype(np.int16) - 1024
    hu[0, 1:4] = -2000
    return hu


@pytest.mark.parametrize(
    "bend",
    [
        with_pixels(padded_corner(65000), PixelPaddingValue=65000),
        with_pixels(padded_corner(63536), PixelPaddingValue=63536, **TWELVE),
        with_pixels(as_signed, PixelRepresentation=1, RescaleIntercept="0"),
        with_pixels(as_signed, PixelRepresentation=1, RescaleIntercept="0", **TWELVE),
        with_pixels(padded_corner(1524), PixelPaddingValue=1524),
        with_pixels(padded_corner(4000), PixelPaddingValue=3990, PixelPaddingRangeLimit=4095),
    ],
    ids=["above the scale", "beyond the bits", "-2000 unstated", "-2000 in 12 bits", "like bone", "a range"],
)
def test_padding_is_air(tmp_path, truth, bend):
    write_series(tmp_path, truth, bend=bend)
    array = read_scan(tmp_path).volume.array.copy()
    assert (array[CORNER] == -1024).all()
    array[CORNER] = truth.array[CORNER]
    np.testing.assert_array_equal(array, truth.array)


def test_padding_like_tissue_is_cleared_outside_of_the_circle_only(tmp_path, truth):
    value = int(truth.array[9, 9, 10]) + 1024
    write_series(tmp_path, truth, bend=with_pixels(padded_corner(value), PixelPaddingValue=value))
    array = read_scan(tmp_path).volume.array
    assert (array[CORNER] == -1024).all()
    np.testing.assert_array_equal(array[:, 5:13, 5:15], truth.array[:, 5:13, 5:15])


@pytest.mark.parametrize("high_bit", [11, 14])
def test_overlays_in_unused_bits_are_masked_out(tmp_path, truth, high_bit):
    overlay = 1 << 15 | (1 if high_bit == 14 else 0)

    def change(words):
        return (words << (high_bit - 11)) | np.uint16(overlay)

    write_series(tmp_path, truth, bend=with_pixels(change, BitsStored=12, HighBit=high_bit))
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_values_in_32_bits(tmp_path, truth):
    wide = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
    write_series(tmp_path, truth, bend=with_pixels(lambda words: words.astype(np.uint32), **wide))
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_decimal_commas(tmp_path, truth):
    for path in write_series(tmp_path, truth):
        header = pydicom.dcmread(path)
        raw = path.read_bytes()
        for keyword in ("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness"):
            value = header.get_item(keyword).value
            assert b"." in value
            raw = raw.replace(value, value.replace(b".", b","))
        path.write_bytes(raw)
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_orientations_rounded_apart(tmp_path):
    truth = chest((18, 18, 20), degrees=(2.0, 1.0, -3.0))

    def bend(header, i):
        header.ImageOrientationPatient = [f"{float(v):.4f}" for v in header.ImageOrientationPatient]

    write_series(tmp_path, truth, bend=bend)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, truth.array)
    np.testing.assert_allclose(scan.volume.direction.T @ scan.volume.direction, np.eye(3), atol=1e-9)


def test_numbers_and_names_say_nothing_about_the_order(tmp_path, truth):
    write_series(tmp_path, truth, bend=lambda header, i: setattr(header, "InstanceNumber", (i * 5) % 18))
    assert_same_place(read_scan(tmp_path).volume, truth)


# DICOMDIR


@pytest.fixture
def disk(tmp_path, truth):
    """A medium with a DICOMDIR, as pydicom writes it."""
    medium = FileSet()
    day = at(None, StudyDate="20250101", StudyTime="120000", StudyID="1", AccessionNumber="")
    for path in write_series(tmp_path / "made", truth, bend=day, series_uid="1.2.7"):
        medium.add(path)
    medium.write(tmp_path / "disk")
    shutil.rmtree(tmp_path / "made")
    return tmp_path / "disk"


def images_of(disk):
    return sorted(path for path in disk.rglob("*") if path.is_file() and path.name != "DICOMDIR")


def test_a_disk_is_read_by_its_folder_or_its_directory(disk, truth):
    for path in (disk, disk / "DICOMDIR"):
        scan = read_scan(path)
        assert_same_place(scan.volume, truth)
        assert scan.warnings[1:] == ("Passed over: 1 DICOM objects without images.",)


def test_images_that_the_directory_names_and_that_are_not_there(disk, truth):
    places = {pydicom.dcmread(path).InstanceNumber: path for path in images_of(disk)}
    places[18].unlink()
    scan = read_scan(disk)
    np.testing.assert_array_equal(scan.volume.array, truth.array[:17])
    assert any("1 images of this series that the DICOMDIR names are not there" in w for w in scan.warnings)


def test_renamed_images_are_there_and_other_series_are_told_apart(disk, truth):
    for path in images_of(disk):
        path.rename(path.with_name(path.name + ".dcm"))
    scan = read_scan(disk)
    assert_same_place(scan.volume, truth)
    for path in images_of(disk):
        header = pydicom.dcmread(path)
        header.SeriesInstanceUID = "1.2.8"
        header.SOPInstanceUID = header.SOPInstanceUID + ".1"
        header.save_as(path)
    assert any("none of them of this series" in warning for warning in read_scan(disk).warnings)


def test_a_directory_that_leads_elsewhere_or_is_damaged_changes_nothing(disk, truth, tmp_path):
    secret = tmp_path / "secret.dcm"
    shutil.copy(images_of(disk)[0], secret)
    directory = pydicom.dcmread(disk / "DICOMDIR")
    for record in directory.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "secret.dcm"]
    pydicom.dcmwrite(disk / "DICOMDIR", directory)
    assert_same_place(read_scan(disk).volume, truth)
    raw = (disk / "DICOMDIR").read_bytes()
    (disk / "DICOMDIR").write_bytes(raw[: len(raw) // 2])
    assert_same_place(read_scan(disk).volume, truth)
