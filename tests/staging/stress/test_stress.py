"""How often limits hold: exact answers, laws, and a second reckoning of the course."""

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from scipy.stats import poisson, triang

from clearlung.errors import CaseConflict
from clearlung.evidence import load_evidence
from clearlung.staging import LIMITS, solve_plan
from clearlung.staging.stress import StressOptions, plan_with_reserve, spreads_of, stress_test
from clearlung.staging.stress.found import _poisson
from clearlung.staging.stress.outcome import Rehearsal
from clearlung.staging.stress.simulate import fev1_percent
from tests.staging import problems
from tests.staging.stress.cases import limit_of, only, options, small

BOOK = load_evidence()


def rehearse(problem, plan, given):
    return Rehearsal.of(problem, plan, given.draws(problem))


# --- Nothing varies: the plan itself --------------------------------------------------------------------


@pytest.mark.parametrize("perfused", [False, True])
def test_without_spread_every_scenario_is_the_plan(perfused):
    given = problems.problem(
        [
            ("RUL", 9.0, 30.0, 2),
            ("RLL", 80.0, 60.0),
            ("LUL", 5.0, 12.0),
            ("LLL", 7.0, 22.0),
            ("LLL", 2.0, 8.0),
        ],
        problems.protocol("high-volume", nodules_max=2),
        model=problems.function(lung_ml=5000.0, unrecovered=(0.02, 0.03)),
        perfused=perfused,
        reentry=30.0,
        operated=("left",),
        anatomical=(1,),
    )
    plan = solve_plan(given)
    found = rehearse(given, plan, StressOptions(scenarios=3, strength=0.0))
    course = found.course
    assert found.share == 1.0
    for place, operation in enumerate(plan.operations):
        assert course.week[place] == pytest.approx(operation.week)
        assert course.nodules[place] == pytest.approx(len(operation.lesions))
        assert course.minutes[place] == pytest.approx(operation.minutes)
        assert course.removed_ml[place] == pytest.approx(operation.removed_ml)
        assert course.fev1_after_percent[place] == pytest.approx(operation.fev1_after_percent)
        before = fev1_percent(given, course, float(operation.week), operations=place)
        assert before == pytest.approx(operation.fev1_before_percent)
    assert course.fev1_final_percent == pytest.approx(plan.function.ppo_fev1_percent)
    for point in plan.function.course[::5]:
        # Just before and right after an operation share a week.
        if point.week not in {float(o.week) for o in plan.operations}:
            assert fev1_percent(given, course, point.week) == pytest.approx(point.fev1_percent)


def test_without_spread_the_record_says_that_everything_holds():
    given, plan = small(nodules_max=3)
    record = stress_test(given, plan, StressOptions(scenarios=20, strength=0.0))
    assert record.holds.share == 1.0
    assert record.breaks_first is None
    assert record.found == (0, 0, 0)
    assert all(row.short == 0 and row.needed == 0 and row.low == row.high for row in record.limits)
    assert all(goal.kept.share == 1.0 for goal in record.goals)
    assert {spread.alone.share for spread in record.spreads if spread.alone} == {1.0}
    assert record.evidence == ()


def test_a_plan_without_operations_can_be_rehearse():
    given = problems.problem([])
    record = stress_test(given, solve_plan(given), StressOptions(scenarios=10))
    assert record.operations == ()
    assert record.breaks_first is None
    assert record.holds.share == 1.0


# --- One thing varies: the share is known exactly ---------------------------------------------------------


def test_minutes_of_the_specimens_break_the_limit_as_the_triangle_says():
    given, plan = small(nodules_max=3)
    operation = plan.operations[0]
    room = 16.0
    limit = problems.protocol(nodules_max=3, minutes_max=operation.minutes + room)
    given = replace(given, protocol=limit)
    record = stress_test(given, plan, options(given, "pace"))
    pace = BOOK["stress.pace"]
    own = operation.minutes - given.access_minutes
    law = triang((pace.value - pace.low) / (pace.high - pace.low), loc=pace.low, scale=pace.high - pace.low)
    exact = law.cdf(1 + room / own)
    row = limit_of(record, "per_operation.minutes_max", 1)
    assert 0 < exact < 1
    assert row.holds.share == pytest.approx(exact, abs=1 / 2000)
    # What would have to be free is the same law's quantile.
    assert row.needed == pytest.approx(own * (law.ppf(0.9) - 1), rel=0.01)
    assert row.short == pytest.approx(row.needed - room, rel=0.01)


