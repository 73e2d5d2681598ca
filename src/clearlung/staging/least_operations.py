"""`LeastOperations`: how many operations each lung needs at least, whichever specimens are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clearlung.anatomy import SIDES, Side

if TYPE_CHECKING:
    from clearlung.staging.problem import StagingProblem


@dataclass(frozen=True)
class LeastOperations:
    """How many operations each lung needs at least whichever specimens are chosen, and what that holds for.

    Parameters
    ----------
    counts
        By lung; those of which it is not known are left out.
    limits
        What of a problem it was proven for.
    pooled
        How many both lungs need together if each operation may open both; None where each opens one.
    """

    counts: Mapping[Side, int]
    limits: tuple[object, ...]
    pooled: int | None = None

    @classmethod
    def of(
        cls, problem: StagingProblem, counts: Mapping[Side, int], pooled: int | None = None
    ) -> LeastOperations:
        """Return what is proven for a problem."""
        return cls(counts, _limits_of_packing(problem), pooled)

    def in_all(self, lungs: Sequence[Side]) -> int:
        """Return how many operations on these lungs are needed at least."""
        apart = sum(self.counts.get(side, 0) for side in lungs)
        return apart if self.pooled is None or len(lungs) < len(SIDES) else min(apart, self.pooled)

    def holds_for(self, problem: StagingProblem) -> bool:
        """Whether a problem has the limits and the lesions that it was proven for."""
        return self.limits == _limits_of_packing(problem)


def _limits_of_packing(problem: StagingProblem) -> tuple[object, ...]:
    """Return all that decides how many operations a lung's lesions need."""
    return (
        problem.protocol.per_operation,
        tuple(problem.perfusions_on(side) for side in SIDES),
        problem.access_minutes,
        problem.access_minutes_both,
        problem.perfusion_minutes,
        problem.reentry_minutes,
        problem.operated,
        problem.assignments,
        tuple(problem.lesions.id.tolist()),
        tuple(sorted(problem.specimens.unresectable)),
    )
