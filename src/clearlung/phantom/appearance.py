"""How a scan's own scanner blurred and what noise it left: measured on the scan itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.phantom.scanner import FWHM_PER_SIGMA

# --- blur ----------------------------------------------------------------------------------------------
# An edge is looked at where air or lung meets soft tissue: from below the one to above the other.
AIR_SIDE_HU, TISSUE_SIDE_HU = -650.0, -200.0
MIDDLE_HU, NEAR_MIDDLE_HU = -450.0, 150.0
# Of each edge, the samples this far along its normal and across it.
ALONG_MM, ACROSS_MM = 4.0, 1.6
# An edge along which the tissue bends more than this over its length is no plain step (RMS over contrast).
MOST_MISFIT = 0.07
EDGES, LEAST_EDGES = 1500, 25
# Patients' edges are as sharp as the scanner shows them, or softer; noise scatters to both sides of that.
SHARP_QUANTILE = {"in plane": 0.4, "axial": 0.1}
# A surface counts as in plane, or as axial, by the axial part of its normal.
MOST_AXIAL_IN_PLANE, LEAST_AXIAL = 0.25, 0.85
# No scanner has thinner slices than about this, however densely they are spaced.
LEAST_SLICE_MM = 1.5
# Assumed where no edge can be read: a standard kernel; the slice's own profile.
USUAL_IN_PLANE_MM = 1.3
LEAST_BLUR_MM, MOST_IN_PLANE_MM = 0.3, 3.5
# --- noise ---------------------------------------------------------------------------------------------
# Patches of soft tissue, with or without contrast medium, this wide, over three slices.
PATCH_MM = 14.0
PATCH_SLICES = 3
SOFT_HU = (-20.0, 320.0)
PATCHES = 4000
LEAST_PATCHES = 30
# Patches with vessels or fat scatter more than the quietest ones; so much more is still noise by chance.
QUIET = 1.3
USUAL_NOISE_HU = 20.0
LEAST_NOISE_HU = 0.1
TILE_MM = (60.0, 90.0, 90.0)


@dataclass(frozen=True)
class Blur:
    """The scanner's blur beyond the averaging over a voxel, as a Gaussian's full width at half maximum.

    Parameters
    ----------
    in_plane_mm, axial_mm
        In the slices, and along the body.
    edges
        Number of edges that each was read from: in plane, axial. 0: assumed.
    """

    in_plane_mm: float
    axial_mm: float
    edges: tuple[int, int] = (0, 0)

    @property
    def sigma_mm(self) -> tuple[float, float, float]:
        """Standard deviation along z, y and x."""
        in_plane = self.in_plane_mm / FWHM_PER_SIGMA
        return self.axial_mm / FWHM_PER_SIGMA, in_plane, in_plane


@dataclass(frozen=True, eq=False)
class Noise:
    """A scan's noise: how strong, and how its voxels hang together.

    Parameters
    ----------
    sd_hu
        Standard deviation in soft tissue.
    in_plane
        float64: correlation of voxels 0, 1, 2 … apart in a slice.
    axial
        float64: the same along the body.
    patches
        Number of patches of soft tissue that it was read from. 0: assumed.
    """

    sd_hu: float
    in_plane: NDArray[np.float64]
    axial: NDArray[np.float64]
    patches: int

    def tile(self, spacing_mm: tuple[float, float, float], rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a block of such noise that may be repeated without a seam; shape (z, y, x), HU."""
        nz, ny, nx = (max(16, 2 * round(0.5 * t / s)) for t, s in zip(TILE_MM, spacing_mm, strict=True))
        z, y, x = (np.minimum(np.arange(n), n - np.arange(n)) for n in (nz, ny, nx))
        lag = np.hypot(y[:, None], x[None, :])
        flat = np.interp(lag, np.arange(len(self.in_plane)), self.in_plane, right=0.0)
        upright = np.interp(z, np.arange(len(self.axial)), self.axial, right=0.0)
        # A correlation cut off at some lag can ask for negative power: there is none there.
        power = np.maximum(np.fft.fft(upright).real, 0.0)[:, None, None] * np.maximum(
            np.fft.rfft2(flat).real, 0.0
        )
        white = np.fft.rfftn(rng.standard_normal((nz, ny, nx), dtype=np.float32))
        noise = np.fft.irfftn(white * np.sqrt(power), s=(nz, ny, nx), axes=(0, 1, 2))
        return np.asarray(noise * (self.sd_hu / max(float(noise.std()), 1e-9)), dtype=np.float32)


