"""`DicomImage`: what one plane's header says, and nothing about the patient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydicom.dataset import Dataset

from clearlung.ct.dicom_file import LOSSY, StoredPlane
from clearlung.ct.dicom_values import number, numbers, text, values, whole

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
# Enhanced CT, and classic images that were converted to it.
ENHANCED_CT_IMAGES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
# Shorter parts of a name would strike out ordinary words of a description.
MIN_NAME_PART = 3

ImageKind = Literal["plane", "localizer", "capture", "projection", "other"]
"""What an image shows: a plane of tissue, or what no volume is made of."""

# Words of ImageType, as manufacturers write them.
_LOCALIZER_WORDS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM", "SURVIEW"}
_CAPTURE_WORDS = {"SCREEN", "SCREENSAVE", "CAPTURE", "PROT", "REPORT"}
_CAPTURE_VALUES = {"DOSE", "DOSE_INFO", "DOSE INFO"}
# A projection's value comes from many depths: nothing in it has a place.
_PROJECTION_WORDS = {
    "MIP", "MINIP", "MAX", "MIN", "MAXIMUM", "MINIMUM", "PROJECTION", "VRT", "SSD", "RENDER", "RENDERED",
    "VOLREN", "CPR", "CURVED", "SUBTRACTION", "DIVISION", "MULTIPLICATION",
}  # fmt: skip
_REFORMATTED_WORDS = {"REFORMATTED", "REFORMAT", "MPR", "AVERAGE", "MEAN", "RESAMPLED"}

TAGS = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "Modality",
    "ImageType", "InstanceNumber", "FrameOfReferenceUID", "ImageOrientationPatient", "ImagePositionPatient",
    "PixelSpacing", "SliceThickness", "Rows", "Columns", "NumberOfFrames", "SamplesPerPixel",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType",
    "LossyImageCompression", "PatientName", "PatientID", "StudyDate", "ConvolutionKernel",
    "AcquisitionNumber", "TemporalPositionIdentifier", "GantryDetectorTilt", "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "ConcatenationUID", "InConcatenationNumber", "InConcatenationTotalNumber",
)  # fmt: skip
"""The elements that are read; the patient's own only to compare and to strike out."""


@dataclass(frozen=True)
class DicomImage:
    """One plane's header: only what is needed to stack it.

    Lists have the header's own order; None means that the header does not say. Hashes are salted by the
    process: they are only ever compared, and nobody can be told from them.

    Parameters
    ----------
    stored
        Where its pixels lie.
    sop_class, sop_instance, series_uid, series_number, description, modality, image_type, instance
        As the header says.
    frame_of_reference
        UID of the coordinates.
    patient, day
        Hashes of the patient's number and of the day of the study; None if the header has none.
    orientation, position, pixel_spacing_mm, thickness_mm
        The plane's geometry.
    photometric, slope, intercept, rescale_type, padding
        What the stored values mean; padding is a range of stored values.
    lossy
        Whether it was ever compressed with loss.
    kernel, acquisition, temporal, stack
        What tells one volume of a series from another: reconstruction kernel, acquisition number, place in
        time, stack of a multi-frame object.
    tilt_degrees
        Tilt of the gantry as stated.
    concatenation
        UID, place and number of parts, where a multi-frame object was split over several files.
    """

    stored: StoredPlane
    sop_class: str
    sop_instance: str
    series_uid: str
    series_number: int | None
    description: str
    modality: str
    image_type: tuple[str, ...]
    instance: int | None
    frame_of_reference: str
    patient: int | None
    day: int | None
    orientation: tuple[float, ...] | None
    position: tuple[float, ...] | None
    pixel_spacing_mm: tuple[float, ...] | None
    thickness_mm: float | None
    photometric: str
    slope: float | None
    intercept: float | None
    rescale_type: str
    padding: tuple[int, int] | None
    lossy: bool
    kernel: str
    acquisition: int | None
    temporal: int | None
    stack: str
    tilt_degrees: float | None
    concatenation: tuple[str, int, int] | None

    @property
    def kind(self) -> ImageKind:
        """What it shows."""
        if self.modality != "CT" or not (self.sop_class == CT_IMAGE or self.is_enhanced):
            return "capture" if self.modality == "CT" else "other"
        if self._words & _LOCALIZER_WORDS:
            return "localizer"
        if self._words & _CAPTURE_WORDS or _CAPTURE_VALUES & set(self.image_type):
            return "capture"
        return "projection" if self._words & _PROJECTION_WORDS else "plane"

    @property
    def is_ct(self) -> bool:
        """Whether it is a CT image that may belong to a volume: no localizer, no capture of a screen."""
        return self.kind == "plane"

    @property
    def is_enhanced(self) -> bool:
        """Whether it is a frame of a multi-frame CT object."""
        return self.sop_class in ENHANCED_CT_IMAGES

    @property
    def is_reformatted(self) -> bool:
        """Whether somebody computed it from other images."""
        return bool(self._words & _REFORMATTED_WORDS)

    @property
    def _words(self) -> set[str]:
        return set(re.split(r"[^A-Z0-9]+", " ".join(self.image_type).upper()))

    @property
    def along_normal_mm(self) -> float | None:
        """Place of the image along its own normal; None without orientation and position."""
        if self.orientation is None or self.position is None:
            return None
        return float(np.cross(self.orientation[:3], self.orientation[3:]) @ np.asarray(self.position))

    @property
    def label(self) -> str:
        """How messages name the image: by its place and number, since a file name may be the patient's."""
        place = self.along_normal_mm
        number = f"image {self.instance}" if self.instance is not None else "an image without number"
        if self.stored.frames > 1:
            number = f"frame {self.stored.frame + 1} of {number}"
        return number if place is None else f"{number} at {place:.2f} mm"


