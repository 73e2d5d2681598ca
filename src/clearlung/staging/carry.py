"""Which remaining specimen in which promised operation, with as little change as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from clearlung.anatomy import LOBE_SIDES, LOBES, Side
from clearlung.staging.problem import StagingProblem

# For machines on which a program takes too long; the answer is then not proven.
_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class Slot:
    """An operation that specimens can be put into.

    Parameters
    ----------
    side
        The lung.
    perfused
        Whether it is perfused.
    promised
        Its number in the plan that was promised; None for one that is added only where it is needed.
    not_before
        First week in which it may be.
    """

    side: Side
    perfused: bool
    promised: int | None
    not_before: int = 0


@dataclass(frozen=True, eq=False)
class Carried:
    """Slot of each specimen, -1 for one that stays, and whether nothing less changes for certain."""

    where: NDArray[np.int64]
    proven: bool


def carry_over(
    problem: StagingProblem, slots: Sequence[Slot], promised: Sequence[int | None]
) -> Carried | None:
    """Put specimens into operations with as little change as possible.

    In order of rank: few lesions left, few operations added, few lesions elsewhere than promised, and what
    was not promised early. Limits on what an operation holds are exact; of function the losses that never
    come back before an operation are counted, and that the plan can wait for all others.

    Parameters
    ----------
    problem
        What is left to remove.
    slots
        Operations in time order.
    promised
        For each specimen the number of the operation that was promised, or None.

    Returns
    -------
    Carried or None
        None if no answer was found in time.
    """
    program = _Program.of(problem, slots)
    if not len(program.row):
        return Carried(np.full(len(problem.specimens), -1, dtype=np.int64), True)
    counts = problem.specimens.counts[program.row].astype(np.float64)
    numbers = [slots[j].promised for j in program.slot]
    moved = np.array(
        [
            promised[i] is not None and promised[i] != number
            for i, number in zip(program.row.tolist(), numbers, strict=True)
        ]
    )
    free = np.array([promised[i] is None for i in program.row.tolist()])
    added = np.array([slot.promised is None for slot in slots], dtype=np.float64)
    none = np.zeros(len(slots))
    goals = (
        np.r_[-counts, none],
        np.r_[np.zeros(len(counts)), added],
        np.r_[counts * moved, none],
        np.r_[counts * free * program.slot, none],
    )
    held: list[LinearConstraint] = []
    proven, answer = True, None
    for goal in goals:
        result = milp(
            c=goal,
            integrality=np.ones(len(goal)),
            bounds=Bounds(0, 1),
            constraints=[*program.constraints, *held],
            options={"time_limit": _SECONDS_MAX, "mip_rel_gap": 0.0},
        )
        if result.x is None:
            return None
        answer, proven = np.round(result.x), proven and result.status == 0
        # Coefficients are whole numbers, so half a unit of room excludes every worse answer.
        held.append(LinearConstraint(goal[None, :], -np.inf, float(goal @ answer) + 0.5))
    where = np.full(len(problem.specimens), -1, dtype=np.int64)
    if answer is not None:
        chosen = answer[: len(counts)] > 0.5
        where[program.row[chosen]] = program.slot[chosen]
    return Carried(where, proven)


@dataclass(frozen=True, eq=False)
class _Program:
    """One variable for each specimen in each slot of its lung, then one for each slot that is used."""

    row: NDArray[np.int64]
    slot: NDArray[np.int64]
    constraints: list[LinearConstraint]

    @classmethod
    def of(cls, problem: StagingProblem, slots: Sequence[Slot]) -> _Program:
        """Build the variables and what they have to keep to."""
        sides = problem.specimens.side
        pairs = [(i, j) for i in range(len(sides)) for j, slot in enumerate(slots) if slot.side == sides[i]]
        row, slot = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        rows: list[NDArray[np.float64]] = []
        upper: list[float] = []
        width = len(row) + len(slots)

        def at_most(limit: float, on: NDArray[np.float64], use: dict[int, float] | None = None) -> None:
            line = np.zeros(width)
            line[: len(row)] = on
            for j, value in (use or {}).items():
                line[len(row) + j] = value
            rows.append(line)
            upper.append(limit)

        for i in np.unique(row):
            at_most(1.0, (row == i).astype(np.float64))
        for j in range(len(slots)):
            inside = (slot == j).astype(np.float64)
            at_most(0.0, inside, {j: -float(max(1.0, inside.sum()))})
            for limit, weight in _contents(problem, slots, j):
                at_most(limit, inside * weight[row])
        _bearable(problem, slots, row, slot, at_most)
        matrix = coo_array(np.array(rows)) if rows else coo_array((0, width))
        constraints = [LinearConstraint(matrix.tocsr(), -np.inf, np.array(upper))] if rows else []
        return cls(row, slot, constraints)


def _contents(
    problem: StagingProblem, slots: Sequence[Slot], j: int
) -> list[tuple[float, NDArray[np.float64]]]:
    """Return the limits on what a slot holds, each with what every specimen uses of it."""
    per, specimens, slot = problem.protocol.per_operation, problem.specimens, slots[j]
    counts = specimens.counts.astype(np.float64)
    opened = slot.side in problem.operated or any(s.side == slot.side for s in slots[:j])
    minutes = per.minutes_max - problem.access_minutes
    minutes -= (problem.reentry_minutes if opened else 0.0) + (problem.perfusion_minutes * slot.perfused)
    return [
        (float(per.nodules_max), counts),
        (minutes, specimens.minutes),
        (per.removed_ml_max, specimens.volume_ml),
        *(
            (float(per.nodules_per_lobe_max), np.where(specimens.lobe == lobe, counts, 0.0))
            for lobe in LOBES
            if LOBE_SIDES[lobe] == slot.side
        ),
    ]


def _bearable(
    problem: StagingProblem,
    slots: Sequence[Slot],
    row: NDArray[np.int64],
    slot: NDArray[np.int64],
    at_most: Callable[..., None],
) -> None:
    """Add what function bears right after each operation, all earlier ones recovered, and in the end."""
    model, floors = problem.function, problem.protocol.function
    base = model.loss(0.0, perfused=False)
    alone = [problem.loss([i], perfused=False) for i in range(len(problem.specimens))]
    permanent = np.array([loss.permanent - base.permanent for loss in alone])[row]
    early = np.array([loss.early - base.early for loss in alone])[row]
    perfusion = model.loss(0.0, perfused=True).permanent

    def allowed(percent_min: float) -> float:
        gain = sum(model.unrecovered)
        return 1.0 + gain - (percent_min + model.margin_percent) / model.baseline_percent

    takes = {j: perfusion for j, s in enumerate(slots) if s.perfused}
    for j in range(len(slots)):
        on = permanent * (slot <= j) + early * (slot == j)
        # One that is not used has no access to lose: its line then holds with room for all the others.
        use = {k: value for k, value in takes.items() if k <= j}
        use[j] = use.get(j, 0.0) + base.early
        at_most(allowed(floors.fev1_after_percent_min), on, use)
    at_most(allowed(floors.ppo_fev1_percent_min), permanent, takes)
