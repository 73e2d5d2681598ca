"""The lungs seen from the front, as glass over their airways and vessels."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from clearlung.anatomy import LOBE_LABELS, Anatomy, Lobe

# Fine enough for a bronchus of 2 mm, coarse enough to take a second.
VOXEL_MM = 0.8
# Light from above and in front, to the viewer's left.
LIGHT = np.array([0.55, -0.75, -0.35])
AMBIENT = 0.45
GLASS = 0.30
RIM = 0.45
# A branch as thin as a voxel keeps this much of itself between two of the picture's.
THIN_SHARE = 0.35
VESSEL_COLOR = "#9A4B4B"
AIRWAY_COLOR = "#3A3A3A"

LOBE_COLORS: dict[Lobe, str] = {
    "RUL": "#0072B2",
    "RML": "#E69F00",
    "RLL": "#009E73",
    "LUL": "#CC79A7",
    "LLL": "#56B4E9",
}
"""Color of each lobe: Okabe and Ito's palette, told apart by the color-blind."""


def render_front(anatomy: Anatomy) -> NDArray[np.float32]:
    """Render the lungs from the front.

    Parameters
    ----------
    anatomy
        Lobes, and airways and vessels where there are any.

    Returns
    -------
    array
        float32 RGB in [0, 1], shape (rows, columns, 3): pixels of :data:`VOXEL_MM`, the first row the
        lowest (feet), columns to the patient's left.
    """
    spacing = anatomy.lobes.spacing_mm
    lobes = _resampled(anatomy.lobes.array, spacing, order=0)
    picture = np.ones((lobes.shape[0], lobes.shape[2], 3), dtype=np.float32)
    for volume, color in ((anatomy.vessels, VESSEL_COLOR), (anatomy.airways, AIRWAY_COLOR)):
        if volume is not None and volume.array.any():
            _paint_solid(picture, _thickened(volume.array, spacing, lobes.shape), color)
    for back in (True, False):
        for lobe, label in LOBE_LABELS.items():
            _paint_glass(picture, lobes == label, LOBE_COLORS[lobe], from_back=back)
    return np.clip(picture, 0.0, 1.0)


def _resampled(array: NDArray[Any], spacing: tuple[float, float, float], order: int) -> NDArray[Any]:
    factors = [s / VOXEL_MM for s in spacing]
    return np.asarray(zoom(array, factors, order=order, grid_mode=True, mode="grid-constant"))


def _thickened(
    mask: NDArray[np.uint8], spacing: tuple[float, float, float], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Bring a mask of thin branches to the grid of the picture without losing any."""
    fine = _resampled(mask.astype(np.float32), spacing, order=1)
    fitted = np.zeros(shape, dtype=np.bool_)
    z, y, x = (min(n, m) for n, m in zip(shape, fine.shape, strict=True))
    fitted[:z, :y, :x] = fine[:z, :y, :x] > THIN_SHARE
    return fitted


def _first(mask: NDArray[np.bool_], *, from_back: bool) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Whether a ray along y meets a mask, and at which depth."""
    seen = mask[:, ::-1] if from_back else mask
    hit = np.asarray(seen.any(axis=1), dtype=np.bool_)
    depth = seen.argmax(axis=1).astype(np.float32)
    return hit, mask.shape[1] - 1 - depth if from_back else depth


def _shade(
    hit: NDArray[np.bool_], depth: NDArray[np.float32], smooth: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light on a surface given as depth, and how steeply it is seen (0 face on, 1 edge on)."""
    weight = gaussian_filter(hit.astype(np.float32), smooth)
    level = gaussian_filter(np.where(hit, depth, 0).astype(np.float32), smooth) / np.maximum(weight, 1e-3)
    slope_z, slope_x = np.gradient(level)
    length = np.sqrt(1.0 + slope_z**2 + slope_x**2)
    normal = np.stack([slope_z, -np.ones_like(level), slope_x], axis=-1) / length[..., None]
    light = AMBIENT + (1 - AMBIENT) * np.clip(normal @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
    return light.astype(np.float32), (1.0 - 1.0 / length).astype(np.float32)


def _paint_solid(picture: NDArray[np.float32], mask: NDArray[np.bool_], color: str) -> None:
    hit, depth = _first(mask, from_back=False)
    light, _ = _shade(hit, depth, 0.7)
    # What lies further back is paler, as in haze.
    haze = np.clip(depth / mask.shape[1], 0, 1)[..., None] * 0.6
    solid = np.asarray(to_rgb(color), dtype=np.float32) * (0.35 + 0.9 * light[..., None])
    picture[hit] = (solid * (1 - haze) + haze)[hit]


def _paint_glass(
    picture: NDArray[np.float32], mask: NDArray[np.bool_], color: str, *, from_back: bool
) -> None:
    if not mask.any():
        return
    hit, depth = _first(mask, from_back=from_back)
    light, steep = _shade(hit, depth, 2.5)
    edge = gaussian_filter(hit.astype(np.float32), 0.9)
    opacity = (edge * (GLASS + RIM * steep**2) * (0.4 if from_back else 0.8))[..., None]
    glass = np.asarray(to_rgb(color), dtype=np.float32) * light[..., None]
    glass = 0.25 + 0.75 * glass if from_back else glass
    picture[...] = picture * (1 - opacity) + glass * opacity
