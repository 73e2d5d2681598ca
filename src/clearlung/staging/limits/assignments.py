"""The surgeon's assignments: what is fixed and forbidden for certain lesions."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

from clearlung.staging.assignment import Assignment
from clearlung.staging.limits.base import Reached, WholeLimit, register
from clearlung.staging.plan import Operation, Plan, sides_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol


@register
class Assignments(WholeLimit):
    """Lesions that are not where the surgeon wants them: none.

    They stand in the problem and in the plan, not in the protocol.
    """

    field = "assignments"
    words = "the surgeon's assignments"

    @property
    def title(self) -> str:
        """What it limits, in words."""
        return "Lesions that are not where the surgeon wants them"

    @property
    def unit(self) -> str:
        """A count."""
        return "1"

    @property
    def whole(self) -> bool:
        """Whether it is a whole number."""
        return True

    def bound(self, protocol: Protocol) -> float | None:
        """Return None: no protocol has any."""
        return None

    def reached(self, plan: Plan) -> Reached | None:
        """Return how many lesions are not where they should be, and which; None without assignments."""
        if not plan.assignments:
            return None
        places = _places(plan)
        wrong = sorted({lesion for wish in plan.assignments for lesion in _wrong(wish, places)})
        return Reached(len(wrong), "lesions\u00a0" + ", ".join(map(str, wrong)) if wrong else "none")

    def slack(self, plan: Plan) -> float | None:
        """Return zero, or less by each lesion that is not where it should be; None without assignments."""
        reached = self.reached(plan)
        return None if reached is None else -reached.value

    def value(self, problem: StagingProblem) -> float | None:
        """Return how many could be lifted; None without any.

        A lesion that the surgeon leaves is no limit: to remove it after all would ask for more, not less.
        """
        return float(sum(not wish.leave for wish in problem.assignments)) or None

    def set_to(self, problem: StagingProblem, value: float) -> StagingProblem:
        """Return the problem without those that can be lifted."""
        return replace(problem, assignments=tuple(wish for wish in problem.assignments if wish.leave))


def _places(plan: Plan) -> dict[int, tuple[Operation, int]]:
    """Return each removed lesion's operation, and which one on its lung that is, counted from 1."""
    counts: Counter[str] = Counter()
    found: dict[int, tuple[Operation, int]] = {}
    for operation in sorted(plan.operations, key=lambda o: (o.week, o.number)):
        counts.update(sides_of(operation.side))
        for specimen in operation.specimens:
            found |= dict.fromkeys(specimen.lesions, (operation, counts[specimen.side]))
    return found


def _wrong(wish: Assignment, places: dict[int, tuple[Operation, int]]) -> set[int]:
    """Return the lesions of an assignment that are not where it wants them."""
    removed = {lesion: places[lesion] for lesion in wish.lesions if lesion in places}
    if wish.leave:
        return set(removed)
    wrong = {lesion for lesion, (_, place) in removed.items() if not wish.allows(place)}
    if wish.apart:
        together: defaultdict[int, set[int]] = defaultdict(set)
        for lesion, (operation, _) in removed.items():
            together[operation.number].add(lesion)
        wrong |= {lesion for group in together.values() if len(group) > 1 for lesion in group}
    return wrong
