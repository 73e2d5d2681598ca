"""Right and left lung, also where they touch in front of the heart or behind it."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.anatomy.morphology import (
    COARSE_MM,
    Mask,
    Spacing,
    bounding_box,
    components,
    dilate,
    distance_outside_mm,
    image_of,
    repeat,
    shrink,
)
from clearlung.anatomy.types import LUNG_LABELS
from clearlung.ct import Box

RIGHT, LEFT = LUNG_LABELS["right"], LUNG_LABELS["left"]

# Blebs and splinters below this are dropped; a closing fills what lies within a lung.
SMALLEST_PIECE_ML = 2.0
# A piece with this share of itself on either side of the middle is two lungs that touch.
BOTH_SIDES_SHARE = 0.2
# Two halves come apart under an erosion; the lesser of them must be a lung and not a tip of one.
EROSIONS_MM = (1.5, 2.5, 4.0, 6.0, 9.0, 13.0)
LESSER_HALF_SHARE = 0.12
# The junction of the pleurae is searched for in a band around the coarse border.
BAND_MM = 7.0
# Brighter than all tissue: a flood must not take the way through the trachea, whose gas is darker than lung.
NO_WAY_HU = 3000


def split_sides(air: Mask, hu: NDArray[np.int16], spacing_mm: Spacing, middle_x: float) -> NDArray[np.uint8]:
    """Tell the right lung's air from the left one's.

    Parameters
    ----------
    air
        The lungs' air without the airways, shape (z, y, x).
    hu
        int16, same shape.
    spacing_mm
        Along z, y and x.
    middle_x
        Index of the body's middle along x.

    Returns
    -------
    array
        uint8: 0 outside, 1 right, 2 left.
    """
    labels, count = components(air, spacing_mm, SMALLEST_PIECE_ML)
    columns = np.arange(air.shape[2]) > middle_x
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    on_left = np.bincount(labels[:, :, columns].ravel(), minlength=count + 1)
    sides = np.zeros(count + 1, dtype=np.uint8)
    share = on_left[1:] / np.maximum(sizes[1:], 1)
    sides[1:] = np.where(share > 0.5, LEFT, RIGHT)
    result = sides[labels]
    for label in np.flatnonzero((share > BOTH_SIDES_SHARE) & (share < 1.0 - BOTH_SIDES_SHARE)) + 1:
        piece = labels == label
        if sizes[label] < LESSER_HALF_SHARE * sizes[1]:
            continue
        box = bounding_box(piece, spacing_mm, margin_mm=0.0)
        split = _split_touching(piece[box], hu[box], spacing_mm)
        if split is not None:
            result[box][piece[box]] = split[piece[box]]
    return result


def _split_touching(piece: Mask, hu: NDArray[np.int16], spacing: Spacing) -> NDArray[np.uint8] | None:
    """Split one piece into two lungs along the bright line of the pleurae; None if it is one lung."""
    share, coarse_spacing, factor = shrink(piece.astype(np.float32), spacing, COARSE_MM)
    coarse = share > 0.5
    seeds = _halves(coarse, coarse_spacing)
    if seeds is None:
        return None
    coarse_hu, _, _ = shrink(hu, spacing, COARSE_MM)
    sides = _flood(np.where(share > 0.0, coarse_hu, np.int16(NO_WAY_HU)), seeds, coarse_spacing)
    fine = repeat(sides, factor, piece.shape)
    near = dilate(coarse & (sides == RIGHT), coarse_spacing, 1.5 * max(coarse_spacing))
    border = near & coarse & (sides == LEFT)
    if border.any():
        band = dilate(border, coarse_spacing, BAND_MM)
        only_air = np.where(piece, hu, np.int16(NO_WAY_HU))
        _refine(fine, only_air, repeat(band, factor, piece.shape), spacing)
    return fine


def _halves(coarse: Mask, spacing: Spacing) -> NDArray[np.uint8] | None:
    """Erode until two halves come apart; return them as 1 (right) and 2 (left)."""
    depth = distance_outside_mm(~coarse, spacing)
    for erosion in EROSIONS_MM:
        labels, count = components(depth > erosion, spacing)
        if count < 2:
            continue
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        if sizes[2] < LESSER_HALF_SHARE * sizes[1]:
            continue
        first, second = (np.nonzero(labels == label)[2].mean() for label in (1, 2))
        seeds = np.zeros(coarse.shape, dtype=np.uint8)
        seeds[labels == 1] = LEFT if first > second else RIGHT
        seeds[labels == 2] = RIGHT if first > second else LEFT
        return seeds
    return None


def _flood(hu: NDArray[np.int16], seeds: NDArray[np.uint8], spacing: Spacing) -> NDArray[np.uint8]:
    """Flood from the seeds; the floods meet on the brightest line between them."""
    flooded = sitk.MorphologicalWatershedFromMarkers(
        image_of(hu, spacing), image_of(seeds, spacing), markWatershedLine=False
    )
    return np.asarray(sitk.GetArrayFromImage(flooded), dtype=np.uint8)


def _refine(sides: NDArray[np.uint8], hu: NDArray[np.int16], band: Mask, spacing: Spacing) -> None:
    """Draw the border again at full resolution within a band around it, in place."""
    box: Box = bounding_box(band, spacing, margin_mm=BAND_MM)
    seeds = np.where(band[box], 0, sides[box]).astype(np.uint8)
    if {RIGHT, LEFT} <= set(np.unique(seeds).tolist()):
        redrawn = _flood(hu[box], seeds, spacing)
        sides[box] = np.where(band[box], redrawn, sides[box])
