"""``anatomy.png``: three planes and a rendering, to judge an anatomy at a glance."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import (
    LOBE_LABELS,
    LOBE_SIDES,
    LUNG_LABELS,
    SIDES,
    Anatomy,
    Lobe,
    LobeMeasures,
    add_measures,
    measure_lobes,
)
from clearlung.ct import Scan
from clearlung.evidence import load_evidence
from clearlung.report.figures import as_png, drawing, paper
from clearlung.report.marks import INK
from clearlung.report.rendering import LOBE_COLORS, VOXEL_MM, render_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

# Half a landscape A3: what a screen shows whole and a page prints readably.
WIDTH_MM, HEIGHT_MM = 300.0, 206.0
DPI = 130
# The lung window: center -600 HU, width 1500 HU.
WINDOW_HU = (-1350.0, 150.0)
_GAP_MM = 4.0
_TITLE_MM = 5.0
_SCALE_BAR_MM = 50.0
_TINT = 0.16
_DOTS_APART_MM = 4.0
_AIRWAY_COLOR = "#F0E442"
_LINE_CHARACTERS = 62


@dataclass(frozen=True)
class _Plane:
    """One cut: its axis, where, which axes run across and up, the letters at its edges, its title."""

    axis: int
    at: int
    across: int
    up: int
    marks: tuple[str, str, str, str]
    title: str


def anatomy_png(anatomy: Anatomy, scan: Scan) -> bytes:
    """Draw an anatomy on its scan.

    Parameters
    ----------
    anatomy
        What was segmented.
    scan
        The scan that it was segmented on.

    Returns
    -------
    bytes
        A PNG: an axial, a coronal and two sagittal planes in the lung window with the lobes tinted, their
        borders drawn (dotted where the lobe is uncertain) and the airways outlined; the lungs rendered from
        the front; the lobes' measures and what is unusual in words.
    """
    hu = scan.volume.array[anatomy.box]
    axial, coronal, right, left = _planes(anatomy)
    with drawing():
        figure, sheet = paper(WIDTH_MM, HEIGHT_MM)
        wide = (WIDTH_MM - 4 * _GAP_MM) / 3
        high = (HEIGHT_MM - 2 * _GAP_MM - 6.0) / 2
        for column, row, plane in ((0, 1, axial), (1, 1, coronal), (0, 0, right), (1, 0, left)):
            left_mm, low_mm = _GAP_MM + column * (wide + _GAP_MM), 6.0 + row * (high + _GAP_MM)
            _draw_plane(sheet, (left_mm, low_mm, wide, high - _TITLE_MM), plane, anatomy, hu)
        third = _GAP_MM + 2 * (wide + _GAP_MM)
        _draw_rendering(sheet, (third, 10.0 + high, wide, high - _TITLE_MM), anatomy)
        _write_words(sheet, third, 6.0 + high - 1.0, anatomy, measure_lobes(anatomy, scan.volume))
        sheet.text(
            _GAP_MM,
            2.0,
            f"{RESEARCH_NOTICE}  The patient's right is on the picture's left. Solid line: border of a lobe. "
            "White dots: its lobe is uncertain.",
            fontsize=6,
            color=INK,
        )
        sheet.set_xlim(0, WIDTH_MM)
        sheet.set_ylim(0, HEIGHT_MM)
        return as_png(figure, DPI)


def _planes(anatomy: Anatomy) -> tuple[_Plane, _Plane, _Plane, _Plane]:
    """Cut where there is most to see: through the hila, or the middle of the lungs, and of each lung."""
    lungs = anatomy.lungs
    center = np.asarray([n // 2 for n in lungs.shape])
    if anatomy.hila_mm:
        hila = lungs.indices([list(point) for point in anatomy.hila_mm.values()])
        center = np.clip(np.rint(hila.mean(axis=0)).astype(int), 0, np.subtract(lungs.shape, 1))
    cuts = {side: _middle_of(lungs.array == LUNG_LABELS[side], int(center[2])) for side in SIDES}
    lateral = ("A", "P", "H", "F")
    return (
        _Plane(0, int(center[0]), 2, 1, ("R", "L", "A", "P"), "Axial, from the feet"),
        _Plane(1, int(center[1]), 2, 0, ("R", "L", "H", "F"), "Coronal, from the front"),
        _Plane(2, cuts["right"], 1, 0, lateral, "Right lung, sagittal"),
        _Plane(2, cuts["left"], 1, 0, lateral, "Left lung, sagittal"),
    )


def _middle_of(lung: NDArray[np.bool_], otherwise: int) -> int:
    x = np.flatnonzero(lung.any(axis=(0, 1)))
    return int(np.median(x)) if x.size else otherwise


def _draw_plane(
    sheet: Axes,
    room: tuple[float, float, float, float],
    plane: _Plane,
    anatomy: Anatomy,
    hu: NDArray[np.int16],
) -> None:
    """Draw one cut into a room (left, low, wide, high) of the sheet, in mm."""
    spacing = anatomy.lungs.spacing_mm
    lobes = _cut(anatomy.lobes.array, plane)
    confidence = _cut(anatomy.lobe_confidence.array, plane)
    gray = np.clip((_cut(hu, plane) - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0, 1)
    picture = np.repeat(gray[..., None], 3, axis=2)
    for lobe, label in LOBE_LABELS.items():
        inside = lobes == label
        picture[inside] = picture[inside] * (1 - _TINT) + _rgb(LOBE_COLORS[lobe]) * _TINT
    extent, scale = _fit(room, lobes.shape, spacing[plane.across], spacing[plane.up])
    up = plane.axis != 0  # on an axial picture the front of the body is up: array rows run down
    sheet.imshow(
        picture,
        origin="lower" if up else "upper",
        extent=extent,
        interpolation="bilinear",
        zorder=1,
    )
    x = np.linspace(extent[0], extent[1], 2 * lobes.shape[1] + 1)[1::2]
    y = np.linspace(extent[2], extent[3], 2 * lobes.shape[0] + 1)[1::2]
    y = y if up else y[::-1]
    for lobe, label in LOBE_LABELS.items():
        inside = lobes == label
        if inside.any():
            sheet.contour(x, y, inside, levels=[0.5], colors=[LOBE_COLORS[lobe]], linewidths=0.8, zorder=3)
    _dot_uncertain(sheet, x, y, (lobes > 0) & (confidence < _sure()), scale)
    if anatomy.airways is not None and (lumen := _cut(anatomy.airways.array, plane)).any():
        sheet.contour(x, y, lumen, levels=[0.5], colors=[_AIRWAY_COLOR], linewidths=0.6, zorder=3)
    _letter(sheet, room, extent, plane.marks, plane.title)
    _scale_bar(sheet, extent, scale)


def _dot_uncertain(
    sheet: Axes, x: NDArray[np.float64], y: NDArray[np.float64], unsure: NDArray[np.bool_], scale: float
) -> None:
    """Dot the region, evenly and sparsely enough to see what is below."""
    if not unsure.any():
        return
    step = _DOTS_APART_MM * scale
    columns, rows = (np.abs(np.arange(c.min(), c.max(), step)[:, None] - c).argmin(axis=1) for c in (x, y))
    at_row, at_column = (grid.ravel() for grid in np.meshgrid(rows, columns, indexing="ij"))
    chosen = unsure[at_row, at_column]
    sheet.scatter(
        x[at_column[chosen]], y[at_row[chosen]], s=0.5, color="white", alpha=0.8, linewidth=0, zorder=2
    )


def _sure() -> float:
    return load_evidence().value("anatomy.lobe_sure", unit="1")


def _rgb(color: str) -> NDArray[np.float64]:
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def _cut(array: NDArray[Any], plane: _Plane) -> NDArray[Any]:
    flat: NDArray[Any] = np.take(array, plane.at, axis=plane.axis)
    return flat if plane.up < plane.across else flat.T


def _fit(
    room: tuple[float, float, float, float], shape: tuple[int, ...], across_mm: float, up_mm: float
) -> tuple[tuple[float, float, float, float], float]:
    """Center a picture in its room; return its extent on the sheet and sheet mm per patient mm."""
    left, low, wide, high = room
    width, height = shape[1] * across_mm, shape[0] * up_mm
    scale = min(wide / width, high / height)
    x = left + (wide - scale * width) / 2
    y = low + (high - scale * height) / 2
    return (x, x + scale * width, y, y + scale * height), scale


def _letter(
    sheet: Axes,
    room: tuple[float, float, float, float],
    extent: tuple[float, float, float, float],
    marks: tuple[str, str, str, str],
    title: str,
) -> None:
    left, right, low, high = extent
    middle_x, middle_y = (left + right) / 2, (low + high) / 2
    places = (
        (left + 2, middle_y),
        (right - 2, middle_y),
        (middle_x, high - 3),
        (middle_x, low + 2.5),
    )
    for mark, (x, y) in zip(marks, places, strict=True):
        _legible(sheet.text(x, y, mark, fontsize=8, ha="center", va="center", weight="bold", zorder=5))
    sheet.text(room[0], room[1] + room[3] + 1.2, title, fontsize=8, color=INK, weight="bold")


def _scale_bar(sheet: Axes, extent: tuple[float, float, float, float], scale: float) -> None:
    left, y = extent[0] + 2.5, extent[2] + 2.0
    for color, width in ((INK, 2.6), ("white", 1.4)):
        sheet.plot([left, left + _SCALE_BAR_MM * scale], [y, y], color=color, linewidth=width, zorder=5)
    _legible(sheet.text(left, y + 1.4, f"{_SCALE_BAR_MM:g} mm", fontsize=6, zorder=5))


def _legible(text: Text) -> None:
    """Make a text white with a dark rim: it is read on lung and on bone."""
    from matplotlib.patheffects import withStroke

    text.set_color("white")
    text.set_path_effects([withStroke(linewidth=1.6, foreground=INK)])


def _draw_rendering(sheet: Axes, room: tuple[float, float, float, float], anatomy: Anatomy) -> None:
    picture = render_front(anatomy)
    extent, scale = _fit(room, picture.shape[:2], VOXEL_MM, VOXEL_MM)
    sheet.imshow(picture, origin="lower", extent=extent, interpolation="bilinear", zorder=1)
    _letter(sheet, room, extent, ("", "", "", ""), "From the front, with airways and vessels")
    for mark, x in (("R", extent[0] + 2), ("L", extent[1] - 2)):
        sheet.text(x, (extent[2] + extent[3]) / 2, mark, color=INK, fontsize=8, ha="center", weight="bold")
    sheet.plot(
        [extent[0] + 2, extent[0] + 2 + _SCALE_BAR_MM * scale],
        [extent[2] + 1] * 2,
        color=INK,
        linewidth=1.5,
        zorder=5,
    )
    sheet.text(extent[0] + 2, extent[2] + 2.2, f"{_SCALE_BAR_MM:g} mm", color=INK, fontsize=6, zorder=5)


def _write_words(
    sheet: Axes, left: float, top: float, anatomy: Anatomy, measures: dict[Lobe, LobeMeasures]
) -> None:
    """Write the lobes' measures and what is unusual."""
    tabs = (0.0, 22.0, 40.0, 58.0, 76.0)
    y = top
    for x, head in zip(tabs, ("", "ml", "mean HU", "tissue, ml", "< -950 HU"), strict=True):
        sheet.text(left + x, y, head, fontsize=6.5, color=INK, weight="bold")
    rows: list[tuple[str, LobeMeasures, str]] = []
    for side in SIDES:
        own = [lobe for lobe in LOBE_LABELS if LOBE_SIDES[lobe] == side]
        rows += [(lobe, measures[lobe], LOBE_COLORS[lobe]) for lobe in own]
        rows.append((f"{side} lung", add_measures([measures[lobe] for lobe in own]), INK))
    for name, part, color in rows:
        y -= 3.6
        if part.volume_ml == 0:
            cells = (name, "none", "", "", "")
        else:
            share = f"{100 * part.emphysema_share:.1f} %"
            cells = (name, f"{part.volume_ml:.0f}", f"{part.mean_hu:.0f}", f"{part.tissue_ml:.0f}", share)
        for x, cell in zip(tabs, cells, strict=True):
            sheet.text(left + x, y, cell, fontsize=6.5, color=INK)
        sheet.plot([left - 1.6] * 2, [y - 0.4, y + 2.0], color=color, linewidth=2.2)
    for line in _lines(anatomy):
        y -= 3.3
        if y < 7.0:
            break
        sheet.text(left, y, line, fontsize=6, color=INK)


def _lines(anatomy: Anatomy) -> list[str]:
    """Say how the fissures were found, how far the trees reach, and what is unusual."""
    said = [f"Lobes: {anatomy.lobe_method}"]
    said += [f"{f.name} fissure: {100 * f.seen_share:.0f} % seen, the rest bridged" for f in anatomy.fissures]
    if len(anatomy.airway_tree):
        said.append(
            f"{len(anatomy.airway_tree)} airway branches to generation"
            f" {anatomy.airway_tree.generation.max()}, {len(anatomy.vessel_tree)} vessel branches"
        )
    said += [f"! {condition.sentence}" for condition in anatomy.conditions]
    lines: list[str] = []
    for sentence in said:
        lines += textwrap.wrap(sentence, _LINE_CHARACTERS, subsequent_indent="  ") or [""]
    return ["", *lines]
