"""`plan_with_reserve`: a plan whose limits hold in a given share of scenarios, or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES
from clearlung.errors import InfeasiblePlan
from clearlung.staging.limits import LIMITS, NOISE, Limit
from clearlung.staging.plan import Plan, Unassigned
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol
from clearlung.staging.solve import solve_plan
from clearlung.staging.stress.describe import as_planned
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.impossible import impossible
from clearlung.staging.stress.outcome import Rehearsal, StressOptions, quantile
from clearlung.staging.stress.record import RobustRecord, RobustStep

# Each step plans anew; limits that do not settle in so many do not settle.
_STEPS = 12
# A limit that has to give way gives at least this part of itself, so that every step changes the plan.
_LEAST_STEP = 0.01
# And at most so much of itself in one step: what breaks may hang on the weeks and not on the load.
_LARGEST_STEP = 2 / 3
# Where reserve makes plans longer, and what grows meanwhile breaks more than it mends, so many plans show it.
_PATIENCE = 2
# A plan that holds is brought back towards the last that did not: reserve costs operations.
_HALVINGS = 3


@dataclass(frozen=True, eq=False)
class RobustPlan:
    """A plan with reserve.

    Parameters
    ----------
    plan
        The plan, made with tighter limits; its protocol holds these. None where none was found.
    record
        How it was found, or why not.
    """

    plan: Plan | None
    record: RobustRecord


def plan_with_reserve(
    problem: StagingProblem,
    options: StressOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> RobustPlan:
    """Plan so that every limit holds in a share of the scenarios.

    The limits that scenarios break are tightened by what they miss at the wanted share, and the plan is made
    anew, until the protocol's own limits hold in that share of the scenarios. The plan leaves no more lesions
    than the one without reserve.

    Parameters
    ----------
    problem
        What to plan.
    options
        Scenarios, seed, spreads and the confidence that is wanted.
    progress
        Called with a phrase for each step.

    Returns
    -------
    RobustPlan
        Its status is ``impossible`` only where a bound that every plan of these specimens obeys says so:
        one specimen that breaks a limit too often in an operation of its own, or too little FEV1 after
        recovery from all specimens even if they did not grow and nothing else were found.

    Raises
    ------
    InfeasiblePlan
        If there is no plan even without reserve.
    """
    options = options or StressOptions()
    say = progress or (lambda phrase: None)
    draws = options.draws(problem)
    first = solve_plan(problem)
    search = _Search(problem, draws, options.confidence, first)
    reasons = impossible(problem, first, draws, options.confidence)
    tested: Rehearsal | None = search.test(first, search.limits())
    while not reasons and tested is not None and not search.done(tested):
        say(f"reserve: plan {len(search.steps) + 1}")
        tested = search.next(tested) if len(search.steps) < _STEPS else None
    if tested is not None and not reasons:
        tested = search.relaxed(tested, say)
    kept = None if reasons else tested
    return RobustPlan(
        None if kept is None else kept.plan,
        RobustRecord(
            protocol=problem.protocol.name,
            confidence=options.confidence,
            status="impossible" if reasons else "not found" if kept is None else "holds",
            reasons=tuple(reasons) or (() if kept else (search.stopped, search.best())),
            reserve={} if kept is None else search.reserve(),
            operations=None if kept is None else len(kept.plan.operations),
            weeks=None if kept is None else kept.plan.weeks_until_clear,
            holds=None if kept is None else kept.share,
            steps=tuple(search.steps),
        ),
    )


class _Search:
    """The way from a plan to one with reserve: current limits, what was tried, why it ended."""

    def __init__(self, problem: StagingProblem, draws: Draws, confidence: float, first: Plan) -> None:
        self._problem, self._draws, self._confidence = problem, draws, confidence
        self._left = {unassigned.lesion for unassigned in first.unassigned}
        self._names = [limit.field for limit, _ in Rehearsal.of(problem, first, draws).limits]
        self._level = confidence
        self._protocol = problem.protocol
        self._least = _least(problem)
        self.steps: list[RobustStep] = []
        self.stopped = (
            f"After {_STEPS} plans with ever more reserve the limits still did not hold often enough."
        )

    def limits(self) -> dict[str, float]:
        """Return the limits that are planned with now."""
        found = {name: LIMITS[name].bound(self._protocol) for name in self._names}
        return {name: value for name, value in found.items() if value is not None}

    def reserve(self) -> dict[str, float]:
        """Return what is kept of each limit."""
        now = self.limits()
        return {
            name: abs(value - now[name])
            for name in self._names
            if (value := LIMITS[name].bound(self._problem.protocol)) is not None
        }

    def done(self, tested: Rehearsal) -> bool:
        """Return whether a plan's limits hold often enough."""
        return tested.share >= self._confidence

    def test(self, plan: Plan, limits: Mapping[str, float]) -> Rehearsal:
        """Carry a plan out in the scenarios and note how it fares."""
        tested = Rehearsal.of(self._problem, plan, self._draws)
        self.steps.append(
            RobustStep(
                limits=dict(limits),
                operations=len(plan.operations),
                weeks=plan.weeks_until_clear,
                lesions_left=len(plan.unassigned),
                holds=tested.share,
            )
        )
        return tested

    def next(self, tested: Rehearsal) -> Rehearsal | None:
        """Tighten what broke and plan anew; None, with the reason noted, where that ends."""
        shares = [step.holds or 0.0 for step in self.steps]
        if len(shares) > _PATIENCE and max(shares[-_PATIENCE:]) <= max(shares[:-_PATIENCE]):
            self.stopped = (
                "More reserve makes more operations that end later, and what grows and is lost meanwhile"
                " breaks more than the reserve mends."
            )
            return None
        tighter = self._tighter(tested)
        return None if tighter is None else self._plan(tighter)

    def relaxed(self, tested: Rehearsal, say: Callable[[str], None]) -> Rehearsal:
        """Return the plan with the least reserve that holds between the last two that were tried."""
        protocol = self._protocol
        if len(self.steps) > 1:
            loose, tight = dict(self.steps[-2].limits), dict(self.steps[-1].limits)
            for halving in range(_HALVINGS):
                say(f"reserve: less of it, {halving + 1} of {_HALVINGS}")
                middle = _between(loose, tight)
                if middle == tight:
                    break
                found = self._plan(middle)
                if found is not None and self.done(found):
                    tested, tight, protocol = found, middle, self._protocol
                else:
                    loose = middle
        self._protocol = protocol
        return tested

    def best(self) -> str:
        """Say how far the search came."""
        step = max(self.steps, key=lambda step: step.holds or 0.0)
        return (
            f"The best of its plans, {step.operations} operations in {step.weeks} weeks, holds in"
            f" {step.holds or 0.0:.0%} of the scenarios."
        )

    def _plan(self, limits: Mapping[str, float]) -> Rehearsal | None:
        self._protocol = with_limits(self._problem.protocol, limits)
        try:
            plan = solve_plan(replace(self._problem, protocol=self._protocol))
        except InfeasiblePlan as error:
            self._note(limits, None)
            self.stopped = f"With the reserve that the scenarios ask for there is no plan. {error}"
            return None
        if len(plan.unassigned) > len(self._left):
            self._note(limits, plan)
            more = [one for one in plan.unassigned if one.lesion not in self._left]
            self.stopped = (
                f"With the reserve that the scenarios ask for {len(plan.unassigned)} lesions stay, and"
                f" {len(self._left)} without it. {_why(more)}"
            )
            return None
        return self.test(plan, limits)

    def _note(self, limits: Mapping[str, float], plan: Plan | None) -> None:
        self.steps.append(
            RobustStep(
                limits=dict(limits),
                operations=None if plan is None else len(plan.operations),
                weeks=None if plan is None else plan.weeks_until_clear,
                lesions_left=None if plan is None else len(plan.unassigned),
                holds=None,
            )
        )

    def _tighter(self, tested: Rehearsal) -> dict[str, float] | None:
        """Return limits with what is missed at the level taken off; a higher level where none is missed.

        At the wanted share every limit that is missed gives way. Above it, where each holds often enough and
        all together do not, one alone, that which breaks most often: reserve has its price in operations.
        """
        now, planned = self.limits(), as_planned(tested)
        # A level so high that it asks for every scenario is the last.
        while 1 - self._level > 0.5 / self._draws.scenarios:
            found = dict(now)
            for limit, value in _most_broken_first(tested):
                missed, load = quantile(tested.excess[limit.field], self._level), limit.load(planned.course)
                if load is not None and (missed > NOISE).any():
                    wanted = _tightened(limit, value, now[limit.field], load[:, 0], missed)
                    # No tighter than the largest specimen: it could not be planned at all.
                    least = min(now[limit.field], self._least.get(limit.field, wanted))
                    found[limit.field] = wanted if limit.least else max(wanted, least)
                if found != now and self._level > self._confidence:
                    break
            if found != now:
                return found
            self._level = 1 - (1 - self._level) / 2
        self.stopped = "No limit can be tightened further: what breaks does not depend on how it is planned."
        return None


