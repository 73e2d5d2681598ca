"""``specimens.png``: both lungs from two directions with every chosen specimen, and what remains."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import SIDES
from clearlung.ct import Box
from clearlung.report.figures import as_png, draw_shapes, drawing, paper
from clearlung.report.lettering import Words
from clearlung.report.maps import SIDE_MM, Fit, draw_behind, draw_numbers, fit_view, mark_mm
from clearlung.report.marks import INK, UNASSIGNED_SHAPE
from clearlung.report.numbers import counted, fixed, percent
from clearlung.report.projections import OPERATION_VIEWS, Backdrop, View, backdrop, on_picture
from clearlung.report.resection_picture import ResectionPicture
from clearlung.report.technique_marks import technique_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A landscape A4 across; the lungs' shape gives the height.
WIDTH_MM = 297.0
DPI = 150
_GAP_MM = 3.0
_HEAD_MM = 11.0
_VIEWS_MAX_MM = 145.0
_STRIP_MM = 46.0
_LINE_MM = 4.0
_WORDS_POINTS = 6.8
# A word of this size takes so many millimeters a letter.
_LETTER_MM = 1.28
_FILL = 0.16


def specimen_sheet(picture: ResectionPicture) -> bytes:
    """Draw what is taken and what remains.

    Parameters
    ----------
    picture
        What to draw.

    Returns
    -------
    bytes
        A PNG of one landscape page: each lung from the front and from the side with the outline of every
        chosen specimen in the color and line of its technique; a table of what remains; what nothing fits.
    """
    with drawing():
        views = _fitted(picture) if picture.drawn else ()
        height = _HEAD_MM + max((view.fit.paper_mm[1] for view in views), default=0.0) + _STRIP_MM
        figure, page = paper(WIDTH_MM, height)
        _write_head(page, picture, height)
        _draw_views(figure, picture, views, height)
        top = _STRIP_MM - 4.0
        _write_remains(page, picture, _GAP_MM, top)
        _write_legend(page, picture, 125.0, top)
        _write_words(page, picture, 200.0, top)
        page.text(_GAP_MM, 2.0, _foot(picture), fontsize=6, color=INK)
        page.set_xlim(0, WIDTH_MM)
        page.set_ylim(0, height)
        return as_png(figure, DPI)


def outlines(
    view: View, box: Box, mask: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> list[NDArray[np.float64]]:
    """Return the outlines of a specimen as a view shows it.

    Parameters
    ----------
    view
        The direction.
    box, mask
        Its voxels on the anatomy's grid.
    spacing_mm
        Of the grid.

    Returns
    -------
    list of arrays
        Shape (n, 2): to the right and up on the picture, mm, as :func:`on_picture` places points.
    """
    from skimage.measure import find_contours

    flat = np.pad(mask.any(axis=view.ray), 1)
    first, second = (axis for axis in range(3) if axis != view.ray)
    lines = []
    for line in find_contours(flat.astype(np.float32), 0.5):
        places = np.zeros((len(line), 3))
        for column, axis in enumerate((first, second)):
            places[:, axis] = (line[:, column] - 1 + box[axis].start) * spacing_mm[axis]
        lines.append(on_picture(view, places))
    return lines


def _write_head(page: Axes, picture: ResectionPicture, height: float) -> None:
    chosen = picture.specimens
    lesions = counted(int(chosen.counts.sum()), "metastasis", "metastases")
    title = f"{counted(len(chosen), 'specimen')} for {lesions}, {fixed(float(chosen.volume_ml.sum()))} ml"
    page.text(_GAP_MM, height - 5.5, title, fontsize=11, weight="bold", color=INK)
    page.text(_GAP_MM, height - 9.4, picture.source, fontsize=_WORDS_POINTS, color=INK)
    page.text(
        WIDTH_MM - _GAP_MM, height - 5.5, RESEARCH_NOTICE, fontsize=_WORDS_POINTS, color=INK, ha="right"
    )


def _foot(picture: ResectionPicture) -> str:
    if picture.drawn:
        return (
            "From the front the patient's right (R) is on the picture's left. Numbers are the lesions', for"
            " life. Outlines: whole specimens, seen through the lung. Thin dashes: lobes."
        )
    return "Made from a list without a scan: the specimens have no place on a picture."


@dataclass(frozen=True, eq=False)
class _Fitted:
    """One view with its backdrop, and its place on the sheet."""

    view: View
    behind: Backdrop
    fit: Fit


def _fitted(picture: ResectionPicture) -> tuple[_Fitted, ...]:
    """Share the sheet's width among the views so that all have one scale."""
    anatomy = picture.anatomy
    assert anatomy is not None  # noqa: S101 - asked for only where specimens have places
    # After a pneumonectomy there is one lung to show.
    sides = [side for side in SIDES if anatomy.lung_ml(side) > 0] or list(SIDES)
    views = [view for side in sides for view in OPERATION_VIEWS[side]]
    behind = [backdrop(view, anatomy, picture.scan) for view in views]
    wide = [back.size_mm[0] for back in behind]
    high = max(back.size_mm[1] for back in behind)
    lungs_mm = WIDTH_MM - (len(views) + 1) * _GAP_MM - 2 * len(views) * SIDE_MM
    return tuple(
        _Fitted(
            view,
            back,
            fit_view(back, lungs_mm * width / sum(wide) + 2 * SIDE_MM, _VIEWS_MAX_MM, (width, high)),
        )
        for view, back, width in zip(views, behind, wide, strict=True)
    )


