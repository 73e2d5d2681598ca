"""Enucleations and wedges: what is cut out around lesions, and where neither fits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LUNG_LABELS, distance_to
from clearlung.ct import Box
from clearlung.resection.candidates import Cut, CutKind
from clearlung.resection.grid import Grid
from clearlung.resection.shapes import surface_beyond_mm, swept, taut
from clearlung.resection.techniques import Technique
from clearlung.resection.workshop import Specimen, Workshop

# A wedge that runs into further lesions takes them too; after so many rounds it is none.
ROUNDS = 4
# A vessel's width is known to a voxel or so, so that a lesion beside it may seem to reach into it. One with
# more than this share of its volume within does.
_WITHIN = 0.1


def too_many(technique: Technique) -> str:
    """Return why a wedge that runs into ever more lesions is none."""
    return f"{technique.title} would cut through further metastases"


def try_bed_or_wedge(
    shop: Workshop, technique: Technique, rows: tuple[int, ...]
) -> Specimen | str | tuple[int, ...]:
    """Cut lesions out in one piece by enucleation or wedge.

    Returns
    -------
    Specimen, str or tuple
        The specimen; or why the technique does not fit; or the rows of the lesions that the wedge would have
        to hold, where it runs into more of them.

    Notes
    -----
    An enucleation takes the lung within the rim of the lesions and of what lies between them. A wedge also
    takes all that lies between that and the nearest pleura. Where an enucleation would enter a lesion that it
    does not remove, the cut runs midway between both; a wedge takes the other lesion too. An enucleation is
    dissected along vessels and bronchi that are too wide to be cut.
    """
    grid = shop.grid
    refusal = _refusal(shop, technique, rows)
    if refusal is not None:
        return refusal
    box, hull, others, toward, length_mm = _room(shop, technique, rows)
    away = distance_to(hull, True, grid.step_mm)
    reach = float(shop.planned_mm(technique, rows).max()) + surface_beyond_mm(grid.spacing_mm)
    lung = grid.anatomy.lungs.array[box] == LUNG_LABELS[shop.side(rows)]
    taken = swept(lung, away, reach, toward, length_mm, grid.step_mm)
    if (others & taken).any():
        if technique.kind == "wedge":
            met = np.unique(grid.labels[box][others & taken])
            theirs = np.flatnonzero(np.isin(grid.nodules.id, met)).tolist()
            return tuple(sorted({*rows, *theirs}))
        taken &= ~others & (distance_to(others, True, grid.step_mm) >= away)
    stays = lung.copy()
    if technique.kind == "enucleation":
        refusal = technique.too_deep(float(grid.anatomy.depth_mm.array[box][taken].max(initial=0.0)))
        if refusal is not None:
            return refusal
    limits: dict[CutKind, float] = {
        "vessel": technique.vessel_limit_mm,
        "bronchus": technique.bronchus_limit_mm,
    }
    # A bed is dissected along what must not be cut, with less margin there; a row of staples cannot be.
    spared, widest = grid.wide(box, limits)
    if technique.kind == "wedge" and (spared & taken).any():
        return _too_wide(technique, widest)
    if np.count_nonzero(spared & hull) > _WITHIN * np.count_nonzero(hull):
        return _too_wide(technique, widest)
    spared &= ~hull
    taken &= ~spared
    stays |= spared
    cuts, _ = grid.cuts(box, taken)
    distance = np.minimum(shop.distances_mm(rows, box, taken, stays), _far_mm(taken, grid))
    return shop.measured(technique, rows, box, taken, distance, cuts)


def _too_wide(technique: Technique, widest: Cut) -> str:
    """Return why a technique may not cut what lies there."""
    limit = technique.vessel_limit_mm if widest.kind == "vessel" else technique.bronchus_limit_mm
    return f"{technique.title} would cut a {widest.kind} of {widest.diameter_mm:.0f} mm, limit {limit:.0f} mm"


def _far_mm(taken: NDArray[np.bool_], grid: Grid) -> float:
    """Return the longest distance in a box: what stands for a cut that there is none of."""
    return float(np.linalg.norm(np.array(taken.shape) * grid.step_mm))


def _refusal(shop: Workshop, technique: Technique, rows: tuple[int, ...]) -> str | None:
    """Return why a technique does not fit lesions, as far as their sizes and places tell."""
    grid = shop.grid
    for row in rows:
        diameter = float(grid.nodules.diameter_mm[row])
        if diameter > technique.diameter_limit_mm:
            return technique.refusal(diameter, 0.0)
        if technique.kind == "wedge":
            refusal = technique.too_deep(float(grid.deepest_mm[row]))
            if refusal is not None:
                return refusal
    spheres = grid.spheres_mm[list(rows)]
    extent = max(
        (float(np.linalg.norm(a[:3] - b[:3]) + a[3] + b[3]) for a, b in combinations(spheres, 2)), default=0.0
    )
    if extent > technique.extent_limit_mm:
        return (
            f"{technique.title} would take {len(rows)} metastases over {extent:.0f} mm, limit"
            f" {technique.extent_limit_mm:.0f} mm"
        )
    return None


def _room(
    shop: Workshop, technique: Technique, rows: tuple[int, ...]
) -> tuple[Box, NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64], float]:
    """Return a specimen's box, the lesions' hull and other lesions in it, and the way to the pleura.

    The way is a unit vector along z, y, x with its length in mm; 0 for an enucleation.
    """
    grid = shop.grid
    points = np.concatenate([grid.surfaces[row] for row in rows])
    reach = float(shop.planned_mm(technique, rows).max()) + surface_beyond_mm(grid.spacing_mm)
    low, high = points.min(axis=0) * grid.step_mm - reach, points.max(axis=0) * grid.step_mm + reach
    toward, length_mm = np.zeros(3), 0.0
    if technique.kind == "wedge":
        center = (points * grid.step_mm).mean(axis=0)
        pleura = grid.nearest_pleura_mm(shop.side(rows), center)
        if pleura is not None:
            way = pleura - center
            # To the pleura, and beyond it by the rim: the wedge's base is as wide as its tumor's rim.
            length_mm = float(np.linalg.norm(way))
            toward = way / max(length_mm, 1e-9)
            length_mm += reach
            low, high = np.minimum(low, low + toward * length_mm), np.maximum(high, high + toward * length_mm)
    box = grid.grown(low, high)
    hull, others = grid.apart(box, rows)
    if len(rows) > 1:
        hull = taut(hull, points - np.array([s.start for s in box]), grid.spacing_mm)
    return box, hull, others, toward, length_mm
