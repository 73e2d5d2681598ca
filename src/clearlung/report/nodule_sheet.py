"""``nodules.png``: every nodule in an axial picture of its own, to judge them at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, zoom

from clearlung import RESEARCH_NOTICE
from clearlung.report.figures import MM_PER_INCH, as_png, drawing, paper
from clearlung.report.marks import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TILE_MM = 36.0
"""What a picture shows of the patient, in mm."""

# Twelve across are read on a screen and on a printed A3.
COLUMNS, PER_PAGE = 12, 180
_WIDE_MM, _WORDS_MM, _GAP_MM, _HEAD_MM = 24.0, 6.6, 1.6, 16.0
_DPI = 140
# The lung window: center -600 HU, width 1500 HU.
_WINDOW_HU = (-1350.0, 150.0)
_BAR_MM = 10.0
# Okabe and Ito's colors; the word below says the same, and a rejected picture is crossed out.
_COLORS = {
    "": "#E69F00",
    "accepted": "#009E73",
    "added": "#56B4E9",
    "edited": "#CC79A7",
    "rejected": "#999999",
}
_WORDS = {"": "not reviewed"}


@dataclass(frozen=True, eq=False)
class SheetNodule:
    """One nodule on the contact sheet.

    Parameters
    ----------
    number
        Its number.
    hu, mask
        Shape (rows, columns): the picture around it, and where the nodule is on it; the front of the body
        up, the patient's right on the left.
    pixel_mm
        Height and width of a pixel.
    lobe, diameter_mm, probability
        What is written below it.
    review
        "accepted", "added", "edited", "rejected", or "" for nothing yet.
    """

    number: int
    hu: NDArray[np.int16]
    mask: NDArray[np.bool_]
    pixel_mm: tuple[float, float]
    lobe: str
    diameter_mm: float
    probability: float
    review: str


def nodule_sheets(nodules: Sequence[SheetNodule]) -> tuple[bytes, ...]:
    """Draw contact sheets.

    Parameters
    ----------
    nodules
        In the order in which they are shown.

    Returns
    -------
    tuple of bytes
        PNGs of up to 180 nodules each; one that says so where there are none.
    """
    pages = [nodules[i : i + PER_PAGE] for i in range(0, len(nodules), PER_PAGE)] or [()]
    return tuple(_page(page, number, len(pages), len(nodules)) for number, page in enumerate(pages, start=1))


def _page(nodules: Sequence[SheetNodule], number: int, pages: int, total: int) -> bytes:
    columns = min(COLUMNS, max(6, len(nodules)))
    rows = max(1, -(-len(nodules) // columns))
    width = _GAP_MM + columns * (_WIDE_MM + _GAP_MM)
    high = _WIDE_MM + _WORDS_MM + _GAP_MM
    height = _HEAD_MM + rows * high + _GAP_MM
    with drawing():
        figure, sheet = paper(width, height)
        _head(sheet, width, height, number, pages, total)
        for place, nodule in enumerate(nodules):
            left = _GAP_MM + (place % columns) * (_WIDE_MM + _GAP_MM)
            low = height - _HEAD_MM - (place // columns) * high - _WIDE_MM
            _tile(sheet, nodule, left, low)
        sheet.set_xlim(0, width)
        sheet.set_ylim(0, height)
        return as_png(figure, _DPI)


def _head(sheet: Axes, width: float, height: float, number: int, pages: int, total: int) -> None:
    page = f", page {number} of {pages}" if pages > 1 else ""
    title = f"{total} finding{'' if total == 1 else 's'}{page}"
    sheet.text(_GAP_MM, height - 4.2, title, fontsize=9, weight="bold", color=INK)
    sheet.text(
        _GAP_MM,
        height - 10.2,
        "Axial, seen from the feet: the patient's right (R) is on the picture's left. p: before any review.",
        fontsize=5.5,
        color=INK,
    )
    sheet.text(_GAP_MM, height - 7.4, RESEARCH_NOTICE, fontsize=5.5, color=INK)
    x = _GAP_MM
    for review, color in _COLORS.items():
        sheet.plot([x, x + 3.0], [height - 13.4] * 2, color=color, linewidth=1.6)
        word = _WORDS.get(review, review)
        sheet.text(x + 3.8, height - 14.0, word, fontsize=6, color=INK)
        x += 8.0 + 1.35 * len(word)
    if not total:
        sheet.text(width / 2, height / 2 - 4, "No nodules", fontsize=10, ha="center", color=INK)


def _tile(sheet: Axes, nodule: SheetNodule, left: float, low: float) -> None:
    color = _COLORS[nodule.review]
    extent = (left, left + _WIDE_MM, low, low + _WIDE_MM)
    sheet.imshow(_picture(nodule, color), origin="upper", extent=extent, interpolation="nearest", zorder=1)
    if nodule.review == "rejected":
        for y in ((low, low + _WIDE_MM), (low + _WIDE_MM, low)):
            sheet.plot([left, left + _WIDE_MM], y, color=color, linewidth=0.7, zorder=2)
    for mark, x, align in (("R", left + 0.6, "left"), ("L", left + _WIDE_MM - 0.6, "right")):
        sheet.text(x, low + _WIDE_MM / 2, mark, fontsize=4.5, color="white", ha=align, va="center", zorder=3)
    shown_mm = nodule.hu.shape[1] * nodule.pixel_mm[1]
    bar = _BAR_MM * _WIDE_MM / shown_mm
    sheet.plot([left + 1.0, left + 1.0 + bar], [low + 1.1] * 2, color="white", linewidth=1.2, zorder=3)
    sheet.text(left + 1.0, low + 1.7, f"{_BAR_MM:g} mm", fontsize=4, color="white", zorder=3)
    sheet.text(left, low - 2.6, str(nodule.number), fontsize=7.5, weight="bold", color=INK)
    size = f"{nodule.lobe} {nodule.diameter_mm:.1f} mm"
    sheet.text(left + _WIDE_MM, low - 2.5, size, fontsize=5.5, ha="right", color=INK)
    sheet.text(left, low - 5.4, _WORDS.get(nodule.review, nodule.review), fontsize=5.5, color=INK)
    chance = f"p {nodule.probability:.2f}"
    sheet.text(left + _WIDE_MM, low - 5.4, chance, fontsize=5.5, ha="right", color=INK)


def _picture(nodule: SheetNodule, color: str) -> NDArray[np.float64]:
    """Return the picture with its outline, at the resolution of the sheet, shape (pixels, pixels, 3)."""
    pixels = round(_WIDE_MM / MM_PER_INCH * _DPI)
    scale = (pixels / nodule.hu.shape[0], pixels / nodule.hu.shape[1])
    gray = zoom(nodule.hu.astype(np.float32), scale, order=1, mode="nearest", grid_mode=True)
    gray = np.clip((gray - _WINDOW_HU[0]) / (_WINDOW_HU[1] - _WINDOW_HU[0]), 0, 1)
    inside = zoom(nodule.mask.astype(np.float32), scale, order=1, mode="nearest", grid_mode=True) > 0.5
    picture = np.repeat(gray[..., None], 3, axis=2).astype(np.float64)
    rim = binary_dilation(inside, iterations=1) & ~inside
    picture[rim] = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return picture
