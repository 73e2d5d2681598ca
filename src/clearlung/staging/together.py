"""Specimens and operations chosen together: another way to cut may save an operation.

The cheapest specimens by themselves need not be the best in the limits of operations: neighbors in one piece
take fewer minutes and a little more tissue, and a piece that holds three lesions fits worse where fifteen are
allowed. For each lung an integer program chooses specimens and their operations at once, for ever fewer
operations, until none is left to be saved. It is asked only where the cheapest specimens need more operations
than a bound that holds whatever is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import coo_array, csr_array, identity, kron

from clearlung.anatomy import SIDES, Side
from clearlung.resection import CandidateSet, SpecimenSet, choose
from clearlung.staging.items import MINUTES, THOUSAND, Columns, Limits, limits_of, lobe_shares_ml, weigh
from clearlung.staging.least_operations import LeastOperations
from clearlung.staging.packing import minutes_bound, pack
from clearlung.staging.problem import StagingProblem
from clearlung.staging.screen import screen

# Beyond this many choices the program is not built; the cheapest specimens then stand.
_CHOICES_MAX = 40_000
_SECONDS_MAX = 20.0
# Numbers of operations that are tried where the cheapest specimens cannot all be removed.
_OPERATIONS_TRIED = 3


_UNPROVEN = "The choice of specimens is not proven: one that costs up to {:.1%} less may exist."


class Cuts(Protocol):
    """What could be cut: a :class:`clearlung.resection.Excision`, or candidates without their voxels."""

    @property
    def candidates(self) -> CandidateSet:
        """Every specimen that could be cut."""

    @property
    def cost(self) -> NDArray[np.float64]:
        """Of each, in ml of lung."""

    def chosen(self, rows: NDArray[np.int64]) -> SpecimenSet:
        """Return some of them as specimens."""


@dataclass(frozen=True, eq=False)
class _Lung:
    """What could be cut on one side: candidates that fit an operation, and the lesions that they hold.

    ``weight`` is what each uses of each limit, in the limit's own unit; ``holds`` is 1 where a lesion (row)
    is in a candidate (column).
    """

    side: Side
    rows: NDArray[np.int64]
    weight: NDArray[np.float64]
    columns: Columns
    holds: csr_array
    cost: NDArray[np.float64]

    @classmethod
    def of(cls, problem: StagingProblem, side: Side, excision: Cuts, fits: NDArray[np.bool_]) -> _Lung:
        """Gather one side's candidates."""
        candidates = excision.candidates
        rows = np.flatnonzero(fits & (candidates.side == side))
        groups = [candidates.lesions[row] for row in rows]
        place = {lesion: k for k, lesion in enumerate(sorted({i for group in groups for i in group}))}
        lesion = np.array([place[i] for group in groups for i in group], dtype=np.int64)
        counts = np.array([len(group) for group in groups], dtype=np.int64)
        column = np.repeat(np.arange(len(rows)), counts)
        holds = coo_array((np.ones(len(lesion)), (lesion, column)), shape=(len(place), len(rows))).tocsr()
        weight, columns = weigh(problem, candidates, side, rows)
        return cls(side, rows, weight / columns.units, columns, holds, excision.cost[rows])

    @property
    def lesions(self) -> int:
        """Number of lesions."""
        return int(self.holds.shape[0])

    def least(self, column: int) -> float:
        """Return the least sum of a weight over all ways to hold every lesion once, or infinity."""
        result = linprog(self.weight[:, column], A_eq=self.holds, b_eq=np.ones(self.lesions), bounds=(0, 1))
        return float(result.fun) if result.status == 0 else float("inf")

    def bound(self, limits: Limits) -> int | None:
        """Return how many operations the lung needs at least, whatever is chosen; None if nothing holds all.

        Tissue gives no bound: what neighbors share counts once, and is twice in their sum.
        """
        minutes = self.least(MINUTES)
        if not np.isfinite(minutes):
            return None
        # The relaxation's value is a bound; what it is out by numerically must not raise it.
        thousandths = int(np.floor(minutes * THOUSAND - 1e-3))
        return max(-(-self.lesions // limits.lesions), minutes_bound(thousandths, limits, [self.side]))

    def pack(self, operations: int, limits: Limits, *, tissue: bool) -> tuple[NDArray[np.int64] | None, bool]:
        """Choose candidates for so many operations at the least cost.

        Parameters
        ----------
        operations, limits
            How many, and what each may hold.
        tissue
            Whether the limit of tissue counts. What neighbors share is twice in the sum, so that packings
            that are found keep the limit, but what is not found may exist.

        Returns
        -------
        rows, proven
            The candidates' rows, or None if none were found; whether none exist where none were found.
        """
        candidates = len(self.rows)
        if candidates * operations > _CHOICES_MAX:
            return None, False
        capacity = limits.capacities(self.columns, operations, self.side) / self.columns.units
        if not tissue:
            capacity[:, self.columns.tissue] = np.inf
        # Variables: candidate c in operation o, operation after operation.
        once = kron(np.ones((1, operations)), self.holds)
        within = kron(identity(operations), csr_array(self.weight.T))
        result = milp(
            c=np.tile(self.cost, operations),
            integrality=np.ones(candidates * operations),
            bounds=Bounds(0, 1),
            constraints=[
                LinearConstraint(once.tocsc(), 1, 1),
                LinearConstraint(within.tocsc(), -np.inf, capacity.ravel()),
            ],
            options={"time_limit": _SECONDS_MAX, "mip_rel_gap": 1e-4},
        )
        if result.x is None:
            return None, result.status == 2
        taken = result.x.reshape(operations, candidates) > 0.5
        # HiGHS works in floating point with tolerances: the answer counts only if it holds.
        if (taken @ self.weight > capacity + 1e-9).any() or (self.holds @ taken.sum(axis=0) != 1).any():
            return None, False
        return self.rows[np.flatnonzero(taken.any(axis=0))], False


def choose_together(problem: StagingProblem, excision: Cuts) -> StagingProblem:
    """Return the problem with the specimens that need the fewest operations, and among those the cheapest.

    Parameters
    ----------
    problem
        With any specimens; its limits are what counts.
    excision
        Every candidate with its cost.

    Returns
    -------
    StagingProblem
        ``specimens`` are chosen anew, and ``least_operations`` says how many operations each lung needs at
        least whatever is chosen; lungs of which that is not known are left out. Lung function is not
        considered: it binds in the sequence.
    """
    fits = _fits(problem, excision)
    cheapest = choose(excision.candidates, excision.cost, among=fits)
    chosen = cheapest.rows
    if not cheapest.proven:
        problem = replace(problem, warnings=(*problem.warnings, _UNPROVEN.format(cheapest.gap)))
    problem = replace(problem, specimens=_specimens(excision, chosen, fits))
    limits, items = limits_of(problem), screen(problem)[0]
    lungs = {side: _Lung.of(problem, side, excision, fits) for side in SIDES}
    least: dict[Side, int] = {}
    for side in SIDES:
        lung = lungs[side]
        bound = lung.bound(limits) if len(lung.rows) else 0
        packing = pack(items[side], limits, problem.seed)
        if bound is None:
            continue
        if packing is not None and items[side].lesions == lung.lesions:
            rows, least[side] = _fewest(lung, limits, bound, packing.operations)
        else:
            # The cheapest specimens leave lesions that others may have room for.
            rows, proven = _fewest(lung, limits, bound, bound + _OPERATIONS_TRIED)
            if rows is not None:
                least[side] = proven
        if rows is not None:
            chosen = np.concatenate([chosen[excision.candidates.side[chosen] != side], rows])
    specimens = _specimens(excision, np.sort(chosen), fits)
    problem = replace(problem, specimens=specimens)
    pooled = _pooled_bound(lungs, limits) if limits.both_sides else None
    return replace(problem, least_operations=LeastOperations.of(problem, least, pooled))


def _pooled_bound(lungs: Mapping[Side, _Lung], limits: Limits) -> int:
    """Return how many operations both lungs need at least if each may open both, whatever is chosen."""
    operated = [side for side in SIDES if len(lungs[side].rows)]
    minutes = sum(lungs[side].least(MINUTES) for side in operated)
    by_minutes = 0
    if np.isfinite(minutes):
        thousandths = int(np.floor(minutes * THOUSAND - 1e-3))
        by_minutes = minutes_bound(thousandths, limits, operated, each=True)
    return max(-(-sum(lung.lesions for lung in lungs.values()) // limits.lesions), by_minutes)


def _specimens(excision: Cuts, chosen: NDArray[np.int64], fits: NDArray[np.bool_]) -> SpecimenSet:
    """Return the chosen specimens; a lesion that only too large ones hold stays, and keeps no other back."""
    candidates = excision.candidates
    held = {i for row in np.flatnonzero(fits) for i in candidates.lesions[row]}
    too_large: dict[int, str] = {}
    for row in np.flatnonzero(~fits)[np.argsort(excision.cost[~fits], kind="stable")].tolist():
        for lesion in set(candidates.lesions[row]) - held - too_large.keys():
            too_large[lesion] = (
                f"no operation can hold the least specimen that takes it ({candidates.technique[row]},"
                f" {candidates.volume_ml[row]:.0f} ml, {candidates.minutes[row]:.0f} min,"
                f" {len(candidates.lesions[row])} metastases); nothing smaller does:"
                f" {candidates.forced.get(lesion, 'see the techniques of the protocol')}"
            )
    specimens = excision.chosen(chosen)
    return replace(specimens, unresectable=specimens.unresectable | too_large)


def _fewest(lung: _Lung, limits: Limits, bound: int, known: int) -> tuple[NDArray[np.int64] | None, int]:
    """Look for fewer operations than are known: the candidates' rows if there are, and what is proven."""
    proven = bound
    for operations in range(bound, known):
        _, none_exist = lung.pack(operations, limits, tissue=False)
        if none_exist:
            proven = operations + 1 if proven == operations else proven
            continue
        rows, _ = lung.pack(operations, limits, tissue=True)
        if rows is not None:
            return rows, proven
    return None, proven


def _fits(problem: StagingProblem, excision: Cuts) -> NDArray[np.bool_]:
    """Return which candidates fit an operation of their own."""
    candidates, per = excision.candidates, problem.protocol.per_operation
    counts = np.array([len(group) for group in candidates.lesions], dtype=np.int64)
    again = np.isin(candidates.side, list(problem.operated))
    minutes = candidates.minutes + problem.access_minutes + problem.reentry_minutes * again
    lobe_ml_max = math.inf if per.removed_ml_per_lobe_max is None else per.removed_ml_per_lobe_max
    lobe_ml = lobe_shares_ml(candidates, np.arange(len(counts))).max(axis=1, initial=0.0)
    return np.asarray(
        (candidates.volume_ml <= per.removed_ml_max)
        & (lobe_ml <= lobe_ml_max)
        & _allowed_by_surgeon(problem, candidates.lesions)
        & (minutes <= per.minutes_max)
        & (counts <= min(per.nodules_max, per.nodules_per_lobe_max)),
        dtype=np.bool_,
    )


def _allowed_by_surgeon(problem: StagingProblem, groups: Sequence[tuple[int, ...]]) -> NDArray[np.bool_]:
    """Return for each candidate whether the surgeon's assignments let some operation take it."""
    leave = {i for assignment in problem.assignments if assignment.leave for i in assignment.lesions}
    apart = [set(assignment.lesions) for assignment in problem.assignments if assignment.apart]
    return np.array(
        [not leave & set(group) and all(len(a & set(group)) < 2 for a in apart) for group in groups],
        dtype=np.bool_,
    )
