"""Vessels that cross where a fissure is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.phantom.body import Body
from clearlung.phantom.fissures import LAYER_MM, Sheet
from clearlung.phantom.nodes import Nodes

# Assumed: vessels that cross, per cm2 of what is missing; one at least.
CROSSING_PER_CM2 = 0.12
# What thickness of a fissure counts as missing, and how far from the pleura a vessel crosses.
MISSING_BELOW = 0.1
LEAST_DEPTH_MM = 5.0
# A crossing vein joins one that is no further than this, and comes from this far on the other side.
REACH_MM = 22.0
BEYOND_MM = (8.0, 18.0)
RADIUS_MM = (0.7, 1.2)
ASIDE_MM = 3.0


def add_crossing(vessels: Nodes, body: Body, sheets: Sequence[Sheet], rng: np.random.Generator) -> Nodes:
    """Let a few veins drain a part of the neighboring lobe, where the fissure between them is missing.

    Returns
    -------
    Nodes
        The vessels with those added at the end.
    """
    for sheet in sheets:
        points = _missing_points(sheet)
        if not len(points):
            continue
        area_cm2 = len(points) * sheet.surface.step_mm**3 / (2 * LAYER_MM) / 100
        for _ in range(max(1, round(CROSSING_PER_CM2 * area_cm2))):
            point = points[rng.integers(len(points))]
            vessels = _crossed(vessels, body, sheet, point, rng)
    return vessels


def _missing_points(sheet: Sheet) -> NDArray[np.float64]:
    """Points of the grid next to the missing part of a fissure, LPS."""
    if sheet.thickness is None:
        return np.empty((0, 3))
    missing = sheet.layer() & (sheet.thickness.array < MISSING_BELOW) & (sheet.within.array < -LEAST_DEPTH_MM)
    zyx = np.argwhere(missing) * sheet.surface.step_mm + np.asarray(sheet.surface.origin_mm)
    return np.ascontiguousarray(zyx[:, ::-1])


def _crossed(
    vessels: Nodes, body: Body, sheet: Sheet, point: NDArray[np.float64], rng: np.random.Generator
) -> Nodes:
    """Add one vein through a point of the fissure, with two twigs; none if no vein is near."""
    normal = sheet.surface.gradient_at(point)[0]
    normal = normal / max(float(np.linalg.norm(normal)), 1e-6) * (1 if rng.random() < 0.5 else -1)
    reach, thick = rng.uniform(*BEYOND_MM), rng.uniform(*RADIUS_MM)
    aside = rng.normal(scale=ASIDE_MM, size=(3, 3))
    offset = vessels.place_mm - point
    near = (vessels.name == "vein") & (np.linalg.norm(offset, axis=1) < REACH_MM)
    near &= (offset @ normal < -LAYER_MM) & (vessels.radius_mm >= 0.8 * thick)
    if not near.any():
        return vessels
    candidates = np.flatnonzero(near)
    stem = int(candidates[np.argmin(np.linalg.norm(offset[candidates], axis=1))])
    beyond = point + normal * reach + aside[0]
    twigs = beyond + normal * 0.5 * reach + 2.0 * aside[1:]
    place = np.vstack([point, beyond, twigs])
    if (sheet.within.at(place) > -1.0).any():
        return vessels
    n = len(vessels)
    radius = thick * np.array([1.0, 0.9, 0.65, 0.65])
    lobe = min(sheet.lobes, key=lambda name: float(body.fissures[name].at(beyond)[0]))
    return vessels.extended(
        place, np.array([stem, n, n + 1, n + 1]), radius, np.array([2.0, 2.0, 1.0, 1.0]), lobe, "vein"
    )
