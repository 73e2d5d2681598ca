"""Drawing on paper in millimeters, and writing it as SVG or PNG, the same bytes each time."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clearlung import RESEARCH_NOTICE
from clearlung.report.marks import INK, UNASSIGNED_SHAPE, operation_color, operation_marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MM_PER_INCH = 25.4
MM_PER_POINT = MM_PER_INCH / 72
# Advance and height of a digit of DejaVu Sans, the font that matplotlib brings along, in ems.
DIGIT_WIDTH, DIGIT_HEIGHT = 0.636, 0.73

# Shapes that look smaller than a circle of the same box.
_FULL_SIZE = {"*": 1.35, "d": 1.2, "^": 1.1, "v": 1.1, "<": 1.1, ">": 1.1}

# Text as outlines: the same picture wherever it is opened, and no fonts to install. The salt makes the ids
# inside the file, and so its bytes, the same in each run.
_STYLE: Any = {
    "svg.fonttype": "path",
    "svg.hashsalt": "clearlung",
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "hatch.linewidth": 0.4,
}
# matplotlib keeps its settings per process; two reports at once must not see each other's.
_LOCK = threading.Lock()


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save inside this: with the report's settings and not the user's, one thread at a time."""
    import matplotlib

    with _LOCK, matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def paper(width_mm: float, height_mm: float) -> tuple[Figure, Axes]:
    """Return a sheet whose data coordinates are millimeters from its lower left corner."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width_mm)
    axes.set_ylim(0, height_mm)
    axes.set_axis_off()
    return figure, axes


def write_notice(figure: Figure) -> None:
    """Write the research notice into a sheet's upper right corner: pictures are passed on by themselves."""
    width, height = figure.get_size_inches()
    edge = 1.0 / MM_PER_INCH
    figure.text(1 - edge / width, 1 - 1.4 * edge / height, RESEARCH_NOTICE, fontsize=6, ha="right", va="top")


def as_svg(figure: Figure) -> str:
    """Return the figure as SVG text without dates."""
    return _save(figure, format="svg", metadata={"Date": None, "Creator": None}).decode("utf-8")


def as_png(figure: Figure, dpi: int) -> bytes:
    """Return the figure as PNG."""
    return _save(figure, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})


def _save(figure: Figure, **options: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, **options)
    return buffer.getvalue()


def draw_symbol(axes: Axes, x_mm: float, y_mm: float, number: int | None, size_mm: float = 2.2) -> None:
    """Draw an operation's mark; of None, the hollow cross."""
    draw_symbols(axes, [x_mm], [y_mm], number, size_mm)


def draw_symbols(
    axes: Axes, x_mm: Sequence[float], y_mm: Sequence[float], number: int | None, size_mm: float = 1.5
) -> None:
    """Draw an operation's mark at several places."""
    shape = UNASSIGNED_SHAPE if number is None else operation_marker(number)
    draw_shapes(axes, x_mm, y_mm, shape, "white" if number is None else operation_color(number), size_mm)


def draw_shapes(
    axes: Axes, x_mm: Sequence[float], y_mm: Sequence[float], shape: str, color: str, size_mm: float = 1.5
) -> None:
    """Draw a matplotlib marker at several places, as large as a circle of the size looks."""
    axes.scatter(
        x_mm,
        y_mm,
        s=(size_mm * _FULL_SIZE.get(shape, 1.0) / MM_PER_POINT) ** 2,
        marker=shape,
        facecolor=color,
        edgecolor=INK,
        linewidth=0.5,
        zorder=6,
    )
