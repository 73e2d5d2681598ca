"""What lies unseen in each lobe, as intervals: before the plan, and after it without and with perfusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearlung.anatomy import LOBE_SIDES, Side
from clearlung.report.figures import as_svg, drawing, paper
from clearlung.report.marks import INK
from clearlung.report.numbers import fixed
from clearlung.staging import Expected, LobeUnseen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 178.0
_LOBE_MM, _HEAD_MM, _FOOT_MM = 13.0, 8.0, 15.0
_LEFT_MM, _GAP_MM, _RIGHT_MM = 12.0, 14.0, 4.0
_GRID = "#D9D9D9"
Bars = tuple[tuple[str, str, str, str], ...]
"""Of each bar of a lobe: the field that it shows, in words, its color and its hatch."""
_BARS: Bars = (
    ("unseen", "on the day of the CT", "white", "////"),
    ("left_without", "after the plan's operations, without perfusion", "#D0D0D0", ""),
    ("left", "after the plan with its perfusions", "#5B7A99", ""),
)


def unseen_svg(lobes: tuple[LobeUnseen, ...]) -> str:
    """Draw what lies unseen in each lobe.

    Parameters
    ----------
    lobes
        Those that there are, of the right lung on the picture's left.

    Returns
    -------
    str
        SVG, :data:`WIDTH_MM` wide: bars hold nine in ten imagined patients, the stroke is the middle, the dot
        the mean; they differ by hatch and shade.
    """
    with drawing():
        return as_svg(_draw(lobes))


def unseen_alt(lobes: tuple[LobeUnseen, ...]) -> str:
    """Say what the picture shows, for those who cannot see it."""
    rows = "; ".join(
        f"{one.lobe}: {_range(one.unseen)} before, {_range(one.left_without)} after the operations,"
        f" {_range(one.left)} with the perfusions"
        for one in lobes
    )
    return f"Metastases that the CT does not show, by lobe, nine in ten imagined patients. {rows}."


def _draw(lobes: tuple[LobeUnseen, ...]) -> Figure:
    sides: tuple[Side, ...] = ("right", "left")
    by_side = {side: [one for one in lobes if LOBE_SIDES[one.lobe] == side] for side in sides}
    most = max(len(part) for part in by_side.values())
    # Without a perfusion the third bar would be the second once more.
    bars = _BARS if any(one.left != one.left_without for one in lobes) else _BARS[:2]
    panel = most * _LOBE_MM
    height = _HEAD_MM + panel + _FOOT_MM
    figure, page = paper(WIDTH_MM, height)
    wide = (WIDTH_MM - 2 * _LEFT_MM - _GAP_MM / 2 - 2 * _RIGHT_MM) / 2
    high = max(max(one.unseen.high, one.unseen.mean) for one in lobes)
    for place, side in enumerate(sides):
        left = _LEFT_MM + place * (wide + _LEFT_MM + _GAP_MM / 2)
        page.text(
            left, height - 4, "R" if side == "right" else "L", fontsize=14, fontweight="bold", va="center"
        )
        page.text(left + 6, height - 4, f"{side} lung", fontsize=7.5, va="center")
        axes = figure.add_axes((left / WIDTH_MM, _FOOT_MM / height, wide / WIDTH_MM, panel / height))
        _draw_lung(axes, by_side[side], bars, most, high)
    _draw_legend(page, bars)
    return figure


def _draw_lung(axes: Axes, lobes: list[LobeUnseen], bars: Bars, most: int, high: float) -> None:
    for place, lobe in enumerate(lobes):
        for row, (name, _, color, hatch) in enumerate(bars):
            found: Expected = getattr(lobe, name)
            y = place + (row - 1) * 0.27
            axes.barh(
                y,
                found.high - found.low,
                left=found.low,
                height=0.2,
                color=color,
                hatch=hatch,
                edgecolor=INK,
                linewidth=0.6,
                zorder=3,
            )
            axes.plot([found.median] * 2, [y - 0.13, y + 0.13], color=INK, linewidth=1.4, zorder=5)
            axes.plot([found.mean], [y], "o", markersize=3, markerfacecolor="white", color=INK, zorder=5)
    # Straight to 1, logarithmic beyond: none is as likely as many.
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.6)
    axes.set_xlim(0, max(high, 1.0) * 1.3)
    ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 3000) if tick <= max(high, 1.0) * 1.3]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(most - 0.5, -0.5)
    axes.set_yticks(range(len(lobes)), [lobe.lobe for lobe in lobes])
    axes.tick_params(labelsize=7, length=2)
    axes.set_xlabel("Metastases that the CT does not show", fontsize=6.5, labelpad=1)
    axes.grid(axis="x", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)


def _draw_legend(page: Axes, bars: Bars) -> None:
    from matplotlib.patches import Rectangle

    left = _LEFT_MM
    for _, words, color, hatch in bars:
        page.add_patch(
            Rectangle((left, 1.6), 6, 2.6, facecolor=color, hatch=hatch, edgecolor=INK, linewidth=0.6)
        )
        page.text(left + 7.2, 2.9, words, fontsize=6.5, va="center")
        left += 10 + 1.14 * len(words)
    page.text(left, 2.9, "| middle  ○ mean", fontsize=6.5, va="center")


def _range(found: Expected) -> str:
    return f"{fixed(found.low)} to {fixed(found.high)}, mean {fixed(found.mean, 1)}"
