"""The scanner: blur, noise, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.phantom.fields import FloatArray
from clearlung.phantom.painting import Canvas
from clearlung.phantom.spec import FIELD_OF_VIEW_MM, PADDING_HU, PhantomSpec

# Of a Gaussian: 2 sqrt(2 ln 2).
FWHM_PER_SIGMA = 2.3548
# Assumed, as in four real scans (LIDC-IDRI, QIN LUNG CT): noise at the rim of the field over that at its
# center.
RIM_NOISE = 0.6
# Noise grows with half the exponent of the attenuation along a ray; tube-current modulation takes back
# most of it. Assumed: this share of it stays.
UNMODULATED = 0.35
# Linear attenuation of water at the mean energy of 120 kV.
WATER_PER_MM = 0.0195


def gaussian_weights(sigma: float) -> FloatArray:
    """Weights of a discrete Gaussian that add to 1; a single 1 for a width of nothing."""
    reach = int(np.ceil(3 * sigma)) if sigma > 0.15 else 0
    k = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (k / max(sigma, 1e-3)) ** 2)
    return np.asarray(weights / weights.sum(), dtype=np.float32)


@njit(cache=True, parallel=True)
def _blur_in_plane(array: Any, wy: Any, wx: Any) -> Any:
    nz, ny, nx = array.shape
    ry, rx = len(wy) // 2, len(wx) // 2
    for z in prange(nz):
        middle = np.empty((ny, nx), dtype=np.float32)
        for y in range(ny):
            for x in range(nx):
                total = np.float32(0.0)
                for k in range(-rx, rx + 1):
                    total += wx[k + rx] * array[z, y, min(max(x + k, 0), nx - 1)]
                middle[y, x] = total
        for y in range(ny):
            for x in range(nx):
                total = np.float32(0.0)
                for k in range(-ry, ry + 1):
                    total += wy[k + ry] * middle[min(max(y + k, 0), ny - 1), x]
                array[z, y, x] = total


@njit(cache=True, parallel=True)
def _blur_axial(array: Any, wz: Any) -> Any:
    nz, ny, nx = array.shape
    rz = len(wz) // 2
    for y in prange(ny):
        rows = np.empty((nz, nx), dtype=np.float32)
        for z in range(nz):
            for x in range(nx):
                rows[z, x] = np.float32(0.0)
            for k in range(-rz, rz + 1):
                source = min(max(z + k, 0), nz - 1)
                for x in range(nx):
                    rows[z, x] += wz[k + rz] * array[source, y, x]
        for z in range(nz):
            for x in range(nx):
                array[z, y, x] = rows[z, x]


@njit(cache=True, parallel=True)
def _finish(hu: Any, noise: Any, slice_sd: Any, radius2: Any, rim: Any, out: Any, padding: Any) -> Any:
    nz, ny, nx = hu.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                r2 = radius2[y, x]
                if r2 > 1.0:
                    out[z, y, x] = padding
                    continue
                value = hu[z, y, x] + noise[z, y, x] * slice_sd[z] * (1.0 - (1.0 - rim) * r2)
                out[z, y, x] = np.int16(min(max(np.rint(value), -1024.0), 3071.0))


def scan_canvas(canvas: Canvas, spec: PhantomSpec, rng: np.random.Generator) -> NDArray[np.int16]:
    """Turn the painted patient into a scan.

    Parameters
    ----------
    canvas
        The painted patient; blurred in place.
    spec
        Blur and noise.
    rng
        The noise.

    Returns
    -------
    hu
        int16, shape (z, y, x), in [-1024, 3071]; padding outside the reconstruction circle.
    """
    sigma = np.array([spec.psf_axial_mm, spec.psf_in_plane_mm, spec.psf_in_plane_mm]) / FWHM_PER_SIGMA
    wz, wy, wx = (gaussian_weights(s) for s in sigma / canvas.spacing_mm)
    slice_sd = spec.noise_hu * _slice_noise(canvas.hu, canvas.spacing_mm)
    _blur_in_plane(canvas.hu, wy, wx)
    _blur_axial(canvas.hu, wz)
    noise = _noise(canvas.hu.shape, (wz, wy, wx), rng)
    out = np.empty(canvas.hu.shape, dtype=np.int16)
    radius2 = _radius2(canvas)
    _finish(canvas.hu, noise, slice_sd.astype(np.float32), radius2, RIM_NOISE, out, np.int16(PADDING_HU))
    return out


def _radius2(canvas: Canvas) -> FloatArray:
    """Squared distance from the scanner's axis over that of the reconstruction circle, shape (y, x)."""
    axes = [
        o + s * np.arange(n)
        for o, s, n in zip(canvas.origin_mm, canvas.spacing_mm, canvas.hu.shape, strict=True)
    ]
    limit = FIELD_OF_VIEW_MM[1] / 2
    return np.asarray((axes[1][:, None] ** 2 + axes[2][None, :] ** 2) / limit**2, dtype=np.float32)


def _slice_noise(hu: FloatArray, spacing_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative noise of each slice, from how much there is to shine through; 1 on average."""
    water_mm2 = (np.maximum(hu.mean(axis=(1, 2), dtype=np.float64), -1000) + 1000) / 1000
    water_mm2 *= hu.shape[1] * hu.shape[2] * spacing_mm[1] * spacing_mm[2]
    thickness = 2 * np.sqrt(water_mm2 / np.pi)
    noise = np.exp(0.5 * UNMODULATED * WATER_PER_MM * (thickness - thickness.mean()))
    return np.asarray(noise / noise.mean())


def _noise(
    shape: tuple[int, ...], weights: tuple[FloatArray, FloatArray, FloatArray], rng: np.random.Generator
) -> FloatArray:
    """Noise of unit standard deviation, correlated by the same blur as the image."""
    wz, wy, wx = weights
    white = rng.standard_normal(shape, dtype=np.float32)
    _blur_in_plane(white, wy, wx)
    _blur_axial(white, wz)
    white /= np.float32(np.sqrt(np.prod([np.sum(w * w) for w in weights])))
    return white
