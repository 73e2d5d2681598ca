"""`under`: the same patient and specimens, planned under another protocol."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from clearlung.evidence import EvidenceBook
from clearlung.perfusion import Regimen, make_regimen
from clearlung.resection import FunctionModel
from clearlung.staging.maxima import allowed
from clearlung.staging.problem import (
    ACCESS_EVIDENCE,
    PERFUSION_EVIDENCE,
    REENTRY_EVIDENCE,
    StagingProblem,
)
from clearlung.staging.protocol import Protocol

_MINUTES = {
    "access_minutes": ACCESS_EVIDENCE,
    "perfusion_minutes": PERFUSION_EVIDENCE,
    "reentry_minutes": REENTRY_EVIDENCE,
}


def under(
    problem: StagingProblem, protocol: Protocol, *, body_surface_m2: float | None = None
) -> StagingProblem:
    """Return a problem under another protocol, with the same specimens.

    What the problem took from its own protocol's evidence (minutes, the constants of lung function, its
    confidence) it takes from the other's; what it had set otherwise stays.

    Parameters
    ----------
    problem
        The problem.
    protocol
        The other limits.
    body_surface_m2
        For a regimen that is dosed by it, where it is not the problem's own.

    Raises
    ------
    CaseError
        If the protocol's regimen is dosed by body surface and none is given.
    ProtocolError
        If the protocol names a regimen or an assumption that does not exist.

    Examples
    --------
    >>> from clearlung.staging import load_protocol, parse_problem
    >>> made = parse_problem(
    ...     '{"format": "clearlung-problem/1", "lesions": [], "specimens": [], "protocol": "high-volume",'
    ...     ' "fev1": {"baseline_percent": 90, "lung_ml": 5000}}'
    ... )
    >>> under(made, load_protocol("conservative")).regimen is None
    True
    """
    if protocol == problem.protocol:
        return problem
    before, after = problem.protocol.book(), protocol.book()
    confidence = problem.protocol.function.confidence, protocol.function.confidence

    def moved(model: FunctionModel) -> FunctionModel:
        return _moved(model, before, after, confidence)

    patient = problem.patient
    if patient is not None:
        lungs = replace(patient.lungs, fev1=moved(patient.lungs.fev1), dlco=moved(patient.lungs.dlco))
        patient = replace(patient, lungs=lungs)
    minutes: dict[str, Any] = {
        name: after.value(key, unit="min")
        for name, key in _MINUTES.items()
        if getattr(problem, name) == before.value(key, unit="min")
    }
    cut = set(problem.specimens.technique.tolist())
    warnings = problem.warnings
    if cut - set(protocol.resection.techniques) or problem.protocol.assumptions != protocol.assumptions:
        warnings += (
            f"The specimens are those that {problem.protocol.name} plans: techniques, margins and minutes"
            f" of {protocol.name} may differ.",
        )
    return replace(
        problem,
        protocol=protocol,
        function=moved(problem.function),
        patient=patient,
        regimen=_regimen(problem, protocol, after, body_surface_m2),
        warnings=warnings,
        **minutes,
    )


def _moved(
    model: FunctionModel, before: EvidenceBook, after: EvidenceBook, confidence: tuple[float, float]
) -> FunctionModel:
    """Return a model of lung function with what it had from one book taken from the other."""
    old, new = (
        FunctionModel.from_evidence(
            book,
            model.measure,
            percent=model.baseline_percent,
            predicted=model.predicted,
            lung_ml=model.lung_ml,
            confidence=level,
        )
        for book, level in zip((before, after), confidence, strict=True)
    )
    changed = {
        f.name: getattr(new, f.name)
        for f in fields(FunctionModel)
        if f.name != "unrecovered" and getattr(model, f.name) == getattr(old, f.name)
    }
    return replace(model, **changed)


def _regimen(
    problem: StagingProblem, protocol: Protocol, book: EvidenceBook, body_surface_m2: float | None
) -> Regimen | None:
    name = protocol.perfusion.regimen
    if name == "none" or protocol.perfusion.per_lung_max == 0:
        return None
    if problem.regimen is not None and problem.regimen.name == name:
        return problem.regimen
    regimen = make_regimen(name, book, body_surface_m2=body_surface_m2)
    return allowed(regimen, protocol, book, body_surface_m2=body_surface_m2)
