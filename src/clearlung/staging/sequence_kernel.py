"""Label setting over interleavings of two lungs' operations, compiled; `sequence` says why it is exact."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

# Function as a fraction: differences below this are floating-point noise.
NOISE = 1e-10
_LONG_AGO = -1_000_000
_LABELS_AT_FIRST = 256

RIGHT, LEFT = 0, 1
SAME_SIDE, OTHER_SIDE, AFTER_PERFUSION, PERFUSIONS, ANY = range(5)
"""Places of the weeks between two operations in the table of gaps."""


@numba.njit(cache=True, nogil=True)
def interleave(
    permanent: NDArray[np.float64],
    early: NDArray[np.float64],
    spare: NDArray[np.float64],
    perfused: NDArray[np.bool_],
    kept: NDArray[np.int64],
    count: NDArray[np.int64],
    loss_max: NDArray[np.float64],
    waiting_max: NDArray[np.float64],
    tau: NDArray[np.float64],
    share: NDArray[np.float64],
    start: NDArray[np.float64],
    gaps: NDArray[np.int64],
    blocked: NDArray[np.int64],
    root_week: int,
    right_first: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the undominated ways to end.

    Parameters
    ----------
    permanent, early, perfused, count
        Of the right and of the left lung: what is lost for good after 0, 1, ... operations and at once by
        each, shape (2, measures, operations + 1) and (2, measures, operations); which are perfused, shape
        (2, operations); and how many there are.
    spare
        What each lung's last operation so far takes less of each measure at once than it does once another
        follows, shape (2, measures): for bounds; zero for operations that are known.
    loss_max, waiting_max
        Of each measure: the largest loss right after an operation, and what may still have to come back
        before the next.
    tau, share
        Weeks and shares of the fast and of the slow recovery, shape (measures, 2).
    start
        Logarithms of what earlier operations have not given back in week 0, shape (measures, 2).
    gaps, blocked
        Weeks between operations, and ranges of weeks that are not free, shape (ranges, 2).
    root_week
        Week of an operation on both sides that came before, already in ``start``; -1 if there was none.
    right_first
        Which lung is tried first.

    Returns
    -------
    ends, week, side, parent
        Labels of the ways to end; and of every label its week, the lung of its operation and the label
        before it, -1 for none.
    """
    measures = len(loss_max)
    last = np.empty(_LABELS_AT_FIRST, dtype=np.int64)
    other = np.empty(_LABELS_AT_FIRST, dtype=np.int64)
    side = np.empty(_LABELS_AT_FIRST, dtype=np.int64)
    parent = np.empty(_LABELS_AT_FIRST, dtype=np.int64)
    sums = np.empty((_LABELS_AT_FIRST, measures, 2), dtype=np.float64)
    keeps = kept.max() + 1 if kept.size else 0
    weeks = np.full((_LABELS_AT_FIRST, keeps), _LONG_AGO, dtype=np.int64)
    begin = np.zeros((count[RIGHT] + 1, count[LEFT] + 1, 2), dtype=np.int64)
    end = np.zeros((count[RIGHT] + 1, count[LEFT] + 1, 2), dtype=np.int64)
    order = np.array([RIGHT, LEFT]) if right_first else np.array([LEFT, RIGHT])
    # The label before all others: of week 0, or of the operation on both sides.
    last[0], other[0], side[0], parent[0] = max(root_week, 0), root_week, -1, -1
    _set(sums[0], start)
    used = 1
    end[0, 0, order[0]] = 1
    slack = np.empty(measures, dtype=np.float64)
    now = np.empty((measures, 2), dtype=np.float64)
    new = np.empty((measures, 2), dtype=np.float64)
    new_weeks = np.empty(keeps, dtype=np.int64)
    for total in range(1, count[RIGHT] + count[LEFT] + 1):
        first = total == 1 and root_week < 0
        for right in range(max(0, total - count[LEFT]), min(total, count[RIGHT]) + 1):
            left = total - right
            for here in order:
                lowest = used
                begin[right, left, here], end[right, left, here] = used, used
                done, done_there = (right - 1, left) if here == RIGHT else (left - 1, right)
                if done < 0:
                    continue
                _slacks(slack, permanent, early, loss_max, waiting_max, here, done, done_there)
                if not _borne(slack, start, first):
                    continue
                came_right, came_left = (right - 1, left) if here == RIGHT else (right, left - 1)
                for before in order:
                    came = came_right, came_left, before
                    for label in range(begin[came], end[came]):
                        _set(now, sums[label])
                        if first:
                            week, there = 0, _LONG_AGO
                        else:
                            on_it = side[label] == here or side[label] < 0
                            own, there = (last[label], other[label]) if on_it else (other[label], last[label])
                            week = _week_by_intervals(
                                own, there, here, done, done_there, perfused, gaps, root_week >= 0
                            )
                            if perfused[here, done]:
                                for k in range(keeps):
                                    week = max(week, weeks[label, k] + gaps[PERFUSIONS])
                            if done:
                                _add_early(now, sums[label], spare[here], share, tau, own)
                            for m in range(measures):
                                week = _week_by_function(now[m], slack[m], week, tau[m])
                            week = _free_from(week, blocked)
                        _add_early(new, now, early[here, :, done], share, tau, week)
                        for k in range(keeps):
                            new_weeks[k] = week if k == kept[here, done] else weeks[label, k]
                        if _is_dominated(week, there, new, new_weeks, last, other, sums, weeks, lowest, used):
                            continue
                        to = lowest
                        for old in range(lowest, used):
                            if not _dominates(
                                week, there, new, new_weeks, last[old], other[old], sums[old], weeks[old]
                            ):
                                last[to], other[to], side[to] = last[old], other[old], side[old]
                                parent[to] = parent[old]
                                _set(sums[to], sums[old])
                                for k in range(keeps):
                                    weeks[to, k] = weeks[old, k]
                                to += 1
                        if to == len(last):
                            last, other, side = _longer(last), _longer(other), _longer(side)
                            parent, sums, weeks = _longer(parent), _more_sums(sums), _more_weeks(weeks)
                        last[to], other[to], side[to], parent[to] = week, there, here, label
                        _set(sums[to], new)
                        for k in range(keeps):
                            weeks[to, k] = new_weeks[k]
                        used = to + 1
                end[right, left, here] = used
    ends = np.concatenate(
        (
            np.arange(begin[-1, -1, order[0]], end[-1, -1, order[0]]),
            np.arange(begin[-1, -1, order[1]], end[-1, -1, order[1]]),
        )
    )
    return ends, last[:used], side[:used], parent[:used]


