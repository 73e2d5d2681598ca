"""The course of the operations: when, on which side, and what becomes of the lungs' function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearlung.report.figures import draw_symbol, paper
from clearlung.report.lanes import (
    GRID,
    LaneEntry,
    draw_entry,
    lesions_by_side,
    rest_until,
    style_lanes,
)
from clearlung.report.marks import INK
from clearlung.staging import Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BAND = "#ECECEC"
_FLOOR = "#B00020"
# Room after the course for the value after full recovery.
_WEEKS_FOR_END = 4
# A plan whose course is not stored is drawn for half a year after its last operation.
_WEEKS_AFTER = 26
_LANES_MM, _PANEL_MM, _GAP_MM, _FOOT_MM, _HEAD_MM = 36.0, 44.0, 6.0, 12.0, 6.0
FIRST_OPERATION = "the first operation"
"""What the weeks of a plan are counted from."""
TODAY = "today"
"""What the weeks of a plan of what is left are counted from."""


@dataclass(frozen=True)
class Mark:
    """One operation in the course of a measure: right after it, with its interval."""

    number: int
    week: int
    before: float
    after: float
    low: float
    high: float


@dataclass(frozen=True)
class MeasureCourse:
    """One measure over the weeks, percent of predicted.

    Parameters
    ----------
    name
        FEV1 or DLCO.
    baseline
        Before the first operation.
    weeks, values
        The expected course.
    marks
        The operations.
    final
        Low, expected and high value after full recovery.
    """

    name: str
    baseline: float
    weeks: tuple[float, ...]
    values: tuple[float, ...]
    marks: tuple[Mark, ...]
    final: tuple[float, float, float]


def draw_course(plan: Plan, width_mm: float, weeks_from: str = FIRST_OPERATION) -> Figure:
    """Draw the time line, FEV1 and, where the plan has it, DLCO above one another, on one axis of weeks.

    Parameters
    ----------
    plan
        The plan.
    width_mm
        On paper.
    weeks_from
        What the weeks are counted from, in words: of a plan of what is left, today.
    """
    courses = courses_of(plan)
    height_mm = _HEAD_MM + _LANES_MM + len(courses) * (_PANEL_MM + _GAP_MM) + _FOOT_MM
    figure, sheet = paper(width_mm, height_mm)
    last = max(
        [week for course in courses for week in course.weeks] + [float(plan.weeks_until_clear + _WEEKS_AFTER)]
    )
    last += _WEEKS_FOR_END
    left, right = 22.0, 8.0
    box = (left / width_mm, (width_mm - left - right) / width_mm)

    def panel(bottom_mm: float, tall_mm: float) -> Axes:
        axes = figure.add_axes((box[0], bottom_mm / height_mm, box[1], tall_mm / height_mm))
        axes.set_xlim(-max(1.5, last * 0.03), last)
        axes.grid(axis="x", color=GRID, linewidth=0.4)
        axes.set_axisbelow(True)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        axes.tick_params(labelsize=7, length=2)
        return axes

    for place, course in enumerate(reversed(courses)):
        axes = panel(_FOOT_MM + place * (_PANEL_MM + _GAP_MM), _PANEL_MM)
        _draw_function(axes, course, _floors_of(plan, course.name), last)
        if place == 0:
            axes.set_xlabel(f"Weeks after {weeks_from}", fontsize=7)
        else:
            axes.tick_params(axis="x", labelbottom=False)
    _draw_lanes(panel(height_mm - _HEAD_MM - _LANES_MM, _LANES_MM), plan)
    sheet.text(1, height_mm - 1, "Operations and lung function", fontsize=9, fontweight="bold", va="top")
    return figure


def courses_of(plan: Plan) -> tuple[MeasureCourse, ...]:
    """Return the courses that a plan tells: FEV1, and DLCO where it has one.

    Where no course is stored, the values around the operations are joined by straight lines.
    """
    function = plan.function
    marks = tuple(
        Mark(
            o.number,
            o.week,
            o.fev1_before_percent,
            o.fev1_after_percent,
            o.fev1_after_low_percent,
            2 * o.fev1_after_percent - o.fev1_after_low_percent,
        )
        for o in sorted(plan.operations, key=lambda o: o.week)
    )
    weeks, values = [p.week for p in function.course], [p.fev1_percent for p in function.course]
    if not weeks:
        for mark in marks:
            weeks += [float(mark.week)] * 2
            values += [mark.before, mark.after]
        if marks:
            weeks.append(float(plan.weeks_until_clear + _WEEKS_AFTER))
            values.append(function.ppo_fev1_percent)
    final = (function.ppo_fev1_low_percent, function.ppo_fev1_percent, function.ppo_fev1_high_percent)
    fev1 = MeasureCourse("FEV1", function.fev1_percent, tuple(weeks), tuple(values), marks, final)
    dlco = _dlco(plan)
    return (fev1,) if dlco is None else (fev1, dlco)


def _dlco(plan: Plan) -> MeasureCourse | None:
    function = plan.function
    final = (function.ppo_dlco_low_percent, function.ppo_dlco_percent, function.ppo_dlco_high_percent)
    if function.dlco_percent is None or final[0] is None or final[1] is None or final[2] is None:
        return None
    marks = tuple(
        Mark(
            o.number,
            o.week,
            o.dlco_before_percent,
            o.dlco_after_percent,
            o.dlco_after_low_percent,
            2 * o.dlco_after_percent - o.dlco_after_low_percent,
        )
        for o in sorted(plan.operations, key=lambda o: o.week)
        if o.dlco_before_percent is not None
        and o.dlco_after_percent is not None
        and o.dlco_after_low_percent is not None
    )
    points = [(p.week, p.dlco_percent) for p in function.course if p.dlco_percent is not None]
    return MeasureCourse(
        "DLCO",
        function.dlco_percent,
        tuple(week for week, _ in points),
        tuple(value for _, value in points),
        marks,
        (final[0], final[1], final[2]),
    )


def _draw_lanes(axes: Axes, plan: Plan) -> None:
    style_lanes(axes, scans=any(operation.scan_week is not None for operation in plan.operations))
    axes.tick_params(axis="x", labelbottom=False, length=0)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    for operation in plan.operations:
        draw_entry(
            axes,
            LaneEntry(
                operation.number,
                operation.week,
                {side: str(count) for side, count in lesions_by_side(operation).items()},
                perfused=operation.perfusion is not None,
                rest_until=rest_until(plan, operation),
                scan_week=operation.scan_week,
            ),
        )


def _floors_of(plan: Plan, measure: str) -> tuple[float | None, float | None]:
    """Return the protocol's floors of a measure right after an operation and after recovery."""
    limits = plan.protocol.function
    if measure == "FEV1":
        return limits.fev1_after_percent_min, limits.ppo_fev1_percent_min
    return limits.dlco_after_percent_min, limits.ppo_dlco_percent_min


