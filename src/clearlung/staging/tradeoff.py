"""`trade_off`: what fewer operations cost in tissue, weeks and lung function, point by point.

Two of the protocol's limits are swept (the epsilon-constraint method of Haimes and others): the tissue of one
operation is tightened from the protocol's value down, the FEV1 that must be left right after each operation
from the protocol's value up. At each pair of limits :func:`clearlung.staging.solve_plan` is asked for the
fewest operations. Both only take plans away, so the fewest operations never fall as either is tightened, and
one answer settles a whole rectangle: a plan with ``n`` operations, proven, that takes 40 ml under a limit of
60 ml is the answer for every limit from 60 down to 40 ml. Only pairs that no answer has settled are solved.

References
----------
Haimes YY, Lasdon LS, Wismer DA. On a bicriterion formulation of the problems of integrated system
identification and system optimization. IEEE Trans Syst Man Cybern 1971;1:296.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import InfeasiblePlan
from clearlung.staging.compare import ComparisonRow, compare
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.solve import solve_plan

Verdict = Literal["plan", "more operations", "more lesions left", "no plan found"]

# Values closer than this are equal: sums of volumes and of losses differ by rounding.
_NOISE = 1e-6


@dataclass(frozen=True)
class TradeoffOptions:
    """How far and how finely the limits are swept.

    Parameters
    ----------
    tissue_step_ml, function_step_percent
        Steps of the two limits: trade-offs finer than these are not told apart.
    operations_more
        Plans with more operations than the fewest and this many are not looked for.
    solves_max
        Plans to solve at most; what is then not settled is counted as unexplored.
    """

    tissue_step_ml: float = 1.0
    function_step_percent: float = 5.0
    operations_more: int = 6
    solves_max: int = 400

    def __post_init__(self) -> None:
        for name, least in (("tissue_step_ml", 0.0), ("function_step_percent", 0.0)):
            if not least < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}, not a number above 0")
        if self.operations_more < 0 or self.solves_max < 1:
            raise ValueError("operations_more must be 0 or more, and solves_max 1 or more")


@dataclass(frozen=True)
class TradeoffPoint:
    """One plan of the curve.

    Parameters
    ----------
    row
        The plan in figures.
    removed_ml_limit, fev1_limit_percent
        The two limits that it was planned under.
    proven
        Whether no plan within these limits leaves fewer lesions, or as many with fewer operations.
    weeks_bound
        No plan with as many operations, and as little tissue in the largest of each lung, ends sooner. Weeks
        are not swept: one that ends sooner with larger operations is found only where a step finds it.
    risk
        Class of risk by the protocol's rule set after recovery; None where function allows no verdict.
    dominated
        Whether another point is no worse in lesions left, operations, tissue, weeks and lowest FEV1, and
        better in one.
    """

    row: ComparisonRow
    removed_ml_limit: float
    fev1_limit_percent: float
    proven: bool
    weeks_bound: float
    risk: str | None
    dominated: bool = False

    @property
    def fev1_low_percent(self) -> float:
        """Lower bound of the lowest FEV1 right after an operation; infinite without operations."""
        low = self.row.fev1_lowest_low_percent
        return math.inf if low is None else low

    @property
    def costs(self) -> tuple[float, ...]:
        """Lesions left, operations, tissue of the largest, weeks and lost function: smaller is better."""
        row = self.row
        return row.lesions_left, row.operations, row.removed_ml_max, row.weeks, -self.fev1_low_percent


@dataclass(frozen=True)
class TradeoffAnswer:
    """What one pair of limits was answered with.

    Parameters
    ----------
    removed_ml_limit, fev1_limit_percent
        The limits.
    verdict
        plan; or why there is no point: more operations than looked for, more lesions left than under the
        protocol's own limits, or no plan found.
    proven
        Whether no solver could answer otherwise.
    removed_ml_max, fev1_low_percent
        Of the plan: limits down to, and up to these have the same answer.
    """

    removed_ml_limit: float
    fev1_limit_percent: float
    verdict: Verdict
    proven: bool
    removed_ml_max: float = 0.0
    fev1_low_percent: float = math.inf

    def settles(self, removed_ml: float, fev1_percent: float) -> bool:
        """Return whether it is the answer under these limits as well."""
        tighter = removed_ml <= self.removed_ml_limit + _NOISE and (
            fev1_percent >= self.fev1_limit_percent - _NOISE
        )
        kept = self.removed_ml_max <= removed_ml + _NOISE and fev1_percent <= self.fev1_low_percent + _NOISE
        return tighter and kept


@dataclass(frozen=True)
class Tradeoff:
    """The trade-off curve of one problem.

    Parameters
    ----------
    points
        By operations, then by tissue; dominated ones are marked.
    answers
        Of every pair of limits that was solved, in order.
    options
        How it was swept.
    fev1_most_percent
        No operation at all leaves more than this, so the sweep ends here.
    unexplored
        Pairs of limits that are not settled.
    beyond_weeks
        Plans that end later than the protocol allows, and are left out.
    """

    points: tuple[TradeoffPoint, ...]
    answers: tuple[TradeoffAnswer, ...]
    options: TradeoffOptions
    fev1_most_percent: float
    unexplored: int
    beyond_weeks: int

    @property
    def complete(self) -> bool:
        """Whether it is proven that no point is missing, to the steps and in operations, tissue and FEV1."""
        return not self.unexplored and not self.beyond_weeks and all(a.proven for a in self.answers)

    @property
    def best(self) -> tuple[TradeoffPoint, ...]:
        """The points that no other dominates."""
        return tuple(point for point in self.points if not point.dominated)

    def fewest(self, removed_ml: float, fev1_percent: float) -> int | None:
        """Return the fewest operations of at most this much tissue each that leave at least this FEV1.

        None where no point of the curve keeps to both.
        """
        return min(
            (
                point.row.operations
                for point in self.points
                if point.row.removed_ml_max <= removed_ml + _NOISE
                and point.fev1_low_percent >= fev1_percent - _NOISE
            ),
            default=None,
        )

    def proven(self, removed_ml: float, fev1_percent: float) -> bool:
        """Return whether what :meth:`fewest` says under these limits is proven."""
        return any(a.proven and a.settles(removed_ml, fev1_percent) for a in self.answers)


@dataclass(eq=False)
class _Sweep:
    """The pairs of limits, which of them are settled, and what was found."""

    problem: StagingProblem
    options: TradeoffOptions
    removed_ml: NDArray[np.float64]
    fev1_percent: NDArray[np.float64]
    points: list[TradeoffPoint] = field(default_factory=list)
    answers: list[TradeoffAnswer] = field(default_factory=list)
    beyond_weeks: int = 0
    _left: int = 0
    _operations: int = 0

    def __post_init__(self) -> None:
        self.settled = np.zeros((len(self.fev1_percent), len(self.removed_ml)), dtype=np.bool_)

    def run(self, progress: Callable[[str], None]) -> None:
        """Solve until every pair is settled: the loosest function first, and of it the loosest tissue."""
        while len(self.answers) < self.options.solves_max and not self.settled.all():
            row, column = np.unravel_index(int(self.settled.argmin()), self.settled.shape)
            removed_ml, fev1 = float(self.removed_ml[column]), float(self.fev1_percent[row])
            progress(f"at most {removed_ml:.0f} ml, FEV1 {fev1:.0f} %")
            answer = self._ask(removed_ml, fev1)
            self.answers.append(answer)
            ml, percent = np.meshgrid(self.removed_ml, self.fev1_percent)
            self.settled |= np.vectorize(answer.settles)(ml, percent)

    def _ask(self, removed_ml: float, fev1_percent: float) -> TradeoffAnswer:
        """Solve under one pair of limits; the first pair is the protocol's own, and must have a plan."""
        first = not self.answers
        try:
            plan = solve_plan(_limited(self.problem, removed_ml, fev1_percent))
        except InfeasiblePlan:
            if first:
                raise
            return TradeoffAnswer(removed_ml, fev1_percent, "no plan found", proven=False)
        row = compare([plan]).rows[0]
        if first:
            self._left, self._operations = row.lesions_left, row.operations + self.options.operations_more
        settled = _lesions_proven(plan)
        if row.lesions_left > self._left:
            return TradeoffAnswer(removed_ml, fev1_percent, "more lesions left", settled)
        if row.operations > self._operations:
            beyond = settled and plan.solver.bound > self._operations
            return TradeoffAnswer(removed_ml, fev1_percent, "more operations", beyond)
        verdict = plan.function.verdict
        point = TradeoffPoint(
            row=row,
            removed_ml_limit=removed_ml,
            fev1_limit_percent=fev1_percent,
            proven=settled and plan.solver.bound == row.operations,
            weeks_bound=plan.solver.goal("weeks").bound,
            risk=verdict.risk if verdict else None,
        )
        total = self.problem.protocol.weeks.total_max
        if total is None or row.weeks <= total:
            self.points.append(point)
        else:
            self.beyond_weeks += 1
        return TradeoffAnswer(
            removed_ml, fev1_percent, "plan", point.proven, row.removed_ml_max, point.fev1_low_percent
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
        Exact in operations, tissue of the largest operation and lowest FEV1, to the steps, where
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
        unexplored=int((~sweep.settled).sum()),
        beyond_weeks=sweep.beyond_weeks,
    )


