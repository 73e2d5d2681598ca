"""Put another program's lungs and lobes in the place of ours, nodules at the pleura included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy.special import ndtr

from clearlung.anatomy.morphology import COARSE_MM, Mask, Spacing, bounding_box, distance_outside_mm
from clearlung.anatomy.sources.parts import Labels, Parts, sides_of
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Lobe, Side
from clearlung.evidence import load_evidence

# Networks leave out a nodule or mass at the pleura, ours closes over it. Further from the given lung than
# this, ours is what the given one was meant to replace: bowel, an esophagus full of air.
REACH_MM = 25.0
BORDER_EVIDENCE = ("source.lobe_border_error",)


@dataclass(frozen=True, eq=False)
class Adopted:
    """Lungs and lobes after another program's have taken the place of ours.

    Parameters
    ----------
    lungs
        uint8: 0 outside, 1 right, 2 left.
    lobes, confidence, second
        uint8 labels, float32 in [0, 1], and uint8 label of the lobe across the nearest border (0 if there is
        none); None where the file gives no lobes: compute them from ``lungs``.
    without_lobes
        Lungs that have no lobes because the file gives none on that side; their voxels are 0 in ``lobes``.
    added_ml
        How much of ours was added to the given lungs.
    method
        How the lobes were found, in words a report can print.
    evidence
        Ids of the entries that the confidence rests on.
    """

    lungs: Labels
    lobes: Labels | None
    confidence: NDArray[np.float32] | None
    second: Labels | None
    without_lobes: tuple[Side, ...]
    added_ml: float
    method: str
    evidence: tuple[str, ...]


def adopt(parts: Parts, classical_lungs: Labels, spacing_mm: Spacing) -> Adopted:
    """Let given lungs and lobes replace ours.

    Parameters
    ----------
    parts
        What a file or another program gives, cropped to the box of the lungs (:meth:`Parts.crop`).
    classical_lungs
        uint8: our own lungs on the same box, shape (z, y, x).
    spacing_mm
        Along z, y and x.

    Returns
    -------
    Adopted
        On the same box.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    The given lungs stay as they are: those of the file, or its lobes by side. Ours are added to them where
    they lie within :data:`REACH_MM` of the given lung of the same side, because networks trained on healthy
    lungs leave out what is dense at the pleura, and a nodule outside the lung would have no depth, no lobe
    and no place in any plan. A side that the file does not give stays ours. Voxels of a lung without a lobe
    get the nearest one. The confidence is the chance that a border displaced by a normal error leaves the
    voxel on its side (``source.lobe_border_error``).
    """
    lungs = _given_lungs(parts)
    if lungs.shape != classical_lungs.shape:
        raise ValueError(f"given anatomy of shape {lungs.shape} is not on the box of {classical_lungs.shape}")
    before = np.count_nonzero(lungs)
    for side in SIDES:
        _extend(lungs, classical_lungs, side, spacing_mm)
    added_ml = float(np.count_nonzero(lungs) - before) * float(np.prod(spacing_mm)) / 1000.0
    method = f"Lobes {parts.title} ({parts.convention}); borders not checked against the images."
    if parts.lobes is None:
        return Adopted(lungs, None, None, None, SIDES, added_ml, "", ())
    lobes = np.where(sides_of(parts.lobes) == lungs, parts.lobes, 0).astype(np.uint8)
    confidence = np.zeros(lungs.shape, dtype=np.float32)
    second = np.zeros(lungs.shape, dtype=np.uint8)
    without: list[Side] = []
    for side in SIDES:
        inside = lungs == LUNG_LABELS[side]
        if inside.any() and not _complete(lobes, confidence, second, side, inside, spacing_mm):
            without.append(side)
    return Adopted(lungs, lobes, confidence, second, tuple(without), added_ml, method, BORDER_EVIDENCE)


def _given_lungs(parts: Parts) -> Labels:
    """Lungs as given; where a side has none, its lobes."""
    if parts.lungs is None:
        if parts.lobes is None:
            raise ValueError("neither lungs nor lobes are given")
        return sides_of(parts.lobes)
    lungs = np.array(parts.lungs, dtype=np.uint8)
    if parts.lobes is not None:
        np.copyto(lungs, sides_of(parts.lobes), where=lungs == 0)
    return lungs


def _extend(lungs: Labels, ours: Labels, side: Side, spacing: Spacing) -> None:
    """Add our lung of one side near the given one, in place."""
    label = LUNG_LABELS[side]
    given = lungs == label
    missing = (ours == label) & (lungs == 0)
    if not missing.any():
        return
    if not given.any():
        lungs[missing] = label
        return
    step = [max(1, round(COARSE_MM / s)) for s in spacing]
    sz, sy, sx = (s * f for s, f in zip(spacing, step, strict=True))
    away = distance_outside_mm(given[:: step[0], :: step[1], :: step[2]], (sz, sy, sx))
    places = np.nonzero(missing)
    near = away[tuple(p // f for p, f in zip(places, step, strict=True))] <= REACH_MM
    lungs[tuple(p[near] for p in places)] = label


def _complete(
    lobes: Labels,
    confidence: NDArray[np.float32],
    second: Labels,
    side: Side,
    inside: Mask,
    spacing: Spacing,
) -> bool:
    """Fill one lung's lobes, confidence and second lobe, in place; False if it has no lobe at all."""
    box = bounding_box(inside, spacing, 0.0)
    here, own = inside[box], lobes[box]
    present: list[Lobe] = [
        lobe for lobe in LOBES if LOBE_SIDES[lobe] == side and np.any(own == LOBE_LABELS[lobe])
    ]
    if not present:
        return False
    nearest = np.full(own.shape, np.inf, dtype=np.float32)
    runner_up = np.full(own.shape, np.inf, dtype=np.float32)
    first, other = np.zeros(own.shape, dtype=np.uint8), np.zeros(own.shape, dtype=np.uint8)
    for lobe in present:
        away = distance_outside_mm(own == LOBE_LABELS[lobe], spacing)
        _rank(away, LOBE_LABELS[lobe], (nearest, runner_up), (first, other))
    # Distances run between voxel centers. A voxel of a lobe is half a voxel nearer to the border than to the
    # next lobe's first center; one without a lobe lies between two lobes by half the difference.
    near, far = nearest[here], runner_up[here]
    to_border = np.where(near <= 0.0, far - np.float32(0.5 * min(spacing)), np.float32(0.5) * (far - near))
    error_mm = np.float32(load_evidence().value("source.lobe_border_error", unit="mm"))
    lobes[box][here] = first[here]
    second[box][here] = other[here]
    confidence[box][here] = ndtr(to_border / error_mm)
    return True


@njit(cache=True, parallel=True)
def _rank(
    away: NDArray[np.float32],
    label: int,
    least: tuple[NDArray[np.float32], NDArray[np.float32]],
    labels: tuple[Labels, Labels],
) -> None:
    """Enter one lobe's distances (0 or below inside) into the two least so far and their labels, in place."""
    nearest, runner_up = least[0].ravel(), least[1].ravel()
    first, other = labels[0].ravel(), labels[1].ravel()
    flat = away.ravel()
    for i in prange(flat.size):
        distance = max(flat[i], np.float32(0.0))
        if distance < nearest[i]:
            runner_up[i], other[i] = nearest[i], first[i]
            nearest[i], first[i] = distance, label
        elif distance < runner_up[i]:
            runner_up[i], other[i] = distance, label