def image_of(header: Dataset, stored: StoredPlane) -> DicomImage:
    """Return what a classic image's header says.

    Raises
    ------
    ValueError
        If a value that must be a number is none.
    """
    padding, limit = whole(header, "PixelPaddingValue"), whole(header, "PixelPaddingRangeLimit")
    patient, day = text(header, "PatientID"), text(header, "StudyDate")
    part = whole(header, "InConcatenationNumber")

    identity = (text(header, "PatientName"), patient)

    def shown(keyword: str) -> str:
        return _showable(text(header, keyword), *identity)

    def term(keyword: str) -> str:
        return _showable(text(header, keyword), *identity, typed=False)

    return DicomImage(
        stored=stored,
        sop_class=text(header, "SOPClassUID"),
        sop_instance=text(header, "SOPInstanceUID"),
        series_uid=text(header, "SeriesInstanceUID"),
        series_number=whole(header, "SeriesNumber"),
        description=shown("SeriesDescription"),
        modality=term("Modality"),
        image_type=tuple(values(header, "ImageType")),
        instance=whole(header, "InstanceNumber"),
        frame_of_reference=text(header, "FrameOfReferenceUID"),
        patient=hash(patient) if patient else None,
        day=hash(day) if day else None,
        orientation=numbers(header, "ImageOrientationPatient", 6),
        position=numbers(header, "ImagePositionPatient", 3),
        pixel_spacing_mm=numbers(header, "PixelSpacing", 2),
        thickness_mm=number(header, "SliceThickness") or None,
        photometric=term("PhotometricInterpretation"),
        slope=number(header, "RescaleSlope"),
        intercept=number(header, "RescaleIntercept"),
        rescale_type=term("RescaleType"),
        padding=None if padding is None else (padding, padding if limit is None else limit),
        lossy=text(header, "LossyImageCompression") == "01" or stored.syntax in LOSSY,
        kernel=term("ConvolutionKernel"),
        acquisition=whole(header, "AcquisitionNumber"),
        temporal=whole(header, "TemporalPositionIdentifier"),
        stack="",
        tilt_degrees=number(header, "GantryDetectorTilt"),
        concatenation=None
        if part is None
        else (text(header, "ConcatenationUID"), part, whole(header, "InConcatenationTotalNumber") or 0),
    )


def _showable(words: str, *identity: str, typed: bool = True) -> str:
    """Return words as messages may show them: on one line, and struck out if they name the patient.

    What a person typed may have the name within a word; a term of the standard is not the name of those who
    are called Ono (MONOCHROME2) or Tan (STANDARD).
    """
    parts = " ".join(identity).replace("^", " ").replace("=", " ").lower().split()
    searched = words.lower() if typed else words.lower().split()
    if any(part in searched for part in parts if len(part) >= MIN_NAME_PART):
        return "(withheld: it contains the patient's name or number)"
    return "".join(character if character.isprintable() else " " for character in words)
