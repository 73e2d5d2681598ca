"""How a plan fares when things turn out otherwise: which limits hold where, what breaks them, FEV1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearlung import RESEARCH_NOTICE
from clearlung.report.figures import as_png, as_svg, draw_symbol, drawing, paper
from clearlung.report.marks import INK, SIDE_LETTERS
from clearlung.staging import Plan, StressRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_MM = 240.0
REPORT_WIDTH_MM = 178.0
"""A page of the report: the tables stand beside the picture there."""
_DPI = 200
_ROW_MM, _CELL_MM, _NAMES_MM, _MARGIN_MM = 6.5, 11.0, 44.0, 4.0
_HEAD_MM, _FAN_MM, _FOOT_MM, _GAP_MM = 16.0, 58.0, 14.0, 12.0
_BARS_MM = 78.0
_LIGHT, _GRID, _FLOOR, _BAR = "#F4F4F4", "#D9D9D9", "#B00020", "#5B7A99"
_BANDS = ("#DCE6EF", "#A9C3DA")
# Shades of a cell where no scenario holds and where all do; below the last, ink gives way to white.
_DARKEST, _LIGHTEST, _LEGIBLE = 0.35, 0.97, 0.5
_ASSUMED = "* Its range is assumed; how patients spread within the ranges is assumed for all."
# The others are told by the goal's words.
_SHOWN_UNITS = ("ml", "%")


def stress_png(record: StressRecord, plan: Plan) -> bytes:
    """Draw a stress test as PNG.

    Parameters
    ----------
    record
        What it found.
    plan
        The plan that was tested: the weeks of its operations and the floors of FEV1.

    Returns
    -------
    bytes
        One page: the share of scenarios in which each limit holds in each operation, as a number on a shade;
        the share that holds where one thing alone varies; FEV1 over time with bands of scenarios.
    """
    with drawing():
        return as_png(_draw(record, plan), _DPI)


def stress_svg(record: StressRecord, plan: Plan) -> str:
    """Draw a stress test as SVG; parameters as for :func:`stress_png`."""
    with drawing():
        return as_svg(_draw(record, plan))


def stress_report_svg(record: StressRecord, plan: Plan) -> str:
    """Draw what a page of the report shows beside its tables: which limits hold where, and FEV1 over time."""
    with drawing():
        return as_svg(_draw_for_page(record, plan))


@dataclass(frozen=True)
class VariedAlone:
    """One thing that was varied by itself: the share that then holds, and whether its range is assumed."""

    title: str
    share: float
    assumed: bool


def varied_alone(record: StressRecord) -> list[VariedAlone]:
    """Return what was varied by itself, what breaks most first."""
    found = [
        VariedAlone(spread.title, spread.alone.share, spread.assumed)
        for spread in record.spreads
        if spread.strength and spread.alone is not None
    ]
    return sorted(found, key=lambda one: (one.share, one.title))


def stress_alt(record: StressRecord) -> str:
    """Say what the picture shows, for those who cannot see it."""
    first = (
        "No operation breaks a limit in any."
        if record.breaks_first is None
        else f"Operation {record.breaks_first} is most often the first to break a limit."
    )
    rows = ", ".join(
        f"{row.title} {'of the plan' if row.operation is None else f'in operation {row.operation}'}"
        f" {row.holds.share:.0%}"
        for row in record.limits
    )
    return (
        f"Stress test of {record.scenarios} scenarios: every limit holds in {record.holds.share:.0%}. {first}"
        f" Share that holds: {rows}. Below, FEV1 over time with bands that hold half and nine tenths of the"
        " scenarios."
    )


def _draw(record: StressRecord, plan: Plan) -> Figure:
    titles = _titles(record)
    rows = max(len(titles) + len(record.goals) + 6, len(varied_alone(record)) + 1)
    height = _HEAD_MM + rows * _ROW_MM + _GAP_MM + _FAN_MM + _FOOT_MM
    figure, page = paper(WIDTH_MM, height)
    page.text(_MARGIN_MM, height - 5, "Stress test", fontsize=10, fontweight="bold", va="center")
    page.text(
        _MARGIN_MM,
        height - 10,
        f"{record.scenarios} scenarios, seed {record.seed}, protocol {record.protocol}: every limit holds in"
        f" {share_percent(record.holds.share)} % (95 % interval {share_percent(record.holds.low)} to"
        f" {share_percent(record.holds.high)} %).",
        fontsize=7.5,
        va="center",
    )
    page.text(WIDTH_MM - _MARGIN_MM, height - 5, RESEARCH_NOTICE, fontsize=6.5, ha="right", va="center")
    top = height - _HEAD_MM
    below = _draw_table(page, record, plan, top, WIDTH_MM - _BARS_MM - _MARGIN_MM)
    _draw_goals(page, record, below - _ROW_MM)
    _draw_alone(page, record, top)
    _draw_fan(figure, record, plan, (WIDTH_MM, height))
    page.text(_MARGIN_MM, 2.5, _ASSUMED, fontsize=6.5, va="center")
    page.set_xlim(0, WIDTH_MM)
    page.set_ylim(0, height)
    return figure


def _draw_for_page(record: StressRecord, plan: Plan) -> Figure:
    height = (len(_titles(record)) + 4) * _ROW_MM + _GAP_MM + _FAN_MM + _FOOT_MM
    figure, page = paper(REPORT_WIDTH_MM, height)
    _draw_table(page, record, plan, height, REPORT_WIDTH_MM)
    _draw_fan(figure, record, plan, (REPORT_WIDTH_MM, height))
    page.set_xlim(0, REPORT_WIDTH_MM)
    page.set_ylim(0, height)
    return figure


def _titles(record: StressRecord) -> list[str]:
    return list(dict.fromkeys(row.title for row in record.limits))


def _draw_table(page: Axes, record: StressRecord, plan: Plan, top: float, right: float) -> float:
    """Draw the share that holds, limits down and operations across up to ``right``; return where it ends."""
    titles = _titles(record)
    numbers = [held.operation for held in record.operations]
    letters = {operation.number: SIDE_LETTERS[operation.side] for operation in plan.operations}
    wide = right - _NAMES_MM - 2 * _MARGIN_MM
    # A plan of so many operations that their cells do not fit gets narrower ones.
    cell = min(_CELL_MM, wide / (len(numbers) + 1))
    columns: dict[int | None, float] = {
        number: _MARGIN_MM + _NAMES_MM + place * cell for place, number in enumerate([*numbers, None])
    }
    page.text(_MARGIN_MM, top - 2, "Holds, % of scenarios", fontsize=7, fontweight="bold", va="center")
    for number, left in columns.items():
        if number is None:
            page.text(left + cell / 2, top - 2, "plan", fontsize=7, ha="center", va="center")
        else:
            draw_symbol(page, left + cell * 0.3, top - 1.4, number, 2.2)
            page.text(left + cell * 0.68, top - 1.4, str(number), fontsize=7, ha="center", va="center")
            words = letters.get(number, "")
            page.text(left + cell / 2, top - 4.4, words, fontsize=6, ha="center", va="center")
    held = {(row.title, row.operation): row.holds.share for row in record.limits}
    for place, title in enumerate(titles):
        y = top - (place + 1) * _ROW_MM
        page.text(_MARGIN_MM, y - _ROW_MM / 2, title, fontsize=7, va="center")
        for number, left in columns.items():
            if (title, number) in held:
                _draw_cell(page, left, y, cell, held[title, number])
    y = top - (len(titles) + 1) * _ROW_MM - 1
    page.text(_MARGIN_MM, y - _ROW_MM / 2, "every limit", fontsize=7, fontweight="bold", va="center")
    first = y - _ROW_MM - 1
    page.text(_MARGIN_MM, first - _ROW_MM / 2, "first to break a limit, %", fontsize=7, va="center")
    for operation in record.operations:
        _draw_cell(page, columns[operation.operation], y, cell, operation.holds.share)
        page.text(
            columns[operation.operation] + cell / 2,
            first - _ROW_MM / 2,
            share_percent(operation.first.share),
            fontsize=7,
            fontweight="bold" if operation.operation == record.breaks_first else "normal",
            ha="center",
            va="center",
        )
    _draw_cell(page, columns[None], y, cell, record.holds.share)
    return first - _ROW_MM


def _draw_goals(page: Axes, record: StressRecord, top: float) -> None:
    """Write what the plan promises, what the scenarios make of it, and how often it is kept."""
    ends = [_MARGIN_MM + 84.0 + 20.0 * place for place in range(4)]
    heads = ("planned", "middle", "5 to 95 %", "kept, %")
    page.text(_MARGIN_MM, top - 2, "What the plan promises", fontsize=7, fontweight="bold", va="center")
    for end, head in zip(ends, heads, strict=True):
        page.text(end, top - 2, head, fontsize=6.5, ha="right", va="center")
    for place, goal in enumerate(record.goals):
        y = top - 2 - (place + 1) * _ROW_MM * 0.85
        cells = (
            f"{goal.promised:.0f} {goal.unit}" if goal.unit in _SHOWN_UNITS else f"{goal.promised:.0f}",
            f"{goal.middle:.0f}",
            f"{goal.low:.0f} to {goal.high:.0f}",
            share_percent(goal.kept.share),
        )
        page.text(_MARGIN_MM, y, goal.title, fontsize=6.5, va="center")
        for end, cell in zip(ends, cells, strict=True):
            page.text(end, y, cell, fontsize=6.5, ha="right", va="center")


def _draw_cell(page: Axes, left: float, y: float, cell: float, share: float) -> None:
    """Draw one share: the darker, the fewer scenarios hold."""
    from matplotlib.patches import Rectangle

    shade = _DARKEST + (_LIGHTEST - _DARKEST) * share
    page.add_patch(
        Rectangle(
            (left + 0.3, y - _ROW_MM + 0.3),
            cell - 0.6,
            _ROW_MM - 0.6,
            facecolor=(shade, shade, shade),
            edgecolor=_GRID,
            linewidth=0.4,
        )
    )
    page.text(
        left + cell / 2,
        y - _ROW_MM / 2,
        share_percent(share),
        fontsize=7,
        ha="center",
        va="center",
        color=INK if shade > _LEGIBLE else "white",
    )


def _draw_alone(page: Axes, record: StressRecord, top: float) -> None:
    """Draw the share that holds where one thing alone varies, what breaks most on top."""
    from matplotlib.patches import Rectangle

    left = WIDTH_MM - _BARS_MM - _MARGIN_MM
    long = 24.0
    bar = left + _BARS_MM - long - 6
    page.text(
        left, top - 2, "Every limit holds if this alone varies, %", fontsize=7, fontweight="bold", va="center"
    )
    for place, one in enumerate(varied_alone(record)):
        title, share = _short(one.title) + " *" * one.assumed, one.share
        y = top - (place + 1) * _ROW_MM
        page.text(left, y - _ROW_MM / 2, title, fontsize=6, va="center")
        for part, color in ((1.0, _LIGHT), (share, _BAR)):
            page.add_patch(
                Rectangle(
                    (bar, y - _ROW_MM + 1.6),
                    long * part,
                    _ROW_MM - 3.2,
                    facecolor=color,
                    edgecolor=INK,
                    linewidth=0.3,
                )
            )
        page.text(bar + long + 1, y - _ROW_MM / 2, share_percent(share), fontsize=6.5, va="center")


def _draw_fan(figure: Figure, record: StressRecord, plan: Plan, size_mm: tuple[float, float]) -> None:
    left, right = 16.0, 6.0
    wide, height = size_mm
    axes = figure.add_axes((left / wide, _FOOT_MM / height, (wide - left - right) / wide, _FAN_MM / height))
    fan = record.fan
    half = len(fan.quantiles) // 2
    for inner in range(half):
        axes.fill_between(
            fan.weeks,
            fan.fev1_percent[inner],
            fan.fev1_percent[-1 - inner],
            color=_BANDS[min(inner, len(_BANDS) - 1)],
            linewidth=0,
            label=f"{share_percent(fan.quantiles[-1 - inner] - fan.quantiles[inner])} % of the scenarios",
        )
    axes.plot(fan.weeks, fan.fev1_percent[half], color=INK, linewidth=1.1, label="middle of the scenarios")
    points = plan.function.course
    axes.plot(
        [point.week for point in points],
        [point.fev1_percent for point in points],
        color=INK,
        linewidth=0.8,
        linestyle=(0, (4, 2)),
        label="as planned",
    )
    limits = plan.protocol.function
    for value, words, style in (
        (limits.fev1_after_percent_min, "floor right after an operation", (0, (5.0, 2.0))),
        (limits.ppo_fev1_percent_min, "floor after recovery", (0, (1.0, 1.5))),
    ):
        axes.axhline(value, color=_FLOOR, linewidth=0.9, linestyle=style, label=f"{words}, {value:g} %")
    for operation in plan.operations:
        draw_symbol(axes, operation.week, operation.fev1_after_percent, operation.number, 2.2)
        axes.annotate(
            f"{operation.number} {SIDE_LETTERS[operation.side]}",
            (operation.week, operation.fev1_after_percent),
            xytext=(0, -7),
            textcoords="offset points",
            ha="left" if operation.week == 0 else "center",
            va="top",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.4},
            zorder=7,
        )
    axes.set_xlim(-1.5, fan.weeks[-1])
    axes.set_ylim(0, None)
    axes.set_ylabel("FEV1, % of predicted", fontsize=7)
    axes.set_xlabel("Week of the plan; R, L: the lung that an operation opens", fontsize=7)
    axes.grid(axis="x", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=7, length=2)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    columns = 6 if wide >= WIDTH_MM else 3
    axes.legend(fontsize=6.5, ncols=columns, loc="lower right", bbox_to_anchor=(1, 1), frameon=False)


def _short(title: str) -> str:
    """Return a title without what stands in brackets or after a comma or semicolon."""
    return title.split(" (")[0].split(";")[0].split(",")[0]


def share_percent(share: float) -> str:
    """Return a share in percent; nearly none and nearly all are not called none and all."""
    value = 100 * share
    if 0 < value < 1:
        return "<1"
    if 99 < value < 100:
        return ">99"
    return f"{value:.0f}"
