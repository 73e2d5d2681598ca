"""The job of ``clearlung perfuse``: from lungs and a regimen to dose, course, effect and harm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.casefile import Case
from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import (
    EFFECT_EVIDENCE,
    TARGETS,
    Course,
    Maxima,
    PerfusionHarm,
    Regimen,
    RegimenChanges,
    Target,
    WhatMatters,
    find_stops,
    find_target,
    make_regimen,
    perfuse,
    perfusion_harm,
    published_maxima,
    refuse,
    sterilized,
    tumor_exposure,
    volume_ml,
    what_matters,
)
from clearlung.perfusion_lungs import PatientLungs, ScanOptions, find_lungs
from clearlung.progress import Stopwatch
from clearlung.staging import Basis, Estimates, Protocol, UnseenPerfused, maxima_of, unseen_perfused

PERFUSE_PHASES = ("scan", "anatomy", "nodules", "perfusion", "files")
"""The phases of :func:`make_perfusion` and of writing its result, in order."""

# Enough to order assumptions by how far they move what is expected, and each takes two courses.
_MATTERS_DRAWS = 500
DRAWS = 2000
"""Imagined patients over which what is uncertain is spread."""


@dataclass(frozen=True)
class PerfusionRequest:
    """What to perfuse, and how.

    Parameters
    ----------
    protocol
        For its regimen, its evidence and its limits.
    keep_limits
        Whether the protocol's limits hold; otherwise those of the center whose regimen it is.
    regimen
        A registered regimen; None for the protocol's own.
    target, side
        What is perfused: either is enough.
    source
        A scan, an earlier result or a list; None for published mean lungs.
    scan
        How a scan is read.
    case
        What is known of the patient besides.
    changes
        What is to be other than the regimen says.
    seed, draws
        Of everything that is uncertain.
    """

    protocol: Protocol
    keep_limits: bool = True
    regimen: str | None = None
    target: str | None = None
    side: str | None = None
    source: Path | None = None
    scan: ScanOptions = field(default_factory=ScanOptions)
    case: Case = field(default_factory=Case)
    changes: RegimenChanges = field(default_factory=RegimenChanges)
    seed: int = 0
    draws: int = DRAWS


@dataclass(frozen=True, eq=False)
class Effect:
    """What metastases of some sizes are exposed to and what that does; rows are imagined patients.

    Parameters
    ----------
    diameters_mm
        Shape (sizes,).
    exposure_mg_min_per_l
        Shape (draws, sizes).
    sterilized
        Chance that no cell is left that can regrow the metastasis, 0 to 1, shape (draws, sizes).
    """

    diameters_mm: NDArray[np.float64]
    exposure_mg_min_per_l: NDArray[np.float64]
    sterilized: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Perfusion:
    """One perfusion with all that is known of it.

    Parameters
    ----------
    regimen, target
        What is given, and to what.
    patient
        The lungs and what lies in them.
    course
        Of the drug, over time.
    effect
        On metastases by size.
    harm
        Edema, death, lung function.
    maxima
        What it does not exceed.
    matters
        Which assumptions decide most whether it sterilizes a metastasis.
    unseen
        Metastases that the CT does not show in what is perfused; None where no nodule is known.
    protocol, book
        Name of the protocol whose limits it keeps to, None for the regimen's own center's; the evidence.
    seed, draws
        Of everything that is uncertain.
    warnings, evidence
        What a reader must know, and ids of the entries that it rests on.
    """

    regimen: Regimen
    target: Target
    patient: PatientLungs
    course: Course
    effect: Effect
    harm: PerfusionHarm
    maxima: Maxima
    matters: WhatMatters
    unseen: UnseenPerfused | None
    protocol: str | None
    book: EvidenceBook
    seed: int
    draws: int
    warnings: tuple[str, ...]
    evidence: tuple[str, ...]


def make_perfusion(request: PerfusionRequest, watch: Stopwatch | None = None) -> Perfusion:
    """Work out one perfusion: dose, course, effect and harm.

    Parameters
    ----------
    request
        What to perfuse, and how.
    watch
        Times the phases and shows them; silent by default.

    Raises
    ------
    PerfusionError, ProtocolError, CaseError
        If the target, the regimen or a change is impossible, or the dose needs what is not known.
    PerfusionRefused
        If dose or temperature lie above what the protocol allows.
    ScanRejected, AnatomyError, NoduleListError, OutputError, ProblemError, ReviewError
        If the source cannot be worked on.
    """
    watch = watch or Stopwatch()
    protocol, book = request.protocol, request.protocol.book()
    name, target = _regimen_name(request), find_target(request.target, request.side)
    surface_m2 = request.case.patient.body_surface_m2
    changes = _changes(request, target)
    # What is wrong with the request is told before minutes of anatomy; a dose by volume needs the lungs.
    before = make_regimen(name, book, target=target.name, body_surface_m2=surface_m2, changes=changes)
    if not before.hypothesis:
        _maxima(before, request, None)
    patient = find_lungs(request.source, protocol, request.scan, watch)
    with watch.phase("perfusion"):
        regimen = make_regimen(
            name,
            book,
            target=target.name,
            body_surface_m2=surface_m2,
            lungs=patient.lungs,
            changes=changes,
        )
        maxima = _maxima(regimen, request, patient)
        draws, seed = request.draws, request.seed
        course = perfuse(regimen, patient.lungs, book, draws=draws, seed=seed)
        harm = perfusion_harm(
            regimen, patient.lungs, book, body_surface_m2=surface_m2, draws=draws, seed=seed
        )
        effect = _effect(course, patient, book, request)
        unseen, rests_on = _unseen(course, patient, request)
    evidence = (*course.evidence, *harm.evidence, *EFFECT_EVIDENCE, *target.evidence, *rests_on)
    return Perfusion(
        regimen=regimen,
        target=target,
        patient=patient,
        course=course,
        effect=effect,
        harm=harm,
        maxima=maxima,
        matters=what_matters(regimen, patient.lungs, book, draws=_MATTERS_DRAWS, seed=seed),
        unseen=unseen,
        protocol=protocol.name if request.keep_limits else None,
        book=book,
        seed=seed,
        draws=draws,
        warnings=_warnings(regimen, patient, course, harm),
        evidence=tuple(dict.fromkeys(evidence)),
    )


def _changes(request: PerfusionRequest, target: Target) -> RegimenChanges:
    """Return what is to be other than the regimen says, with the protocol's dose for lobes if it has one."""
    asked, own = request.changes, request.protocol.perfusion.lobes_dose == "lung_share"
    if not (own and request.keep_limits) or target.whole_lung or asked.dose_mg or asked.dose_mode:
        return asked
    return asked.model_copy(update={"dose_mode": "lung_share"})


