"""Maps: the lungs from one direction with every nodule, true to scale, numbered and marked by operation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearlung.report.figures import (
    DIGIT_HEIGHT,
    DIGIT_WIDTH,
    MM_PER_POINT,
    draw_symbols,
    paper,
)
from clearlung.report.labels import Frame, place_labels
from clearlung.report.lettering import (
    LEGEND_LINE_MM,
    LegendEntry,
    Sheet,
    Words,
    draw_legend,
    draw_lobe_names,
    draw_marks,
    draw_scale_bar,
    legend_lines,
)
from clearlung.report.marks import INK, operation_color
from clearlung.report.projections import AXIAL, Backdrop, View, on_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Room for the letters of the directions.
_EDGE_MM = 6.0
SIDE_MM = 9.5
"""Room beside the lungs, for the letters of the directions and the names of the lobes."""

# On small maps the marks shrink too, so that they leave the circles in sight.
_MARK_IN_PATIENT_MM = 3.0
_TITLE_MM = 5.0
_LOBE_INK = "#6B6B6B"
_LEADER_FROM_MM = 0.7


@dataclass(frozen=True, eq=False)
class Marked:
    """The nodules of one map.

    Parameters
    ----------
    ids
        Their numbers.
    places
        Shape (n, 3): along the scan's z, y and x, mm.
    diameter_mm
        Shape (n,).
    operations
        For each the number of its operation; None where none removes it.
    """

    ids: tuple[int, ...]
    places: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    operations: tuple[int | None, ...]
    others: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)))
    """Places of nodules that are shown as faint dots only, shape (m, 3)."""

    def __len__(self) -> int:
        return len(self.ids)


def draw_map(
    view: View,
    behind: Backdrop,
    nodules: Marked,
    legend: tuple[LegendEntry, ...],
    width_mm: float,
    height_max_mm: float,
    room_mm: tuple[float, float] | None = None,
) -> Figure:
    """Draw one view; its height follows from the lungs' shape.

    Parameters
    ----------
    view, behind
        The direction and the projected lungs.
    nodules
        Every nodule to show.
    legend
        What the marks mean; empty for none.
    width_mm, height_max_mm
        Size on paper; a picture that would be higher is drawn smaller.
    room_mm
        Width and height in the patient that the scale is chosen for, so that two pictures side by side
        share it; of the view's own lungs unless given.
    """
    lines = legend_lines(legend, width_mm)
    fit = fit_view(behind, width_mm, height_max_mm, room_mm, lines)
    figure, axes = paper(*fit.paper_mm)
    words = draw_behind(axes, view, behind, fit)
    _draw_nodules(axes, view, nodules, fit, words)
    draw_legend(axes, legend, width_mm, lines)
    return figure


@dataclass(frozen=True, eq=False)
class Fit:
    """How a view fits on its paper.

    Parameters
    ----------
    sheet
        From patient to paper.
    frame
        Where numbers may stand.
    floor_mm
        Height of the picture's lower edge.
    paper_mm
        Width and height.
    """

    sheet: Sheet
    frame: Frame
    floor_mm: float
    paper_mm: tuple[float, float]


def fit_view(
    behind: Backdrop,
    width_mm: float,
    height_max_mm: float,
    room_mm: tuple[float, float] | None = None,
    legend_lines: int = 0,
) -> Fit:
    """Return how a view fits on paper of a width; parameters as for :func:`draw_map`."""
    left, right, bottom, top = behind.extent_mm
    wide, high = room_mm or behind.size_mm
    around = 2 * _EDGE_MM + _TITLE_MM + legend_lines * LEGEND_LINE_MM
    scale = min((width_mm - 2 * SIDE_MM) / wide, max(height_max_mm - around, 20.0) / high)
    height_mm = scale * high + around
    floor = _EDGE_MM + legend_lines * LEGEND_LINE_MM
    # In the middle of the room, below the title and above the legend.
    sheet = Sheet(
        scale,
        (
            width_mm / 2 - scale * (left + right) / 2,
            floor + scale * high / 2 - scale * (bottom + top) / 2,
        ),
    )
    frame = Frame(1.0, width_mm - 1.0, floor - _EDGE_MM + 3.5, height_mm - _TITLE_MM - 0.5)
    return Fit(sheet, frame, floor, (width_mm, height_mm))


def draw_behind(axes: Axes, view: View, behind: Backdrop, fit: Fit) -> list[Words]:
    """Draw the lungs, title, directions, names of lobes and scale bar; return where words stand."""
    _draw_lungs(axes, behind, fit.sheet, fit.paper_mm)
    words = draw_marks(axes, view, behind, fit.sheet, *fit.paper_mm)
    if view is not AXIAL:
        words += draw_lobe_names(axes, view, behind, fit.sheet)
    # Clear of the letter in the middle of the lower edge.
    right = fit.paper_mm[0] - 6.0
    draw_scale_bar(axes, fit.sheet, right, fit.floor_mm - _EDGE_MM + 1.6, right - fit.paper_mm[0] / 2 - 1.5)
    return words


def draw_numbers(
    axes: Axes,
    ids: Sequence[int],
    centers: NDArray[np.float64],
    radii: NDArray[np.float64],
    fit: Fit,
    words: Sequence[Words],
) -> None:
    """Write numbers beside what they name.

    Parameters
    ----------
    axes, fit
        Where.
    ids
        The numbers.
    centers, radii
        Shapes (n, 2) and (n,): what they name, on paper, mm.
    words
        What they must not cover.
    """
    from matplotlib.collections import LineCollection

    points = _label_points(len(ids), fit.sheet.scale)
    sizes = np.array([_label_size(str(number), points) for number in ids])
    labels = place_labels(centers, radii, sizes, fit.frame, np.reshape(words, (-1, 4)))
    leaders = _leaders(centers, radii, labels, sizes)
    axes.add_collection(LineCollection(leaders, colors=INK, linewidths=0.3, zorder=5))
    for number, (x, y) in zip(ids, labels, strict=True):
        axes.text(x, y, str(number), fontsize=points, color=INK, ha="center", va="center_baseline", zorder=8)


def mark_mm(count: int, scale: float) -> float:
    """Size of the marks, and the least of a nodule's circle: smaller ones would vanish in print."""
    return float(np.clip(min(1.6 * (170 / max(count, 1)) ** 0.3, _MARK_IN_PATIENT_MM * scale), 1.0, 1.8))


