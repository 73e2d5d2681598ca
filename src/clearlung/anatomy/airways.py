"""The airways: trachea and main bronchi grown from a seed in the neck, narrower ones followed from there."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.anatomy.air import CoarseAir
from clearlung.anatomy.bronchi import grow_bronchi
from clearlung.anatomy.depth import inside_distance_mm
from clearlung.anatomy.morphology import Mask, Spacing, bounding_box, image_of, shrink, widen
from clearlung.ct import Box

# The lumen is gas, blurred at its rim by the slice thickness.
LUMEN_BELOW_HU = -900
# Cross-section of an adult's or a child's trachea, with room for tilt and a coarse grid.
TRACHEA_MM2 = (40.0, 900.0)
TRACHEA_OFF_MIDDLE_MM = 45.0
TRACHEA_RUN_MM = 18.0
# A trachea is round; bowel and blebs that pass the other tests are mostly not.
TRACHEA_FILL = 0.5
GROWTH_LIMITS_HU = tuple(range(-980, -820, 20))
# Trachea and bronchi down to segments hold 15 to 100 ml. Once the trachea is filled, a step that adds more
# than half of what was there and more than this has leaked; real leaks add a liter.
TRACHEA_FILLED_ML = 10.0
LEAK_STEP_ML = 20.0
LEAK_SHARE = 0.5
LARGEST_ML = 200.0
# Narrower branches lie within the lobes and belong to them.
MAIN_BRONCHUS_RADIUS_MM = 3.5
# The wall of a main bronchus, which is neither air nor lung.
AIRWAY_WALL_MM = 2.0
# Half of a main bronchus's radius knows its surface to a fraction of a voxel.
WALLED_GRID_MM = 1.5


def find_airways(hu: NDArray[np.int16], spacing_mm: Spacing, box: Box, air: CoarseAir) -> Mask:
    """Find the lumen of trachea and bronchi on a box of the scan.

    Parameters
    ----------
    hu
        int16, the scan's part in the box.
    spacing_mm
        Along z, y and x.
    box
        Where ``hu`` lies in the scan.
    air
        The coarse search's result.

    Returns
    -------
    Mask
        Same shape as ``hu``; empty if there is no trachea in the scan.
    """
    empty = np.zeros(hu.shape, dtype=np.bool_)
    seed = find_trachea(air)
    if seed is None:
        return empty
    fine = [round((s + 0.5) * f - 0.5) - b.start for s, f, b in zip(seed, air.factor, box, strict=True)]
    fine[0] = min(max(fine[0], 0), hu.shape[0] - 1)
    z, y, x = _darkest_near(hu, fine, spacing_mm)
    if hu[z, y, x] > LUMEN_BELOW_HU:
        return empty
    return grow_bronchi(hu, spacing_mm, _grow(hu, spacing_mm, (z, y, x)))


def walled_airways(airways: Mask, spacing_mm: Spacing) -> Mask:
    """Keep trachea and main bronchi, which are wide enough to lie outside the lobes, with their walls.

    What a ball inside the lumen reaches, and the wall around it, is what is near to where the ball's center
    can be. Both distances are between voxels of a coarser grid, which is enough for either.
    """
    walled = np.zeros_like(airways)
    if not airways.any():
        return walled
    box = bounding_box(airways, spacing_mm, AIRWAY_WALL_MM)
    share, coarse_mm, factor = shrink(airways[box].astype(np.float32), spacing_mm, WALLED_GRID_MM)
    signed = np.asarray(1.0 - 2.0 * share, dtype=np.float32)
    within = inside_distance_mm(signed, coarse_mm, shares=True)
    if (within > MAIN_BRONCHUS_RADIUS_MM).any():
        away = inside_distance_mm(within - np.float32(MAIN_BRONCHUS_RADIUS_MM), coarse_mm)
        reach = MAIN_BRONCHUS_RADIUS_MM + AIRWAY_WALL_MM
        walled[box] = widen(away, factor, walled[box].shape) <= reach
    return walled


def find_trachea(air: CoarseAir) -> tuple[int, int, int] | None:
    """Return a coarse voxel of the trachea: the highest round tube of gas near the body's middle."""
    lumen = (air.hu < LUMEN_BELOW_HU) & air.lungs
    sz, sy, sx = air.spacing_mm
    run = max(1, round(TRACHEA_RUN_MM / sz))
    filled = np.flatnonzero(lumen.any(axis=(1, 2)))
    for z in filled[::-1]:
        below = lumen[max(0, z - run) : z + 1]
        for y, x in _round_spots(lumen[z], (sy, sx), air.middle_x):
            if below.shape[0] == run + 1 and _run_holds(below, y, x):
                return int(z) - run // 2, y, x
    return None