def estimate_blur(scan: Scan, anatomy: Anatomy, seed: int = 0) -> Blur:
    """Read the scanner's blur from edges between air or lung and soft tissue.

    Parameters
    ----------
    scan, anatomy
        The scan; the anatomy says where the lungs are.
    seed
        Which edges are looked at.

    Returns
    -------
    Blur
        Along the body it is at most the slice spacing or the stated slice thickness: what reaches further
        is motion. Where too few edges can be read, that of a usual kernel and slice.

    Notes
    -----
    About many points of the edges all voxels within a small cylinder along the normal are taken with their
    own distance from the edge, and the integral of a Gaussian is fitted to them (the oversampled edge of
    ISO 12233, in 3-D). Of all widths the lower quartile counts: anatomy only makes edges softer. The voxel's
    own width, projected on the normal, is taken off.
    """
    hu, spacing, _ = _around_lungs(scan, anatomy)
    rng = np.random.default_rng(seed)
    places, normals = _edges(hu, spacing, rng)
    variance, good = _edge_variances(hu, spacing, places, normals)
    axial_part = np.abs(normals[:, 0])
    # A Gaussian's variance adds to that of the voxel's box along the normal.
    variance = variance - ((normals * spacing) ** 2).sum(axis=1) / 12.0
    flat = variance[good & (axial_part < MOST_AXIAL_IN_PLANE)]
    in_plane, count = USUAL_IN_PLANE_MM, 0
    if len(flat) >= LEAST_EDGES:
        count = len(flat)
        in_plane = FWHM_PER_SIGMA * float(np.sqrt(max(np.quantile(flat, SHARP_QUANTILE["in plane"]), 0.0)))
        in_plane = float(np.clip(in_plane, LEAST_BLUR_MM, MOST_IN_PLANE_MM))
    most = max(float(spacing[0]), scan.slice_thickness_mm or 0.0, LEAST_SLICE_MM)
    rows = good & (axial_part > LEAST_AXIAL)
    axial, upright = 0.5 * most, 0
    if np.count_nonzero(rows) >= LEAST_EDGES:
        upright = int(np.count_nonzero(rows))
        share = axial_part[rows] ** 2
        own = (variance[rows] - (1.0 - share) * (in_plane / FWHM_PER_SIGMA) ** 2) / share
        axial = FWHM_PER_SIGMA * float(np.sqrt(max(np.quantile(own, SHARP_QUANTILE["axial"]), 0.0)))
    return Blur(in_plane, float(np.clip(axial, LEAST_BLUR_MM, most)), (count, upright))


def _around_lungs(
    scan: Scan, anatomy: Anatomy
) -> tuple[NDArray[np.float32], NDArray[np.float64], tuple[slice, slice, slice]]:
    """HU of the slices of the lungs, whole in plane: the skin and the large muscles are outside the box."""
    box = (anatomy.box[0], slice(None), slice(None))
    return scan.volume.array[box].astype(np.float32), np.asarray(scan.volume.spacing_mm), box