def test_the_error_of_predicted_fev1_breaks_the_floor_as_the_normal_law_says():
    given, plan = small(nodules_max=12)
    expected = plan.function.ppo_fev1_percent
    floor = expected - 9.0
    given = replace(given, protocol=problems.protocol(nodules_max=12, ppo_fev1_percent_min=floor))
    record = stress_test(given, plan, options(given, "fev1_error"))
    exact = NormalDist(0, given.function.sd_percent).cdf(9.0)
    assert limit_of(record, "function.ppo_fev1_percent_min").holds.share == pytest.approx(exact, abs=1 / 2000)
    both = stress_test(given, plan, options(given, "fev1_error", "fev1_bias", scenarios=8000))
    error, bias = NormalDist(0, given.function.sd_percent), given.function.bias_percent
    mixed = (error.cdf(9.0 - bias) + error.cdf(9.0 + bias)) / 2
    found = limit_of(both, "function.ppo_fev1_percent_min").holds
    assert found.low - 0.005 <= mixed <= found.high + 0.005


def test_nodules_that_the_hand_finds_are_a_poisson_number_in_each_lobe():
    given, plan = small(nodules_max=3)
    given = replace(given, protocol=problems.protocol(nodules_max=4))
    twice = dict.fromkeys(("low", "value", "high"), 2.0)
    record = stress_test(given, plan, options(given, found_ratio=twice, scenarios=4000))
    for operation in plan.operations:
        row = limit_of(record, "per_operation.nodules_max", operation.number)
        # Three from one lobe or from two: their sum is a Poisson number of the same mean.
        assert row.holds.share == pytest.approx(poisson(3.0).cdf(1), abs=0.01)
    assert record.holds.share == pytest.approx(poisson(3.0).cdf(1) ** 4, abs=0.01)


def test_the_first_operation_to_break_is_the_one_with_the_least_room():
    given, plan = small(nodules_max=3)
    # Access alone varies and all operations are alike: the first breaks as often as the law of one says, each
    # later one as often among those that came through.
    share = 0.25
    access = BOOK["time.access"]
    law = triang(
        (access.value - access.low) / (access.high - access.low),
        loc=access.low / access.value,
        scale=(access.high - access.low) / access.value,
    )
    minutes = plan.operations[0].minutes + given.access_minutes * (law.ppf(1 - share) - 1)
    given = replace(given, protocol=problems.protocol(nodules_max=3, minutes_max=minutes))
    record = stress_test(given, plan, options(given, "access", scenarios=8000))
    firsts = [held.first.share for held in record.operations]
    assert firsts == pytest.approx([share * (1 - share) ** k for k in range(len(firsts))], abs=0.012)
    assert sum(firsts) == pytest.approx(1 - record.holds.share)
    assert record.breaks_first == 1
    assert {held.first_limit for held in record.operations} == {"per_operation.minutes_max"}


def test_growth_takes_the_tissue_of_larger_balls():
    given, plan = small(nodules_max=3)
    rate = 1.0
    ends = dict.fromkeys(("low", "value", "high"), rate)
    course = rehearse(given, plan, options(given, growth=ends, scenarios=2)).course
    for place, operation in enumerate(plan.operations):
        diameter = 6.0 * np.exp(rate / 100 * 7 * operation.week / 3)
        ratio = ((diameter + 10.0) / 16.0) ** 3
        assert course.removed_ml[place] == pytest.approx(operation.removed_ml * ratio)


def test_no_lobe_gives_more_than_it_has():
    model = problems.function(lung_ml=5000.0)
    given = problems.problem([("RUL", 4.0, 20.0)] * 6, problems.protocol(nodules_max=2), model=model)
    ends = dict.fromkeys(("low", "value", "high"), 50.0)
    course = rehearse(given, solve_plan(given), options(given, growth=ends, scenarios=2)).course
    lobe_ml = 5000 * BOOK.value("anatomy.lobe_share.RUL", unit="%") / 100
    assert course.removed_ml.sum(axis=0) == pytest.approx(lobe_ml)


