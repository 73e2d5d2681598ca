"""From a plan in its scenarios to the `StressRecord` that is stored."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clearlung.staging.limits import NOISE, Limit
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.outcome import Rehearsal, StressOptions, quantile
from clearlung.staging.stress.record import (
    Fan,
    GoalKept,
    LimitHeld,
    OperationHeld,
    Share,
    SpreadUsed,
    StressRecord,
)
from clearlung.staging.stress.simulate import fev1_percent, put_off
from clearlung.staging.stress.spreads import Floats
from clearlung.staging.targets import aimed_as

_TAILS = (0.05, 0.5, 0.95)
_FAN = (0.05, 0.25, 0.5, 0.75, 0.95)
# The course is told for a year after the last planned operation, as in the plan.
_WEEKS_AFTER = 52
# Waits that are tried: early loss recovers fast at first, and a longer wait lets tumors grow.
_WAITS = (1, 2, 3, 4, 6, 8, 13, 26, 52)
# What is varied together, by the name that stands for it: size and minutes matter for nodules that are found,
# and a stay for a complication. The others say nothing alone.
_TOGETHER = {
    "found_ratio": ("found_ratio", "found_diameter", "found_minutes"),
    "complication": ("complication", "edema", "stay"),
}
_WITHIN = {name for names in _TOGETHER.values() for name in names[1:]}
_Z95 = 1.959964
_DIGITS = 6


def stress_test(problem: StagingProblem, plan: Plan, options: StressOptions | None = None) -> StressRecord:
    """Tell how often a plan's limits and goals hold when things turn out otherwise.

    In each scenario the hand finds nodules that the CT did not show, operations take longer or shorter, the
    lungs recover more slowly or faster, metastases grow while they wait, and complications delay what
    follows; each is drawn from the evidence's range, see :class:`Spread`. The plan is carried out as it
    stands.

    Parameters
    ----------
    problem
        What was planned; its protocol's limits are what is tested.
    plan
        A plan of it.
    options
        Scenarios, seed and confidence; 5,000 scenarios at 90 % by default.

    Returns
    -------
    StressRecord
        The same for the same problem, plan and options.

    Raises
    ------
    CaseConflict
        If plan and problem do not belong together.
    ValueError
        If a spread is given that the test does not know.
    """
    options, problem = options or StressOptions(), aimed_as(problem, plan.operations)
    return describe(Rehearsal.of(problem, plan, options.draws(problem)), options)


def describe(tested: Rehearsal, options: StressOptions) -> StressRecord:
    """Return what is stored of a plan in its scenarios."""
    planned = as_planned(tested)
    operations = _operations(tested, options.confidence)
    first = max(operations, key=lambda held: held.first.share, default=None)
    found = tested.course.nodules.sum(axis=0) - planned.course.nodules.sum()
    book = tested.problem.protocol.book()
    used = {key for spread in tested.draws.spreads.values() if spread.strength for key in spread.evidence}
    low, middle, high = (float(quantile(found, tail)) for tail in _TAILS)
    return StressRecord(
        protocol=tested.problem.protocol.name,
        scenarios=tested.draws.scenarios,
        seed=tested.draws.seed,
        confidence=options.confidence,
        holds=share_of(tested.held),
        lesions_planned=int(planned.course.nodules.sum()),
        found=(low, middle, high),
        found_by="occult burden" if _of_burden(tested) else "published ratio",
        breaks_first=first.operation if first is not None and first.first.share else None,
        operations=operations,
        limits=_limits(tested, planned, options.confidence),
        goals=_goals(tested),
        fan=_fan(tested),
        spreads=_spreads(tested),
        warnings=_warnings(tested, (low, middle, high)),
        evidence=tuple(book[key] for key in sorted(used)),
    )


def _spreads(tested: Rehearsal) -> tuple[SpreadUsed, ...]:
    """Return what was varied, each with the share of scenarios that hold where it varies alone."""
    found: list[SpreadUsed] = []
    for name, spread in tested.draws.spreads.items():
        values = {key: getattr(spread, key) for key in SpreadUsed.model_fields if key != "alone"}
        alone = None if name in _WITHIN else _alone(tested, _TOGETHER.get(name, (name,)))
        found.append(SpreadUsed(**values, alone=alone))
    return tuple(found)


def _alone(tested: Rehearsal, names: tuple[str, ...]) -> Share:
    spreads = {name: s if name in names else s.muted() for name, s in tested.draws.spreads.items()}
    draws = Draws(spreads, tested.draws.scenarios, tested.draws.seed)
    return share_of(Rehearsal.of(tested.problem, tested.plan, draws).held)


def as_planned(tested: Rehearsal) -> Rehearsal:
    """Return the same plan with everything as planned: one scenario."""
    muted = {name: spread.muted() for name, spread in tested.draws.spreads.items()}
    return Rehearsal.of(tested.problem, tested.plan, Draws(muted, 1, tested.draws.seed))


def share_of(held: NDArray[np.bool_]) -> Share:
    """Return the share of scenarios with Wilson's interval (J Am Stat Assoc 1927;22:209)."""
    count, share = len(held), float(held.mean())
    spread = _Z95**2 / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z95 / (1 + spread) * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return Share(
        share=share, low=max(0.0, min(share, middle - half)), high=min(1.0, max(share, middle + half))
    )


