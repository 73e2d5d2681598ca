"""The trade-off curve: what fewer operations cost in tissue at once and in weeks, at each floor of FEV1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearlung import RESEARCH_NOTICE
from clearlung.report.figures import as_png, as_svg, drawing, paper
from clearlung.report.marks import INK
from clearlung.report.tradeoff_curve import CurvePoint, PlanPlace, TradeoffCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 180.0
_LEFT_MM, _GAP_MM, _RIGHT_MM, _HEAD_MM, _PANEL_MM = 14.0, 18.0, 4.0, 10.0, 54.0
# Below the panels: their labels, the lines of the legend, what the signs mean.
_AXIS_MM, _LEGEND_LINE_MM, _PROOF_MM = 11.0, 4.0, 10.0
_IN_A_LINE = 4
_DPI = 200
_GRID = "#D9D9D9"
_DOMINATED = "#6B6B6B"
# Told apart by shape and line as well as by color, which is the color-blind safe palette of Okabe and Ito.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_SHAPES = ("o", "s", "^", "D", "v", "P", "p")
_LINES = ("-", "--", "-.", ":")
# Floors often cost the same tissue: side by side their marks do not hide each other.
_SPREAD = 0.6


def tradeoff_png(curve: TradeoffCurve, plan: PlanPlace | None = None) -> bytes:
    """Return the trade-off curve as PNG.

    Parameters
    ----------
    curve
        What was found.
    plan
        A plan to ring, or None.
    """
    with drawing():
        return as_png(_draw(curve, plan), _DPI)


def tradeoff_svg(curve: TradeoffCurve, plan: PlanPlace | None = None) -> str:
    """Return the trade-off curve as SVG; parameters as for :func:`tradeoff_png`."""
    with drawing():
        return as_svg(_draw(curve, plan))


def tradeoff_words(curve: TradeoffCurve) -> str:
    """Return what the picture shows, in words, for those who do not see it."""
    best = curve.best
    if not best:
        return "The trade-off curve has no point."
    first, last = best[0], best[-1]
    return (
        f"Trade-off curve of {len(best)} plans: from {first.operations} operations with at most"
        f" {first.removed_ml_max:.0f} ml at once in {first.weeks} weeks to {last.operations} operations with"
        f" at most {last.removed_ml_max:.0f} ml at once in {last.weeks} weeks."
    )


def _draw(curve: TradeoffCurve, plan: PlanPlace | None) -> Figure:
    from matplotlib.ticker import MaxNLocator

    floors = sorted({point.fev1_limit_percent for point in curve.points})
    entries = len(floors) + (plan is not None)
    legend_mm = _LEGEND_LINE_MM * max(1, -(-entries // _IN_A_LINE)) + 2
    foot_mm = _AXIS_MM + legend_mm + _PROOF_MM
    height_mm = _HEAD_MM + _PANEL_MM + foot_mm
    figure, sheet = paper(WIDTH_MM, height_mm)
    title = f"What fewer operations cost, under {curve.protocol}"
    sheet.text(1, height_mm - 1, title, fontsize=9, fontweight="bold", va="top")
    sheet.text(1, 1.5, _signs(curve), fontsize=6, va="bottom", color=INK)
    wide = (WIDTH_MM - _LEFT_MM - _GAP_MM - _RIGHT_MM) / 2
    panels = []
    for place, label in enumerate(("Tissue of the largest operation, ml", "Weeks until the last operation")):
        left = _LEFT_MM + place * (wide + _GAP_MM)
        axes = figure.add_axes((left / WIDTH_MM, foot_mm / height_mm, wide / WIDTH_MM, _PANEL_MM / height_mm))
        axes.set_ylabel(label, fontsize=7)
        axes.set_xlabel("Operations", fontsize=7)
        axes.grid(axis="y", color=_GRID, linewidth=0.4)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=7, length=2)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels.append(axes)
    for place, floor in enumerate(floors):
        own = [point for point in curve.points if point.fev1_limit_percent == floor]
        aside = _aside(place, len(floors))
        _draw_floor(panels[0], own, [p.removed_ml_max for p in own], place, floor, aside)
        _draw_floor(panels[1], own, [float(p.weeks) for p in own], place, floor, aside)
    if plan is not None:
        at = plan.operations + _aside_of(plan, curve, floors)
        for axes, value in zip(panels, (plan.removed_ml_max, float(plan.weeks)), strict=True):
            _ring(axes, at, value)
    for axes in panels:
        axes.margins(x=0.06, y=0.08)
        axes.set_ylim(bottom=0)
    _draw_legend(figure, panels[0], (_PROOF_MM + legend_mm / 2) / height_mm)
    return figure


def _aside(place: int, floors: int) -> float:
    return _SPREAD * ((place + 0.5) / floors - 0.5)


def _aside_of(plan: PlanPlace, curve: TradeoffCurve, floors: list[float]) -> float:
    """Return how far aside the plan's own point stands; 0 where it is none of the curve's."""
    for point in curve.best:
        same = (point.operations, point.weeks) == (plan.operations, plan.weeks)
        if same and abs(point.removed_ml_max - plan.removed_ml_max) < curve.tissue_step_ml:
            return _aside(floors.index(point.fev1_limit_percent), len(floors))
    return 0.0


def _draw_legend(figure: Figure, axes: Axes, middle: float) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(
            handles,
            labels,
            loc="center",
            bbox_to_anchor=(0.5, middle),
            ncols=_IN_A_LINE,
            fontsize=6.5,
            frameon=False,
            handlelength=3.5,
        )


def _draw_floor(
    axes: Axes, points: list[CurvePoint], values: list[float], place: int, floor: float, aside: float
) -> None:
    """Draw the points of one floor of FEV1: filled where proven, hollow where not, gray where dominated."""
    color, shape = _COLORS[place % len(_COLORS)], _SHAPES[place % len(_SHAPES)]
    best = [(p, value) for p, value in zip(points, values, strict=True) if not p.dominated]
    axes.plot(
        [p.operations + aside for p, _ in best],
        [value for _, value in best],
        color=color,
        linestyle=_LINES[place % len(_LINES)],
        linewidth=0.9,
        marker=shape,
        markersize=4,
        markeredgecolor=INK,
        markeredgewidth=0.4,
        label=f"FEV1 at least {floor:g} %",
    )
    hollow = [(p.operations, value) for p, value in best if not p.proven]
    axes.scatter(
        [n + aside for n, _ in hollow],
        [value for _, value in hollow],
        s=16,
        marker=shape,
        facecolor="white",
        edgecolor=color,
        zorder=3,
    )
    gray = [(p.operations, v) for p, v in zip(points, values, strict=True) if p.dominated]
    axes.scatter(
        [n + aside for n, _ in gray], [v for _, v in gray], s=10, marker="x", color=_DOMINATED, linewidth=0.8
    )


def _ring(axes: Axes, operations: float, value: float) -> None:
    axes.plot(
        [operations],
        [value],
        "o",
        markersize=10,
        markerfacecolor="none",
        markeredgecolor=INK,
        markeredgewidth=1.2,
        label="this plan",
        clip_on=False,
        zorder=4,
    )


def _signs(curve: TradeoffCurve) -> str:
    weeks = "1 week" if curve.weeks_step == 1 else f"{curve.weeks_step} weeks"
    words = (
        f"Steps of {curve.tissue_step_ml:g} ml, of {curve.function_step_percent:g} % of FEV1 (lower bound"
        f" right after each operation) and of {weeks}. Marks of as many operations stand side by side.\n"
        "Filled: the fewest operations under its limits, proven. Hollow: not proven. ×: another plan is no"
        " worse in anything."
    )
    if not curve.complete:
        words += " It is not proven that no point is missing."
    return f"{words}\n{RESEARCH_NOTICE}"