def test_a_lesion_of_known_doubling_time_grows_at_that_rate():
    given = problems.problem([("RUL", 4.0, 20.0)] * 2, problems.protocol(nodules_max=1), vdt=70.0)
    plan = solve_plan(given)
    course = rehearse(given, plan, options(given, "growth", scenarios=5)).course
    ratio = ((6.0 * 2 ** (7 * plan.operations[1].week / 210) + 10.0) / 16.0) ** 3
    assert course.removed_ml[1] == pytest.approx(4.0 * ratio)


def test_a_complication_delays_all_that_follows():
    given, plan = small(nodules_max=3)
    always = dict.fromkeys(("low", "value", "high"), 22.6)
    found = rehearse(given, plan, options(given, "complication", stay=always, scenarios=4000))
    without = BOOK.value("complication.sarcoma.stay_without", unit="day")
    delay = (22.6 - without) / 7
    late = found.course.week - found.staged.week[:, None]
    assert not late[0].any()
    assert set(np.round(late[1], 6)) == {0.0, round(delay, 6)}
    for place in range(1, len(plan.operations)):
        steps = np.round((late[place] - late[place - 1]) / delay, 6)
        assert set(steps) <= {0.0, 1.0}
        chance = plan.operations[place - 1].complication_percent
        # A triangle's mean is that of its corners.
        assert steps.mean() == pytest.approx((chance.low + chance.expected + chance.high) / 300, abs=0.01)


def test_edema_follows_perfusions_alone():
    given = problems.problem(
        [("RUL", 4.0, 20.0)] * 2, problems.protocol("high-volume", nodules_max=1), perfused=True
    )
    plan = solve_plan(given)
    assert [o.perfusion is not None for o in plan.operations] == [False, True]
    course = rehearse(given, plan, options(given, "edema", "stay")).course
    assert (course.week[1] == plan.operations[1].week).all()  # the perfused one is the last


def test_poisson_quantiles_are_scipys():
    rng = np.random.default_rng(1)
    at, mean = rng.random(3000), rng.uniform(0, 40, 3000)
    mean[:50] = 0.0
    assert (_poisson(at, mean) == np.where(mean > 0, poisson.ppf(at, mean), 0)).all()


# --- Laws -------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@for_all(
    nodules=st.integers(3, 8),
    minutes=st.floats(150, 500),
    more=st.integers(0, 5),
    longer=st.floats(0, 200),
    seed=st.integers(0, 5),
)
def test_higher_limits_never_break_more(nodules, minutes, more, longer, seed):
    base, plan = small(nodules_max=3)

    def held(nodules_max, minutes_max):
        limits = problems.protocol(nodules_max=nodules_max, minutes_max=minutes_max)
        return rehearse(replace(base, protocol=limits), plan, StressOptions(scenarios=200, seed=seed)).held

    assert (held(nodules, minutes) <= held(nodules + more, minutes + longer)).all()


def test_more_found_breaks_more():
    given, plan = small(nodules_max=3)
    given = replace(given, protocol=problems.protocol(nodules_max=5))
    shares = []
    for ratio in (1.0, 1.2, 1.6, 2.4):
        ends = dict.fromkeys(("low", "value", "high"), ratio)
        shares.append(rehearse(given, plan, options(given, found_ratio=ends)).share)
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == 4


def test_slower_recovery_leaves_less_before_the_next_operation():
    given, plan = small(nodules_max=3)
    lowest = []
    for factor in (0.5, 1.0, 2.0):
        ends = dict.fromkeys(("low", "value", "high"), factor)
        lowest.append(
            rehearse(given, plan, options(given, recovery=ends)).course.fev1_after_percent[1:].min()
        )
    assert lowest == sorted(lowest, reverse=True)
    assert len(set(lowest)) == 3


def test_the_same_seed_gives_the_same_record_and_another_one_another():
    given, plan = small(nodules_max=3)
    first, again, other = (
        stress_test(given, plan, StressOptions(scenarios=300, seed=seed)) for seed in (4, 4, 5)
    )
    assert first.model_dump_json() == again.model_dump_json()
    assert first.model_dump(exclude={"seed"}) != other.model_dump(exclude={"seed"})


