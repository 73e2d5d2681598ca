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
from clearlung.staging import Plan, StagingProblem, maxima_of, targets_of

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
    operation: int | None = None,
    week: int | None = None,
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
    operation, week
        Of the plan.
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
        operation=operation,
        week=week,
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
            found.append(_placed(known[target], operation.number, operation.week))
    return tuple(found)


def _placed(sheet: PerfusionSheet, operation: int, week: int) -> PerfusionSheet:
    doubts = (f"{doubt[:1].upper()}{doubt[1:]}." for doubt in sheet.course.doubts)
    words = (*sheet.lungs.notes, *sheet.regimen.notes, *doubts)
    words = (*words, *sheet.harm.edema.words[1:], *sheet.harm.death.words[1:])
    return replace(sheet, operation=operation, week=week, warnings=tuple(dict.fromkeys(words)))


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
