"""Masses at the chest wall that are too wide for the closing of the lungs.

A closing wide enough for a mass of three centimeters would also swallow the hilum. On the side of the ribs
there is nothing else to swallow, so there, and only there, a wider ball is used.
"""

from __future__ import annotations

import numpy as np

from clearlung.anatomy.morphology import COARSE_MM, Mask, Spacing, bounding_box, close, open_, repeat, shrink

# Masses with a contact to the chest wall of up to twice this are put back.
WIDE_CLOSING_MM = 22.0
# Ribs and the folds between them make slivers thinner than twice this; a mass is thicker.
SLIVER_MM = 5.0


def restored_masses(lung: Mask, spacing_mm: Spacing, middle_x: float) -> Mask:
    """Find what a wide closing adds to a lung on the side of the ribs.

    Parameters
    ----------
    lung
        One lung's air, shape (z, y, x).
    spacing_mm
        Along z, y and x.
    middle_x
        Index of the body's middle along x.

    Returns
    -------
    Mask
        Same shape: what to add, on a grid of about 2 mm.
    """
    box = bounding_box(lung, spacing_mm, COARSE_MM)
    share, spacing, factor = shrink(lung[box].astype(np.float32), spacing_mm, COARSE_MM)
    # Room for the ball all around: what lies behind a face would count as closed.
    pad = [int(np.ceil(WIDE_CLOSING_MM / s)) + 2 for s in spacing]
    coarse = np.pad(share > 0.5, [(n, n) for n in pad])
    added = close(coarse, spacing, WIDE_CLOSING_MM) & ~close(coarse, spacing, SLIVER_MM)
    added &= _rib_side(coarse, (middle_x - box[2].start) / factor[2] + pad[2])
    added = open_(added, spacing, SLIVER_MM)[tuple(slice(n, -n) for n in pad)]
    restored = np.zeros_like(lung)
    restored[box] = repeat(added, factor, restored[box].shape)
    return restored


def _rib_side(lung: Mask, middle_x: float) -> Mask:
    """Whether a voxel lies further out than the lung's center of its slice; shape (z, 1, x)."""
    x = np.arange(lung.shape[2])
    weights = lung.sum(axis=1).astype(np.float64)
    filled = np.maximum(weights.sum(axis=1), 1.0)
    center = (weights @ x) / filled
    outward = np.sign(np.average(center, weights=filled) - middle_x)
    return np.asarray(((x[None, :] - center[:, None]) * outward > 0)[:, None, :], dtype=np.bool_)
