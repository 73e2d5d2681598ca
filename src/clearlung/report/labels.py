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
# Among very many numbers none finds a good place, and more rounds only shift them about.
_ROUNDS, _ROUNDS_OF_MANY, _MANY = 4, 1, 300
_DIRECTIONS = 20
# Up to this a place is good enough: beside its nodule, and on nothing that matters.
_GOOD = 2.0
_LINES_FOLLOWED = 20
_NEAR_GAPS = np.array([0.15, 0.8, 1.6])
_FAR_GAPS = np.array([2.8, 4.4, 6.4, 9.0, 12.0])
# A number that stands nearer to another nodule than to its own reads as the other's.
_MISTAKABLE = 1.2
# Numbers side by side run together without a gap as wide as a digit; above one another they need less.
_GAP = np.array([0.9, 0.25])
_MARK_RADIUS_MM = 0.9
_ALONG = np.linspace(0.15, 0.95, 7)

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Frame:
    """The part of the paper that numbers may use: left, right, bottom, top in mm."""

    left: float
    right: float
    bottom: float
    top: float

    def excess(self, boxes: Floats, size: Floats) -> Floats:
        """How far boxes of one size stick out, mm."""
        low, high = boxes - size / 2, boxes + size / 2
        out = np.maximum(self.left - low[:, 0], 0) + np.maximum(high[:, 0] - self.right, 0)
        return np.asarray(out + np.maximum(self.bottom - low[:, 1], 0) + np.maximum(high[:, 1] - self.top, 0))


@dataclass(frozen=True, eq=False)
class _Field:
    """All nodules and numbers; ``placed`` and ``known`` fill up as numbers find their places.

    After the numbers follow the boxes that are taken from the start.
    """

    centers: Floats
    radii: Floats
    sizes: Floats
    frame: Frame
    placed: Floats
    known: NDArray[np.bool_]


