"""Distances from a mask, for crops that need not wait for a whole lung's transform."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

FAR = np.float32(1e12)


@numba.njit(cache=True, nogil=True)
def _line_distance(
    line: NDArray[np.float32],
    out: NDArray[np.float32],
    v: NDArray[np.int64],
    b: NDArray[np.float32],
    n: int,
    step2: float,
) -> None:
    """Lower envelope of parabolas along one line (Felzenszwalb and Huttenlocher, 2012)."""
    k = -1
    for q in range(n):
        if line[q] >= FAR:
            continue
        if k < 0:
            k = 0
            v[0] = q
            b[0] = -FAR
            continue
        s = ((line[q] + step2 * q * q) - (line[v[k]] + step2 * v[k] * v[k])) / (2.0 * step2 * (q - v[k]))
        while s <= b[k]:
            k -= 1
            s = ((line[q] + step2 * q * q) - (line[v[k]] + step2 * v[k] * v[k])) / (2.0 * step2 * (q - v[k]))
        k += 1
        v[k] = q
        b[k] = s
    if k < 0:
        out[:n] = FAR
        return
    j = 0
    for q in range(n):
        while j < k and b[j + 1] < q:
            j += 1
        out[q] = step2 * (q - v[j]) * (q - v[j]) + line[v[j]]


@numba.njit(cache=True, nogil=True)
def distance_to(mask: NDArray[np.bool_], target: bool, step_mm: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance in mm from each voxel center to the nearest one with a value; huge if none has it.

    Parameters
    ----------
    mask
        bool, shape (z, y, x).
    target
        The value.
    step_mm
        Size of a voxel along z, y and x.

    Returns
    -------
    array
        float32, same shape.
    """
    shape = mask.shape
    squared = np.empty(shape, dtype=np.float32)
    flat, start = mask.ravel(), squared.ravel()
    for i in range(flat.size):
        start[i] = np.float32(0.0) if flat[i] == target else FAR
    longest = max(shape[0], shape[1], shape[2])
    line = np.empty(longest, dtype=np.float32)
    out = np.empty(longest, dtype=np.float32)
    v = np.empty(longest + 1, dtype=np.int64)
    b = np.empty(longest + 1, dtype=np.float32)
    strides = (shape[1] * shape[2], shape[2], 1)
    for axis in range(3):
        first = 1 if axis == 0 else 0
        second = 1 if axis == 2 else 2
        n, stride = shape[axis], strides[axis]
        for p in range(shape[first]):
            for q in range(shape[second]):
                at = p * strides[first] + q * strides[second]
                for r in range(n):
                    line[r] = start[at + r * stride]
                _line_distance(line, out, v, b, n, step_mm[axis] ** 2)
                for r in range(n):
                    start[at + r * stride] = out[r]
    for i in range(start.size):
        start[i] = np.sqrt(start[i])
    return squared
