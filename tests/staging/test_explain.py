"""Why a lesion is in its operation: moves and exchanges against the independent checker and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.staging import solve_plan
from clearlung.staging.assignment import Assignment
from clearlung.staging.explain import explain_lesion
from clearlung.staging.figures import figures, plan_figures
from clearlung.staging.fixed import Session, earliest, sessions_of, settled
from clearlung.staging.uses import limit_uses
from tests.staging.problems import function, goals, problem, protocol


def random_problem(seed, **limits):
    rng = np.random.default_rng(seed)
    rows = [
        (str(rng.choice(["RUL", "RLL", "LLL"])), float(rng.integers(2, 30)), float(rng.integers(8, 60)))
        for _ in range(14)
    ]
    return problem(rows, protocol(nodules_max=4, minutes_max=260.0, **limits), model=function(5000.0))


@pytest.mark.parametrize("seed", range(6))
def test_a_plan_judged_as_given_has_its_own_weeks_figures_and_no_broken_limit(seed):
    given = random_problem(seed, total_max=200)
    plan = solve_plan(given)
    sessions = sessions_of(given, plan)
    weeks = [operation.week for operation in plan.operations]
    assert earliest(given, sessions) == weeks
    uses = limit_uses(given, sessions, weeks)
    assert not any(use.broken for use in uses)
    assert [value for _, _, value in figures(given, sessions, weeks)] == goals(plan)
    for operation in plan.operations:
        own = {(u.limit, u.lobe): u.used for u in uses if u.operation == operation.number}
        assert own["per_operation.minutes_max", None] == pytest.approx(operation.minutes)
        assert own["per_operation.removed_ml_max", None] == pytest.approx(operation.removed_ml)
        assert own["function.fev1_after_percent_min", None] == pytest.approx(operation.fev1_after_low_percent)


def test_two_that_could_be_in_either_operation_change_places_for_nothing():
    given = problem([("RLL", 5.0, 20.0)] * 4, protocol(nodules_max=2))
    plan = solve_plan(given)
    told = explain_lesion(given, plan, plan.operations[0].lesions[0])
    (place,) = told.places
    assert (place.how, place.cost) == ("exchange", ())
    assert [use.limit for use in place.broken] == ["per_operation.nodules_max"]
    assert told.next_best == 2
    elsewhere, left = told.resolved
    assert (elsewhere.possible, elsewhere.cost, elsewhere.proven) == (True, (), True)
    assert [(d.name, d.before, d.after) for d in left.cost] == [("lesions left", 0, 1)]
    assert {use.limit for use in told.uses if use.binds} == {"per_operation.nodules_max"}


def test_a_move_that_fits_tells_its_cost_in_tissue():
    given = problem([("RLL", 50.0, 20.0)] * 3 + [("RLL", 10.0, 20.0)], protocol(nodules_max=3))
    plan = solve_plan(given)
    assert [o.removed_ml for o in plan.operations] == [100.0, 60.0]
    told = explain_lesion(given, plan, 4)
    (place,) = told.places
    assert (place.how, told.operation, place.operation) == ("move", 2, 1)
    (cost,) = place.cost
    assert (cost.name, cost.before, cost.after) == (
        "tissue of the largest operation, right lung",
        100.0,
        110.0,
    )


def test_what_fits_nowhere_else_says_which_limit_is_in_the_way():
    # Two of 100 minutes never fit together, and no exchange makes room.
    given = problem([("RLL", 5.0, 150.0), ("RLL", 5.0, 140.0)], protocol(minutes_max=220.0))
    plan = solve_plan(given)
    told = explain_lesion(given, plan, plan.operations[0].lesions[0])
    (place,) = told.places
    # Both would be in the second operation and none in the first; an exchange only renames them.
    assert place.how == "exchange"
    assert [use.limit for use in place.broken] == ["per_operation.minutes_max"]
    # In the second operation instead of the first, with the other one first, it costs nothing.
    assert (told.resolved[0].possible, told.resolved[0].cost) == (True, ())
    assert told.resolved[-1].cost[0].name == "lesions left"
    minutes = next(use for use in told.uses if use.limit == "per_operation.minutes_max")
    assert minutes.binds


@pytest.mark.parametrize("seed", range(6))
def test_the_best_exchange_is_the_best_of_all(seed):
    given = random_problem(seed)
    plan = solve_plan(given)
    sessions = sessions_of(given, plan)
    for lesion in plan.operations[0].lesions:
        told = explain_lesion(given, plan, lesion, resolve=False)
        row = lesion - 1
        for place in told.places:
            here, there = told.operation - 1, place.operation - 1
            found = []
            for other in [None, *sessions[there].rows]:
                changed = [set(s.rows) for s in sessions]
                changed[here] = changed[here] - {row} | ({other} - {None})
                changed[there] = changed[there] - {other} | {row}
                found += _figures_if_allowed(given, sessions, changed)[:1]
                if other is None and found:
                    break
            assert (place.how == "none") == (not found)
            if found:
                costs = {d.name: d.after for d in place.cost}
                now = plan_figures(given, plan)
                assert [costs.get(name, value) for name, _, value in now] == min(found)


def _figures_if_allowed(given, sessions, changed):
    new = [
        type(s)(s.side, tuple(sorted(rows)), s.perfused) for s, rows in zip(sessions, changed, strict=True)
    ]
    weeks = earliest(given, new)
    if any(use.broken for use in limit_uses(given, new, weeks)):
        return []
    return [[value for _, _, value in figures(given, new, weeks)]]


def test_a_lesion_that_stays_gives_its_reason():
    given = problem([("RLL", 151.0, 10.0), ("LLL", 3.0, 10.0)])
    told = explain_lesion(given, solve_plan(given), 1)
    assert told.operation is None
    assert "151.0 ml" in told.reason
    assert told.places == told.resolved == told.uses == ()


def test_a_lesion_that_is_not_there_is_refused():
    given = problem([("LLL", 3.0, 10.0)])
    with pytest.raises(ValueError, match="no lesion 9"):
        explain_lesion(given, solve_plan(given), 9)


def test_an_operation_that_waits_for_function_says_so():
    given = problem(
        [("RLL", 60.0, 20.0)] * 2 + [("LLL", 60.0, 20.0)],
        protocol(nodules_max=1),
        model=function(4000.0, fev1_percent=60.0),
    )
    plan = solve_plan(given)
    last = plan.operations[-1]
    assert last.week > 12
    told = explain_lesion(given, plan, last.lesions[0], resolve=False)
    binding = {use.limit for use in told.uses if use.binds}
    assert "function.fev1_after_percent_min" in binding
    assert not binding & {"weeks.other_side_min", "weeks.same_side_min"}


# --- Operations on both sides, and the newer limits -------------------------------------------------------

FIVE_EACH = [("RLL", 6.0, 10.0)] * 5 + [("LUL", 6.0, 10.0)] * 5


def on_both_sides(**limits):
    limits = protocol(nodules_max=4, sides_max=2, minutes_max=900.0, **limits)
    given = problem(FIVE_EACH, limits, model=function(5000.0), reentry=20.0)
    plan = solve_plan(given)
    assert "both" in {o.side for o in plan.operations}
    return given, plan


def test_places_are_the_operations_that_open_the_lung():
    given, plan = on_both_sides()
    sides = {o.number: ("right", "left") if o.side == "both" else (o.side,) for o in plan.operations}
    for operation in plan.operations:
        for specimen in operation.specimens:
            told = explain_lesion(given, plan, specimen.lesions[0], resolve=False)
            others = {n for n in sides if n != operation.number and specimen.side in sides[n]}
            assert {place.operation for place in told.places} == others
            assert not any(use.broken for use in told.uses)


def test_a_move_out_of_an_operation_on_both_sides_keeps_every_limit_and_costs_what_it_says():
    given, plan = on_both_sides()
    sessions = sessions_of(given, plan)
    now = plan_figures(given, plan)
    tried = 0
    for here, session in enumerate(sessions):
        if session.side != "both":
            continue
        for row in session.rows:
            told = explain_lesion(given, plan, row + 1, resolve=False)
            for place in told.places:
                there, back = place.operation - 1, [lesion - 1 for lesion in place.exchanged]
                new = list(sessions)
                new[here] = replace(session, rows=(*(r for r in session.rows if r != row), *back))
                kept = (r for r in sessions[there].rows if r not in back)
                new[there] = replace(sessions[there], rows=(*kept, row))
                new = [settled(given, s) for s in new]
                weeks = earliest(given, new)
                broken = [use for use in limit_uses(given, new, weeks) if use.broken]
                assert (place.how == "none") == bool(broken)
                if place.how != "none":
                    after = {d.name: d.after for d in place.cost}
                    found = figures(given, new, weeks)
                    assert found == tuple((n, u, after.get(n, v)) for n, u, v in now)
                    tried += 1
    assert tried


def test_an_operation_on_both_sides_without_one_of_them_opens_one():
    given, _ = on_both_sides()
    assert settled(given, Session("both", (0, 1), False)).side == "right"
    assert settled(given, Session("both", (0, 5), False)).side == "both"


def test_tissue_in_all_binds_where_a_lesion_stays_for_it():
    rows = [("RLL", 20.0, 10.0)] * 3
    given = problem(rows, protocol(removed_ml_per_lung_max=50.0))
    plan = solve_plan(given)
    assert len(plan.unassigned) == 1
    told = explain_lesion(given, plan, plan.operations[0].lesions[0], resolve=False)
    binds = {use.limit for use in told.uses if use.binds}
    assert "total.removed_ml_per_lung_max" in binds
    assert not any(u.binds for u in told.uses if u.side == "left")


def test_a_wish_binds_the_lesion_that_it_names_and_is_broken_elsewhere():
    given = problem([("RLL", 5.0, 10.0)] * 4, protocol(nodules_max=3))
    given = replace(given, assignments=(Assignment(lesions=(4,), only_in=(2,)),))
    plan = solve_plan(given)
    told = explain_lesion(given, plan, 4, resolve=False)
    assert told.operation == 2
    assert "assignments" in {use.limit for use in told.uses if use.binds}
    (place,) = told.places
    assert (place.how, [use.limit for use in place.broken]) == ("none", ["assignments"])


def test_weeks_that_are_not_free_bind_the_operation_after_them():
    rows = [("RLL", 5.0, 10.0), ("LLL", 5.0, 10.0)]
    given = problem(rows, protocol(blocked=((3, 5),)))
    plan = solve_plan(given)
    assert [o.week for o in plan.operations] == [0, 6]
    told = explain_lesion(given, plan, plan.operations[1].lesions[0], resolve=False)
    assert "weeks.blocked" in {use.limit for use in told.uses if use.binds}
    assert "weeks.other_side_min" not in {use.limit for use in told.uses if use.binds}


def test_an_operation_that_waits_for_a_ct_says_so():
    rows = [("RLL", 5.0, 10.0), ("LLL", 5.0, 10.0)]
    given = problem(rows, protocol(weeks_after_operation_min=4, weeks_before_operation_min=1))
    plan = solve_plan(given)
    assert [(o.week, o.scan_week) for o in plan.operations] == [(0, None), (5, 4)]
    told = explain_lesion(given, plan, plan.operations[1].lesions[0], resolve=False)
    binding = {use.limit for use in told.uses if use.binds}
    assert "scans.weeks_after_operation_min" in binding
    assert "weeks.other_side_min" not in binding
