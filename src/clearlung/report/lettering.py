"""What is written around a map: title, directions, names of lobes, scale bar, legend."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES
from clearlung.report.figures import draw_symbol
from clearlung.report.marks import INK
from clearlung.report.projections import Backdrop, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEGEND_LINE_MM = 4.4
# The letters of the directions stand halfway up the picture.
_CLEAR_OF_MARK_MM = 4.5
_BARS_MM = (50.0, 20.0)
# What "50 mm" before the bar takes up.
_BAR_WORDS_MM = 10.5
# What the name of a lobe takes up.
_WIDE_MM, _HIGH_MM = 6.0, 2.5

Words = tuple[float, float, float, float]
"""Middle, width and height on paper, mm, of words that numbers must not cover."""


@dataclass(frozen=True)
class LegendEntry:
    """One line of the legend: an operation, or None for what is left, in words."""

    operation: int | None
    text: str


@dataclass(frozen=True)
class Sheet:
    """How patient millimeters become paper millimeters: paper = offset + scale × patient."""

    scale: float
    offset: tuple[float, float]

    def points(self, patient: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points of the picture on paper."""
        return np.asarray(self.offset) + self.scale * patient


def draw_lobe_names(axes: Axes, view: View, behind: Backdrop, sheet: Sheet) -> list[Words]:
    """Name each lobe outside its lung, where it reaches the outline; from the feet none does."""
    left, right, bottom, top = behind.extent_mm
    middle = sheet.points(np.array([left, (bottom + top) / 2]))[1]
    words: list[Words] = []
    for lobe, mask in behind.lobes.items():
        if not mask.any():
            continue
        lung = behind.lungs[LOBE_SIDES[lobe]]
        row = round(float(np.argwhere(mask)[:, 0].mean()))
        columns = np.flatnonzero(lung[row])
        if len(columns) == 0:
            continue
        # From the front the outer edge: the inner one borders on the other lung. From the side the one
        # that the lobe reaches, the back for choice: the upper lobe reaches the front alone further down.
        from_front = view.marks[0] == "R"
        to_right = LOBE_SIDES[lobe] == "left" if from_front else bool(mask[row, columns[-1]])
        edge = (columns[-1] + 1 if to_right else columns[0]) / mask.shape[1]
        x, y = sheet.points(
            np.array([left + edge * (right - left), bottom + (row + 0.5) / mask.shape[0] * (top - bottom)])
        )
        if abs(y - middle) < _CLEAR_OF_MARK_MM:
            y = middle + np.copysign(_CLEAR_OF_MARK_MM, y - middle)
        x += 3.9 if to_right else -3.9
        while any(abs(x - at) < _WIDE_MM and abs(y - level) < _HIGH_MM for at, level, _, _ in words):
            y -= _HIGH_MM
        axes.text(x, y, lobe, fontsize=7, color="#5A5A5A", ha="center", va="center", zorder=3)
        words.append((float(x), float(y), _WIDE_MM, _HIGH_MM))
    return words


def draw_marks(
    axes: Axes, view: View, behind: Backdrop, sheet: Sheet, width_mm: float, height_mm: float
) -> list[Words]:
    """Write the title and the letters of the directions; return where the letters stand."""
    left, right, bottom, top = behind.extent_mm
    (x0, y0), (x1, y1) = sheet.points(np.array([[left, bottom], [right, top]]))
    middle = (y0 + y1) / 2
    letters = (
        (max(x0 - 4.5, 2.5), middle, view.marks[0]),
        (min(x1 + 4.5, width_mm - 2.5), middle, view.marks[1]),
        ((x0 + x1) / 2, y1 + 3.0, view.marks[2]),
        ((x0 + x1) / 2, y0 - 3.0, view.marks[3]),
    )
    for x, y, letter in letters:
        axes.text(x, y, letter, fontsize=11, fontweight="bold", color=INK, ha="center", va="center", zorder=9)
    axes.text(
        1.0, height_mm - 1.0, view.title, fontsize=8.5, fontweight="bold", color=INK, ha="left", va="top"
    )
    if view.side is not None:
        # A single lung looks much like the other: say which it is where the eye falls.
        axes.text(
            width_mm - 1.0,
            height_mm - 1.0,
            "R" if view.side == "right" else "L",
            fontsize=16,
            fontweight="bold",
            color=INK,
            ha="right",
            va="top",
        )
    return [(float(x), float(y), 3.4, 3.6) for x, y, _ in letters]


def draw_scale_bar(axes: Axes, sheet: Sheet, right_mm: float, y_mm: float, room_mm: float = math.inf) -> None:
    """Draw 5 cm in the patient, or 2 cm where there is no room for the bar and its words."""
    length = next((long for long in _BARS_MM if long * sheet.scale + _BAR_WORDS_MM <= room_mm), _BARS_MM[-1])
    start = right_mm - length * sheet.scale
    axes.plot([start, right_mm], [y_mm, y_mm], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=9)
    for x in (start, right_mm):
        axes.plot([x, x], [y_mm - 0.9, y_mm + 0.9], color=INK, linewidth=0.8, zorder=9)
    axes.text(
        start - 1.2,
        y_mm,
        f"{length:.0f} mm",
        fontsize=7,
        color=INK,
        ha="right",
        va="center_baseline",
        zorder=9,
    )


def _legend_columns(legend: tuple[LegendEntry, ...], width_mm: float) -> int:
    longest = max(len(entry.text) for entry in legend)
    return max(1, int(width_mm // (longest * 1.32 + 6.0)))


def legend_lines(legend: tuple[LegendEntry, ...], width_mm: float) -> int:
    """How many lines the legend takes."""
    return -(-len(legend) // _legend_columns(legend, width_mm)) if legend else 0


def draw_legend(axes: Axes, legend: tuple[LegendEntry, ...], width_mm: float, lines: int) -> None:
    """Write what the marks mean along the lower edge."""
    if not legend:
        return
    columns = _legend_columns(legend, width_mm)
    for index, entry in enumerate(legend):
        x = 2.5 + (index % columns) * (width_mm - 2.0) / columns
        y = (lines - index // columns - 0.5) * LEGEND_LINE_MM
        draw_symbol(axes, x, y, entry.operation)
        axes.text(x + 2.4, y, entry.text, fontsize=6.6, color=INK, ha="left", va="center_baseline")
