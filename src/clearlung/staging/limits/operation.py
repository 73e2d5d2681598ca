"""Limits of a single operation."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from clearlung.anatomy import SIDES
from clearlung.staging.limits.base import (
    Floats,
    Limit,
    Reached,
    all_lesions,
    all_ml,
    largest,
    lobe_ml,
    most,
    register,
)
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem

if TYPE_CHECKING:
    from clearlung.staging.stress.simulate import Course


@register
class Nodules(Limit):
    """Metastases that one operation removes."""

    field = "per_operation.nodules_max"
    words = "metastases per operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation with the most."""
        return most(plan, lambda o: float(len(o.lesions)))

    def free(self, problem: StagingProblem) -> float:
        """Return the number of all of them."""
        return all_lesions(problem)

    def load(self, course: Course) -> Floats:
        """Return those seen and those that the hand finds."""
        return course.nodules


@register
class NodulesPerLobe(Limit):
    """Metastases that one operation removes from one lobe."""

    field = "per_operation.nodules_per_lobe_max"
    words = "metastases per lobe and operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lobe of an operation with the most."""
        counts: Counter[str] = Counter()
        for operation in plan.operations:
            for specimen in operation.specimens:
                counts[f"operation\u00a0{operation.number}, {specimen.lobe}"] += len(specimen.lesions)
        return largest(counts)

    def free(self, problem: StagingProblem) -> float:
        """Return the number of all metastases."""
        return all_lesions(problem)

    def load(self, course: Course) -> Floats:
        """Return those of the lobe with the most."""
        return course.lobe_nodules


@register
class Minutes(Limit):
    """Minutes in theatre of one operation."""

    field = "per_operation.minutes_max"
    words = "minutes in theatre"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the longest operation."""
        return most(plan, lambda o: o.minutes)

    def free(self, problem: StagingProblem) -> float:
        """Return the minutes of everything in one operation, on both sides."""
        access = max(problem.access_minutes, problem.access_minutes_both)
        theatre = access + len(SIDES) * problem.reentry_minutes + problem.perfusion_minutes
        return math.ceil(theatre + float(problem.specimens.minutes.sum())) + 1.0

    def load(self, course: Course) -> Floats:
        """Return the minutes of each operation."""
        return course.minutes


@register
class Removed(Limit):
    """Tissue that one operation removes."""

    field = "per_operation.removed_ml_max"
    words = "tissue per operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that takes the most."""
        return most(plan, lambda o: sum(s.volume_ml for s in o.specimens))

    def free(self, problem: StagingProblem) -> float:
        """Return the tissue of everything."""
        return all_ml(problem)

    def load(self, course: Course) -> Floats:
        """Return the tissue of each operation, with what grew and was found."""
        return course.removed_ml


@register
class RemovedPerLobe(Limit):
    """Tissue that one operation removes from one lobe."""

    field = "per_operation.removed_ml_per_lobe_max"
    words = "tissue per lobe and operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lobe of an operation that gives the most."""
        amounts: defaultdict[str, float] = defaultdict(float)
        for operation in plan.operations:
            for specimen in operation.specimens:
                for lobe, ml in lobe_ml(specimen).items():
                    amounts[f"operation\u00a0{operation.number}, {lobe}"] += ml
        return largest(amounts)

    def free(self, problem: StagingProblem) -> float:
        """Return the tissue of everything."""
        return all_ml(problem)

    def load(self, course: Course) -> Floats:
        """Return the tissue of the lobe that gives the most."""
        return np.asarray(course.lobe_ml.max(axis=1))


@register
class Sides(Limit):
    """Lungs that one operation opens."""

    field = "per_operation.sides_max"
    words = "sides per operation"

    def reached(self, plan: Plan) -> Reached | None:
        """Return the operation that opens the most."""
        return most(plan, lambda o: float(len(SIDES)) if o.side == "both" else 1.0)

    def free(self, problem: StagingProblem) -> float:
        """Return both."""
        return float(len(SIDES))
