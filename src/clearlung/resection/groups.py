"""Which lesions could come out in one piece: neighbors whose rims meet, and clusters of limited extent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial import cKDTree
from scipy.spatial.distance import pdist


def neighbor_groups(
    centers_mm: NDArray[np.float64],
    radius_mm: NDArray[np.float64],
    margin_mm: NDArray[np.float64],
    extent_limit_mm: float,
) -> list[tuple[int, ...]]:
    """Return sets of lesions that one specimen could hold.

    Parameters
    ----------
    centers_mm
        Shape (n, 3).
    radius_mm, margin_mm
        Of each lesion, and the rim planned around it.
    extent_limit_mm
        No set is longer than this from one lesion's far side to another's.

    Returns
    -------
    list of tuple
        Rows, ascending, two or more each, every set once: all pairs whose rims meet, and the clusters of
        complete linkage, in which no two lesions are farther apart than the limit. There are no more clusters
        than lesions, however dense they lie.

    Examples
    --------
    >>> places = np.array([[0.0, 0, 0], [0, 0, 12], [0, 0, 60]])
    >>> neighbor_groups(places, np.full(3, 3.0), np.full(3, 5.0), 40.0)
    [(0, 1)]
    """
    n = len(centers_mm)
    if n < 2 or not np.isfinite(centers_mm).all():
        return []
    widest = 2.0 * float((radius_mm + margin_mm).max())
    near = cKDTree(centers_mm).query_pairs(min(widest, extent_limit_mm), output_type="ndarray")
    found: set[tuple[int, ...]] = set()
    if len(near):
        a, b = near.T
        apart = np.linalg.norm(centers_mm[a] - centers_mm[b], axis=1)
        meet = apart <= radius_mm[a] + radius_mm[b] + margin_mm[a] + margin_mm[b]
        short = apart + radius_mm[a] + radius_mm[b] <= extent_limit_mm
        found = {(int(min(i, j)), int(max(i, j))) for i, j in near[meet & short]}
    one, other = np.triu_indices(n, k=1)
    extents = pdist(centers_mm) + radius_mm[one] + radius_mm[other]
    clusters: list[tuple[int, ...]] = [(k,) for k in range(n)]
    for first, second, height, _ in linkage(extents, method="complete"):
        clusters.append(tuple(sorted(clusters[int(first)] + clusters[int(second)])))
        if height <= extent_limit_mm:
            found.add(clusters[-1])
    return sorted(found)
