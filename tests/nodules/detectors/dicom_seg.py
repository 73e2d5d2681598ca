"""A DICOM segmentation of nodules, written by highdicom: an independent writer."""

import numpy as np
import pydicom
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian, generate_uid


def slices(volume):
    """Headers of the scan's slices, as a CT would write them."""
    series, frame = generate_uid(), generate_uid()
    for z in range(volume.shape[0]):
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3", series, frame
        ds.PatientName = ds.PatientID = ds.PatientBirthDate = ds.PatientSex = ds.AccessionNumber = ""
        ds.StudyID = ds.StudyDate = ds.StudyTime = ds.ReferringPhysicianName = ""
        ds.Modality, ds.Rows, ds.Columns = "CT", *volume.shape[1:]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [float(v) for v in volume.points_mm([[z, 0, 0]])[0]]
        ds.PixelSpacing = list(volume.spacing_mm[1:])
        ds.SliceThickness, ds.InstanceNumber = volume.spacing_mm[0], z + 1
        yield ds


def write(path, volume, mask):
    """Write one segment, called nodules."""
    described = SegmentDescription(
        1,
        "nodules",
        Code("49755003", "SCT", "Morphologically abnormal structure"),
        Code("4147007", "SCT", "Mass"),
        "AUTOMATIC",
        AlgorithmIdentificationSequence("test", Code("123109", "DCM", "Manual Processing"), "1"),
    )
    made = Segmentation(
        list(slices(volume)),
        np.ascontiguousarray(mask.astype(np.uint8)),
        "BINARY",
        [described],
        generate_uid(),
        1,
        generate_uid(),
        1,
        "test",
        "test",
        "1",
        "1",
        omit_empty_frames=True,
    )
    made.save_as(path)
    return path
