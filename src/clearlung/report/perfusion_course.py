"""The course of the drug in one perfusion, and what each place is exposed to."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from clearlung.perfusion import tissue_ml
from clearlung.report.figures import as_svg, drawing, paper
from clearlung.report.marks import INK, SIDE_LETTERS
from clearlung.report.numbers import fixed
from clearlung.report.perfusion_input import PerfusionSheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 178.0
_HEIGHT_MM = 43.0
_COURSE_MM = (13.0, 9.0, 96.0, 21.0)
_AREAS_MM = (137.0, 9.0, 38.0, 28.0)
_AFTER_MIN = 60.0
"""Minutes after reconnection that are drawn."""
# Below this the axis ends: a hundred-thousandth of the highest level says nothing more.
_DECADES = 5.0
_GRID, _SOFT, _BAR = "#D9D9D9", "#5A5A5A", "#9DB7D1"
_BANDS = ("#E9E9E9", "#F6F6F6", "#FFFFFF")
_DRAWN: WeakKeyDictionary[PerfusionSheet, str] = WeakKeyDictionary()
"""Pictures of the sheets that somebody still holds."""


def course_svg(sheet: PerfusionSheet) -> str:
    """Draw levels over time in circuit, lung and body, and the areas under them with that of tumor.

    Parameters
    ----------
    sheet
        The perfusion.

    Returns
    -------
    str
        SVG, :data:`WIDTH_MM` wide: lines differ by their dashes and are named where they run.
    """
    # A plan's report and the sheet of its own show the same picture.
    if sheet not in _DRAWN:
        with drawing():
            _DRAWN[sheet] = as_svg(_draw(sheet))
    return _DRAWN[sheet]


def course_alt(sheet: PerfusionSheet) -> str:
    """Say what the picture shows, for those who cannot see it."""
    course = sheet.course
    peak, area, tumor = course.peak_mg_per_l, course.auc_mg_min_per_l, course.tumor_auc_mg_min_per_l
    return (
        f"Levels of {sheet.regimen.drug} over time on a logarithmic axis, {sheet.side} lung: perfusate from"
        f" {_level(peak.perfusate)} mg/l until washout in minute {course.phases.perfusion:g}, lung up to"
        f" {_level(peak.lung)} mg/l, body up to {_level(peak.systemic)} mg/l in minute"
        f" {fixed(course.systemic_peak_minute)}; the lung is reconnected in minute"
        f" {course.phases.reconnection:g}. Areas under the curves: perfusate {_level(area.perfusate)}, lung"
        f" {_level(area.lung)}, body {_level(area.systemic)}, tumor between {_level(tumor.low)} and"
        f" {_level(tumor.high)} mg min per liter."
    )


def _draw(sheet: PerfusionSheet) -> Figure:
    figure, page = paper(WIDTH_MM, _HEIGHT_MM)
    page.text(1, _HEIGHT_MM - 2, "Levels over time", fontsize=7.5, fontweight="bold", va="center")
    page.text(
        _AREAS_MM[0] - 22,
        _HEIGHT_MM - 2,
        "Exposure (area under the curve)",
        fontsize=7.5,
        fontweight="bold",
        va="center",
    )
    # A page about one lung looks much like one about the other: say which where the eye falls.
    page.text(
        _COURSE_MM[0] + _COURSE_MM[2],
        _HEIGHT_MM - 3.5,
        SIDE_LETTERS[sheet.side],
        fontsize=16,
        fontweight="bold",
        ha="right",
        va="center",
    )
    _draw_course(_axes(figure, _COURSE_MM), sheet)
    _draw_areas(_axes(figure, _AREAS_MM), sheet)
    return figure


def _axes(figure: Figure, place_mm: tuple[float, float, float, float]) -> Axes:
    left, bottom, width, height = place_mm
    axes = figure.add_axes((left / WIDTH_MM, bottom / _HEIGHT_MM, width / WIDTH_MM, height / _HEIGHT_MM))
    axes.tick_params(labelsize=6.5, length=2)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    return axes


def _draw_course(axes: Axes, sheet: PerfusionSheet) -> None:
    course = sheet.course
    phases = course.phases
    end = min(phases.end, phases.reconnection + _AFTER_MIN)
    weights = np.array([tissue_ml((one,)) for one in sheet.lungs.of(sheet.target)])
    lung = course.lung_mg_per_l @ (weights / weights.sum())
    top = max(course.peak_mg_per_l.perfusate, float(lung.max())) * 3
    bottom = top / 10**_DECADES
    edges = (0.0, phases.perfusion, phases.reconnection, end)
    # Above the axes, where no line runs.
    words = (
        f"perfusion\n{fixed(phases.perfusion)} min",
        f"washout\n{fixed(phases.washout - phases.perfusion)} min",
        "reconnected\n",
    )
    for start, stop, color, said in zip(edges, edges[1:], _BANDS, words, strict=False):
        if stop <= start:
            continue
        axes.axvspan(start, stop, color=color, linewidth=0, zorder=0)
        axes.axvline(stop, color=_SOFT, linewidth=0.5, zorder=1)
        middle = (start + stop) / 2
        axes.text(middle, top * 1.25, said, fontsize=6, color=_SOFT, ha="center", va="bottom")
    for levels, style, width in (
        (course.perfusate_mg_per_l, "-", 1.5),
        (lung, (0, (5, 1.5)), 1.3),
        (course.systemic_mg_per_l, (0, (1, 1)), 1.5),
    ):
        shown = (levels > bottom) & (course.minutes <= end)
        axes.plot(
            course.minutes[shown],
            levels[shown],
            color=INK,
            linestyle=style,
            linewidth=width,
            solid_capstyle="butt",
            zorder=4,
        )
    _name(axes, sheet, lung, end, bottom)
    axes.set_yscale("log")
    axes.set_xlim(0, end)
    axes.set_ylim(bottom, top)
    axes.set_xlabel("Minutes from the start of the perfusion", fontsize=6.5, labelpad=1)
    axes.set_ylabel("mg/l", fontsize=6.5, labelpad=1)
    axes.minorticks_off()
    axes.grid(axis="y", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)


def _name(axes: Axes, sheet: PerfusionSheet, lung: NDArray[np.float64], end: float, bottom: float) -> None:
    """Name the lines where they run."""
    course = sheet.course
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6}

    def at(levels: NDArray[np.float64], minute: float) -> float:
        return max(float(np.interp(minute, course.minutes, levels)), bottom)

    inside = course.phases.perfusion
    axes.text(
        inside * 0.97,
        at(course.perfusate_mg_per_l, inside * 0.9) * 1.35,
        "perfusate",
        fontsize=6.5,
        ha="right",
        va="bottom",
        zorder=5,
    )
    late = course.phases.reconnection + 0.6 * (end - course.phases.reconnection)
    for levels, words, up in (
        (lung, f"lung tissue ({', '.join(sheet.lobes)})", True),
        (
            course.systemic_mg_per_l,
            f"body: peak {_level(course.peak_mg_per_l.systemic)} mg/l,"
            f" minute {fixed(course.systemic_peak_minute)}",
            False,
        ),
    ):
        axes.text(
            late if up else end * 0.99,
            at(levels, late) * (1.7 if up else 0.5),
            words,
            fontsize=6.5,
            ha="center" if up else "right",
            va="bottom" if up else "top",
            bbox=box,
            zorder=5,
        )


def _draw_areas(axes: Axes, sheet: PerfusionSheet) -> None:
    """Draw the exposures on one logarithmic axis, that of tumor as what it is: an interval."""
    area, tumor = sheet.course.auc_mg_min_per_l, sheet.course.tumor_auc_mg_min_per_l
    rows = (("perfusate", area.perfusate), ("lung tissue", area.lung), ("body", area.systemic))
    values = [value for _, value in rows if value > 0]
    low, high = min([tumor.low, *values]) / 3, max([tumor.high, *values]) * 12
    for place, (_, value) in enumerate(rows):
        if value <= 0:
            continue
        axes.plot([value], [place], marker="o", markersize=4, color=INK, zorder=4)
        axes.text(value * 1.6, place, _level(value), fontsize=6.5, va="center", zorder=5)
    place = len(rows)
    axes.barh(place, tumor.high - tumor.low, left=tumor.low, height=0.42, color=_BAR, edgecolor=INK, lw=0.7)
    axes.plot([tumor.median] * 2, [place - 0.3, place + 0.3], color=INK, linewidth=1.6, zorder=4)
    axes.text(
        (low * high) ** 0.5,
        place + 0.42,
        f"{_level(tumor.low)} to {_level(tumor.high)}, no prediction",
        fontsize=6.5,
        ha="center",
        va="top",
        zorder=5,
    )
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(place + 1.0, -0.6)
    axes.set_yticks(range(place + 1), [*(words for words, _ in rows), "tumor, 90 %\nof the prior"])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("mg·min/l", fontsize=6.5, labelpad=1)
    axes.minorticks_off()
    axes.grid(axis="x", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)


def _level(value: float) -> str:
    """Return a level with the digits that a model is worth."""
    return fixed(value) if value >= 10 else f"{value:.2g}"
