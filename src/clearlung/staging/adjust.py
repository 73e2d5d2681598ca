"""The protocol's limits one by one: how each is changed, which way it gives, and how far."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from clearlung.staging.problem import StagingProblem


@dataclass(frozen=True)
class AdjustableLimit:
    """One limit of a protocol that can be loosened.

    Parameters
    ----------
    name
        Dotted name in the protocol, e.g. ``"per_operation.nodules_max"``.
    title
        In words.
    unit
        Of its value.
    step
        One unit of it: the resolution of smallest changes, and what a gain is told for.
    up
        Whether more of it allows more; otherwise less does.
    free
        From a problem to the value at which the limit excludes nothing that any larger change would allow.
    """

    name: str
    title: str
    unit: str
    step: float
    up: bool
    free: Callable[[StagingProblem], float]

    def value(self, problem: StagingProblem) -> float | None:
        """Return its value in a problem; None where the protocol sets none."""
        part, key = self.name.split(".")
        value = getattr(getattr(problem.protocol, part), key)
        return None if value is None else float(value)

    def steps_to_free(self, problem: StagingProblem) -> int:
        """Return how many whole steps loosen it fully; 0 where it is not set or cannot give."""
        value = self.value(problem)
        if value is None:
            return 0
        distance = (self.free(problem) - value) * (1 if self.up else -1)
        return max(0, math.ceil(distance / self.step - 1e-9))

    def after_steps(self, problem: StagingProblem, steps: int) -> float | None:
        """Return its value after so many steps looser, at most fully."""
        value = self.value(problem)
        if value is None or steps == 0:
            return value
        free = self.free(problem)
        if self.up:
            return max(value, min(free, round(value + steps * self.step, 6)))
        return min(value, max(free, round(value - steps * self.step, 6)))

    def loosened(self, problem: StagingProblem, steps: int) -> StagingProblem:
        """Return the problem with it so many steps looser, at most fully."""
        value = self.after_steps(problem, steps)
        return problem if value is None else self._set(problem, value)

    def freed(self, problem: StagingProblem) -> StagingProblem:
        """Return the problem with it fully loosened."""
        return self.loosened(problem, self.steps_to_free(problem))

    def _set(self, problem: StagingProblem, value: float) -> StagingProblem:
        part_name, key = self.name.split(".")
        part = getattr(problem.protocol, part_name)
        whole = isinstance(getattr(part, key), int)
        number: float | int = round(value) if whole else value
        protocol = problem.protocol.model_copy(update={part_name: part.model_copy(update={key: number})})
        function = problem.function
        if self.name == "function.confidence":
            function = replace(function, confidence=number)
        return replace(problem, protocol=protocol, function=function)


LIMITS: dict[str, AdjustableLimit] = {}
"""Every limit that can be loosened by name, in the order in which they are tried."""


def register_limit(limit: AdjustableLimit) -> AdjustableLimit:
    """Add a limit to those that explanations try.

    Raises
    ------
    ValueError
        If there is one of that name.
    """
    if limit.name in LIMITS:
        raise ValueError(f"there is a limit {limit.name} already")
    LIMITS[limit.name] = limit
    return limit


def _lesions(problem: StagingProblem) -> float:
    return float(problem.specimens.counts.sum())


def _minutes(problem: StagingProblem) -> float:
    """Return the minutes of everything in one operation."""
    theatre = problem.access_minutes + problem.reentry_minutes + problem.perfusion_minutes
    return math.ceil(theatre + float(problem.specimens.minutes.sum())) + 1.0


def _ml(problem: StagingProblem) -> float:
    return math.ceil(float(problem.specimens.volume_ml.sum())) + 1.0


def _latest(problem: StagingProblem) -> float:
    """Return a week after which no plan ends: one specimen at a time, each after all intervals."""
    rules = problem.protocol.weeks
    gap = rules.other_side_min + rules.same_side_min + rules.after_perfusion_min
    return float(max(_YEARS_END, gap * len(problem.specimens)))


# Ten years in weeks: early losses have recovered long before.
_YEARS_END = 520

for _limit in (
    AdjustableLimit("per_operation.nodules_max", "metastases per operation", "1", 1, up=True, free=_lesions),
    AdjustableLimit(
        "per_operation.nodules_per_lobe_max", "metastases per lobe and operation", "1", 1, True, _lesions
    ),
    AdjustableLimit("per_operation.minutes_max", "minutes in theatre", "min", 1, True, _minutes),
    AdjustableLimit("per_operation.removed_ml_max", "tissue per operation", "ml", 1, True, _ml),
    AdjustableLimit("weeks.other_side_min", "weeks until the other side", "week", 1, False, lambda _: 0),
    AdjustableLimit("weeks.same_side_min", "weeks until the same side", "week", 1, False, lambda _: 1),
    AdjustableLimit("weeks.after_perfusion_min", "weeks after a perfusion", "week", 1, False, lambda _: 1),
    AdjustableLimit("weeks.total_max", "week of the last operation", "week", 1, True, _latest),
    AdjustableLimit("function.ppo_fev1_percent_min", "FEV1 after recovery", "%", 0.1, False, lambda _: 0),
    AdjustableLimit(
        "function.fev1_after_percent_min", "FEV1 right after an operation", "%", 0.1, False, lambda _: 0
    ),
    # At a confidence of one half the bound is the expected value less the bias of the prediction.
    AdjustableLimit(
        "function.confidence", "confidence of the limits on FEV1", "1", 0.01, False, lambda _: 0.5
    ),
    AdjustableLimit("perfusion.per_lung_max", "perfusions of each lung", "1", 1, False, lambda _: 0),
):
    register_limit(_limit)
