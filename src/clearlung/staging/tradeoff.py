"""`trade_off`: what fewer operations cost in tissue, weeks and lung function, point by point.

Three of the protocol's limits are swept (the epsilon-constraint method of Haimes and others): the tissue of
one operation is tightened from the protocol's value down, the FEV1 that must be left right after each
operation from the protocol's value up, and the week of the last operation from the protocol's value, or from
what plans take, down. Under each set of limits :func:`clearlung.staging.solve_plan` is asked for the fewest
operations. Limits only take plans away, so the fewest operations never fall as one is tightened, and one
answer settles a whole box: a plan with ``n`` operations, proven, that takes 40 ml and ends in week 12 under
limits of 60 ml and 20 weeks is the answer for every limit from 60 down to 40 ml and from 20 down to 12 weeks.
Only limits that no answer has settled are solved; those in whose weeks the intervals alone leave no room for
the operations that are needed are not.

References
----------
Haimes YY, Lasdon LS, Wismer DA. On a bicriterion formulation of the problems of integrated system
identification and system optimization. IEEE Trans Syst Man Cybern 1971;1:296.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Side
from clearlung.errors import InfeasiblePlan
from clearlung.staging.budget import Budget
from clearlung.staging.compare import compare
from clearlung.staging.items import limits_of
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.share import shares
from clearlung.staging.solve import solve_plan
from clearlung.staging.tradeoff_points import NOISE, Tradeoff, TradeoffAnswer, TradeoffOptions, TradeoffPoint


@dataclass(eq=False)
class _Sweep:
    """The pairs of limits of tissue and function, down to which week each is settled, and what was found.

    ``unsettled`` holds for each pair the largest limit of weeks that no answer has settled; below 0 for none.
    """

    problem: StagingProblem
    options: TradeoffOptions
    removed_ml: NDArray[np.float64]
    fev1_percent: NDArray[np.float64]
    points: list[TradeoffPoint] = field(default_factory=list)
    answers: list[TradeoffAnswer] = field(default_factory=list)
    solved: int = 0
    _left: int = 0
    _operations: int = 0
    _earliest_of: dict[tuple[int, float], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = self.problem.protocol.weeks.total_max
        shape = len(self.fev1_percent), len(self.removed_ml)
        self.unsettled = np.full(shape, math.inf if total is None else float(total))
        self._grid = np.meshgrid(self.removed_ml, self.fev1_percent)

    def run(self, progress: Callable[[str], None]) -> None:
        """Solve until all is settled: the loosest weeks first, then the loosest function and tissue."""
        while (self.unsettled >= 0).any():
            row, column = np.unravel_index(int(self.unsettled.argmax()), self.unsettled.shape)
            removed_ml, fev1 = float(self.removed_ml[column]), float(self.fev1_percent[row])
            weeks = float(self.unsettled[row, column])
            answer = self._too_few_weeks(removed_ml, fev1, weeks)
            if answer is None:
                if self.solved == self.options.solves_max:
                    return
                until = "" if math.isinf(weeks) else f", until week {weeks:.0f}"
                progress(f"at most {removed_ml:.0f} ml, FEV1 {fev1:.0f} %{until}")
                self.solved += 1
                answer = self._ask(removed_ml, fev1, weeks)
            self.answers.append(answer)
            self._settle(answer)

    def _settle(self, newest: TradeoffAnswer) -> None:
        """Mark what the newest answer settles; then older ones may go on from there."""
        moved = self._moved_by(newest)
        while moved:
            moved = sum(self._moved_by(answer) for answer in self.answers) > 0

    def _moved_by(self, answer: TradeoffAnswer) -> bool:
        settled = answer.covers(*self._grid) & (self.unsettled <= answer.weeks_limit)
        settled &= (self.unsettled >= answer.weeks) & (self.unsettled >= 0)
        step = self.options.weeks_step
        self.unsettled[settled] = (math.ceil(answer.weeks / step) - 1) * step
        return bool(settled.any())

    def _too_few_weeks(self, removed_ml: float, fev1_percent: float, weeks: float) -> TradeoffAnswer | None:
        """Say so where the intervals alone keep the operations that are needed from ending in time."""
        if math.isinf(weeks) or not self.answers:
            return None
        needed = max(answer.no_fewer(removed_ml, fev1_percent, weeks) for answer in self.answers)
        if self._earliest(needed, fev1_percent) <= weeks:
            return None
        return TradeoffAnswer(removed_ml, fev1_percent, weeks, "later", proven=True, operations=needed)

    def _earliest(self, operations: int, fev1_percent: float) -> float:
        """Return the week before which no plan with so many operations, or more, ends."""
        key = operations, fev1_percent
        if key not in self._earliest_of:
            given = _limited(self.problem, self.removed_ml[0], fev1_percent, math.inf)
            self._earliest_of[key] = earliest_end(given, operations)
        return self._earliest_of[key]

    def _ask(self, removed_ml: float, fev1_percent: float, weeks: float) -> TradeoffAnswer:
        """Solve under these limits; the first ones are the protocol's own, and must have a plan."""
        first, limits = not self.answers, (removed_ml, fev1_percent, weeks)
        try:
            plan = solve_plan(_limited(self.problem, *limits))
        except InfeasiblePlan:
            if first:
                raise
            return TradeoffAnswer(*limits, "no plan found", proven=False)
        row = compare([plan]).rows[0]
        if first:
            self._left, self._operations = row.lesions_left, row.operations + self.options.operations_more
        settled = _lesions_proven(plan)
        if row.lesions_left > self._left:
            return TradeoffAnswer(*limits, "more lesions left", _least_left(plan) > self._left)
        if row.operations > self._operations:
            beyond = settled and plan.solver.bound > self._operations
            return TradeoffAnswer(*limits, "more operations", beyond)
        verdict = plan.function.verdict
        point = TradeoffPoint(
            row=row,
            removed_ml_limit=removed_ml,
            fev1_limit_percent=fev1_percent,
            weeks_limit=weeks,
            proven=settled and plan.solver.bound == row.operations,
            weeks_bound=plan.solver.goal("weeks").bound,
            risk=verdict.risk if verdict else None,
        )
        self.points.append(point)
        return TradeoffAnswer(
            *limits,
            "plan",
            point.proven,
            row.operations,
            row.removed_ml_max,
            point.fev1_low_percent,
            row.weeks,
        )