def _draw_lungs(axes: Axes, behind: Backdrop, sheet: Sheet, paper_mm: tuple[float, float]) -> None:
    left, right, bottom, top = behind.extent_mm
    corners = sheet.points(np.array([[left, bottom], [right, top]]))
    extent = (corners[0, 0], corners[1, 0], corners[0, 1], corners[1, 1])
    shown = np.logical_or.reduce(list(behind.lungs.values()))
    dark = behind.gray if behind.gray is not None else np.full(shown.shape, 0.25, dtype=np.float32)
    # Light enough for black numbers and for a printer without color: never darker than 70 % white.
    gray = 0.96 - 0.26 * np.nan_to_num(dark, nan=0.0)
    alpha = shown & np.isfinite(dark)
    pixels = np.dstack([gray, gray, gray, alpha]).astype(np.float32)
    axes.imshow(pixels, origin="lower", extent=extent, interpolation="bilinear", zorder=1)
    for silhouettes, line in (
        (behind.lobes, {"linewidths": 0.45, "colors": _LOBE_INK, "linestyles": "dashed", "zorder": 2}),
        (behind.lungs, {"linewidths": 0.8, "colors": "#3C3C3C", "zorder": 2}),
    ):
        for mask in silhouettes.values():
            _outline(axes, np.asarray(mask), extent, line)
    # Pictures pull the limits and the aspect to themselves.
    axes.set_xlim(0, paper_mm[0])
    axes.set_ylim(0, paper_mm[1])
    axes.set_aspect("equal")


