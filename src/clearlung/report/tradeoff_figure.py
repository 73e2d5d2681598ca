"""The trade-off curve: what fewer operations cost in tissue at once and in weeks, at each floor of FEV1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearlung.report.figures import as_png, as_svg, drawing, paper
from clearlung.report.marks import INK
from clearlung.staging import Tradeoff, TradeoffPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_MM, _HEIGHT_MM = 180.0, 88.0
_LEFT_MM, _GAP_MM, _RIGHT_MM, _FOOT_MM, _HEAD_MM = 14.0, 18.0, 4.0, 24.0, 10.0
_DPI = 200
_GRID = "#D9D9D9"
_DOMINATED = "#9A9A9A"
# Told apart by shape and line as well as by color, which is the color-blind safe palette of Okabe and Ito.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SHAPES = ("o", "s", "^", "D", "v", "P")
_LINES = ("-", "--", "-.", ":")


def tradeoff_png(curve: Tradeoff) -> bytes:
    """Return the trade-off curve as PNG.

    Parameters
    ----------
    curve
        From :func:`clearlung.staging.trade_off`.
    """
    with drawing():
        return as_png(_draw(curve), _DPI)


def tradeoff_svg(curve: Tradeoff) -> str:
    """Return the trade-off curve as SVG.

    Parameters
    ----------
    curve
        From :func:`clearlung.staging.trade_off`.
    """
    with drawing():
        return as_svg(_draw(curve))


def tradeoff_words(curve: Tradeoff) -> str:
    """Return what the picture shows, in words, for those who do not see it."""
    best = curve.best
    if not best:
        return "The trade-off curve has no point."
    first, last = best[0].row, best[-1].row
    return (
        f"Trade-off curve of {len(best)} plans: from {first.operations} operations with at most"
        f" {first.removed_ml_max:.0f} ml at once in {first.weeks} weeks to {last.operations} operations with"
        f" at most {last.removed_ml_max:.0f} ml at once in {last.weeks} weeks."
    )


def _draw(curve: Tradeoff) -> Figure:
    from matplotlib.ticker import MaxNLocator

    figure, sheet = paper(_WIDTH_MM, _HEIGHT_MM)
    sheet.text(1, _HEIGHT_MM - 1, "What fewer operations cost", fontsize=9, fontweight="bold", va="top")
    sheet.text(1, 1.5, _proof(curve), fontsize=6, va="bottom", color=INK)
    wide = (_WIDTH_MM - _LEFT_MM - _GAP_MM - _RIGHT_MM) / 2
    tall = _HEIGHT_MM - _FOOT_MM - _HEAD_MM
    panels = []
    for place, label in enumerate(("Tissue of the largest operation, ml", "Weeks until the last operation")):
        left = _LEFT_MM + place * (wide + _GAP_MM)
        axes = figure.add_axes((left / _WIDTH_MM, _FOOT_MM / _HEIGHT_MM, wide / _WIDTH_MM, tall / _HEIGHT_MM))
        axes.set_ylabel(label, fontsize=7)
        axes.set_xlabel("Operations", fontsize=7)
        axes.grid(color=_GRID, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=7, length=2)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels.append(axes)
    for place, floor in enumerate(sorted({point.fev1_limit_percent for point in curve.points})):
        own = [point for point in curve.points if point.fev1_limit_percent == floor]
        _draw_floor(panels[0], own, [p.row.removed_ml_max for p in own], place, floor)
        _draw_floor(panels[1], own, [float(p.row.weeks) for p in own], place, floor)
    for axes in panels:
        axes.set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            labels,
            loc="lower center",
            bbox_to_anchor=(0.5, 7.0 / _HEIGHT_MM),
            ncols=6,
            fontsize=6.5,
            frameon=False,
        )
    return figure


def _draw_floor(
    axes: Axes, points: list[TradeoffPoint], values: list[float], place: int, floor: float
) -> None:
    """Draw the points of one floor of FEV1: filled where proven, hollow where not, gray where dominated."""
    color, shape = _COLORS[place % len(_COLORS)], _SHAPES[place % len(_SHAPES)]
    best = [(p, value) for p, value in zip(points, values, strict=True) if not p.dominated]
    axes.plot(
        [p.row.operations for p, _ in best],
        [value for _, value in best],
        color=color,
        linestyle=_LINES[place % len(_LINES)],
        linewidth=0.9,
        marker=shape,
        markersize=4,
        label=f"FEV1 at least {floor:g} %",
    )
    hollow = [(p.row.operations, value) for p, value in best if not p.proven]
    axes.scatter(
        [n for n, _ in hollow],
        [value for _, value in hollow],
        s=16,
        marker=shape,
        facecolor="white",
        edgecolor=color,
        zorder=3,
    )
    gray = [(p.row.operations, v) for p, v in zip(points, values, strict=True) if p.dominated]
    axes.scatter(
        [n for n, _ in gray], [v for _, v in gray], s=10, marker="x", color=_DOMINATED, linewidth=0.8
    )


def _proof(curve: Tradeoff) -> str:
    options = curve.options
    weeks = "1 week" if options.weeks_step == 1 else f"{options.weeks_step} weeks"
    steps = (
        f"Steps of {options.tissue_step_ml:g} ml, {options.function_step_percent:g} % of FEV1 (lower bound"
        f" right after each operation) and {weeks}. Hollow: not proven. ×: another is no worse in anything."
    )
    return steps if curve.complete else f"{steps}\nIt is not proven that no point is missing."
