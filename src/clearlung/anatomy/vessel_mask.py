"""Which voxels of one lung are vessels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.morphology import Mask, Spacing
from clearlung.anatomy.tubes import SIGMAS_MM, Tubes, find_tubes
from clearlung.anatomy.vessel_kernels import (
    ball_radii,
    bridge,
    in_the_rim,
    mark_balls,
    measure,
    pieces,
    strongest,
    widen,
)

# Of lung without vessels 0.04 % answers more than the first, 0.5 % more than the second; of the middles of
# vessels of 0.7 mm radius on slices of 0.8 mm, and of 1 mm radius on slices of 3 mm, 9 of 10 the first.
SURE_HU, LIKELY_HU = 55.0, 32.0
# A gap is crossed over what answers at all, or is bright: partings answer weakly.
POSSIBLE_HU = 22.0
GAP_MM = 7.0
# The pleura and what bulges into it are ridges of the lung's rim; vessels end before it, but at the hilum.
RIM_MM, HILUM_MM = 1.5, 22.0
# A tube that answers at each scale lies no further from the hilum than this: what is wider there is a mass.
FARTHEST_MM = (1e4, 1e4, 120.0, 85.0, 60.0, 45.0)
# Noise is short.
SHORTEST_MM, SHORTEST_ALONE_MM = 4.0, 12.0
# Halfway between lung and blood is where the edge of a blurred vessel lies.
EDGE_SHARE = 0.5
BLOOD_HU = 40.0
# What is measured in wide vessels is blood if it is within these; part of each is dimmed at its rim.
BLOOD_LEAST_HU, BLOOD_MOST_HU = -100.0, 450.0
BLOOD_PERCENT = 70.0
LEAST_VOXELS = 30
# Tubes at scales from this on were found on halved grids; their voxels lie within this share of the scale.
WIDE_FROM = 2
WIDEN_SHARE = 0.7
# Nodules answer as a ball this strongly and this many times as strongly as a tube; partings less: of the
# places in phantoms where it is so, 9 of 10 are in nodules.
BALL_HU = 75.0
BALL_TO_TUBE = 2.0
RIM_VOXELS = 0.5


@dataclass(frozen=True, eq=False)
class LungVessels:
    """The vessels of one lung, on its box.

    Parameters
    ----------
    mask
        bool, shape (z, y, x).
    lung_hu, blood_hu
        Attenuation of the lung between them, and of the blood in the wide ones.
    """

    mask: Mask
    lung_hu: float
    blood_hu: float


def lung_vessels(
    hu: NDArray[np.int16],
    inside: Mask,
    lung: Mask,
    spacing_mm: Spacing,
    hilum: NDArray[np.float64] | None = None,
) -> LungVessels:
    """Find the vessels of one lung.

    Parameters
    ----------
    hu
        int16, shape (z, y, x).
    inside
        The lung without its airways, with what belongs to it around the hilum; same shape.
    lung
        The same with its airways.
    spacing_mm
        Along z, y and x.
    hilum
        Its place, a fractional index (z, y, x); None where it is not known.

    Returns
    -------
    LungVessels
        Pieces that are joined by at most :data:`GAP_MM` to others, or long in themselves.
    """
    lung_hu = float(np.median(hu[inside][::37]))
    tubes = find_tubes(hu, inside, spacing_mm, lung_hu)
    edge_hu = lung_hu + EDGE_SHARE * (BLOOD_HU - lung_hu)
    bright = inside & (hu > edge_hu)
    cut = _nodules(hu, tubes, spacing_mm, lung_hu)
    mask = _joined(tubes, bright, cut, _Place(lung, spacing_mm, hilum))
    _widen(mask, tubes, bright & ~cut, spacing_mm)
    return LungVessels(mask, lung_hu, _blood_hu(hu, mask, tubes))


def _nodules(hu: NDArray[np.int16], tubes: Tubes, spacing_mm: Spacing, lung_hu: float) -> Mask:
    """Balls that stand by themselves or at a thinner vessel."""
    likely = (tubes.ball >= BALL_HU) & (tubes.ball > BALL_TO_TUBE * tubes.strength)
    voxels, index, shape = listed(likely)
    strength = tubes.ball.ravel()[voxels]
    label, count = pieces(voxels, index, shape, np.ones(voxels.size, dtype=np.bool_))
    places = voxels[strongest(label, count, strength)]
    spacing = np.array(spacing_mm)
    radius = ball_radii(places, hu, spacing, lung_hu)
    found = radius > 0.0
    cut = np.zeros(hu.shape, dtype=np.bool_)
    mark_balls(places[found], radius[found] + RIM_VOXELS * spacing.min(), spacing, cut)
    return cut


def listed(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.int64]]:
    """List a mask's voxels as the kernels take them; those on the faces are taken out of it."""
    for face in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1], np.s_[:, :, 0], np.s_[:, :, -1]):
        mask[face] = False
    voxels = np.flatnonzero(mask)
    index = np.full(mask.size, -1, dtype=np.int32)
    index[voxels] = np.arange(voxels.size, dtype=np.int32)
    return voxels, index, np.array(mask.shape, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class _Place:
    """What can be said of a voxel by where it lies."""

    lung: Mask
    spacing_mm: Spacing
    hilum: NDArray[np.float64] | None

    def excluded(self, voxels: NDArray[np.intp], scale: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Whether flat places are in the lung's rim, or too far out for the width of what answers there."""
        spacing = np.array(self.spacing_mm)
        reach = np.maximum(1, np.rint(RIM_MM / spacing)).astype(np.int64)
        rim = in_the_rim(voxels, self.lung, reach)
        if self.hilum is None:
            return np.asarray(rim, dtype=np.bool_)
        places = np.stack(np.unravel_index(voxels, self.lung.shape), axis=1)
        away = np.linalg.norm((places - self.hilum) * spacing, axis=1)
        return np.asarray((rim & (away > HILUM_MM)) | (away > np.asarray(FARTHEST_MM)[scale]), dtype=np.bool_)


def _joined(tubes: Tubes, bright: Mask, cut: Mask, place: _Place) -> Mask:
    """Pieces of tube with the bridges between them."""
    medium = (tubes.strength >= POSSIBLE_HU) | bright
    voxels, index, shape = listed(medium)
    spacing = np.array(place.spacing_mm)
    strength = tubes.strength.ravel()[voxels]
    likely = (strength >= LIKELY_HU) & ~cut.ravel()[voxels]
    likely &= ~place.excluded(voxels, tubes.scale.ravel()[voxels])
    label, count = pieces(voxels, index, shape, likely)
    _, highest, extent = measure(voxels, shape, spacing, label, count, strength)
    label = _renumbered(label, (highest >= SURE_HU) & (extent >= SHORTEST_MM))
    kept, _ = bridge(voxels, index, shape, spacing, label, int(label.max(initial=-1)) + 1, GAP_MM)
    label, count = pieces(voxels, index, shape, kept)
    _, _, extent = measure(voxels, shape, spacing, label, count, strength)
    kept = _renumbered(label, extent >= SHORTEST_ALONE_MM) >= 0
    mask = np.zeros(medium.shape, dtype=np.bool_)
    mask.ravel()[voxels[kept]] = True
    return mask


def _renumbered(label: NDArray[np.int32], keep: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Leave pieces out, and number the others from 0."""
    number = np.full(keep.size + 1, -1, dtype=np.int32)
    number[:-1][keep] = np.arange(np.count_nonzero(keep))
    return number[label]


def _widen(mask: Mask, tubes: Tubes, bright: Mask, spacing_mm: Spacing) -> None:
    """Give wide vessels, which answer in their middle, their full width; in place."""
    wide = np.flatnonzero(mask & (tubes.scale >= WIDE_FROM) & (tubes.strength >= LIKELY_HU))
    reach = WIDEN_SHARE * np.asarray(SIGMAS_MM)[tubes.scale.ravel()[wide]]
    widen(wide, reach, np.array(spacing_mm), bright, mask)


def _blood_hu(hu: NDArray[np.int16], mask: Mask, tubes: Tubes) -> float:
    """Attenuation in the middle of vessels so wide that blur does not dim them."""
    for scale in (WIDE_FROM + 1, WIDE_FROM):
        wide = hu[mask & (tubes.scale == scale) & (tubes.strength >= SURE_HU) & (hu > BLOOD_LEAST_HU)]
        if wide.size >= LEAST_VOXELS:
            return float(min(np.percentile(wide, BLOOD_PERCENT), BLOOD_MOST_HU))
    return BLOOD_HU
