"""The judge of given operations against the solver's plans, under limits of DLCO, weeks and perfusions."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import InfeasiblePlan
from clearlung.staging import solve_plan
from clearlung.staging.fixed import earliest, sessions_of
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
