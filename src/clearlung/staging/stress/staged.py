"""`Staged`: what a stress test needs to know of a plan's operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import CaseConflict
from clearlung.staging.plan import Operation, Plan, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.spreads import Floats
from clearlung.staging.targets import function_share, targets_of


@dataclass(frozen=True, eq=False)
class Staged:
    """The operations of a plan, one entry each, in time order.

    Parameters
    ----------
    number
        The plan's numbers.
    rows
        Rows of each operation's specimens in the problem.
    week
        Planned weeks.
    access_minutes, reentry_minutes, perfusion_minutes, specimen_minutes
        What the planned minutes consist of.
    perfused
        Whether a lung is perfused.
    perfused_share
        The share of the lung's function that is, 0 to 1.
    opened
        How many lungs are opened.
    complication
        Shape (operations, 3): chance of a complication, low, expected and high, 0 to 1.
    """

    number: tuple[int, ...]
    rows: tuple[NDArray[np.intp], ...]
    week: Floats
    access_minutes: Floats
    reentry_minutes: Floats
    perfusion_minutes: Floats
    specimen_minutes: Floats
    perfused: NDArray[np.bool_]
    perfused_share: Floats
    opened: NDArray[np.intp]
    complication: Floats

    def __len__(self) -> int:
        return len(self.number)

    @classmethod
    def of(cls, problem: StagingProblem, plan: Plan) -> Staged:
        """Return a plan's operations.

        Raises
        ------
        CaseConflict
            If the plan has a specimen that the problem has not, or has otherwise.
        """
        operations = sorted(plan.operations, key=lambda operation: operation.number)
        rows = tuple(_rows(problem, operation) for operation in operations)
        specimens = np.array([problem.specimens.minutes[own].sum() for own in rows])
        perfused = np.array([o.perfusion is not None for o in operations], dtype=bool)
        reentry = problem.reentry_minutes * _freed(problem, operations)
        perfusion = np.where(perfused, problem.perfusion_minutes, 0.0)
        planned = np.array([o.minutes for o in operations])
        return cls(
            number=tuple(o.number for o in operations),
            rows=rows,
            week=np.array([o.week for o in operations], dtype=np.float64),
            access_minutes=planned - specimens - reentry - perfusion,
            reentry_minutes=reentry,
            perfusion_minutes=perfusion,
            specimen_minutes=specimens,
            perfused=perfused,
            perfused_share=np.array([_share(problem, o) for o in operations]),
            opened=np.array([len(sides_of(o.side)) for o in operations], dtype=np.intp),
            complication=np.array([_chances(o) for o in operations]).reshape(-1, 3),
        )

    @classmethod
    def alone(cls, problem: StagingProblem, rows: Sequence[int]) -> Staged:
        """Return each specimen as an operation of its own in week 0: the least that its removal takes."""
        count = len(rows)
        nothing = np.zeros(count)
        return cls(
            number=tuple(range(1, count + 1)),
            rows=tuple(np.array([row], dtype=np.intp) for row in rows),
            week=nothing,
            access_minutes=np.full(count, problem.access_minutes),
            reentry_minutes=nothing,
            perfusion_minutes=nothing,
            specimen_minutes=problem.specimens.minutes[np.asarray(rows, dtype=np.intp)],
            perfused=np.zeros(count, dtype=bool),
            perfused_share=nothing,
            opened=np.ones(count, dtype=np.intp),
            complication=np.zeros((count, 3)),
        )


def _rows(problem: StagingProblem, operation: Operation) -> NDArray[np.intp]:
    row_of = {number: row for row, number in enumerate(problem.specimens.id.tolist())}
    rows: list[int] = []
    for specimen in operation.specimens:
        row = row_of.get(specimen.id)
        if row is None or problem.specimens.lesions[row] != specimen.lesions:
            raise CaseConflict(
                f"operation {operation.number} takes specimen {specimen.id} with lesions"
                f" {list(specimen.lesions)}, which the problem does not have: plan and problem must belong"
                " together"
            )
        rows.append(row)
    return np.array(rows, dtype=np.intp)


def _share(problem: StagingProblem, operation: Operation) -> float:
    """Return the share of its lung's function that an operation perfuses."""
    targets = targets_of([operation]).values()
    return max((function_share(problem, target) for target in targets), default=0.0)


def _freed(problem: StagingProblem, operations: Sequence[Operation]) -> Floats:
    """Return how many lungs that had been operated on each operation opens again."""
    opened, found = set(problem.operated), list[float]()
    for operation in operations:
        found.append(float(len(opened.intersection(sides_of(operation.side)))))
        opened.update(sides_of(operation.side))
    return np.array(found)


def _chances(operation: Operation) -> tuple[float, float, float]:
    chance = operation.complication_percent
    if chance is None:
        return 0.0, 0.0, 0.0
    return chance.low / 100, chance.expected / 100, chance.high / 100
