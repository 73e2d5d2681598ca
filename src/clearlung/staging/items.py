"""What is packed: one lung's specimens as whole numbers, and the specimens that no operation can take.

Minutes and milliliters are counted in thousandths, specimens rounded up and limits rounded down: sums are
exact, a plan never exceeds a limit, and bounds hold to a thousandth per specimen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Lobe, Side
from clearlung.staging.assignment import Assignment
from clearlung.staging.plan import OperationSide
from clearlung.staging.problem import StagingProblem

Weights = NDArray[np.int64]

THOUSAND = 1000
LESIONS, MINUTES, ML = 0, 1, 2
"""The first columns of the weights; the others are those of :class:`Columns`."""


def thousandths_up(values: NDArray[np.float64]) -> Weights:
    """Round up to whole thousandths."""
    return np.ceil(np.asarray(values, dtype=np.float64) * THOUSAND - 1e-6).astype(np.int64)


def thousandths_down(value: float) -> int:
    """Round down to whole thousandths."""
    return int(np.floor(value * THOUSAND + 1e-6))


@dataclass(frozen=True, eq=False)
class _Column:
    """One limit of an operation: what each specimen uses of it, and how much there is.

    ``unit`` is what one unit of the limit is in whole numbers; only ``lobe``'s specimens use it. An operation
    at a ``banned`` place on its lung, or outside ``only`` these, holds nothing of it; places count from 0.
    """

    name: str
    weight: Weights
    capacity: int
    unit: int = 1
    lobe: Lobe | None = None
    banned: frozenset[int] = frozenset()
    only: frozenset[int] | None = None
    assigned: bool = False


@dataclass(frozen=True, eq=False)
class Columns:
    """What the columns of the weights count."""

    table: tuple[_Column, ...]

    def __len__(self) -> int:
        return len(self.table)

    @property
    def names(self) -> tuple[str, ...]:
        """In words, for whoever reads a proof."""
        return tuple(column.name for column in self.table)

    @property
    def capacity(self) -> list[int]:
        """What one operation may hold of each; of minutes, what the access of one side leaves."""
        return [column.capacity for column in self.table]

    @property
    def units(self) -> NDArray[np.float64]:
        """What one unit of each limit is in whole numbers."""
        return np.array([column.unit for column in self.table], dtype=np.float64)

    @property
    def tissue(self) -> NDArray[np.bool_]:
        """Which count tissue."""
        return np.array([column.name.startswith("tissue") for column in self.table], dtype=np.bool_)

    @property
    def assigned(self) -> bool:
        """Whether the surgeon's assignments limit anything."""
        return any(column.assigned for column in self.table)

    @property
    def last_place(self) -> int:
        """Number of the last operation that an assignment names; 0 if none does."""
        named = [place + 1 for c in self.table for place in (*c.banned, *(c.only or ()))]
        return max(named, default=0)

    @property
    def placed(self) -> bool:
        """Whether the place of an operation matters to what it may hold, minutes apart."""
        return any(column.banned or column.only is not None for column in self.table)

    def at(self, place: int, side: OperationSide) -> list[int]:
        """Return the capacity of the operation at a place on its lung, from 0 on.

        Parameters
        ----------
        place
            Counted with the operations on both sides.
        side
            An operation on one side holds nothing of the other.
        """

        def allows(column: _Column) -> bool:
            elsewhere = column.lobe is not None and side not in ("both", LOBE_SIDES[column.lobe])
            only = column.only is None or place in column.only
            return only and not elsewhere and place not in column.banned

        return [column.capacity if allows(column) else 0 for column in self.table]


@dataclass(frozen=True, eq=False)
class Items:
    """The specimens of one lung, or of both, that are to be removed.

    Parameters
    ----------
    side
        The lung, or both.
    row
        Rows of the specimens in the problem.
    weight
        int64 of shape (specimens, columns): lesions, thousandths of a minute, thousandths of a milliliter,
        and what else is limited.
    urgency
        float64: tumor that grows or lies in each specimen; the larger, the earlier its operation.
    columns
        What the weights count.
    """

    side: OperationSide
    row: NDArray[np.int64]
    weight: Weights
    urgency: NDArray[np.float64]
    columns: Columns

    def __len__(self) -> int:
        return len(self.row)

    def subset(self, chosen: NDArray[np.bool_]) -> Items:
        """Return some of the specimens."""
        return Items(self.side, self.row[chosen], self.weight[chosen], self.urgency[chosen], self.columns)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which specimens are the right lung's."""
        mine = [c.lobe is not None and LOBE_SIDES[c.lobe] == "right" for c in self.columns.table]
        return np.asarray(self.weight[:, mine].any(axis=1), dtype=np.bool_)

    @property
    def lesions(self) -> int:
        """Number of lesions in all specimens."""
        return int(self.weight[:, LESIONS].sum())

    @property
    def ml(self) -> float:
        """Volume of all specimens."""
        return float(self.weight[:, ML].sum()) / THOUSAND


