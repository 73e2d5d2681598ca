"""Values of an image between its voxels: the kernel that rays and profiles share."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, inline="always")
def trilinear(image: Any, z: Any, y: Any, x: Any) -> Any:
    """Interpolate at a fractional index; beyond a face its values repeat.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.arange(8.0).reshape(2, 2, 2)
    >>> round(trilinear(image, 0.5, 0.0, 0.0), 2), round(trilinear(image, -3.0, 0.0, 0.5), 2)
    (2.0, 0.5)
    """
    nz, ny, nx = image.shape
    z = min(max(z, 0.0), nz - 1.001)
    y = min(max(y, 0.0), ny - 1.001)
    x = min(max(x, 0.0), nx - 1.001)
    k, j, i = int(z), int(y), int(x)
    # An axis of one voxel has no second one.
    k1, j1, i1 = min(k + 1, nz - 1), min(j + 1, ny - 1), min(i + 1, nx - 1)
    c, b, a = z - k, y - j, x - i
    near = (image[k, j, i] * (1 - a) + image[k, j, i1] * a) * (1 - b)
    near += (image[k, j1, i] * (1 - a) + image[k, j1, i1] * a) * b
    far = (image[k1, j, i] * (1 - a) + image[k1, j, i1] * a) * (1 - b)
    far += (image[k1, j1, i] * (1 - a) + image[k1, j1, i1] * a) * b
    return near * (1 - c) + far * c
