"""What was promised above what is left, on one axis of weeks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearlung.anatomy import SIDES, Side
from clearlung.report.figures import as_png, as_svg, drawing, paper, write_notice
from clearlung.report.lanes import GRID, LaneEntry, draw_entry, lesions_by_side, style_lanes
from clearlung.report.marks import INK, SIDE_WORDS
from clearlung.staging import OperationChange, Plan, Replan

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH_MM, _PANEL_MM, _HEAD_MM, _GAP_MM, _FOOT_MM = 180.0, 30.0, 12.0, 9.0, 16.0
_LEFT_MM, _RIGHT_MM = 26.0, 6.0
_SOFT = "#5A5A5A"
_DPI = 200


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
        and gone in brackets; a ring means with perfusion. The dotted line is today.
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
        f"operation {one.number} {SIDE_WORDS[one.side]} in week {one.week}"
        + (" with perfusion" if one.perfused else "")
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
            draw_entry(axes, entry)
        axes.axvline(record.done.today_week, color=INK, linewidth=0.8, linestyle=(0, (1.0, 1.5)), zorder=1)
    upper.tick_params(axis="x", labelbottom=False)
    lower.set_xlabel("Weeks after the first operation of the promised plan; dotted: today", fontsize=7)
    sheet.text(1, height - 1, "What was promised and what is left", fontsize=9, fontweight="bold", va="top")
    write_notice(figure)
    sheet.text(
        1,
        1,
        "Below each operation: its lesions, + come and − gone against the promise. Ring: with perfusion."
        " ✓ done.",
        fontsize=6.5,
        color=_SOFT,
        va="bottom",
    )
    return figure


def _promised(plan: Plan) -> list[LaneEntry]:
    return [
        LaneEntry(
            operation.number,
            operation.week,
            {side: str(count) for side, count in lesions_by_side(operation).items()},
            perfused=operation.perfusion is not None,
        )
        for operation in plan.operations
    ]


def _now(record: Replan) -> list[LaneEntry]:
    return [
        LaneEntry(one.number, one.week, _words(record, one), perfused=one.perfused, done=one.done)
        for one in record.operations
    ]


def _words(record: Replan, one: OperationChange) -> dict[Side, str]:
    """Return an operation's lesions with what has come and gone, by the lungs that it opens."""
    come = sum(change.now == one.number for change in record.lesions)
    gone = sum(change.promised == one.number for change in record.lesions)
    # What was found and removed besides has no number of its own.
    come += max(0, one.lesions - (one.promised_lesions + come - gone))
    changed = " ".join([f"+{come}"] * bool(come) + [f"−{gone}"] * bool(gone))
    words = f"{one.lesions}{f' ({changed})' if changed else ''}"
    sides: list[Side] = [side for side in SIDES if one.side in (side, "both")]
    return {side: words if side == sides[-1] else "" for side in sides}


def _panel(figure: Figure, height: float, bottom: float, weeks: tuple[float, float]) -> Axes:
    width = _WIDTH_MM - _LEFT_MM - _RIGHT_MM
    axes = figure.add_axes((_LEFT_MM / _WIDTH_MM, bottom / height, width / _WIDTH_MM, _PANEL_MM / height))
    axes.set_xlim(*weeks)
    style_lanes(axes)
    axes.grid(axis="x", color=GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(labelsize=7, length=2)
    return axes
