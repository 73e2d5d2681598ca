"""Weeks: the exact interleaving of the right lung's operations with the left lung's.

Each lung's operations have a fixed order. What is decided is which lung comes next and in which week.

Why an operation never gains by waiting longer than it must: the function after it is
``1 - P - R(t)``, with ``P`` the permanent parts so far, which do not depend on time, and
``R(t) = S exp(-t / tau)``, ``S = sum_i e_i exp(w_i / tau)``, the early parts that have not recovered. ``S``
grows with each week ``w_i``. Take any admissible weeks for a given interleaving, and move the operations, one
after the other, to the earliest week that intervals and function allow. By induction none moves later: all
former weeks are no later, so every interval ends no later, and ``S`` is no larger, so the function needed is
reached no later. So the earliest weeks are the least in every component.

For the same reason a partial sequence is fully described by how many operations are done on each lung, the
week of the last one on each, and ``S``; one that is no larger in all three dominates another with the same
operations done and the same lung last. Label setting over these states is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from clearlung.anatomy import Side
from clearlung.staging.protocol import Weeks

# FEV1 as a fraction: differences below this are floating-point noise.
FUNCTION_NOISE = 1e-10
_LONG_AGO = -1_000_000


@dataclass(frozen=True)
class Course:
    """One lung's operations in their order, as fractions of the first FEV1.

    Parameters
    ----------
    permanent
        Lost for good after 0, 1, ... operations: one entry more than operations.
    early
        Lost at once by each operation, and recovered later.
    perfused
        Whether each is perfused.
    """

    permanent: tuple[float, ...]
    early: tuple[float, ...]
    perfused: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.early)


@dataclass(frozen=True)
class Rules:
    """What separates operations: weeks, and the largest loss of function right after each."""

    weeks: Weeks
    loss_max: float
    recovery_weeks: float


class Step(NamedTuple):
    """One operation in time."""

    side: Side
    place: int
    week: int


@dataclass(frozen=True)
class _Label:
    last: int
    other: int
    log_early: float
    parent: _Label | None
    on_right: bool

    def dominates(self, label: _Label) -> bool:
        return (
            self.last <= label.last
            and self.other <= label.other
            and self.log_early <= label.log_early + FUNCTION_NOISE
        )


def earliest_weeks(right: Course, left: Course, rules: Rules, first: Side = "right") -> list[Step] | None:
    """Return the interleaving whose last operation comes earliest, or None if function allows none.

    Parameters
    ----------
    right, left
        The operations of each lung.
    rules
        What separates operations.
    first
        Which lung is preferred where it makes no difference.

    Returns
    -------
    list of Step or None
        In time order, the first in week 0.
    """
    if not len(right) + len(left):
        return []
    states: dict[tuple[int, int, bool], list[_Label]] = {}
    order = (True, False) if first == "right" else (False, True)
    for total in range(len(right) + len(left)):
        for done_right in range(max(0, total - len(left)), min(total, len(right)) + 1):
            done_left = total - done_right
            for on_right in order:
                labels = states.get((done_right, done_left, on_right), [])
                for label in labels if total else ([None] if on_right else []):
                    for go_right in order:
                        _extend(states, label, (done_right, done_left), go_right, right, left, rules)
    ends = [x for on in order for x in states.get((len(right), len(left), on), [])]
    if not ends:
        return None
    traces = [_trace(label) for label in ends]
    return min(traces, key=lambda steps: (steps[-1].week, [s.week for s in steps], steps[0].side != first))


def bearable(right: Course, left: Course, rules: Rules) -> bool:
    """Whether some interleaving keeps to the limit of function, however long it waits."""
    reached = {(0, 0)}
    for done_right in range(len(right) + 1):
        for done_left in range(len(left) + 1):
            if (done_right, done_left) not in reached:
                continue
            for here, there, done, other, state in (
                (right, left, done_right, done_left, (done_right + 1, done_left)),
                (left, right, done_left, done_right, (done_right, done_left + 1)),
            ):
                if done < len(here):
                    slack = _slack(here, there, done, other, rules)
                    if slack > FUNCTION_NOISE or (not done and not other and slack >= -FUNCTION_NOISE):
                        reached.add(state)
    return (len(right), len(left)) in reached


def _slack(here: Course, there: Course, done: int, done_there: int, rules: Rules) -> float:
    """Loss that the next operation leaves for what has not recovered."""
    return rules.loss_max - here.permanent[done + 1] - there.permanent[done_there] - here.early[done]


def _extend(
    states: dict[tuple[int, int, bool], list[_Label]],
    label: _Label | None,
    done: tuple[int, int],
    go_right: bool,
    right: Course,
    left: Course,
    rules: Rules,
) -> None:
    """Add the next operation on one lung, unless it cannot follow or is dominated."""
    here, there = (right, left) if go_right else (left, right)
    index, index_there = done if go_right else done[::-1]
    if index >= len(here):
        return
    slack = _slack(here, there, index, index_there, rules)
    tau = rules.recovery_weeks
    if label is None:
        if slack < -FUNCTION_NOISE:
            return
        new = _Label(0, _LONG_AGO, _log(here.early[index]), None, go_right)
    else:
        last_here, last_there = (
            (label.last, label.other) if label.on_right == go_right else (label.other, label.last)
        )
        week = _week_by_intervals(here, there, index, index_there, last_here, last_there, rules.weeks)
        if slack <= FUNCTION_NOISE:
            return
        if label.log_early > -math.inf:
            week = max(week, math.ceil(tau * (label.log_early - math.log(slack)) - 1e-7))
        early = _log_sum(label.log_early, _log(here.early[index]) + week / tau)
        new = _Label(week, last_there, early, label, go_right)
    key = (done[0] + go_right, done[1] + (not go_right), go_right)
    kept = states.setdefault(key, [])
    if not any(old.dominates(new) for old in kept):
        kept[:] = [old for old in kept if not new.dominates(old)]
        kept.append(new)


def _week_by_intervals(
    here: Course, there: Course, index: int, index_there: int, last_here: int, last_there: int, weeks: Weeks
) -> int:
    """First week that the protocol's intervals allow for the next operation on this lung."""
    first = max(0, last_here, last_there)
    if index:
        first = max(first, last_here + weeks.same_side_min)
        if here.perfused[index - 1]:
            first = max(first, last_here + weeks.after_perfusion_min)
    if index_there:
        first = max(first, last_there + weeks.other_side_min)
        if there.perfused[index_there - 1]:
            first = max(first, last_there + weeks.after_perfusion_min)
    return first


def _log(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _log_sum(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    if low == -math.inf:
        return high
    return high + math.log1p(math.exp(low - high))


def _trace(label: _Label) -> list[Step]:
    path: list[_Label] = []
    current: _Label | None = label
    while current is not None:
        path.append(current)
        current = current.parent
    count: dict[Side, int] = {"right": 0, "left": 0}
    steps: list[Step] = []
    for item in reversed(path):
        side: Side = "right" if item.on_right else "left"
        steps.append(Step(side, count[side], item.last))
        count[side] += 1
    return steps