def _draw_function(
    axes: Axes, course: MeasureCourse, floors: tuple[float | None, float | None], last: float
) -> None:
    low, final, high = course.final
    margin = final - low
    axes.fill_between(
        course.weeks,
        [value - margin for value in course.values],
        [value + margin for value in course.values],
        color=_BAND,
        linewidth=0,
        zorder=1,
    )
    start = min(-1.0, -last * 0.02)
    axes.plot([start, *course.weeks], [course.baseline, *course.values], color=INK, linewidth=1.1, zorder=4)
    for mark in course.marks:
        axes.plot([mark.week] * 2, [mark.low, mark.high], color="#7A7A7A", linewidth=1.6, zorder=3)
        axes.plot([mark.week] * 2, [mark.low, mark.high], "_", markersize=6, color="#5A5A5A", zorder=3)
        draw_symbol(axes, mark.week, mark.after, mark.number, 2.0)
    axes.errorbar(
        [last - 1],
        [final],
        yerr=[[final - low], [high - final]],
        fmt="o",
        markersize=3.5,
        color=INK,
        ecolor="#7A7A7A",
        elinewidth=1.6,
        capsize=3,
        zorder=4,
    )
    axes.annotate(
        "after full recovery",
        (last - 1, high),
        xytext=(4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=6.5,
    )
    lowest = min([low, *(mark.low for mark in course.marks)])
    _draw_floors(axes, *floors, last)
    lowest = min([lowest, *(floor for floor in floors if floor is not None)])
    axes.set_ylim(max(0.0, lowest - 14), None)
    axes.set_ylabel(f"{course.name}, % of predicted", fontsize=7)


def _draw_floors(axes: Axes, right_after: float | None, after_recovery: float | None, last: float) -> None:
    if right_after == after_recovery:
        lines = [(right_after, "floor right after an operation and after recovery", (0, (5.0, 2.0)))]
    else:
        lines = [
            (right_after, "floor right after an operation", (0, (5.0, 2.0))),
            (after_recovery, "floor after recovery", (0, (1.0, 1.5))),
        ]
    known = [(value, words, style) for value, words, style in lines if value is not None]
    for value, words, style in known:
        axes.axhline(value, color=_FLOOR, linewidth=0.9, linestyle=style, zorder=2)
        # The higher floor is labeled above its line and the lower one below: they may lie close together.
        above = value == max(floor for floor, _, _ in known)
        axes.annotate(
            f"{words} {value:.0f} %",
            (last, value),
            xytext=(0, 2 if above else -2.5),
            textcoords="offset points",
            ha="right",
            va="bottom" if above else "top",
            fontsize=6.5,
            color=_FLOOR,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
            zorder=5,
        )
