"""Limits of the tissue of all operations together."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES
from clearlung.staging.limits.base import Floats, Limit, Reached, all_ml, largest, lobe_ml, register
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem

if TYPE_CHECKING:
    from clearlung.staging.stress.simulate import Course


@register
class RemovedPerLung(Limit):
    """Tissue that all operations remove from one lung."""

    field = "total.removed_ml_per_lung_max"
    words = "tissue per lung in all"
    per_operation = False

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lung that gives the most."""
        amounts: defaultdict[str, float] = defaultdict(float)
        for operation in plan.operations:
            for specimen in operation.specimens:
                amounts[f"{specimen.side} lung"] += specimen.volume_ml
        return largest(amounts)

    def free(self, problem: StagingProblem) -> float:
        """Return the tissue of everything."""
        return all_ml(problem)

    def load(self, course: Course) -> Floats:
        """Return the tissue of the lung that gives the most."""
        each = course.lobe_ml.sum(axis=0)
        lungs = [each[[LOBE_SIDES[lobe] == side for lobe in LOBES]].sum(axis=0) for side in SIDES]
        return np.asarray(np.max(lungs, axis=0))[None, :]


@register
class RemovedPerLobeInAll(Limit):
    """Tissue that all operations remove from one lobe."""

    field = "total.removed_ml_per_lobe_max"
    words = "tissue per lobe in all"
    per_operation = False

    def reached(self, plan: Plan) -> Reached | None:
        """Return the lobe that gives the most."""
        amounts: defaultdict[str, float] = defaultdict(float)
        for operation in plan.operations:
            for specimen in operation.specimens:
                for lobe, ml in lobe_ml(specimen).items():
                    amounts[lobe] += ml
        return largest(amounts)

    def free(self, problem: StagingProblem) -> float:
        """Return the tissue of everything."""
        return all_ml(problem)

    def load(self, course: Course) -> Floats:
        """Return the tissue of the lobe that gives the most."""
        return np.asarray(course.lobe_ml.sum(axis=0).max(axis=0))[None, :]
