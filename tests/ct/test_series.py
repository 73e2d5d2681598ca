"""Of several series the thinnest that suits is read, and the warnings say which and why."""

import shutil

import numpy as np
import pytest
from pydicom.uid import MRImageStorage, SecondaryCaptureImageStorage, XRayRadiationDoseSRStorage

from clearlung.ct import list_series, read_scan
from clearlung.errors import ScanRejected

from .chests import assert_same_place, chest
from .dicom_files import PATIENT_ID, PATIENT_NAME, at, write_series

SPACING_MM = 4.5


@pytest.fixture(scope="module")
def truth():
    return chest((18, 18, 20))


def refused(path, code, match=None, **options):
    with pytest.raises(ScanRejected, match=match) as caught:
        read_scan(path, **options)
    assert caught.value.code == code, caught.value
    return str(caught.value)


def about_choice(scan):
    (sentence,) = [warning for warning in scan.warnings if "was taken of" in warning]
    return sentence


def thickness(mm):
    return at(None, SliceThickness=str(mm))


def test_the_thinnest_is_taken_and_said_to_be(tmp_path, truth):
    thin = chest((26, 18, 20), (3.0, 4.0, 3.5), seed=3)
    write_series(tmp_path / "a", truth, number=2, description="Soft", series_uid="1.2.2")
    write_series(tmp_path / "b", thin, number=7, description="Lung", series_uid="1.2.7")
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, thin.array)
    assert about_choice(scan) == (
        "Series 7 ('Lung', 26 slices, 3 mm apart) was taken of 2 CT series that suit, because its slices are "
        "the thinnest; choose another with --series: 1: series 2, 'Soft', 18 slices, 4.5 mm apart."
    )
    assert scan.series.startswith("series 7, 'Lung'")


def test_any_series_can_be_chosen(tmp_path, truth):
    other = chest((18, 18, 20), seed=3)
    write_series(tmp_path / "a", truth, number=7, description="Lung 1.0", series_uid="1.2.7")
    write_series(tmp_path / "b", other, number=2, description="Soft 5.0", series_uid="1.2.2")
    for choice, expected in (("7", truth), ("1.2.7", truth), ("1", other), ("2", other), (" 2 ", other)):
        scan = read_scan(tmp_path, series=choice)  # a number goes before a place
        np.testing.assert_array_equal(scan.volume.array, expected.array)
        assert scan.warnings[1:] == ("Passed over: 18 images of other CT series.",)
    assert "2: series 7, 'Lung 1.0'" in refused(tmp_path, "series_not_found", series="9")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({}, {"SliceThickness": "3"}, "closest|thinnest"),  # a gap: thickness 3, distance 4.5
        ({"SliceThickness": "5"}, {}, "thinnest"),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED"]}, {"SliceThickness": "5"}, "original"),
        ({"ConvolutionKernel": "B70f"}, {"ConvolutionKernel": "B31f"}, "kernel"),
        ({"ConvolutionKernel": "LUNG"}, {"ConvolutionKernel": "STANDARD"}, "kernel"),
        ({"ConvolutionKernel": "FC52"}, {"ConvolutionKernel": "FC08"}, "kernel"),
    ],
)
def test_what_decides(tmp_path, truth, first, second, reason):
    better = chest((18, 18, 20), seed=3)
    write_series(tmp_path / "a", truth, bend=at(None, **first), number=1)
    write_series(tmp_path / "b", better, bend=at(None, **second), number=2)
    scan = read_scan(tmp_path)
    if second == {
        "SliceThickness": "3"
    }:  # neither is thinner than the distance: equal, and the first is read
        assert "comes first" in about_choice(scan)
        return
    np.testing.assert_array_equal(scan.volume.array, better.array)
    assert reason in about_choice(scan)


@pytest.mark.parametrize("shape", [(40, 60, 66), (90, 60, 30)])
def test_a_thinner_series_of_half_the_lungs_is_not_taken(tmp_path, shape):
    whole = chest((60, 60, 66), (4.5, 5.0, 5.0))
    part = chest(shape, (3.0, 5.0, 5.0))  # 120 mm high, or 150 mm wide: less than both lungs
    write_series(tmp_path / "a", part, number=1)
    write_series(tmp_path / "b", whole, number=2)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, whole.array)
    assert "shows the lungs whole" in about_choice(scan)


def test_a_series_of_the_whole_body_does_not_outdo_a_thin_one_of_the_lungs(tmp_path):
    body = chest((150, 60, 66), (4.5, 5.0, 5.0))
    lungs = chest((100, 60, 66), (2.5, 5.0, 5.0))
    write_series(tmp_path / "a", body, number=1)
    write_series(tmp_path / "b", lungs, number=2)
    np.testing.assert_array_equal(read_scan(tmp_path).volume.array, lungs.array)


