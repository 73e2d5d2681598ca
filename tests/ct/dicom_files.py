"""Writes small DICOM series whose headers a test can bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    generate_uid,
)

from clearlung.ct import AxisOrder, Volume

from .chests import native_grid

PATIENT_NAME = "Musterfrau^Erika"
PATIENT_ID = "PID-4711"


def write_series(
    folder: Path,
    volume: Volume,
    order: AxisOrder | None = None,
    *,
    bend: Callable[[Dataset, int], object] | None = None,
    leave_out=(),
    number: int = 3,
    description: str = "Thorax 1.0",
    series_uid: str | None = None,
    prefix: str = "image",
    syntax: str = ExplicitVRLittleEndian,
) -> list[Path]:
    """Write one file per plane along the file's first axis.

    ``bend(header, i)`` may change the header of plane i before it is written.
    """
    array, affine = native_grid(volume, order or AxisOrder())
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / spacing
    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "SeriesInstanceUID": series_uid or generate_uid(),
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "SeriesNumber": number,
        "SeriesDescription": description,
        "ImageOrientationPatient": [f"{v:.10f}"[:16] for v in [*axes[:, 2], *axes[:, 1]]],
        "PixelSpacing": [f"{spacing[1]:.8f}", f"{spacing[2]:.8f}"],
        "SliceThickness": f"{spacing[0]:.6f}",
    }
    paths = []
    for i, plane in enumerate(array):
        if i in leave_out:
            continue
        header = _header(plane, syntax)
        header.update(_dataset(common))
        position = affine @ [i, 0, 0, 1]
        header.ImagePositionPatient = [f"{v:.8f}"[:16] for v in position[:3]]
        header.InstanceNumber = i + 1
        if bend is not None:
            bend(header, i)
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        path = folder / f"{prefix}{(i * 7) % 1000:03d}_{i}.dcm"  # names in another order than the slices
        header.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def at(index, **values):
    """Change headers of one plane (or of all, index None)."""

    def bend(header, i):
        if index is None or i == index:
            for key, value in values.items():
                if value is None:
                    delattr(header, key)
                else:
                    setattr(header, key, value)

    return bend


def _dataset(values: dict) -> Dataset:
    dataset = Dataset()
    for key, value in values.items():
        setattr(dataset, key, value)
    return dataset


def _header(plane: np.ndarray, syntax: str) -> Dataset:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    header = Dataset()
    header.file_meta = meta
    header.SOPClassUID = CTImageStorage
    header.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    header.Modality = "CT"
    header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.PatientName = PATIENT_NAME
    header.PatientID = PATIENT_ID
    header.Rows, header.Columns = plane.shape
    header.SamplesPerPixel = 1
    header.PhotometricInterpretation = "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit = 15
    header.PixelRepresentation = 0
    header.RescaleSlope = "1"
    header.RescaleIntercept = "-1024"
    header.RescaleType = "HU"
    stored = (plane.astype(np.int32) + 1024).astype(np.uint16)
    header.PixelData = np.ascontiguousarray(stored).tobytes()
    header["PixelData"].VR = "OW"
    return header


def write_enhanced(
    path: Path,
    volume: Volume,
    *,
    bend: Callable[[Dataset], object] | None = None,
    bend_frame: Callable[[Dataset, int], object] | None = None,
    order=None,
    per_frame_rescale: bool = False,
    legacy: bool = False,
    parts: int = 1,
) -> list[Path]:
    """Write a multi-frame CT object, its frames in any order, over one file or several.

    ``bend(header)`` may change the header, ``bend_frame(groups, i)`` the functional groups of plane i.
    """
    array, affine = native_grid(volume, AxisOrder())
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / spacing
    shared = _dataset(
        {
            "PixelMeasuresSequence": [_dataset({
                "PixelSpacing": [f"{v:.8f}" for v in spacing[1:]], "SliceThickness": f"{spacing[0]:.6f}"})],
            "PlaneOrientationSequence": [_dataset({
                "ImageOrientationPatient": [f"{v:.10f}"[:16] for v in [*axes[:, 2], *axes[:, 1]]]})],
            "CTImageFrameTypeSequence": [_dataset({"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]})],
        }
    )  # fmt: skip
    groups, planes = [], []
    for i in order if order is not None else range(len(array)):
        intercept = -1024 - (i % 3 if per_frame_rescale else 0)
        rescale = {"RescaleSlope": "1", "RescaleIntercept": str(intercept), "RescaleType": "HU"}
        position = (affine @ [i, 0, 0, 1])[:3]
        own = _dataset(
            {
                "PlanePositionSequence": [
                    _dataset({"ImagePositionPatient": [f"{v:.8f}"[:16] for v in position]})
                ],
                "PixelValueTransformationSequence": [_dataset(rescale)],
                "FrameContentSequence": [_dataset({"StackID": "1", "InStackPositionNumber": i + 1})],
            }
        )
        if bend_frame is not None:
            bend_frame(own, i)
        groups.append(own)
        planes.append((array[i].astype(np.int32) - intercept).astype(np.uint16))
    header = _header(planes[0], ExplicitVRLittleEndian)
    header.SOPClassUID = LegacyConvertedEnhancedCTImageStorage if legacy else EnhancedCTImageStorage
    for name in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(header, name)
    header.SeriesInstanceUID, header.StudyInstanceUID = generate_uid(), generate_uid()
    header.FrameOfReferenceUID, header.SeriesNumber, header.InstanceNumber = generate_uid(), 5, 1
    header.SeriesDescription = "Thorax enhanced"
    header.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    header.SharedFunctionalGroupsSequence = [shared]
    paths = []
    for part, places in enumerate(np.array_split(np.arange(len(planes)), parts)):
        header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.NumberOfFrames = len(places)
        header.PerFrameFunctionalGroupsSequence = [groups[i] for i in places]
        header.PixelData = np.stack([planes[i] for i in places]).tobytes()
        if parts > 1:
            header.ConcatenationUID = "1.2.99"
            header.InConcatenationNumber, header.InConcatenationTotalNumber = part + 1, parts
        if bend is not None:
            bend(header)
        target = path.with_name(f"{path.stem}{part}.dcm")
        target.parent.mkdir(parents=True, exist_ok=True)
        header.save_as(target, enforce_file_format=True)
        paths.append(target)
    return paths
