"""Each way in which a DICOM folder can be unfit to plan on, and what is passed over."""

import hashlib

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    EnhancedCTImageStorage,
    JPEG2000Lossless,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from clearlung.ct import list_series, read_scan
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import PATIENT_ID, PATIENT_NAME, at, write_series


def refused(path, code, match=None, **options):
    with pytest.raises(ScanRejected, match=match) as caught:
        read_scan(path, **options)
    assert caught.value.code == code, caught.value
    return str(caught.value)


@pytest.fixture(scope="module")
def truth():
    return chest((18, 18, 20))


def moved(**by_plane):
    """Move planes along z: moved(p5=2.0)."""

    def bend(header, i):
        x, y, z = header.ImagePositionPatient
        header.ImagePositionPatient = [x, y, float(z) + by_plane.get(f"p{i}", 0.0)]

    return bend


def test_missing_slices_are_named(tmp_path, truth):
    write_series(tmp_path, truth, leave_out=(5, 6, 12))
    message = refused(tmp_path, "missing_slices", "4.5 mm apart elsewhere")
    assert "2 between image 5 at -212.00 mm and image 8 at -198.50 mm" in message
    assert "1 between image 12 at" in message


def test_doubled_slices(tmp_path, truth):
    write_series(tmp_path, truth, bend=moved(p5=4.5))
    assert "image 6 at -203.00 mm and image 7" in refused(tmp_path, "doubled_slices", "same place")


def test_uneven_spacing(tmp_path, truth):
    write_series(tmp_path / "a", truth, bend=moved(p5=1.0))
    refused(tmp_path / "a", "uneven_spacing", "3.5 to 5.5 mm")
    write_series(tmp_path / "b", chest((40, 18, 20)), leave_out=range(1, 18, 2))
    refused(tmp_path / "b", "uneven_spacing", "4.5 to 9 mm")


def test_rounded_positions_are_even(tmp_path, truth):
    write_series(tmp_path, truth, bend=moved(p5=0.04, p9=-0.05))
    assert read_scan(tmp_path).volume.shape == truth.shape


def test_a_stack_that_leans_further_than_any_gantry(tmp_path, truth):
    def bend(header, i):
        x, y, z = map(float, header.ImagePositionPatient)
        header.ImagePositionPatient = [x, y + 4.5 * i * np.tan(np.radians(45.0)), z]

    write_series(tmp_path, truth, bend=bend)
    refused(tmp_path, "gantry_tilt", "leans by 45.0 degrees")


def test_slices_that_jump_sideways(tmp_path, truth):
    def bend(header, i):
        x, y, z = map(float, header.ImagePositionPatient)
        header.ImagePositionPatient = [x + 20.0 * (i > 9), y, z]

    write_series(tmp_path, truth, bend=bend)
    refused(tmp_path, "mixed_series", "sideways by up to 20.0 mm")


@pytest.mark.parametrize(
    ("bend", "match"),
    [
        (at(3, PixelSpacing=[4.0, 3.0]), "PixelSpacing"),
        (at(3, FrameOfReferenceUID="1.2.3"), "FrameOfReferenceUID"),
        (at(3, PatientID="1.2.3"), "PatientID"),
        (at(3, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), "ImageOrientationPatient"),
        (at(3, Rows=9, Columns=40), "Rows and Columns"),
    ],
)
def test_images_of_several_volumes_under_one_series(tmp_path, truth, bend, match):
    write_series(tmp_path, truth, bend=bend)
    message = refused(tmp_path, "mixed_series", match)
    assert "1.2.3" not in message


