"""Weeks: the exact interleaving of the right lung's operations with the left lung's.

Each lung's operations have a fixed order. What is decided is which lung comes next and in which week.

Why an operation never gains by waiting longer than it must: each measure of function after it is
``1 - P - R(t)``, with ``P`` the permanent parts so far, which do not depend on time, and
``R(t) = F exp(-t / tau_fast) + S exp(-t / tau_slow)`` the early parts that have not recovered:
``F = f sum_i e_i exp(w_i / tau_fast)``, ``S = (1 - f) sum_i e_i exp(w_i / tau_slow)``, each with what
operations before the first one have left. ``F`` and ``S`` grow with each week ``w_i``, and ``R`` grows with
both and falls with time. Take any admissible weeks for a given interleaving, and move the operations, one
after the other, to the earliest week that intervals and function allow. By induction none moves later: all
former weeks are no later, so every interval ends no later, and ``F`` and ``S`` are no larger, so ``R`` is no
larger at any time and the function needed is reached no later. So the earliest weeks are the least in every
component.

For the same reason a partial sequence is fully described by how many operations are done on each lung, the
week of the last one on each, ``F`` and ``S``; one that is no larger in all four dominates another with the
same operations done and the same lung last. Label setting over these states is exact. The two sums cannot be
merged into one number: of two sequences either may have the larger ``F`` and the other the larger ``S``, and
both are kept. The earliest week at which ``R`` has fallen far enough is found by bisection over whole weeks.

Weeks that are not free are skipped: once intervals and function allow a week, they allow every later one, so
the earliest admissible week is the first free one from there. That first free week never comes earlier for a
later start, so the induction holds: what could start no later still starts no later.

Where DLCO is limited as well, it has permanent parts and sums of its own. All of the above holds for each
measure by itself: an operation's earliest week is the first at which every measure bears it, and a sequence
dominates another only if no sum of any measure is larger. The same goes for what may still have to come back
before an operation: it is one more limit on ``R``.

Operations that open both sides come before all others, in their own order, each as early as it can be; what
they leave is where the label setting begins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.resection import Recovery
from clearlung.staging.plan import OperationSide
from clearlung.staging.protocol_parts import Weeks
from clearlung.staging.sequence_kernel import LEFT, NOISE, RIGHT, interleave

FUNCTION_NOISE = NOISE
"""Function as a fraction: differences below this are floating-point noise."""


@dataclass(frozen=True)
class Losses:
    """What one lung's operations in their order take of one measure, as fractions of its first value.

    Parameters
    ----------
    permanent
        Lost for good after 0, 1, ... operations: one entry more than operations.
    early
        Lost at once by each operation, and recovered later.
    """

    permanent: tuple[float, ...]
    early: tuple[float, ...]


@dataclass(frozen=True)
class Course:
    """One lung's operations in their order.

    Parameters
    ----------
    measures
        What they take of each measure, as many as :class:`Rules` have.
    perfused
        Whether each is perfused.
    spare
        For bounds: what the last operation so far takes less of each measure at once than it does once
        another follows on its lung; nothing if left out.
    """

    measures: tuple[Losses, ...]
    perfused: tuple[bool, ...]
    spare: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.perfused)


@dataclass(frozen=True)
class Demand:
    """The largest loss of one measure right after an operation.

    Parameters
    ----------
    loss_max
        Largest loss right after an operation; what ``unrecovered`` gives back is not yet in it.
    recovery
        How early losses recover.
    unrecovered
        What operations before the first one still have to give back in week 0, fast and slow part.
    waiting_max
        The most that may still have to come back when the next operation begins.
    """

    loss_max: float
    recovery: Recovery
    unrecovered: tuple[float, float] = (0.0, 0.0)
    waiting_max: float = math.inf

    @property
    def start(self) -> float:
        """Loss of earlier operations that is still there in week 0."""
        return sum(self.unrecovered)


@dataclass(frozen=True)
class Rules:
    """What separates operations.

    Parameters
    ----------
    weeks
        The protocol's intervals.
    demands
        For each measure, what may be lost of it.
    perfusions_between
        Weeks between two perfusions, at least.
    between
        Weeks between any two operations, at least: what a CT between them takes.
    """

    weeks: Weeks
    demands: tuple[Demand, ...]
    perfusions_between: int = 0
    between: int = 0

    def after(self, both: Course) -> Rules:
        """Return the rules that are left once operations on both sides have taken their part for good."""
        demands = tuple(
            replace(demand, loss_max=demand.loss_max - losses.permanent[-1])
            for demand, losses in zip(self.demands, both.measures, strict=True)
        )
        return replace(self, demands=demands)

    def endless(self) -> Rules:
        """Return the intervals alone, without any limit of function."""
        return replace(self, demands=())


class Step(NamedTuple):
    """One operation in time."""

    side: OperationSide
    place: int
    week: int


def earliest_weeks(
    right: Course, left: Course, rules: Rules, first: Side = "right", both: Course | None = None
) -> list[Step] | None:
    """Return the interleaving whose last operation comes earliest, or None if function allows none.

    Parameters
    ----------
    right, left
        The operations of each lung.
    rules
        What separates operations.
    first
        Which lung is preferred where it makes no difference.
    both
        Operations that open both sides; they come before all others.

    Returns
    -------
    list of Step or None
        In time order, the first in week 0.
    """
    ways = undominated_weeks(right, left, rules, first, both, keep=rules.perfusions_between > 0)
    return min(
        ways,
        key=lambda steps: (last_week(steps), [s.week for s in steps], bool(steps) and steps[0].side != first),
        default=None,
    )


def undominated_weeks(
    right: Course,
    left: Course,
    rules: Rules,
    first: Side = "right",
    both: Course | None = None,
    *,
    keep: bool = True,
) -> list[list[Step]]:
    """Return interleavings of which one is no later than any other in each week that counts.

    Those weeks are that of the last operation on each lung and, with ``keep``, that of every perfusion.

    Parameters
    ----------
    right, left, rules, first, both
        As for :func:`earliest_weeks`.
    keep
        Whether the weeks of perfusions count; they have to where these must be weeks apart.

    Returns
    -------
    list of list of Step
        Each in time order; none if function allows none.
    """
    root, before = None, []
    if both is not None and len(both):
        root = _on_both_sides(both, rules)
        if root is None:
            return []
        before = [Step("both", place, week) for place, week in enumerate(root.weeks)]
        rules = rules.after(both)
    if not len(right) + len(left):
        return [before]
    return [before + steps for steps in _interleaved(right, left, rules, first, root, keep=keep)]


def last_week(steps: Sequence[Step]) -> int:
    """Return the week of the last of some operations; 0 of none."""
    return steps[-1].week if steps else 0


@dataclass(frozen=True)
class _Root:
    """What operations on both sides leave: their weeks, and the logarithms of what has not recovered."""

    weeks: tuple[int, ...]
    log_early: NDArray[np.float64]


def _interleaved(
    right: Course, left: Course, rules: Rules, first: Side, root: _Root | None, *, keep: bool = False
) -> list[list[Step]]:
    """Return the undominated interleavings."""
    measures, longest = len(rules.demands), max(len(right), len(left))
    permanent = np.zeros((2, measures, longest + 1))
    early = np.zeros((2, measures, longest))
    spare = np.zeros((2, measures))
    perfused = np.zeros((2, longest), dtype=np.bool_)
    for here, course in ((RIGHT, right), (LEFT, left)):
        perfused[here, : len(course)] = course.perfused
        spare[here, : len(course.spare)] = course.spare
        for m, losses in enumerate(course.measures[:measures]):
            permanent[here, m, : len(course) + 1] = losses.permanent
            early[here, m, : len(course)] = losses.early
    kept = np.full((2, longest), -1)
    if keep:
        kept[perfused] = np.arange(perfused.sum())
    weeks = rules.weeks
    ends, week, side, parent = interleave(
        permanent,
        early,
        spare,
        perfused,
        kept,
        np.array([len(right), len(left)]),
        np.array([demand.loss_max for demand in rules.demands], dtype=np.float64),
        np.array([demand.waiting_max for demand in rules.demands], dtype=np.float64),
        np.array([demand.recovery.weeks for demand in rules.demands], dtype=np.float64).reshape(-1, 2),
        np.array([demand.recovery.shares for demand in rules.demands], dtype=np.float64).reshape(-1, 2),
        _start(rules) if root is None else root.log_early,
        np.array(
            [
                weeks.same_side_min,
                weeks.other_side_min,
                weeks.after_perfusion_min,
                rules.perfusions_between,
                rules.between,
            ]
        ),
        np.array(weeks.blocked, dtype=np.int64).reshape(-1, 2),
        -1 if root is None else root.weeks[-1],
        first == "right",
    )
    return [_trace(end, week, side, parent) for end in ends.tolist()]


def _start(rules: Rules) -> NDArray[np.float64]:
    """Logarithms of what operations before the first one have not given back, shape (measures, 2)."""
    parts = np.array([demand.unrecovered for demand in rules.demands], dtype=np.float64).reshape(-1, 2)
    with np.errstate(divide="ignore"):
        start: NDArray[np.float64] = np.log(parts)
    return start


def _trace(
    end: int, week: NDArray[np.int64], side: NDArray[np.int64], parent: NDArray[np.int64]
) -> list[Step]:
    """Return the operations that lead to a label; the label before all others is none."""
    path = []
    label = end
    while parent[label] >= 0:
        path.append(label)
        label = int(parent[label])
    count: dict[Side, int] = {"right": 0, "left": 0}
    steps = []
    for label in reversed(path):
        lung: Side = "right" if side[label] == RIGHT else "left"
        steps.append(Step(lung, count[lung], int(week[label])))
        count[lung] += 1
    return steps


def bearable(right: Course, left: Course, rules: Rules, both: Course | None = None) -> bool:
    """Whether some interleaving keeps to the limit of function, however long it waits."""
    before = both is not None and len(both) > 0
    if both is not None and before:
        if _on_both_sides(both, rules) is None:
            return False
        rules = rules.after(both)
    reached = {(0, 0)}
    for done_right in range(len(right) + 1):
        for done_left in range(len(left) + 1):
            if (done_right, done_left) not in reached:
                continue
            for here, there, done, other, state in (
                (right, left, done_right, done_left, (done_right + 1, done_left)),
                (left, right, done_left, done_right, (done_right, done_left + 1)),
            ):
                first = not (done or other or before)
                if done < len(here) and _borne(_slacks(here, there, done, other, rules), rules, first=first):
                    reached.add(state)
    return (len(right), len(left)) in reached


def _on_both_sides(both: Course, rules: Rules) -> _Root | None:
    """Put the operations on both sides into weeks; None where function does not bear them."""
    nothing = Course(tuple(Losses((0.0,), ()) for _ in both.measures), ())
    found = _interleaved(both, nothing, rules, "right", None)
    if not found:
        return None
    weeks = tuple(step.week for step in found[0])
    log_early = _start(rules)
    for m, demand in enumerate(rules.demands):
        for part, (share, tau) in enumerate(zip(demand.recovery.shares, demand.recovery.weeks, strict=True)):
            for week, early in zip(weeks, both.measures[m].early, strict=True):
                if early * share > 0:
                    added = math.log(early * share) + week / tau
                    log_early[m, part] = np.logaddexp(log_early[m, part], added)
    return _Root(weeks, log_early)


def _slacks(here: Course, there: Course, done: int, done_there: int, rules: Rules) -> list[float]:
    """Loss of each measure that may not have recovered when the next operation begins."""
    return [
        min(
            demand.waiting_max,
            demand.loss_max - mine.permanent[done + 1] - other.permanent[done_there] - mine.early[done],
        )
        for demand, mine, other in zip(rules.demands, here.measures, there.measures, strict=True)
    ]


def _borne(slacks: list[float], rules: Rules, *, first: bool) -> bool:
    """Whether every measure bears the next operation: the first in week 0, a later one in some week."""
    return all(
        slack - demand.start >= -FUNCTION_NOISE if first else slack > FUNCTION_NOISE
        for slack, demand in zip(slacks, rules.demands, strict=True)
    )
