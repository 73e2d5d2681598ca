"""DICOM segmentations, written by highdicom: an independent writer of every kind."""

import contextlib
import functools
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from highdicom import AlgorithmIdentificationSequence, PlanePositionSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.sr.coding import Code
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless, generate_uid

from clearlung.anatomy.sources import read_anatomy_file
from clearlung.errors import AnatomyError
from tests.anatomy import lobed

# SimpleITK brings a GDCM of its own, and two in one process abort it.
RLELosslessEncoder.remove_plugin("gdcm")

SERIES, FRAME = generate_uid(), generate_uid()
STRUCTURE = Code("123037004", "SCT", "Anatomical Structure")
UPPER, LOWER = Code("45653009", "SCT", "Upper lobe of lung"), Code("90572001", "SCT", "Lower lobe of lung")
MIDDLE = Code("72481006", "SCT", "Middle lobe of right lung")
RIGHT, LEFT = Code("24028007", "SCT", "Right"), Code("7771000", "SCT", "Left")
# Each lobe as DICOM CID 6170 codes it: the side as a modifier.
CODED = ((UPPER, RIGHT), (MIDDLE, None), (LOWER, RIGHT), (UPPER, LEFT), (LOWER, LEFT))


def read(path, **uids):
    return read_anatomy_file(path, lobed.scan(), air=lobed.air(), **uids)


def ct_slices():
    """Headers of the scan's slices from the feet to the head, as a CT would write them."""
    volume = lobed.scan().volume
    for z in range(volume.shape[0]):
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3", SERIES, FRAME
        ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ""
        ds.StudyID = ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
        ds.Modality, ds.Rows, ds.Columns = "CT", *volume.shape[1:]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [float(v) for v in volume.points_mm([[z, 0, 0]])[0]]
        ds.PixelSpacing = list(volume.spacing_mm[1:])
        ds.SliceThickness, ds.InstanceNumber = volume.spacing_mm[0], z + 1
        yield ds


def description(number, label, kind, modifier):
    made = SegmentDescription(
        number,
        label,
        STRUCTURE,
        kind,
        "AUTOMATIC",
        AlgorithmIdentificationSequence("test", Code("113110", "DCM", "Artificial Intelligence"), "1"),
    )
    if modifier is not None:
        item = pydicom.Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = modifier[:3]
        made.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [item]
    return made


def write_seg(path, kind="BINARY", pixels=None, coded=CODED, labels=None, order=None, **options):
    """Write the lobes, slices in a given order."""
    slices = list(ct_slices())
    order = np.arange(len(slices)) if order is None else order
    labels = labels or [f"Segment {n}" for n in range(1, 6)]
    pixels = lobed.lobes() if pixels is None else pixels
    seg = Segmentation(
        source_images=slices,
        pixel_array=pixels[order],
        plane_positions=[
            PlanePositionSequence("PATIENT", [float(v) for v in slices[z].ImagePositionPatient])
            for z in order
        ],
        segmentation_type=kind,
        segment_descriptions=[
            description(n, labels[n - 1], code, side) for n, (code, side) in enumerate(coded, 1)
        ],
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    seg.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
@pytest.mark.parametrize("omit", [True, False])
def test_every_kind_sparse_or_whole(tmp_path, kind, omit):
    options = {"transfer_syntax_uid": RLELossless} if kind == "FRACTIONAL" and omit else {}
    pixels = lobed.lobes()
    if kind == "FRACTIONAL":
        pixels = np.stack([lobed.lobes() == n for n in range(1, 6)], axis=-1).astype(np.float32)
    path = write_seg(tmp_path / "lobes.dcm", kind, pixels, omit_empty_frames=omit, **options)
    parts = read(path, series_uid=SERIES, frame_of_reference_uid=FRAME)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    assert "DICOM" in parts.convention
    assert [w for w in parts.warnings if "another grid" not in w] == []


def test_fractions_count_from_half_on(tmp_path):
    share = np.stack([lobed.lobes() == n for n in range(1, 6)], axis=-1).astype(np.float32)
    share[share > 0] = 0.6
    share[::2] *= 0.5 / 0.6 * 0.9  # 0.45: out
    path = write_seg(tmp_path / "lobes.dcm", "FRACTIONAL", share, max_fractional_value=200)
    parts = read(path)
    np.testing.assert_array_equal(parts.lobes[1::2], lobed.lobes()[1::2])
    assert not parts.lobes[::2].any()


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_frames_in_any_order(tmp_path, kind):
    order = np.random.default_rng(2).permutation(lobed.lobes().shape[0])
    path = write_seg(tmp_path / "lobes.dcm", kind, order=order)
    ds = pydicom.dcmread(path)
    if kind == "BINARY":  # the writer sorts them, so they are shuffled afterwards
        frames = list(ds.PerFrameFunctionalGroupsSequence)
        packed = ds.pixel_array
        shuffle = np.random.default_rng(3).permutation(len(frames))
        ds.PerFrameFunctionalGroupsSequence = [frames[i] for i in shuffle]
        bits = np.packbits(packed[shuffle].ravel().astype(np.uint8), bitorder="little")
        ds.PixelData = bits.tobytes() + b"\0" * (bits.size % 2)
        ds.save_as(path)
    np.testing.assert_array_equal(read(path).lobes, lobed.lobes())


def test_names_where_codes_leave_it_open(tmp_path):
    tissue = Code("85756007", "SCT", "Tissue")
    labels = ["RUL", "right middle lobe", "lung_lower_lobe_right", "left upper lobe", "LLL"]
    path = write_seg(tmp_path / "lobes.dcm", coded=[(tissue, None)] * 5, labels=labels)
    np.testing.assert_array_equal(read(path).lobes, lobed.lobes())


def test_a_nodule_named_by_its_lobe_is_no_lobe(tmp_path):
    coded = [*CODED[:4], (Code("27925004", "SCT", "Nodule"), None)]
    labels = ["1", "2", "3", "4", "left lower lobe"]
    parts = read(write_seg(tmp_path / "lobes.dcm", coded=coded, labels=labels))
    assert set(np.unique(parts.lobes)) == {0, 1, 2, 3, 4}


def test_contradicting_name_and_code_are_refused(tmp_path):
    labels = ["left upper lobe", "2", "3", "4", "5"]
    with pytest.raises(AnatomyError, match="'left upper lobe' is coded SCT 45653009"):
        read(write_seg(tmp_path / "lobes.dcm", labels=labels))


def test_exchanged_sides_are_refused(tmp_path):
    with pytest.raises(AnatomyError, match="exchanged"):
        read(write_seg(tmp_path / "lobes.dcm", pixels=lobed.mirrored(lobed.lobes())))


def test_another_series_is_warned_about(tmp_path):
    path = write_seg(tmp_path / "lobes.dcm")
    warnings = read(path, series_uid="1.2.3.4", frame_of_reference_uid="1.2.3.5").warnings
    assert any("another series" in warning for warning in warnings)
    assert any("another frame of reference" in warning for warning in warnings)


def test_a_lobe_and_a_lung_overlap(tmp_path):
    """Two groups in one file, whose segments cover the same voxels."""
    lung = Code("39607008", "SCT", "Lung")
    coded = [*CODED, (lung, RIGHT), (lung, LEFT)]
    masks = [lobed.lobes() == n for n in range(1, 6)] + [lobed.lungs() == n for n in (1, 2)]
    path = write_seg(
        tmp_path / "all.dcm",
        pixels=np.stack(masks, axis=-1).astype(np.uint8),
        coded=coded,
        labels=[str(n) for n in range(1, 8)],
    )
    parts = read(path)
    np.testing.assert_array_equal(parts.lobes, lobed.lobes())
    np.testing.assert_array_equal(parts.lungs, lobed.lungs())


def test_what_is_no_segmentation(tmp_path):
    ds = next(ct_slices())
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    with pytest.raises(AnatomyError, match="no segmentation"):
        read(tmp_path / "ct.dcm")
    (tmp_path / "text.dcm").write_text("not DICOM")
    with pytest.raises(AnatomyError, match="no readable DICOM"):
        read(tmp_path / "text.dcm")


@pytest.mark.parametrize(
    "tag",
    [
        "SegmentSequence",
        "PerFrameFunctionalGroupsSequence",
        "SharedFunctionalGroupsSequence",
        "NumberOfFrames",
        "PixelData",
        "SegmentationType",
        "Rows",
    ],
)
def test_incomplete_segmentations_are_refused(tmp_path, tag):
    path = write_seg(tmp_path / "lobes.dcm")
    ds = pydicom.dcmread(path)
    delattr(ds, tag)
    ds.save_as(path)
    with pytest.raises(AnatomyError):
        read(path)


def test_a_cut_off_segmentation_is_refused(tmp_path):
    path = write_seg(tmp_path / "lobes.dcm")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])
    with pytest.raises(AnatomyError):
        read(path)


