"""Lung function as the operations that were done have left it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearlung.anatomy import SIDES, Side
from clearlung.resection import EarlierResection, FunctionModel, PatientFunction
from clearlung.resection import Loss as ModelLoss
from clearlung.staging.done import Done, earlier_sessions, taken_in, targets_reached
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.targets import function_share

# Nobody is planned on with less than this share of the first value: the loss of operations days ago could
# come out as more than there was.
_LEAST_SHARE = 1.0 / 3.0
_ANATOMICAL = ("segmentectomy", "lobectomy")


@dataclass(frozen=True)
class Loss:
    """What one done operation took: weeks ago, ml around beds and anatomically, lung's share perfused."""

    side: Side
    weeks_ago: float
    bedded_ml: float
    anatomical_ml: float
    perfused: float


def function_today(problem: StagingProblem, plan: Plan, done: Done) -> StagingProblem:
    """Return the problem with the function that the operations have left, and have still to give back."""
    lost = _lost(problem, plan, done)
    fev1 = continued(problem.function, lost, done.today_week, measured=done.fev1_percent)
    patient = problem.patient
    if patient is not None:
        patient = _patient_today(patient, fev1, lost, done.today_week)
    note = "Lung function goes on from what the operations so far are expected to have left."
    if done.fev1_percent is not None:
        note = "FEV1 is the value measured today; what it has still to regain is computed, not measured."
    return replace(problem, function=fev1, patient=patient, warnings=(*problem.warnings, note))


def _patient_today(
    patient: PatientFunction, fev1: FunctionModel, lost: Sequence[Loss], weeks: float
) -> PatientFunction:
    """Return the patient with today's function, each lung's part in it, and the operations in the history."""
    lungs = patient.lungs
    permanent = dict.fromkeys(SIDES, 0.0)
    for one in lost:
        permanent[one.side] += _loss(lungs.fev1, one).permanent
    left = max(_LEAST_SHARE, 1.0 - sum(permanent.values()))
    right = min(1.0, max(0.0, (lungs.right_share - permanent["right"]) / left))
    return replace(
        patient,
        lungs=replace(lungs, fev1=fev1, dlco=continued(lungs.dlco, lost, weeks), right_share=right),
        earlier=(
            *patient.earlier,
            *(
                EarlierResection(
                    one.side,
                    "laser",
                    removed_ml=one.bedded_ml + one.anatomical_ml,
                    weeks_ago=one.weeks_ago,
                    perfused=one.perfused > 0,
                )
                for one in lost
            ),
        ),
    )


def _lost(problem: StagingProblem, plan: Plan, done: Done) -> list[Loss]:
    """Return what the done operations took; one on both sides counts as one on each lung."""
    found, planned = [], {operation.number: operation for operation in plan.operations}
    for one, past in zip(done.operations, earlier_sessions(plan, done), strict=True):
        taken = taken_in(plan, one)
        reached = targets_reached(planned[one.number], one)
        for side in past.sides:
            share = function_share(problem, reached[side]) if side in reached else 0.0
            own = [(s, part) for s, part in taken if s.side == side or len(past.sides) == 1]
            removed = sum(part * s.volume_ml for s, part in own)
            if not taken and one.removed_ml is not None:
                removed = one.removed_ml / len(past.sides)
            whole = min(removed, sum(s.volume_ml for s, _ in own if s.technique in _ANATOMICAL))
            found.append(Loss(side, float(-past.week), removed - whole, whole, share))
    return found


def _loss(model: FunctionModel, one: Loss) -> ModelLoss:
    return model.loss(
        one.bedded_ml + one.anatomical_ml, perfused=one.perfused, anatomical_ml=one.anatomical_ml
    )


def continued(
    model: FunctionModel, lost: Sequence[Loss], weeks: float, *, measured: float | None = None
) -> FunctionModel:
    """Return the model that goes on from today: the same course, told from another first value.

    Losses are fractions of the first value, so that with today's value in its place each part is scaled by
    the first value over today's; the volume of the lungs is what tissue is a fraction of, and is scaled the
    other way.

    Parameters
    ----------
    model
        The model of the plan.
    lost
        The operations that were done.
    weeks
        Weeks from the model's first value to today.
    measured
        Today's value, percent of predicted; the model's own expectation if left out.

    Returns
    -------
    FunctionModel
        ``percent`` and ``final_percent`` of it equal those of ``model`` with the operations done before.
    """
    losses = [(one.weeks_ago, _loss(model, one)) for one in lost]
    shares, constants = model.recovery.shares, model.recovery.weeks
    # What earlier operations had not given back when the plan began is given back since then.
    before = [part * math.exp(-weeks / tau) for part, tau in zip(model.unrecovered, constants, strict=True)]
    left = [
        part + sum(loss.early * share * math.exp(-ago / tau) for ago, loss in losses)
        for part, share, tau in zip(before, shares, constants, strict=True)
    ]
    regained = sum(model.unrecovered) - sum(before)
    early = sum(left) - sum(before)
    of_first = max(_LEAST_SHARE, 1.0 + regained - sum(loss.permanent for _, loss in losses) - early)
    today = model.baseline_percent * of_first if measured is None else measured
    scale = model.baseline_percent / today
    return replace(
        model,
        baseline_percent=today,
        lung_ml=model.lung_ml / scale,
        early_access=model.early_access * scale,
        perfusion_permanent=model.perfusion_permanent * scale,
        unrecovered=(left[0] * scale, left[1] * scale),
    )