def _why(stay: Sequence[Unassigned]) -> str:
    """Say why lesions stay, by the one of each kind with the lowest number."""
    kinds = {one.code: one for one in sorted(stay, key=lambda one: -one.lesion)}
    return " ".join(f"Lesion {one.lesion}: {one.reason}" for one in kinds.values())


def _most_broken_first(tested: Rehearsal) -> list[tuple[Limit, float]]:
    def broken(own: tuple[Limit, float]) -> float:
        return float((tested.excess[own[0].field] > NOISE).any(axis=0).mean())

    return sorted(tested.limits, key=broken, reverse=True)


def _least(problem: StagingProblem) -> dict[str, float]:
    """Return what the largest specimens need of each limit in an operation with nothing else."""
    specimens = problem.specimens
    if not len(specimens):
        return {}
    most = float(specimens.counts.max())
    perfused = any(problem.perfusions_on(side) for side in SIDES)
    before = problem.access_minutes + problem.reentry_minutes
    before += problem.perfusion_minutes if perfused else 0.0
    return {
        "per_operation.nodules_max": most,
        "per_operation.nodules_per_lobe_max": most,
        "per_operation.minutes_max": before + float(specimens.minutes.max()),
        "per_operation.removed_ml_max": float(specimens.volume_ml.max()),
        "per_operation.removed_ml_per_lobe_max": float(specimens.volume_ml.max()),
    }


