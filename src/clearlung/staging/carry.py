"""Which remaining specimen in which promised operation, with as little change as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Side
from clearlung.resection import FunctionModel
from clearlung.staging.fixed import EarlierSession, lobe_ml_of
from clearlung.staging.plan import OperationSide, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.targets import perfused_share

# For machines on which a program takes too long; the answer is then not proven.
_SECONDS_MAX = 20.0


@dataclass(frozen=True)
class Slot:
    """An operation that specimens can be put into.

    Parameters
    ----------
    side
        The lung, or both.
    perfused
        Whether it is perfused.
    promised
        Its number in the plan that was promised; None for one that is added only where it is needed.
    not_before
        First week in which it may be.
    """

    side: OperationSide
    perfused: bool
    promised: int | None
    not_before: int = 0

    @property
    def sides(self) -> tuple[Side, ...]:
        """The lungs that it opens."""
        return sides_of(self.side)


@dataclass(frozen=True, eq=False)
class Carried:
    """Slot of each specimen, -1 for one that stays, and whether nothing less changes for certain."""

    where: NDArray[np.int64]
    proven: bool


def carry_over(
    problem: StagingProblem,
    slots: Sequence[Slot],
    promised: Sequence[int | None],
    earlier: Sequence[EarlierSession] = (),
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
    earlier
        What was done: its tissue counts to that of all operations.

    Returns
    -------
    Carried or None
        None if no answer was found in time.
    """
    program = _Program.of(problem, slots, earlier)
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
    def of(
        cls, problem: StagingProblem, slots: Sequence[Slot], earlier: Sequence[EarlierSession]
    ) -> _Program:
        """Build the variables and what they have to keep to."""
        sides = problem.specimens.side
        pairs = [(i, j) for i in range(len(sides)) for j, slot in enumerate(slots) if sides[i] in slot.sides]
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
        for limit, weight in _in_all(problem, earlier):
            at_most(limit, weight[row])
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
    opened = problem.operated.union(*(s.sides for s in slots[:j]))
    minutes = per.minutes_max
    minutes -= problem.access_minutes_both if slot.side == "both" else problem.access_minutes
    minutes -= problem.reentry_minutes * len(opened & set(slot.sides))
    minutes -= problem.perfusion_minutes * slot.perfused
    found = [
        (float(per.nodules_max), counts),
        (minutes, specimens.minutes),
        (per.removed_ml_max, specimens.volume_ml),
    ]
    shares = _lobe_ml(problem)
    for number, lobe in enumerate(LOBES):
        if LOBE_SIDES[lobe] in slot.sides:
            here = np.where(specimens.lobe == lobe, counts, 0.0)
            found.append((float(per.nodules_per_lobe_max), here))
            if per.removed_ml_per_lobe_max is not None:
                found.append((per.removed_ml_per_lobe_max, shares[:, number]))
    return [*found, *_wishes(problem, slots, j)]


def _wishes(
    problem: StagingProblem, slots: Sequence[Slot], j: int
) -> list[tuple[float, NDArray[np.float64]]]:
    """Return what the surgeon's assignments leave a slot.

    Slots that are added count only where they are the place in question: most are not needed.
    """
    groups = problem.specimens.lesions
    before = [slot for slot in slots[:j] if slot.promised is not None]
    place = {side: 1 + sum(side in slot.sides for slot in before) for side in SIDES}
    found = []
    for wish in problem.assignments:
        held = np.array([float(len(set(wish.lesions) & set(group))) for group in groups])
        if wish.apart:
            found.append((1.0, held))
        for side in slots[j].sides:
            if wish.leave or not wish.allows(place[side]):
                found.append((0.0, np.where(problem.specimens.side == side, held, 0.0)))
    return found


def _in_all(
    problem: StagingProblem, earlier: Sequence[EarlierSession]
) -> list[tuple[float, NDArray[np.float64]]]:
    """Return what the limits on the tissue of all operations leave, and what specimens use of them."""
    total, shares = problem.protocol.total, _lobe_ml(problem)
    taken = {lobe: sum(past.lobe_ml.get(lobe, 0.0) for past in earlier) for lobe in LOBES}
    found: list[tuple[float, NDArray[np.float64]]] = []
    if total.removed_ml_per_lobe_max is not None:
        limit = total.removed_ml_per_lobe_max
        found += [(limit - taken[lobe], shares[:, place]) for place, lobe in enumerate(LOBES)]
    if total.removed_ml_per_lung_max is not None:
        for side in SIDES:
            mine = [LOBE_SIDES[lobe] == side for lobe in LOBES]
            before = sum(taken[lobe] for lobe in LOBES if LOBE_SIDES[lobe] == side)
            found.append((total.removed_ml_per_lung_max - before, shares[:, mine].sum(axis=1)))
    return found


def _lobe_ml(problem: StagingProblem) -> NDArray[np.float64]:
    """Return what each specimen takes of each lobe, shape (specimens, lobes), ml."""
    rows = [list(lobe_ml_of(problem, [row]).values()) for row in range(len(problem.specimens))]
    return np.array(rows, dtype=np.float64).reshape(len(problem.specimens), len(LOBES))


def _bearable(
    problem: StagingProblem,
    slots: Sequence[Slot],
    row: NDArray[np.int64],
    slot: NDArray[np.int64],
    at_most: Callable[..., None],
) -> None:
    """Add what function bears right after each operation, all earlier ones recovered, and in the end."""
    for floor in problem.floors:
        model = floor.model
        base = model.loss(0.0, perfused=False)
        alone = [problem.loss([i], perfused=False, model=model) for i in range(len(problem.specimens))]
        permanent = np.array([loss.permanent - base.permanent for loss in alone])[row]
        early = np.array([loss.early - base.early for loss in alone])[row]
        perfusion = {
            side: model.loss(0.0, perfused=perfused_share(problem, side)).permanent for side in SIDES
        }

        def allowed(percent_min: float, model: FunctionModel = model) -> float:
            gain = sum(model.unrecovered)
            return 1.0 + gain - (percent_min + model.margin_percent) / model.baseline_percent

        takes = {j: max(perfusion[side] for side in s.sides) for j, s in enumerate(slots) if s.perfused}
        if floor.recovered_percent_min is not None:
            at_most(allowed(floor.recovered_percent_min), permanent, takes)
        for j in range(len(slots)) if floor.after_percent_min is not None else ():
            on = permanent * (slot <= j) + early * (slot == j)
            # One that is not used has no access to lose: its line then holds with room for all the others.
            use = {k: value for k, value in takes.items() if k <= j}
            use[j] = use.get(j, 0.0) + base.early * len(slots[j].sides)
            at_most(allowed(floor.after_percent_min or 0.0), on, use)
