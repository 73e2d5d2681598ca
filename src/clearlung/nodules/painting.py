"""Painting outlines into one label map."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)
def paint(
    labels: NDArray[np.int32],
    label: int,
    nodule: NDArray[np.bool_],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    center: NDArray[np.float64],
    step_mm: float,
) -> int:
    """Paint an outline from its cube around a center into the label map of the box, unless it is taken.

    Returns
    -------
    int
        How many voxels were painted. 0 if half of the outline or more belongs to others already; then
        nothing was.
    """
    half = nodule.shape[0] // 2
    reach = half * step_mm / spacing_mm
    low = np.empty(3, dtype=np.int64)
    high = np.empty(3, dtype=np.int64)
    for a in range(3):
        low[a] = max(0, int(np.ceil(center[a] - reach[a])))
        high[a] = min(labels.shape[a] - 1, int(np.floor(center[a] + reach[a])))
    free, taken = 0, 0
    for again in range(2):
        for z in range(low[0], high[0] + 1):
            k = int(np.floor((z - center[0]) * spacing_mm[0] / step_mm + 0.5)) + half
            for y in range(low[1], high[1] + 1):
                j = int(np.floor((y - center[1]) * spacing_mm[1] / step_mm + 0.5)) + half
                for x in range(low[2], high[2] + 1):
                    i = int(np.floor((x - center[2]) * spacing_mm[2] / step_mm + 0.5)) + half
                    if not nodule[k, j, i] or lungs[z, y, x] == 0:
                        continue
                    if again == 1 and labels[z, y, x] == 0:
                        labels[z, y, x] = label
                    elif again == 0 and labels[z, y, x] == 0:
                        free += 1
                    elif again == 0:
                        taken += 1
        if free <= taken:
            return 0
    return free
