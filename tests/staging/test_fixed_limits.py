"""The judge of given operations against the solver's plans, under limits of DLCO, weeks and perfusions."""

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import InfeasiblePlan
from clearlung.staging import LIMITS, broken_limits, solve_plan
from clearlung.staging.assignment import Assignment
from clearlung.staging.fixed import EarlierSession, Session, earliest, sessions_of
from clearlung.staging.uses import limit_uses

from .problems import function, patient, problem, protocol

LOBES = ("RUL", "RLL", "LUL", "LLL")


@settings(max_examples=25)
@given(
    specimens=st.lists(
        st.tuples(st.sampled_from(LOBES), st.floats(2, 40), st.floats(5, 60)), min_size=2, max_size=9
    ),
    lung_ml=st.floats(600, 4000),
    dlco_after=st.one_of(st.none(), st.floats(5, 45)),
    dlco_final=st.one_of(st.none(), st.floats(5, 45)),
    blocked=st.lists(st.tuples(st.integers(1, 20), st.integers(0, 5)), max_size=3),
    between=st.one_of(st.none(), st.integers(1, 20)),
)
def test_the_solvers_weeks_are_the_earliest_and_keep_every_limit(
    specimens, lung_ml, dlco_after, dlco_final, blocked, between
):
    limits = protocol(
        "high-volume",
        nodules_max=3,
        dlco_after_percent_min=dlco_after,
        ppo_dlco_percent_min=dlco_final,
        blocked=tuple(sorted((a, a + n) for a, n in blocked)),
        weeks_between_min=between,
    )
    fev1 = function(lung_ml=lung_ml)
    case = problem(specimens, limits, model=fev1, patient=patient(fev1), perfused=True)
    try:
        plan = solve_plan(case)
    except InfeasiblePlan:
        return
    sessions = sessions_of(case, plan)
    weeks = [operation.week for operation in plan.operations]
    assert earliest(case, sessions) == weeks
    for use in limit_uses(case, sessions, weeks):
        assert use.slack >= -1e-6, use


def test_perfusions_keep_their_own_distance():
    limits = protocol("high-volume", weeks_between_min=19)
    case = problem([("RLL", 5.0, 30.0), ("LLL", 5.0, 30.0)], limits, perfused=True)
    plan = solve_plan(case)
    assert [operation.week for operation in plan.operations] == [0, 19]
    (use,) = [u for u in limit_uses(case, sessions_of(case, plan), [0, 19]) if "between" in u.limit]
    assert use.slack == pytest.approx(0)


@st.composite
def wishes(draw, lesions):
    """A few things that a surgeon could fix or forbid."""
    found = []
    for _ in range(draw(st.integers(0, 2))):
        some = draw(st.lists(st.integers(1, lesions), min_size=2, max_size=3, unique=True))
        what = draw(st.sampled_from(["only_in", "never_in", "apart", "leave"]))
        places = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2, unique=True)))
        wish = {what: places} if what in ("only_in", "never_in") else {what: True}
        found.append(Assignment(lesions=tuple(some), **wish))
    return tuple(found)


@st.composite
def cases(draw):
    """Problems under random limits of every kind."""
    specimens = draw(
        st.lists(
            st.tuples(st.sampled_from(LOBES), st.floats(2, 40), st.floats(5, 60)), min_size=2, max_size=7
        )
    )
    limits = protocol(
        "high-volume",
        nodules_max=draw(st.integers(2, 4)),
        sides_max=draw(st.integers(1, 2)),
        minutes_max=draw(st.sampled_from([400.0, 600.0])),
        removed_ml_per_lung_max=draw(st.none() | st.floats(30, 120)),
        fev1_unrecovered_percent_max=draw(st.none() | st.floats(1, 15)),
        weeks_after_operation_min=draw(st.none() | st.integers(0, 9)),
        weeks_before_operation_min=draw(st.integers(0, 3)),
    )
    per_lobe = draw(st.none() | st.floats(25, 80)), draw(st.none() | st.floats(25, 100))
    update = {
        "per_operation": limits.per_operation.model_copy(update={"removed_ml_per_lobe_max": per_lobe[0]}),
        "total": limits.total.model_copy(update={"removed_ml_per_lobe_max": per_lobe[1]}),
        "perfusion": limits.perfusion.model_copy(update={"total_max": draw(st.none() | st.integers(0, 2))}),
        "weeks": limits.weeks.model_copy(update={"total_max": draw(st.none() | st.integers(6, 40))}),
    }
    case = problem(
        specimens,
        limits.model_copy(update=update),
        model=function(lung_ml=draw(st.floats(800, 5000))),
        perfused=draw(st.booleans()),
        reentry=draw(st.sampled_from([0.0, 30.0])),
    )
    return replace(case, assignments=draw(wishes(len(specimens))))


