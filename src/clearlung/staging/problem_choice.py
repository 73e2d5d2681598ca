"""Which of a problem's candidate specimens are planned, where its author leaves that to the program."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np

from clearlung.evidence import EvidenceBook
from clearlung.resection import CHOICE_EVIDENCE, CandidateSet, LesionMargin, candidate_costs, choose
from clearlung.staging.problem_parts import SpecimenPart, specimen_set

_SHARED = (
    "The specimens were chosen from candidates without their voxels: tissue that two of them share is counted"
    " in each."
)
_UNPROVEN = "The choice of specimens is not proven: one that costs up to {:.1%} less may exist."


def choose_parts(
    parts: Sequence[SpecimenPart], without: Collection[int], book: EvidenceBook
) -> tuple[tuple[SpecimenPart, ...], tuple[str, ...], tuple[str, ...]]:
    """Choose candidates that hold every lesion exactly once, at the least cost.

    Parameters
    ----------
    parts
        The candidates.
    without
        Lesions that stay: of the candidates that hold them, only whole segments and lobes are used.
    book
        The evidence, for what minutes and short margins cost.

    Returns
    -------
    tuple
        The chosen ones, each with its number among the candidates as ``candidate``, without the lesions that
        stay; the ids of evidence that the choice rests on; warnings for the plan's reader.
    """
    candidates = _candidates(parts)
    choice = choose(candidates, candidate_costs(candidates, book), without)
    chosen = []
    for number, row in enumerate(choice.rows.tolist(), start=1):
        part = parts[row]
        lesions = tuple(i for i in part.lesions if i not in without)
        chosen.append(part.model_copy(update={"id": number, "candidate": part.id, "lesions": lesions}))
    warnings = [_SHARED] if chosen else []
    if not choice.proven:
        warnings.append(_UNPROVEN.format(choice.gap))
    return tuple(chosen), CHOICE_EVIDENCE, tuple(warnings)


def _candidates(parts: Sequence[SpecimenPart]) -> CandidateSet:
    """Return the candidates as a table; no voxels, no cuts."""
    # A lesion may be in several: the table of chosen specimens, which forbids that, takes the columns only.
    table = specimen_set([p.model_copy(update={"lesions": ()}) for p in parts], {}, ())
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
    )


def _margins(part: SpecimenPart) -> tuple[LesionMargin, ...]:
    """Return each lesion's margin; where only the least is known, it counts for one lesion."""
    given = {m.lesion: (m.planned_mm, m.margin_mm) for m in part.margins}
    if not given:
        given = {part.lesions[0]: (part.margin_mm, part.margin_least_mm)}
    found = []
    for lesion in part.lesions:
        planned, margin = given.get(lesion, (part.margin_mm, None))
        known = math.nan if margin is None else margin
        found.append(LesionMargin(lesion, planned, known, math.nan, math.nan, math.nan, math.nan))
    return tuple(found)
