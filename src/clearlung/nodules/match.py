"""Matching found nodules to known ones: the ground of every sensitivity that Clearlung prints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

# A small nodule's center is not known better than this on slices of 2 to 3 mm.
SMALLEST_RADIUS_MM = 3.0


@dataclass(frozen=True, eq=False)
class Match:
    """Which found nodule is which known one.

    Parameters
    ----------
    found_of_known
        int64: for each known nodule, the row of the found one, or -1 where it was missed.
    known_of_found
        int64: for each found nodule, the row of the known one, or -1 where it is false.
    """

    found_of_known: NDArray[np.int64]
    known_of_found: NDArray[np.int64]

    @property
    def hits(self) -> int:
        """Number of known nodules that were found."""
        return int((self.found_of_known >= 0).sum())

    @property
    def false(self) -> int:
        """Number of found nodules that are none of the known."""
        return int((self.known_of_found < 0).sum())


def match_nodules(
    known_mm: NDArray[np.float64], known_diameter_mm: NDArray[np.float64], found_mm: NDArray[np.float64]
) -> Match:
    """Match one to one, nearest first, within each known nodule's radius.

    Parameters
    ----------
    known_mm, found_mm
        LPS centers, shape (n, 3).
    known_diameter_mm
        Diameters of the known nodules; a hit lies within the radius, or within 3 mm of a smaller one.

    Returns
    -------
    Match
        The assignment with the most hits, and of those the smallest sum of distances.

    Examples
    --------
    >>> known = np.array([[0.0, 0, 0], [50, 0, 0]])
    >>> match = match_nodules(known, np.array([10.0, 4.0]), np.array([[49.0, 0, 0], [20, 0, 0]]))
    >>> match.found_of_known, match.false
    (array([-1,  0]), 1)
    """
    found_of_known = np.full(len(known_mm), -1, dtype=np.int64)
    known_of_found = np.full(len(found_mm), -1, dtype=np.int64)
    if len(known_mm) and len(found_mm):
        radius = np.maximum(known_diameter_mm / 2, SMALLEST_RADIUS_MM)
        distance = cdist(known_mm, found_mm)
        allowed = distance <= radius[:, None]
        forbidden = 1e6  # mm: further than any two points of a patient, so that a hit is never traded away
        rows, columns = linear_sum_assignment(np.where(allowed, distance, forbidden))
        for row, column in zip(rows, columns, strict=True):
            if allowed[row, column]:
                found_of_known[row] = column
                known_of_found[column] = row
    return Match(found_of_known, known_of_found)
