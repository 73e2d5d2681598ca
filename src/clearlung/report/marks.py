"""The color and the shape of each operation: the same in every picture, table and page."""

from __future__ import annotations

from functools import cache

import numpy as np

# Okabe and Ito's palette without its yellow, which is lost on white paper. Red and green never follow each
# other, and neighbors differ in lightness too.
_COLORS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#4D4D4D")
_COLOR_NAMES = ("blue", "orange", "green", "vermilion", "sky blue", "purple", "gray")

# matplotlib markers that stay apart at 1.5 mm and in black and white. The cross is not among them: it marks
# what no operation removes. Eleven shapes and seven colors have no common divisor, so that the first 77
# operations all differ, and the first eleven differ by shape alone.
_SHAPES = ("o", "s", "^", "D", "v", "*", "P", "<", "p", ">", "d")
_SHAPE_NAMES = (
    "circle",
    "square",
    "triangle up",
    "diamond",
    "triangle down",
    "star",
    "plus",
    "triangle left",
    "pentagon",
    "triangle right",
    "thin diamond",
)

UNASSIGNED_SHAPE = "X"
INK = "#1A1A1A"

SIDE_LETTERS = {"right": "R", "left": "L", "both": "R+L"}
"""The patient's side as pictures mark it."""

SIDE_WORDS = {"right": "right", "left": "left", "both": "both sides"}
"""The side of an operation in a sentence."""


def operation_color(number: int) -> str:
    """Return the color of an operation.

    Parameters
    ----------
    number
        The operation's number, from 1.

    Returns
    -------
    str
        ``#RRGGBB``, safe for the color-blind; the same in every picture, table and page.

    Raises
    ------
    ValueError
        If the number is below 1.

    Examples
    --------
    >>> operation_color(1)
    '#0072B2'
    """
    return _COLORS[_index(number) % len(_COLORS)]


def operation_marker(number: int) -> str:
    """Return the shape of an operation's mark.

    Parameters
    ----------
    number
        The operation's number, from 1.

    Returns
    -------
    str
        A matplotlib marker; the first eleven operations differ by it alone.

    Raises
    ------
    ValueError
        If the number is below 1.

    Examples
    --------
    >>> operation_marker(2)
    's'
    """
    return _SHAPES[_index(number) % len(_SHAPES)]


def operation_sign(number: int) -> str:
    """Return color and shape in words.

    Examples
    --------
    >>> operation_sign(3)
    'green triangle up'
    """
    index = _index(number)
    return f"{_COLOR_NAMES[index % len(_COLORS)]} {_SHAPE_NAMES[index % len(_SHAPES)]}"


@cache
def symbol_svg(number: int | None) -> str:
    """Return an operation's mark as a small SVG picture; of None, the hollow cross of what is left."""
    from matplotlib.markers import MarkerStyle

    marker = MarkerStyle(UNASSIGNED_SHAPE if number is None else operation_marker(number))
    outline = marker.get_path().transformed(marker.get_transform())
    polygons = [np.asarray(polygon, dtype=np.float64) for polygon in outline.to_polygons(closed_only=False)]
    # Shapes differ in extent; all get the same box, and the y axis of SVG runs down.
    scale = 4.2 / float(np.abs(np.vstack(polygons)).max())
    path = " ".join(
        "M" + " L".join(f"{5 + scale * x:.2f} {5 - scale * y:.2f}" for x, y in polygon) + " Z"
        for polygon in polygons
    )
    fill = "#FFFFFF" if number is None else operation_color(number)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10" width="10" height="10">'
        f'<path d="{path}" fill="{fill}" stroke="{INK}" stroke-width="0.6" stroke-linejoin="round"/></svg>'
    )


def _index(number: int) -> int:
    if number < 1:
        raise ValueError(f"operations are numbered from 1, not {number}")
    return number - 1
