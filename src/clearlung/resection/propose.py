"""Every specimen that could be cut, from the scan's own voxels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from clearlung.anatomy import LOBES, LUNG_LABELS, Anatomy
from clearlung.ct import Volume
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.resection.anatomical import lobes_and_segments
from clearlung.resection.beds import ROUNDS, too_many, try_bed_or_wedge
from clearlung.resection.candidates import CandidateSet
from clearlung.resection.grid import Grid
from clearlung.resection.groups import neighbor_groups
from clearlung.resection.listed import listed_candidates
from clearlung.resection.margins import MARGIN_EVIDENCE
from clearlung.resection.refusals import Refusals
from clearlung.resection.techniques import Technique, make_techniques
from clearlung.resection.workshop import FUNCTIONAL_EVIDENCE, Specimen, Workshop


def make_candidates(
    nodules: NoduleTable,
    anatomy: Anatomy | None,
    techniques: Sequence[str],
    book: EvidenceBook,
    hu: Volume | None = None,
) -> CandidateSet:
    """Propose every specimen that could be cut.

    Each lesion by itself with every technique that fits it; neighbors whose rims meet, and clusters, in one
    piece; segments and lobes with all that they hold. Specimens are the scan's own voxels; from a list
    without a scan they are spheres below a flat pleura, one lesion each, and whole lobes.

    Parameters
    ----------
    nodules
        The lesions; their label map lies on the anatomy's box.
    anatomy
        The lungs, or None for a radiologist's list.
    techniques
        Registered names: what the center uses.
    book
        The evidence.
    hu
        int16: the scan, or its part in the anatomy's box. Without it the part that breathes is not known.

    Returns
    -------
    CandidateSet
        Ordered by technique as given, then by lesion; a lesion that is in none is unresectable.

    Raises
    ------
    ProtocolError
        If a technique is not registered.
    """
    available = make_techniques(techniques, book)
    if anatomy is None or nodules.labels is None:
        return listed_candidates(nodules, available, book)
    density = None
    if hu is not None:
        density = hu.array if hu.shape == anatomy.lungs.shape else hu.array[anatomy.box]
    grid = Grid(anatomy, nodules, nodules.labels.array, density)
    shop = Workshop.of(grid, book)
    made: list[Specimen] = []
    refusals = Refusals()
    for technique in available:
        if technique.anatomical:
            specimens, why = lobes_and_segments(shop, technique)
        else:
            specimens, why = _all_of(shop, technique)
        made += specimens
        for row, reason in why.items():
            refusals.add(technique, row, reason)
    evidence = dict.fromkeys(e for t in available for e in t.evidence)
    unresectable, forced = refusals.told(nodules.id, ((s.technique, s.rows) for s in made))
    return replace(
        _as_columns(shop, made),
        unresectable=unresectable,
        forced=forced,
        evidence=(*evidence, *MARGIN_EVIDENCE, *FUNCTIONAL_EVIDENCE),
    )


def _all_of(shop: Workshop, technique: Technique) -> tuple[list[Specimen], dict[int, str]]:
    """Cut every lesion alone, and every group that could share a specimen; say why one alone cannot be."""
    grid = shop.grid
    alone: list[tuple[int, ...]] = [(row,) for row in range(len(grid.nodules)) if len(grid.surfaces[row])]
    asked = alone + list(_groups(shop, technique))
    # What all threads share is made before they start.
    _ = grid.deepest_mm, grid.spheres_mm, grid.cuts((slice(0, 1),) * 3, np.zeros((1, 1, 1), dtype=np.bool_))
    if technique.kind == "wedge" and len(alone):
        grid.nearest_pleura_mm("right", np.zeros(3))
    found: dict[tuple[int, ...], Specimen | str | tuple[int, ...]] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for _ in range(ROUNDS):
            results = pool.map(lambda rows: try_bed_or_wedge(shop, technique, rows), asked)
            found |= zip(asked, list(results), strict=True)
            # What several wedges grow into is cut once.
            grown = dict.fromkeys(rows for rows in found.values() if isinstance(rows, tuple))
            asked = [rows for rows in grown if rows not in found]
    specimens = [result for result in found.values() if isinstance(result, Specimen)]
    return specimens, {rows[0]: _reason(found, technique, rows) for rows in alone}


def _reason(
    found: Mapping[tuple[int, ...], Specimen | str | tuple[int, ...]],
    technique: Technique,
    rows: tuple[int, ...],
) -> str:
    """Return why a technique does not fit a lesion, nor what its specimen grew into; "" where one does."""
    result: Specimen | str | tuple[int, ...] | None = rows
    while isinstance(result, tuple):
        result = found.get(result)
    if result is None:
        return too_many(technique)
    return result if isinstance(result, str) else ""


def _groups(shop: Workshop, technique: Technique) -> Iterable[tuple[int, ...]]:
    """Return the groups of each lung's lesions that could share a specimen."""
    grid = shop.grid
    nodules = grid.nodules
    for side in LUNG_LABELS:
        rows = np.flatnonzero(nodules.side == side)
        rows = rows[[len(grid.surfaces[row]) > 0 for row in rows.tolist()]]
        margins = shop.planned_mm(technique, rows.tolist())
        spheres = grid.spheres_mm[rows]
        for group in neighbor_groups(spheres[:, :3], spheres[:, 3], margins, technique.extent_limit_mm):
            yield tuple(int(rows[k]) for k in group)


def _as_columns(shop: Workshop, made: Sequence[Specimen]) -> CandidateSet:
    """Return the specimens as a table."""
    depth = shop.grid.nodules.depth_mm
    lobe_ml = np.array([s.lobe_ml for s in made]).reshape(len(made), len(LOBES))
    volume = lobe_ml.sum(axis=1)
    functional = np.array([s.functional_ml for s in made], dtype=np.float64)
    return CandidateSet(
        id=np.arange(1, len(made) + 1, dtype=np.int32),
        lesions=tuple(tuple(shop.ids(s.rows)) for s in made),
        technique=np.array([s.technique.name for s in made], dtype=np.str_),
        side=np.array([shop.side(s.rows) for s in made], dtype=np.str_),
        lobe=np.array([LOBES[k] for k in lobe_ml.argmax(axis=1)] if made else [], dtype=np.str_),
        volume_ml=volume,
        lobe_ml=lobe_ml,
        functional_ml=functional,
        margin_mm=np.array([max(m.planned_mm for m in s.margins) for s in made], dtype=np.float64),
        reach_mm=np.array([s.reach_mm for s in made], dtype=np.float64),
        minutes=np.array(
            [s.technique.minutes(float(depth[list(s.rows)].max()), len(s.rows)) for s in made],
            dtype=np.float64,
        ),
        closure=np.array([s.technique.closure(s.reach_mm) for s in made], dtype=np.str_),
        margins=tuple(s.margins for s in made),
        cuts=tuple(s.cuts for s in made),
        pieces=tuple(s.piece for s in made),
    )
