"""Whether a grid can be that of a chest CT. Cheap, so it is asked before a voxel is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.volume import ORTHONORMAL_TOLERANCE, closest_axis_order
from clearlung.errors import ScanRejected
from clearlung.evidence import load_evidence

# Finer than any clinical detector resolves: a header in meters or without units.
MIN_SPACING_MM = 0.1
# Coarser than any CT that is still called diagnostic.
MAX_SPACING_MM = 10.0
# A child's single lung is wider; less is a stamp cut from a scan.
MIN_WIDTH_MM = 60.0
# The widest field of view, extended for radiotherapy, is some 820 mm.
MAX_WIDTH_MM = 850.0
# A tall patient from head to feet.
MAX_HEIGHT_MM = 2200.0
# Fewer samples along an axis hold no thorax: localizers, test stamps.
MIN_SAMPLES = 16
# Larger than any scanner writes: a damaged header would ask for more memory than there is.
MAX_SAMPLES = 8192
# Spacings computed from rounded positions exceed their nominal value a little.
SLICE_TOLERANCE_MM = 0.01
# Slices this much thinner than their distance leave lung between them that nobody has imaged.
GAP_RATIO = 1.1
# Slices this much thicker than their distance overlap.
OVERLAP_RATIO = 1.1


@dataclass(frozen=True)
class Grid:
    """The voxel grid of a file, in the file's own axis order.

    Parameters
    ----------
    shape
        Number of voxels along the array's axes (slowest first).
    affine
        Shape (4, 4): maps (a, b, c, 1), the array's indices, to LPS mm.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @property
    def spacing_mm(self) -> NDArray[np.float64]:
        """Distance between voxel centers along the array's axes."""
        spacing: NDArray[np.float64] = np.linalg.norm(self.affine[:3, :3], axis=0)
        return spacing


def check_grid(grid: Grid, where: str) -> None:
    """Refuse a grid that no chest CT has.

    Raises
    ------
    ScanRejected
        ``not_finite``, ``bad_spacing``, ``sheared``, ``too_small`` or ``bad_field_of_view``.
    """
    check_geometry(grid, where)
    spacing = grid.spacing_mm
    shown = _times(spacing[::-1], "mm")
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        raise ScanRejected(
            "bad_spacing",
            where,
            f"The voxel spacing is {shown}; a chest CT has {MIN_SPACING_MM} to {MAX_SPACING_MM} mm. "
            "Check the header's spacing and units.",
        )
    if min(grid.shape) < MIN_SAMPLES:
        raise ScanRejected(
            "too_small",
            where,
            f"The volume has {_times(grid.shape[::-1])} voxels; at least {MIN_SAMPLES} are needed along each "
            "axis. Give the whole scan.",
        )
    _check_field_of_view(grid, where)


def check_geometry(grid: Grid, where: str) -> None:
    """Refuse a grid whose axes are not finite, positive and perpendicular.

    Raises
    ------
    ScanRejected
        ``not_finite``, ``bad_spacing``, ``too_small`` or ``sheared``.
    """
    if not np.isfinite(grid.affine).all():
        raise ScanRejected("not_finite", where, "The header's geometry contains values that are not finite.")
    spacing = grid.spacing_mm
    if spacing.min() <= 0:
        raise ScanRejected(
            "bad_spacing", where, f"The voxel spacing is {_times(spacing[::-1], 'mm')}; it must be positive."
        )
    if min(grid.shape) < 1 or max(grid.shape) > MAX_SAMPLES:
        raise ScanRejected(
            "too_small" if min(grid.shape) < 1 else "unreadable",
            where,
            f"The header gives {_times(grid.shape[::-1])} voxels, which no scan has. Export the scan again.",
        )
    axes = grid.affine[:3, :3] / spacing
    skew = np.abs(axes.T @ axes - np.eye(3)).max()
    if skew > ORTHONORMAL_TOLERANCE:
        degrees = float(np.degrees(np.arcsin(min(1.0, skew))))
        raise ScanRejected(
            "sheared",
            where,
            f"The volume's axes are {degrees:.2f} degrees from perpendicular. Resample the scan to a "
            "straight "
            "grid, or reconstruct it without tilt.",
        )


def _check_field_of_view(grid: Grid, where: str) -> None:
    extents = grid.spacing_mm * grid.shape
    axes = grid.affine[:3, :3] / grid.spacing_mm
    height, depth, width = extents[list(closest_axis_order(axes).permutation)]
    if min(height, depth, width) < MIN_WIDTH_MM or max(depth, width) > MAX_WIDTH_MM or height > MAX_HEIGHT_MM:
        raise ScanRejected(
            "bad_field_of_view",
            where,
            f"The field of view is {width:.0f} mm right to left, {depth:.0f} mm front to back and "
            f"{height:.0f} mm head to feet; a chest CT has {MIN_WIDTH_MM:.0f} to {MAX_WIDTH_MM:.0f} mm "
            "across "
            f"and up to {MAX_HEIGHT_MM:.0f} mm along the body. Check the header, or give the whole scan.",
        )


def check_slices(
    slice_mm: float, thickness_mm: float | None, *, allow_thick: bool, where: str
) -> tuple[str, ...]:
    """Refuse or warn about slices too thick for small nodules.

    Parameters
    ----------
    slice_mm
        The coarsest distance between voxels.
    thickness_mm
        The slice thickness that the header states, if it does.
    allow_thick
        Warn where the scan would be refused.
    where
        What the message names.

    Returns
    -------
    tuple of str
        Warnings.

    Raises
    ------
    ScanRejected
        ``thick_slices``.
    """
    book = load_evidence()
    advised, limit = (book.value(f"scan.slices_{name}", unit="mm") for name in ("advised", "limit"))
    thickness = thickness_mm or slice_mm
    worst = max(slice_mm, thickness)
    shown = f"{slice_mm:.3g} mm apart" + (f" and {thickness:.3g} mm thick" if thickness_mm else "")
    warnings = []
    if worst > limit + SLICE_TOLERANCE_MM:
        lost = f"slices are {shown}: nodules below {2 * worst:.0f} mm may be invisible and volumes are unsafe"
        if not allow_thick:
            raise ScanRejected(
                "thick_slices",
                where,
                f"The {lost}. Ask for a reconstruction of {advised:.0f} mm or less; to go on all the "
                "same, allow thick slices (--allow-thick).",
            )
        warnings.append(
            f"DO NOT PLAN FROM THIS SCAN: its {lost}. It was read because thick slices were allowed."
        )
    elif worst > advised + SLICE_TOLERANCE_MM:
        warnings.append(
            f"The slices are {shown}: nodules below {2 * worst:.0f} mm may be missed and their volumes are "
            f"uncertain. {advised:.0f} mm or less is advised."
        )
    if thickness * GAP_RATIO < slice_mm:
        warnings.append(f"The slices are {shown}: the lung between them was not imaged.")
    elif thickness > slice_mm * OVERLAP_RATIO and worst > advised + SLICE_TOLERANCE_MM:
        warnings.append(
            f"The slices overlap ({shown}): the thickness, not the distance, limits what is seen."
        )
    return tuple(warnings)


def _times(values: Sequence[float] | NDArray[np.float64], unit: str = "") -> str:
    return " x ".join(f"{value:g}" for value in np.round(values, 4)) + (f" {unit}" if unit else "")