def _limits(tested: Rehearsal, planned: Rehearsal, confidence: float) -> tuple[LimitHeld, ...]:
    found: list[LimitHeld] = []
    for limit, value in tested.limits:
        load, expected = limit.load(tested.course), limit.load(planned.course)
        if load is None or expected is None:
            continue
        excess = tested.excess[limit.field]
        for place in range(len(load)):
            numbers = (value, float(expected[place, 0]))
            operation = tested.staged.number[place] if limit.per_operation else None
            found.append(_limit(limit, operation, numbers, load[place], excess[place], confidence))
    return tuple(found)


def _limit(
    limit: Limit,
    operation: int | None,
    numbers: tuple[float, float],
    load: Floats,
    excess: Floats,
    confidence: float,
) -> LimitHeld:
    value, expected = numbers
    low, middle, high = (float(quantile(load, tail)) for tail in _TAILS)
    room = -float(limit.excess(np.array(expected), value))
    missed = float(quantile(excess, confidence))
    return LimitHeld(
        operation=operation,
        limit=limit.field,
        title=limit.words,
        unit=limit.unit,
        value=value,
        planned=expected,
        low=low,
        middle=middle,
        high=high,
        holds=share_of(excess <= NOISE),
        room=room,
        needed=max(0.0, missed + room),
        short=missed if missed > NOISE else 0.0,
    )


def _operations(tested: Rehearsal, confidence: float) -> tuple[OperationHeld, ...]:
    place_of, limit_of = tested.first()
    found: list[OperationHeld] = []
    for place, number in enumerate(tested.staged.number):
        first = place_of == place
        limits = np.bincount(limit_of[first], minlength=len(tested.limits))
        found.append(
            OperationHeld(
                operation=number,
                holds=share_of(tested.operation_held[place]),
                first=share_of(first),
                first_limit=tested.limits[int(limits.argmax())][0].field if first.any() else None,
                weeks_later=_weeks_later(tested, place, confidence),
            )
        )
    return tuple(found)


def _weeks_later(tested: Rehearsal, place: int, confidence: float) -> int | None:
    """Return the least wait that is tried after which FEV1 right after an operation holds often enough."""
    floor = tested.problem.protocol.function.fev1_after_percent_min

    def holds(after: Floats) -> bool:
        return bool(quantile(floor - after, confidence) <= NOISE)

    if holds(tested.course.fev1_after_percent[place]):
        return 0
    # Nothing comes before the first operation: earlier ones' losses are all that a wait can mend.
    for wait in _WAITS if place else ():
        later = np.where(np.arange(len(tested.staged)) >= place, float(wait), 0.0)
        course = put_off(tested.problem, tested.staged, tested.draws, tested.course, later)
        if holds(course.fev1_after_percent[place]):
            return wait
    return None


