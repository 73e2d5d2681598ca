"""The fissures: where they run, and how much of each is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side
from clearlung.evidence import load_evidence
from clearlung.phantom import atlas
from clearlung.phantom.fields import FAR_MM, Field, FloatArray, distance_like, smooth_noise
from clearlung.phantom.frame import Frame
from clearlung.phantom.variety import Surface, Variety

# Assumed: how wavy the fissures are, standard deviation.
FISSURE_WAVE_MM = 3.5
UNDULATION_LENGTH_MM = 110.0
LEFTOVER_SHARE = 1e-4
# Where a surface's twist is nothing: (x, y) of the atlas.
TWIST_AXIS_MM = (70.0, 0.0)
# The border of what is missing of a fissure: uneven by this much, and fading over this.
MISSING_UNEVEN_MM = 9.0
MISSING_LENGTH_MM = 30.0
MISSING_FADE_MM = 2.0
# Assumed: a fissure's thickness over the scan varies along it, standard deviation of the logarithm, over some
# centimeters; it fades in places, and never quite.
THICKNESS_LOG_SD = 0.6
THICKNESS_LENGTH_MM = 24.0
THICKNESS_LIMITS = (0.2, 2.5)
# A fissure's area is measured in a layer of this half thickness about it.
LAYER_MM = 2.0

FISSURES: tuple[tuple[str, tuple[Lobe, ...]], ...] = (
    ("right oblique", ("RUL", "RML", "RLL")),
    ("right horizontal", ("RUL", "RML")),
    ("left oblique", ("LUL", "LLL")),
)
"""Each fissure and the lobes that it parts, in the order in which all are listed."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """One fissure as it is painted.

    Parameters
    ----------
    name, lobes
        As in :data:`FISSURES`.
    surface
        Signed distance to it.
    within
        Signed distance of the lung tissue that it parts, negative inside.
    thickness
        How thick it is over the usual: 0 where it is missing. None if it is whole and even.
    complete_share
        Share of its area that is there, 0 to 1.
    """

    name: str
    lobes: tuple[Lobe, ...]
    surface: Field
    within: Field
    thickness: Field | None
    complete_share: float

    def layer(self) -> NDArray[np.bool_]:
        """Grid points of an even layer about the surface: their number goes with its area."""
        return (np.abs(self.surface.array) < LAYER_MM) & (self.within.array < 0)


def place_fissures(
    lungs: dict[Side, Field],
    frame: Frame,
    variety: Variety,
    rng: np.random.Generator,
    missing: Collection[Lobe] = (),
) -> dict[Lobe, Field]:
    """Place the fissures so that each lobe has its share of its lung.

    Returns
    -------
    dict
        By lobe: signed distance to the fissures that bound it, negative inside.
    """
    share = {}
    for lobe in LOBES:
        mean, sd = published_share(f"lobe_share.{lobe}")
        share[lobe] = max(mean + variety.share_spread * sd * float(rng.standard_normal()), 0.2 * mean)
    for lobe in missing:
        # What is left of the lung takes its room, but for a rest that keeps the sums from vanishing.
        share[lobe] = LEFTOVER_SHARE
    grid = lungs["right"]
    wave = FISSURE_WAVE_MM * variety.ripple * smooth_noise(grid, 50.0, rng)
    waves = {"right": wave, "left": wave, "horizontal": -wave}
    if variety.undulation_mm:
        for name in waves:
            slow = smooth_noise(grid, UNDULATION_LENGTH_MM, rng)
            waves[name] = waves[name] + np.float32(variety.undulation_mm) * slow
    height = {name: _height(grid, frame, name, variety.surfaces[name]) + waves[name] for name in waves}
    right_all = share["RUL"] + share["RML"] + share["RLL"]
    right_oblique = _placed(height["right"], lungs["right"], share["RLL"] / right_all)
    upper = grid.with_array(np.maximum(lungs["right"].array, -right_oblique.array))
    horizontal = _placed(height["horizontal"], upper, share["RML"] / (share["RML"] + share["RUL"]))
    everywhere = grid.with_array(np.full(grid.array.shape, -FAR_MM, dtype=np.float32))
    left_oblique = _placed(height["left"], lungs["left"], share["LLL"] / (share["LLL"] + share["LUL"]))
    if "RUL" in missing:
        horizontal = everywhere
    if "LLL" in missing:
        left_oblique = left_oblique.with_array(-everywhere.array)
    return {
        "RUL": grid.with_array(np.maximum(-right_oblique.array, -horizontal.array)),
        "RML": grid.with_array(np.maximum(-right_oblique.array, horizontal.array)),
        "RLL": right_oblique,
        "LUL": left_oblique.with_array(-left_oblique.array),
        "LLL": left_oblique,
    }


def published_share(name: str) -> tuple[float, float]:
    """Mean and standard deviation of a part's share of the lungs; the evidence gives one SD each side."""
    entry = load_evidence()[f"anatomy.{name}"]
    low, high = entry.low or entry.value, entry.high or entry.value
    # Rounded to what was published, so that no last bit depends on the arithmetic.
    return round(entry.value / 100, 4), round((high - low) / 200, 4)


