"""A packing by mixed-integer programming (HiGHS, from SciPy): proves what construction leaves open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from clearlung.staging.items import ML, THOUSAND, Weights
from clearlung.staging.repair import Assignment, loads_of

SOLVER = f"scipy.optimize.milp (HiGHS), SciPy {scipy.__version__}"

# Beyond this many choices the program is not even built: it would not end within the limits below.
_CHOICES_MAX = 12_000
# Stops the same way on every machine; the seconds are only for machines on which that takes too long.
NODES_MAX = 1_500
_SECONDS_MAX = 20.0
# Costs are only compared, never proven: a few nodes find nearly all that there is to gain.
_COST_NODES = 20


@dataclass(frozen=True, eq=False)
class Answer:
    """What the program proved.

    Parameters
    ----------
    where
        A packing, or None if none was found.
    peak
        No packing has less tissue in its largest operation than this, in whole ml; None if there is no
        packing at all.
    proven
        Whether it ended: with ``where`` None, no packing exists.
    """

    where: Assignment | None
    peak: int | None
    proven: bool


def pack_exactly(
    weight: Weights, capacity: Weights, *, peak_from: int, nodes_max: int = NODES_MAX, balance: bool = True
) -> Answer:
    """Look for the packing with the least tissue in its largest operation.

    Parameters
    ----------
    weight
        Shape (specimens, limits).
    capacity
        Shape (operations, limits).
    peak_from
        A lower bound of that tissue, whole ml.
    nodes_max
        Nodes of the search tree after which it ends without proof.
    balance
        Whether the least peak is wanted, or any packing will do.

    Notes
    -----
    Operations of the same capacity are interchangeable. They are told apart by their first specimen: the
    k-th of a class holds none of the first k - 1 specimens. That loses no packing.
    """
    specimens, operations = len(weight), len(capacity)
    if specimens * operations > _CHOICES_MAX:
        return Answer(None, peak_from, False)
    order = np.argsort(-weight[:, ML], kind="stable")
    allowed = _symmetry_broken(capacity, specimens)
    choices = specimens * operations
    result = milp(
        c=np.r_[np.zeros(choices), float(balance)],
        integrality=np.ones(choices + 1),
        bounds=Bounds(
            np.r_[np.zeros(choices), peak_from], np.r_[allowed.ravel(), capacity[:, ML].max() // THOUSAND + 1]
        ),
        constraints=_constraints(weight[order], capacity),
        options={"node_limit": nodes_max, "time_limit": _SECONDS_MAX, "mip_rel_gap": 0.0},
    )
    if result.status == 2:
        return Answer(None, None, True)
    bound = peak_from
    if balance and result.mip_dual_bound is not None and np.isfinite(result.mip_dual_bound):
        bound = max(bound, int(np.ceil(result.mip_dual_bound - 1e-6)))
    if result.x is None:
        return Answer(None, bound, False)
    where = np.empty(specimens, dtype=np.int64)
    where[order] = np.argmax(result.x[:-1].reshape(specimens, operations), axis=1)
    # HiGHS works in floating point with tolerances: the answer counts only if it holds in whole numbers.
    if (loads_of(weight, where, operations) > capacity).any():
        return Answer(None, bound, False)
    return Answer(where, bound, balance and result.status == 0)


def pack_at_least_cost(weight: Weights, capacity: Weights, cost: NDArray[np.float64]) -> Assignment | None:
    """Return the packing whose specimens cost the least where they are, as far as it is found in time.

    Parameters
    ----------
    weight, capacity
        As for :func:`pack_exactly`.
    cost
        Of each specimen in each operation, shape (specimens, operations).
    """
    specimens, operations = cost.shape
    if specimens * operations > _CHOICES_MAX:
        return None
    scale = max(float(np.abs(cost).max()), 1e-9)
    result = milp(
        c=np.r_[cost.ravel() / scale, 0.0],
        integrality=np.ones(cost.size + 1),
        bounds=Bounds(0, np.r_[np.ones(cost.size), capacity[:, ML].max() // THOUSAND + 1]),
        constraints=_constraints(weight, capacity),
        options={"node_limit": _COST_NODES, "time_limit": _SECONDS_MAX, "mip_rel_gap": 1e-3},
    )
    if result.x is None:
        return None
    where = np.argmax(result.x[:-1].reshape(specimens, operations), axis=1).astype(np.int64)
    return where if (loads_of(weight, where, operations) <= capacity).all() else None


def _symmetry_broken(capacity: Weights, specimens: int) -> NDArray[np.float64]:
    """1 where a specimen may go into an operation, shape (specimens, operations)."""
    allowed = np.ones((specimens, len(capacity)))
    _, kind = np.unique(capacity, axis=0, return_inverse=True)
    for k in np.unique(kind):
        for place, operation in enumerate(np.flatnonzero(kind.ravel() == k)):
            allowed[:place, operation] = 0.0
    return allowed


def _constraints(weight: Weights, capacity: Weights) -> LinearConstraint:
    """Each specimen in one operation; no operation empty or over a limit, or over the peak."""
    specimens, operations = len(weight), len(capacity)
    choice = np.arange(specimens * operations).reshape(specimens, operations)
    rows: list[NDArray[np.int64]] = []
    columns: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    low: list[float] = []
    high: list[float] = []

    def add(column: NDArray[np.int64], value: ArrayLike, least: float, most: float) -> None:
        rows.append(np.full(len(column), len(low)))
        columns.append(column)
        values.append(np.asarray(value, dtype=np.float64))
        low.append(least)
        high.append(most)

    for i in range(specimens):
        add(choice[i], np.ones(operations), 1, 1)
    for b in range(operations):
        add(choice[:, b], np.ones(specimens), 1, specimens)
        for limit in range(weight.shape[1]):
            if weight[:, limit].sum() > capacity[b, limit]:
                add(choice[:, b], weight[:, limit], 0, capacity[b, limit])
        add(np.r_[choice[:, b], choice.size], np.r_[weight[:, ML], -THOUSAND], -np.inf, 0)
    matrix = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(len(low), choice.size + 1),
    )
    return LinearConstraint(matrix.tocsc(), low, high)