@settings(max_examples=25)
@given(case=cases())
def test_both_judges_find_the_solvers_plans_within_every_limit_and_agree_on_what_they_reach(case):
    try:
        plan = solve_plan(case)
    except InfeasiblePlan:
        return
    assert not broken_limits(plan)
    sessions = sessions_of(case, plan)
    weeks = [operation.week for operation in plan.operations]
    assert earliest(case, sessions) == weeks
    uses = limit_uses(case, sessions, weeks)
    assert not [use for use in uses if use.broken]
    if plan.operations:
        agree(plan, uses)


def agree(plan, uses):
    """Demand that given operations use of each limit what the finished plan reaches of it."""
    used = defaultdict(list)
    for use in uses:
        if use.limit != "function.fev1_unrecovered_percent_max" or use.operation > 1:
            used[use.limit].append(use.used)
    for name, values in used.items():
        limit = LIMITS[name]
        extreme = min(values) if limit.least else max(values)
        assert limit.reached(plan).value == pytest.approx(extreme, abs=1e-6), name


def test_an_operation_on_both_sides_opens_both_frees_both_and_is_near_to_both():
    limits = protocol(sides_max=2, minutes_max=900.0, fev1_after_percent_min=0.0)
    rows = [("RUL", 5.0, 30.0), ("LUL", 5.0, 30.0), ("RLL", 5.0, 30.0), ("LLL", 5.0, 30.0)]
    case = problem(rows, limits, reentry=25.0, operated=("left",), model=function(lung_ml=5000.0))
    sessions = [Session("both", (0, 1), False), Session("both", (2, 3), False), Session("left", (), False)]
    weeks = earliest(case, sessions)
    assert weeks == [0, limits.weeks.same_side_min, 2 * limits.weeks.same_side_min]
    minutes = [u.used for u in limit_uses(case, sessions, weeks) if u.limit == "per_operation.minutes_max"]
    assert minutes == [
        case.access_minutes_both + 60.0 + 25.0,
        case.access_minutes_both + 60.0 + 50.0,
        case.access_minutes + 25.0,
    ]
    after = [u.used for u in limit_uses(case, sessions, weeks) if "fev1_after" in u.limit]
    once = case.function.loss(10.0, perfused=False)
    lost = once.permanent + once.early + case.function.early_access
    assert after[0] == pytest.approx(
        case.function.baseline_percent * (1 - lost) - case.function.margin_percent
    )


def test_what_was_taken_before_counts_to_all_tissue_perfusions_and_drug():
    limits = protocol("high-volume", removed_ml_per_lung_max=20.0, drug_mg_max=100.0)
    case = problem([("RUL", 5.0, 30.0)], limits, perfused=True)
    earlier = [EarlierSession("right", -10, True, {"RUL": 4.0, "RLL": 13.0})]
    uses = limit_uses(case, [Session("right", (0,), True)], [0], earlier)
    broken = {use.limit: use.used for use in uses if use.broken}
    assert broken == {"total.removed_ml_per_lung_max": 22.0, "perfusion.per_lung_max": 2.0}
    assert next(u.slack for u in uses if u.limit == "perfusion.drug_mg_max") == 0.0


def test_the_next_operation_waits_for_what_has_to_come_back():
    limits = protocol(nodules_max=1, fev1_unrecovered_percent_max=3.0)
    fev1 = function(lung_ml=5000.0)
    case = problem([("RUL", 5.0, 30.0), ("LUL", 5.0, 30.0)], limits, model=fev1)
    sessions = [Session("right", (0,), False), Session("left", (1,), False)]
    week = earliest(case, sessions)[1]
    early = fev1.baseline_percent * case.loss([0], perfused=False).early

    def left(when):
        return early * fev1.recovery.left(when)

    assert left(week) <= 3.0 < left(week - 1)
    assert week > limits.weeks.other_side_min