def _round_spots(plane: Mask, spacing_mm: tuple[float, float], middle_x: float) -> list[tuple[int, int]]:
    """Return the centers of spots in one slice that have a trachea's size, place and roundness."""
    labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(plane.view(np.uint8))))
    sy, sx = spacing_mm
    spots = []
    for label in range(1, int(labels.max()) + 1):
        ys, xs = np.nonzero(labels == label)
        area = ys.size * sy * sx
        y, x = round(float(ys.mean())), round(float(xs.mean()))
        reach = max(np.ptp(ys) * sy + sy, np.ptp(xs) * sx + sx)
        if (
            TRACHEA_MM2[0] <= area <= TRACHEA_MM2[1]
            and abs(x - middle_x) * sx <= TRACHEA_OFF_MIDDLE_MM
            and area >= TRACHEA_FILL * np.pi / 4.0 * reach**2
        ):
            spots.append((y, x))
    return spots


def _run_holds(below: Mask, y: int, x: int) -> bool:
    """Whether gas goes on downwards from a spot, allowing the tube to lean by one voxel a slice."""
    for plane in below[::-1]:
        near = plane[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        if not near.any():
            return False
        if not plane[y, x]:
            dy, dx = np.argwhere(near)[0]
            y, x = max(0, y - 1) + int(dy), max(0, x - 1) + int(dx)
    return True


def _darkest_near(hu: NDArray[np.int16], seed: list[int], spacing: Spacing) -> tuple[int, int, int]:
    """Return the voxel with the least HU within a few millimeters of a seed, in its slice."""
    z, y, x = seed
    ry, rx = (round(4.0 / s) for s in spacing[1:])
    y0, x0 = max(0, y - ry), max(0, x - rx)
    window = hu[z, y0 : y + ry + 1, x0 : x + rx + 1]
    dy, dx = np.unravel_index(int(np.argmin(window)), window.shape)
    return z, y0 + int(dy), x0 + int(dx)


def _grow(hu: NDArray[np.int16], spacing: Spacing, seed: tuple[int, int, int]) -> Mask:
    """Grow at rising limits, and keep the last one before the region leaks into the lung."""
    image = image_of(hu, spacing)
    voxel_ml = float(np.prod(spacing)) / 1000.0
    kept = np.zeros(hu.shape, dtype=np.bool_)
    kept_ml = 0.0
    for limit in GROWTH_LIMITS_HU:
        if hu[seed] > limit:
            continue
        region = sitk.ConnectedThreshold(image, [seed[::-1]], lower=-32768, upper=float(limit))
        grown = sitk.GetArrayFromImage(region).astype(np.bool_)
        grown_ml = float(np.count_nonzero(grown)) * voxel_ml
        filled = kept_ml > TRACHEA_FILLED_ML
        leaked = filled and grown_ml - kept_ml > max(LEAK_STEP_ML, LEAK_SHARE * kept_ml)
        if leaked or grown_ml > LARGEST_ML:
            break
        kept, kept_ml = grown, grown_ml
    return kept
