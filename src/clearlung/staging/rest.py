"""The problem that is left of a plan after what was done of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from clearlung.anatomy import LOBE_SIDES
from clearlung.errors import CaseConflict
from clearlung.followup import LesionTable
from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.resection import SpecimenSet, excise
from clearlung.staging.done import (
    Done,
    FoundLesion,
    earlier_sessions,
    removed_lesions,
    targets_reached,
    week_of,
)
from clearlung.staging.kept import assignments_left
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol
from clearlung.staging.today import function_today
from clearlung.staging.unseen import FoundPart, PerfusedPart, Unseen


def rest_problem(problem: StagingProblem, plan: Plan, done: Done) -> StagingProblem:
    """Return the problem that is left, week 0 being today.

    A specimen of which some lesions are removed keeps its tissue and minutes for the others; new lesions get
    the specimens that a list without a scan gets. Function goes on where the done operations have brought
    it, or from what was measured.

    Parameters
    ----------
    problem, plan
        What was planned.
    done
        What was done.

    Raises
    ------
    CaseConflict
        As for :func:`removed_lesions`, or if a new lesion has a number that is taken.
    """
    out, earlier = removed_lesions(plan, done) | set(done.gone), earlier_sessions(plan, done)
    taken = {lesion.id for lesion in done.new} & set(problem.lesions.id.tolist())
    if taken:
        raise CaseConflict(f"new lesions have numbers that are taken: {sorted(taken)}")
    book = problem.protocol.book()
    new, specimens = _nodules(done.new), _without(problem.specimens, out)
    if done.new:
        fresh = excise(new, None, problem.protocol.resection.techniques, book)
        specimens = _together(specimens, fresh)
    assignments, unkept = assignments_left(problem, earlier, out)
    problem = replace(
        problem,
        specimens=specimens,
        lesions=_lesions(problem, new, out),
        operated=problem.operated.union(*(past.sides for past in earlier)),
        assignments=assignments,
        warnings=(*problem.cautions, *unkept),
        protocol=_from_today(problem.protocol, done.today_week),
        unseen=_still_unseen(problem, plan, done),
    )
    if not done.operations and done.today_week == 0 and done.fev1_percent is None:
        return problem
    return function_today(problem, plan, done)


def _still_unseen(problem: StagingProblem, plan: Plan, done: Done) -> Unseen | None:
    """Return what is known of unseen metastases once the hand and perfusions have done what they could."""
    if problem.basis is None:
        return None
    unseen = problem.basis.unseen
    start = unseen.weeks_since_ct
    planned = {operation.number: operation for operation in plan.operations}
    found, perfused = [*unseen.found], [*unseen.perfused]
    for one in sorted(done.operations, key=lambda one: week_of(planned[one.number], one)):
        operation = planned[one.number]
        week = start + week_of(operation, one)
        if one.found_by_lobe is not None:
            found.append(FoundPart(week=week, found=one.found_by_lobe))
        for side, target in targets_reached(operation, one).items():
            perfused.append(PerfusedPart(week=week, side=side, target=None if target == side else target))
    return unseen.model_copy(
        update={
            "found": tuple(found),
            "perfused": tuple(perfused),
            "weeks_since_ct": start + done.today_week,
        }
    )


def _from_today(protocol: Protocol, week: int) -> Protocol:
    """Return the protocol with its weeks counted from today."""
    total = protocol.weeks.total_max
    ranges = [(first - week, last - week) for first, last in protocol.weeks.blocked]
    moved = {
        "total_max": None if total is None else max(0, total - week),
        "blocked": tuple((max(1, first), last) for first, last in ranges if last >= 1),
    }
    return protocol.model_copy(update={"weeks": protocol.weeks.model_copy(update=moved)})


def _without(specimens: SpecimenSet, out: frozenset[int] | set[int]) -> SpecimenSet:
    left = [tuple(lesion for lesion in group if lesion not in out) for group in specimens.lesions]
    rows = np.array([row for row, group in enumerate(left) if group], dtype=np.intp)
    stuck = {lesion: why for lesion, why in specimens.unresectable.items() if lesion not in out}
    return replace(specimens.take(rows), lesions=tuple(left[row] for row in rows), unresectable=stuck)


def _together(known: SpecimenSet, fresh: SpecimenSet) -> SpecimenSet:
    """Return two sets as one; the second is numbered on."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(known, name), getattr(fresh, name)])
        for name in (f.name for f in fields(SpecimenSet))
        if name not in ("id", "lesions", "unresectable", "evidence", "forced")
    }
    start = int(known.id.max(initial=0))
    return SpecimenSet(
        **columns,
        id=np.r_[known.id, start + np.arange(1, len(fresh) + 1)].astype(np.int32),
        lesions=(*known.lesions, *fresh.lesions),
        unresectable=known.unresectable | fresh.unresectable,
        evidence=tuple(dict.fromkeys((*known.evidence, *fresh.evidence))),
        forced=known.forced | fresh.forced,
    )


def _lesions(problem: StagingProblem, new: NoduleTable, out: frozenset[int] | set[int]) -> LesionTable:
    table = problem.lesions
    stay = ~np.isin(table.id, list(out))
    columns = {
        name: np.concatenate([getattr(table, name)[stay], getattr(new, name)])
        for name in ("id", "side", "lobe", "diameter_mm", "depth_mm", "vdt_days", "hilum_mm")
    }
    return LesionTable(**columns)


def _nodules(new: Sequence[FoundLesion]) -> NoduleTable:
    count, diameter = len(new), np.array([lesion.diameter_mm for lesion in new], dtype=np.float64)
    nan = np.full(count, np.nan)
    return NoduleTable(
        id=np.array([lesion.id for lesion in new], dtype=np.int32),
        x_mm=nan,
        y_mm=nan,
        z_mm=nan,
        side=np.array([LOBE_SIDES[lesion.lobe] for lesion in new], dtype=np.str_),
        lobe=np.array([lesion.lobe for lesion in new], dtype=np.str_),
        lobe_confidence=np.ones(count),
        diameter_mm=diameter,
        volume_mm3=sphere_volume_mm3(diameter),
        depth_mm=np.array([lesion.depth_mm for lesion in new], dtype=np.float64),
        probability=np.ones(count),
        mean_hu=nan,
        max_hu=nan,
        calcified=np.zeros(count, dtype=bool),
        vdt_days=nan,
    )
