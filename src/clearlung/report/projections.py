"""Projections of the lungs: where a nodule falls on a picture, and the picture behind it.

Everything is laid out in the scan's own axes: millimeters along x (to the patient's left), y (to the back)
and z (to the head) from the first voxel of the anatomy's box. Picture and nodules thereby stay together
even where the patient lies a little askew in the scanner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LUNG_LABELS, SIDES, Anatomy, Lobe, Side
from clearlung.ct import Scan
from clearlung.nodules import NoduleTable

# Fine enough for the lungs' outline, and a tenth of the memory of the scan.
PIXEL_MM = 1.0
# Along the rays it is the mean that counts, and every other voxel gives the same one.
RAY_STEP_MM = 2.0
# Healthy lung to a lung full of vessels, as a mean along the ray.
LIGHT_HU, DARK_HU = -900.0, -650.0
GRAY_STEPS = 255
"""Grays of a backdrop."""

_Z, _Y, _X = 0, 1, 2

_Pixel = TypeVar("_Pixel", np.float32, np.bool_)


@dataclass(frozen=True)
class View:
    """One direction to look from.

    Parameters
    ----------
    name, title
        Stable name; words for the heading of the picture.
    across, up
        Array axis (z, y, x) that runs to the picture's right; the one that runs up or down.
    up_sign
        +1 if the axis ``up`` runs upwards on the picture, -1 if it runs down.
    side
        The lung that is shown, or None for both.
    marks
        Letters at the picture's left, right, top and bottom.
    """

    name: str
    title: str
    across: int
    up: int
    up_sign: int
    side: Side | None
    marks: tuple[str, str, str, str]

    @property
    def ray(self) -> int:
        """The array axis that the picture is seen along."""
        return 3 - self.across - self.up

    @property
    def sides(self) -> tuple[Side, ...]:
        """The lungs that are shown."""
        return SIDES if self.side is None else (self.side,)


# Radiological convention: seen from the front, and from the feet; the patient's right is on the left.
CORONAL = View("coronal", "Both lungs from the front (coronal)", _X, _Z, 1, None, ("R", "L", "H", "F"))
AXIAL = View("axial", "Both lungs from the feet (axial)", _X, _Y, -1, None, ("R", "L", "A", "P"))
SAGITTAL_RIGHT = View(
    "sagittal-right", "Right lung from the side (sagittal)", _Y, _Z, 1, "right", ("A", "P", "H", "F")
)
SAGITTAL_LEFT = View(
    "sagittal-left", "Left lung from the side (sagittal)", _Y, _Z, 1, "left", ("A", "P", "H", "F")
)
_FRONT_RIGHT = View("coronal-right", "Right lung from the front", _X, _Z, 1, "right", CORONAL.marks)
_FRONT_LEFT = View("coronal-left", "Left lung from the front", _X, _Z, 1, "left", CORONAL.marks)
OPERATION_VIEWS: dict[str, tuple[View, View]] = {
    "right": (_FRONT_RIGHT, SAGITTAL_RIGHT),
    "left": (_FRONT_LEFT, SAGITTAL_LEFT),
    "both": (CORONAL, AXIAL),
}
"""By the side of an operation: from where to look at its nodules."""

ALL_VIEWS = (CORONAL, SAGITTAL_RIGHT, SAGITTAL_LEFT, AXIAL, _FRONT_RIGHT, _FRONT_LEFT)
"""Every direction that a report shows."""


@dataclass(frozen=True, eq=False)
class Backdrop:
    """What lies behind the nodules of one view; rows run up the picture.

    Parameters
    ----------
    extent_mm
        Left, right, bottom, top of the pixels' outer edges.
    gray
        float32 in [0, 1], NaN outside the lungs: 0 light, 1 dark; None without a scan.
    lungs, lobes
        Silhouettes (bool) by name.
    """

    extent_mm: tuple[float, float, float, float]
    gray: NDArray[np.float32] | None
    lungs: dict[Side, NDArray[np.bool_]]
    lobes: dict[Lobe, NDArray[np.bool_]]

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height in the patient."""
        left, right, bottom, top = self.extent_mm
        return right - left, top - bottom