def test_an_operation_meets_the_same_scenarios_however_many_follow():
    given, _ = small(nodules_max=3)
    draws = StressOptions(scenarios=100).draws(given)
    assert (draws.operations("pace", 2) == draws.operations("pace", 9)[:2]).all()


def test_waiting_mends_what_has_not_recovered():
    model = problems.function(lung_ml=5000.0, early_access=0.4, early_tissue_factor=0.0, fev1_percent=90.0)
    limits = problems.protocol(nodules_max=3, other_side_min=3, fev1_after_percent_min=0.0)
    given = problems.problem([("RUL", 4.0, 20.0)] * 3 + [("LUL", 4.0, 20.0)] * 3, limits, model=model)
    plan = solve_plan(given)
    second = plan.operations[1]
    strict = problems.protocol(nodules_max=3, fev1_after_percent_min=second.fev1_after_percent + 2.0)
    record = stress_test(replace(given, protocol=strict), plan, options(given, scenarios=10, pace={}))
    wait = record.operations[1].weeks_later
    assert record.operations[0].weeks_later == 0
    assert wait > 0
    loss = given.loss([0, 1, 2], perfused=False)
    done = [(0, loss), (second.week + wait, loss)]
    assert given.function.percent(done, second.week + wait) >= strict.function.fev1_after_percent_min


# --- What is refused, and what is stored ------------------------------------------------------------------


def test_a_plan_of_another_problem_is_refused():
    _, plan = small(nodules_max=3)
    other = problems.problem([("RUL", 4.0, 20.0, 2)])
    with pytest.raises(CaseConflict, match="must belong together"):
        stress_test(other, plan)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"confidence": 1.0}, "confidence"),
        ({"strength": 1.5}, "strength"),
        ({"scenarios": 0}, "at least one"),
        ({"seed": -1}, "whole number"),
    ],
)
def test_impossible_options_are_refused(arguments, says):
    given, plan = small(nodules_max=12)
    with pytest.raises(ValueError, match=says):
        stress_test(given, plan, StressOptions(**arguments))


def test_an_unknown_spread_is_refused_by_name():
    given, plan = small(nodules_max=12)
    spread = next(iter(only(given).values()))
    with pytest.raises(ValueError, match="weather"):
        stress_test(given, plan, StressOptions(spreads={"weather": spread}))


def test_the_record_names_its_evidence_and_a_centers_own_number():
    given, plan = small(nodules_max=12)
    own = given.protocol.model_copy(update={"assumptions": {"stress.found.ratio": 1.2}})
    record = stress_test(replace(given, protocol=own), plan, StressOptions(scenarios=50))
    entries = {entry.id: entry for entry in record.evidence}
    assert entries["stress.found.ratio"].overridden
    (ratio,) = [spread for spread in record.spreads if spread.name == "found_ratio"]
    assert (ratio.low, ratio.value, ratio.high) == (1.2, 1.2, 1.2)


def test_spreads_lie_where_the_series_do():
    spreads = spreads_of(BOOK, problems.function())
    ratio = spreads["found_ratio"]
    ends = ("detection.rizzoli.ratio", "finding.ellis.ratio", "detection.gao.ratio")
    assert (ratio.low, ratio.value, ratio.high) == tuple(BOOK[key].value for key in ends)
    growth = spreads["growth"]
    assert (growth.value, growth.high) == (BOOK["growth.slow.rate"].value, BOOK["growth.fast.rate"].value)
    minutes = BOOK["burden.posterolateral.minutes"]
    relative = 1.96 * (minutes.high - minutes.value) / minutes.value
    pace = spreads["pace"]
    assert (pace.low, pace.high) == (
        pytest.approx(1 - relative, abs=1e-3),
        pytest.approx(1 + relative, abs=1e-3),
    )
    found = BOOK["stress.found.minutes"]
    assert (found.low, found.high) == (BOOK["time.nodule.superficial"].value, BOOK["time.nodule.deep"].value)
    assert found.value == found.low


# --- Every limit ------------------------------------------------------------------------------------------