@numba.njit(cache=True, nogil=True)
def _slacks(
    slack: NDArray[np.float64],
    permanent: NDArray[np.float64],
    early: NDArray[np.float64],
    loss_max: NDArray[np.float64],
    waiting_max: NDArray[np.float64],
    here: int,
    done: int,
    done_there: int,
) -> None:
    """Set what of each measure may not have recovered when the next operation begins."""
    for m in range(len(slack)):
        room = loss_max[m] - permanent[here, m, done + 1] - permanent[1 - here, m, done_there]
        slack[m] = min(waiting_max[m], room - early[here, m, done])


@numba.njit(cache=True, nogil=True)
def _borne(slack: NDArray[np.float64], start: NDArray[np.float64], first: bool) -> bool:
    """Whether every measure bears the operation: the first in week 0, a later one in some week."""
    for m in range(len(slack)):
        if first and slack[m] - math.exp(start[m, 0]) - math.exp(start[m, 1]) < -NOISE:
            return False
        if not first and slack[m] <= NOISE:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _week_by_intervals(
    own: int,
    there: int,
    here: int,
    done: int,
    done_there: int,
    perfused: NDArray[np.bool_],
    gaps: NDArray[np.int64],
    opened: bool,
) -> int:
    """First week that the intervals allow, after the last operation on this lung and on the other.

    ``opened`` tells whether operations on both sides came before: they count as the lung's own.
    """
    week = max(0, max(own, there) + gaps[ANY])
    if done or opened:
        week = max(week, own + gaps[SAME_SIDE])
    if done and perfused[here, done - 1]:
        week = max(week, own + gaps[AFTER_PERFUSION])
    if done_there:
        week = max(week, there + gaps[OTHER_SIDE])
        if perfused[1 - here, done_there - 1]:
            week = max(week, there + gaps[AFTER_PERFUSION])
    return int(week)


@numba.njit(cache=True, nogil=True)
def _free_from(week: int, blocked: NDArray[np.int64]) -> int:
    for k in range(len(blocked)):
        if blocked[k, 0] <= week <= blocked[k, 1]:
            week = blocked[k, 1] + 1
    return week


