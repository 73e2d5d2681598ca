"""The course of the operations: when, on which side, and what becomes of the lungs' function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from clearlung.report.figures import draw_symbol, paper
from clearlung.report.marks import INK
from clearlung.staging import Operation, Plan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LANES = {"right": 2.0, "both": 1.0, "left": 0.0}
_GRID = "#D9D9D9"
_FLOOR = "#B00020"
# Shown after the last operation: three time constants bring back 95 % of what comes back.
_TIME_CONSTANTS_AFTER = 3
_WEEKS_AFTER = 26
_TAU_ID = "function.recovery.tau"


def draw_course(plan: Plan, width_mm: float) -> Figure:
    """Draw the time line and FEV1 above one another, on one axis of weeks."""
    height_mm = 96.0
    figure, sheet = paper(width_mm, height_mm)
    tau = _recovery_weeks(plan)
    after = _WEEKS_AFTER if math.isinf(tau) else math.ceil(_TIME_CONSTANTS_AFTER * tau)
    last = plan.weeks_until_clear + after + 3
    left, right = 22.0, 8.0
    box = (left / width_mm, (width_mm - left - right) / width_mm)
    lanes = figure.add_axes((box[0], 64 / height_mm, box[1], 26 / height_mm))
    course = figure.add_axes((box[0], 12 / height_mm, box[1], 46 / height_mm))
    for axes in (lanes, course):
        axes.set_xlim(-max(1.5, last * 0.03), last)
        axes.grid(axis="x", color=_GRID, linewidth=0.4)
        axes.set_axisbelow(True)
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        axes.tick_params(labelsize=7, length=2)
    _draw_lanes(lanes, plan)
    _draw_function(course, plan, last)
    sheet.text(1, height_mm - 1, "Operations and lung function", fontsize=9, fontweight="bold", va="top")
    return figure


def _draw_lanes(axes: Axes, plan: Plan) -> None:
    used = {operation.side for operation in plan.operations}
    shown = [side for side in _LANES if side != "both" or "both" in used]
    axes.set_ylim(-0.9, 2.9)
    axes.set_yticks([_LANES[side] for side in shown], [side.capitalize() for side in shown])
    axes.tick_params(axis="x", labelbottom=False, length=0)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for side in shown:
        axes.axhline(_LANES[side], color=_GRID, linewidth=0.8, zorder=1)
    for operation in plan.operations:
        lane = _LANES[operation.side]
        if operation.perfusion is not None:
            axes.scatter(
                [operation.week], [lane], s=170, facecolor="white", edgecolor=INK, linewidth=0.9, zorder=3
            )
        draw_symbol(axes, operation.week, lane, operation.number, 2.6)
        axes.annotate(
            f"{operation.number}",
            (operation.week, lane),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
            fontweight="bold",
        )
        axes.annotate(
            str(len(operation.lesions)),
            (operation.week, lane),
            xytext=(0, -9),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=6.5,
        )


def _draw_function(axes: Axes, plan: Plan, last: int) -> None:
    limits, function = plan.protocol.function, plan.function
    operations = sorted(plan.operations, key=lambda o: o.week)
    weeks, values = _function_line(plan, operations, last)
    axes.plot(weeks, values, color=INK, linewidth=1.1, zorder=4)
    for operation in operations:
        axes.plot(
            [operation.week] * 2,
            [operation.fev1_after_low_percent, operation.fev1_after_percent],
            color="#7A7A7A",
            linewidth=2.2,
            solid_capstyle="butt",
            zorder=3,
        )
        axes.plot(
            [operation.week],
            [operation.fev1_after_low_percent],
            marker="_",
            markersize=7,
            color="#5A5A5A",
            zorder=3,
        )
        draw_symbol(axes, operation.week, operation.fev1_after_percent, operation.number, 2.0)
    axes.errorbar(
        [last - 1],
        [function.ppo_fev1_percent],
        yerr=[
            [function.ppo_fev1_percent - function.ppo_fev1_low_percent],
            [function.ppo_fev1_high_percent - function.ppo_fev1_percent],
        ],
        fmt="o",
        markersize=3.5,
        color=INK,
        ecolor="#7A7A7A",
        elinewidth=2.2,
        capsize=3,
        zorder=4,
    )
    axes.annotate(
        "after full recovery",
        (last - 1, function.ppo_fev1_high_percent),
        xytext=(4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=6.5,
    )
    _draw_floors(axes, limits.fev1_after_percent_min, limits.ppo_fev1_percent_min, last)
    lowest = min([limits.ppo_fev1_percent_min, *(o.fev1_after_low_percent for o in operations)])
    axes.set_ylim(max(0.0, min(lowest, limits.fev1_after_percent_min) - 14), None)
    axes.set_ylabel("FEV1, % of predicted", fontsize=7)
    axes.set_xlabel("Weeks after the first operation", fontsize=7)


def _draw_floors(axes: Axes, right_after: float, after_recovery: float, last: int) -> None:
    if right_after == after_recovery:
        lines = [(right_after, "floor right after an operation and after recovery", (0, (5.0, 2.0)))]
    else:
        lines = [
            (right_after, "floor right after an operation", (0, (5.0, 2.0))),
            (after_recovery, "floor after recovery", (0, (1.0, 1.5))),
        ]
    for value, words, style in lines:
        axes.axhline(value, color=_FLOOR, linewidth=0.9, linestyle=style, zorder=2)
        # The higher floor is labeled above its line and the lower one below: they may lie close together.
        above = value == max(right_after, after_recovery)
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


def _recovery_weeks(plan: Plan) -> float:
    """Time constant of recovery; infinite where the plan's evidence has none."""
    return next((entry.value for entry in plan.evidence if entry.id == _TAU_ID), math.inf)


def _function_line(plan: Plan, operations: list[Operation], last: int) -> tuple[list[float], list[float]]:
    """FEV1 over the weeks. Between operations it recovers with one time constant, as the model has it.

    One exponential through the plan's own values at both ends of an interval is exact under that model;
    without a time constant in the plan's evidence the ends are joined by a straight line.
    """
    tau = _recovery_weeks(plan)
    weeks, values = [float(min(-1, -last * 0.02))], [plan.function.fev1_percent]
    for index, operation in enumerate(operations):
        weeks += [float(operation.week)] * 2
        values += [operation.fev1_before_percent, operation.fev1_after_percent]
        final = index + 1 == len(operations)
        span = float(last - 3 - operation.week if final else operations[index + 1].week - operation.week)
        target = plan.function.ppo_fev1_percent if final else operations[index + 1].fev1_before_percent
        steps = np.linspace(0, span, 40)
        if math.isinf(tau):
            share = steps / max(span, 1e-9)
        else:
            # After the last operation the target is the value after full recovery, never quite reached.
            whole = 1.0 if final else 1 - math.exp(-span / tau)
            share = (1 - np.exp(-steps / tau)) / max(whole, 1e-9)
        start = operation.fev1_after_percent
        weeks += (operation.week + steps).tolist()
        values += (start + (target - start) * share).tolist()
    return weeks, values
