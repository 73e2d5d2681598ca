"""What was promised above what is left, on one axis of weeks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearlung.report.figures import as_png, as_svg, draw_symbol, drawing, paper
from clearlung.report.marks import INK
from clearlung.staging import Plan, Replan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_MM, _PANEL_MM, _HEAD_MM, _GAP_MM, _FOOT_MM = 180.0, 30.0, 12.0, 9.0, 16.0
_LEFT_MM, _RIGHT_MM = 26.0, 6.0
_LANES = {"right": 1.0, "left": 0.0}
_GRID, _SOFT = "#D9D9D9", "#7A7A7A"
_DPI = 200


@dataclass(frozen=True)
class _Entry:
    """One operation in a lane: its mark, and what is written below it."""

    number: int
    side: str
    week: int
    words: str
    done: bool


def replan_png(promised: Plan, record: Replan) -> bytes:
    """Draw the promised operations above those done and left.

    Parameters
    ----------
    promised
        The promised plan.
    record
        What is left of it.

    Returns
    -------
    bytes
        A PNG. Every operation has its color, mark and number; below it stand its lesions, with what has come
        and gone in brackets, and P where the lung is perfused. The dotted line is today.
    """
    with drawing():
        return as_png(_draw(promised, record), _DPI)


def replan_svg(promised: Plan, record: Replan) -> str:
    """Draw the same as SVG."""
    with drawing():
        return as_svg(_draw(promised, record))


def replan_alt_text(record: Replan) -> str:
    """Say in words what the picture shows."""
    told = "; ".join(
        f"operation {one.number} {one.side} in week {one.week}"
        + (" done" if one.done else "")
        + (f", promised for week {one.promised_week}" if one.promised_week not in (None, one.week) else "")
        for one in record.operations
    )
    return f"Operations promised and now: {told}. {len(record.lesions)} lesions are not where promised."


def _draw(promised: Plan, record: Replan) -> Figure:
    height = _HEAD_MM + 2 * _PANEL_MM + _GAP_MM + _FOOT_MM
    figure, sheet = paper(_WIDTH_MM, height)
    before, after = _promised(promised), _now(record)
    last = max([1, record.done.today_week, *(entry.week for entry in (*before, *after))])
    weeks = (-0.06 * last, 1.06 * last)
    upper = _panel(figure, height, height - _HEAD_MM - _PANEL_MM, weeks)
    lower = _panel(figure, height, _FOOT_MM, weeks)
    for axes, entries, title in ((upper, before, "Promised"), (lower, after, "Now")):
        axes.set_title(title, fontsize=8, fontweight="bold", loc="left", pad=2)
        for entry in entries:
            _mark(axes, entry)
        axes.axvline(record.done.today_week, color=INK, linewidth=0.8, linestyle=(0, (1.0, 1.5)), zorder=1)
    upper.tick_params(axis="x", labelbottom=False)
    lower.set_xlabel("Weeks after the first operation of the promised plan; dotted: today", fontsize=7)
    sheet.text(1, height - 1, "What was promised and what is left", fontsize=9, fontweight="bold", va="top")
    sheet.text(
        1,
        1,
        "Below each operation: its lesions, + come and − gone against the promise; P perfused; ✓ done.",
        fontsize=6.5,
        color=_SOFT,
        va="bottom",
    )
    return figure


def _promised(plan: Plan) -> list[_Entry]:
    return [
        _Entry(
            operation.number,
            operation.side,
            operation.week,
            f"{len(operation.lesions)}{' P' * (operation.perfusion is not None)}",
            done=False,
        )
        for operation in plan.operations
    ]


def _now(record: Replan) -> list[_Entry]:
    found = []
    for one in record.operations:
        come = sum(change.now == one.number for change in record.lesions)
        gone = sum(change.promised == one.number for change in record.lesions)
        changed = " ".join([f"+{come}"] * bool(come) + [f"−{gone}"] * bool(gone))
        words = f"{one.lesions}{f' ({changed})' if changed else ''}{' P' * one.perfused}"
        found.append(_Entry(one.number, one.side, one.week, words, one.done))
    return found


def _panel(figure: Figure, height: float, bottom: float, weeks: tuple[float, float]) -> Axes:
    width = _WIDTH_MM - _LEFT_MM - _RIGHT_MM
    axes = figure.add_axes((_LEFT_MM / _WIDTH_MM, bottom / height, width / _WIDTH_MM, _PANEL_MM / height))
    axes.set_xlim(*weeks)
    axes.set_ylim(-0.7, 1.8)
    axes.set_yticks(list(_LANES.values()), [f"{side} lung" for side in _LANES])
    axes.grid(axis="x", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(labelsize=7, length=2)
    for lane in _LANES.values():
        axes.axhline(lane, color=_GRID, linewidth=0.8, zorder=0)
    return axes


def _mark(axes: Axes, entry: _Entry) -> None:
    lane = _LANES.get(entry.side, 0.5)
    draw_symbol(axes, entry.week, lane, entry.number, 2.6)
    for words, offset, va, size in (
        (f"{entry.number}{' ✓' * entry.done}", 7, "bottom", 8.0),
        (entry.words, -7, "top", 6.5),
    ):
        axes.annotate(
            words,
            (entry.week, lane),
            xytext=(0, offset),
            textcoords="offset points",
            ha="center",
            va=va,
            fontsize=size,
            fontweight="bold" if size > 7 else "normal",
        )
