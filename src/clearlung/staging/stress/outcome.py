"""`Rehearsal`: a plan in its scenarios, and which limits break where."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clearlung.perfusion import EDEMA_EVIDENCE, Interval
from clearlung.staging.limits import LIMITS, NOISE, Limit
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.simulate import Course, limited_dlco, simulate
from clearlung.staging.stress.spreads import Floats, Spread, spreads_of
from clearlung.staging.stress.staged import Staged
from clearlung.staging.targets import targets_on


@dataclass(frozen=True)
class StressOptions:
    """How a plan is tested.

    Parameters
    ----------
    scenarios
        How many.
    seed
        Of everything random: the same seed gives the same scenarios.
    confidence
        Share of scenarios for which reserves are stated, above 0 and below 1.
    strength
        How far every spread goes from what is planned: 1 as the evidence has it, 0 not at all.
    spreads
        What to vary, by name, in place of the evidence's spreads of those names.

    Raises
    ------
    ValueError
        If the confidence or the strength is out of range.
    """

    scenarios: int = 5000
    seed: int = 0
    confidence: float = 0.9
    strength: float = 1.0
    spreads: Mapping[str, Spread] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"a confidence lies between 0 and 1, not at {self.confidence:g}")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"a strength is 0 to 1, not {self.strength:g}")

    def draws(self, problem: StagingProblem) -> Draws:
        """Return the scenarios for a problem.

        Raises
        ------
        ValueError
            If a spread has a name that the test does not know.
        """
        known = dict(spreads_of(problem.protocol.book(), problem.function, limited_dlco(problem)))
        known["edema"] = _edema(problem, known["edema"])
        known["found_ratio"] = _found(problem, known["found_ratio"])
        given = dict(self.spreads or {})
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"no spread is called {', '.join(unknown)}; there are {', '.join(known)}")
        spreads = {name: given.get(name, spread) for name, spread in known.items()}
        return Draws(
            {name: spread.weakened(self.strength) for name, spread in spreads.items()},
            self.scenarios,
            self.seed,
        )


def _edema(problem: StagingProblem, published: Spread) -> Spread:
    """Return the chance of edema of this regimen in what it may perfuse, or the published one if unknown."""
    benefit = problem.benefit
    if benefit is None or problem.regimen is None or not problem.perfusions_per_lung:
        return published
    targets = [target for side in benefit.lungs for target in targets_on(problem, side)]
    chances = np.concatenate([100 * benefit.of(target).edema for target in targets])
    interval = Interval.of(chances)
    return replace(
        published,
        low=interval.low,
        value=interval.median,
        high=interval.high,
        evidence=(*published.evidence, *EDEMA_EVIDENCE),
        assumed=True,
    )


def _found(problem: StagingProblem, published: Spread) -> Spread:
    """Return what is unseen in this patient, of which hands feel some, or the published ratio."""
    if problem.burden is None:
        return published
    interval = problem.burden.interval()
    return replace(
        published,
        title="Metastases that the CT does not show, of which the hand finds some",
        unit="nodule",
        shape="imagined",
        planned=0.0,
        low=interval.low,
        value=interval.median,
        high=interval.high,
        evidence=problem.burden.evidence,
        assumed=True,
    )


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """A plan in its scenarios.

    Parameters
    ----------
    problem, plan, staged, draws
        What was tested, and with what.
    course
        What becomes of it.
    """

    problem: StagingProblem
    plan: Plan
    staged: Staged
    draws: Draws
    course: Course

    @classmethod
    def of(cls, problem: StagingProblem, plan: Plan, draws: Draws) -> Rehearsal:
        """Carry a plan out in every scenario.

        Raises
        ------
        CaseConflict
            If the plan is not one of the problem.
        """
        staged = Staged.of(problem, plan)
        return cls(problem, plan, staged, draws, simulate(problem, staged, draws))

    @cached_property
    def limits(self) -> tuple[tuple[Limit, float], ...]:
        """The limits that the protocol sets and that scenarios can break, each with its value.

        Intervals, numbers of perfusions and what the surgeon fixed are as planned in every scenario: delays
        only add to weeks, and an operation that falls into weeks that are not free waits until they are over.
        """
        found = ((limit, limit.bound(self.problem.protocol)) for limit in LIMITS.values())
        return tuple(
            (limit, value)
            for limit, value in found
            if value is not None and limit.load(self.course) is not None
        )

    @cached_property
    def excess(self) -> dict[str, Floats]:
        """By how much each limit is missed, shape (operations, scenarios), or (1, scenarios) for the plan."""
        return {
            limit.field: limit.excess(load, value)
            for limit, value in self.limits
            if (load := limit.load(self.course)) is not None
        }

    @cached_property
    def held(self) -> NDArray[np.bool_]:
        """Shape (scenarios,): whether every limit holds in every operation."""
        held = np.ones(self.draws.scenarios, dtype=bool)
        for excess in self.excess.values():
            held &= (excess <= NOISE).all(axis=0)
        return held

    @cached_property
    def operation_held(self) -> NDArray[np.bool_]:
        """Shape (operations, scenarios): whether an operation keeps every limit that holds for each."""
        held = np.ones((len(self.staged), self.draws.scenarios), dtype=bool)
        for limit, _ in self.limits:
            if limit.per_operation:
                held &= self.excess[limit.field] <= NOISE
        return held

    @property
    def share(self) -> float:
        """Share of scenarios in which every limit holds in every operation."""
        return float(self.held.mean())

    def first(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which operation breaks first, and the limit that it misses most for its size.

        Returns
        -------
        operation
            Shape (scenarios,): place of the first operation that breaks a limit; -1 where none does.
        limit
            Shape (scenarios,): place of the limit in :attr:`limits`; -1 where none is broken.
        """
        broken = ~self.operation_held
        some = broken.any(axis=0) if len(broken) else np.zeros(self.draws.scenarios, dtype=bool)
        place = np.where(some, broken.argmax(axis=0) if len(broken) else 0, -1)
        missed = np.full((len(self.limits), self.draws.scenarios), -math.inf)
        scenarios = np.flatnonzero(some)
        for number, (limit, value) in enumerate(self.limits):
            if limit.per_operation:
                own = self.excess[limit.field][place[scenarios], scenarios]
                missed[number, scenarios] = own / max(value, 1.0)
        return place, np.where(some, missed.argmax(axis=0), -1)


def quantile(values: Floats, share: float) -> Floats:
    """Return the least value that at least this share of the scenarios (last axis) does not exceed."""
    return np.asarray(np.quantile(values, share, axis=-1, method="inverted_cdf"))
