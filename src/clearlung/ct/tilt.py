"""Slices of a tilted gantry, shifted within their planes until they stand straight above each other.

The table moves along the patient, and a tilted gantry images planes that are not square to that: each slice
begins a little further along its columns than the one before. Shifting every slice back by the part of a
pixel that it is off leaves each measured value in its plane; nothing is interpolated between slices.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.hounsfield import AIR_HU, MAX_HU

# Keys' cubic convolution with this parameter reproduces quadratic profiles, and keeps the noise of a slice
# almost the same whatever part of a pixel it is shifted by; linear interpolation would blur some slices.
KEYS_A = -0.5
# A shift by less than this part of a pixel is a rounded header.
MIN_SHIFT_PX = 1e-3


def shift_plane(
    plane: NDArray[np.int16], shift_px: NDArray[np.float64], shape: tuple[int, int]
) -> NDArray[np.int16]:
    """Return a plane shifted along its rows and columns, on a larger grid of air.

    Parameters
    ----------
    plane
        HU, shape (rows, columns).
    shift_px
        Where the plane's pixel [0, 0] lies on the larger grid: (row, column), not negative.
    shape
        The larger grid's shape, into which the shifted plane fits.

    Returns
    -------
    ndarray of int16
        HU of that shape.

    References
    ----------
    Keys RG. Cubic convolution interpolation for digital image processing. IEEE Trans Acoust Speech Signal
    Process 1981;29:1153-1160.

    Examples
    --------
    >>> shift_plane(np.array([[7, 9]], dtype=np.int16), np.array([0.0, 1.0]), (1, 4)).tolist()
    [[-1024, 7, 9, -1024]]
    """
    shifted = plane.astype(np.float32)
    for axis in (0, 1):
        shifted = _shift_along(shifted, axis, float(shift_px[axis]), shape[axis])
    return np.clip(np.rint(shifted), AIR_HU, MAX_HU).astype(np.int16)


def _shift_along(plane: NDArray[np.float32], axis: int, shift: float, size: int) -> NDArray[np.float32]:
    whole = int(np.floor(shift + MIN_SHIFT_PX))
    part = shift - whole
    widths = [(0, 0), (0, 0)]
    # two pixels of air on either side for the kernel's reach
    widths = [(0, 0), (0, 0)]
    widths[axis] = (whole + 2, max(0, size - whole - plane.shape[axis]) + 2)
    padded = np.pad(plane, widths, constant_values=AIR_HU)

    def from_(start: int) -> NDArray[np.float32]:
        return padded[start : start + size] if axis == 0 else padded[:, start : start + size]

    if part < MIN_SHIFT_PX:
        return from_(2)
    # an output pixel lies `part` before an input pixel: between the second and the third of four
    out = np.zeros_like(from_(0))
    for tap, weight in enumerate(_weights(1.0 - part)):
        out += np.float32(weight) * from_(tap)
    return out


def _weights(t: float) -> tuple[float, float, float, float]:
    """Return the four weights of a point at ``t`` between the second and the third of four samples."""
    a = KEYS_A

    def far(d: float) -> float:
        return a * (d**3 - 5.0 * d**2 + 8.0 * d - 4.0)

    def near(d: float) -> float:
        return (a + 2.0) * d**3 - (a + 3.0) * d**2 + 1.0

    return far(1.0 + t), near(t), near(1.0 - t), far(2.0 - t)