def _outline(
    axes: Axes, mask: NDArray[np.bool_], extent: tuple[float, float, float, float], line: dict[str, Any]
) -> None:
    from scipy.ndimage import gaussian_filter

    if not mask.any():
        return
    rows, columns = mask.shape
    x = extent[0] + (np.arange(-1, columns + 1) + 0.5) * (extent[1] - extent[0]) / columns
    y = extent[2] + (np.arange(-1, rows + 1) + 0.5) * (extent[3] - extent[2]) / rows
    # One pixel of smoothing takes the stairs off the outline and moves it by less than its own width.
    axes.contour(x, y, gaussian_filter(np.pad(mask, 1).astype(np.float32), 1.0), levels=[0.5], **line)


def _draw_nodules(axes: Axes, view: View, nodules: Marked, fit: Fit, words: list[Words]) -> None:
    from matplotlib.collections import EllipseCollection
    from matplotlib.colors import to_rgba

    sheet = fit.sheet
    faint = sheet.points(on_picture(view, nodules.others))
    axes.scatter(faint[:, 0], faint[:, 1], s=3.0, color="#7A7A7A", linewidth=0, zorder=3)
    if len(nodules) == 0:
        return
    patient = on_picture(view, nodules.places)
    centers = sheet.points(patient)
    mark = mark_mm(len(nodules), sheet.scale)
    radii = np.maximum(nodules.diameter_mm / 2 * sheet.scale, mark / 2)
    colors = [INK if number is None else operation_color(number) for number in nodules.operations]
    # Large ones first, so that a small one in front of a large one stays in sight.
    order = np.argsort(-radii, kind="stable")
    axes.add_collection(
        EllipseCollection(
            2 * radii[order],
            2 * radii[order],
            np.zeros(len(radii)),
            units="xy",
            offsets=centers[order],
            transOffset=axes.transData,
            facecolors=[to_rgba(colors[i], 0.3) for i in order],
            edgecolors=[colors[i] for i in order],
            linewidths=0.7,
            zorder=4,
        )
    )
    for number in sorted(set(nodules.operations), key=lambda n: n or 0):
        mine = [i for i, other in enumerate(nodules.operations) if other == number]
        draw_symbols(axes, centers[mine, 0].tolist(), centers[mine, 1].tolist(), number, mark)
    draw_numbers(axes, nodules.ids, centers, radii, fit, words)


def _label_points(count: int, scale: float) -> float:
    """Size of the numbers: smaller on small maps and among many, down to what a printer still resolves."""
    largest = np.clip(7.5 * (scale / 0.6) ** 0.5, 5.4, 7.5)
    return float(np.clip(6.6 * (170 / max(count, 1)) ** 0.35, 3.4, largest))


def _label_size(text: str, points: float) -> tuple[float, float]:
    em = points * MM_PER_POINT
    return DIGIT_WIDTH * em * len(text), DIGIT_HEIGHT * em * 1.1


def _leaders(
    centers: NDArray[np.float64],
    radii: NDArray[np.float64],
    labels: NDArray[np.float64],
    sizes: NDArray[np.float64],
) -> list[list[tuple[float, float]]]:
    """Lines from the rim of each nodule to the edge of its number, where the two are apart."""
    lines = []
    for center, radius, label, size in zip(centers, radii, labels, sizes, strict=True):
        way = label - center
        length = float(np.hypot(*way))
        if length == 0:
            continue
        unit = way / length
        half = min(size[axis] / 2 / abs(unit[axis]) if unit[axis] else np.inf for axis in (0, 1))
        end = length - half - 0.1
        if end - radius > _LEADER_FROM_MM:
            start, stop = center + radius * unit, center + end * unit
            lines.append([(float(start[0]), float(start[1])), (float(stop[0]), float(stop[1]))])
    return lines
