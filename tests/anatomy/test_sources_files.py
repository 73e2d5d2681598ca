"""Label maps of other programs: read on any grid, recognized where unambiguous, refused where exchanged."""

import contextlib
import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk

from clearlung.anatomy.sources import CONVENTIONS, read_anatomy_file
from clearlung.anatomy.sources.conventions import recognized, spots_of
from clearlung.ct import read_scan, read_volume
from clearlung.errors import AnatomyError
from tests.anatomy import lobed


def read(path, labels=None, **options):
    return read_anatomy_file(path, lobed.scan(), labels, air=lobed.air(), **options)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_our_own_lobes_are_read_back(tmp_path, suffix):
    parts = read(lobed.write(lobed.lobes(), tmp_path / f"lobes{suffix}"))
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert parts.lungs is None
    assert "Clearlung" in parts.convention
    assert parts.warnings == ()


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("lungmask", lobed.LUNGMASK),
        ("totalsegmentator", lobed.TOTAL),
        ("totalsegmentator-v1", lobed.TOTAL_V1),
        ("cip", lobed.CIP),
    ],
)
def test_bare_numbers_are_recognized_by_where_they_lie(tmp_path, name, numbers):
    path = lobed.write(lobed.numbered(numbers), tmp_path / "labels.nii.gz")
    parts = read(path)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert CONVENTIONS[name].title in parts.convention
    np.testing.assert_array_equal(read(path, labels=name).lobes, lobed.lobes())


@pytest.mark.parametrize("numbers", [(1, 2, 3, 4, 5), lobed.LUNGMASK, lobed.TOTAL, lobed.TOTAL_V1, lobed.CIP])
def test_exchanged_sides_are_refused(tmp_path, numbers):
    path = lobed.write(lobed.mirrored(lobed.numbered(numbers)), tmp_path / "labels.nii.gz")
    with pytest.raises(AnatomyError, match=r"exchanged|not recognized"):
        read(path)


@pytest.mark.parametrize("name", ["clearlung", "lungmask"])
def test_naming_a_convention_does_not_excuse_exchanged_sides(tmp_path, name):
    numbers = {"clearlung": (1, 2, 3, 4, 5), "lungmask": lobed.LUNGMASK}[name]
    path = lobed.write(lobed.mirrored(lobed.numbered(numbers)), tmp_path / "labels.nii.gz")
    with pytest.raises(AnatomyError, match="exchanged"):
        read(path, labels=name)


def test_a_file_read_by_the_wrong_convention_is_refused(tmp_path):
    path = lobed.write(lobed.lobes(), tmp_path / "lobes.nii.gz")
    with pytest.raises(AnatomyError, match=r"exchanged|below"):
        read(path, labels="lungmask")


def test_another_order_of_the_right_lobes_is_refused(tmp_path):
    """YACTA numbers the lobes as lungmask does, with middle and lower lobe exchanged."""
    path = lobed.write(lobed.numbered((3, 5, 4, 1, 2)), tmp_path / "yacta.nii.gz")
    with pytest.raises(AnatomyError, match="not recognized"):
        read(path)
    with pytest.raises(AnatomyError, match="RML lies behind the RLL"):
        read(path, labels="lungmask")


def test_upside_down_is_refused(tmp_path):
    path = lobed.write(np.ascontiguousarray(lobed.lobes()[::-1]), tmp_path / "lobes.nii.gz")
    with pytest.raises(AnatomyError, match="not recognized"):
        read(path)
    with pytest.raises(AnatomyError, match="RUL lies below the RLL"):
        read(path, labels="clearlung")


def test_lungs_alone(tmp_path):
    parts = read(lobed.write(lobed.lungs(), tmp_path / "lungs.nii.gz"))
    np.testing.assert_array_equal(parts.lungs, lobed.lungs())
    assert parts.lobes is None
    swapped = lobed.write(lobed.mirrored(lobed.lungs()), tmp_path / "swapped.nii.gz")
    with pytest.raises(AnatomyError, match="exchanged"):
        read(swapped)


def test_other_organs_do_not_confuse(tmp_path):
    """A whole TotalSegmentator map: the numbers 1 to 5 are organs of the belly there."""
    whole = lobed.numbered(lobed.TOTAL)
    whole[2:6, 20:60, 20:60] = 5
    for number, x in ((1, 110), (2, 30), (3, 90), (4, 20), (9, 100), (15, 68), (16, 66), (17, 64), (52, 70)):
        whole[1:4, 10:14, x : x + 4] = number
    parts = read(lobed.write(whole, tmp_path / "total.nii.gz"))
    assert "TotalSegmentator 2" in parts.convention
    expected = np.where(np.isin(whole, lobed.TOTAL), lobed.lobes(), 0)
    np.testing.assert_array_equal(parts.lobes, expected)
    assert any("1, 2, 3, 4, 5, 9" in warning for warning in parts.warnings)