def _edges(
    hu: NDArray[np.float32], spacing: NDArray[np.float64], rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Draw voxels on edges, half of them facing along the body, and the normals there in mm (z, y, x)."""
    margin = np.maximum(2, np.ceil((ALONG_MM + ACROSS_MM) / spacing)).astype(int)
    if (np.array(hu.shape) <= 2 * margin + 2).any():
        return np.zeros((0, 3), dtype=np.intp), np.zeros((0, 3))
    inner = tuple(slice(m, n - m) for m, n in zip(margin, hu.shape, strict=True))
    at = np.argwhere(np.abs(hu[inner] - MIDDLE_HU) < NEAR_MIDDLE_HU) + margin
    if len(at) > 40 * EDGES:
        at = at[np.sort(rng.choice(len(at), 40 * EDGES, replace=False))]
    normal = np.zeros((len(at), 3))
    # Differences over about 3 mm hardly see the noise.
    for axis in range(3):
        step = np.zeros(3, dtype=int)
        step[axis] = max(1, round(1.5 / spacing[axis]))
        ahead, behind = at + step, at - step
        normal[:, axis] = hu[tuple(ahead.T)] - hu[tuple(behind.T)]
        normal[:, axis] /= 2.0 * step[axis] * spacing[axis]
    length = np.linalg.norm(normal, axis=1)
    steep = length > 100.0
    at, normal = at[steep], normal[steep] / length[steep, None]
    axial_part = np.abs(normal[:, 0])
    chosen = []
    for kind in (axial_part < MOST_AXIAL_IN_PLANE, axial_part > LEAST_AXIAL):
        rows = np.flatnonzero(kind)
        chosen.append(rng.choice(rows, min(EDGES, len(rows)), replace=False))
    rows = np.sort(np.concatenate(chosen))
    return at[rows], normal[rows]


def _edge_variances(
    hu: NDArray[np.float32],
    spacing: NDArray[np.float64],
    places: NDArray[np.intp],
    normals: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Fit the width of each edge, mm², and tell which are plain steps from air or lung to tissue."""
    reach = np.ceil((ALONG_MM + ACROSS_MM) / spacing).astype(np.int64)
    fit = np.full((len(places), 4), np.nan)
    _fit_steps(hu, spacing, places.astype(np.int64), normals, reach, fit)
    low, rise, sigma, misfit = fit.T
    with np.errstate(invalid="ignore"):
        good = (
            (low < AIR_SIDE_HU)
            & (low + rise > TISSUE_SIDE_HU)
            & (low + rise < 250.0)
            & (misfit < MOST_MISFIT * rise)
            & (sigma > 0.05)
            & (sigma < 2.5)
        )
    return sigma * sigma, good


@njit(cache=True, nogil=True)
def _solve(a: Any, b: Any, n: int) -> None:
    """Solve a small symmetric system by elimination, in place; the solution replaces ``b``."""
    for i in range(n):
        a[i, i] += 1e-9 * (1.0 + a[i, i])
        for j in range(i + 1, n):
            factor = a[j, i] / a[i, i]
            for k in range(i, n):
                a[j, k] -= factor * a[i, k]
            b[j] -= factor * b[i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            b[i] -= a[i, k] * b[k]
        b[i] /= a[i, i]


@njit(cache=True, nogil=True)
def _fit_steps(hu: Any, spacing: Any, places: Any, normals: Any, reach: Any, out: Any) -> None:
    """Fit a blurred step along each normal by Gauss-Newton: low, rise, SD, and the RMS that is left."""
    t, values = np.empty(4096), np.empty(4096)
    row = np.empty(4)
    for e in range(len(places)):
        n = 0
        for z in range(-reach[0], reach[0] + 1):
            for y in range(-reach[1], reach[1] + 1):
                for x in range(-reach[2], reach[2] + 1):
                    dz, dy, dx = z * spacing[0], y * spacing[1], x * spacing[2]
                    along = dz * normals[e, 0] + dy * normals[e, 1] + dx * normals[e, 2]
                    across2 = dz * dz + dy * dy + dx * dx - along * along
                    if abs(along) < ALONG_MM and across2 < ACROSS_MM * ACROSS_MM and n < 4096:
                        t[n] = along
                        values[n] = hu[places[e, 0] + z, places[e, 1] + y, places[e, 2] + x]
                        n += 1
        if n < 12:
            continue
        low, high, center, sigma, left2 = values[:n].min(), values[:n].max(), 0.0, 0.8, 0.0
        rise = high - low
        for _ in range(15):
            normal, right = np.zeros((4, 4)), np.zeros(4)
            left2 = 0.0
            for i in range(n):
                u = (t[i] - center) / sigma
                step = 0.5 * (1.0 + math.erf(u / math.sqrt(2.0)))
                bell = math.exp(-0.5 * u * u) / math.sqrt(2.0 * math.pi)
                row[0], row[1] = 1.0, step
                row[2], row[3] = -rise * bell / sigma, -rise * bell * u / sigma
                left = values[i] - low - rise * step
                left2 += left * left
                for a in range(4):
                    right[a] += row[a] * left
                    for b in range(4):
                        normal[a, b] += row[a] * row[b]
            _solve(normal, right, 4)
            low += right[0]
            rise += right[1]
            center = min(max(center + min(max(right[2], -0.5), 0.5), -2.0), 2.0)
            sigma = min(max(sigma + min(max(right[3], -0.3), 0.3), 0.05), 3.0)
        out[e, 0], out[e, 1], out[e, 2], out[e, 3] = low, rise, sigma, math.sqrt(left2 / n)


def estimate_noise(scan: Scan, anatomy: Anatomy, seed: int = 0) -> Noise:
    """Read strength and correlation of the noise from patches of even soft tissue.

    Parameters
    ----------
    scan, anatomy
        The scan; the anatomy says in which slices the lungs are.
    seed
        Which patches are looked at.

    Returns
    -------
    Noise
        Where there is too little even tissue, that of a usual scan.

    Notes
    -----
    Patches of about 14 mm over three slices; from each slice a plane is taken off, so that tissue that
    grows brighter to one side is no noise. The quietest patches count.
    """
    hu, spacing, _ = _around_lungs(scan, anatomy)
    rng = np.random.default_rng(seed)
    side = max(6, round(PATCH_MM / float(spacing[1:].mean())))
    nz, ny, nx = hu.shape
    if nz < PATCH_SLICES or min(ny, nx) <= side:
        return _usual_noise()
    coarse = gaussian_filter(hu[:, ::4, ::4], (0.0, 0.7, 0.7))
    soft = np.argwhere((coarse > SOFT_HU[0]) & (coarse < SOFT_HU[1]))
    if not len(soft):
        return _usual_noise()
    soft = soft[rng.choice(len(soft), min(PATCHES, len(soft)), replace=False)] * (1, 4, 4)
    size = np.array([PATCH_SLICES, side, side])
    corner = soft - (PATCH_SLICES // 2, side // 2, side // 2)
    corner = corner[((corner >= 0) & (corner + size <= hu.shape)).all(axis=1)]
    if not len(corner):
        return _usual_noise()
    patches = np.stack([hu[z : z + PATCH_SLICES, y : y + side, x : x + side] for z, y, x in corner])
    patches = patches.astype(np.float64)
    even = (patches.min(axis=(1, 2, 3)) > SOFT_HU[0] - 150.0) & (patches.max(axis=(1, 2, 3)) < 500.0)
    return _noise_of(_without_planes(patches[even])) if np.count_nonzero(even) else _usual_noise()


def _usual_noise() -> Noise:
    return Noise(USUAL_NOISE_HU, np.array([1.0, 0.5, 0.1]), np.array([1.0]), 0)


def _planes(side: int) -> NDArray[np.float64]:
    """Orthonormal basis of the planes over a square patch, shape (side * side, 3)."""
    ramp = np.linspace(-1.0, 1.0, side)
    y, x = (r.ravel() for r in np.meshgrid(ramp, ramp, indexing="ij"))
    return np.linalg.qr(np.column_stack([np.ones_like(y), y, x]))[0]


def _without_planes(patches: NDArray[np.float64]) -> NDArray[np.float64]:
    plane = _planes(patches.shape[-1])
    flat = patches.reshape(*patches.shape[:2], -1)
    return np.asarray((flat - (flat @ plane) @ plane.T).reshape(patches.shape))


def _lost_with_planes(in_plane: NDArray[np.float64], side: int) -> float:
    """Share of the variance of such noise that goes with the planes."""
    y, x = (i.ravel() for i in np.indices((side, side)))
    lag = np.hypot(y[:, None] - y, x[:, None] - x)
    correlation = np.interp(lag, np.arange(len(in_plane)), in_plane, right=0.0)
    plane = _planes(side)
    return float(np.einsum("ik,ij,jk->", plane, correlation, plane, optimize=True)) / side**2


def _noise_of(patches: NDArray[np.float64]) -> Noise:
    deviation = patches.std(axis=(1, 2, 3))
    typical = np.quantile(deviation, 0.1)
    quiet = patches[deviation <= QUIET * typical]
    if len(quiet) < LEAST_PATCHES:
        return _usual_noise()
    if typical < LEAST_NOISE_HU:  # no scanner made this
        return Noise(0.0, np.ones(1), np.ones(1), len(quiet))
    sd = float(np.median(quiet.std(axis=(1, 2, 3))))
    total = float(np.mean(quiet * quiet))
    lags = patches.shape[-1] // 2
    in_plane = np.ones(lags)
    for lag in range(1, lags):
        along_x = np.mean(quiet[..., :-lag] * quiet[..., lag:])
        along_y = np.mean(quiet[..., :-lag, :] * quiet[..., lag:, :])
        in_plane[lag] = 0.5 * (along_x + along_y) / total
    axial = np.array(
        [np.mean(quiet[:, : PATCH_SLICES - k] * quiet[:, k:]) / total for k in range(PATCH_SLICES)]
    )
    # The further apart, the less is known: beyond half a patch's reach the correlation is let fade.
    faded = np.clip(2.0 * np.arange(lags) / lags - 1.0, 0.0, 1.0)
    in_plane *= np.cos(0.5 * np.pi * faded) ** 2
    sd /= np.sqrt(1.0 - min(_lost_with_planes(in_plane, patches.shape[-1]), 0.5))
    return Noise(sd, in_plane, axial, len(quiet))
