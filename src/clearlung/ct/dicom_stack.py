"""Whether the images of a DICOM series stack to one volume."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.checks import Grid
from clearlung.ct.dicom_image import DicomImage
from clearlung.ct.dicom_pixels import can_decode
from clearlung.ct.split import SAME_PLACE_MM
from clearlung.ct.tilt import MIN_SHIFT_PX
from clearlung.ct.volume import ORTHONORMAL_TOLERANCE
from clearlung.errors import ScanRejected

# Scanners that print positions with one decimal are off by half of this at most.
POSITION_TOLERANCE_MM = 0.1
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
# No gantry tilts further; a stack that leans more is of another making.
MAX_TILT_DEGREES = 35.0
# A tilt that scanners state for straight stacks, by rounding.
STATED_TILT_DEGREES = 0.5


@dataclass(frozen=True)
class Stack:
    """Planes in the order of their places, and the straight grid that they are brought to.

    Parameters
    ----------
    images
        In the order of the grid's first axis; None where a slice is missing and its neighbors' mean takes its
        place.
    grid
        Array axes: slice, row, column.
    shifts_px
        Shape (slices, 2): where pixel [0, 0] of each slice lies on the grid's rows and columns. All 0 unless
        the gantry was tilted.
    warnings
        What was corrected.
    """

    images: tuple[DicomImage | None, ...]
    grid: Grid
    shifts_px: NDArray[np.float64]
    warnings: tuple[str, ...] = field(default=())

    @property
    def present(self) -> tuple[DicomImage, ...]:
        """The planes that are there."""
        return tuple(image for image in self.images if image is not None)

    @property
    def is_resampled(self) -> bool:
        """Whether a slice was shifted or filled in: the grid is not the files' own."""
        return None in self.images or bool(self.shifts_px.any())


