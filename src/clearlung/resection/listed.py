"""Candidates from a radiologist's list: spheres below a flat pleura, and whole lobes of a mean person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearlung.anatomy import LOBES
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.resection.candidates import CandidateSet
from clearlung.resection.margins import MARGIN_EVIDENCE, Satellites, describe_margins, outline_error_mm
from clearlung.resection.techniques import Technique

_LUNGS = "function.reference.lung_ml"


def listed_candidates(
    nodules: NoduleTable, techniques: Sequence[Technique], book: EvidenceBook
) -> CandidateSet:
    """Propose a specimen for each lesion and technique that fits, and each lobe with all its lesions.

    What neighbors share is not known without a scan, and neither are vessels and segments. A lobe has the
    published share of a mean person's lungs.
    """
    error = outline_error_mm(nodules, 0.0)
    curve = Satellites.of(book)
    made: list[tuple[Technique, tuple[int, ...], float, float, str]] = []
    refusals: dict[int, list[str]] = {row: [] for row in range(len(nodules))}
    for technique in techniques:
        if technique.kind == "segment":
            continue
        if technique.kind == "lobe":
            for lobe in LOBES:
                rows = tuple(np.flatnonzero(nodules.lobe == lobe).tolist())
                if rows:
                    share = book.value(f"anatomy.lobe_share.{lobe}", unit="%") / 100
                    made.append((technique, rows, share * book.value(_LUNGS, unit="ml"), np.nan, lobe))
            continue
        for row, (diameter, depth) in enumerate(
            zip(nodules.diameter_mm.tolist(), nodules.depth_mm.tolist(), strict=True)
        ):
            refusal = technique.refusal(diameter, depth)
            if refusal is not None:
                refusals[row].append(refusal)
                continue
            rim = technique.margin_mm(diameter) if technique.kind == "enucleation" else 0.0
            reach = depth + diameter / 2 + rim
            ml = technique.sphere_ml(diameter, depth)
            made.append((technique, (row,), ml, reach, str(nodules.lobe[row])))
    held = {row for _, rows, *_ in made for row in rows}
    margins = []
    for technique, rows, *_ in made:
        planned = np.array([technique.margin_mm(float(nodules.diameter_mm[row])) for row in rows])
        found = np.full(len(rows), np.nan) if technique.anatomical else planned
        ids = [int(nodules.id[row]) for row in rows]
        margins.append(describe_margins(ids, planned, found, error[list(rows)], curve))
    lobe_ml = np.zeros((len(made), len(LOBES)))
    for k, (_, _, ml, _, at) in enumerate(made):
        lobe_ml[k, LOBES.index(at)] = ml
    evidence = dict.fromkeys(e for t in techniques for e in t.evidence)
    return CandidateSet(
        id=np.arange(1, len(made) + 1, dtype=np.int32),
        lesions=tuple(tuple(int(nodules.id[r]) for r in rows) for _, rows, *_ in made),
        technique=np.array([t.name for t, *_ in made], dtype=np.str_),
        side=np.array([str(nodules.side[rows[0]]) for _, rows, *_ in made], dtype=np.str_),
        lobe=np.array([lobe for *_, lobe in made], dtype=np.str_),
        volume_ml=lobe_ml.sum(axis=1),
        lobe_ml=lobe_ml,
        functional_ml=np.full(len(made), np.nan),
        margin_mm=np.array([max(m.planned_mm for m in group) for group in margins], dtype=np.float64),
        reach_mm=np.array([reach for _, _, _, reach, _ in made], dtype=np.float64),
        minutes=np.array(
            [t.minutes(float(nodules.depth_mm[list(rows)].max()), len(rows)) for t, rows, *_ in made],
            dtype=np.float64,
        ),
        closure=np.array([t.closure(reach) for t, _, _, reach, _ in made], dtype=np.str_),
        margins=tuple(margins),
        cuts=((),) * len(made),
        unresectable={
            int(nodules.id[row]): "; ".join(why) for row, why in refusals.items() if row not in held
        },
        evidence=(*evidence, *MARGIN_EVIDENCE),
    )