@dataclass(frozen=True)
class Limits:
    """What one operation may hold, in the units of :class:`Items`.

    ``minutes`` is what the access to one side leaves, ``minutes_both`` what that to both leaves. A perfused
    operation has ``perfusion`` fewer, and one on a lung that has been operated on has ``reentry`` fewer:
    every operation but a lung's first, and on the lungs in ``operated`` the first as well. The last
    ``perfused`` operations on each lung are perfused; with ``placed_freely``, as many of any of them may be
    instead once all are packed.
    """

    lesions: int
    minutes: int
    minutes_both: int
    ml: int
    perfusion: int
    perfused: Mapping[Side, int]
    reentry: int
    operated: frozenset[Side]
    both_sides: bool
    placed_freely: bool = False

    def minutes_left(self, side: Side, *, first: bool, perfused: bool) -> int:
        """Return what access, re-entry and perfusion leave of an operation, the first on its lung or not."""
        reentry = 0 if first and side not in self.operated else self.reentry
        return self.minutes - reentry - (self.perfusion if perfused else 0)

    def minutes_left_both(self, *, first: bool) -> int:
        """Return what access and re-entry leave of an operation on both sides, the first one or not."""
        freed = len(self.operated) if first else len(SIDES)
        return self.minutes_both - freed * self.reentry

    def capacities(
        self,
        columns: Columns,
        operations: int,
        side: OperationSide,
        before: int = 0,
        perfused: Sequence[bool] | None = None,
    ) -> Weights:
        """Return the capacity of each operation on one side in order, shape (operations, columns).

        Parameters
        ----------
        columns
            What is limited.
        operations
            How many.
        side
            Which lung they open, or both.
        before
            Operations on both sides that come before them.
        perfused
            Which of them are perfused; the lung's last ones if left out.
        """
        table = np.array(
            [columns.at(before + place, side) for place in range(operations)], dtype=np.int64
        ).reshape(operations, len(columns))
        for place in range(operations):
            if side == "both":
                table[place, MINUTES] = self.minutes_left_both(first=place == 0)
            else:
                last = place >= operations - self.perfused[side]
                yes = last if perfused is None else perfused[place]
                first = before + place == 0
                table[place, MINUTES] = self.minutes_left(side, first=first, perfused=yes)
        return table


def limits_of(problem: StagingProblem) -> Limits:
    """Return what one operation may hold."""
    per = problem.protocol.per_operation
    return Limits(
        lesions=per.nodules_max,
        minutes=thousandths_down(per.minutes_max - problem.access_minutes),
        minutes_both=thousandths_down(per.minutes_max - problem.access_minutes_both),
        ml=thousandths_down(per.removed_ml_max),
        perfusion=int(thousandths_up(np.array(problem.perfusion_minutes))),
        perfused={side: problem.perfusions_on(side) for side in SIDES},
        reentry=int(thousandths_up(np.array(problem.reentry_minutes))),
        operated=problem.operated,
        both_sides=per.sides_max > 1,
        placed_freely=problem.weighs_perfusion,
    )


class Pieces(Interface):
    """What the weights are read from: specimens, or candidates for them."""

    @property
    def lesions(self) -> tuple[tuple[int, ...], ...]:
        """Lesions in each."""

    @property
    def lobe(self) -> NDArray[np.str_]:
        """Lobe of each."""

    @property
    def minutes(self) -> NDArray[np.float64]:
        """Minutes of each."""

    @property
    def volume_ml(self) -> NDArray[np.float64]:
        """Tissue of each."""

    @property
    def lobe_ml(self) -> NDArray[np.float64]:
        """What each lobe gives of it, shape (pieces, lobes)."""


