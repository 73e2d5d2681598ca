"""The color, line and shape of each technique: the same in every picture of specimens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LineStyle = Any
"""A line style of matplotlib: a name, or an offset with lengths of strokes and gaps in points."""


@dataclass(frozen=True)
class TechniqueMark:
    """How a technique is drawn.

    Parameters
    ----------
    color
        ``#RRGGBB``, safe for the color-blind.
    line
        Line style of a specimen's outline: what tells techniques apart in black and white.
    shape
        matplotlib marker of the lesions in it.
    words
        Color, line and shape in words.
    """

    color: str
    line: LineStyle
    shape: str
    words: str


# Okabe and Ito's palette; neighbors differ in lightness too.
_MARKS = {
    "laser": TechniqueMark("#0072B2", "solid", "o", "blue solid line, circle"),
    "cautery": TechniqueMark("#E69F00", (0, (1.2, 0.9)), "s", "orange dotted line, square"),
    "wedge": TechniqueMark("#D55E00", (0, (4.0, 1.4)), "^", "vermilion dashed line, triangle"),
    "segmentectomy": TechniqueMark(
        "#009E73", (0, (5.0, 1.2, 1.2, 1.2)), "D", "green dash-dotted line, diamond"
    ),
    "lobectomy": TechniqueMark("#7A3E6B", (0, (8.0, 1.6)), "P", "purple line of long dashes, plus"),
}
# A technique that is registered elsewhere is drawn too.
_OTHER = TechniqueMark("#4D4D4D", (0, (1.0, 2.0)), "d", "gray line of far dots, thin diamond")


def technique_mark(name: str) -> TechniqueMark:
    """Return how a technique is drawn.

    Examples
    --------
    >>> technique_mark("wedge").words
    'vermilion dashed line, triangle'
    """
    return _MARKS.get(name, _OTHER)
