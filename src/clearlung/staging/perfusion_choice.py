"""Why operations are perfused or not: what that spares, what it may cost, and what else could have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.perfusion import TARGETS, Benefit, Interval, LungBenefit
from clearlung.staging.perfused import perfused_weeks
from clearlung.staging.perfusion_record import (
    Expected,
    LobeUnseen,
    LungUnseen,
    PerfusionChoice,
    PlannedPerfusion,
)
from clearlung.staging.plan import Operation, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.targets import perfusion_points, targets_of, targets_on

Floats = NDArray[np.float64]
Stages = tuple[Floats, Floats, Floats]
"""Metastases now, after hands, and after perfusions as well, each of shape (draws,)."""


def perfusion_choice(problem: StagingProblem, operations: Sequence[Operation]) -> PerfusionChoice | None:
    """Return what a plan's perfusions spare and may cost; None where that is not known.

    Parameters
    ----------
    problem
        With a benefit, or None is returned.
    operations
        The plan's.
    """
    benefit = problem.benefit
    if benefit is None or not operations:
        return None
    weeks = perfused_weeks((o.side, o.week, o.perfusion is not None) for o in operations)
    planned = targets_of(operations)
    last = {side: o.week for o in operations for side in sides_of(o.side)}
    lungs = _of_lungs(benefit, operations, last)
    lobes = {
        lobe: _stages(
            part,
            last.get(part.side),
            weeks[part.side],
            benefit.lobe(lobe, planned[part.side]) if part.side in planned else None,
        )
        for lobe, part in benefit.lobes.items()
    }
    unseen, without, left = np.sum(list(lungs.values()), axis=0)
    perfusions = {side: _perfusions(problem, benefit, side, operations, weeks[side]) for side in lungs}
    asked = [side for side in lungs if problem.perfusions_per_lung]
    return PerfusionChoice(
        weighed=problem.weighs_perfusion,
        unseen=Expected.of(unseen),
        left_without=Expected.of(without),
        left=Expected.of(left),
        spared=Expected.of(without - left),
        lungs=tuple(LungUnseen(side=side, **_named(draws)) for side, draws in lungs.items()),
        lobes=tuple(LobeUnseen(lobe=lobe, **_named(draws)) for lobe, draws in lobes.items()),
        perfusions=tuple(one for side in lungs for one in perfusions[side]),
        reasons=tuple(_reason(problem, side, perfusions[side]) for side in asked)
        or ("No lung is perfused: the protocol does not ask for it.",),
    )


def left_unseen(benefit: Benefit, operations: Sequence[Operation], last: Mapping[Side, int]) -> Floats:
    """Return how many unseen metastases operations leave in both lungs, shape (draws,).

    Parameters
    ----------
    benefit
        What is unseen, and what perfusions do about it.
    operations
        Those of a plan, with its perfusions.
    last
        In which week hands feel each lung last; one that is left out nobody opens.
    """
    parts = _of_lungs(benefit, operations, last).values()
    return np.asarray(np.sum([left for _, _, left in parts], axis=0))


def _of_lungs(
    benefit: Benefit, operations: Sequence[Operation], last: Mapping[Side, int]
) -> dict[Side, Stages]:
    weeks = perfused_weeks((o.side, o.week, o.perfusion is not None) for o in operations)
    planned = targets_of(operations)
    return {
        side: _stages(
            lung, last.get(side), weeks[side], benefit.of(planned[side]) if side in planned else None
        )
        for side, lung in benefit.lungs.items()
    }


def _stages(
    part: LungBenefit, last: int | None, weeks: Sequence[int], perfused: LungBenefit | None
) -> Stages:
    """Return what is unseen in a part now, what the hand leaves of it, and what perfusions leave of that.

    ``last`` is the week of the last operation on its lung, None where nobody opens that: no hand feels it.
    ``perfused`` is what of the part the perfusions in ``weeks`` reach.
    """
    unseen = part.unseen.sum(axis=1)
    if last is None:
        return unseen, unseen, unseen
    without = part.left(last)
    return unseen, without, without if perfused is None else without - perfused.spared(last, weeks)


def _named(draws: Stages) -> dict[str, Expected]:
    return dict(zip(("unseen", "left_without", "left"), map(Expected.of, draws), strict=True))


def _perfusions(
    problem: StagingProblem,
    benefit: Benefit,
    side: Side,
    operations: Sequence[Operation],
    weeks: Sequence[int],
) -> list[PlannedPerfusion]:
    """Return a lung's perfusions, each also of the other targets that the protocol allows.

    Where it has none, what one in each of its operations would be.
    """
    own = [o for o in operations if side in sides_of(o.side)]
    if not own or not problem.perfusions_per_lung:
        return []
    weighed = [o for o in own if o.perfusion is not None] or [o for o in own if o.side == side]
    planned = targets_of(operations).get(side)
    free = replace(problem, targets={lung: t for lung, t in problem.targets.items() if lung != side})
    targets = [name for name in dict.fromkeys((planned, *targets_on(free, side))) if name is not None]
    return [
        _perfusion(problem, benefit, target, o, own[-1].week, weeks, planned=target == planned)
        for target in targets
        if benefit.holds(target)
        for o in weighed
    ]


def _perfusion(
    problem: StagingProblem,
    benefit: Benefit,
    target: str,
    operation: Operation,
    last: int,
    weeks: Sequence[int],
    *,
    planned: bool,
) -> PlannedPerfusion:
    """Return what one perfusion adds to the others of its lung, all of the same target."""
    others = list(weeks)
    if operation.perfusion is not None:
        others.remove(operation.week)
    part, points = benefit.of(target), perfusion_points(problem, target)
    spared = part.left(last, others) - part.left(last, [*others, operation.week])
    harm = benefit.harm(target, 1, points)
    return PlannedPerfusion(
        operation=operation.number,
        side=part.side,
        target=target,
        week=operation.week,
        planned=planned,
        spared=Expected.of(spared),
        edema=Interval.of(100 * part.edema),
        death=Interval.of(100 * part.death),
        fev1_points=points,
        harm=harm,
        worth=float(spared.mean()) - harm,
    )


def _reason(problem: StagingProblem, side: Side, perfusions: Sequence[PlannedPerfusion]) -> str:
    """Say why a lung is perfused where it is, or why not."""
    planned = [one for one in perfusions if one.planned]
    if not perfusions:
        return f"The {side} lung has no operation of its own, so none that could be perfused."
    best = max(planned or perfusions, key=lambda one: one.worth)
    what = TARGETS[best.target].title
    of_what = "" if TARGETS[best.target].whole_lung or planned else f" of {what}"
    spares = (
        f"one{of_what} in operation {best.operation} is expected to spare {best.spared.mean:.1f} unseen"
        f" metastases ({best.spared.low:.1f} to {best.spared.high:.1f}), and its harm counts {best.harm:.1f}"
    )
    verdict = "more than it spares" if best.worth < 0 else "less than it spares"
    if planned and problem.weighs_perfusion:
        return f"{_sentence(what)} is perfused: {spares}, {verdict}.{_other(best, perfusions)}"
    if planned:
        return (
            f"{_sentence(what)} is perfused because the protocol says so, in the last operations: {spares},"
            f" {verdict}."
        )
    if not problem.weighs_perfusion:
        done = problem.unseen is not None and any(one.side == side for one in problem.unseen.perfused)
        rule = "it has been" if done else "the protocol does not ask for it"
        return f"The {side} lung is not perfused: {rule}; {spares}, {verdict}."
    waits = "less, but not by what the weeks count that later operations would wait for it"
    why = verdict if best.worth < 0 else waits
    return f"The {side} lung is not perfused: {spares}, {why}."


def _other(best: PlannedPerfusion, perfusions: Sequence[PlannedPerfusion]) -> str:
    """Say what the best perfusion of another target in the same operation is worth, if there is one."""
    others = [one for one in perfusions if not one.planned and one.operation == best.operation]
    if not others:
        return ""
    other = max(others, key=lambda one: one.worth)
    return (
        f" One of {TARGETS[other.target].title} would spare {other.spared.mean:.1f}, and its harm would count"
        f" {other.harm:.1f}."
    )


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"