def _limited(problem: StagingProblem, removed_ml: float, fev1_percent: float) -> StagingProblem:
    """Return the problem under other limits; weeks are judged afterwards, for every plan alike."""
    protocol = problem.protocol
    parts = {
        "per_operation": protocol.per_operation.model_copy(update={"removed_ml_max": removed_ml}),
        "function": protocol.function.model_copy(update={"fev1_after_percent_min": fev1_percent}),
        "weeks": protocol.weeks.model_copy(update={"total_max": None}),
    }
    return replace(problem, protocol=protocol.model_copy(update=parts))


def _lesions_proven(plan: Plan) -> bool:
    """Return whether no plan leaves fewer lesions.

    Which specimens share the time of a lung's only long operation is chosen by a rule, not proven.
    """
    return plan.solver.goal("lesions_left").proven and all(
        u.code != "first_operation_limit" for u in plan.unassigned
    )


def _fev1_most(problem: StagingProblem) -> float:
    """Return the most that any operation can leave: the first one, in week 0, with one specimen."""
    model = problem.function
    losses = [problem.loss([row], perfused=False) for row in range(len(problem.specimens))]
    return max((model.percent([(0, loss)], 0) - model.margin_percent for loss in losses), default=0.0)


def _down(loosest: float, step: float) -> NDArray[np.float64]:
    """Return the loosest limit and all multiples of the step below it, descending."""
    whole = np.arange(math.ceil(loosest / step - _NOISE) - 1, 0, -1) * step
    return np.concatenate([[loosest], whole])


def _up(floor: float, most: float, step: float) -> NDArray[np.float64]:
    """Return the floor and all multiples of the step above it up to the most, ascending."""
    first, last = math.floor(floor / step + _NOISE) + 1, math.floor(most / step + _NOISE)
    return np.concatenate([[floor], np.arange(first, last + 1) * step])


def _marked(points: list[TradeoffPoint]) -> tuple[TradeoffPoint, ...]:
    """Return the points in order, once each, with those marked that another dominates."""
    distinct: dict[tuple[float, ...], TradeoffPoint] = {}
    for point in points:
        distinct.setdefault(point.costs, point)
    costs = np.array(list(distinct), dtype=np.float64).reshape(len(distinct), -1)
    # Points without operations have infinite function: equal there, whichever way they are compared.
    no_worse = (costs[:, None, :] <= costs[None, :, :] + _NOISE).all(axis=2)
    better = (costs[:, None, :] < costs[None, :, :] - _NOISE).any(axis=2)
    dominated = np.any(no_worse & better, axis=0)
    marked = [replace(p, dominated=bool(dominated[i])) for i, p in enumerate(distinct.values())]
    return tuple(sorted(marked, key=lambda point: point.costs))
