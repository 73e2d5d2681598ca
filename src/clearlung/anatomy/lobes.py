"""A geometric model of the five lobes.

The fissures of a lung are hard to see on thick slices, and where they lie differs between people. The
model puts each fissure on a tilted plane: its tilt is typical anatomy in the proportions of the lung, and
its place is chosen so that the lobes take the published shares of the lung's volume. Away from a fissure
the lobe is then known well; near one it is not, and the confidence says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from clearlung.anatomy.morphology import Spacing
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Lobe, Side
from clearlung.evidence import load_evidence

LOBE_METHOD = (
    "Geometric model: fissures as tilted planes in the proportions of each lung, placed so that the lobes "
    "have the published mean shares of lung volume; not read from the images. Confidence falls near the "
    "model fissures."
)

LOBE_EVIDENCE = ("anatomy.fissure_error", *(f"anatomy.lobe_share.{lobe}" for lobe in LOBES))
"""The evidence that the model's lobes and their confidence rest on."""


@dataclass(frozen=True)
class Fissure:
    """A plane in the proportions of a lung.

    Parameters
    ----------
    up, back, outward
        How much each direction counts, per extent of the lung along it. A voxel is above the fissure where
        ``up * height - back * depth_to_the_back - outward * distance_from_the_midline`` exceeds the
        offset that gives the lobes their shares; each term runs from 0 to 1 over the lung.
    """

    up: float
    back: float
    outward: float


# The oblique fissure starts behind at the third to fifth thoracic vertebra, a quarter below the apex, and
# ends in front at the sixth costochondral junction, at the diaphragm: over the lung's depth it falls by
# most of the lung's height. It also falls outward a little. The left one is slightly steeper.
OBLIQUE: dict[Side, Fissure] = {"right": Fissure(1.0, 0.85, -0.1), "left": Fissure(1.0, 0.9, -0.1)}
UPPER_AND_LOWER: dict[Side, tuple[Lobe, Lobe]] = {"right": ("RUL", "RLL"), "left": ("LUL", "LLL")}
# The horizontal fissure runs forward from the oblique one at the fourth costal cartilage; it is highest
# behind and medially and falls gently forward and outward.
HORIZONTAL = Fissure(1.0, 0.15, -0.1)


def model_lobes(
    lungs: NDArray[np.uint8], spacing_mm: Spacing
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Divide the lungs into lobes by the geometric model.

    Parameters
    ----------
    lungs
        uint8: 0 outside, 1 right, 2 left; shape (z, y, x), canonical axes.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    lobes, confidence
        uint8 labels (:data:`clearlung.anatomy.LOBE_LABELS`) and float32 in [0, 1], 0 outside.

    Notes
    -----
    Confidence is the chance that a fissure displaced by a normal error still leaves the voxel on its side:
    one half on the fissure itself. The error and the lobes' shares are evidence (:data:`LOBE_EVIDENCE`).
    """
    lobes = np.zeros(lungs.shape, dtype=np.uint8)
    confidence = np.zeros(lungs.shape, dtype=np.float32)
    for side in SIDES:
        inside = np.nonzero(lungs == LUNG_LABELS[side])
        if inside[0].size:
            lobes[inside], confidence[inside] = _lobes_of_lung(side, inside, spacing_mm)
    return lobes, confidence


def _lobes_of_lung(
    side: Side, inside: tuple[NDArray[np.intp], ...], spacing_mm: Spacing
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Lobe and confidence of each voxel of one lung."""
    upper, lower = UPPER_AND_LOWER[side]
    book = load_evidence()
    error_mm = book.value("anatomy.fissure_error", unit="mm")
    shares = {
        lobe: book.value(f"anatomy.lobe_share.{lobe}", unit="%") for lobe in LOBES if LOBE_SIDES[lobe] == side
    }
    total = sum(shares.values())
    above = _distance_above(OBLIQUE[side], side, inside, spacing_mm, shares[lower] / total)
    lobes = np.where(above > 0, LOBE_LABELS[upper], LOBE_LABELS[lower]).astype(np.uint8)
    confidence = ndtr(np.abs(above) / error_mm).astype(np.float32)
    if side == "right":
        front = np.flatnonzero(above > 0)
        part = tuple(axis[front] for axis in inside)
        over = _distance_above(
            HORIZONTAL, side, part, spacing_mm, shares["RML"] / (total - shares["RLL"]), inside
        )
        lobes[front[over <= 0]] = LOBE_LABELS["RML"]
        confidence[front] *= ndtr(np.abs(over) / error_mm)
    return lobes, confidence


def _distance_above(
    fissure: Fissure,
    side: Side,
    voxels: tuple[NDArray[np.intp], ...],
    spacing_mm: Spacing,
    share_below: float,
    lung: tuple[NDArray[np.intp], ...] | None = None,
) -> NDArray[np.float32]:
    """Signed distance in mm above the plane that leaves a share of the voxels below it."""
    lung = lung or voxels
    outward = -1.0 if side == "right" else 1.0  # x runs to the patient's left
    weights = (fissure.up, -fissure.back, -fissure.outward * outward)
    slopes = []
    for axis, weight, step in zip(lung, weights, spacing_mm, strict=True):
        extent_mm = (float(axis.max()) - float(axis.min()) + 1.0) * step
        slopes.append(weight / extent_mm)
    length = sqrt(sum(s * s for s in slopes))
    height = np.zeros(voxels[0].size, dtype=np.float32)
    for axis, slope, step in zip(voxels, slopes, spacing_mm, strict=True):
        height += axis.astype(np.float32) * np.float32(slope * step / length)
    kth = min(height.size - 1, max(0, round(share_below * height.size)))
    offset = np.partition(height, kth)[kth]
    return np.asarray(height - offset, dtype=np.float32)
