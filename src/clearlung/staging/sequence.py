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
dominates another only if no sum of any measure is larger.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from clearlung.anatomy import Side
from clearlung.resection import Recovery
from clearlung.staging.plan import OperationSide
from clearlung.staging.protocol_parts import Weeks

# Function as a fraction: differences below this are floating-point noise.
FUNCTION_NOISE = 1e-10
_LONG_AGO = -1_000_000

_Sums = tuple[float, float]
"""Logarithms of the fast and the slow sum of what has not recovered of one measure."""


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
    """

    measures: tuple[Losses, ...]
    perfused: tuple[bool, ...]

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
        Weeks between two perfusions, at least. The perfused operations are a lung's last ones, so that of all
        perfusions the latest is the last operation on one lung or the other.
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


@dataclass(frozen=True)
class _Label:
    last: int
    other: int
    log_early: tuple[_Sums, ...]
    parent: _Label | None
    side: OperationSide

    @property
    def on_right(self) -> bool:
        return self.side == "right"

    def dominates(self, label: _Label) -> bool:
        return (
            self.last <= label.last
            and self.other <= label.other
            and all(
                mine[0] <= other[0] + FUNCTION_NOISE and mine[1] <= other[1] + FUNCTION_NOISE
                for mine, other in zip(self.log_early, label.log_early, strict=True)
            )
        )


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
    root = None
    if both is not None and len(both):
        root = _on_both_sides(both, rules)
        if root is None:
            return None
    if not len(right) + len(left):
        return [] if root is None else _trace(root)
    after = _After(root, rules if both is None else rules.after(both))
    states: dict[tuple[int, int, bool], list[_Label]] = {}
    order = (True, False) if first == "right" else (False, True)
    for total in range(len(right) + len(left)):
        for done_right in range(max(0, total - len(left)), min(total, len(right)) + 1):
            done_left = total - done_right
            for on_right in order:
                labels = states.get((done_right, done_left, on_right), [])
                for label in labels if total else ([root] if on_right else []):
                    for go_right in order:
                        _extend(states, label, (done_right, done_left), go_right, right, left, after)
    ends = [x for on in order for x in states.get((len(right), len(left), on), [])]
    if not ends:
        return None
    traces = [_trace(label) for label in ends]
    return min(traces, key=lambda steps: (steps[-1].week, [s.week for s in steps], steps[0].side != first))


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


@dataclass(frozen=True)
class _After:
    """What the operations on both sides leave to those on one: their last label, and the rules from there."""

    root: _Label | None
    rules: Rules


def _on_both_sides(both: Course, rules: Rules) -> _Label | None:
    """Put the operations on both sides into weeks; None where function does not bear them."""
    nothing = Course(tuple(Losses((0.0,), ()) for _ in both.measures), ())
    after = _After(None, rules)
    label: _Label | None = None
    for index in range(len(both)):
        new = _next(label, index, 0, True, both, nothing, after)
        if new is None:
            return None
        # Both lungs have been opened in that week.
        label = replace(new, other=new.last, side="both")
    return label


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


def _extend(
    states: dict[tuple[int, int, bool], list[_Label]],
    label: _Label | None,
    done: tuple[int, int],
    go_right: bool,
    right: Course,
    left: Course,
    after: _After,
) -> None:
    """Add the next operation on one lung, unless it cannot follow or is dominated."""
    here, there = (right, left) if go_right else (left, right)
    index, index_there = done if go_right else done[::-1]
    new = _next(label, index, index_there, go_right, here, there, after)
    if new is None:
        return
    key = (done[0] + go_right, done[1] + (not go_right), go_right)
    kept = states.setdefault(key, [])
    if not any(old.dominates(new) for old in kept):
        kept[:] = [old for old in kept if not new.dominates(old)]
        kept.append(new)


def _next(
    label: _Label | None,
    index: int,
    index_there: int,
    go_right: bool,
    here: Course,
    there: Course,
    after: _After,
) -> _Label | None:
    """Return the label after the next operation on one lung; None if there is none, or it cannot follow."""
    rules = after.rules
    if index >= len(here):
        return None
    slacks = _slacks(here, there, index, index_there, rules)
    if not _borne(slacks, rules, first=label is None):
        return None
    side: Side = "right" if go_right else "left"
    if label is None:
        before = tuple((_log(d.unrecovered[0]), _log(d.unrecovered[1])) for d in rules.demands)
        return _Label(0, _LONG_AGO, _add_all(before, here, index, 0, rules), None, side)
    last_here, last_there = (
        (label.last, label.other) if label.on_right == go_right else (label.other, label.last)
    )
    opened = after.root is not None
    week = _week_by_intervals(here, there, index, index_there, last_here, last_there, rules, opened)
    for sums, slack, demand in zip(label.log_early, slacks, rules.demands, strict=True):
        week = _week_by_function(sums, slack, week, demand.recovery)
    week = rules.weeks.free_from(week)
    return _Label(week, last_there, _add_all(label.log_early, here, index, week, rules), label, side)


def _week_by_intervals(
    here: Course,
    there: Course,
    index: int,
    index_there: int,
    last_here: int,
    last_there: int,
    rules: Rules,
    opened: bool,
) -> int:
    """First week that the protocol's intervals allow for the next operation on this lung.

    ``opened`` tells whether operations on both sides came before: they count as the lung's own.
    """
    weeks, between = rules.weeks, rules.perfusions_between if here.perfused[index] else 0
    first = max(0, max(last_here, last_there) + rules.between)
    if opened and not index:
        first = max(first, last_here + weeks.same_side_min)
    if index:
        first = max(first, last_here + weeks.same_side_min)
        if here.perfused[index - 1]:
            first = max(first, last_here + max(weeks.after_perfusion_min, between))
    if index_there:
        first = max(first, last_there + weeks.other_side_min)
        if there.perfused[index_there - 1]:
            first = max(first, last_there + max(weeks.after_perfusion_min, between))
    return first


def _week_by_function(log_early: _Sums, slack: float, week: int, recovery: Recovery) -> int:
    """First week from the given one in which no more than the slack has not recovered."""

    def left(when: int) -> float:
        return sum(math.exp(e - when / tau) for e, tau in zip(log_early, recovery.weeks, strict=True))

    if left(week) <= slack + FUNCTION_NOISE:
        return week
    # Once each part is within half the slack, their sum is within it.
    half = math.log(slack / 2)
    ends = [tau * (e - half) for e, tau in zip(log_early, recovery.weeks, strict=True)]
    low, high = week, math.ceil(max(*ends, week + 1))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if left(middle) <= slack + FUNCTION_NOISE else (middle, high)
    return high


def _add_all(
    log_early: tuple[_Sums, ...], here: Course, index: int, week: int, rules: Rules
) -> tuple[_Sums, ...]:
    """Add an operation's early losses of every measure."""
    return tuple(
        _add_early(sums, losses.early[index], week, demand.recovery)
        for sums, losses, demand in zip(log_early, here.measures, rules.demands, strict=True)
    )


def _add_early(log_early: _Sums, early: float, week: int, recovery: Recovery) -> _Sums:
    """Add an operation's early loss to both sums, in logarithms: they grow without end with the weeks."""
    fast, slow = (
        _log_sum(before, _log(early * share) + week / tau)
        for before, share, tau in zip(log_early, recovery.shares, recovery.weeks, strict=True)
    )
    return fast, slow


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
    count: dict[OperationSide, int] = {"right": 0, "left": 0, "both": 0}
    steps: list[Step] = []
    for item in reversed(path):
        steps.append(Step(item.side, count[item.side], item.last))
        count[item.side] += 1
    return steps