def _draw_views(figure: Figure, picture: ResectionPicture, views: Sequence[_Fitted], height: float) -> None:
    left = _GAP_MM
    for fitted in views:
        width, high = fitted.fit.paper_mm
        axes = figure.add_axes(
            (left / WIDTH_MM, (height - _HEAD_MM - high) / height, width / WIDTH_MM, high / height)
        )
        axes.set_axis_off()
        words = draw_behind(axes, fitted.view, fitted.behind, fitted.fit)
        _draw_specimens(axes, fitted, picture)
        _draw_lesions(axes, fitted, picture, words)
        left += width + _GAP_MM


def _draw_specimens(axes: Axes, fitted: _Fitted, picture: ResectionPicture) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Polygon

    view, spacing_mm = fitted.view, picture.spacing_mm
    # Large ones first, so that a small one in front of a large one stays in sight.
    for place in np.argsort(-picture.specimens.volume_ml, kind="stable").tolist():
        if str(picture.specimens.side[place]) not in view.sides:
            continue
        mark = technique_mark(str(picture.specimens.technique[place]))
        box, mask = picture.candidates.mask(int(picture.rows[place]))
        for line in outlines(view, box, mask, spacing_mm):
            axes.add_patch(
                Polygon(
                    fitted.fit.sheet.points(line),
                    closed=True,
                    facecolor=to_rgba(mark.color, _FILL),
                    edgecolor=mark.color,
                    linestyle=mark.line,
                    linewidth=0.9,
                    zorder=4,
                )
            )


def _draw_lesions(axes: Axes, fitted: _Fitted, picture: ResectionPicture, words: Sequence[Words]) -> None:
    from matplotlib.collections import EllipseCollection

    view, fit, nodules = fitted.view, fitted.fit, picture.nodules
    shown = np.flatnonzero(np.isin(nodules.side, list(view.sides)) & np.isfinite(nodules.x_mm))
    if not len(shown):
        return
    centers = fit.sheet.points(on_picture(view, picture.places[shown]))
    size = mark_mm(len(nodules), fit.sheet.scale)
    radii = np.maximum(nodules.diameter_mm[shown] / 2 * fit.sheet.scale, size / 2)
    axes.add_collection(
        EllipseCollection(
            2 * radii,
            2 * radii,
            np.zeros(len(radii)),
            units="xy",
            offsets=centers,
            transOffset=axes.transData,
            facecolors="none",
            edgecolors=INK,
            linewidths=0.4,
            zorder=5,
        )
    )
    technique_of = {
        lesion: str(technique)
        for group, technique in zip(picture.specimens.lesions, picture.specimens.technique, strict=True)
        for lesion in group
    }
    ids = nodules.id[shown].tolist()
    for technique in {technique_of.get(number) for number in ids}:
        mine = [i for i, number in enumerate(ids) if technique_of.get(number) == technique]
        mark = None if technique is None else technique_mark(technique)
        draw_shapes(
            axes,
            centers[mine, 0].tolist(),
            centers[mine, 1].tolist(),
            UNASSIGNED_SHAPE if mark is None else mark.shape,
            "white" if mark is None else mark.color,
            size * (1.0 if mark else 1.6),
        )
    draw_numbers(axes, ids, centers, radii, fit, words)


