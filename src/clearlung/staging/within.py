"""Which lesions are removed where tissue in all, the last week or the surgeon's assignments leave no room.

Tissue and weeks are knapsacks with several limits: the most lesions by an integer program, and for each
number of lesions the specimens that use the least of what is limited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, identity, kron

from clearlung.anatomy import LOBES, SIDES, Side
from clearlung.staging.budget import Budget
from clearlung.staging.items import LESIONS, Items, Limits, lobe_shares_ml
from clearlung.staging.packing import operations_bound
from clearlung.staging.problem import StagingProblem
from clearlung.staging.weeks_bound import weeks_of_split

# Small programs with a dozen limits; one that does not end in this time has a value all the same.
_SECONDS_MAX = 10.0
# Decides between specimens that use as much of an operation.
_LITTLE = 1e-3
# More operations than this in the weeks of any protocol do not happen.
_OPERATIONS_MAX = 60


@dataclass(frozen=True, eq=False)
class Knapsack:
    """Specimens of both lungs under limits that hold for all of them together.

    Parameters
    ----------
    lungs
        The specimens.
    use
        float64 of shape (limits, specimens), the right lung's first.
    most_use
        What there is of each limit.
    """

    lungs: dict[Side, Items]
    use: NDArray[np.float64]
    most_use: NDArray[np.float64]

    @property
    def _counts(self) -> NDArray[np.float64]:
        return np.concatenate([self.lungs[side].weight[:, LESIONS] for side in SIDES]).astype(np.float64)

    @cached_property
    def _fullest(self) -> tuple[NDArray[np.bool_], int]:
        """The specimens that remove the most lesions, and the number that no others exceed."""
        counts = self._counts
        if not len(counts):
            return np.zeros(0, dtype=np.bool_), 0
        result = self._solve(-counts, None)
        if result is None:
            return np.zeros(len(counts), dtype=np.bool_), 0
        chosen, dual = result
        return chosen, int(np.floor(-dual + 1e-6))

    @property
    def most(self) -> int:
        """How many lesions are removed at most."""
        return self._fullest[1]

    @property
    def _cost(self) -> NDArray[np.float64]:
        """What each specimen uses of an operation, and a little of these limits."""
        shares = (self.use / np.maximum(self.most_use, 1e-9)[:, None]).sum(axis=0)
        operations = np.concatenate(
            [
                (self.lungs[side].weight / np.maximum(self.lungs[side].columns.capacity, 1)).sum(axis=1)
                for side in SIDES
            ]
        )
        cost: NDArray[np.float64] = operations + _LITTLE * shares
        return cost

    def best(self, lesions: int) -> dict[Side, Items]:
        """Return the specimens that remove at least so many and use the least of operations."""
        found = self._solve(self._cost, lesions)
        chosen = self._fullest[0] if found is None else found[0]
        split = len(self.lungs["right"])
        return {
            "right": self.lungs["right"].subset(chosen[:split]),
            "left": self.lungs["left"].subset(chosen[split:]),
        }

    def _solve(
        self, cost: NDArray[np.float64], lesions: int | None
    ) -> tuple[NDArray[np.bool_], float] | None:
        limits = [LinearConstraint(self.use, -np.inf, self.most_use)] if len(self.use) else []
        if lesions is not None:
            limits.append(LinearConstraint(self._counts[None, :], lesions, np.inf))
        result = milp(
            c=cost,
            integrality=np.ones(len(cost)),
            bounds=Bounds(0, 1),
            constraints=limits,
            options={"time_limit": _SECONDS_MAX, "mip_rel_gap": 0.0},
        )
        if result.x is None:
            return None
        return result.x > 0.5, float(result.mip_dual_bound)


def within_totals(problem: StagingProblem, lungs: dict[Side, Items]) -> Knapsack | None:
    """Return the knapsack of the limits on tissue of all operations; None where they do not bind."""
    total, rows = problem.protocol.total, np.concatenate([lungs[side].row for side in SIDES])
    shares = lobe_shares_ml(problem.specimens, rows)
    use: list[NDArray[np.float64]] = []
    most: list[float] = []
    if total.removed_ml_per_lobe_max is not None:
        use += [shares[:, place] for place in range(len(LOBES))]
        most += [total.removed_ml_per_lobe_max] * len(LOBES)
    if total.removed_ml_per_lung_max is not None:
        volume_ml, side_of = problem.specimens.volume_ml[rows], problem.specimens.side[rows]
        use += [np.where(side_of == side, volume_ml, 0.0) for side in SIDES]
        most += [total.removed_ml_per_lung_max] * len(SIDES)
    if all(column.sum() <= limit for column, limit in zip(use, most, strict=True)):
        return None
    return Knapsack(lungs, np.stack(use), np.array(most))


def within_weeks(lungs: dict[Side, Items], limits: Limits, budget: Budget, weeks_max: int) -> list[Knapsack]:
    """Return a knapsack for each way to share the operations that the weeks allow between the lungs.

    The limits of one operation hold for the sum over as many operations: no plan removes more.
    """
    found = []
    for right, left in _most_operations(limits, budget, weeks_max):
        use: list[NDArray[np.float64]] = []
        most: list[float] = []
        for side, operations in zip(SIDES, (right, left), strict=True):
            items = lungs[side]
            capacity = limits.capacities(items.columns, operations, side).sum(axis=0)
            for column, limit in enumerate(capacity.tolist()):
                own = {s: np.zeros(len(lungs[s])) for s in SIDES}
                own[side] = items.weight[:, column].astype(np.float64)
                use.append(np.concatenate([own[s] for s in SIDES]))
                most.append(float(max(0, limit)))
        found.append(Knapsack(lungs, np.stack(use), np.array(most)))
    return found


def can_end_in_time(lungs: dict[Side, Items], limits: Limits, budget: Budget, weeks_max: int) -> bool:
    """Whether it is open that some plan removes all these specimens by a week; no is certain.

    Parameters
    ----------
    lungs
        All specimens of each lung.
    limits, budget
        Of one operation, and of function.
    weeks_max
        The last week.
    """
    if limits.both_sides:
        return True
    for right in range(_OPERATIONS_MAX):
        most = _most_left(right, limits, budget, weeks_max)
        if most is None:
            return False
        for left in range(most + 1):
            if weeks_of_split(lungs, (right, left), limits, budget) <= weeks_max:
                return True
    return True


def _most_operations(limits: Limits, budget: Budget, weeks_max: int) -> Iterator[tuple[int, int]]:
    """Yield the numbers of operations on each lung that end in time, none of which could have one more."""
    fitting: list[tuple[int, int]] = []
    for right in range(_OPERATIONS_MAX):
        left = _most_left(right, limits, budget, weeks_max)
        if left is None:
            break
        fitting.append((right, left))
    for place, (right, left) in enumerate(fitting):
        if place + 1 == len(fitting) or fitting[place + 1][1] < left:
            yield right, left


def _most_left(right: int, limits: Limits, budget: Budget, weeks_max: int) -> int | None:
    """Return how many operations on the left lung end in time beside so many on the right."""
    best = None
    for left in range(_OPERATIONS_MAX):
        weeks = budget.least_weeks((right, left), limits.perfused)
        if weeks is None or max(weeks, default=0) > weeks_max:
            break
        best = left
    return best


def most_of(knapsacks: Sequence[Knapsack]) -> int:
    """Return how many lesions none of these exceeds."""
    return max((knapsack.most for knapsack in knapsacks), default=0)


def within_assignments(items: Items, limits: Limits) -> Items:
    """Return the specimens of one lung that the surgeon's assignments leave room for, as many as possible.

    Parameters
    ----------
    items
        Of one lung, of which no packing was found.
    limits
        Of one operation.

    Notes
    -----
    An integer program chooses specimens and their operations, one more than any bound asks for and as many as
    assignments name.
    """
    operations = min(len(items), max(operations_bound(items, limits)[0] + 1, items.columns.last_place))
    capacity = limits.capacities(items.columns, operations, items.side)
    counts = np.tile(items.weight[:, LESIONS].astype(np.float64), operations)
    once = kron(np.ones((1, operations)), identity(len(items)))
    within = kron(identity(operations), csr_array(items.weight.T.astype(np.float64)))
    result = milp(
        c=-counts,
        integrality=np.ones(len(counts)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(once.tocsc(), 0, 1),
            LinearConstraint(within.tocsc(), -np.inf, np.maximum(capacity, 0).ravel().astype(np.float64)),
        ],
        options={"time_limit": _SECONDS_MAX, "mip_rel_gap": 0.0},
    )
    if result.x is None:
        return items
    return items.subset((result.x.reshape(operations, len(items)) > 0.5).any(axis=0))
