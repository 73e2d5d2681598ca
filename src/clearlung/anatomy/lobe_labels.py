"""From the surfaces of the fissures to a lobe, a confidence and a second lobe for every voxel."""

from __future__ import annotations

from math import erfc, sqrt
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.anatomy.fissure_frame import STEP_MM, Frame
from clearlung.anatomy.morphology import Spacing

FloatArray = NDArray[np.float32]
Maps = tuple[NDArray[np.float64], NDArray[np.float64], FloatArray, FloatArray]

# So steep a surface is none; it keeps the distance from becoming nothing beside a fold.
STEEPEST = 3.0


def surface_maps(
    frame: Frame,
    heights_mm: FloatArray,
    error_mm: FloatArray,
    spacing_mm: Spacing,
    shift_mm: NDArray[np.float64] | float = 0.0,
) -> Maps:
    """Make ready what :func:`label_lung` needs of one fissure.

    Parameters
    ----------
    frame
        The fissure's.
    heights_mm, error_mm
        Shape (u, v): the surface, and how far off it may be.
    spacing_mm
        Of the voxels, along z, y and x.
    shift_mm
        Center of the first voxel.

    Returns
    -------
    tuple
        Matrix and offset from voxel indices to (u, v, height), and heights and errors as planes of one
        array with the surface's tilt: 1 over the distance per height.
    """
    scale = np.array([1 / STEP_MM, 1 / STEP_MM, 1.0])[:, None]
    matrix = scale * frame.axes * np.asarray(spacing_mm)
    offset = (scale * frame.axes) @ (shift_mm - frame.origin_mm)
    slope_u, slope_v = np.gradient(heights_mm, STEP_MM)
    upright = 1 / np.sqrt(1 + np.minimum(slope_u**2 + slope_v**2, STEEPEST**2))
    return matrix, offset, heights_mm, np.stack([upright, error_mm]).astype(np.float32)


@njit(cache=True)
def _above(matrix: Any, offset: Any, heights: Any, more: Any, z: Any, y: Any, x: Any) -> Any:
    """Distance above a surface in mm, and how far off the surface may be."""
    u = matrix[0, 0] * z + matrix[0, 1] * y + matrix[0, 2] * x + offset[0]
    v = matrix[1, 0] * z + matrix[1, 1] * y + matrix[1, 2] * x + offset[1]
    h = matrix[2, 0] * z + matrix[2, 1] * y + matrix[2, 2] * x + offset[2]
    u = min(max(u, 0.0), heights.shape[0] - 1.001)
    v = min(max(v, 0.0), heights.shape[1] - 1.001)
    i, j = int(u), int(v)
    a, b = u - i, v - j
    w00, w01, w10, w11 = (1 - a) * (1 - b), (1 - a) * b, a * (1 - b), a * b
    at = w00 * heights[i, j] + w01 * heights[i, j + 1] + w10 * heights[i + 1, j] + w11 * heights[i + 1, j + 1]
    upright = w00 * more[0, i, j] + w01 * more[0, i, j + 1]
    upright += w10 * more[0, i + 1, j] + w11 * more[0, i + 1, j + 1]
    error = w00 * more[1, i, j] + w01 * more[1, i, j + 1]
    error += w10 * more[1, i + 1, j] + w11 * more[1, i + 1, j + 1]
    return (h - at) * upright, error


@njit(cache=True)
def _chance(standing: Any) -> Any:
    """Chance that a surface displaced by a normal error lies below."""
    return 0.5 * erfc(-standing / sqrt(2.0))


@njit(cache=True, parallel=True)
def _two(
    lungs: Any, label: Any, first: Any, upper: Any, lower: Any, out: Any, second: Any, sure: Any
) -> None:
    matrix, offset, heights, more = first
    nz, ny, nx = lungs.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                if lungs[z, y, x] == label:
                    d, e = _above(matrix, offset, heights, more, z, y, x)
                    s = d / e
                    above = s > 0
                    out[z, y, x] = upper if above else lower
                    second[z, y, x] = lower if above else upper
                    sure[z, y, x] = _chance(abs(s))


@njit(cache=True, parallel=True)
def _three(
    lungs: Any, label: Any, oblique: Any, across: Any, names: Any, out: Any, second: Any, sure: Any
) -> None:
    om, oo, oh, oe = oblique
    hm, ho, hh, he = across
    upper, middle, lower = names
    nz, ny, nx = lungs.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                if lungs[z, y, x] != label:
                    continue
                d, e = _above(om, oo, oh, oe, z, y, x)
                g, f = _above(hm, ho, hh, he, z, y, x)
                s, t = d / e, g / f
                in_front = upper if t > 0 else middle
                if s <= 0:
                    out[z, y, x], second[z, y, x] = lower, in_front
                    sure[z, y, x] = _chance(-s)
                else:
                    out[z, y, x] = in_front
                    sure[z, y, x] = _chance(s) * _chance(abs(t))
                    second[z, y, x] = lower if s < abs(t) else (middle if t > 0 else upper)


@njit(cache=True)
def _lies_above(shape: Any, surface: Any, least_mm: Any) -> Any:
    matrix, offset, heights, more = surface
    out = np.empty(shape, dtype=np.bool_)
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                out[z, y, x] = _above(matrix, offset, heights, more, z, y, x)[0] > least_mm
    return out


def lies_above(shape: tuple[int, ...], surface: Maps, least_mm: float) -> NDArray[np.bool_]:
    """Whether each voxel of a grid lies above a surface by some distance; shape (z, y, x)."""
    out: NDArray[np.bool_] = _lies_above(shape, surface, least_mm)
    return out


def label_lung(
    lungs: NDArray[np.uint8],
    label: int,
    maps: tuple[Maps, ...],
    names: tuple[int, ...],
    out: tuple[NDArray[np.uint8], NDArray[np.uint8], FloatArray],
) -> None:
    """Label the voxels of one lung.

    Parameters
    ----------
    lungs, label
        Shape (z, y, x), and which lung.
    maps
        None, one or two fissures (:func:`surface_maps`): the oblique one before the horizontal one.
    names
        Labels of the lobes from the head down, one more than there are fissures.
    out
        Lobes, second lobes and confidence, shape (z, y, x); changed in place.
    """
    if not maps:
        inside = lungs == label
        out[0][inside] = names[0]
        out[2][inside] = 1.0
    elif len(maps) == 1:
        _two(lungs, label, maps[0], names[0], names[1], *out)
    else:
        _three(lungs, label, maps[0], maps[1], names, *out)
