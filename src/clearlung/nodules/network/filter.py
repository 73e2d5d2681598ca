"""Judging candidates: two looks at each, the second where the first one says that the nodule is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearlung.nodules.network.patches import (
    WIDE_PER_NEAR,
    Pyramid,
    near_step_mm,
    sample_patches,
    size_terms,
)

Answers = NDArray[np.float64]
Network = Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]
"""Takes near and wide patches and size terms; returns logit, log size and offset: shape (n, 5)."""

BATCH = 128
# What the first look gives less than this, the second would not save: on held-out scans it holds back one
# nodule in a thousand, and nine tenths of everything else.
FIRST_LOOK_LOGIT = -3.5
PLAIN = ((1, 1, 1),)
# The second look is taken from four sides, whose answers are averaged.
MIRRORS = ((1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1))
# A first look moves and resizes a candidate by no more than this: half a diameter, and a factor of 1.8.
MOST_MOVED, MOST_RESIZED = 0.5, 0.6
# Judgments whose centers are this close, in radii of the larger, are of the same nodule: centers of nodules
# that touch lie more than a radius apart, and one lobe of a large tumor must not cut it in two.
SAME_NODULE = 0.9


@dataclass(frozen=True, eq=False)
class Judged:
    """Candidates that may be nodules, best first.

    Parameters
    ----------
    centers
        Shape (n, 3): voxel index (z, y, x), moved to where the nodule is.
    diameter_mm
        Shape (n,), corrected.
    logit
        Shape (n,): what the network says, not calibrated.
    """

    centers: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    logit: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.logit)

    def take(self, rows: NDArray[np.intp]) -> Judged:
        """Return some of the rows."""
        return Judged(self.centers[rows], self.diameter_mm[rows], self.logit[rows])


def judge(
    network: Network,
    pyramid: Pyramid,
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
) -> Judged:
    """Judge candidates and keep one judgment of each nodule.

    Parameters
    ----------
    network
        The network.
    pyramid
        The scan.
    centers, diameter_mm
        Voxel indices, shape (n, 3), and rough sizes, shape (n,).

    Returns
    -------
    Judged
        The likeliest first; what is surely none is left out.
    """
    first = _look(network, pyramid, centers, diameter_mm, PLAIN)
    promising = np.flatnonzero(first[:, 0] >= FIRST_LOOK_LOGIT)
    centers, diameter_mm = _moved(
        pyramid, centers[promising], diameter_mm[promising], first[promising, 1], first[promising, 2:]
    )
    second = _look(network, pyramid, centers, diameter_mm, MIRRORS)
    centers, diameter_mm = _moved(pyramid, centers, diameter_mm, second[:, 1], second[:, 2:])
    order = np.argsort(-second[:, 0], kind="stable")
    judged = Judged(centers[order], diameter_mm[order], second[order, 0])
    return judged.take(one_of_each(judged.centers * pyramid.spacings_mm[0], judged.diameter_mm))


def rate(
    network: Network,
    pyramid: Pyramid,
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Judge what is known to be there, each as it is: nothing is moved, merged or left out.

    Parameters
    ----------
    network, pyramid, centers, diameter_mm
        As for :func:`judge`.

    Returns
    -------
    array
        Shape (n,): logits, not calibrated.
    """
    return _look(network, pyramid, centers, diameter_mm, MIRRORS)[:, 0]


def _look(
    network: Network,
    pyramid: Pyramid,
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    mirrors: Sequence[tuple[int, int, int]],
) -> Answers:
    """Answers for each candidate, averaged over the sides it is looked at from; shape (n, 5).

    Offsets are along the scan's axes.
    """
    answers = np.empty((len(centers), 5))
    step = near_step_mm(diameter_mm)
    terms = size_terms(diameter_mm, pyramid.spacings_mm[0])
    for start in range(0, len(centers), BATCH):
        part = slice(start, start + BATCH)
        near = sample_patches(pyramid, centers[part], step[part])
        wide = sample_patches(pyramid, centers[part], step[part] * WIDE_PER_NEAR)
        seen = [_mirrored(network, near, wide, terms[part], mirror) for mirror in mirrors]
        answers[part] = np.mean(seen, axis=0)
    return answers


def _mirrored(
    network: Network,
    near: NDArray[np.float32],
    wide: NDArray[np.float32],
    terms: NDArray[np.float32],
    mirror: tuple[int, int, int],
) -> Answers:
    """Answers to mirrored patches, their offsets mirrored back."""
    axes = tuple(2 + axis for axis, sign in enumerate(mirror) if sign < 0)
    turned = [np.ascontiguousarray(np.flip(patches, axes)) for patches in (near, wide)]
    answers = network(turned[0], turned[1], terms).astype(np.float64)
    answers[:, 2:] *= mirror
    return answers


def _moved(
    pyramid: Pyramid,
    centers: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    log_size: NDArray[np.float64],
    offset: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centers and sizes as the network corrects them."""
    away = np.clip(offset, -MOST_MOVED, MOST_MOVED) * diameter_mm[:, None]
    size = diameter_mm * np.exp(np.clip(log_size, -MOST_RESIZED, MOST_RESIZED))
    return centers + away / pyramid.spacings_mm[0], size


def one_of_each(points_mm: NDArray[np.float64], diameter_mm: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows that are left when each nodule keeps its first one.

    Parameters
    ----------
    points_mm, diameter_mm
        Shape (n, 3) and (n,), best first. Two are the same nodule if their centers are nearer to each other
        than :data:`SAME_NODULE` radii of the larger.

    Examples
    --------
    >>> one_of_each(np.array([[0.0, 0, 0], [2.0, 0, 0], [9.0, 0, 0]]), np.array([8.0, 6.0, 8.0]))
    array([0, 2])
    """
    kept = np.ones(len(points_mm), dtype=np.bool_)
    if len(points_mm):
        tree = cKDTree(points_mm)
        near = tree.query_ball_point(points_mm, SAME_NODULE * 0.5 * max(diameter_mm))
        for i, others in enumerate(near):
            if not kept[i]:
                continue
            later = np.array([j for j in others if j > i and kept[j]], dtype=np.intp)
            reach = SAME_NODULE * 0.5 * np.maximum(diameter_mm[i], diameter_mm[later])
            kept[later[np.linalg.norm(points_mm[later] - points_mm[i], axis=1) < reach]] = False
    return np.flatnonzero(kept)