def _regimen_name(request: PerfusionRequest) -> str:
    name = request.regimen or request.protocol.perfusion.regimen
    if name == "none":
        raise PerfusionError(
            "regimen", f"the protocol {request.protocol.name} has none of its own: name one with --regimen"
        )
    return name


def _maxima(regimen: Regimen, request: PerfusionRequest, patient: PatientLungs | None) -> Maxima:
    """Return what the perfusion must not exceed, once it is certain that it does not.

    Without the patient's lungs what goes by their volume is not judged.
    """
    protocol, book = request.protocol, request.protocol.book()
    maxima = maxima_of(protocol, regimen, book) if request.keep_limits else published_maxima(regimen, book)
    perfused_ml = None if patient is None else volume_ml(patient.lungs.of(TARGETS[regimen.target]))
    surface_m2 = request.case.patient.body_surface_m2
    refuse(find_stops(regimen, maxima, book, perfused_ml=perfused_ml, body_surface_m2=surface_m2))
    return maxima


def _effect(course: Course, patient: PatientLungs, book: EvidenceBook, request: PerfusionRequest) -> Effect:
    sizes, regimen = course.nodule_diameters_mm, course.regimen
    exposures, chances = [], []
    for size in sizes.tolist():
        exposure = tumor_exposure(
            course, patient.lungs, book, diameter_mm=size, draws=request.draws, seed=request.seed
        )
        exposures.append(exposure)
        chances.append(
            sterilized(
                np.array([size]),
                exposure,
                book,
                drug=regimen.drug,
                temperature_c=regimen.temperature_c,
                seed=request.seed,
            )[:, 0]
        )
    return Effect(sizes, np.stack(exposures, axis=1), np.stack(chances, axis=1))


def _unseen(
    course: Course, patient: PatientLungs, request: PerfusionRequest
) -> tuple[UnseenPerfused | None, tuple[str, ...]]:
    """Return what is unseen in what is perfused, and the entries that rests on.

    Perfusions that were done before are taken for this regimen.
    """
    if patient.unseen is None:
        return None, ()
    surface_m2 = request.case.patient.body_surface_m2 or patient.unseen.body_surface_m2
    basis = Basis(
        patient.unseen.model_copy(update={"body_surface_m2": surface_m2}),
        request.protocol.assumptions,
        request.seed,
        course.regimen if patient.unseen.perfused else None,
        tuple(sorted({one.reached for one in patient.unseen.perfused})),
    )
    known = Estimates()
    burden, benefit = known.burden(basis), known.benefit(basis)
    unseen = unseen_perfused(burden, benefit.lobes, course, patient.lungs, basis.book)
    return unseen, burden.evidence


def _warnings(
    regimen: Regimen, patient: PatientLungs, course: Course, harm: PerfusionHarm
) -> tuple[str, ...]:
    leak = []
    if course.leak_alarm_minute is not None:
        leak.append(
            f"With the usual leak the alarm is reached after {course.leak_alarm_minute:.0f} minutes, before"
            " the end."
        )
    words = (
        *patient.warnings,
        *patient.lungs.notes,
        *regimen.notes,
        *leak,
        *(f"{doubt[:1].upper()}{doubt[1:]}." for doubt in course.doubts),
        *harm.edema.words[1:],
        *harm.death.words[1:],
    )
    return tuple(dict.fromkeys(words))