@numba.njit(cache=True, nogil=True)
def _add_early(
    new: NDArray[np.float64],
    before: NDArray[np.float64],
    early: NDArray[np.float64],
    share: NDArray[np.float64],
    tau: NDArray[np.float64],
    week: int,
) -> None:
    """Set the sums with an operation's early losses in them."""
    for m in range(len(new)):
        for p in range(2):
            part = early[m] * share[m, p]
            added = math.log(part) + week / tau[m, p] if part > 0 else -math.inf
            new[m, p] = _log_sum(before[m, p], added)


@numba.njit(cache=True, nogil=True)
def _set(to: NDArray[np.float64], values: NDArray[np.float64]) -> None:
    """Copy one label's sums; an assignment to a slice compiles for seconds, for the words of its error."""
    for m in range(to.shape[0]):
        for p in range(2):
            to[m, p] = values[m, p]


@numba.njit(cache=True, nogil=True)
def _more_sums(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    more = np.empty((2 * len(sums), sums.shape[1], 2), dtype=np.float64)
    for k in range(len(sums)):
        _set(more[k], sums[k])
    return more


@numba.njit(cache=True, nogil=True)
def _longer(values: NDArray[np.int64]) -> NDArray[np.int64]:
    more = np.empty(2 * len(values), dtype=np.int64)
    for k in range(len(values)):
        more[k] = values[k]
    return more


@numba.njit(cache=True, nogil=True)
def _more_weeks(weeks: NDArray[np.int64]) -> NDArray[np.int64]:
    more = np.full((2 * len(weeks), weeks.shape[1]), _LONG_AGO, dtype=np.int64)
    for label in range(len(weeks)):
        for k in range(weeks.shape[1]):
            more[label, k] = weeks[label, k]
    return more


@numba.njit(cache=True, nogil=True)
def _dominates(
    week: int,
    there: int,
    mine: NDArray[np.float64],
    weeks: NDArray[np.int64],
    other_week: int,
    other_there: int,
    others: NDArray[np.float64],
    other_weeks: NDArray[np.int64],
) -> bool:
    """Whether one label is no worse than another in everything that matters to what follows."""
    if week > other_week or there > other_there:
        return False
    for k in range(len(weeks)):
        if weeks[k] > other_weeks[k]:
            return False
    for m in range(len(mine)):
        for p in range(2):
            if mine[m, p] > others[m, p] + NOISE:
                return False
    return True


@numba.njit(cache=True, nogil=True)
def _is_dominated(
    week: int,
    there: int,
    mine: NDArray[np.float64],
    weeks: NDArray[np.int64],
    last: NDArray[np.int64],
    other: NDArray[np.int64],
    sums: NDArray[np.float64],
    other_weeks: NDArray[np.int64],
    lowest: int,
    used: int,
) -> bool:
    for old in range(lowest, used):
        if _dominates(last[old], other[old], sums[old], other_weeks[old], week, there, mine, weeks):
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _week_by_function(
    log_early: NDArray[np.float64], slack: float, week: int, tau: NDArray[np.float64]
) -> int:
    """First week from the given one in which no more than the slack has not recovered."""
    if _left(log_early, tau, week) <= slack + NOISE:
        return week
    # Once each part is within half the slack, their sum is within it.
    half = math.log(slack / 2)
    latest = max(tau[0] * (log_early[0] - half), tau[1] * (log_early[1] - half))
    low, high = week, math.ceil(max(latest, week + 1.0))
    while high - low > 1:
        middle = (low + high) // 2
        if _left(log_early, tau, middle) <= slack + NOISE:
            high = middle
        else:
            low = middle
    return int(high)


@numba.njit(cache=True, nogil=True)
def _left(log_early: NDArray[np.float64], tau: NDArray[np.float64], week: int) -> float:
    return math.exp(log_early[0] - week / tau[0]) + math.exp(log_early[1] - week / tau[1])


@numba.njit(cache=True, nogil=True)
def _log_sum(a: float, b: float) -> float:
    """Add in logarithms: the sums grow without end with the weeks."""
    high, low = max(a, b), min(a, b)
    if low == -math.inf:
        return high
    return high + math.log1p(math.exp(low - high))