def places_mm(nodules: NoduleTable, anatomy: Anatomy) -> NDArray[np.float64]:
    """Return where the nodules lie along the scan's axes, shape (n, 3) in (z, y, x), mm."""
    return np.asarray(anatomy.lungs.indices(nodules.points_mm) * np.asarray(anatomy.lungs.spacing_mm))


def on_picture(view: View, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places as (to the right, up) on the picture, shape (n, 2), mm."""
    return np.column_stack([places[:, view.across], view.up_sign * places[:, view.up]])


def backdrop(view: View, anatomy: Anatomy, scan: Scan | None) -> Backdrop:
    """Project the lungs along the view's ray."""
    spacing = anatomy.lungs.spacing_mm
    steps = [
        max(1, round((RAY_STEP_MM if axis == view.ray else PIXEL_MM) / spacing[axis])) for axis in range(3)
    ]
    thin = tuple(slice(None, None, step) for step in steps)
    lungs = anatomy.lungs.array[thin]
    lobes = anatomy.lobes.array[thin]
    shown = np.isin(lungs, [LUNG_LABELS[side] for side in view.sides])
    gray = None
    if scan is not None:
        gray = _mean_along(view, scan.volume.array[anatomy.box][thin], shown)
    whole = Backdrop(
        extent_mm=_extent(view, shown.shape, [s * n for s, n in zip(spacing, steps, strict=True)]),
        gray=gray,
        lungs={side: _silhouette(view, lungs == LUNG_LABELS[side]) for side in view.sides},
        lobes={
            lobe: _silhouette(view, lobes == label)
            for lobe, label in LOBE_LABELS.items()
            if LOBE_SIDES[lobe] in view.sides
        },
    )
    return _trimmed(whole)


def _trimmed(whole: Backdrop) -> Backdrop:
    """Cut away what lies beyond the lungs, so that they fill the picture."""
    shown = np.logical_or.reduce(list(whole.lungs.values()))
    if not shown.any():
        return whole
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    row, column = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    left, right, bottom, top = whole.extent_mm
    wide, high = (right - left) / shown.shape[1], (top - bottom) / shown.shape[0]
    return Backdrop(
        extent_mm=(
            left + wide * column.start,
            left + wide * column.stop,
            bottom + high * row.start,
            bottom + high * row.stop,
        ),
        gray=None if whole.gray is None else whole.gray[row, column],
        lungs={side: mask[row, column] for side, mask in whole.lungs.items()},
        lobes={lobe: mask[row, column] for lobe, mask in whole.lobes.items()},
    )


def _mean_along(view: View, hu: NDArray[np.int16], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    total = np.where(inside, hu, 0).sum(axis=view.ray, dtype=np.float32)
    count = inside.sum(axis=view.ray)
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
    gray = np.clip((mean - LIGHT_HU) / (DARK_HU - LIGHT_HU), 0, 1)
    # In the steps of a byte, so that what is kept of a report draws the same picture.
    return _upright(view, (np.round(gray * GRAY_STEPS) / GRAY_STEPS).astype(np.float32))


def _silhouette(view: View, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return _upright(view, np.asarray(mask.any(axis=view.ray), dtype=np.bool_))


def _upright(view: View, flat: NDArray[_Pixel]) -> NDArray[_Pixel]:
    """Turn a projection so that its first row is the picture's lowest and its columns run to the right."""
    rows_first = flat if view.up < view.across else flat.T
    return rows_first[:: view.up_sign]


def _extent(view: View, shape: tuple[int, ...], pixel_mm: list[float]) -> tuple[float, float, float, float]:
    across = (-pixel_mm[view.across] / 2, (shape[view.across] - 0.5) * pixel_mm[view.across])
    up = (-pixel_mm[view.up] / 2, (shape[view.up] - 0.5) * pixel_mm[view.up])
    low, high = up if view.up_sign > 0 else (-up[1], -up[0])
    return across[0], across[1], low, high