def test_equal_series_are_taken_in_the_order_of_their_numbers(tmp_path, truth):
    first = chest((18, 18, 20), seed=3)
    write_series(tmp_path / "a", truth, number=4)
    write_series(tmp_path / "b", first, number=3)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, first.array)
    assert "comes first" in about_choice(scan)


def test_a_thinner_series_that_does_not_suit_is_named_with_its_reason(tmp_path, truth):
    thin = chest((60, 18, 20), (1.5, 4.0, 3.5))
    write_series(tmp_path / "a", thin, number=1, leave_out=(8, 9, 10))
    write_series(tmp_path / "b", truth, number=2)
    scan = read_scan(tmp_path)
    np.testing.assert_array_equal(scan.volume.array, truth.array)
    (sentence,) = [warning for warning in scan.warnings if "do not suit" in warning]
    assert sentence.startswith("Series 2 ('Thorax 1.0', 18 slices, 4.5 mm apart) was taken; 1 CT series do")
    assert "series 1, 'Thorax 1.0', 57 slices, 1.5 mm apart (missing_slices)" in sentence


def test_if_none_suits_the_largest_says_why(tmp_path, truth):
    write_series(tmp_path / "a", truth, number=1, bend=thickness(8))
    write_series(tmp_path / "b", truth, number=2, leave_out=range(4, 18))
    refused(tmp_path, "thick_slices", "8 mm thick")
    refused(tmp_path, "too_small", series="2")


def test_thick_slices_are_allowed_and_thin_ones_preferred(tmp_path, truth):
    write_series(tmp_path / "a", chest((18, 18, 20), seed=3), number=1, bend=thickness(8))
    write_series(tmp_path / "b", truth, number=2)
    for allow_thick in (False, True):
        scan = read_scan(tmp_path, allow_thick=allow_thick)
        np.testing.assert_array_equal(scan.volume.array, truth.array)


def test_two_patients_in_one_folder_are_refused_whatever_is_asked_for(tmp_path, truth):
    write_series(tmp_path / "a", truth, number=1, bend=at(None, PatientID="P-1"))
    write_series(tmp_path / "b", truth, number=2, bend=at(None, PatientID="P-2"))
    for series in (None, "1", "2"):
        message = refused(tmp_path, "mixed_series", "2 patients", series=series)
        assert "P-1" not in message


def test_an_unknown_patient_is_nobody_else(tmp_path, truth):
    write_series(tmp_path, truth, bend=at(5, PatientID=""))
    assert_same_place(read_scan(tmp_path).volume, truth)


def test_two_days_need_a_choice(tmp_path, truth):
    write_series(tmp_path / "a", truth, number=1, bend=at(None, StudyDate="20250102"))
    write_series(tmp_path / "b", chest((26, 18, 20), (3.0, 4.0, 3.5)), number=2,
                 bend=at(None, StudyDate="20251102"))  # fmt: skip
    message = refused(tmp_path, "mixed_series", "several days")
    assert "2025" not in message
    assert_same_place(read_scan(tmp_path, series="1").volume, truth)


def test_the_list_of_series(tmp_path, truth):
    write_series(tmp_path / "a", truth, number=7, series_uid="1.2.7", bend=at(None, ConvolutionKernel="B31f"))
    write_series(tmp_path / "b", truth, bend=at(None, Modality="MR", SOPClassUID=MRImageStorage), number=2)
    mr, ct = list_series(tmp_path)
    assert (mr.place, mr.number, mr.modality, mr.is_ct) == (1, 2, "MR", False)
    assert (ct.place, ct.uid, ct.number, ct.slices, ct.rows, ct.columns) == (2, "1.2.7", 7, 18, 18, 20)
    assert (ct.pixel_spacing_mm, ct.slice_spacing_mm, ct.thickness_mm) == ((4.0, 3.5), 4.5, 4.5)
    assert str(ct) == "2: series 7, 'Thorax 1.0', 18 slices, 4.5 mm apart, kernel 'B31f'"


def test_two_series_of_one_number_need_the_place_or_uid(tmp_path, truth):
    write_series(tmp_path / "a", truth, series_uid="1.2.1")
    write_series(tmp_path / "b", truth, series_uid="1.2.2")
    refused(tmp_path, "mixed_series", "place in this list", series="3")
    assert read_scan(tmp_path, series="1.2.2").series.startswith("series 3")


# What no volume is made of

LOCALIZER = at(None, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])