def _placed(height: FloatArray, within: Field, share: float) -> Field:
    """Shift a surface so that a share of a region lies beneath it; negative beneath."""
    offset = np.quantile(height[within.array < 0], share)
    return distance_like(within.with_array(height - np.float32(offset)))


def _height(grid: Field, frame: Frame, name: str, surface: Surface) -> FloatArray:
    """Height over a fissure, but for its place.

    An oblique one rises to the back, steeper at first; the horizontal one falls gently to the front and the
    side.
    """
    z, y, x = frame.axes(grid)
    x = np.abs(x)
    along, aside = surface.slope
    if name == "horizontal":
        dome = surface.curve_per_mm * ((x - 75) ** 2 + (y + 40) ** 2)
        course = along * (y + 40) - aside * (x - 75) - dome
    else:
        rise = along * y - surface.curve_per_mm * (y - 20) ** 2 * 0.5
        course = rise + aside * (x - 70)
    if surface.twist:
        course = course + surface.twist * (x - TWIST_AXIS_MM[0]) * (y - TWIST_AXIS_MM[1]) * 1e-4
    return np.asarray(z - course, dtype=np.float32)


def make_sheets(
    lungs: dict[Side, Field],
    bounds: dict[Lobe, Field],
    frame: Frame,
    completeness: tuple[float, float, float],
    rng: np.random.Generator,
    missing: Collection[Lobe] = (),
) -> tuple[Sheet, ...]:
    """Make the fissures ready to paint, each with the share of its surface that is there.

    One that parts nothing, because a lobe is missing, is left out.

    Parameters
    ----------
    lungs, bounds
        The lungs, and the fissures that bound each lobe.
    frame
        Where the hila lie.
    completeness
        Share of each fissure's surface, in the order of :data:`FISSURES`. What is missing lies towards the
        hilum.
    rng
        The uneven border of what is missing.
    """
    right = lungs["right"]
    above = right.with_array(np.maximum(right.array, -bounds["RLL"].array))
    places = ((bounds["RLL"], right), (bounds["RML"], above), (bounds["LLL"], lungs["left"]))
    sheets = []
    for (name, lobes), (surface, within), share in zip(FISSURES, places, completeness, strict=True):
        border = MISSING_UNEVEN_MM * smooth_noise(surface, MISSING_LENGTH_MM, rng)
        left = tuple(lobe for lobe in lobes if lobe not in missing)
        if len(left) < 2:
            continue
        whole = Sheet(name, left, surface, within, None, 1.0)
        sheets.append(whole if share >= 1.0 else _incomplete(whole, frame, share, border))
    return tuple(sheets)


def uneven_sheet(sheet: Sheet, rng: np.random.Generator) -> Sheet:
    """Let a fissure be thicker here and fainter there."""
    noise = smooth_noise(sheet.surface, THICKNESS_LENGTH_MM, rng)
    thickness = np.clip(np.exp(THICKNESS_LOG_SD * noise), *THICKNESS_LIMITS).astype(np.float32)
    if sheet.thickness is not None:
        thickness = thickness * sheet.thickness.array
    return replace(sheet, thickness=sheet.surface.with_array(thickness))


def _incomplete(whole: Sheet, frame: Frame, share: float, border: FloatArray) -> Sheet:
    """Leave out the part of a fissure that is nearest to the hilum."""
    grid = whole.surface
    x, y, z = frame.point(atlas.HILUM_MM[LOBE_SIDES[whole.lobes[0]]])
    zs, ys, xs = grid.axes_mm()
    away = np.sqrt((zs - z) ** 2 + (ys - y) ** 2 + (xs - x) ** 2) + border
    layer = whole.layer()
    limit = float(np.quantile(away[layer], 1.0 - share))
    if share <= 0.0:
        limit = np.inf
    there = np.clip(0.5 + (away - limit) / MISSING_FADE_MM, 0.0, 1.0)
    painted = float((away[layer] > limit).mean())
    return Sheet(
        whole.name, whole.lobes, grid, whole.within, grid.with_array(there.astype(np.float32)), painted
    )
