"""Limits of lung function: the lower bound at the protocol's confidence counts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from clearlung.staging.limits.base import Floats, Limit, Reached, least, register
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol

if TYPE_CHECKING:
    from clearlung.staging.stress.simulate import Course

_LOWER_BOUND = "lower bound"
# At a confidence of one half the bound is the expected value less the bias of the prediction.
_EVEN = 0.5
# All of it: more than the predicted value cannot still have to come back.
_ALL_PERCENT = 100.0


class _Floor(Limit):
    """What must be left of a measure."""

    least = True
    step = 0.1

    def free(self, problem: StagingProblem) -> float:
        """Return none."""
        return 0.0


@register
class RecoveredFev1(_Floor):
    """FEV1 after full recovery."""

    field = "function.ppo_fev1_percent_min"
    words = "FEV1 after recovery"
    per_operation = False

    def reached(self, plan: Plan) -> Reached | None:
        """Return its lower bound; without an operation, nothing is asked of it."""
        if not plan.operations:
            return None
        return Reached(plan.function.ppo_fev1_low_percent, f"after recovery, {_LOWER_BOUND}")

    def load(self, course: Course) -> Floats:
        """Return what is left in the end."""
        return course.fev1_final_percent[None, :]


@register
class Fev1After(_Floor):
    """FEV1 right after each operation."""

    field = "function.fev1_after_percent_min"
    words = "FEV1 right after an operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that leaves the least."""
        lowest = least(plan, lambda o: o.fev1_after_low_percent)
        return None if lowest is None else Reached(lowest.value, f"{lowest.where}, {_LOWER_BOUND}")

    def load(self, course: Course) -> Floats:
        """Return what each operation leaves."""
        return course.fev1_after_percent


@register
class RecoveredDlco(_Floor):
    """DLCO after full recovery."""

    field = "function.ppo_dlco_percent_min"
    words = "DLCO after recovery"
    per_operation = False

    def reached(self, plan: Plan) -> Reached | None:
        """Return its lower bound; without an operation, nothing is asked of it."""
        low = plan.function.ppo_dlco_low_percent
        if not plan.operations or low is None:
            return None
        return Reached(low, f"after recovery, {_LOWER_BOUND}")

    def load(self, course: Course) -> Floats | None:
        """Return what is left in the end, where DLCO is known."""
        return None if course.dlco is None else course.dlco.final_percent[None, :]


@register
class DlcoAfter(_Floor):
    """DLCO right after each operation."""

    field = "function.dlco_after_percent_min"
    words = "DLCO right after an operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that leaves the least."""
        known = [o.dlco_after_low_percent for o in plan.operations if o.dlco_after_low_percent is not None]
        if not known:
            return None
        low = min(known)
        number = next(o.number for o in plan.operations if o.dlco_after_low_percent == low)
        return Reached(low, f"operation\u00a0{number}, {_LOWER_BOUND}")

    def load(self, course: Course) -> Floats | None:
        """Return what each operation leaves, where DLCO is known."""
        return None if course.dlco is None else course.dlco.after_percent


@register
class Unrecovered(Limit):
    """FEV1 that is still to come back when the next operation begins, expected value."""

    field = "function.fev1_unrecovered_percent_max"
    words = "FEV1 still to come back before an operation"
    step = 0.1

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation before which the most is missing.

        What operations before the plan's first one have left is not in the plan: it counts from the second.
        """
        ordered = sorted(plan.operations, key=lambda o: (o.week, o.number))
        missing = [
            (before.fev1_recovered_percent - operation.fev1_before_percent, -operation.number)
            for before, operation in pairwise(ordered)
            if before.fev1_recovered_percent is not None
        ]
        if not missing:
            return None
        value, number = max(missing)
        return Reached(value, f"before operation\u00a0{-number}")

    def free(self, problem: StagingProblem) -> float:
        """Return all of it."""
        return _ALL_PERCENT

    def load(self, course: Course) -> Floats:
        """Return what is missing before each operation."""
        return course.fev1_unrecovered_percent


@register
class Confidence(Limit):
    """How sure the limits on FEV1 and DLCO must hold; it limits a plan through them alone."""

    field = "function.confidence"
    words = "confidence of the limits on function"
    least = True
    step = 0.01

    def bound(self, protocol: Protocol) -> float | None:
        """Return None: no value of a plan is held against it."""
        return None

    def reached(self, plan: Plan) -> Reached | None:
        """Return None, as nothing of a plan has a confidence of its own."""
        return None

    def value(self, problem: StagingProblem) -> float | None:
        """Return the confidence of the patient's bounds."""
        return problem.function.confidence

    def free(self, problem: StagingProblem) -> float:
        """Return one half: the expected value less the bias of the prediction."""
        return _EVEN

    def set_to(self, problem: StagingProblem, value: float) -> StagingProblem:
        """Return the problem with its limits as sure as that, for every measure."""
        problem = super().set_to(problem, value)
        patient = problem.patient
        if patient is not None:
            lungs = patient.lungs
            fev1, dlco = replace(lungs.fev1, confidence=value), replace(lungs.dlco, confidence=value)
            patient = replace(patient, lungs=replace(lungs, fev1=fev1, dlco=dlco))
        return replace(problem, function=replace(problem.function, confidence=value), patient=patient)
