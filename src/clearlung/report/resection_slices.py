"""``specimens-slices.png``: the largest and fullest specimens, each in an axial picture of its own."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import Anatomy
from clearlung.report.figures import as_png, drawing, paper
from clearlung.report.marks import INK
from clearlung.report.numbers import fixed, ids, interval
from clearlung.report.resection_picture import ResectionPicture
from clearlung.report.resection_sheet import WIDTH_MM
from clearlung.report.technique_marks import technique_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DPI = 150
# Six across leave room for what is written below each.
COLUMNS, MOST = 6, 12
_GAP_MM, _HEAD_MM, _WORDS_MM = 3.0, 14.0, 18.0
_WIDE_MM = (WIDTH_MM - (COLUMNS + 1) * _GAP_MM) / COLUMNS
# A picture shows at least so much of the patient, and so much more than the specimen.
_LEAST_SHOWN_MM, _ROUND_SHARE = 50.0, 1.3
_BAR_MM = 10.0
# The lung window: center -600 HU, width 1500 HU.
_WINDOW_HU = (-1350.0, 150.0)
# Without a scan: lung as gray as it is in the window, and white outside.
_PLAIN = (0.95, 0.45)


@dataclass(frozen=True, eq=False)
class Slice:
    """One axial picture: rows run to the back, columns to the patient's left.

    ``gray`` is 0 black to 1 white; ``pixel_mm`` the height and width of a pixel.
    """

    gray: NDArray[np.float64]
    specimen: NDArray[np.bool_]
    lesions: NDArray[np.bool_]
    others: NDArray[np.bool_]
    planned: NDArray[np.bool_]
    pixel_mm: tuple[float, float]


def specimen_slices(picture: ResectionPicture) -> bytes | None:
    """Draw the specimens that deserve a closer look.

    Parameters
    ----------
    picture
        What to draw; its nodules have their label map.

    Returns
    -------
    bytes or None
        A PNG of up to twelve axial pictures: half of them the largest specimens, half those with the most
        lesions, vessels and bronchi; each with the lesion's outline, the specimen's and the planned margin.
        None where there is nothing to draw.
    """
    anatomy, labels = picture.anatomy, picture.nodules.labels
    if not picture.drawn or not len(picture.rows) or anatomy is None or labels is None:
        return None
    places = closer_look(picture)
    rows = -(-len(places) // COLUMNS)
    high = _WIDE_MM + _WORDS_MM
    height = _HEAD_MM + rows * high + _GAP_MM
    with drawing():
        figure, page = paper(WIDTH_MM, height)
        _write_head(page, picture, len(places), height)
        for order, place in enumerate(places):
            left = _GAP_MM + (order % COLUMNS) * (_WIDE_MM + _GAP_MM)
            low = height - _HEAD_MM - (order // COLUMNS) * high - _WIDE_MM
            _draw(page, cut_slice(picture, anatomy, labels.array, place), picture, place, (left, low))
            _write(page, picture, place, left, low)
        page.set_xlim(0, WIDTH_MM)
        page.set_ylim(0, height)
        return as_png(figure, DPI)


def closer_look(picture: ResectionPicture) -> list[int]:
    """Return which chosen specimens deserve a picture of their own, by number.

    By turns the largest, and the one that holds and cuts the most.
    """
    chosen = picture.specimens
    cuts = np.array([len(picture.candidates.cuts[row]) for row in picture.rows], dtype=np.int64)
    largest = np.argsort(-chosen.volume_ml, kind="stable").tolist()
    fullest = np.lexsort((-chosen.volume_ml, -cuts, -chosen.counts)).tolist()
    by_turns = dict.fromkeys(chain.from_iterable(zip(largest, fullest, strict=True)))
    return sorted(list(by_turns)[:MOST])


def cut_slice(picture: ResectionPicture, anatomy: Anatomy, labels: NDArray[np.int32], place: int) -> Slice:
    """Cut the slice that shows most of a specimen's lesions, with its surroundings."""
    box, mask = picture.candidates.mask(int(picture.rows[place]))
    wanted = picture.specimens.lesions[place]
    inside = np.isin(labels[box], wanted) & mask
    z = int(inside.sum(axis=(1, 2)).argmax()) if inside.any() else mask.shape[0] // 2
    sz, sy, sx = anatomy.lungs.spacing_mm
    v, u = np.nonzero(mask[z]) if mask[z].any() else np.nonzero(mask.any(axis=0))
    across = max(np.ptp(v) * sy, np.ptp(u) * sx)
    half = max(_LEAST_SHOWN_MM, _ROUND_SHARE * float(across)) / 2
    middle = (box[1].start + (v.min() + v.max()) / 2, box[2].start + (u.min() + u.max()) / 2)
    rows, columns = (
        round(m - half / s) + np.arange(2 * round(half / s) + 1)
        for m, s in zip(middle, (sy, sx), strict=True)
    )
    level = box[0].start + z
    rims = [margin.planned_mm for margin in picture.candidates.margins[int(picture.rows[place])]]
    deep = int(np.ceil(max(rims) / sz))
    slab = np.clip(level + np.arange(-deep, deep + 1), 0, labels.shape[0] - 1)
    whole = np.zeros((labels.shape[1], labels.shape[2]), dtype=np.bool_)
    whole[box[1:]] = mask[z]
    window = _window(labels.shape[1:], rows, columns)
    around = np.where(window.inside, labels[slab][:, window.rows, window.columns], 0)
    lesions = np.isin(around[deep], wanted)
    return Slice(
        gray=_gray(picture, anatomy, level, window),
        specimen=whole[window.rows, window.columns] & window.inside,
        lesions=lesions,
        others=(around[deep] > 0) & ~lesions,
        planned=_planned(around, wanted, rims, (sz, sy, sx))[deep],
        pixel_mm=(sy, sx),
    )


