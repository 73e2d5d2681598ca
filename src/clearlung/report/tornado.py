"""Which assumption matters most: one bar for each, from its low to its high end, the widest on top."""

from __future__ import annotations

from textwrap import shorten
from typing import TYPE_CHECKING

from clearlung.perfusion import Sensitivity
from clearlung.report.figures import as_svg, drawing, paper
from clearlung.report.marks import INK
from clearlung.report.numbers import fixed, with_unit
from clearlung.report.perfusion_input import Moved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_MM = 178.0
_ROWS_MAX = 10
_ROW_MM, _HEAD_MM, _FOOT_MM = 6.4, 9.0, 9.0
_NAMES_MM, _RIGHT_MM = 84.0, 14.0
_TITLE_MAX = 74
_GRID, _LOW, _HIGH = "#D9D9D9", "#FFFFFF", "#8A8A8A"


def tornado_svg(moved: Moved) -> str:
    """Draw how far each assumption moves an outcome.

    Parameters
    ----------
    moved
        The outcome.

    Returns
    -------
    str
        SVG, :data:`WIDTH_MM` wide: from the line of what is expected a white bar to the outcome at the
        assumption's low end and a gray one to that at its high end, with both values of the assumption.
    """
    with drawing():
        return as_svg(_draw(moved))


def tornado_alt(moved: Moved) -> str:
    """Say what the picture shows, for those who cannot see it."""
    rows = "; ".join(
        f"{one.name}: {_outcome(one.outcome_low)} at {_value(one.low_value, one.unit)},"
        f" {_outcome(one.outcome_high)} at {_value(one.high_value, one.unit)}"
        for one in moved.sensitivities[:_ROWS_MAX]
    )
    return (
        f"{moved.title}, {_outcome(moved.expected)} expected, and with each assumption alone moved. {rows}."
    )


def _draw(moved: Moved) -> Figure:
    rows = moved.sensitivities[:_ROWS_MAX]
    panel = len(rows) * _ROW_MM
    height = _HEAD_MM + panel + _FOOT_MM
    figure, page = paper(WIDTH_MM, height)
    page.text(1, height - 2.5, moved.title, fontsize=8, fontweight="bold", va="center")
    page.text(
        1,
        height - 6.4,
        "white: the assumption at its low end; gray: at its high end",
        fontsize=6.5,
        va="center",
    )
    wide = WIDTH_MM - _NAMES_MM - _RIGHT_MM
    axes = figure.add_axes((_NAMES_MM / WIDTH_MM, _FOOT_MM / height, wide / WIDTH_MM, panel / height))
    for place, one in enumerate(rows):
        for end, color in ((one.outcome_low, _LOW), (one.outcome_high, _HIGH)):
            axes.barh(
                place,
                end - moved.expected,
                left=moved.expected,
                height=0.62,
                color=color,
                edgecolor=INK,
                linewidth=0.7,
                zorder=3,
            )
        y = height - _HEAD_MM - (place + 0.5) * _ROW_MM
        page.text(
            _NAMES_MM - 2,
            y + 1.2,
            shorten(one.name, _TITLE_MAX, placeholder=" …"),
            fontsize=6,
            ha="right",
            va="center",
        )
        page.text(_NAMES_MM - 2, y - 1.4, _ends(one), fontsize=5.6, color="#5A5A5A", ha="right", va="center")
    axes.axvline(moved.expected, color=INK, linewidth=1.2, zorder=4)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.margins(x=0.04)
    axes.set_yticks([])
    axes.tick_params(labelsize=6.5, length=2)
    axes.set_xlabel(f"metastases; line: {_outcome(moved.expected)} expected", fontsize=6.5, labelpad=1)
    axes.grid(axis="x", color=_GRID, linewidth=0.4)
    axes.set_axisbelow(True)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    return figure


def _ends(one: Sensitivity) -> str:
    return f"{_value(one.low_value, one.unit)} to {_value(one.high_value, one.unit)}"


def _value(value: float, unit: str) -> str:
    digits = fixed(value) if abs(value) >= 100 else f"{value:.2g}"
    return with_unit(digits, _UNITS.get(unit, unit))


_UNITS = {"umol/l": "µmol/l", "1/mm3": "per mm³", "nodule": "", "metastasis": "", "day": "days"}


def _outcome(value: float) -> str:
    return fixed(value, 1)
