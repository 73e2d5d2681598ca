"""The interleaving in time against every interleaving, and what function asks of it."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.resection import Recovery
from clearlung.staging.protocol_parts import Weeks
from clearlung.staging.sequence import (
    Course,
    Demand,
    Losses,
    Rules,
    bearable,
    earliest_weeks,
    undominated_weeks,
)

TWO = Recovery(0.7, 1.9, 42.0)
fast = settings(max_examples=150, deadline=None, derandomize=True)


@st.composite
def course(draw, most=3):
    n = draw(st.integers(0, most))
    steps = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    permanent = [sum(steps[:i]) / 100 for i in range(n + 1)]
    early = [draw(st.integers(1, 30)) / 100 for _ in range(n)]
    perfused = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    measures = [Losses(tuple(permanent), tuple(early))]
    # A second measure that loses other parts: what waits for one may not wait for the other.
    steps = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    permanent = [sum(steps[:i]) / 100 for i in range(n + 1)]
    measures.append(Losses(tuple(permanent), tuple(draw(st.integers(1, 30)) / 100 for _ in range(n))))
    return Course(tuple(measures), tuple(perfused))


# Half a percent off the losses' grid: a loss that equals the largest is never borne, and stepping bears it
# once what is left has fallen below its tolerance.
demands = st.builds(
    lambda loss, recovery, before: Demand((loss + 0.5) / 100, recovery, (before[0] / 100, before[1] / 100)),
    st.integers(5, 70),
    st.builds(Recovery, st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.floats(0.5, 8), st.floats(8, 50)),
    st.sampled_from([(0, 0), (0, 0), (5, 0), (2, 7)]),
)
blocked = st.lists(st.tuples(st.integers(1, 20), st.integers(0, 4)), max_size=4).map(
    lambda ranges: tuple((first, first + more) for first, more in ranges)
)
weeks = st.builds(
    lambda other, same, after, blocked: Weeks(
        other_side_min=other, same_side_min=same, after_perfusion_min=after, blocked=blocked
    ),
    st.integers(0, 5),
    st.integers(1, 9),
    st.integers(1, 9),
    st.one_of(st.just(()), blocked),
)
rules = st.builds(
    lambda weeks, one, other, between: Rules(weeks, (one, other), between),
    weeks,
    demands,
    demands,
    st.sampled_from([0, 0, 7, 15]),
)


def by_stepping(order, right, left, rules):
    """Weeks of one interleaving, found by trying one week after the other."""
    done, week = [], 0
    place = {"right": 0, "left": 0}
    for side in order:
        lung = right if side == "right" else left
        i = place[side]
        place[side] += 1
        for then, other, perfused, _, _ in done:
            gap = rules.weeks.same_side_min if other == side else rules.weeks.other_side_min
            if perfused:
                between = rules.perfusions_between if lung.perfused[i] else 0
                gap = max(gap, rules.weeks.after_perfusion_min, between)
            week = max(week, then + gap)

        def borne(w, lung=lung, i=i):
            for m, demand in enumerate(rules.demands):
                residual = sum(e.measures[m].early[k] * demand.recovery.left(w - t) for t, _, _, e, k in done)
                residual += sum(
                    part * math.exp(-w / tau)
                    for part, tau in zip(demand.unrecovered, demand.recovery.weeks, strict=True)
                )
                permanent = right.measures[m].permanent[place["right"]]
                permanent += left.measures[m].permanent[place["left"]]
                if permanent + lung.measures[m].early[i] + residual > demand.loss_max + 1e-10:
                    return False
            return True

        def free(w):
            return not any(first <= w <= last for first, last in rules.weeks.blocked)

        while not (free(week) and borne(week)):
            if not done:
                return None  # the first operation is in week 0 or never
            week += 1
            if week > 600:
                return None
        done.append((week, side, lung.perfused[i], lung, i))
    return [entry[0] for entry in done]


def all_ways(right, left, rules):
    """Sides and weeks of every interleaving."""
    total = len(right) + len(left)
    for places in combinations(range(total), len(right)):
        order = ["right" if i in places else "left" for i in range(total)]
        weeks = by_stepping(order, right, left, rules)
        if weeks is not None:
            yield order, weeks


def exhaustive(right, left, rules):
    return min((weeks[-1] if weeks else 0 for _, weeks in all_ways(right, left, rules)), default=None)


def weeks_that_count(right, left, order, weeks):
    """Weeks of the last operation on each lung, and of every perfusion."""
    own = {side: [w for s, w in zip(order, weeks, strict=True) if s == side] for side in ("right", "left")}
    perfusions = [
        w
        for side, course in (("right", right), ("left", left))
        for w, yes in zip(own[side], course.perfused, strict=True)
        if yes
    ]
    return [*(max(mine, default=0) for mine in own.values()), *perfusions]


@fast
@given(course(), course(), rules)
def test_no_interleaving_is_earlier_in_what_counts_than_all_that_are_kept(right, left, rules):
    kept = [
        weeks_that_count(right, left, [s.side for s in steps], [s.week for s in steps])
        for steps in undominated_weeks(right, left, rules)
    ]
    for order, weeks in all_ways(right, left, rules):
        if weeks and weeks[-1] > 300:
            continue  # stepping comes near the point where it gives up
        mine = weeks_that_count(right, left, order, weeks)
        assert any(all(a <= b for a, b in zip(one, mine, strict=True)) for one in kept)


@fast
@given(course(), course(), rules)
def test_the_last_week_is_the_least_of_all_interleavings(right, left, rules):
    steps = earliest_weeks(right, left, rules)
    expected = exhaustive(right, left, rules)
    if steps is None:
        assert expected is None
    elif expected is not None:
        assert (steps[-1].week if steps else 0) == expected
    else:
        assert steps[-1].week > 300  # stepping gave up
    assert bearable(right, left, rules) == (steps is not None)


@fast
@given(course(), course(), rules)
def test_the_steps_are_the_earliest_of_their_interleaving(right, left, rules):
    steps = earliest_weeks(right, left, rules)
    if steps and steps[-1].week < 500:
        assert [s.week for s in steps] == by_stepping([s.side for s in steps], right, left, rules)
        for side, lung in (("right", right), ("left", left)):
            assert [s.place for s in steps if s.side == side] == list(range(len(lung)))


@fast
@given(course(), course(), rules, st.integers(1, 20))
def test_more_function_never_takes_longer(right, left, rules, more):
    steps = earliest_weeks(right, left, rules)
    less = tuple(replace(d, loss_max=d.loss_max + more / 100) for d in rules.demands)
    easier = earliest_weeks(right, left, replace(rules, demands=less))
    if steps:
        assert easier
        assert easier[-1].week <= steps[-1].week


@fast
@given(course(), course(), rules)
def test_right_and_left_may_be_exchanged(right, left, rules):
    steps = earliest_weeks(right, left, rules)
    mirrored = earliest_weeks(left, right, rules)
    assert (steps and steps[-1].week) == (mirrored and mirrored[-1].week)


def test_intervals_of_two_and_two():
    plain = Course((Losses((0.0, 0.0, 0.0), (0.0, 0.0)),), (False, False))
    weeks = Weeks(other_side_min=3, same_side_min=6, after_perfusion_min=6)
    steps = earliest_weeks(plain, plain, Rules(weeks, (Demand(math.inf, TWO),)))
    assert [(s.side, s.week) for s in steps] == [("right", 0), ("left", 3), ("right", 6), ("left", 9)]


def test_seventy_operations_end_in_time():
    n = 35
    fev1 = Losses(tuple(0.004 * i for i in range(n + 1)), (0.28,) * n)
    dlco = Losses(tuple(0.005 * i for i in range(n + 1)), (0.2,) * n)
    lung = Course((fev1, dlco), (False,) * n)
    weeks = Weeks(other_side_min=3, same_side_min=6, after_perfusion_min=6)
    rules = Rules(weeks, (Demand(0.6, TWO), Demand(0.65, Recovery(1.0, 12.0, 12.0))))
    steps = earliest_weeks(lung, lung, rules)
    assert len(steps) == 70


def test_blocked_weeks_are_skipped():
    plain = Course((), (False, False))
    weeks = Weeks(other_side_min=3, same_side_min=6, after_perfusion_min=6, blocked=((3, 4), (8, 8)))
    steps = earliest_weeks(plain, plain, Rules(weeks, ()))
    assert [s.week for s in steps] == [0, 5, 9, 12]