def trade_off(
    problem: StagingProblem,
    options: TradeoffOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> Tradeoff:
    """Return the trade-off between operations, tissue, weeks and lung function.

    Parameters
    ----------
    problem
        The problem; its protocol's limits are the loosest that are looked at.
    options
        How far and how finely.
    progress
        Called with a phrase for each plan that is solved.

    Returns
    -------
    Tradeoff
        Exact in operations, tissue of the largest operation, weeks and lowest FEV1, to the steps, where
        :attr:`Tradeoff.complete` says so; each point tells how far it is proven. The same problem and seed
        give the same curve.

    Raises
    ------
    InfeasiblePlan
        If the protocol's own limits allow no plan.
    """
    options = options or TradeoffOptions()
    limits = problem.protocol
    loosest, floor = limits.per_operation.removed_ml_max, limits.function.fev1_after_percent_min
    most = _fev1_most(problem)
    sweep = _Sweep(
        problem,
        options,
        removed_ml=_down(loosest, options.tissue_step_ml),
        fev1_percent=_up(floor, most, options.function_step_percent),
    )
    sweep.run(progress or (lambda phrase: None))
    return Tradeoff(
        points=_marked(sweep.points),
        answers=tuple(sweep.answers),
        options=options,
        fev1_most_percent=most,
        unexplored=int((sweep.unsettled >= 0).sum()),
    )


def _limited(problem: StagingProblem, removed_ml: float, fev1_percent: float, weeks: float) -> StagingProblem:
    """Return the problem under other limits; infinite weeks for none."""
    protocol, total = problem.protocol, None if math.isinf(weeks) else int(weeks)
    parts = {
        "per_operation": protocol.per_operation.model_copy(update={"removed_ml_max": removed_ml}),
        "function": protocol.function.model_copy(update={"fev1_after_percent_min": fev1_percent}),
        "weeks": protocol.weeks.model_copy(update={"total_max": total}),
    }
    return replace(problem, protocol=protocol.model_copy(update=parts))


def earliest_end(problem: StagingProblem, operations: int) -> float:
    """Return the week before which no plan with so many operations ends, whatever each of them removes.

    By the intervals, and by what access and perfusion alone take of lung function; infinite where function
    bears no such plan. More operations end no sooner.
    """
    budget, limits = Budget.of(problem), limits_of(problem)
    if limits.both_sides:
        # One on both sides waits as one on either side does, or longer.
        least = min(budget.weeks.other_side_min, budget.weeks.same_side_min)
        budget = replace(budget, weeks=budget.weeks.model_copy(update={"other_side_min": least}))
    there = [bool((problem.specimens.side == side).any()) for side in SIDES]
    splits = [
        (right, operations - right)
        for right in range(operations + 1)
        if (there[0] or not right) and (there[1] or right == operations)
    ]
    ways: list[Mapping[Side, int]] = [*shares(problem)] or [limits.perfused]
    found = [
        max(weeks, default=0)
        for way in ways
        for weeks in (budget.least_weeks(split, way, function=True) for split in splits)
        if weeks is not None
    ]
    return float(min(found, default=math.inf))


def _lesions_proven(plan: Plan) -> bool:
    """Return whether no plan leaves fewer lesions."""
    return plan.solver.goal("lesions_left").proven and not _left_by_rule(plan)


def _least_left(plan: Plan) -> float:
    """Return how many lesions any plan under these limits leaves at least: those too that none could take."""
    goal = plan.solver.goal("lesions_left")
    return -math.inf if _left_by_rule(plan) else goal.bound + len(plan.unassigned) - goal.value


def _left_by_rule(plan: Plan) -> bool:
    """Whether lesions stay that others could make room for.

    Which specimens share the time of a lung's only long operation is chosen by a rule, not proven.
    """
    return any(u.code == "first_operation_limit" for u in plan.unassigned)


def _fev1_most(problem: StagingProblem) -> float:
    """Return the most that any operation can leave: the first one, in week 0, with one specimen."""
    model = problem.function
    losses = [problem.loss([row], perfused=False) for row in range(len(problem.specimens))]
    return max((model.percent([(0, loss)], 0) - model.margin_percent for loss in losses), default=0.0)


def _down(loosest: float, step: float) -> NDArray[np.float64]:
    """Return the loosest limit and all multiples of the step below it, descending."""
    whole = np.arange(math.ceil(loosest / step - NOISE) - 1, 0, -1) * step
    return np.concatenate([[loosest], whole])


def _up(floor: float, most: float, step: float) -> NDArray[np.float64]:
    """Return the floor and all multiples of the step above it up to the most, ascending."""
    first, last = math.floor(floor / step + NOISE) + 1, math.floor(most / step + NOISE)
    return np.concatenate([[floor], np.arange(first, last + 1) * step])


def _marked(points: list[TradeoffPoint]) -> tuple[TradeoffPoint, ...]:
    """Return the points in order, once each, with those marked that another dominates."""
    distinct: dict[tuple[float, ...], TradeoffPoint] = {}
    for point in points:
        distinct.setdefault(point.costs, point)
    costs = np.array(list(distinct), dtype=np.float64).reshape(len(distinct), -1)
    # Points without operations have infinite function: equal there, whichever way they are compared.
    no_worse = (costs[:, None, :] <= costs[None, :, :] + NOISE).all(axis=2)
    better = (costs[:, None, :] < costs[None, :, :] - NOISE).any(axis=2)
    dominated = np.any(no_worse & better, axis=0)
    marked = [replace(p, dominated=bool(dominated[i])) for i, p in enumerate(distinct.values())]
    return tuple(sorted(marked, key=lambda point: point.costs))