def test_what_is_not_the_ct_is_passed_over_and_counted(tmp_path, truth):
    write_series(tmp_path / "deep" / "ct", truth)
    few = {"leave_out": range(2, 18)}
    write_series(tmp_path / "scout", truth, bend=LOCALIZER, number=1, **few)
    write_series(tmp_path / "bolus", truth, number=2, bend=at(None, ImagePositionPatient=[0, 0, 0]), **few)
    write_series(tmp_path / "screen", truth, bend=at(None, SOPClassUID=SecondaryCaptureImageStorage), **few)
    dose = at(None, ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"])
    write_series(tmp_path / "page", truth, bend=dose, number=999, **few)
    mip = at(None, ImageType=["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP"])
    write_series(tmp_path / "mip", truth, bend=mip, number=5)
    pet = at(None, Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128")
    write_series(tmp_path / "pet", truth, bend=pet, number=6)
    report = at(None, PixelData=None, SOPClassUID=XRayRadiationDoseSRStorage)
    write_series(tmp_path / "dose", truth, bend=report, leave_out=range(1, 18), number=99)
    (tmp_path / "readme.txt").write_text("no DICOM")
    (tmp_path / "empty.dcm").write_bytes(b"")
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert scan.warnings[-1] == (
        "Passed over: 4 captures of a screen or dose pages, 2 localizers, 18 images of other kinds, 2 images "
        "of other CT series, 18 projections or renderings, 1 DICOM objects without images, 2 files that are "
        "not DICOM."
    )
    assert any("1 CT series do not suit (1 doubled_slices)" in warning for warning in scan.warnings)


def test_projections_are_no_volume_even_alone(tmp_path, truth):
    write_series(tmp_path, truth, bend=at(None, ImageType=["DERIVED", "SECONDARY", "PROJECTION IMAGE"]))
    refused(tmp_path, "no_ct_series", "projections")


def test_reformatted_images_alone_are_read_with_a_warning(tmp_path, truth):
    write_series(tmp_path, truth, bend=at(None, ImageType=["DERIVED", "SECONDARY", "REFORMATTED"]))
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert any("reformatted" in warning for warning in scan.warnings)


def test_a_scout_within_the_series_is_passed_over(tmp_path, truth):
    write_series(tmp_path, truth, series_uid="1.2.3")
    scout = at(None, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"],
               ImageOrientationPatient=[0, 1, 0, 0, 0, -1])  # fmt: skip
    write_series(tmp_path, truth, bend=scout, series_uid="1.2.3", leave_out=range(1, 18), prefix="scout")
    assert_same_place(read_scan(tmp_path).volume, truth)


# One series UID, several volumes


@pytest.mark.parametrize(
    ("tag", "values", "name"),
    [
        ("AcquisitionNumber", (1, 2), "acquisition 2"),
        ("ConvolutionKernel", ("B70f", "B31f"), "kernel 'B31f'"),
        ("SeriesNumber", (4, 5), "number 5"),
    ],
)
def test_two_volumes_of_one_series_are_told_apart(tmp_path, truth, tag, values, name):
    second = chest((18, 18, 20), seed=3)
    for folder, volume, value in zip("ab", (truth, second), values, strict=True):
        write_series(tmp_path / folder, volume, bend=at(None, **{tag: value}), series_uid="1.2.3")
    assert len(list_series(tmp_path)) == 2
    (place,) = [str(info.place) for info in list_series(tmp_path) if info.part == name]
    scan = read_scan(tmp_path, series=place)
    np.testing.assert_array_equal(scan.volume.array, second.array)
    assert name in scan.series
    assert "was taken of 2" in about_choice(read_scan(tmp_path))


def test_copies_are_read_once(tmp_path, truth):
    write_series(tmp_path / "a", truth)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    scan = read_scan(tmp_path)
    assert_same_place(scan.volume, truth)
    assert scan.warnings[1:] == ("18 images were there twice, pixel for pixel; one each was read.",)


def test_copies_with_other_pixels_are_doubled(tmp_path, truth):
    frame = at(None, FrameOfReferenceUID="1.2.9")
    write_series(tmp_path / "a", truth, series_uid="1.2.3", bend=frame)
    write_series(tmp_path / "b", chest((18, 18, 20), seed=3), series_uid="1.2.3", bend=frame)
    refused(tmp_path, "doubled_slices", "and at 15 more places")


def test_no_sentence_about_a_choice_names_the_patient(tmp_path, truth):
    write_series(tmp_path / "a", truth, number=1, description=f"Thorax {PATIENT_ID}")
    write_series(tmp_path / "b", truth, number=2, description="Erika, deep breath")
    text = " ".join(read_scan(tmp_path).warnings)
    assert not any(secret.lower() in text.lower() for secret in (*PATIENT_NAME.split("^"), PATIENT_ID))
    assert "withheld" in text
