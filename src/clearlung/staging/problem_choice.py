"""What else could be cut in a problem: candidates as plain data, and the specimens chosen among them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.evidence import EvidenceBook
from clearlung.resection import (
    CHOICE_EVIDENCE,
    CandidateSet,
    LesionMargin,
    SpecimenSet,
    candidate_costs,
)
from clearlung.staging.problem_parts import MarginPart, SpecimenPart, known, lobes_out, specimen_set

SHARED_WARNING = (
    "The specimens were chosen from candidates without their voxels: tissue that two of them share is counted"
    " in each, so that operations take no more than is said, and fewer might do."
)


def candidate_parts(candidates: CandidateSet, cost: NDArray[np.float64]) -> tuple[SpecimenPart, ...]:
    """Return candidates as plain data: all but their voxels.

    Parameters
    ----------
    candidates
        Every specimen that could be cut.
    cost
        float64: of each, in ml of lung, from :func:`clearlung.resection.candidate_costs`.
    """
    return tuple(_part(candidates, row, float(cost[row])) for row in range(len(candidates)))


def _part(candidates: CandidateSet, row: int, cost_ml: float) -> SpecimenPart:
    margins, cuts = candidates.margins[row], candidates.cuts[row]
    least = min(margins, key=lambda margin: margin.low_mm)
    # Without voxels it is not known what is cut: no cuts then does not mean none.
    widest = {
        kind: max((cut.diameter_mm for cut in cuts if cut.kind == kind), default=0.0)
        if candidates.pieces
        else None
        for kind in ("vessel", "bronchus")
    }
    return SpecimenPart.model_validate(
        {
            "id": int(candidates.id[row]),
            "lesions": candidates.lesions[row],
            "technique": str(candidates.technique[row]),
            "lobe": str(candidates.lobe[row]),
            "volume_ml": float(candidates.volume_ml[row]),
            "minutes": float(candidates.minutes[row]),
            "margin_mm": float(candidates.margin_mm[row]),
            "lobe_ml": lobes_out(candidates.lobe_ml[row]),
            "reach_mm": known(float(candidates.reach_mm[row])),
            "margin_least_mm": known(least.margin_mm),
            "margin_low_mm": known(least.low_mm),
            "margin_high_mm": known(least.high_mm),
            "clear": known(math.prod(margin.clear for margin in margins)),
            "vessel_mm": widest["vessel"],
            "bronchus_mm": widest["bronchus"],
            "closure": str(candidates.closure[row]),
            "anatomical": bool(candidates.anatomical[row]),
            # Of one lesion the least margin says it all.
            "margins": tuple(
                MarginPart(lesion=m.lesion, planned_mm=m.planned_mm, margin_mm=known(m.margin_mm))
                for m in margins
            )
            if len(margins) > 1
            else (),
            "cost_ml": cost_ml,
        }
    )


@dataclass(frozen=True, eq=False)
class Offer:
    """Candidates without their voxels, to choose among with :func:`clearlung.staging.choose_together`.

    Parameters
    ----------
    parts
        As they were given, one for each row of the candidates.
    candidates, cost
        The same as a table, and what each costs, in ml of lung.
    place
        The order of the lesions, which the chosen specimens are numbered in.
    evidence
        Ids of the evidence that specimens chosen among them rest on.
    """

    parts: tuple[SpecimenPart, ...]
    candidates: CandidateSet
    cost: NDArray[np.float64]
    place: Mapping[int, int]
    evidence: tuple[str, ...]

    @classmethod
    def of(
        cls,
        parts: Sequence[SpecimenPart],
        book: EvidenceBook,
        *,
        order: Sequence[int],
        unresectable: Mapping[int, str],
        forced: Mapping[int, str],
        evidence: tuple[str, ...] = (),
    ) -> Offer:
        """Gather candidates.

        Parameters
        ----------
        parts
            The candidates. Of those that hold a lesion that stays, only whole segments and lobes are used,
            without it.
        book
            For the cost of those that give none.
        order
            Ids of the lesions.
        unresectable
            Lesions that stay, and why.
        forced
            Lesions for which nothing smaller than a segment or a lobe fits, and why.
        evidence
            Ids of the evidence that the candidates rest on.
        """
        usable = tuple(part for part in (_without(p, unresectable.keys()) for p in parts) if part is not None)
        candidates = _candidates(usable, dict(unresectable), dict(forced))
        cost = candidate_costs(candidates, book)
        given = np.array([math.nan if p.cost_ml is None else p.cost_ml for p in usable], dtype=np.float64)
        return cls(
            parts=usable,
            candidates=candidates,
            cost=np.where(np.isnan(given), cost, given),
            place={lesion: k for k, lesion in enumerate(order)},
            evidence=tuple(dict.fromkeys((*evidence, *CHOICE_EVIDENCE))),
        )

    def chosen(self, rows: NDArray[np.int64]) -> SpecimenSet:
        """Return some candidates as specimens, each with its number among the candidates.

        Tissue that two of them share counts in each.
        """
        found = sorted(
            (self.parts[row] for row in rows.tolist()), key=lambda p: min(self.place[i] for i in p.lesions)
        )
        numbered = [
            part.model_copy(update={"id": number, "candidate": part.id})
            for number, part in enumerate(found, start=1)
        ]
        every = self.candidates
        return specimen_set(numbered, every.unresectable, self.evidence, every.forced)


def _without(part: SpecimenPart, stay: Collection[int]) -> SpecimenPart | None:
    """Return a candidate as it can be used where some lesions stay; None where it cannot."""
    lesions = tuple(i for i in part.lesions if i not in stay)
    if len(lesions) == len(part.lesions):
        return part
    whole = part.anatomical or part.closure == "stump"
    if not lesions or not whole:
        return None
    margins = tuple(m for m in part.margins if m.lesion not in stay)
    return part.model_copy(update={"lesions": lesions, "margins": margins})


def _candidates(
    parts: Sequence[SpecimenPart], unresectable: dict[int, str], forced: dict[int, str]
) -> CandidateSet:
    """Return the candidates as a table; no voxels, no cuts."""
    # A lesion may be in several: the table of chosen specimens, which forbids that, takes the columns only.
    table = without_lesions(parts)
    return CandidateSet(
        id=table.id,
        lesions=tuple(p.lesions for p in parts),
        technique=table.technique,
        side=table.side,
        lobe=table.lobe,
        volume_ml=table.volume_ml,
        lobe_ml=table.lobe_ml,
        functional_ml=np.full(len(parts), np.nan),
        margin_mm=table.margin_mm,
        reach_mm=table.reach_mm,
        minutes=table.minutes,
        closure=table.closure,
        margins=tuple(_margins(p) for p in parts),
        cuts=((),) * len(parts),
        unresectable=unresectable,
        forced=forced,
    )


def without_lesions(parts: Sequence[SpecimenPart]) -> SpecimenSet:
    """Return candidates as a table of specimens that hold no lesions."""
    return specimen_set([p.model_copy(update={"lesions": ()}) for p in parts], {}, ())


def _margins(part: SpecimenPart) -> tuple[LesionMargin, ...]:
    """Return each lesion's margin; where only the least is known, it counts for one lesion."""
    given = {m.lesion: (m.planned_mm, m.margin_mm) for m in part.margins}
    if not given:
        given = {part.lesions[0]: (part.margin_mm, part.margin_least_mm)}
    found = []
    for lesion in part.lesions:
        planned, margin = given.get(lesion, (part.margin_mm, None))
        width = math.nan if margin is None else margin
        found.append(LesionMargin(lesion, planned, width, math.nan, math.nan, math.nan, math.nan))
    return tuple(found)
