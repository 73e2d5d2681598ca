"""Why operations are perfused or not: what that spares, what it may cost, and what else could have been."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.perfusion import Benefit, Interval, LungBenefit
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

Floats = NDArray[np.float64]


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
    lungs = {side: _stages(lung, operations, weeks) for side, lung in benefit.lungs.items()}
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
        lobes=tuple(
            LobeUnseen(lobe=lobe, **_named(_stages(part, operations, weeks)))
            for lobe, part in benefit.lobes.items()
        ),
        perfusions=tuple(one for side in lungs for one in perfusions[side]),
        reasons=tuple(_reason(problem, side, perfusions[side]) for side in asked)
        or ("No lung is perfused: the protocol does not ask for it.",),
    )


def _stages(
    part: LungBenefit, operations: Sequence[Operation], weeks: Mapping[Side, Sequence[int]]
) -> tuple[Floats, Floats, Floats]:
    """Return what is unseen now, what the hand leaves of it, and what perfusions leave of that."""
    last = max((o.week for o in operations if part.side in sides_of(o.side)), default=None)
    unseen = part.unseen.sum(axis=1)
    if last is None:
        # A lung that nobody opens is felt by no hand.
        return unseen, unseen, unseen
    return unseen, part.left(last), part.left(last, weeks[part.side])


def _named(draws: tuple[Floats, Floats, Floats]) -> dict[str, Expected]:
    return dict(zip(("unseen", "left_without", "left"), map(Expected.of, draws), strict=True))


def _perfusions(
    problem: StagingProblem,
    benefit: Benefit,
    side: Side,
    operations: Sequence[Operation],
    weeks: Sequence[int],
) -> list[PlannedPerfusion]:
    """Return a lung's perfusions, or where it has none what one in each of its operations would be."""
    own = [o for o in operations if side in sides_of(o.side)]
    if not own or not problem.perfusions_per_lung:
        return []
    weighed = [o for o in own if o.perfusion is not None] or [o for o in own if o.side == side]
    return [_perfusion(problem, benefit, side, o, own[-1].week, weeks) for o in weighed]


def _perfusion(
    problem: StagingProblem,
    benefit: Benefit,
    side: Side,
    operation: Operation,
    last: int,
    weeks: Sequence[int],
) -> PlannedPerfusion:
    """Return what one perfusion adds to the others of its lung."""
    others = list(weeks)
    if operation.perfusion is not None:
        others.remove(operation.week)
    lung = benefit.lungs[side]
    spared = lung.left(last, others) - lung.left(last, [*others, operation.week])
    model = problem.function
    points = model.baseline_percent * model.perfusion_permanent
    harm = benefit.harm(side, 1, points)
    return PlannedPerfusion(
        operation=operation.number,
        side=side,
        week=operation.week,
        planned=operation.perfusion is not None,
        spared=Expected.of(spared),
        edema=Interval.of(100 * lung.edema),
        death=Interval.of(100 * lung.death),
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
    spares = (
        f"one in operation {best.operation} is expected to spare {best.spared.mean:.1f} unseen metastases"
        f" ({best.spared.low:.1f} to {best.spared.high:.1f}), and its harm counts {best.harm:.1f}"
    )
    verdict = "more than it spares" if best.worth < 0 else "less than it spares"
    if planned and problem.weighs_perfusion:
        return f"The {side} lung is perfused: {spares}, {verdict}."
    if planned:
        return (
            f"The {side} lung is perfused because the protocol says so, in the last operations: {spares},"
            f" {verdict}."
        )
    if not problem.weighs_perfusion:
        done = problem.unseen is not None and any(one.side == side for one in problem.unseen.perfused)
        rule = "it has been" if done else "the protocol does not ask for it"
        return f"The {side} lung is not perfused: {rule}; {spares}, {verdict}."
    waits = "less, but not by what the weeks count that later operations would wait for it"
    why = verdict if best.worth < 0 else waits
    return f"The {side} lung is not perfused: {spares}, {why}."
