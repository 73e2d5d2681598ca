"""Where the main bronchus and the large vessels enter each lung."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, grey_opening

from clearlung.anatomy.morphology import Mask, Spacing, shrink
from clearlung.anatomy.types import LUNG_LABELS, SIDES, Side
from clearlung.ct import Volume

# Fine enough for a place that is known to a centimeter, and so coarse that only what is wide fills a voxel:
# main and lobar bronchi, and vessels of the hilum.
GRID_MM = 2.5
FILLED = 0.85
# The hilum is a notch of the medial surface, narrower than this; without it, the surface is smooth.
NOTCH_MM = 45.0
# What lies deeper than the first of these below the smooth surface is looked at, and no deeper than the
# second: nearer are the rim of the heart and the trachea beside the lung, deeper the vessels of the lobes.
DEPTH_MM = (3.0, 30.0)
# Where the vessels and bronchi of the lobes enter: the hilum is 4 to 6 cm high and half as wide.
VESSELS_MM, NOTCH_SPREAD_MM, BRONCHI_MM = 20.0, 12.0, 9.0
# Large vessels radiate from the hilum, and are looked at deeper than bronchi, which are told from the lung.
VESSEL_DEPTH_MM = 45.0
# What a place without one of them still counts: where there is a bronchus it decides.
LEAST_SHARES = (0.1, 1.0, 0.05)
# What is averaged around the best place.
NEAR_MM = 20.0
# Of the vessels there, this share lies nearer to the middle of the body than the hilum does.
BEGINNING = 0.2


def find_hila(
    lungs: NDArray[np.uint8], airways: Mask, vessels: Mask, grid: Volume
) -> dict[Side, tuple[float, float, float]]:
    """Find the hila.

    Parameters
    ----------
    lungs
        uint8: 0 outside, 1 right, 2 left; shape (z, y, x), canonical axes.
    airways
        bool, same shape: lumina of trachea and bronchi; may be empty.
    vessels
        bool, same shape: the wider vessels of the lungs, or all that is bright in them.
    grid
        Any volume of that shape: where it lies in the patient.

    Returns
    -------
    dict
        LPS point (x, y, z) of each hilum. A lung that is not there, or at whose medial surface neither
        bronchi nor vessels are seen, is left out.

    Notes
    -----
    Seen from the other lung, a lung's medial surface is a map over height and depth. On this map, the hilum
    is where there is most of vessel and bronchus below the surface, over an area of a hilum's size.

    Examples
    --------
    >>> z, y, x = np.ogrid[:60, :60, :60]
    >>> lung = ((abs(z - 30) < 20) & (abs(y - 30) < 20) & (x < 40)).astype(np.uint8)
    >>> artery = ((z - 33.0) ** 2 + (y - 28) ** 2 < 16) & (x > 15) & (lung > 0)
    >>> hila = find_hila(lung, np.zeros(lung.shape, bool), artery, Volume.at(lung, (2, 2, 2)))
    >>> [round(v / 5) * 5 for v in hila["right"]]
    [65, 55, 65]
    """
    hila: dict[Side, tuple[float, float, float]] = {}
    spacing = grid.spacing_mm
    air, step, factor = shrink(airways.astype(np.float32), spacing, GRID_MM)
    air = air > FILLED
    for side in SIDES:
        own = lungs == LUNG_LABELS[side]
        if not own.any():
            continue
        lung = shrink(own.astype(np.float32), spacing, GRID_MM)[0] > 0.5
        dense = shrink((own & vessels).astype(np.float32), spacing, GRID_MM)[0] > FILLED
        turned = np.s_[:, :, ::-1] if side == "right" else np.s_[:]
        place = _entrance(lung[turned], dense[turned], air[turned], step)
        if place is None:
            continue
        z, y, x = place
        x = lung.shape[2] - 1 - x if side == "right" else x
        index = (np.array([z, y, x]) + 0.5) * factor - 0.5
        px, py, pz = grid.points_mm(index)[0]
        hila[side] = (float(px), float(py), float(pz))
    return hila


def _entrance(lung: Mask, dense: Mask, air: Mask, step: Spacing) -> tuple[float, float, float] | None:
    """Find the place (z, y, x) on a coarse grid, of a lung whose medial surface faces low x."""
    seen = lung.any(axis=2)
    if not seen.any():
        return None
    surface = np.where(seen, np.argmax(lung, axis=2), lung.shape[2])
    window = [max(1, round(NOTCH_MM / s)) for s in step[:2]]
    smooth = np.where(seen, np.minimum(grey_opening(surface, window), surface), lung.shape[2])
    depth = (np.arange(lung.shape[2])[None, None, :] - smooth[:, :, None]) * step[2]
    below = (depth >= DEPTH_MM[0]) & (depth <= DEPTH_MM[1])
    deep = (depth >= DEPTH_MM[0]) & (depth <= VESSEL_DEPTH_MM)
    notch = np.arange(lung.shape[2])[None, None, :] < surface[:, :, None]
    evidence = [
        gaussian_filter(found.sum(axis=2) * step[2], [spread / s for s in step[:2]], mode="constant")
        for found, spread in (
            (dense & deep, VESSELS_MM),
            (notch & below, NOTCH_SPREAD_MM),
            (air & below, BRONCHI_MM),
        )
    ]
    if evidence[0].max() <= 0.0 and evidence[2].max() <= 0.0:
        return None
    score = np.prod([_share(e, least) for e, least in zip(evidence, LEAST_SHARES, strict=True)], axis=0)
    z, y = np.unravel_index(int(np.argmax(score)), score.shape)
    zs, ys = np.ogrid[: score.shape[0], : score.shape[1]]
    near = ((zs - z) * step[0]) ** 2 + ((ys - y) * step[1]) ** 2 <= NEAR_MM**2
    weight = np.where(near & seen, score**2, 0.0)
    total = weight.sum()
    if total <= 0.0:
        return None
    cz, cy = float((weight * zs).sum() / total), float((weight * ys).sum() / total)
    return cz, cy, _column(weight > 0.0, dense & deep, surface)


def _share(evidence: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Evidence as a share of its highest value; all alike if there is none."""
    highest = float(evidence.max())
    if highest <= 0.0:
        return np.ones(evidence.shape)
    return np.asarray(least + evidence / highest, dtype=np.float64)


def _column(near: NDArray[np.bool_], found: Mask, surface: NDArray[np.intp]) -> float:
    """Return where the vessels near a place begin; where the lung does if none were found."""
    weight = np.where(near[:, :, None], found, False).sum(axis=(0, 1))
    if not weight.any():
        return float(surface[near].mean())
    return float(np.searchsorted(np.cumsum(weight), BEGINNING * weight.sum()))
