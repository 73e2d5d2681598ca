"""The lobes as boxes with counts by operation: for a list that says in which lobe, but not where."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from clearlung.anatomy import LOBES, Lobe
from clearlung.report.figures import draw_symbol, paper
from clearlung.report.marks import INK, operation_color
from clearlung.report.numbers import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE_MM = 4.6
_HEAD_MM = 8.0
_GAP_MM = 3.0
_TOP_MM = 16.0
# Lobes from head to feet; the patient's right on the picture's left.
_COLUMNS: tuple[tuple[Lobe, ...], tuple[Lobe, ...]] = (("RUL", "RML", "RLL"), ("LUL", "LLL"))
_NAMES: dict[Lobe, str] = {
    "RUL": "Right upper lobe (RUL)",
    "RML": "Middle lobe (RML)",
    "RLL": "Right lower lobe (RLL)",
    "LUL": "Left upper lobe (LUL)",
    "LLL": "Left lower lobe (LLL)",
}

Counts = dict[Lobe, "Counter[int | None]"]


def count_by_lobe(lobes: list[Lobe], operations: tuple[int | None, ...]) -> Counts:
    """Return for each lobe how many nodules each operation removes; None counts those that none does."""
    counts: Counts = {lobe: Counter() for lobe in LOBES}
    for lobe, operation in zip(lobes, operations, strict=True):
        counts[lobe][operation] += 1
    return counts


def draw_schematic(counts: Counts, width_mm: float) -> Figure:
    """Draw the five lobes, the patient's right on the picture's left."""
    heights = {lobe: _HEAD_MM + _LINE_MM * max(1, len(counts[lobe])) for lobe in LOBES}
    column_heights = [sum(heights[n] for n in names) + _GAP_MM * (len(names) - 1) for names in _COLUMNS]
    body = max(column_heights)
    figure, axes = paper(width_mm, body + _TOP_MM + 3)
    most = max((n for by in counts.values() for n in by.values()), default=1)
    box_width = (width_mm - 10) / 2
    for column, names in enumerate(_COLUMNS):
        x = 2.0 + column * (box_width + 6)
        axes.text(x, body + 6.2, ("R", "L")[column], fontsize=13, fontweight="bold", color=INK, va="bottom")
        axes.text(x + 6, body + 6.6, ("Right lung", "Left lung")[column], fontsize=8, color=INK, va="bottom")
        # A column with fewer lobes stretches, so that both lungs end at the same level.
        extra = (body - column_heights[column]) / len(names)
        y = body + 3
        for name in names:
            height = heights[name] + extra
            _draw_lobe(axes, name, counts[name], (x, y - height, box_width, height), most)
            y -= height + _GAP_MM
    axes.text(1, body + _TOP_MM + 2, "Lobes (no places were given)", fontsize=9, fontweight="bold", va="top")
    return figure


def _draw_lobe(
    axes: Axes, name: Lobe, counts: Counter[int | None], box: tuple[float, float, float, float], most: int
) -> None:
    from matplotlib.patches import FancyBboxPatch, Rectangle

    x, y, width, height = box
    axes.add_patch(
        FancyBboxPatch(
            (x + 1, y + 1),
            width - 2,
            height - 2,
            boxstyle="round,pad=1",
            facecolor="#F4F4F4",
            edgecolor="#5A5A5A",
            linewidth=0.7,
        )
    )
    top = y + height
    axes.text(x + 3, top - 2, _NAMES[name], fontsize=7.5, fontweight="bold", color=INK, va="top")
    axes.text(
        x + width - 3, top - 2, counted(counts.total(), "nodule"), fontsize=7, color=INK, ha="right", va="top"
    )
    longest = width - 52
    for row, number in enumerate(sorted(counts, key=lambda n: (n is None, n or 0))):
        middle = top - _HEAD_MM - (row + 0.3) * _LINE_MM
        draw_symbol(axes, x + 5, middle, number)
        words = "not removed" if number is None else f"operation {number}"
        axes.text(x + 8, middle, words, fontsize=7, color=INK, va="center_baseline")
        bar = longest * counts[number] / most
        axes.add_patch(
            Rectangle(
                (x + 32, middle - 1.3),
                bar,
                2.6,
                facecolor="white" if number is None else operation_color(number),
                edgecolor=INK,
                linewidth=0.5,
            )
        )
        axes.text(x + 33.5 + bar, middle, str(counts[number]), fontsize=7, color=INK, va="center_baseline")
