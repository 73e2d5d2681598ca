"""Lanes of a time line: the operations on each lung by week, the same way in every picture of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearlung.anatomy import SIDES, Side
from clearlung.report.figures import draw_symbol
from clearlung.report.marks import INK, SIDE_LETTERS
from clearlung.staging import Operation, Plan, sides_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The patient's right above the left, as it stands first in every list.
LANES: dict[Side, float] = {"right": 1.0, "left": 0.0}
_SCANS = -0.9
GRID = "#D9D9D9"
_BAR_INK = "#8A8A8A"
_BAR_HALF = 0.14
_MARK_MM = 2.6
_RING_POINTS2 = 170


@dataclass(frozen=True)
class LaneEntry:
    """One operation as a lane shows it.

    Parameters
    ----------
    number
        The operation's number: its color and mark.
    week
        Where it stands.
    words
        By lung that it opens, what is written below its mark; both lungs for an operation on both.
    perfused
        Whether the lung is perfused: a ring.
    done
        Whether it is already done: a tick behind the number.
    rest_until
        The first week in which the protocol lets the lung be operated on again; None for no bar.
    scan_week
        Week of the CT before it, or None.
    """

    number: int
    week: float
    words: Mapping[Side, str]
    perfused: bool = False
    done: bool = False
    rest_until: float | None = None
    scan_week: float | None = None


def lesions_by_side(operation: Operation) -> dict[Side, int]:
    """Return how many lesions an operation removes from each lung that it opens."""
    return {
        side: sum(len(specimen.lesions) for specimen in operation.specimens if specimen.side == side)
        for side in sides_of(operation.side)
    }


def rest_until(plan: Plan, operation: Operation) -> int:
    """Return the first week in which the protocol lets the same lung be operated on again."""
    weeks = plan.protocol.weeks
    wait = weeks.same_side_min
    if operation.perfusion is not None:
        wait = max(wait, weeks.after_perfusion_min)
    return operation.week + wait


def style_lanes(axes: Axes, *, scans: bool = False) -> None:
    """Give an axis one lane for each lung, named and with its letter, and one below for scans if asked."""
    lanes = {f"{side.capitalize()}  {SIDE_LETTERS[side]}": LANES[side] for side in SIDES}
    if scans:
        lanes["CT"] = _SCANS
    axes.set_ylim(min(lanes.values()) - (0.4 if scans else 0.75), 1.75)
    axes.set_yticks(list(lanes.values()), list(lanes))
    axes.tick_params(axis="y", length=0)
    for lane in lanes.values():
        axes.axhline(lane, color=GRID, linewidth=0.8, zorder=1)


def draw_entry(axes: Axes, entry: LaneEntry) -> None:
    """Draw an operation: its mark in each lung that it opens, joined by a line where it opens both."""
    lanes = [LANES[side] for side in entry.words]
    if len(lanes) > 1:
        axes.plot([entry.week] * 2, [min(lanes), max(lanes)], color=INK, linewidth=1.6, zorder=2.5)
    if entry.scan_week is not None:
        _draw_scan(axes, entry.scan_week, entry.number)
    for place, (side, words) in enumerate(entry.words.items()):
        lane = LANES[side]
        if entry.rest_until is not None:
            _draw_rest(axes, entry.week, entry.rest_until, lane)
        if entry.perfused:
            axes.scatter(
                [entry.week],
                [lane],
                s=_RING_POINTS2,
                facecolor="white",
                edgecolor=INK,
                linewidth=0.9,
                zorder=3,
            )
        draw_symbol(axes, entry.week, lane, entry.number, _MARK_MM)
        if place == 0:
            _write(axes, entry.week, lane, f"{entry.number}{' ✓' * entry.done}", above=True)
        _write(axes, entry.week, lane, words, above=False)


def _draw_rest(axes: Axes, start: float, end: float, lane: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (start, lane - _BAR_HALF),
            end - start,
            2 * _BAR_HALF,
            facecolor="white",
            edgecolor=_BAR_INK,
            hatch="/////",
            linewidth=0.5,
            zorder=2,
        )
    )


def _draw_scan(axes: Axes, week: float, number: int) -> None:
    """Mark a scan in the lane of its own, with the number of the operation that it is for."""
    axes.plot([week] * 2, [_SCANS - 0.16, _SCANS + 0.16], color=INK, linewidth=1.4, zorder=3)
    axes.annotate(
        str(number),
        (week, _SCANS),
        xytext=(2, 1),
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=6.5,
        color=INK,
    )


def _write(axes: Axes, week: float, lane: float, words: str, *, above: bool) -> None:
    axes.annotate(
        words,
        (week, lane),
        xytext=(0, 8 if above else -9),
        textcoords="offset points",
        ha="center",
        va="bottom" if above else "top",
        fontsize=8.0 if above else 6.5,
        fontweight="bold" if above else "normal",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.3},
        zorder=7 if above else 5,
    )
