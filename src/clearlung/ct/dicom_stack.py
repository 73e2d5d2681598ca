"""Whether the images of a DICOM series stack to one volume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.dicom_headers import CT_IMAGE, DEFLATED, DicomImage
from clearlung.ct.volume import ORTHONORMAL_TOLERANCE
from clearlung.errors import ScanRejected

# Scanners that print positions with one decimal are off by half of this at most.
POSITION_TOLERANCE_MM = 0.1
# Closer than any two reconstructions: the same image twice.
DOUBLED_MM = 0.01
# A drift across the whole stack that would move a nodule by less than a voxel.
DRIFT_TOLERANCE_MM = 0.5
# Direction cosines are printed with six digits, at times four.
COSINE_TOLERANCE = 1e-3
# Spacing is printed with six digits; this moves the edge of 512 columns by half a voxel's tenth.
PIXEL_SPACING_TOLERANCE_MM = 1e-4
# A gap that is a whole multiple of the spacing, to this part of it, is missing slices and not uneven ones.
MULTIPLE_TOLERANCE = 0.1
# More gaps than this part are a change of spacing, not slices lost on the way.
MAX_MISSING_PART = 0.25
# Names in a message; a list of 400 helps nobody.
MAX_NAMED = 3


@dataclass(frozen=True)
class Stack:
    """Images in slice order, and the grid that they lie on (array axes: slice, row, column)."""

    images: tuple[DicomImage, ...]
    grid: Grid


def check_stack(images: Sequence[DicomImage], where: str) -> Stack:
    """Sort images along their normal and refuse them unless they form one complete, straight stack.

    Parameters
    ----------
    images
        The images of one series, in any order.
    where
        What messages name.

    Raises
    ------
    ScanRejected
        ``unreadable``, ``unsupported_dicom``, ``not_a_volume``, ``not_hu``, ``no_orientation``,
        ``mixed_series``, ``sheared``, ``doubled_slices``, ``too_small``, ``gantry_tilt``,
        ``missing_slices`` or ``uneven_spacing``.
    """
    for image in images:
        _check_kind(image)
        _check_placed(image)
    _check_alike(images, where)
    orientation = np.mean(np.array([image.orientation for image in images], dtype=np.float64), axis=0)
    row, column = orientation[:3], orientation[3:]
    lengths = np.array([row @ row - 1.0, column @ column - 1.0, row @ column])
    if np.abs(lengths).max() > ORTHONORMAL_TOLERANCE:
        raise ScanRejected(
            "sheared", where, "Rows and columns are not perpendicular unit vectors. Export the series again."
        )
    normal = np.cross(row, column)
    positions = np.array([image.position for image in images])
    order = np.argsort(positions @ normal, kind="stable")
    ordered = tuple(images[i] for i in order)
    positions = positions[order]
    _check_places(positions @ normal, ordered, where)
    _check_straight(positions @ np.column_stack([row, column]), positions @ normal, where)
    return Stack(ordered, _grid(ordered, positions, np.column_stack([normal, column, row])))


def _check_kind(image: DicomImage) -> None:
    """Refuse an image that is not one complete plane of Hounsfield units."""
    if image.frames > 1 or image.sop_class != CT_IMAGE:
        raise ScanRejected(
            "unsupported_dicom",
            f"{image.label}, {image.frames} frames",
            "Multi-frame (enhanced) CT is not read. Export it as classic CT images, one file per slice.",
        )
    if image.transfer_syntax == DEFLATED:
        raise ScanRejected(
            "unsupported_dicom", image.label, "Deflated DICOM files are not read. Export them uncompressed."
        )
    if image.samples != 1 or image.photometric not in ("MONOCHROME2", ""):
        raise ScanRejected(
            "not_a_volume",
            f"{image.label}: PhotometricInterpretation",
            f"It is {image.photometric!r} with {image.samples} values per pixel; a CT has MONOCHROME2 "
            "with one.",
        )
    if not image.complete:
        raise ScanRejected(
            "unreadable", image.label, "The file ends before its last pixel. Copy or export it again."
        )
    if image.slope is None or image.intercept is None or image.slope <= 0:
        raise ScanRejected(
            "not_hu",
            f"{image.label}: RescaleSlope, RescaleIntercept",
            f"They are {image.slope} and {image.intercept}; without them the values are not Hounsfield "
            "units.",
        )
    if image.rescale_type.upper() not in ("", "HU", "US"):
        raise ScanRejected(
            "not_hu",
            f"{image.label}: RescaleType",
            f"The values are in {image.rescale_type!r}, not in HU. Give a conventional reconstruction.",
        )


def _check_placed(image: DicomImage) -> None:
    missing = [
        name
        for name, value in (
            ("ImageOrientationPatient", image.orientation),
            ("ImagePositionPatient", image.position),
            ("PixelSpacing", image.pixel_spacing_mm),
        )
        if value is None
    ]
    if missing:
        raise ScanRejected(
            "no_orientation",
            f"{image.label}: {', '.join(missing)}",
            "The header does not say how the image lies in the patient. Export the series from the "
            "scanner again.",
        )


def _check_alike(images: Sequence[DicomImage], where: str) -> None:
    """Refuse images of different size, spacing, orientation or frame of reference."""
    traits: tuple[tuple[str, float, Callable[[DicomImage], object]], ...] = (
        ("Rows and Columns", 0.0, lambda image: (image.rows, image.columns)),
        ("PixelSpacing", PIXEL_SPACING_TOLERANCE_MM, lambda image: image.pixel_spacing_mm),
        ("ImageOrientationPatient", COSINE_TOLERANCE, lambda image: image.orientation),
    )
    for name, tolerance, trait in traits:
        values = np.array([trait(image) for image in images], dtype=np.float64)
        apart = np.abs(values - values[0]).max(axis=1)
        if apart.max() > tolerance:
            odd = int(np.argmax(apart))
            _refuse_mixed(where, name, images[0], trait(images[0]), images[odd], trait(images[odd]))
    for name, keys in (
        ("PatientID", [image.patient for image in images]),
        ("FrameOfReferenceUID", [image.frame_of_reference for image in images]),
    ):
        odd = next((i for i, key in enumerate(keys) if key != keys[0]), 0)
        if odd:
            _refuse_mixed(where, name, images[0], "one", images[odd], "another")


def _refuse_mixed(
    where: str, name: str, first: DicomImage, first_value: object, odd: DicomImage, odd_value: object
) -> None:
    raise ScanRejected(
        "mixed_series",
        f"{where}: {name}",
        f"The series holds images of more than one volume: {name} is {first_value} in {first.label} and "
        f"{odd_value} "
        f"in {odd.label}. Separate them.",
    )


def _check_places(places: NDArray[np.float64], images: Sequence[DicomImage], where: str) -> None:
    """Refuse doubled, missing or unevenly spaced slices."""
    if len(images) < 2:
        raise ScanRejected("too_small", where, "The series has a single image. Give the whole scan.")
    gaps = np.diff(places)
    doubled = np.flatnonzero(gaps < DOUBLED_MM)
    if doubled.size:
        named = ", ".join(f"{images[i].label} and {images[i + 1].label}" for i in doubled[:MAX_NAMED])
        raise ScanRejected(
            "doubled_slices",
            where,
            f"Two images lie at the same place: {named}{_more(doubled.size)}. Remove copies, or separate the "
            "two scans.",
        )
    _check_missing(gaps, images, where)
    even = np.linspace(places[0], places[-1], len(places))
    worst = int(np.argmax(np.abs(places - even)))
    if abs(places[worst] - even[worst]) > POSITION_TOLERANCE_MM:
        raise ScanRejected(
            "uneven_spacing",
            f"{where}: {images[worst].label}",
            f"The distance between slices runs from {gaps.min():.3g} to {gaps.max():.3g} mm. Give a "
            "reconstruction "
            "with even spacing.",
        )


def _check_missing(gaps: NDArray[np.float64], images: Sequence[DicomImage], where: str) -> None:
    """Refuse gaps that are whole multiples of the usual distance, where they are few."""
    spacing = float(np.median(gaps))
    multiples = np.rint(gaps / spacing)
    whole = np.abs(gaps / spacing - multiples) < MULTIPLE_TOLERANCE * multiples
    missing = np.flatnonzero((multiples >= 2) & whole)
    if not 0 < missing.size <= max(1.0, MAX_MISSING_PART * gaps.size):
        return
    named = ", ".join(
        f"{int(multiples[i]) - 1} between {images[i].label} and {images[i + 1].label}"
        for i in missing[:MAX_NAMED]
    )
    raise ScanRejected(
        "missing_slices",
        f"{where}, after {images[missing[0]].label}",
        f"Slices are missing ({spacing:.3g} mm apart elsewhere): {named}{_more(missing.size)}. "
        "Export the complete series.",
    )


def _more(count: int) -> str:
    return f" and at {count - MAX_NAMED} more places" if count > MAX_NAMED else ""


def _check_straight(in_plane: NDArray[np.float64], places: NDArray[np.float64], where: str) -> None:
    """Refuse stacks whose slices shift sideways: tilted (steadily) or of several scans (by jumps)."""
    drift = in_plane - in_plane[0]
    if np.abs(drift).max() <= DRIFT_TOLERANCE_MM:
        return
    height = places[-1] - places[0]
    steady = np.outer((places - places[0]) / height, drift[-1])
    if np.abs(drift - steady).max() <= DRIFT_TOLERANCE_MM:
        degrees = float(np.degrees(np.arctan(np.linalg.norm(drift[-1]) / height)))
        raise ScanRejected(
            "gantry_tilt",
            where,
            f"The stack leans by {degrees:.1f} degrees: the gantry was tilted. Give a reconstruction "
            "without tilt, or "
            "resample the scan to a straight grid.",
        )
    raise ScanRejected(
        "mixed_series",
        f"{where}: ImagePositionPatient",
        f"The images shift sideways by up to {np.abs(drift).max():.1f} mm: they are not of one volume. "
        "Separate them.",
    )


def _grid(images: Sequence[DicomImage], positions: NDArray[np.float64], axes: NDArray[np.float64]) -> Grid:
    between_rows, between_columns = images[0].pixel_spacing_mm or (0.0, 0.0)
    along = positions @ axes[:, 0]
    between_slices = (along[-1] - along[0]) / (len(images) - 1)
    affine = np.eye(4)
    affine[:3, :3] = axes * [between_slices, between_rows, between_columns]
    affine[:3, 3] = positions[0]
    return Grid((len(images), images[0].rows, images[0].columns), affine)