def test_more_frames_than_there_are(tmp_path):
    path = write_seg(tmp_path / "lobes.dcm")
    ds = pydicom.dcmread(path)
    ds.NumberOfFrames = 10**8
    ds.save_as(path)
    with pytest.raises(AnatomyError, match="not all there"):
        read(path)


def test_the_one_segmentation_in_a_folder(tmp_path):
    (tmp_path / "seg").mkdir()
    write_seg(tmp_path / "seg" / "1.2.3")
    np.testing.assert_array_equal(read(tmp_path / "seg").lobes, lobed.lobes())


def test_a_deflated_file_is_read_and_a_bomb_refused(tmp_path, monkeypatch):
    path = write_seg(tmp_path / "lobes.dcm", transfer_syntax_uid=ExplicitVRLittleEndian)
    ds = pydicom.dcmread(path)
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.save_as(path)
    np.testing.assert_array_equal(read(path).lobes, lobed.lobes())
    monkeypatch.setattr("clearlung.anatomy.sources.dicom_seg.MAX_INFLATED_BYTES", 1000)
    with pytest.raises(AnatomyError, match="unpacks to more"):
        read(path)


@pytest.mark.parametrize("seed", range(12))
def test_damaged_bytes_are_refused_or_harmless(tmp_path, seed):
    raw = bytearray(_written(tmp_path).read_bytes())
    rng = np.random.default_rng(seed)
    for place in rng.integers(132, len(raw) if seed % 2 else 4000, 8):
        raw[place] = rng.integers(256)
    path = tmp_path / "damaged.dcm"
    path.write_bytes(raw)
    with contextlib.suppress(AnatomyError):
        read(path)


@functools.cache
def _bytes():
    with tempfile.TemporaryDirectory() as folder:
        return write_seg(Path(folder, "seg.dcm")).read_bytes()


def _written(tmp_path):
    (tmp_path / "whole.dcm").write_bytes(_bytes())
    return tmp_path / "whole.dcm"


def test_uneven_frames_are_refused(tmp_path):
    path = write_seg(tmp_path / "lobes.dcm")
    ds = pydicom.dcmread(path)
    ds.PerFrameFunctionalGroupsSequence[7].PlanePositionSequence[0].ImagePositionPatient[2] += 1.3
    ds.save_as(path)
    with pytest.raises(AnatomyError, match="distance between its frames varies"):
        read(path)
