"""Gas of the stomach and the bowel, which a thin diaphragm may not keep apart from the lungs."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from clearlung.anatomy.morphology import (
    Mask,
    Spacing,
    bounding_box,
    components,
    dilate,
    distance_outside_mm,
    image_of,
)

# The mean of a few voxels: gas is close to -1000 HU, and even thin emphysema has tissue in it.
GAS_BELOW_HU = -965.0
LUNG_HU = (-950.0, -600.0)
# Lung is thick; the blurred rim of a pool of gas has the same mean, and is thin.
THICK_SHARE = 0.95
# A pool of gas has this much around its middle; most bronchi and bullae are narrower.
POOL_RADIUS_MM = 6.0
LEAST_POOL_ML = 4.0
# Beneath the diaphragm most of the lungs is higher than a pool, and next to none of them lies under it.
LUNG_HIGHER = 0.6
LUNG_UNDER = 0.15
# The diaphragm leaves but holes; a bulla's wall and the pleura beside a pneumothorax are blurred away.
OPEN_TO_LUNG = 0.2
# The search for the ridge between pool and lung stays this near to the pool.
AROUND_MM = 12.0
# Brighter than any tissue: no flood goes through what is not air.
NO_WAY_HU = 3000

_POOL, _LUNG = 1, 2


def gas_below_diaphragm(air: Mask, hu: NDArray[np.int16], spacing_mm: Spacing) -> Mask:
    """Find gas that lies beneath the lungs and that next to nothing opens to them.

    Parameters
    ----------
    air
        The air of lungs, airways and what may be joined to them, on a grid of about 2 mm, shape (z, y, x).
    hu
        int16, same shape: block means.
    spacing_mm
        Along z, y and x.

    Returns
    -------
    Mask
        The part of ``air`` that is no lung, up to the bright ridge of stomach wall and diaphragm.
    """
    found = np.zeros_like(air)
    if not air.any():
        return found
    box = bounding_box(air, spacing_mm, 0.0)
    here, values = air[box], hu[box]
    mean = uniform_filter(values.astype(np.float32), 3)
    gas = here & (mean < GAS_BELOW_HU)
    cores, count = components(distance_outside_mm(~gas, spacing_mm) > POOL_RADIUS_MM, spacing_mm)
    if count == 0:
        return found
    like_lung = here & (mean > LUNG_HU[0]) & (mean < LUNG_HU[1])
    lung = like_lung & (uniform_filter(like_lung.astype(np.float32), 3) > THICK_SHARE)
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    for label in range(1, count + 1):
        near = bounding_box(cores == label, spacing_mm, POOL_RADIUS_MM)
        pool = np.zeros_like(here)
        pool[near] = dilate(cores[near] == label, spacing_mm, POOL_RADIUS_MM) & gas[near]
        if np.count_nonzero(pool) * voxel_ml >= LEAST_POOL_ML and _lies_beneath(pool, lung):
            near = bounding_box(pool, spacing_mm, AROUND_MM)
            found[box][near] |= _shut_off(pool[near], lung[near], here[near], values[near], spacing_mm)
    return found


def _lies_beneath(pool: Mask, lung: Mask) -> bool:
    """Whether most lung is higher than a pool, and under its columns there is next to none."""
    height = round(float(np.nonzero(pool)[0].mean()))
    higher, whole = int(np.count_nonzero(lung[height:])), int(np.count_nonzero(lung))
    if higher < LUNG_HIGHER * max(1, whole):
        return False
    columns = pool.any(axis=0)
    bottom = pool.argmax(axis=0)
    slices = np.arange(pool.shape[0])[:, None]
    under = (lung[:, columns] & (slices < bottom[columns])).any(axis=0)
    return float(under.mean()) < LUNG_UNDER


def _shut_off(pool: Mask, lung: Mask, air: Mask, hu: NDArray[np.int16], spacing: Spacing) -> Mask:
    """Return a pool up to the ridge that parts it from the lung; nothing where it is open to the lung."""
    joined, _ = components(air, spacing)
    own = air & np.isin(joined, np.unique(joined[pool]))
    seeds = np.where(pool, _POOL, np.where(lung & own, _LUNG, 0)).astype(np.uint8)
    flooded = sitk.MorphologicalWatershedFromMarkers(
        image_of(np.where(own, hu, np.int16(NO_WAY_HU)), spacing),
        image_of(seeds, spacing),
        markWatershedLine=False,
    )
    sides = sitk.GetArrayFromImage(flooded)
    region, beyond = own & (sides == _POOL), own & (sides == _LUNG)
    rim = region & _beside(~region)
    open_to_lung = int(np.count_nonzero(rim & _beside(beyond))) >= OPEN_TO_LUNG * int(np.count_nonzero(rim))
    return np.zeros_like(region) if open_to_lung else region


def _beside(mask: Mask) -> Mask:
    """Return the voxels that share a face with a mask."""
    beside = np.zeros_like(mask)
    for axis in range(3):
        ahead: list[slice] = [slice(None)] * 3
        back: list[slice] = [slice(None)] * 3
        ahead[axis], back[axis] = slice(1, None), slice(None, -1)
        beside[tuple(ahead)] |= mask[tuple(back)]
        beside[tuple(back)] |= mask[tuple(ahead)]
    return beside