def _between(loose: Mapping[str, float], tight: Mapping[str, float]) -> dict[str, float]:
    """Return limits halfway, whole numbers nearer the tight ones."""
    middle = {name: (loose[name] + tight[name]) / 2 for name in tight}
    return {name: float(np.floor(value)) if LIMITS[name].whole else value for name, value in middle.items()}


def _tightened(
    limit: Limit, value: float, now: float, planned: NDArray[np.float64], missed: NDArray[np.float64]
) -> float:
    """Return a limit that leaves room for what is missed; loads are taken to grow in proportion."""
    if limit.least:
        return now + max(float(missed.max()), _LEAST_STEP * max(value, 1.0))
    broken = missed > NOISE
    wanted = float((planned[broken] * value / (value + missed[broken])).min())
    lower = max(min(wanted, now * (1 - _LEAST_STEP)), now * (1 - _LARGEST_STEP))
    # One nodule is the least that an operation is for.
    return max(1.0, float(np.floor(lower))) if limit.whole else lower


def with_limits(protocol: Protocol, limits: Mapping[str, float]) -> Protocol:
    """Return a protocol with other limits, and a name that says so.

    Parameters
    ----------
    protocol
        The center's.
    limits
        Values by the limits' dotted names.
    """
    parts: dict[str, object] = {}
    for part in dict.fromkeys(LIMITS[name].part for name in limits):
        mine = [name for name in limits if LIMITS[name].part == part]
        own = {LIMITS[name].key: _rounded(LIMITS[name], limits[name]) for name in mine}
        parts[part] = getattr(protocol, part).model_copy(update=own)
    return protocol.model_copy(
        update=parts
        | {
            "name": f"{protocol.name}-with-reserve",
            "title": f"{protocol.title}, with reserve",
            "evidence": {key: entry for key, entry in protocol.evidence.items() if key not in limits},
        }
    )


def _rounded(limit: Limit, value: float) -> float | int:
    """Return whole weeks and nodules as the protocol takes them."""
    return int(np.floor(value + NOISE)) if limit.whole else value
