"""The pages that a perfusionist gets: of one perfusion, and of every perfusion of a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearlung.errors import CaseError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import (
    TARGETS,
    Course,
    Interval,
    LungVolumes,
    Maxima,
    PerfusionHarm,
    Regimen,
    aimed_at,
    perfuse,
    perfusion_harm,
    reference_lungs,
    sterilized,
    tumor_exposure,
)
from clearlung.perfusion_jobs import Perfusion
from clearlung.report import PerfusionSheet, SizeEffect
from clearlung.staging import Plan, StagingProblem, UnseenPerfused, maxima_of, targets_of, unseen_perfused

SIZES_MM = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Metastases whose chance to be sterilized stands on a sheet."""

DRAWS = 2000
"""Imagined patients over which what is uncertain is spread."""


def perfusion_sheet(
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    maxima: Maxima,
    *,
    course: Course | None = None,
    harm: PerfusionHarm | None = None,
    body_surface_m2: float | None = None,
    warnings: tuple[str, ...] = (),
    unseen: UnseenPerfused | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> PerfusionSheet:
    """Return what the sheet of one perfusion is written from.

    Parameters
    ----------
    regimen, lungs, book
        The perfusion, the patient's lungs or published ones, and the evidence.
    maxima
        What it must not exceed.
    course, harm
        Where they are known already.
    body_surface_m2
        The patient's; needed by drugs whose risk goes by it.
    warnings
        What its reader must know.
    unseen
        What the CT does not show in what is perfused.
    draws, seed
        Imagined patients: how many, and which.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`clearlung.perfusion.perfusion_harm` and :func:`clearlung.perfusion.perfuse`.
    """
    course = course or perfuse(regimen, lungs, book, draws=draws, seed=seed)
    harm = harm or perfusion_harm(
        regimen, lungs, book, body_surface_m2=body_surface_m2, draws=draws, seed=seed
    )
    return PerfusionSheet(
        regimen=regimen,
        target=TARGETS[regimen.target],
        lungs=lungs,
        course=course,
        effects=tuple(_effect(size, course, lungs, book, draws=draws, seed=seed) for size in SIZES_MM),
        harm=harm,
        maxima=maxima,
        book=book,
        warnings=warnings,
        unseen=unseen,
    )


def sheet_of_perfusion(made: Perfusion) -> PerfusionSheet:
    """Return what the sheet of a perfusion that was worked out by itself is written from.

    Parameters
    ----------
    made
        What :func:`clearlung.perfusion_jobs.make_perfusion` returned.
    """
    return perfusion_sheet(
        made.regimen,
        made.patient.lungs,
        made.book,
        made.maxima,
        course=made.course,
        harm=made.harm,
        warnings=made.warnings,
        unseen=made.unseen,
        draws=made.draws,
        seed=made.seed,
    )


def sheets_of_plan(problem: StagingProblem, plan: Plan) -> tuple[PerfusionSheet, ...]:
    """Return the sheets of a plan's perfusions, one for each lung that an operation perfuses.

    Parameters
    ----------
    problem, plan
        The problem that the plan solves, and the plan.

    Returns
    -------
    tuple
        In the order of the operations; none where the drug's risk goes by a body surface that is not known.
    """
    book = problem.protocol.book()
    unseen = problem.unseen
    lungs = reference_lungs(book) if unseen is None else unseen.volumes(book)
    surface = None if unseen is None else unseen.body_surface_m2
    found: list[PerfusionSheet] = []
    known: dict[str, PerfusionSheet] = {}
    weeks: dict[str, list[int]] = {}
    for operation in plan.operations:
        if operation.perfusion is None:
            continue
        for target in targets_of([operation]).values():
            regimen = aimed_at(operation.perfusion, target)
            if target not in known:
                try:
                    known[target] = perfusion_sheet(
                        regimen,
                        lungs,
                        book,
                        maxima_of(problem.protocol, regimen, book),
                        body_surface_m2=surface,
                        seed=problem.seed,
                    )
                except CaseError:
                    return ()
            earlier = weeks.setdefault(target, [])
            counted = _unseen(problem, known[target], operation.week, earlier)
            earlier.append(operation.week)
            found.append(_placed(known[target], operation.number, operation.week, counted))
    return tuple(found)


def _unseen(
    problem: StagingProblem, sheet: PerfusionSheet, week: int, earlier: list[int]
) -> UnseenPerfused | None:
    """Return what is unseen around one of a plan's perfusions, after those of the lung that came before."""
    burden, benefit = problem.burden, problem.benefit
    if burden is None or benefit is None:
        return None
    return unseen_perfused(
        burden, benefit.lobes, sheet.course, sheet.lungs, sheet.book, week=week, earlier=earlier
    )


def _placed(
    sheet: PerfusionSheet, operation: int, week: int, unseen: UnseenPerfused | None
) -> PerfusionSheet:
    doubts = (f"{doubt[:1].upper()}{doubt[1:]}." for doubt in sheet.course.doubts)
    words = (*sheet.lungs.notes, *sheet.regimen.notes, *doubts)
    words = (*words, *sheet.harm.edema.words[1:], *sheet.harm.death.words[1:])
    return replace(sheet, operation=operation, week=week, unseen=unseen, warnings=tuple(dict.fromkeys(words)))


def _effect(
    size_mm: float, course: Course, lungs: LungVolumes, book: EvidenceBook, *, draws: int, seed: int
) -> SizeEffect:
    regimen = course.regimen
    exposure = tumor_exposure(course, lungs, book, diameter_mm=size_mm, draws=draws, seed=seed)
    chance = sterilized(
        np.array([size_mm]),
        exposure,
        book,
        drug=regimen.drug,
        temperature_c=regimen.temperature_c,
        seed=seed,
    )[:, 0]
    return SizeEffect(size_mm, Interval.of(chance), float(chance.mean()))
