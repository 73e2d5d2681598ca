"""Gaussian blur, second derivatives and their eigenvalues: the kernels that tube and sheet filters share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

# Beyond three standard deviations a Gaussian has 0.3 % of its weight.
TRUNCATE = 3.0
# A blur below this many voxels changes nothing that a voxel can show.
LEAST_SIGMA_VOXELS = 0.2


def smooth(image: NDArray[Any], sigma_voxels: tuple[float, float, float]) -> NDArray[np.float32]:
    """Blur an image by a Gaussian; beyond a face its values repeat.

    Parameters
    ----------
    image
        Any real type, shape (z, y, x); left as it is.
    sigma_voxels
        Standard deviations along z, y and x, in voxels; below 0.2 an axis is left alone.

    Returns
    -------
    array
        float32, same shape. No other array of that size is made.

    Examples
    --------
    >>> image = np.zeros((9, 9, 9), dtype=np.int16)
    >>> image[4, 4, 4] = 1000
    >>> blurred = smooth(image, (1.0, 1.0, 1.0))
    >>> round(float(blurred.sum())), round(float(blurred[4, 4, 4]))
    (1000, 64)
    """
    out = np.empty(image.shape, dtype=np.float32)
    wz, wy, wx = (_weights(sigma) for sigma in sigma_voxels)
    _blur_along_z(image, wz, out)
    if wy.size > 1 or wx.size > 1:
        _blur_in_plane(out, wy, wx)
    return out


def _weights(sigma: float) -> NDArray[np.float32]:
    """Weights of one axis, summing to 1."""
    if sigma < LEAST_SIGMA_VOXELS:
        return np.ones(1, dtype=np.float32)
    reach = int(np.ceil(TRUNCATE * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


@njit(cache=True, parallel=True)
def _blur_along_z(image: Any, weights: Any, out: Any) -> Any:
    nz, ny, nx = image.shape
    reach = len(weights) // 2
    for y in prange(ny):
        for z in range(nz):
            for x in range(nx):
                out[z, y, x] = weights[0] * image[max(z - reach, 0), y, x]
            for k in range(1, len(weights)):
                source = min(max(z + k - reach, 0), nz - 1)
                for x in range(nx):
                    out[z, y, x] += weights[k] * image[source, y, x]


@njit(cache=True, parallel=True)
def _blur_in_plane(array: Any, wy: Any, wx: Any) -> Any:
    """Blur each slice in place."""
    nz, ny, nx = array.shape
    ry, rx = len(wy) // 2, len(wx) // 2
    for z in prange(nz):
        plane = array[z].copy()
        row = np.empty(nx + 2 * rx, dtype=np.float32)
        for y in range(ny):
            for x in range(nx):
                row[x + rx] = wy[0] * plane[max(y - ry, 0), x]
            for k in range(1, len(wy)):
                source = min(max(y + k - ry, 0), ny - 1)
                for x in range(nx):
                    row[x + rx] += wy[k] * plane[source, x]
            for x in range(rx):
                row[x] = row[rx]
                row[nx + rx + x] = row[nx + rx - 1]
            for x in range(nx):
                array[z, y, x] = wx[0] * row[x]
            for k in range(1, len(wx)):
                for x in range(nx):
                    array[z, y, x] += wx[k] * row[x + k]


@njit(cache=True, inline="always")
def second_derivatives(image: Any, z: Any, y: Any, x: Any, wz: Any, wy: Any, wx: Any) -> Any:
    """Second derivatives at a voxel that is not on a face, by central differences.

    Parameters
    ----------
    image
        float32, shape (z, y, x), smooth.
    z, y, x
        The voxel, 1 to n - 2.
    wz, wy, wx
        A difference of one voxel along an axis is multiplied by this: 1 / spacing for derivatives per mm, or
        the scale in voxels for scale-normalized ones.

    Returns
    -------
    zz, yy, xx, zy, zx, yx
        The Hessian.
    """
    twice = image[z, y, x] + image[z, y, x]
    zz = wz * wz * (image[z + 1, y, x] + image[z - 1, y, x] - twice)
    yy = wy * wy * (image[z, y + 1, x] + image[z, y - 1, x] - twice)
    xx = wx * wx * (image[z, y, x + 1] + image[z, y, x - 1] - twice)
    quarter = np.float32(0.25)
    zy = image[z + 1, y + 1, x] + image[z - 1, y - 1, x] - image[z + 1, y - 1, x] - image[z - 1, y + 1, x]
    zx = image[z + 1, y, x + 1] + image[z - 1, y, x - 1] - image[z + 1, y, x - 1] - image[z - 1, y, x + 1]
    yx = image[z, y + 1, x + 1] + image[z, y - 1, x - 1] - image[z, y + 1, x - 1] - image[z, y - 1, x + 1]
    return zz, yy, xx, quarter * wz * wy * zy, quarter * wz * wx * zx, quarter * wy * wx * yx


@njit(cache=True, inline="always")
def eigenvalues(zz: Any, yy: Any, xx: Any, zy: Any, zx: Any, yx: Any) -> Any:
    """Eigenvalues of a symmetric matrix in closed form.

    Returns
    -------
    low, middle, high
        Ascending: along a bright tube the first two are negative and the last is near 0; on a bright sheet
        only the first is negative; in a bright ball all three are.

    References
    ----------
    .. [1] O. K. Smith, "Eigenvalues of a symmetric 3 x 3 matrix", Communications of the ACM 4(4), 1961.
    """
    mean = (zz + yy + xx) / 3.0
    a, b, c = zz - mean, yy - mean, xx - mean
    square = (a * a + b * b + c * c + 2.0 * (zy * zy + zx * zx + yx * yx)) / 6.0
    if square <= 1e-20 * (1.0 + mean * mean):
        return mean, mean, mean
    p = square**0.5
    half = (a * (b * c - yx * yx) - zy * (zy * c - yx * zx) + zx * (zy * yx - b * zx)) / (2.0 * p * square)
    angle = np.arccos(min(max(half, -1.0), 1.0)) / 3.0
    high = mean + 2.0 * p * np.cos(angle)
    low = mean + 2.0 * p * np.cos(angle + 2.0943951023931953)  # 2 pi / 3
    return low, 3.0 * mean - low - high, high


@njit(cache=True)
def eigenvector(zz: Any, yy: Any, xx: Any, zy: Any, zx: Any, yx: Any, value: Any) -> Any:
    """Return the unit eigenvector (z, y, x) of an eigenvalue; its sign is arbitrary.

    Where the eigenvalue is a double one, one of its vectors is returned.
    """
    a, b, c = zz - value, yy - value, xx - value
    # Each cross product of two rows is the vector, unless the rows are parallel: take the longest.
    vz, vy, vx = zy * yx - zx * b, zx * zy - a * yx, a * b - zy * zy
    best = vz * vz + vy * vy + vx * vx
    uz, uy, ux = zy * c - zx * yx, zx * zx - a * c, a * yx - zy * zx
    size = uz * uz + uy * uy + ux * ux
    if size > best:
        best, vz, vy, vx = size, uz, uy, ux
    uz, uy, ux = b * c - yx * yx, yx * zx - zy * c, zy * yx - b * zx
    size = uz * uz + uy * uy + ux * ux
    if size > best:
        best, vz, vy, vx = size, uz, uy, ux
    scale = abs(a) + abs(b) + abs(c) + abs(zy) + abs(zx) + abs(yx)
    if best > 1e-12 * scale**4:
        length = best**0.5
        return vz / length, vy / length, vx / length
    # All rows are parallel: any vector square to the longest row will do.
    vz, vy, vx = a, zy, zx
    if b * b + zy * zy + yx * yx > vz * vz + vy * vy + vx * vx:
        vz, vy, vx = zy, b, yx
    if c * c + zx * zx + yx * yx > vz * vz + vy * vy + vx * vx:
        vz, vy, vx = zx, yx, c
    if vz * vz + vy * vy + vx * vx == 0.0:
        return 1.0, 0.0, 0.0
    if abs(vz) <= abs(vy) and abs(vz) <= abs(vx):
        length = (vy * vy + vx * vx) ** 0.5
        return 0.0, -vx / length, vy / length
    if abs(vy) <= abs(vx):
        length = (vz * vz + vx * vx) ** 0.5
        return -vx / length, 0.0, vz / length
    length = (vz * vz + vy * vy) ** 0.5
    return -vy / length, vz / length, 0.0
