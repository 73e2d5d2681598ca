"""Where the numbers go: beside their nodules, apart from each other, with a thin line where they are far.

Each number tries a few hundred places around its nodule and takes the one that costs least, given where
all the others stand; a few rounds of this settle them. Everything is in millimeters on paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What a square millimeter of a number on top of another costs, in millimeters of distance that it would
# rather travel. Numbers on numbers cannot be read; numbers on nodules can, if barely.
_ON_NUMBER = 60.0
_ON_NODULE = 8.0
_OUT_OF_FRAME = 200.0
# What it costs when the line to a number runs over another number, or over another nodule.
_LINE_ON_NUMBER = 12.0
_LINE_ON_NODULE = 1.5
_REACH_MM = 16.0
_ROUNDS = 4
_ALONG = np.linspace(0.15, 0.95, 7)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """The part of the paper that numbers may use: left, right, bottom, top in mm."""

    left: float
    right: float
    bottom: float
    top: float


def place_labels(centers: Floats, radii: Floats, sizes: Floats, frame: Frame) -> Floats:
    """Return the middle of each number's box.

    Parameters
    ----------
    centers
        Shape (n, 2): nodules on paper, mm.
    radii
        Shape (n,): their drawn radii, mm.
    sizes
        Shape (n, 2): width and height of each number, mm.
    frame
        Where numbers may stand.

    Returns
    -------
    Shape (n, 2), mm.

    Examples
    --------
    >>> one = place_labels(np.array([[10.0, 10.0]]), np.array([1.0]), np.array([[3.0, 2.0]]), Frame(0, 20, 0, 20))
    >>> bool(np.abs(one - [[10.0, 10.0]]).max() < 4)
    True
    """
    placed = centers.copy()
    known = np.zeros(len(centers), dtype=bool)
    order = np.argsort(-_crowding(centers, radii), kind="stable")
    for _ in range(_ROUNDS):
        moved = False
        for index in order:
            best = _best_place(int(index), centers, radii, sizes, placed, known, frame)
            moved |= not np.array_equal(best, placed[index])
            placed[index] = best
            known[index] = True
        if not moved:
            break
    return placed


def _crowding(centers: Floats, radii: Floats) -> Floats:
    """How much of other nodules lies near each one; the most crowded choose first."""
    if len(centers) == 0:
        return np.zeros(0)
    distance = np.hypot(*(centers[:, None, :] - centers[None, :, :]).transpose(2, 0, 1))
    return np.exp(-((distance / 6.0) ** 2)) @ (1.0 + radii)


def _candidates(center: Floats, radius: float, size: Floats) -> Floats:
    """Boxes around a nodule: close ones first, in 24 directions."""
    angles = np.arange(24) * (2 * np.pi / 24)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    # How far the middle of a box must be for the box to clear the circle in this direction.
    half = np.minimum(
        size[0] / 2 / np.maximum(np.abs(directions[:, 0]), 1e-9),
        size[1] / 2 / np.maximum(np.abs(directions[:, 1]), 1e-9),
    )
    gaps = np.array([0.15, 0.8, 1.6, 2.6, 3.8, 5.2, 7.0, 9.5, 12.5])
    reach = radius + half[None, :] + gaps[:, None]
    return np.asarray((center + reach[:, :, None] * directions[None, :, :]).reshape(-1, 2))


def _best_place(
    index: int,
    centers: Floats,
    radii: Floats,
    sizes: Floats,
    placed: Floats,
    known: NDArray[np.bool_],
    frame: Frame,
) -> Floats:
    center, size = centers[index], sizes[index]
    boxes = _candidates(center, float(radii[index]), size)
    others = known & (np.abs(placed - center).max(axis=1) < 2 * _REACH_MM)
    others[index] = False
    near = np.abs(centers - center).max(axis=1) < _REACH_MM + radii
    cost = 0.5 * np.maximum(np.hypot(*(boxes - center).T) - radii[index], 0)
    cost += _ON_NUMBER * _overlap(boxes, size + 0.25, placed[others], sizes[others]).sum(axis=1)
    # A circle covers about what its inscribed square does, as far as reading a number goes.
    squares = np.repeat(1.7 * radii[near, None], 2, axis=1)
    cost += _ON_NODULE * _overlap(boxes, size, centers[near], squares).sum(axis=1)
    outside = np.maximum(frame.left - (boxes[:, 0] - size[0] / 2), 0)
    outside += np.maximum(boxes[:, 0] + size[0] / 2 - frame.right, 0)
    outside += np.maximum(frame.bottom - (boxes[:, 1] - size[1] / 2), 0)
    outside += np.maximum(boxes[:, 1] + size[1] / 2 - frame.top, 0)
    cost += _OUT_OF_FRAME * outside
    near[index] = False
    line = center + _ALONG[None, :, None] * (boxes[:, None, :] - center)
    cost += _LINE_ON_NUMBER * _inside(line, placed[others], sizes[others])
    cost += _LINE_ON_NODULE * _inside(line, centers[near], 1.4 * np.repeat(radii[near, None], 2, axis=1))
    return np.asarray(boxes[int(np.argmin(cost))])


def _overlap(boxes: Floats, size: Floats, others: Floats, other_sizes: Floats) -> Floats:
    """Area in mm² that each box shares with each other one, shape (boxes, others)."""
    apart = np.abs(boxes[:, None, :] - others[None, :, :])
    shared = np.maximum((size + other_sizes[None, :, :]) / 2 - apart, 0)
    shared = np.minimum(shared, np.minimum(size, other_sizes[None, :, :]))
    return np.asarray(shared[..., 0] * shared[..., 1])


def _inside(points: Floats, others: Floats, sizes: Floats) -> Floats:
    """For each line of points, over how many of the other boxes it runs."""
    apart = np.abs(points[:, :, None, :] - others[None, None, :, :])
    hit = (apart < sizes[None, None, :, :] / 2).all(axis=-1)
    return np.asarray(hit.any(axis=1).sum(axis=1), dtype=np.float64)
