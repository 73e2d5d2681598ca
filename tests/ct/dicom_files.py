"""Writes small DICOM series whose headers a test can bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

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