def _write_remains(page: Axes, picture: ResectionPicture, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    tabs = (27.0, 43.0, 61.0, 78.0)
    heads = ("Lesions", "Specimens", "Removed, ml", "Remains, ml")
    page.text(left, top, "What remains", fontsize=8, weight="bold", color=INK)
    y = top - _LINE_MM
    for tab, head in zip(tabs, heads, strict=True):
        page.text(left + tab, y, head, fontsize=_WORDS_POINTS, color=INK, ha="right")
    for part in picture.remains:
        y -= _LINE_MM
        whole = part.volume_ml
        remains = None if whole is None else whole - part.removed_ml
        cells = (str(part.lesions), str(part.specimens), fixed(part.removed_ml, 1), _ml(remains))
        weight = "bold" if "lung" in part.name else "normal"
        page.text(left, y, part.name, fontsize=_WORDS_POINTS, color=INK, weight=weight)
        for tab, cell in zip(tabs, cells, strict=True):
            page.text(left + tab, y, cell, fontsize=_WORDS_POINTS, color=INK, ha="right", weight=weight)
        if whole and remains is not None:
            share = remains / whole
            page.add_patch(
                Rectangle((left + 82, y - 0.3), 24.0, 2.2, facecolor="white", edgecolor=INK, linewidth=0.5)
            )
            page.add_patch(
                Rectangle((left + 82, y - 0.3), 24.0 * share, 2.2, facecolor="#9A9A9A", edgecolor="none")
            )
            page.text(left + 107.5, y, percent(100 * share), fontsize=_WORDS_POINTS, color=INK, weight=weight)


def _ml(value: float | None) -> str:
    return "not known" if value is None else fixed(value)


def _write_legend(page: Axes, picture: ResectionPicture, left: float, top: float) -> None:
    from matplotlib.patches import Rectangle

    chosen = picture.specimens
    page.text(left, top, "Techniques", fontsize=8, weight="bold", color=INK)
    y = top
    for technique in dict.fromkeys(sorted(chosen.technique.tolist())):
        mine = chosen.technique == technique
        mark = technique_mark(str(technique))
        y -= _LINE_MM + 0.6
        page.add_patch(
            Rectangle(
                (left, y - 0.7),
                9.0,
                3.0,
                facecolor="none",
                edgecolor=mark.color,
                linestyle=mark.line,
                linewidth=1.1,
            )
        )
        draw_shapes(page, [left + 4.5], [y + 0.8], mark.shape, mark.color, 1.6)
        lesions = counted(int(chosen.counts[mine].sum()), "lesion")
        words = f"{technique}: {counted(int(mine.sum()), 'specimen')}, {lesions}"
        page.text(left + 11.0, y, words, fontsize=_WORDS_POINTS, color=INK)
    if len(_left_in_place(picture)):
        y -= _LINE_MM + 0.6
        draw_shapes(page, [left + 4.5], [y + 0.8], UNASSIGNED_SHAPE, "white", 2.4)
        words = f"in no specimen: {counted(len(_left_in_place(picture)), 'lesion')}"
        page.text(left + 11.0, y, words, fontsize=_WORDS_POINTS, color=INK)


def _left_in_place(picture: ResectionPicture) -> list[int]:
    removed = {lesion for group in picture.specimens.lesions for lesion in group}
    return [number for number in picture.nodules.id.tolist() if number not in removed]


def _write_words(page: Axes, picture: ResectionPicture, left: float, top: float) -> None:
    """Write on function and on what nothing fits, as far as there is room."""
    width = int((WIDTH_MM - _GAP_MM - left) / _LETTER_MM)
    lines: list[tuple[str, bool]] = [("Lung function after recovery", True)]
    for sentence in picture.function:
        lines += [(line, False) for line in textwrap.wrap(sentence, width, subsequent_indent="  ")]
    reasons = picture.candidates.unresectable
    if reasons:
        lines.append((f"Unresectable: {counted(len(reasons), 'lesion')}", True))
    for lesion in sorted(reasons):
        text = f"{lesion}: {reasons[lesion]}"
        lines += [(line, False) for line in textwrap.wrap(text, width, subsequent_indent="  ")]
    step = 3.3
    fits = int((top - 5.0) / step) + 1
    if len(lines) > fits:
        lines = [*lines[: fits - 1], ("… and more in specimens.json", False)]
    for place, (line, strong) in enumerate(lines):
        page.text(
            left,
            top - place * step,
            line,
            fontsize=7.5 if strong else _WORDS_POINTS,
            weight="bold" if strong else "normal",
            color=INK,
        )
