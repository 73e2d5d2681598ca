"""Specimens and operations chosen together, against every way to choose and every way to pack."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from clearlung.nodules import NoduleTable
from clearlung.resection import CandidateSet, Excision, LesionMargin, candidate_costs, choose
from clearlung.staging import choose_together, solve_plan

from .problems import problem, protocol

MARGIN = LesionMargin(1, 5.0, 5.0, 4.0, 6.0, 1.0, 1.0)


def listed(ids):
    """Nodules of one lobe without places."""
    n = len(ids)
    nan = np.full(n, np.nan)
    return NoduleTable(
        id=np.array(ids, dtype=np.int32),
        x_mm=nan,
        y_mm=nan,
        z_mm=nan,
        side=np.full(n, "right"),
        lobe=np.full(n, "RLL"),
        lobe_confidence=np.ones(n),
        diameter_mm=np.full(n, 6.0),
        volume_mm3=np.full(n, 113.0),
        depth_mm=np.full(n, 10.0),
        probability=np.ones(n),
        mean_hu=nan,
        max_hu=nan,
        calcified=np.zeros(n, dtype=bool),
        vdt_days=nan,
    )


def excision(groups, minutes, ml):
    """Candidates of one lobe from groups of lesions, with their minutes and tissue."""
    count = len(groups)
    lesions = sorted({i for group in groups for i in group})
    candidates = CandidateSet(
        id=np.arange(1, count + 1, dtype=np.int32),
        lesions=tuple(groups),
        technique=np.full(count, "laser"),
        side=np.full(count, "right"),
        lobe=np.full(count, "RLL"),
        volume_ml=np.asarray(ml, dtype=float),
        lobe_ml=np.outer(ml, [0, 0, 1, 0, 0]),
        functional_ml=np.full(count, np.nan),
        margin_mm=np.full(count, 5.0),
        reach_mm=np.full(count, 10.0),
        minutes=np.asarray(minutes, dtype=float),
        closure=np.full(count, "airtight"),
        margins=tuple(tuple(MARGIN for _ in group) for group in groups),
        cuts=((),) * count,
    )
    cost = candidate_costs(candidates, protocol().book())
    return Excision(candidates, cost, listed(lesions), choose(candidates, cost), None)


def bins(items, limits):
    """Fewest operations for some specimens (lesions, minutes, ml): every way to fill them."""
    best = len(items)

    def fill(k, loads):
        nonlocal best
        if len(loads) >= best:
            return
        if k == len(items):
            best = len(loads)
            return
        for at in range(len(loads)):
            after = loads[at] + items[k]
            if (after <= limits + 1e-9).all():
                fill(k + 1, [*loads[:at], after, *loads[at + 1 :]])
        fill(k + 1, [*loads, items[k]])

    if any((item > limits + 1e-9).any() for item in items):
        return None
    fill(0, [])
    return best


def fewest(groups, weights, limits):
    """Fewest operations over every way to hold each lesion once."""
    lesions = sorted({i for group in groups for i in group})
    found = [
        bins([weights[k] for k in chosen], limits)
        for size in range(1, len(groups) + 1)
        for chosen in combinations(range(len(groups)), size)
        if sorted(i for k in chosen for i in groups[k]) == lesions
    ]
    return min((n for n in found if n is not None), default=None)


@pytest.mark.parametrize("seed", range(20))
def test_no_choice_needs_fewer_operations(seed):
    rng = np.random.default_rng(seed)
    singles = [(i,) for i in range(1, 6)]
    pairs = [tuple(sorted(rng.choice(5, 2, replace=False) + 1)) for _ in range(3)]
    groups = list(dict.fromkeys([*singles, *((int(a), int(b)) for a, b in pairs), (1, 2, 3)]))
    minutes = [float(rng.integers(15, 45)) + 4 * (len(g) - 1) for g in groups]
    ml = [float(rng.integers(2, 6)) * len(g) + 2 * (len(g) - 1) for g in groups]
    limits = protocol(nodules_max=int(rng.integers(2, 5)), minutes_max=52.5 + float(rng.integers(50, 100)))
    per = limits.per_operation
    weights = [np.array([len(g), m, v]) for g, m, v in zip(groups, minutes, ml, strict=True)]
    room = np.array(
        [min(per.nodules_max, per.nodules_per_lobe_max), per.minutes_max - 52.5, per.removed_ml_max]
    )
    true = fewest(groups, weights, room)
    cut = excision(groups, minutes, ml)
    given = problem([("RLL", 1.0, 1.0)] * 5, limits)
    made = choose_together(given, cut)
    plan = solve_plan(made)
    assert made.least_operations.counts["right"] <= true
    assert len(plan.operations) == true
    assert sorted(i for o in plan.operations for i in o.lesions) == [1, 2, 3, 4, 5]
    goal = plan.solver.goals[1]
    assert goal.bound <= goal.value == true


def test_one_piece_saves_an_operation_though_it_takes_more_tissue():
    """Alone the two take 50 minutes each, together 60; there is time for 70."""
    cut = excision([(1,), (2,), (1, 2)], [50, 50, 60], [3, 3, 30])
    assert cut.specimens.lesions == ((1,), (2,))
    made = choose_together(problem([("RLL", 1.0, 1.0)] * 2, protocol(minutes_max=122.5)), cut)
    assert made.specimens.lesions == ((1, 2),)
    plan = solve_plan(made)
    assert len(plan.operations) == 1
    assert plan.solver.goals[1].proven


def test_one_piece_is_taken_where_the_cheapest_leave_a_lesion():
    """Only the first operation has time for one of 50 minutes, and for both in one piece of 60, too."""
    cut = excision([(1,), (2,), (1, 2)], [50, 50, 60], [3, 3, 30])
    given = replace(problem([("RLL", 1.0, 1.0)] * 2, protocol(minutes_max=122.5)), reentry_minutes=30.0)
    cheapest = solve_plan(replace(given, specimens=cut.specimens))
    assert len(cheapest.unassigned) == 1
    made = choose_together(given, cut)
    assert made.specimens.lesions == ((1, 2),)
    assert not solve_plan(made).unassigned


def test_what_fits_no_operation_gives_way_to_what_does():
    cut = excision([(1, 2), (1,), (2,)], [20, 30, 30], [5, 50, 50])
    assert cut.specimens.lesions == ((1, 2),)
    made = choose_together(problem([("RLL", 1.0, 1.0)] * 2, protocol(nodules_max=1)), cut)
    assert made.specimens.lesions == ((1,), (2,))
    assert not solve_plan(made).unassigned


def test_a_lesion_that_only_a_too_large_specimen_takes_keeps_no_other_back():
    """A lobe with all three is more than an operation may hold; the other two have beds of their own."""
    cut = excision([(1,), (2,), (1, 2, 3)], [10, 10, 60], [3, 3, 900])
    made = choose_together(problem([("RLL", 1.0, 1.0)] * 3, protocol(removed_ml_max=150)), cut)
    plan = solve_plan(made)
    assert sorted(i for o in plan.operations for i in o.lesions) == [1, 2]
    (left,) = plan.unassigned
    assert left.lesion == 3
    assert "laser, 900 ml, 60 min, 3 metastases" in left.reason


def test_given_specimens_stay_and_claim_nothing_of_others():
    plan = solve_plan(problem([("RLL", 3.0, 10.0)] * 4, protocol(nodules_max=2)))
    assert "whichever specimens" not in plan.solver.goals[1].method
    cut = excision([(1,), (2,)], [10, 10], [3, 3])
    together = solve_plan(choose_together(problem([("RLL", 1.0, 1.0)] * 2, protocol()), cut))
    assert "whichever specimens" in together.solver.goals[1].method


def test_what_is_proven_of_every_choice_is_not_claimed_under_other_limits():
    cut = excision([(1,), (2,), (3,)], [10, 10, 10], [3, 3, 3])
    made = choose_together(problem([("RLL", 1.0, 1.0)] * 3, protocol(nodules_max=3)), cut)
    tighter = replace(made, protocol=protocol(nodules_max=1))
    goal = solve_plan(tighter).solver.goals[1]
    assert (goal.value, goal.bound) == (3, 3)
    assert "whichever specimens" not in goal.method
