"""`Tradeoff`: the trade-off curve, its points, and the answers that prove them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clearlung.staging.compare import ComparisonRow

Verdict = Literal["plan", "more operations", "more lesions left", "later", "no plan found"]

NOISE = 1e-6
"""Values closer than this are equal: sums of volumes and of losses differ by rounding."""


@dataclass(frozen=True)
class TradeoffOptions:
    """How far and how finely the limits are swept.

    Parameters
    ----------
    tissue_step_ml, function_step_percent, weeks_step
        Steps of the limits: trade-offs finer than these are not told apart.
    operations_more
        Plans with more operations than the fewest and this many are not looked for.
    solves_max
        Plans to solve at most; what is then not settled is counted as unexplored.
    """

    tissue_step_ml: float = 1.0
    function_step_percent: float = 5.0
    operations_more: int = 6
    solves_max: int = 400
    weeks_step: int = 1

    def __post_init__(self) -> None:
        for name, least in (("tissue_step_ml", 0.0), ("function_step_percent", 0.0)):
            if not least < getattr(self, name) < math.inf:
                raise ValueError(f"{name} is {getattr(self, name):g}, not a number above 0")
        if self.operations_more < 0 or self.solves_max < 1 or self.weeks_step < 1:
            raise ValueError("operations_more must be 0 or more, solves_max and weeks_step 1 or more")


@dataclass(frozen=True)
class TradeoffPoint:
    """One plan of the curve.

    Parameters
    ----------
    row
        The plan in figures.
    removed_ml_limit, fev1_limit_percent, weeks_limit
        The limits that it was planned under; infinite weeks for none.
    proven
        Whether no plan within these limits leaves fewer lesions, or as many with fewer operations.
    weeks_bound
        No plan with as many operations, and as little tissue in the largest of each lung, ends sooner.
    risk
        Class of risk by the protocol's rule set after recovery; None where function allows no verdict.
    dominated
        Whether another point is no worse in lesions left, operations, tissue, weeks and lowest FEV1, and
        better in one.
    """

    row: ComparisonRow
    removed_ml_limit: float
    fev1_limit_percent: float
    weeks_limit: float
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
    """What one set of limits was answered with.

    Parameters
    ----------
    removed_ml_limit, fev1_limit_percent, weeks_limit
        The limits; infinite weeks for none.
    verdict
        plan; or why there is no point: more operations than looked for, more lesions left than under the
        protocol's own limits, later because the intervals alone take longer, or no plan found.
    proven
        Whether no solver could answer otherwise.
    operations
        Of the plan.
    removed_ml_max, fev1_low_percent, weeks
        Of the plan: limits down to, up to and down to these have the same answer.
    """

    removed_ml_limit: float
    fev1_limit_percent: float
    weeks_limit: float
    verdict: Verdict
    proven: bool
    operations: int = 0
    removed_ml_max: float = 0.0
    fev1_low_percent: float = math.inf
    weeks: int = 0

    def covers(self, removed_ml: ArrayLike, fev1_percent: ArrayLike) -> NDArray[np.bool_]:
        """Return whether it is the answer under these limits as well, weeks aside."""
        ml, percent = np.asarray(removed_ml, dtype=np.float64), np.asarray(fev1_percent, dtype=np.float64)
        tighter = (ml <= self.removed_ml_limit + NOISE) & (percent >= self.fev1_limit_percent - NOISE)
        kept = (ml >= self.removed_ml_max - NOISE) & (percent <= self.fev1_low_percent + NOISE)
        return np.asarray(tighter & kept, dtype=np.bool_)

    def settles(self, removed_ml: float, fev1_percent: float, weeks: float = math.inf) -> bool:
        """Return whether it is the answer under these limits as well."""
        return self.weeks <= weeks <= self.weeks_limit and bool(self.covers(removed_ml, fev1_percent))

    def no_fewer(self, removed_ml: float, fev1_percent: float, weeks: float) -> int:
        """Return how many operations any plan under these limits has at least, by this answer."""
        tighter = removed_ml <= self.removed_ml_limit + NOISE and weeks <= self.weeks_limit
        tighter &= fev1_percent >= self.fev1_limit_percent - NOISE
        return self.operations if self.proven and tighter else 0


@dataclass(frozen=True)
class Tradeoff:
    """The trade-off curve of one problem.

    Parameters
    ----------
    points
        By operations, then by tissue; dominated ones are marked.
    answers
        Of every set of limits that was looked at, in order.
    options
        How it was swept.
    fev1_most_percent
        No operation at all leaves more than this, so the sweep ends here.
    unexplored
        Pairs of limits of tissue and function for which some weeks are not settled.
    """

    points: tuple[TradeoffPoint, ...]
    answers: tuple[TradeoffAnswer, ...]
    options: TradeoffOptions
    fev1_most_percent: float
    unexplored: int

    @property
    def complete(self) -> bool:
        """Whether it is proven that no point is missing, to the steps."""
        return not self.unexplored and all(a.proven for a in self.answers)

    @property
    def best(self) -> tuple[TradeoffPoint, ...]:
        """The points that no other dominates."""
        return tuple(point for point in self.points if not point.dominated)

    def fewest(self, removed_ml: float, fev1_percent: float, weeks: float = math.inf) -> int | None:
        """Return the fewest operations that keep to these limits.

        None where no point of the curve keeps to all.

        Parameters
        ----------
        removed_ml
            Tissue of each operation, at most.
        fev1_percent
            FEV1 right after each, lower bound, at least.
        weeks
            Week of the last, at most.
        """
        return min(
            (
                point.row.operations
                for point in self.points
                if point.row.removed_ml_max <= removed_ml + NOISE
                and point.fev1_low_percent >= fev1_percent - NOISE
                and point.row.weeks <= weeks
            ),
            default=None,
        )

    def proven(self, removed_ml: float, fev1_percent: float, weeks: float = math.inf) -> bool:
        """Return whether what :meth:`fewest` says under these limits is proven."""
        return any(a.proven and a.settles(removed_ml, fev1_percent, weeks) for a in self.answers)
