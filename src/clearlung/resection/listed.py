"""Candidates from a radiologist's list: spheres below a flat pleura, and whole lobes of a mean person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np

from clearlung.anatomy import LOBES, Lobe
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.resection.candidates import CandidateSet, LesionMargin
from clearlung.resection.margins import MARGIN_EVIDENCE, Satellites, describe_margins, outline_error_mm
from clearlung.resection.refusals import Refusals
from clearlung.resection.techniques import Technique

_LUNGS = "function.reference.lung_ml"


class _Listed(NamedTuple):
    """One specimen without voxels."""

    technique: Technique
    rows: tuple[int, ...]
    ml: float
    reach_mm: float
    lobe: Lobe


def listed_candidates(
    nodules: NoduleTable, techniques: Sequence[Technique], book: EvidenceBook
) -> CandidateSet:
    """Propose a specimen for each lesion and technique that fits, and each lobe with all its lesions.

    What neighbors share is not known without a scan, and neither are vessels and segments. A lobe has the
    published share of a mean person's lungs.
    """
    made: list[_Listed] = []
    refusals = Refusals()
    for technique in techniques:
        if technique.kind == "lobe":
            made += _lobes(nodules, technique, book)
        elif not technique.anatomical:
            made += _spheres(nodules, technique, refusals)
    unresectable, forced = refusals.told(nodules.id, ((one.technique, one.rows) for one in made))
    evidence = dict.fromkeys(e for t in techniques for e in t.evidence)
    margins = _margins(nodules, made, book)
    lobe_ml = np.zeros((len(made), len(LOBES)))
    for k, one in enumerate(made):
        lobe_ml[k, LOBES.index(one.lobe)] = one.ml
    return CandidateSet(
        id=np.arange(1, len(made) + 1, dtype=np.int32),
        lesions=tuple(tuple(int(nodules.id[r]) for r in one.rows) for one in made),
        technique=np.array([one.technique.name for one in made], dtype=np.str_),
        side=np.array([str(nodules.side[one.rows[0]]) for one in made], dtype=np.str_),
        lobe=np.array([one.lobe for one in made], dtype=np.str_),
        volume_ml=lobe_ml.sum(axis=1),
        lobe_ml=lobe_ml,
        functional_ml=np.full(len(made), np.nan),
        margin_mm=np.array([max(m.planned_mm for m in group) for group in margins], dtype=np.float64),
        reach_mm=np.array([one.reach_mm for one in made], dtype=np.float64),
        minutes=np.array(
            [
                one.technique.minutes(float(nodules.depth_mm[list(one.rows)].max()), len(one.rows))
                for one in made
            ],
            dtype=np.float64,
        ),
        closure=np.array([one.technique.closure(one.reach_mm) for one in made], dtype=np.str_),
        margins=margins,
        cuts=((),) * len(made),
        unresectable=unresectable,
        forced=forced,
        evidence=(*evidence, *MARGIN_EVIDENCE),
    )


def _spheres(nodules: NoduleTable, technique: Technique, refusals: Refusals) -> Iterator[_Listed]:
    """Yield a specimen for each lesion that the technique fits; note why it does not fit the others."""
    for row, (diameter, depth) in enumerate(
        zip(nodules.diameter_mm.tolist(), nodules.depth_mm.tolist(), strict=True)
    ):
        refusal = technique.refusal(diameter, depth)
        if refusal is not None:
            refusals.add(technique, row, refusal)
            continue
        ml = technique.sphere_ml(diameter, depth)
        lobe = cast(Lobe, str(nodules.lobe[row]))
        yield _Listed(technique, (row,), ml, technique.reach_mm(diameter, depth), lobe)


def _lobes(nodules: NoduleTable, technique: Technique, book: EvidenceBook) -> Iterator[_Listed]:
    """Yield a mean person's lobe for each that holds lesions."""
    for lobe in LOBES:
        rows = tuple(np.flatnonzero(nodules.lobe == lobe).tolist())
        if rows:
            share = book.value(f"anatomy.lobe_share.{lobe}", unit="%") / 100
            yield _Listed(technique, rows, share * book.value(_LUNGS, unit="ml"), float("nan"), lobe)


def _margins(
    nodules: NoduleTable, made: Sequence[_Listed], book: EvidenceBook
) -> tuple[tuple[LesionMargin, ...], ...]:
    """Return each lesion's margin: as planned around a sphere, not known in a lobe."""
    error, curve = outline_error_mm(nodules, 0.0), Satellites.of(book)
    found = []
    for one in made:
        rows = list(one.rows)
        planned = np.array([one.technique.margin_mm(float(nodules.diameter_mm[row])) for row in rows])
        margin = np.full(len(rows), np.nan) if one.technique.anatomical else planned
        ids = [int(nodules.id[row]) for row in rows]
        found.append(describe_margins(ids, planned, margin, error[rows], curve))
    return tuple(found)