@dataclass(frozen=True, eq=False)
class _Window:
    """Which pixels of a slice a picture shows; ``inside`` is False beyond the slice's edge."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    inside: NDArray[np.bool_]


def _window(shape: tuple[int, ...], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> _Window:
    v, u = np.meshgrid(rows, columns, indexing="ij")
    inside = (v >= 0) & (v < shape[0]) & (u >= 0) & (u < shape[1])
    return _Window(np.clip(v, 0, shape[0] - 1), np.clip(u, 0, shape[1] - 1), inside)


def _gray(picture: ResectionPicture, anatomy: Anatomy, level: int, window: _Window) -> NDArray[np.float64]:
    if picture.scan is None:
        lung = anatomy.lungs.array[level][window.rows, window.columns] > 0
        return np.where(lung & window.inside, _PLAIN[1], _PLAIN[0])
    hu = picture.scan.volume.array[anatomy.box][level][window.rows, window.columns]
    gray = np.clip((hu - _WINDOW_HU[0]) / (_WINDOW_HU[1] - _WINDOW_HU[0]), 0, 1)
    return np.asarray(np.where(window.inside, gray, 1.0), dtype=np.float64)


def _planned(
    labels: NDArray[np.int32],
    lesions: tuple[int, ...],
    rims_mm: list[float],
    spacing_mm: tuple[float, float, float],
) -> NDArray[np.bool_]:
    """Return what lies within the planned rim of any of the lesions."""
    planned = np.zeros(labels.shape, dtype=np.bool_)
    for lesion, rim in zip(lesions, rims_mm, strict=True):
        mask = labels == lesion
        if mask.any():
            planned |= ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= rim
    return planned


def _write_head(page: Axes, picture: ResectionPicture, shown: int, height: float) -> None:
    title = f"A closer look at {shown} of {len(picture.specimens)} specimens"
    page.text(_GAP_MM, height - 5.5, title, fontsize=11, weight="bold", color=INK)
    page.text(WIDTH_MM - _GAP_MM, height - 5.5, RESEARCH_NOTICE, fontsize=6.8, color=INK, ha="right")
    page.text(
        _GAP_MM,
        height - 10.0,
        "Axial, seen from the feet: the patient's right (R) is on the picture's left. White: the lesion,"
        " others thinner. Color of the technique: the cut. White dots: planned margin.",
        fontsize=6.8,
        color=INK,
    )


def _draw(page: Axes, cut: Slice, picture: ResectionPicture, place: int, corner: tuple[float, float]) -> None:
    left, low = corner
    extent = (left, left + _WIDE_MM, low, low + _WIDE_MM)
    page.imshow(
        cut.gray,
        cmap="gray",
        vmin=0,
        vmax=1,
        origin="upper",
        extent=extent,
        interpolation="bilinear",
        zorder=1,
    )
    page.plot(
        [left, left + _WIDE_MM, left + _WIDE_MM, left, left],
        [low, low, low + _WIDE_MM, low + _WIDE_MM, low],
        color="#9A9A9A",
        linewidth=0.4,
        zorder=3,
    )
    mark = technique_mark(str(picture.specimens.technique[place]))
    _outline(page, cut.planned, corner, "white", (0, (0.8, 1.4)), 0.8)
    _outline(page, cut.others, corner, "white", "solid", 0.5)
    _outline(page, cut.lesions, corner, "white", "solid", 1.1)
    # A light line below the colored one: dark colors are lost on lung.
    _outline(page, cut.specimen, corner, "white", "solid", 2.4)
    _outline(page, cut.specimen, corner, mark.color, mark.line, 1.5)
    for letter, x, align in (("R", left + 0.8, "left"), ("L", left + _WIDE_MM - 0.8, "right")):
        _legible(page, x, low + _WIDE_MM / 2, letter, 6.5, align)
    bar = _BAR_MM * _WIDE_MM / (cut.gray.shape[1] * cut.pixel_mm[1])
    for color, width in ((INK, 2.8), ("white", 1.4)):
        page.plot([left + 1.2, left + 1.2 + bar], [low + 1.4] * 2, color=color, linewidth=width, zorder=5)
    _legible(page, left + 1.2, low + 2.9, f"{_BAR_MM:g} mm", 5.5, "left")


def _legible(page: Axes, x: float, y: float, words: str, points: float, align: str) -> None:
    from matplotlib.patheffects import withStroke

    page.text(
        x,
        y,
        words,
        fontsize=points,
        color="white",
        weight="bold",
        ha=align,
        va="center",
        zorder=6,
        path_effects=[withStroke(linewidth=1.4, foreground=INK)],
    )


def _outline(
    page: Axes, mask: NDArray[np.bool_], corner: tuple[float, float], color: str, line: object, width: float
) -> None:
    """Draw the outline of a mask over its picture."""
    from skimage.measure import find_contours

    rows, columns = mask.shape
    for points in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        x = corner[0] + np.clip((points[:, 1] - 0.5) / columns, 0, 1) * _WIDE_MM
        y = corner[1] + _WIDE_MM - np.clip((points[:, 0] - 0.5) / rows, 0, 1) * _WIDE_MM
        page.plot(x, y, color=color, linestyle=line, linewidth=width, zorder=4)


def _write(page: Axes, picture: ResectionPicture, place: int, left: float, low: float) -> None:
    chosen, row = picture.specimens, int(picture.rows[place])
    least = min(picture.candidates.margins[row], key=lambda margin: margin.low_mm)
    cuts = picture.candidates.cuts[row]
    widest = [
        f"{kind} {fixed(max(c.diameter_mm for c in cuts if c.kind == kind), 1)} mm"
        for kind in dict.fromkeys(cut.kind for cut in cuts)
    ]
    lines = (
        _short(chosen.lesions[place]),
        f"{fixed(float(chosen.volume_ml[place]), 1)} ml, {fixed(float(chosen.reach_mm[place]))} mm deep,"
        f" {chosen.closure[place]}",
        f"margin {interval(least.margin_mm, least.low_mm, least.high_mm, 1)} mm",
        f"cuts {', '.join(widest)}" if widest else "cuts no vessel or bronchus that is seen",
    )
    title = f"{chosen.id[place]}: {chosen.technique[place]}, {chosen.lobe[place]}"
    page.text(left, low - 3.4, title, fontsize=7.5, weight="bold", color=INK)
    for order, line in enumerate(lines):
        page.text(left, low - 6.6 - 3.0 * order, line, fontsize=6.2, color=INK)


def _short(lesions: tuple[int, ...]) -> str:
    """Name the lesions as far as there is room."""
    if len(lesions) == 1:
        return f"lesion {lesions[0]}"
    return f"lesions {ids(lesions)}" if len(lesions) <= 8 else f"{len(lesions)} lesions"
