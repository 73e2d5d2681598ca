"""Overlap of masks, and the agreement of several outlines with each other, from their votes alone."""

from __future__ import annotations

import numpy as np


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Twice the common part over the sum of both; 1 for two empty masks."""
    total = np.count_nonzero(one) + np.count_nonzero(other)
    return 2.0 * np.count_nonzero(one & other) / total if total else 1.0


def agreement_of_votes(votes: np.ndarray, outlines: int) -> float:
    """Dice of pairs of outlines, pooled over all pairs, from how many outlines hold each voxel.

    A voxel in v of n outlines lies in the common part of v (v - 1) / 2 pairs, and each of the v outlines that
    hold it has n - 1 partners. So over all pairs the common parts add up to sum v (v - 1) / 2, and the sums
    of both sizes to (n - 1) sum v: the pooled Dice is sum v (v - 1) / ((n - 1) sum v). It is the mean of the
    pairs' Dice weighted by the pairs' sizes, and the mean itself where all outlines are of one size; votes do
    not tell the single outlines' sizes, so the plain mean cannot be had from them.

    Parameters
    ----------
    votes
        Integers of any shape: 0 to ``outlines``.
    outlines
        How many there were, 2 or more.
    """
    if outlines < 2:
        raise ValueError(f"agreement needs two outlines or more, not {outlines}")
    v = votes.astype(np.float64)
    total = (outlines - 1) * v.sum()
    return float((v * (v - 1)).sum() / total) if total else 1.0


def agreement_with_majority(votes: np.ndarray, outlines: int) -> float:
    """Dice of the outlines with their majority (half of them or more), pooled over the outlines.

    What agrees with each other as the outlines do agrees with the majority better: a mask that is compared
    with the majority is held against this as well.
    """
    majority = 2 * votes >= outlines
    v = votes.astype(np.float64)
    total = v.sum() + outlines * np.count_nonzero(majority)
    return float(2.0 * v[majority].sum() / total) if total else 1.0