def _goals(tested: Rehearsal) -> tuple[GoalKept, ...]:
    plan, course = tested.plan, tested.course
    if not plan.operations:
        return ()
    least, most = np.greater_equal, np.less_equal
    kept = tested.operation_held.sum(axis=0).astype(np.float64)
    lowest = min(operation.fev1_after_low_percent for operation in plan.operations)
    largest = max(operation.removed_ml for operation in plan.operations)
    recovered = plan.function.ppo_fev1_low_percent
    return (
        _goal("operations", "Operations that keep every limit", "operation", len(tested.staged), kept, least),
        _goal("weeks", "Week of the last operation", "week", plan.weeks_until_clear, course.week[-1], most),
        _goal(
            "largest", "Tissue in the largest operation", "ml", largest, course.removed_ml.max(axis=0), most
        ),
        _goal(
            "lowest",
            "Lowest FEV1 right after an operation, against its lower bound",
            "%",
            lowest,
            course.fev1_after_percent.min(axis=0),
            least,
        ),
        _goal(
            "recovered",
            "FEV1 after recovery, against its lower bound",
            "%",
            recovered,
            course.fev1_final_percent,
            least,
        ),
    )


def _goal(
    name: str,
    title: str,
    unit: str,
    promised: float,
    values: Floats,
    keeps: Callable[[Floats, float], NDArray[np.bool_]],
) -> GoalKept:
    low, middle, high = (float(quantile(values, tail)) for tail in _TAILS)
    return GoalKept(
        name=name,
        title=title,
        unit=unit,
        promised=promised,
        low=low,
        middle=middle,
        high=high,
        # Rounding alone breaks no promise.
        kept=share_of(keeps(np.round(values - promised, _DIGITS), 0.0)),
    )


def _fan(tested: Rehearsal) -> Fan:
    end = int(tested.plan.weeks_until_clear) + _WEEKS_AFTER
    weeks = tuple(float(week) for week in range(end + 1))
    values = np.stack([fev1_percent(tested.problem, tested.course, week) for week in weeks])
    table = np.stack([quantile(values, share) for share in _FAN])
    return Fan(weeks=weeks, quantiles=_FAN, fev1_percent=tuple(map(tuple, np.round(table, 3).tolist())))


def _of_burden(tested: Rehearsal) -> bool:
    return tested.draws.spreads["found_ratio"].shape == "imagined"


def _warnings(tested: Rehearsal, found: tuple[float, float, float]) -> tuple[str, ...]:
    spreads = [spread for spread in tested.draws.spreads.values() if spread.strength]
    warnings = [
        "Every scenario carries the plan out as it stands. A surgeon who leaves something for later, or a"
        " scan before the next operation, does better than the shares say.",
    ]
    if tested.draws.spreads["found_ratio"].strength:
        source = (
            "the metastases that are estimated to be unseen in this patient"
            if _of_burden(tested)
            else "the published ratio of nodules found to seen"
        )
        low, middle, high = found
        warnings.append(
            f"What the hand finds besides is drawn from {source}: {middle:.0f} in all operations"
            f" ({low:.0f} to {high:.0f})."
        )
    assumed = [spread for spread in spreads if spread.assumed]
    if spreads:
        warnings.append(
            f"The range of {len(assumed)} of {len(spreads)} things that vary is assumed, and for all of them"
            " how patients spread within it: the shares are as good as these."
        )
    if tested.draws.spreads["growth"].strength:
        warnings.append(
            "Growth is unchecked and exponential: no drug slows it, and a specimen grows into no other"
            " technique."
        )
    return tuple(warnings)
