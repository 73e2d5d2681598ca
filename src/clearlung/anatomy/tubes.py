"""How much each place of a lung is like the middle of a bright tube, whatever the tube's width."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.anatomy.hessian import eigenvalues, second_derivatives, smooth
from clearlung.anatomy.morphology import Mask, Spacing, Triple

# A tube answers most strongly where the scale is its radius over the root of 2, with 1/e of its contrast; the
# answer falls by a tenth to a factor of 1.5 in width. From twigs of 0.7 mm to hilar arteries of 9 mm.
SIGMAS_MM = (0.8, 1.2, 1.8, 2.7, 4.0, 6.0)
# Twigs are dimmed by the scanner's blur and wide vessels are not, so that the same answer means less at a
# wide scale, where ovals and crowds of vessels answer too.
WEIGHTS = (1.0, 1.0, 0.8, 0.65, 0.55, 0.5)
# The grid is halved where the scale still spans this many of its voxels: fewer, and oblique tubes ripple.
VOXELS_PER_SIGMA = 1.1
# Along thick slices, and for twigs on coarse grids, the voxel's own blur replaces the scale's.
LEAST_SIGMA_VOXELS = 0.7
# Bending along a tube of this share of the weaker bending across it cancels the answer: 1 leaves nothing of a
# ball. Bending the other way, as between two branches, counts less.
ALONG_DOWN, ALONG_UP = 1.0, 0.3
# Answers below this are noise at any scale, and not worth their eigenvalues.
FAINTEST_HU = 20.0
# Brighter than blood with contrast medium: metal, calcium.
BRIGHTEST_HU, DARKEST_HU = 500, -1000


@dataclass(frozen=True, eq=False)
class Tubes:
    """How tube-like each voxel is, over all scales.

    Parameters
    ----------
    strength
        int16, HU: about 1/e of the contrast in the middle of a wide tube, less in a twig that the scanner's
        blur has dimmed; 0 on sheets and outside.
    scale
        uint8: the place in :data:`SIGMAS_MM` of the scale that answers most strongly.
    ball, ball_scale
        int16, HU, and uint8: likewise how ball-like; 0 in tubes and on sheets.
    """

    strength: NDArray[np.int16]
    scale: NDArray[np.uint8]
    ball: NDArray[np.int16]
    ball_scale: NDArray[np.uint8]

    @classmethod
    def blank(cls, shape: tuple[int, ...]) -> Tubes:
        """Return the answer of an empty image."""
        strength, ball = np.zeros(shape, dtype=np.int16), np.zeros(shape, dtype=np.int16)
        return cls(strength, np.zeros(shape, dtype=np.uint8), ball, np.zeros(shape, dtype=np.uint8))


def find_tubes(hu: NDArray[np.int16], inside: Mask, spacing_mm: Spacing, fill_hu: float) -> Tubes:
    """Answer how tube-like each voxel is, over all scales.

    Parameters
    ----------
    hu
        int16, shape (z, y, x).
    inside
        Where tubes are sought, same shape.
    spacing_mm
        Along z, y and x.
    fill_hu
        What replaces everything outside.

    Returns
    -------
    Tubes
        On the same grid.

    Notes
    -----
    Eigenvalues of the scale-normalized Hessian, as in [1]_ and [2]_; the answer is the weaker of the two
    curvatures across a tube less the one along it, so it keeps the unit of the image and tells a faint tube
    from none, which a ratio does not.

    References
    ----------
    .. [1] Y. Sato et al., "Three-dimensional multi-scale line filter for segmentation and visualization of
       curvilinear structures in medical images", Medical Image Analysis 2(2), 1998.
    .. [2] A. F. Frangi, W. J. Niessen, K. L. Vincken, M. A. Viergever, "Multiscale vessel enhancement
       filtering", MICCAI 1998.
    """
    image, within = filled(hu, inside, fill_hu), inside
    tubes = Tubes.blank(hu.shape)
    spacing, factor = np.asarray(spacing_mm), np.ones(3, dtype=np.int64)
    for k, sigma in enumerate(SIGMAS_MM):
        while sigma >= 2.0 * VOXELS_PER_SIGMA * spacing.min() and min(image.shape) >= 4:
            image, within, step = _halved(image, within, spacing)
            spacing, factor = spacing * step, factor * step
        sigmas = np.maximum(sigma / spacing, LEAST_SIGMA_VOXELS)
        soft = smooth(image, (sigmas[0], sigmas[1], sigmas[2]))
        answer = tubes if (factor == 1).all() else Tubes.blank(image.shape)
        volumes = (answer.strength, answer.scale, answer.ball, answer.ball_scale)
        _answer(soft, within, sigmas.astype(np.float32), np.float32(WEIGHTS[k]), k, *volumes)
        if answer is not tubes:
            _take_stronger(answer.strength, factor, inside, tubes.strength, tubes.scale, k)
            _take_stronger(answer.ball, factor, inside, tubes.ball, tubes.ball_scale, k)
    return tubes


def filled(hu: NDArray[np.int16], inside: Mask, fill_hu: float) -> NDArray[np.int16]:
    """Return an image with its brightest and darkest cut off, and everything outside a mask replaced."""
    out = np.empty(hu.shape, dtype=np.int16)
    _fill(hu, inside, np.int16(round(fill_hu)), out)
    return out


@njit(cache=True, parallel=True)
def _fill(hu: Any, inside: Any, fill: Any, out: Any) -> Any:
    nz, ny, nx = hu.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                value = min(max(hu[z, y, x], DARKEST_HU), BRIGHTEST_HU)
                out[z, y, x] = value if inside[z, y, x] else fill


def _halved(image: NDArray[Any], within: Mask, spacing: NDArray[Any]) -> tuple[NDArray[Any], Mask, Triple]:
    """Halve the grid along the axes that are finer than the others."""
    limit = 1.5 * spacing.min()
    dz, dy, dx = (2 if s < limit and n >= 4 else 1 for s, n in zip(spacing, image.shape, strict=True))
    small = sitk.BinShrink(sitk.GetImageFromArray(image), (dx, dy, dz))
    share = sitk.BinShrink(sitk.GetImageFromArray(within.view(np.uint8) * np.uint8(8)), (dx, dy, dz))
    return sitk.GetArrayFromImage(small), sitk.GetArrayFromImage(share) >= 2, (dz, dy, dx)


@njit(cache=True, parallel=True)
def _answer(
    soft: Any,
    within: Any,
    sigmas: Any,
    weight: Any,
    k: Any,
    strength: Any,
    scale: Any,
    ball: Any,
    ball_scale: Any,
) -> Any:
    """Write the answers of one scale where they are stronger than what is there; faces stay."""
    nz, ny, nx = soft.shape
    wz, wy, wx = sigmas
    faintest = np.float32(FAINTEST_HU) / weight
    for z in prange(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                if not within[z, y, x]:
                    continue
                h = second_derivatives(soft, z, y, x, wz, wy, wx)
                # A tube's answer of f takes a trace of -2 f at least, a ball's one of -3 f.
                if h[0] + h[1] + h[2] > -2.0 * faintest:
                    continue
                _, middle, high = eigenvalues(h[0], h[1], h[2], h[3], h[4], h[5])
                along = ALONG_UP * high if high > 0 else -ALONG_DOWN * high
                tube = weight * (-middle - along)
                if tube >= FAINTEST_HU and tube > strength[z, y, x]:
                    strength[z, y, x] = np.int16(min(tube, 32000.0))
                    scale[z, y, x] = k
                if -weight * high >= FAINTEST_HU and -weight * high > ball[z, y, x]:
                    ball[z, y, x] = np.int16(min(-weight * high, 32000.0))
                    ball_scale[z, y, x] = k


@njit(cache=True, parallel=True)
def _take_stronger(answer: Any, factor: Any, inside: Any, strength: Any, scale: Any, k: Any) -> Any:
    """Interpolate a coarse grid's answer, and keep it where it is stronger than the finer grids'."""
    nz, ny, nx = strength.shape
    mz, my, mx = answer.shape
    for z in prange(nz):
        fz = min(max((z + 0.5) / factor[0] - 0.5, 0.0), mz - 1.0)
        iz = min(int(fz), max(mz - 2, 0))
        jz = min(iz + 1, mz - 1)
        tz = np.float32(fz - iz)
        row = np.empty(mx, dtype=np.float32)
        for y in range(ny):
            fy = min(max((y + 0.5) / factor[1] - 0.5, 0.0), my - 1.0)
            iy = min(int(fy), max(my - 2, 0))
            jy = min(iy + 1, my - 1)
            ty = np.float32(fy - iy)
            highest = np.float32(0.0)
            for i in range(mx):
                near = answer[iz, iy, i] + (answer[iz, jy, i] - answer[iz, iy, i]) * ty
                far = answer[jz, iy, i] + (answer[jz, jy, i] - answer[jz, iy, i]) * ty
                row[i] = near + (far - near) * tz
                highest = max(highest, row[i])
            if highest <= FAINTEST_HU:
                continue
            for x in range(nx):
                if not inside[z, y, x]:
                    continue
                fx = min(max((x + 0.5) / factor[2] - 0.5, 0.0), mx - 1.0)
                ix = min(int(fx), max(mx - 2, 0))
                jx = min(ix + 1, mx - 1)
                value = row[ix] + (row[jx] - row[ix]) * (fx - ix)
                if value > strength[z, y, x]:
                    strength[z, y, x] = np.int16(value)
                    scale[z, y, x] = k