def test_thirds_of_the_chest_imaging_platform(tmp_path):
    """9 to 14 are thirds there, and 10 to 14 would be lobes elsewhere: types above 255 tell it."""
    z = np.arange(lobed.lungs().shape[0])[:, None, None]
    third = np.clip(2 - z // 23, 0, 2)
    cip = np.select([lobed.lungs() == 2, lobed.lungs() == 1], [9 + third, 12 + third], 0).astype(np.uint16)
    cip[20:50, 40:44, 34:38] += 768
    cip[55:64, 42:46, 64:70] = 512
    parts = read(lobed.write(cip, tmp_path / "cip.nrrd"))
    np.testing.assert_array_equal(parts.lungs, np.where(cip == 512, 0, lobed.lungs()))
    assert np.count_nonzero(parts.vessels) == 30 * 16
    assert np.count_nonzero(parts.airways) == 9 * 4 * 6


def test_too_little_to_recognize(tmp_path):
    two = np.where(np.isin(lobed.lobes(), (1, 3)), lobed.lobes(), 0).astype(np.uint8)
    path = lobed.write(two, tmp_path / "two.nii.gz")
    with pytest.raises(AnatomyError, match=r"--anatomy-labels NAME.*lungmask"):
        read(path)


def test_unknown_convention_names_the_known_ones(tmp_path):
    path = lobed.write(lobed.lobes(), tmp_path / "lobes.nii.gz")
    with pytest.raises(AnatomyError, match=r"'mine'.*totalsegmentator-v1"):
        read(path, labels="mine")


@pytest.mark.parametrize("code", ["RAS", "LPS", "PIR", "ASL", "SAR"])
def test_any_axis_order(tmp_path, code):
    turned = sitk.DICOMOrient(lobed.image(lobed.lobes()), code)
    sitk.WriteImage(turned, str(tmp_path / "lobes.nii.gz"))
    np.testing.assert_array_equal(read(tmp_path / "lobes.nii.gz").lobes, lobed.lobes())


def test_a_finer_cropped_grid(tmp_path):
    fine = sitk.Resample(
        lobed.image(lobed.lobes()),
        [150, 110, 110],
        sitk.Transform(),
        sitk.sitkNearestNeighbor,
        [-112.0, -70.0, -88.0],
        [1.5, 1.3, 1.6],
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
    )
    sitk.WriteImage(fine, str(tmp_path / "fine.nii.gz"))
    parts = read(tmp_path / "fine.nii.gz")
    assert any("another grid" in warning for warning in parts.warnings)
    agreed = np.mean(parts.lobes[lobed.lobes() > 0] == lobed.lobes()[lobed.lobes() > 0])
    assert agreed > 0.95


def test_a_crop_of_the_scans_own_grid_is_no_other_grid(tmp_path):
    """3D Slicer and writers of DICOM SEG leave out what is empty."""
    crop = lobed.image(lobed.lobes())[3:-2, 2:-4, 1:-3]
    sitk.WriteImage(crop, str(tmp_path / "crop.nii.gz"))
    parts = read(tmp_path / "crop.nii.gz")
    np.testing.assert_array_equal(parts.lobes[1:-3, 2:-4, 3:-2], lobed.lobes()[1:-3, 2:-4, 3:-2])
    assert parts.warnings == ()


def test_a_turned_grid(tmp_path):
    turn = sitk.Euler3DTransform([0, 0, 0], 0.0, 0.0, 0.1)
    image = lobed.image(lobed.lobes())
    reference = sitk.Image([180, 160, 120], sitk.sitkUInt8)
    reference.SetSpacing([1.5, 1.5, 2.0])
    reference.SetDirection(turn.GetMatrix())
    reference.SetOrigin([-125.0, -130.0, -110.0])
    sitk.WriteImage(
        sitk.Resample(image, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0),
        str(tmp_path / "turned.mha"),
    )
    parts = read(tmp_path / "turned.mha")
    inside = lobed.lobes() > 0
    assert np.mean(parts.lobes[inside] == lobed.lobes()[inside]) > 0.93


def test_what_lies_elsewhere_is_refused(tmp_path):
    moved = lobed.image(lobed.lobes())
    moved.SetOrigin([x + 900.0 for x in moved.GetOrigin()])
    sitk.WriteImage(moved, str(tmp_path / "moved.nii.gz"))
    with pytest.raises(AnatomyError, match="made on another scan"):
        read(tmp_path / "moved.nii.gz")
    beside = lobed.image(lobed.lobes())
    beside.SetOrigin([beside.GetOrigin()[0], beside.GetOrigin()[1] + 95.0, beside.GetOrigin()[2]])
    sitk.WriteImage(beside, str(tmp_path / "beside.nii.gz"))
    with pytest.raises(AnatomyError, match="does not lie on the lungs"):
        read(tmp_path / "beside.nii.gz")


def test_a_shift_that_leaves_half_of_the_air_outside_is_refused(tmp_path):
    shifted = lobed.image(lobed.lobes())
    x, y, z = shifted.GetOrigin()
    shifted.SetOrigin([x, y + 55.0, z])
    sitk.WriteImage(shifted, str(tmp_path / "shifted.nii.gz"))
    with pytest.raises(AnatomyError, match="does not lie on the lungs"):
        read(tmp_path / "shifted.nii.gz")


def test_both_lungs_under_one_number_are_warned_about(tmp_path):
    both = lobed.write((lobed.lungs() > 0).astype(np.uint8), tmp_path / "both.nii.gz")
    assert any("both lungs by one number" in warning for warning in read(both, labels="lungs").warnings)
    one = lobed.write((lobed.lungs() == 1).astype(np.uint8), tmp_path / "one.nii.gz")
    assert not any("by one number" in warning for warning in read(one, labels="lungs").warnings)


def test_a_fragment_is_refused_and_a_part_warned_about(tmp_path):
    part = lobed.lobes().copy()
    part[part == 3] = 0
    parts = read(lobed.write(part, tmp_path / "part.nii.gz"))
    assert any("covers only" in warning for warning in parts.warnings)
    crumbs = np.where(np.arange(part.shape[1])[None, :, None] % 9 == 0, lobed.lobes(), 0).astype(np.uint8)
    with pytest.raises(AnatomyError, match="covers 1"):
        read(lobed.write(crumbs, tmp_path / "crumbs.nii.gz"))


def test_one_lobe_on_both_sides_is_refused(tmp_path):
    """Two lobes under one number: the left lower lobe then reaches into the right lung."""
    merged = lobed.lobes().copy()
    merged[merged == 1] = 5
    with pytest.raises(AnatomyError, match="LLL lies on the other side"):
        read(lobed.write(merged, tmp_path / "merged.nii.gz"), labels="clearlung")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4, 4), np.uint8), "empty"),
        (np.full((4, 4, 4), 0.5, np.float32), "no label map"),
        (np.full((4, 4, 4), -3, np.int16), "no label map"),
    ],
)
def test_what_is_no_label_map(tmp_path, array, words):
    sitk.WriteImage(lobed.image(array), str(tmp_path / "x.nii.gz"))
    with pytest.raises(AnatomyError, match=words):
        read(tmp_path / "x.nii.gz")