def items_of(problem: StagingProblem, side: OperationSide, rows: NDArray[np.int64]) -> Items:
    """Return specimens of one lung, or of both, as whole numbers.

    Parameters
    ----------
    problem
        The specimens and limits.
    side
        The lung that the specimens are of, or both.
    rows
        Rows of the specimens.
    """
    weight, columns = weigh(problem, problem.specimens, side, rows)
    return Items(side, rows, weight, _urgency(problem)[rows], columns)


def weigh(
    problem: StagingProblem, pieces: Pieces, side: OperationSide, rows: NDArray[np.int64]
) -> tuple[Weights, Columns]:
    """Return what pieces use of each limit of an operation, shape (rows, columns), and what the columns are.

    Parameters
    ----------
    problem
        The limits, and the surgeon's assignments.
    pieces, rows
        The pieces, and which of them.
    side
        The lung that they are of, or both.
    """
    per = problem.protocol.per_operation
    counts = np.array([len(pieces.lesions[row]) for row in rows], dtype=np.int64)
    minutes = thousandths_down(per.minutes_max - problem.access_minutes)
    table = [
        _Column("lesions", counts, per.nodules_max),
        _Column("minutes", thousandths_up(pieces.minutes[rows]), minutes, THOUSAND),
        _Column(
            "tissue", thousandths_up(pieces.volume_ml[rows]), thousandths_down(per.removed_ml_max), THOUSAND
        ),
    ]
    shares = lobe_shares_ml(pieces, rows)
    for lobe in (lobe for lobe in LOBES if side in ("both", LOBE_SIDES[lobe])):
        here = np.where(pieces.lobe[rows] == lobe, counts, 0)
        table.append(_Column("lesions in one lobe", here, per.nodules_per_lobe_max, lobe=lobe))
        if per.removed_ml_per_lobe_max is not None:
            ml, most = (
                thousandths_up(shares[:, LOBES.index(lobe)]),
                thousandths_down(per.removed_ml_per_lobe_max),
            )
            table.append(_Column("tissue in one lobe", ml, most, THOUSAND, lobe))
    for assignment in problem.assignments:
        if not assignment.leave:
            table += _assigned(assignment, [set(pieces.lesions[row]) for row in rows])
    weight = np.stack([column.weight for column in table], axis=1).astype(np.int64)
    return weight, Columns(tuple(table))


def _assigned(assignment: Assignment, groups: list[set[int]]) -> list[_Column]:
    """Return what an assignment adds: nothing where none of its lesions is among the pieces."""
    lesions = set(assignment.lesions)
    held = np.array([len(lesions & group) for group in groups], dtype=np.int64)
    if not held.any():
        return []
    return [
        _Column(
            "the surgeon's assignments",
            held,
            1 if assignment.apart else int(held.sum()),
            banned=frozenset(place - 1 for place in assignment.never_in),
            only=frozenset(place - 1 for place in assignment.only_in) or None,
            assigned=True,
        )
    ]


def lobe_shares_ml(pieces: Pieces, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what each piece takes of each lobe, shape (rows, lobes), ml.

    Where the shares are not known, all of it is its lobe's.
    """
    shares = np.array(pieces.lobe_ml[rows], dtype=np.float64).reshape(len(rows), len(LOBES))
    unknown = ~np.isfinite(shares).all(axis=1)
    own = pieces.lobe[rows][:, None] == np.array(LOBES)[None, :]
    shares[unknown] = np.where(own, pieces.volume_ml[rows][:, None], 0.0)[unknown]
    return shares


def _urgency(problem: StagingProblem) -> NDArray[np.float64]:
    """Tumor in each specimen, or, where doubling times are known, how much of it is added a day.

    A lesion of unknown doubling time counts with the median of the known ones.
    """
    volume = np.pi / 6 * problem.lesions.diameter_mm**3
    vdt = problem.lesions.vdt_days
    known = np.isfinite(vdt) & (vdt != 0)
    if known.any():
        rate = np.log(2) / np.where(known, vdt, np.median(vdt[known]))
        volume = volume * rate
    of = dict(zip(problem.lesions.id.tolist(), volume.tolist(), strict=True))
    return np.array([sum(of[i] for i in group) for group in problem.specimens.lesions], dtype=np.float64)
