"""Find one fissure: where its sheet, the vessels' absence and the bronchi on either side put it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates

from clearlung.anatomy.fissure_dense import semi_global, thin_plate
from clearlung.anatomy.fissure_evidence import sheet_response, wrong_side_cost
from clearlung.anatomy.fissure_field import LungField
from clearlung.anatomy.fissure_frame import STEP_MM, Frame, sample_around
from clearlung.anatomy.fissure_shape import bent_sheet
from clearlung.evidence import load_evidence

FloatArray = NDArray[np.float32]

# Responses up to the first are noise, from the second on as sure as can be (standard deviations).
SHEET_RANGE = (1.5, 5.0)
# Costs beside a plain fissure's gain of 1: a vessel cut through; as many vessels around as on average.
VESSEL_WEIGHT = 0.6
CROWD_WEIGHT = 0.35
# Vessels keep away from a fissure by some millimeters, along it and across. A hilum is no worse than so many
# times the average.
CROWD_MM, CROWD_ACROSS_MM = 4.5, 3.0
MOST_CROWDED = 3.0
# A fissure's half width on CT: the scanner's blur, or this share of a thick slice.
RIDGE_MM, RIDGE_SLICE_SHARE = 1.2, 0.45
MARK_WEIGHT = 0.05
MARK_REACH_MM = 6.0
# From this much of a plain sheet on, a fissure is seen and not guessed.
SEEN_FROM = 0.35
# Less of a surface than this also looks seen by chance where there is no fissure at all.
CHANCE_SHARE = 0.1
# This much of a sheet is found nearly everywhere.
CHANCE_SEEN = 0.12
# Chance makes short sheets; over this many cells they no longer look like a fissure.
SEEN_CELLS = 2.5
# Deeper than any lung.
SUNK_MM = 1000.0
# What is not seen still follows vessels and bronchi a little.
LEAST_TRUST = 0.01


@dataclass(frozen=True, eq=False)
class Marks:
    """Points of which is known on what side of a fissure they lie.

    Parameters
    ----------
    points_mm
        Shape (n, 3): mm along the array axes from the first voxel's center.
    above
        bool, shape (n,).
    weight
        Shape (n,).
    """

    points_mm: NDArray[np.float64]
    above: NDArray[np.bool_]
    weight: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Surface:
    """A fissure as a height over the cells of a frame.

    Parameters
    ----------
    frame
        The cells.
    heights_mm
        float32, shape (u, v).
    seen
        float32, shape (u, v), 0 to 1: how plainly the fissure itself is seen there.
    crosses
        bool, shape (u, v): whether the surface runs through lung there.
    error_mm
        float32, shape (u, v): standard error of the heights.
    """

    frame: Frame
    heights_mm: FloatArray
    seen: FloatArray
    crosses: NDArray[np.bool_]
    error_mm: FloatArray

    @property
    def seen_share(self) -> float:
        """Share of the surface in the lung where the fissure is seen."""
        return float((self.seen[self.crosses] > SEEN_FROM).mean()) if self.crosses.any() else 0.0

    def points_mm(self) -> NDArray[np.float64]:
        """Points of the surface, shape (u, v, 3), mm along the array axes from the first voxel's center."""
        u, v = np.meshgrid(*(np.arange(n) * STEP_MM for n in self.frame.shape), indexing="ij")
        return self.frame.origin_mm + np.stack([u, v, self.heights_mm], axis=-1) @ self.frame.axes

    def height_over(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Heights of points above the surface in mm; any shape (..., 3), returns (...)."""
        u, v, h = np.moveaxis(self.frame.coordinates(points_mm), -1, 0)
        here = map_coordinates(self.heights_mm, np.stack([u, v]), order=1, mode="nearest")
        return np.asarray(h - here, dtype=np.float64)

    def without_islands(self, other: Surface) -> Surface:
        """Lower the surface wherever it rises above another one apart from its main part.

        Where it is not seen a surface may come out again on the far side of the one that it ends at, and
        would cut off an island there.
        """
        parts, count = label(other.height_over(self.points_mm()) > 0, np.ones((3, 3)))
        if count < 2:
            return self
        size = np.bincount(parts[self.crosses], minlength=count + 1)[1:]
        islands = (parts > 0) & (parts != 1 + int(np.argmax(size)))
        lowered = np.where(islands, self.heights_mm - SUNK_MM, self.heights_mm)
        return replace(self, heights_mm=lowered.astype(np.float32))


@dataclass(frozen=True)
class Pass:
    """One round of the search: how far around the present surface, how finely, how supple.

    Parameters
    ----------
    reach_mm, step_mm
        Heights that are tried.
    rises
        Slopes against the present surface that the filter tries.
    along_mm
        Over how much of the sheet the filter averages.
    bend
        Price of climbing (see :func:`~clearlung.anatomy.fissure_dense.semi_global`).
    stiffness
        Of the plate that bridges what is not seen.
    """

    reach_mm: float
    step_mm: float
    rises: tuple[float, ...]
    along_mm: float
    bend: float
    stiffness: float


# The first as far as fissures stray, for their large shape only; then nearer and finer, less and less supple.
WIDE = Pass(45.0, 1.5, (-0.5, 0.0, 0.5), 4.0, 0.0, 0.0)
MIDDLE = Pass(21.0, 1.0, (-0.4, 0.0, 0.4), 4.0, 0.25, 30.0)
FINE = Pass(7.0, 0.5, (-0.2, 0.0, 0.2), 3.5, 0.1, 12.0)


def find_fissure(
    field: LungField, normal: NDArray[np.float64], offset_mm: float, marks: Marks | None
) -> Surface:
    """Find a fissure around the plane where it lies in most people.

    Parameters
    ----------
    field
        The lung, or the part of it that the fissure parts.
    normal, offset_mm
        The plane: ``normal @ point = offset_mm``, the normal of length 1 and upwards.
    marks
        Points of known lobes, if there are any.
    """
    frame = Frame.around(field.points_mm(5), normal)
    base = frame.plane(normal, offset_mm)
    heights, cost, _, lung = _cost(field, frame, base, WIDE, marks)
    cells = np.count_nonzero(lung.max(axis=2) > 0.5)
    base += bent_sheet(cost, heights, float(cells))
    for this in (MIDDLE, FINE):
        heights, cost, sheet, lung = _cost(field, frame, base, this, marks)
        index = semi_global(cost, this.bend)
        plain = (_seen(sheet, index, 1) - CHANCE_SEEN) / (SEEN_FROM - CHANCE_SEEN)
        trust = LEAST_TRUST + _seen(sheet, index, 0) * np.clip(plain, 0.0, 1.0)
        plate = thin_plate(base + heights[0] + index * this.step_mm, trust, this.stiffness)
        at = (plate - base - heights[0]) / this.step_mm
        base = plate
    seen = _seen(sheet, at, 1)
    crosses = _at(lung, at) > 0.5
    return Surface(frame, base, seen, crosses, _error_mm(seen, crosses, field.spacing_mm[0]))


def _cost(
    field: LungField, frame: Frame, base: FloatArray, this: Pass, marks: Marks | None
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Heights, cost of a surface at each of them, the sheet's share of it, and the lung."""
    n = round(this.reach_mm / this.step_mm)
    heights = (np.arange(-n, n + 1) * this.step_mm).astype(np.float32)

    def sampled(volume: FloatArray) -> FloatArray:
        return sample_around(volume, field.spacing_mm, field.shift_mm, frame, base, heights)

    inside, vessels, lung = sampled(field.inside), sampled(field.vessels), sampled(field.lung)
    rises = tuple(r * STEP_MM / this.step_mm for r in this.rises)
    ridge = max(RIDGE_MM, RIDGE_SLICE_SHARE * field.spacing_mm[0]) / this.step_mm
    response = sheet_response(sampled(field.flat), inside, ridge, this.along_mm / STEP_MM, rises)
    low, high = SHEET_RANGE
    sheet = np.clip((response - low) / (high - low), 0.0, 1.0)
    crowd = gaussian_filter(
        vessels, (CROWD_MM / STEP_MM, CROWD_MM / STEP_MM, CROWD_ACROSS_MM / this.step_mm), truncate=2.5
    )
    crowd /= max(float(crowd[lung > 0.5].mean()) if (lung > 0.5).any() else 0.0, 1e-6)
    cost = VESSEL_WEIGHT * vessels + CROWD_WEIGHT * np.minimum(crowd, MOST_CROWDED) * lung - sheet
    if marks is not None and len(marks.above):
        cost += wrong_side_cost(
            cost.shape,
            frame.coordinates(marks.points_mm),
            marks.above,
            MARK_WEIGHT * marks.weight,
            round(MARK_REACH_MM / STEP_MM),
            heights,
        )
    return heights, np.ascontiguousarray(cost, dtype=np.float32), sheet, lung


def _error_mm(seen: FloatArray, crosses: NDArray[np.bool_], slice_mm: float) -> FloatArray:
    """Return the surface's standard error: small where it is seen, larger the further from there."""
    book = load_evidence()
    most = book.value("anatomy.fissure_error", unit="mm")
    least = np.hypot(book.value("anatomy.fissure_error_seen", unit="mm"), 0.5 * slice_mm)
    growth = book.value("anatomy.fissure_error_growth", unit="1")
    plain = (seen > SEEN_FROM) & crosses
    if plain.sum() <= CHANCE_SHARE * crosses.sum():
        return np.full(seen.shape, most, dtype=np.float32)
    away = distance_transform_edt(~plain) * STEP_MM
    return np.asarray(np.minimum(np.hypot(least, growth * away), most), dtype=np.float32)


def _at(cells: FloatArray, index: FloatArray) -> FloatArray:
    """Values of the cells on a surface, given by indices along h."""
    k = np.clip(np.rint(index), 0, cells.shape[2] - 1).astype(int)[:, :, None]
    return np.take_along_axis(cells, k, 2)[:, :, 0]


def _seen(sheet: FloatArray, index: FloatArray, beside: int) -> FloatArray:
    """How much of a sheet there is on a surface or so many heights beside it, averaged along it."""
    here = np.max([_at(sheet, index + k) for k in range(-beside, beside + 1)], axis=0)
    return np.asarray(gaussian_filter(here, SEEN_CELLS if beside else 1.0), dtype=np.float32)