def test_damaged_missing_and_foreign_files(tmp_path):
    whole = lobed.write(lobed.lobes(), tmp_path / "whole.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "notes.txt").write_text("lobes")
    (tmp_path / "empty").mkdir()
    for name, words in (
        ("cut.nii.gz", "damaged|ends after"),
        ("none.nii.gz", "no file"),
        ("notes.txt", "not read"),
        ("empty", "no mask"),
    ):
        with pytest.raises(AnatomyError, match=words):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_file_name_may_be_the_patients(tmp_path, suffix):
    parts = read(lobed.write(lobed.lobes(), tmp_path / f"Doe_Jane{suffix}"))
    assert "Doe" not in parts.title + parts.convention + "".join(parts.warnings)
    swapped = lobed.write(lobed.mirrored(lobed.lobes()), tmp_path / f"Doe_John{suffix}")
    with pytest.raises(AnatomyError) as error:
        read(swapped)
    assert "Doe" not in str(error.value)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("seed", range(5))
def test_damaged_bytes_are_refused_or_harmless(tmp_path, suffix, seed):
    raw = bytearray(lobed.write(lobed.lobes(), tmp_path / f"whole{suffix}").read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(0, 400, 5):
        raw[place] = rng.integers(256)
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(raw)
    with contextlib.suppress(AnatomyError):
        read(path)


def with_names(path, names, out):
    """Append a header extension as TotalSegmentator does, byte by byte."""
    raw = bytearray(gzip.decompress(path.read_bytes()))
    table = "".join(
        f'<Label Key="{key}" Red="1" Alpha="1"><![CDATA[{name}]]></Label>\n' for key, name in names.items()
    )
    xml = (
        f'<?xml version="1.0"?> <CaretExtension><LabelTable>\n{table}</LabelTable></CaretExtension>'.encode()
    )
    size = -(-(len(xml) + 8) // 16) * 16
    extension = struct.pack("<ii", size, 0) + xml.ljust(size - 8, b" ")
    (offset,) = struct.unpack_from("<f", raw, 108)
    voxels = bytes(raw[int(offset) :])
    struct.pack_into("<f", raw, 108, 352.0 + size)
    out.write_bytes(gzip.compress(bytes(raw[:348]) + b"\x01\0\0\0" + extension + voxels))
    return out


def test_names_in_the_nifti_header_count_before_numbers(tmp_path):
    plain = lobed.write(lobed.numbered((5, 4, 3, 2, 1)), tmp_path / "plain.nii.gz")
    names = {
        1: "lung_lower_lobe_left",
        2: "lung_upper_lobe_left",
        3: "lung_lower_lobe_right",
        4: "lung_middle_lobe_right",
        5: "lung_upper_lobe_right",
        6: "heart",
    }
    parts = read(with_names(plain, names, tmp_path / "named.nii.gz"))
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert "names" in parts.convention
    wrong = {k: names[6 - k] for k in range(1, 6)}  # lobes named as those of the other side and height
    with pytest.raises(AnatomyError, match="exchanged"):
        read(with_names(plain, wrong, tmp_path / "wrong.nii.gz"))
    with pytest.raises(AnatomyError, match="'spleen'"):
        read(with_names(plain, {1: "spleen"}, tmp_path / "spleen.nii.gz"))


def test_a_folder_of_masks(tmp_path):
    names = ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")
    names += ("lung_upper_lobe_left", "lung_lower_lobe_left")
    for label, name in enumerate(names, 1):
        lobed.write((lobed.lobes() == label).astype(np.uint8), tmp_path / f"{name}.nii.gz")
    lobed.write((lobed.lobes() == 9).astype(np.uint8), tmp_path / "heart.nii.gz")
    airway = np.zeros_like(lobed.lobes())
    airway[50:60, 40:44, 62:68] = 1
    lobed.write(airway, tmp_path / "lung_trachea_bronchia.nii.gz")
    parts = read(tmp_path)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    np.testing.assert_array_equal(parts.airways, airway)


def test_what_names_its_parts_takes_no_convention(tmp_path):
    lobed.write((lobed.lobes() == 1).astype(np.uint8), tmp_path / "lung_upper_lobe_right.nii.gz")
    with pytest.raises(AnatomyError, match="names its segments itself"):
        read(tmp_path, labels="clearlung")


def test_airways_and_vessels_alone(tmp_path):
    tubes = np.zeros_like(lobed.lobes())
    tubes[50:60, 40:44, 62:68] = 2
    tubes[30:40, 40:44, 30:34] = 1
    path = lobed.write(tubes, tmp_path / "tubes.nii.gz")
    with pytest.raises(AnatomyError, match=r"not recognized|does not lie on the lungs"):
        read(path)
    parts = read(path, labels="totalsegmentator-lung-vessels")
    np.testing.assert_array_equal(parts.airways, tubes == 2)
    np.testing.assert_array_equal(parts.vessels, tubes == 1)


def test_a_trachea_alone_replaces_nothing(tmp_path):
    trachea = np.zeros_like(lobed.lobes())
    trachea[50:60, 40:44, 62:68] = 1
    lobed.write(trachea, tmp_path / "trachea.nii.gz")
    with pytest.raises(AnatomyError, match="trachea alone"):
        read(tmp_path)


@pytest.mark.real_scan
def test_the_real_lobes_are_recognized(real_scans):
    folder = real_scans / "LIDC-IDRI-0001"
    parts = read_anatomy_file(folder / "lobes_totalsegmentator.nii.gz", read_scan(folder / "ct.nii.gz"))
    assert CONVENTIONS["clearlung"].title in parts.convention
    assert set(np.unique(parts.lobes)) == {0, 1, 2, 3, 4, 5}
    assert any("6, 7" in warning for warning in parts.warnings)
    assert len(parts.warnings) == 1


@pytest.mark.real_scan
@pytest.mark.parametrize("name", ["lm-64.nrrd", "10002K_INSP_STD_BWH_COPD_leftLungRightLung.nrrd"])
def test_real_maps_of_the_chest_imaging_platform_are_recognized(real_scans, name):
    volume, _ = read_volume(real_scans / "cip64" / name)
    assert recognized(spots_of(volume), name) == "cip"


@pytest.mark.real_scan
def test_the_real_lobes_of_another_patient_are_refused(real_scans):
    lobes = real_scans / "LIDC-IDRI-0001" / "lobes_totalsegmentator.nii.gz"
    other = read_scan(real_scans / "QIN-LSC-0014" / "ct.nii.gz")
    with pytest.raises(AnatomyError):
        read_anatomy_file(lobes, other)