def limited():
    """A plan with an operation on both sides, and limits of everything that scenarios can break."""
    limits = problems.protocol(
        sides_max=2,
        nodules_max=4,
        minutes_max=900.0,
        removed_ml_per_lobe_max=60.0,
        removed_ml_per_lung_max=90.0,
        fev1_unrecovered_percent_max=30.0,
        dlco_after_percent_min=5.0,
        ppo_dlco_percent_min=5.0,
        total_max=90,
        blocked=((7, 9),),
        weeks_after_operation_min=2,
    )
    fev1 = problems.function(lung_ml=5000.0, unrecovered=(0.02, 0.01))
    given = problems.problem(
        [("RLL", 6.0, 10.0)] * 5 + [("LUL", 7.0, 10.0)] * 5,
        limits,
        model=fev1,
        patient=problems.patient(fev1),
        reentry=20.0,
    )
    plan = solve_plan(given)
    assert "both" in {o.side for o in plan.operations}
    return given, plan


def test_without_spread_every_limit_is_loaded_as_the_plan_reaches_it():
    given, plan = limited()
    found = rehearse(given, plan, StressOptions(scenarios=2, strength=0.0))
    assert found.share == 1.0
    margins = {"fev1": given.function.margin_percent, "dlco": given.patient.lungs.dlco.margin_percent}
    tested = {limit.field for limit, _ in found.limits}
    for limit, _ in found.limits:
        load = limit.load(found.course)[:, 0]
        if limit.field == "function.fev1_unrecovered_percent_max":
            load = load[1:]
        # A plan's limits of function hold at their lower bound, a scenario's at its value.
        measure = next((m for m in margins if m in limit.field and limit.least), None)
        reached = limit.reached(plan).value + margins.get(measure, 0.0)
        assert (load.min() if limit.least else load.max()) == pytest.approx(reached), limit.field
    # What is as planned in every scenario is not among them.
    whole = {name for name in LIMITS if name.startswith(("perfusion.", "scans.", "weeks."))}
    whole |= {"per_operation.sides_max", "function.confidence", "assignments"}
    assert tested == set(LIMITS) - whole | {"weeks.total_max"}


def test_an_operation_that_is_delayed_into_weeks_that_are_not_free_waits():
    given, plan = small(nodules_max=3)
    second = plan.operations[1].week
    limits = problems.protocol(nodules_max=3, blocked=((second + 1, second + 2),))
    given = replace(given, protocol=limits)
    always = dict.fromkeys(("low", "value", "high"), 22.6)
    week = rehearse(given, plan, options(given, "complication", stay=always, scenarios=500)).course.week
    late = set(np.round(week[1] - second, 6))
    assert late == {0.0, 3.0}
    assert ((week[2] - plan.operations[2].week)[week[1] > second] >= 3.0).all()


def test_the_error_of_predicted_dlco_breaks_its_floor_as_the_normal_law_says():
    given, plan = limited()
    dlco = given.patient.lungs.dlco
    expected = plan.function.ppo_dlco_percent
    function = given.protocol.function.model_copy(update={"ppo_dlco_percent_min": expected - 7.0})
    given = replace(given, protocol=given.protocol.model_copy(update={"function": function}))
    known = spreads_of(BOOK, given.function, dlco)
    spreads = {name: s if name == "dlco_error" else s.muted() for name, s in known.items()}
    record = stress_test(given, plan, StressOptions(scenarios=2000, spreads=spreads))
    exact = NormalDist(0, dlco.sd_percent).cdf(7.0)
    assert limit_of(record, "function.ppo_dlco_percent_min").holds.share == pytest.approx(exact, abs=1 / 2000)


def test_a_plan_with_reserve_holds_for_the_newer_limits_too():
    given, plan = limited()
    per = given.protocol.per_operation.model_copy(update={"removed_ml_per_lobe_max": 25.0})
    given = replace(given, protocol=given.protocol.model_copy(update={"per_operation": per}))
    plan = solve_plan(given)
    ends = dict.fromkeys(("low", "value", "high"), 0.4)
    asked = options(given, growth=ends, scenarios=50, confidence=0.8)
    before = stress_test(given, plan, asked)
    broken = {row.limit for row in before.limits if row.short}
    assert "per_operation.removed_ml_per_lobe_max" in broken
    found = plan_with_reserve(given, asked)
    if found.plan is not None:
        assert stress_test(given, found.plan, asked).holds.share >= 0.8
    assert "per_operation.removed_ml_per_lobe_max" in found.record.steps[-1].limits