def place_labels(
    centers: Floats, radii: Floats, sizes: Floats, frame: Frame, taken: Floats | None = None
) -> Floats:
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
    taken
        Shape (m, 4): middle, width and height of boxes where other words stand already, mm.

    Returns
    -------
    Shape (n, 2), mm.

    Examples
    --------
    >>> nodule, size = np.array([[10.0, 10.0]]), np.array([[3.0, 2.0]])
    >>> label = place_labels(nodule, np.array([1.0]), size, Frame(0, 20, 0, 20))
    >>> bool(np.hypot(*(label - nodule)[0]) < 4)
    True
    """
    words = np.zeros((0, 4)) if taken is None else taken
    field = _Field(
        centers,
        radii,
        np.vstack([sizes, words[:, 2:]]),
        frame,
        placed=np.vstack([centers, words[:, :2]]),
        known=np.arange(len(centers) + len(words)) >= len(centers),
    )
    costs = np.full(len(centers), np.inf)
    order = np.argsort(-_crowding(centers, radii), kind="stable")
    for _ in range(_ROUNDS if len(centers) <= _MANY else _ROUNDS_OF_MANY):
        # Those that stand well stay; moving them would only push others.
        for index in order[costs[order] > _GOOD]:
            field.placed[index], costs[index] = _best_place(int(index), field)
            field.known[index] = True
    return field.placed[: len(centers)]


def _crowding(centers: Floats, radii: Floats) -> Floats:
    """How much of other nodules lies near each one; the most crowded choose first."""
    if len(centers) == 0:
        return np.zeros(0)
    distance = np.hypot(*(centers[:, None, :] - centers[None, :, :]).transpose(2, 0, 1))
    return np.asarray(np.exp(-((distance / 6.0) ** 2)) @ (1.0 + radii))


def _candidates(center: Floats, radius: float, size: Floats, gaps: Floats) -> Floats:
    """Boxes around a nodule in all directions, and within it where it has room."""
    angles = np.arange(_DIRECTIONS) * (2 * np.pi / _DIRECTIONS)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    # How far the middle of a box must be for the box to clear the circle in this direction.
    half = np.minimum(
        size[0] / 2 / np.maximum(np.abs(directions[:, 0]), 1e-9),
        size[1] / 2 / np.maximum(np.abs(directions[:, 1]), 1e-9),
    )
    reach = radius + half[None, :] + gaps[:, None]
    around = (reach[:, :, None] * directions[None, :, :]).reshape(-1, 2)
    # A large nodule has room for its number beside its mark.
    inside = (_MARK_RADIUS_MM + half + 0.15)[:, None] * directions
    inside = inside[np.hypot(*(np.abs(inside) + size / 2).T) < radius]
    return np.asarray(center + np.vstack([inside, around]))


def _best_place(index: int, field: _Field) -> tuple[Floats, float]:
    """Return the best place of one number and its cost; far ones are tried only where no near one is good."""
    best, cost = field.placed[index], np.inf
    for gaps in (_NEAR_GAPS, _FAR_GAPS):
        boxes = _candidates(field.centers[index], float(field.radii[index]), field.sizes[index], gaps)
        tried, tried_cost = _cheapest(index, boxes, field)
        if tried_cost < cost:
            best, cost = tried, tried_cost
        if cost <= _GOOD:
            break
    return best, cost


def _cheapest(index: int, boxes: Floats, field: _Field) -> tuple[Floats, float]:
    center, radius, size = field.centers[index], field.radii[index], field.sizes[index]
    reach = float(np.abs(boxes - center).max()) + float(size.max()) / 2
    others = field.known & (np.abs(field.placed - center) < reach + field.sizes / 2 + _GAP).all(axis=1)
    others[index] = False
    near = np.abs(field.centers - center).max(axis=1) < reach + field.radii
    near[index] = False
    centers, radii = field.centers[near], field.radii[near]
    placed, sizes = field.placed[others], field.sizes[others]
    cost = 0.5 * np.maximum(np.hypot(*(boxes - center).T) - radius, 0)
    cost += _ON_NUMBER * _overlap(boxes, size + _GAP, placed, sizes).sum(axis=1)
    # A circle covers about what its inscribed square does, as far as reading a number goes.
    cost += _ON_NODULE * _overlap(boxes, size, centers, np.repeat(1.7 * radii[:, None], 2, axis=1)).sum(
        axis=1
    )
    cost += _OUT_OF_FRAME * field.frame.excess(boxes, size)
    if len(centers):
        own = np.maximum(np.hypot(*_gap(boxes, size, center).T) - radius, 0)
        away = _gap(boxes[:, None, :], size, centers[None, :, :])
        cost += _MISTAKABLE * ((np.hypot(away[..., 0], away[..., 1]) - radii).min(axis=1) < own)
    # Lines are costly to follow, and only make a place worse: those of the best few are enough.
    few = np.argsort(cost, kind="stable")[:_LINES_FOLLOWED]
    line = center + _ALONG[None, :, None] * (boxes[few, None, :] - center)
    total = cost[few] + _LINE_ON_NUMBER * _inside(line, placed, sizes)
    total += _LINE_ON_NODULE * _inside(line, centers, np.repeat(1.4 * radii[:, None], 2, axis=1))
    winner = int(np.argmin(total))
    return boxes[few[winner]], float(total[winner])


def _gap(boxes: Floats, size: Floats, points: Floats) -> Floats:
    """From each box's edge to a point, along x and y; 0 where the point lies within."""
    return np.asarray(np.maximum(np.abs(boxes - points) - size / 2, 0))


def _overlap(boxes: Floats, size: Floats, others: Floats, other_sizes: Floats) -> Floats:
    """Area in mm² that each box shares with each other one, shape (boxes, others)."""
    apart = np.abs(boxes[:, None, :] - others[None, :, :])
    shared = np.maximum((size + other_sizes[None, :, :]) / 2 - apart, 0)
    shared = np.minimum(shared, np.minimum(size, other_sizes[None, :, :]))
    return np.asarray(shared[..., 0] * shared[..., 1])


def _inside(points: Floats, others: Floats, sizes: Floats) -> Floats:
    """For each line of points, over how many of the other boxes it runs."""
    hit = np.abs(points[:, :, None, 0] - others[:, 0]) < sizes[:, 0] / 2
    hit &= np.abs(points[:, :, None, 1] - others[:, 1]) < sizes[:, 1] / 2
    return np.asarray(hit.any(axis=1).sum(axis=1), dtype=np.float64)
