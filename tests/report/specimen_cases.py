"""Specimens cut by hand from the made-up lungs of ``report_cases``: balls, wedges to the pleura, a lobe."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import report_cases as cases

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LUNG_LABELS
from clearlung.report.resection_picture import Remainder, ResectionPicture
from clearlung.resection import CandidateSet, Cut, LesionMargin, Piece, SpecimenSet

RIM_MM = 5.0


def label_nodules(anatomy, nodules):
    """Give the nodules their label map: balls."""
    labels = np.zeros(anatomy.lungs.shape, dtype=np.int32)
    for row in nodules.rows():
        box, ball = _ball(anatomy, nodules, row["id"], row["diameter_mm"] / 2)
        labels[box][ball & (labels[box] == 0)] = row["id"]
    return replace(nodules, labels=anatomy.lungs.with_array(labels))


def cut_by_hand(anatomy, nodules, *, stuck=(3,), joined=((8, 9),), lobectomy=None):
    """Return candidates for every nodule, and a choice: all of them but the stuck ones.

    ``joined`` go in one wedge each; ``lobectomy`` names a lobe that goes whole.
    """
    lobe_of = dict(zip(nodules.id.tolist(), nodules.lobe.tolist(), strict=True))
    groups = [(number,) for number in nodules.id.tolist() if number not in stuck]
    singles = len(groups)
    groups += [group for group in joined if not set(group) & set(stuck)]
    if lobectomy:
        groups.append(tuple(n for n in lobe_of if lobe_of[n] == lobectomy))
    rows = []
    for place, group in enumerate(groups):
        whole = lobectomy is not None and place == len(groups) - 1
        technique = "lobectomy" if whole else "wedge" if place >= singles or place % 4 == 1 else "laser"
        rows.append(_row(anatomy, nodules, group, technique))
    candidates = _candidates(rows, nodules, stuck)
    wanted = []
    free = set(lobe_of) - set(stuck)
    for place in sorted(range(len(groups)), key=lambda p: (-len(groups[p]), p)):
        if set(groups[place]) <= free | (set(stuck) if len(groups[place]) > 2 else set()):
            wanted.append(place)
            free -= set(groups[place])
    return candidates, choose(candidates, np.array(sorted(wanted), dtype=np.intp))


def choose(candidates, rows):
    """Return some candidates as the chosen ones."""
    specimens = SpecimenSet(
        id=np.arange(1, len(rows) + 1, dtype=np.int32),
        lesions=tuple(candidates.lesions[row] for row in rows),
        technique=candidates.technique[rows],
        side=candidates.side[rows],
        lobe=candidates.lobe[rows],
        volume_ml=candidates.volume_ml[rows],
        margin_mm=candidates.margin_mm[rows],
        minutes=candidates.minutes[rows],
        unresectable=candidates.unresectable,
        evidence=candidates.evidence,
        lobe_ml=candidates.lobe_ml[rows],
        reach_mm=candidates.reach_mm[rows],
        margin_least_mm=np.array([min(m.margin_mm for m in candidates.margins[row]) for row in rows]),
        margin_low_mm=np.array([min(m.low_mm for m in candidates.margins[row]) for row in rows]),
        margin_high_mm=np.array([min(m.high_mm for m in candidates.margins[row]) for row in rows]),
        clear=np.array([np.prod([m.clear for m in candidates.margins[row]]) for row in rows]),
        vessel_mm=np.array([_widest(candidates.cuts[row], "vessel") for row in rows]),
        bronchus_mm=np.array([_widest(candidates.cuts[row], "bronchus") for row in rows]),
        closure=candidates.closure[rows],
        anatomical=candidates.technique[rows] == "lobectomy",
    )
    return SimpleNamespace(specimens=specimens, rows=rows, status="optimal", gap=0.0)


def _widest(cuts, kind):
    return max((cut.diameter_mm for cut in cuts if cut.kind == kind), default=0.0)


def _ball(anatomy, nodules, number, radius_mm):
    row = nodules.id.tolist().index(number)
    spacing = np.array(anatomy.lungs.spacing_mm)
    center = anatomy.lungs.indices(nodules.points_mm)[row]
    low = np.maximum(np.floor(center - radius_mm / spacing).astype(int) - 1, 0)
    high = np.minimum(np.ceil(center + radius_mm / spacing).astype(int) + 2, anatomy.lungs.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    z, y, x = np.ogrid[box]
    gaps = [(g - c) * s for g, c, s in zip((z, y, x), center, spacing, strict=True)]
    return box, sum(gap**2 for gap in gaps) <= radius_mm**2


def _row(anatomy, nodules, group, technique):
    taken = np.zeros(anatomy.lungs.shape, dtype=bool)
    lobe = str(nodules.lobe[nodules.id.tolist().index(group[0])])
    diameters = nodules.diameter_mm[np.isin(nodules.id, group)]
    if technique == "lobectomy":
        taken = anatomy.lobes.array == LOBE_LABELS[lobe]
    else:
        for number, diameter in zip(group, diameters, strict=True):
            box, ball = _ball(anatomy, nodules, number, diameter / 2 + RIM_MM)
            taken[box] |= ball
            if technique == "wedge":  # what lies between it and the back of the lung
                columns = np.flatnonzero(ball.any(axis=(0, 1)))
                taken[box[0], box[1].start :, box[2].start + columns[0] : box[2].start + columns[-1]] |= (
                    ball.any(axis=1)[:, None, columns[0] : columns[-1]]
                )
        taken &= anatomy.lungs.array == LUNG_LABELS[LOBE_SIDES[lobe]]
    corners = np.argwhere(taken)
    low, high = corners.min(axis=0), corners.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    ml = anatomy.lungs.voxel_ml
    counts = np.bincount(anatomy.lobes.array[taken], minlength=6)[1:]
    return {
        "lesions": tuple(group),
        "technique": technique,
        "lobe": lobe,
        "lobe_ml": counts * ml,
        "reach_mm": float(anatomy.depth_mm.array[taken].max()),
        "margins": tuple(
            LesionMargin(int(n), RIM_MM, RIM_MM, RIM_MM - 1.4, RIM_MM + 1.4, 0.998, 0.42) for n in group
        ),
        "cuts": (Cut("vessel", 2.4), Cut("bronchus", 1.3)) if len(group) > 1 else (),
        "piece": Piece.of(box, taken[box]),
    }


def _candidates(rows, nodules, stuck):
    lobe_ml = np.array([row["lobe_ml"] for row in rows], dtype=np.float64)
    technique = np.array([row["technique"] for row in rows])
    lobe = np.array([row["lobe"] for row in rows])
    return CandidateSet(
        id=np.arange(1, len(rows) + 1, dtype=np.int32),
        lesions=tuple(row["lesions"] for row in rows),
        technique=technique,
        side=np.array([LOBE_SIDES[name] for name in lobe]),
        lobe=lobe,
        volume_ml=lobe_ml.sum(axis=1),
        lobe_ml=lobe_ml,
        functional_ml=0.9 * lobe_ml.sum(axis=1),
        margin_mm=np.full(len(rows), RIM_MM),
        reach_mm=np.array([row["reach_mm"] for row in rows]),
        minutes=np.array([8.0 * len(row["lesions"]) for row in rows]),
        closure=np.array(
            [{"laser": "suture", "wedge": "staples", "lobectomy": "stump"}[name] for name in technique]
        ),
        margins=tuple(row["margins"] for row in rows),
        cuts=tuple(row["cuts"] for row in rows),
        pieces=tuple(row["piece"] for row in rows),
        unresectable={
            number: "laser enucleation would reach 80 mm deep, limit 60 mm; wedge is for 50 mm at most"
            for number in stuck
            if number in nodules.id
        },
        evidence=("technique.laser.rim",),
    )


def make_picture(count=40, *, lobectomy="RML", scan=True, anatomy=True):
    """Return everything that the pictures of specimens are drawn from."""
    made, lungs = cases.make_scan()
    nodules = label_nodules(lungs, cases.make_nodules(lungs, count))
    candidates, chosen = cut_by_hand(lungs, nodules, lobectomy=lobectomy)
    if not anatomy:
        candidates = replace(candidates, pieces=())
    return ResectionPicture(
        nodules=nodules,
        anatomy=lungs if anatomy else None,
        scan=made if scan and anatomy else None,
        candidates=candidates,
        rows=chosen.rows,
        specimens=chosen.specimens,
        remains=(
            Remainder("RUL", 11, 9, 1300.0, 130.0),
            Remainder("right lung", 24, 21, None, 480.0),
        ),
        function=("FEV1 by segments: 61 % (46 to 76) of predicted",),
        source="Made-up lungs",
    )
