"""Multi-frame CT objects: each frame as if it were an image of its own.

Enhanced CT (and Legacy Converted Enhanced CT) keeps what a classic image says of itself in functional
groups: once for all frames where it is shared, else once per frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pydicom.dataset import Dataset

from clearlung.ct.dicom_image import DicomImage
from clearlung.ct.dicom_values import item, number, numbers, text, values, whole


def frames_of(header: Dataset, whole_object: DicomImage) -> tuple[DicomImage, ...]:
    """Return one image for each frame of a multi-frame CT object.

    Parameters
    ----------
    header
        The object's header with its functional groups.
    whole_object
        What the header says outside of them.

    Returns
    -------
    tuple of DicomImage
        In the order of the frames; one without a place if the object does not say where its frames lie.

    Raises
    ------
    ValueError
        If there are not as many functional groups as frames, or a value is no number.
    """
    if "PerFrameFunctionalGroupsSequence" not in header:
        return (replace(whole_object, orientation=None, position=None),)  # refused later, by its own name
    shared = item(header, "SharedFunctionalGroupsSequence")
    per_frame: Sequence[Dataset] = header.get("PerFrameFunctionalGroupsSequence") or ()
    if len(per_frame) != whole_object.stored.frames:
        raise ValueError(f"{len(per_frame)} functional groups for {whole_object.stored.frames} frames")
    return tuple(_frame(shared, own, whole_object, place) for place, own in enumerate(per_frame))


def _frame(shared: Dataset, own: Dataset, base: DicomImage, place: int) -> DicomImage:
    def group(keyword: str) -> Dataset:
        return item(own, keyword) or item(shared, keyword)

    measures = group("PixelMeasuresSequence")
    rescale = group("PixelValueTransformationSequence")
    content = group("FrameContentSequence")
    return replace(
        base,
        stored=replace(base.stored, frame=place),
        image_type=tuple(values(group("CTImageFrameTypeSequence"), "FrameType")) or base.image_type,
        orientation=numbers(group("PlaneOrientationSequence"), "ImageOrientationPatient", 6),
        position=numbers(group("PlanePositionSequence"), "ImagePositionPatient", 3),
        pixel_spacing_mm=numbers(measures, "PixelSpacing", 2),
        thickness_mm=number(measures, "SliceThickness") or None,
        slope=number(rescale, "RescaleSlope"),
        intercept=number(rescale, "RescaleIntercept"),
        rescale_type=text(rescale, "RescaleType"),
        kernel=text(group("CTReconstructionSequence"), "ConvolutionKernel") or base.kernel,
        acquisition=whole(content, "FrameAcquisitionNumber"),
        temporal=whole(content, "TemporalPositionIndex"),
        stack=text(content, "StackID"),
        tilt_degrees=number(group("CTAcquisitionDetailsSequence"), "GantryDetectorTilt"),
    )