@pytest.mark.parametrize(
    ("bend", "code", "match"),
    [
        (at(4, ImageOrientationPatient=None), "no_orientation", "ImageOrientationPatient"),
        (at(4, ImagePositionPatient=None), "no_orientation", "ImagePositionPatient"),
        (at(4, PixelSpacing=None), "no_orientation", "PixelSpacing"),
        (at(None, ImageOrientationPatient=[1, 0, 0, 0.2, 1, 0]), "sheared", "perpendicular"),
        (at(None, ImageOrientationPatient=[0, 0, 0, 0, 0, 0]), "sheared", "perpendicular"),
        (at(None, RescaleIntercept=None), "not_hu", "RescaleIntercept"),
        (at(None, RescaleType="Z_EFF"), "not_hu", "RescaleType"),
        (at(None, RescaleIntercept="0"), "not_hu", "none is negative"),
        (at(None, PhotometricInterpretation="MONOCHROME1"), "not_a_volume", "MONOCHROME1"),
        (at(None, Modality="MR", SOPClassUID=MRImageStorage), "not_ct", "Modality MR"),
        (at(None, SOPClassUID=SecondaryCaptureImageStorage), "no_ct_series", "no CT images"),
        (at(None, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "no_ct_series", "localizers"),
        (at(None, PixelSpacing=[0.004, 0.0035]), "bad_spacing", "0.0035 x 0.004"),
        (at(None, SliceThickness="7.5"), "thick_slices", "7.5 mm thick"),
    ],
)
def test_headers_that_are_refused(tmp_path, truth, bend, code, match):
    write_series(tmp_path, truth, bend=bend)
    refused(tmp_path, code, match)


def test_a_single_image_or_too_few(tmp_path, truth):
    write_series(tmp_path / "one", truth, leave_out=range(1, 18))
    refused(tmp_path / "one", "too_small", "single image")
    write_series(tmp_path / "few", truth, leave_out=range(5, 18))
    refused(tmp_path / "few", "too_small", "20 x 18 x 5")


def test_frames_without_a_place(tmp_path, truth):
    bend = at(None, SOPClassUID=EnhancedCTImageStorage, NumberOfFrames=1)
    write_series(tmp_path, truth, bend=bend, leave_out=range(1, 18))
    refused(tmp_path, "no_orientation", "ImagePositionPatient")


def test_several_frames_in_a_classic_image(tmp_path, truth):
    def bend(header, i):
        header.NumberOfFrames = 2
        header.PixelData *= 2

    write_series(tmp_path, truth, bend=bend)
    refused(tmp_path, "unsupported_dicom", "not Enhanced CT")


def test_a_single_dicom_file_is_refused_with_advice(tmp_path, truth):
    path = write_series(tmp_path, truth)[0]
    refused(path, "too_small", "single image")
    moved = path.rename(tmp_path / "IM0001")
    refused(moved, "too_small", "single image")
    assert [info.slices for info in list_series(moved)] == [1]


def test_an_empty_folder_and_one_with_a_volume_file(tmp_path):
    refused(tmp_path, "no_ct_series", "Give the folder")
    (tmp_path / "ct.nii.gz").write_bytes(b"x")
    refused(tmp_path, "no_ct_series", "Give the volume file")


# Pixels


def test_slope_and_intercept_of_each_slice_are_applied(tmp_path, truth):
    def bend(header, i):
        slope, intercept = 1.0 + 0.25 * (i % 3), -1024.0 - i
        hu = header.pixel_array.astype(float) - 1024.0
        header.RescaleSlope, header.RescaleIntercept = str(slope), str(intercept)
        header.PixelData = np.rint((hu - intercept) / slope).astype(np.uint16).tobytes()

    write_series(tmp_path, truth, bend=bend)
    scan = read_scan(tmp_path)
    assert np.abs(scan.volume.array - truth.array).max() <= 1
    assert any("rescale slope" in warning for warning in scan.warnings)


def test_a_fractional_intercept_is_rounded_not_cut(tmp_path, truth):
    write_series(tmp_path, truth, bend=at(None, RescaleIntercept="-1024.6"))
    np.testing.assert_array_equal(read_scan(tmp_path).volume.array, np.maximum(truth.array - 1, -1024))


@pytest.mark.parametrize("keep", [200, 400, 700, -1, -300])
def test_a_dicom_file_that_ends_in_the_middle(tmp_path, truth, keep):
    paths = write_series(tmp_path, truth)
    paths[4].write_bytes(paths[4].read_bytes()[:keep])
    message = refused(tmp_path, "unreadable", "again")
    assert str(tmp_path) not in message


def test_padding_is_air_at_either_end_of_the_scale(tmp_path, truth):
    def bend(header, i):
        pixels = header.pixel_array.copy()
        pixels[0, 5:8] = 65000
        header.PixelPaddingValue = 65000
        header.PixelData = pixels.tobytes()

    write_series(tmp_path, truth, bend=bend)
    assert (read_scan(tmp_path).volume.array[:, 0, 5:8] == -1024).all()


def test_thickness_overlap_gaps_and_loss_are_warned_of(tmp_path, truth):
    write_series(
        tmp_path / "overlap", chest((30, 30, 30), (2.5, 2.5, 2.5)), bend=at(None, SliceThickness="5")
    )
    scan = read_scan(tmp_path / "overlap")
    assert scan.slice_thickness_mm == 5.0
    assert "5 mm thick" in scan.warnings[0]
    assert "overlap" in scan.warnings[1]
    write_series(tmp_path / "gaps", truth, bend=at(None, SliceThickness="1", LossyImageCompression="01"))
    scan = read_scan(tmp_path / "gaps")
    assert any("not imaged" in warning for warning in scan.warnings)
    assert any("with loss" in warning for warning in scan.warnings)
    write_series(tmp_path / "unsaid", truth, bend=at(None, SliceThickness=None))
    assert read_scan(tmp_path / "unsaid").slice_thickness_mm is None


# Identity and identity's absence


def test_the_hash_is_that_of_the_files_in_slice_order(tmp_path, truth):
    paths = write_series(tmp_path, truth)
    (tmp_path / "readme.txt").write_text("not hashed")
    expected = hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
    assert read_scan(tmp_path).input_sha256 == expected


def test_nothing_names_the_patient(tmp_path, truth, caplog, capfd, recwarn):
    secrets = [*PATIENT_NAME.split("^"), PATIENT_ID]
    folder = tmp_path / "Musterfrau"
    write_series(folder, truth, description="Thorax MUSTERFRAU 1.0", prefix="Erika_", series_uid="1.2.3")
    header = pydicom.dcmread(next(folder.iterdir()))
    with pydicom.config.disable_value_validation():
        header.PatientName = "Musterfrau^" + "Erika" * 20  # longer than a name may be: pydicom would print it
        header.save_as(next(folder.iterdir()))
    scan = read_scan(folder)
    texts = [scan.series, *scan.warnings, str(list_series(folder)), "".join(map(str, list_series(folder)))]
    write_series(folder / "other", truth, leave_out=[4, 9], series_uid="1.2.4")
    texts.append(refused(folder, "series_not_found", series="9"))
    texts += read_scan(folder).warnings
    texts.append(refused(folder, "missing_slices", series="1.2.4"))
    texts += [caplog.text, *capfd.readouterr(), *(str(warning.message) for warning in recwarn)]
    for text in texts:
        assert not any(secret.lower() in text.lower() for secret in secrets), text


def test_pixels_that_cannot_be_decoded(tmp_path, truth):
    for path in write_series(tmp_path, truth):
        header = pydicom.dcmread(path)
        header.PixelData = encapsulate([b"no JPEG at all, but of even length "])
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = JPEG2000Lossless
        header.save_as(path)
    refused(tmp_path, "unreadable", "cannot be decoded")