def check_stack(images: Sequence[DicomImage], where: str) -> Stack:
    """Sort images along their normal and refuse them unless they form one complete stack.

    A single missing slice and a tilted gantry are provided for, with a warning.

    Parameters
    ----------
    images
        The planes of one series, in any order.
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
    _check_concatenations(images, where)
    axes = _axes(images, where)
    positions = np.array([image.position for image in images])
    order = np.argsort(positions @ axes[:, 0], kind="stable")
    ordered: list[DicomImage | None] = [images[i] for i in order]
    positions = positions[order]
    warnings = []
    missing = _check_places(positions @ axes[:, 0], [images[i] for i in order], where)
    if missing is not None:
        warnings.append(_filled(images[order[missing]], images[order[missing + 1]]))
        ordered.insert(missing + 1, None)
        positions = np.insert(positions, missing + 1, positions[missing : missing + 2].mean(axis=0), axis=0)
    _check_even(positions @ axes[:, 0], ordered, where)
    lean_mm = _check_straight(positions @ axes[:, 1:], positions @ axes[:, 0], where)
    warnings += _of_tilt(images[0], lean_mm, positions @ axes[:, 0], axes)
    grid, shifts_px = _grid(images[0], positions, axes, lean_mm)
    return Stack(tuple(ordered), grid, shifts_px, tuple(warnings))


def _axes(images: Sequence[DicomImage], where: str) -> NDArray[np.float64]:
    """Return the unit vectors along slices, rows and columns, as columns; rounding is taken out."""
    orientation = np.mean(np.array([image.orientation for image in images], dtype=np.float64), axis=0)
    row, column = orientation[:3], orientation[3:]
    lengths = np.array([row @ row - 1.0, column @ column - 1.0, row @ column])
    if np.abs(lengths).max() > ORTHONORMAL_TOLERANCE:
        raise ScanRejected(
            "sheared", where, "Rows and columns are not perpendicular unit vectors. Export the series again."
        )
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    return np.column_stack([np.cross(row, column), column, row])


def _check_kind(image: DicomImage) -> None:
    """Refuse an image that is not one complete plane of Hounsfield units."""
    stored = image.stored
    if stored.frames > 1 and not image.is_enhanced:
        raise ScanRejected(
            "unsupported_dicom",
            f"{image.label}, {stored.frames} frames",
            "It holds several frames and is not Enhanced CT. Export it as classic CT images, one file per "
            "slice, or as Enhanced CT.",
        )
    if stored.samples != 1 or image.photometric not in ("MONOCHROME2", ""):
        raise ScanRejected(
            "not_a_volume",
            f"{image.label}: PhotometricInterpretation",
            f"It is {image.photometric!r} with {stored.samples} values per pixel; a CT has MONOCHROME2 "
            "with one.",
        )
    if not stored.complete:
        raise ScanRejected(
            "unreadable", image.label, "The file ends before its last pixel. Copy or export it again."
        )
    if not can_decode(stored):
        syntax = stored.syntax or "compressed, and not said how"
        raise ScanRejected(
            "unsupported_dicom",
            f"{image.label}: TransferSyntaxUID, BitsAllocated, BitsStored, HighBit",
            f"Its pixels are stored in a way that is not read ({syntax}, "
            f"{stored.bits_stored} of {stored.bits_allocated} bits up to bit {stored.high_bit}). Export it "
            "again, uncompressed.",
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
        ("Rows and Columns", 0.0, lambda image: (image.stored.rows, image.stored.columns)),
        ("PixelSpacing", PIXEL_SPACING_TOLERANCE_MM, lambda image: image.pixel_spacing_mm),
        ("ImageOrientationPatient", COSINE_TOLERANCE, lambda image: image.orientation),
    )
    for name, tolerance, trait in traits:
        values = np.array([trait(image) for image in images], dtype=np.float64)
        apart = np.abs(values - values[0]).max(axis=1)
        if apart.max() > tolerance:
            odd = int(np.argmax(apart))
            _refuse_mixed(where, name, images[0], trait(images[0]), images[odd], trait(images[odd]))
    frames = [image.frame_of_reference for image in images]
    odd = next((i for i, frame in enumerate(frames) if frame != frames[0]), 0)
    if odd:
        _refuse_mixed(where, "FrameOfReferenceUID", images[0], "one", images[odd], "another")


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


def _check_concatenations(images: Sequence[DicomImage], where: str) -> None:
    """Refuse a multi-frame object of which a part is missing."""
    parts: dict[str, set[int]] = {}
    totals: dict[str, int] = {}
    for image in images:
        if image.concatenation is not None:
            uid, part, total = image.concatenation
            parts.setdefault(uid, set()).add(part)
            totals[uid] = max(total, totals.get(uid, 0))
    for uid, found in parts.items():
        lacking = set(range(1, max(totals[uid], *found) + 1)) - found
        if lacking:
            raise ScanRejected(
                "missing_slices",
                where,
                f"The object is split over {max(totals[uid], *found)} files, and {len(lacking)} of them are "
                "not there. Export the complete series.",
            )


def _check_places(places: NDArray[np.float64], images: Sequence[DicomImage], where: str) -> int | None:
    """Refuse doubled slices and more than one missing; return after which one a single slice is missing."""
    if len(images) < 2:
        raise ScanRejected("too_small", where, "The series has a single image. Give the whole scan.")
    gaps = np.diff(places)
    doubled = np.flatnonzero(gaps < SAME_PLACE_MM)
    if doubled.size:
        named = ", ".join(f"{images[i].label} and {images[i + 1].label}" for i in doubled[:MAX_NAMED])
        raise ScanRejected(
            "doubled_slices",
            where,
            f"Two images lie at the same place: {named}{_more(doubled.size)}. Remove copies, or separate the "
            "two scans.",
        )
    spacing = float(np.median(gaps))
    multiples = np.rint(gaps / spacing)
    whole = np.abs(gaps / spacing - multiples) < MULTIPLE_TOLERANCE * multiples
    missing = np.flatnonzero((multiples >= 2) & whole)
    if not 0 < missing.size <= max(1.0, MAX_MISSING_PART * gaps.size):
        return None
    if missing.size == 1 and multiples[missing[0]] == 2 and len(images) > 2:
        return int(missing[0])
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


def _filled(before: DicomImage, after: DicomImage) -> str:
    return (
        f"A slice is missing between {before.label} and {after.label}: the mean of the two takes its place. "
        "A nodule there may be misshapen, and one that lies in that slice alone is not seen. Export the "
        "complete series if it can be had."
    )


def _check_even(places: NDArray[np.float64], images: Sequence[DicomImage | None], where: str) -> None:
    """Refuse unevenly spaced slices."""
    even = np.linspace(places[0], places[-1], len(places))
    worst = int(np.argmax(np.abs(places - even)))
    if abs(places[worst] - even[worst]) > POSITION_TOLERANCE_MM:
        image = images[worst]
        gaps = np.diff(places)
        raise ScanRejected(
            "uneven_spacing",
            f"{where}: {image.label if image else 'the place of the missing slice'}",
            f"The distance between slices runs from {gaps.min():.3g} to {gaps.max():.3g} mm. Give a "
            "reconstruction with even spacing.",
        )


def _check_straight(
    in_plane: NDArray[np.float64], places: NDArray[np.float64], where: str
) -> NDArray[np.float64]:
    """Return by how many mm per mm the stack leans along its rows and columns: 0 unless it was tilted.

    Refuses stacks that shift sideways by jumps, which are of several scans, or further than any gantry tilts.
    """
    drift = in_plane - in_plane[0]
    if np.abs(drift).max() <= DRIFT_TOLERANCE_MM:
        return np.zeros(2)
    rise = places - places[0]
    lean_mm: NDArray[np.float64] = (rise @ drift) / (rise @ rise)
    if np.abs(drift - np.outer(rise, lean_mm)).max() > DRIFT_TOLERANCE_MM:
        raise ScanRejected(
            "mixed_series",
            f"{where}: ImagePositionPatient",
            f"The images shift sideways by up to {np.abs(drift).max():.1f} mm: they are not of one volume. "
            "Separate them.",
        )
    degrees = _degrees(lean_mm)
    if degrees > MAX_TILT_DEGREES:
        raise ScanRejected(
            "gantry_tilt",
            where,
            f"The stack leans by {degrees:.1f} degrees, and no gantry tilts further than "
            f"{MAX_TILT_DEGREES:.0f}. Give the original reconstruction.",
        )
    return lean_mm


def _degrees(lean_mm: NDArray[np.float64]) -> float:
    return math.degrees(math.atan(float(np.linalg.norm(lean_mm))))


def _of_tilt(
    image: DicomImage, lean_mm: NDArray[np.float64], places: NDArray[np.float64], axes: NDArray[np.float64]
) -> list[str]:
    """Return what to be warned of where the gantry was tilted, or is said to have been."""
    if lean_mm.any():
        furthest_mm = np.linalg.norm(lean_mm) * (places[-1] - places[0])
        return [
            f"The gantry was tilted by {_degrees(lean_mm):.1f} degrees: the slices were shifted within their "
            f"planes, by up to {furthest_mm:.0f} mm, to a straight grid. Label maps are written on that "
            "grid, not on the files' own."
        ]
    stated = abs(image.tilt_degrees or 0.0)
    seen = math.degrees(math.acos(min(1.0, float(np.abs(axes[:, 0]).max()))))
    if stated > STATED_TILT_DEGREES and seen < STATED_TILT_DEGREES:
        return [
            f"The header states a gantry tilt of {stated:.1f} degrees, and the images lie straight: they are "
            "taken as corrected. If anatomy looks sheared, the header is wrong."
        ]
    return []


def _grid(
    image: DicomImage, positions: NDArray[np.float64], axes: NDArray[np.float64], lean_mm: NDArray[np.float64]
) -> tuple[Grid, NDArray[np.float64]]:
    """Return the straight grid that holds every slice, and where on it each slice's first pixel lies."""
    pixel_mm = np.array(image.pixel_spacing_mm or (0.0, 0.0))
    along = positions @ axes[:, 0]
    between_slices = (along[-1] - along[0]) / (len(positions) - 1)
    shifts_mm = np.outer(between_slices * np.arange(len(positions)), lean_mm)
    first_mm = shifts_mm.min(axis=0)
    shifts_px = (shifts_mm - first_mm) / np.where(pixel_mm > 0, pixel_mm, 1.0)
    more = np.ceil(shifts_px.max(axis=0) - MIN_SHIFT_PX).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes * [between_slices, *pixel_mm]
    affine[:3, 3] = positions[0] + axes[:, 1:] @ first_mm
    shape = (len(positions), image.stored.rows + int(more[0]), image.stored.columns + int(more[1]))
    return Grid(shape, affine), shifts_px
