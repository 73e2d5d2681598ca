"""Plans that perfuse lobes: against every plan of tiny problems, and by what has to hold for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from clearlung.errors import CaseConflict, ProblemError
from clearlung.perfusion import (
    TARGETS,
    Benefit,
    RegimenChanges,
    Worth,
    make_regimen,
    perfusion_harm,
    reference_lungs,
)
from clearlung.perfusion_sheets import sheets_of_plan
from clearlung.staging import Unseen, aimed_as, load_protocol, parse_problem, problem_json, replan, solve_plan
from clearlung.staging.done import Done, DoneOperation
from clearlung.staging.rest import rest_problem
from clearlung.staging.stress.staged import Staged
from clearlung.staging.targets import function_share
from tests.staging.problems import function, problem
from tests.staging.random_problems import with_parts
from tests.staging.test_every_plan import enclosed, tight_problem
from tests.staging.test_perfused import TABLE_MM, lung_benefit, two_operations_each, weighed

ALL = tuple(TARGETS)
WORTH = Worth(edema=5.0, death=100.0, fev1=0.1, week=0.0, least=1.0)


def gain(parts, worth=WORTH):
    """What perfusing each target spares: ``parts`` has the keywords of a lung's benefit by target."""
    made = {name: lung_benefit(TARGETS[name].side, **known) for name, known in parts.items()}
    lungs = {side: made.pop(side) for side in ("right", "left")}
    return Benefit(lungs, worth, (), parts=made)


def chosen(plan):
    return {o.side: o.perfusion.target for o in plan.operations if o.perfusion is not None}


def with_function(share=0.05):
    """Two operations on each lung, of which a perfusion takes function."""
    given = two_operations_each()
    return replace(given, function=replace(given.function, perfusion_permanent=share))


def test_lobes_are_perfused_where_that_spares_as_much_and_takes_less_function():
    parts = {name: {"unseen": 20.0, "edema": 0.3} for name in ALL}
    plan = solve_plan(
        weighed(with_function(), gain(parts, replace(WORTH, fev1=1.0)), perfusion={"targets": ALL})
    )
    assert chosen(plan) == {"right": "right-upper-middle", "left": "left-upper"}
    # Half of a lung takes half of what it does: 98 % times 0.05 of FEV1.
    [left] = [one for one in plan.perfusion.perfusions if one.planned and one.side == "left"]
    assert left.fev1_points == pytest.approx(98 * 0.05 * 0.498, rel=0.01)


def test_the_whole_lung_is_perfused_where_lobes_are_no_better():
    parts = {name: {"unseen": 20.0, "edema": 0.3} for name in ALL}
    plan = solve_plan(weighed(two_operations_each(), gain(parts), perfusion={"targets": ALL}))
    assert chosen(plan) == {"right": "right", "left": "left"}


def test_the_whole_lung_is_perfused_where_the_lower_lobe_holds_most():
    parts = {name: {"unseen": 20.0 if name in ("right", "left") else 4.0, "edema": 0.3} for name in ALL}
    plan = solve_plan(weighed(with_function(), gain(parts), perfusion={"targets": ALL}))
    assert chosen(plan) == {"right": "right", "left": "left"}
    ways = {(way.right_target, way.left_target): way for way in plan.perfusion.ways}
    assert len(ways) == 9  # neither, whole or lobes of each lung
    assert [key for key, way in ways.items() if way.chosen] == [("right", "left")]


# Problems of two to four specimens: with five, every plan for every choice of targets takes seconds.
@pytest.mark.parametrize("seed", [1, 4, 6, 9, 11, 14, 16])
@pytest.mark.parametrize("second", ["perfusion", "operations", "weighted"])
def test_no_plan_is_better_than_every_plan_and_no_bound_above_it(seed, second):
    rng = np.random.default_rng(7000 + seed)
    parts = {}
    for name in ALL:
        lobar = name not in ("right", "left")
        early = np.interp(np.log(TABLE_MM), np.log([0.5, 1.0, 3.0]), [1.0, rng.uniform(0.2, 0.9), 0.0])
        whole = parts.get(TARGETS[name].side)
        parts[name] = {
            "unseen": whole["unseen"] * rng.uniform(0.2, 1.0) if lobar else rng.uniform(0.0, 12.0),
            "growth": whole["growth"] if lobar else float(rng.choice([0.0, 0.01, 0.03])),
            "sterilized": early,
            "edema": rng.uniform(0.0, 0.4),
            "felt": whole["felt"] if lobar else rng.uniform(0.0, 0.5),
        }
    third = "operations" if second == "perfusion" else "perfusion"
    limits = {"perfusion": {"per_lung_max": int(rng.integers(1, 3)), "targets": ALL}}
    if second == "weighted":
        weights = {"perfusion": 2.0, "operations": 1.5, "weeks": 0.1}
        limits["goals"] = {"order": ("lesions_left", "weighted"), "weights": weights}
    worth = replace(WORTH, week=float(rng.choice([0.0, 0.13])))
    given = weighed(
        tight_problem(seed, "default"), gain(parts, worth), ("lesions_left", second, third), **limits
    )
    enclosed(given)


def listed(**limits):
    """Six metastases in each of four lobes under goals that weigh nothing but what is spared."""
    free = {
        "worth.edema": 0.01,
        "worth.death": 0.01,
        "worth.fev1": 0.02,
        "worth.week": 0.0,
        "worth.least": 0.001,
    }
    shipped = load_protocol("weighed")
    made = with_parts(shipped, perfusion={"targets": ALL} | limits)
    made = made.model_copy(update={"assumptions": free})
    rows = [(lobe, d, 12.0) for lobe in ("RUL", "RLL", "LUL", "LLL") for d in (0.4, 0.5, 0.8, 1.0, 2.0, 3.0)]
    given = problem(rows, made, model=function(5000.0))
    return replace(given, unseen=Unseen(), regimen=make_regimen("petrov-melphalan-50", made.book()))


@pytest.mark.parametrize("dose", ["lung", "lung_share"])
def test_a_plan_says_of_a_perfusion_what_perfuse_says(dose):
    given = replace(listed(lobes_dose=dose), targets={"left": "left-upper"})
    given = replace(given, perfusions={"right": 0, "left": 1}, protocol=ruled(given.protocol))
    plan = solve_plan(given)
    [operation] = [o for o in plan.operations if o.perfusion is not None]
    changes = RegimenChanges(dose_mode="lung_share") if dose == "lung_share" else None
    book = given.protocol.book()
    alone = make_regimen("petrov-melphalan-50", book, target="left-upper", changes=changes)
    assert operation.perfusion.target == "left-upper"
    assert operation.perfusion.dose_mg == alone.dose_mg
    harm = perfusion_harm(alone, reference_lungs(book), book)
    [said] = [one for one in plan.perfusion.perfusions if one.planned]
    assert said.target == "left-upper"
    assert said.edema.median == pytest.approx(100 * harm.edema.interval.median)
    percent = given.function.baseline_percent / 100
    assert said.fev1_points == pytest.approx(percent * harm.fev1.perfusion_percent[0, 1])
    [sheet] = sheets_of_plan(given, plan)
    assert sheet.target == TARGETS["left-upper"]
    assert sheet.regimen.dose_mg == alone.dose_mg
    # FEV1 for good: of the whole lung's perfusion it takes the share that the lobe has of the lung.
    finals = [
        solve_plan(replace(given, targets={"left": name})).function.course[-1].fev1_percent
        for name in ("left", "left-upper")
    ]
    share = function_share(given, "left-upper")
    whole = given.function.baseline_percent * given.function.perfusion_permanent
    assert finals[1] - finals[0] == pytest.approx((1 - share) * whole)


def ruled(limits):
    """The protocol with perfusions by the rule."""
    return with_parts(limits, goals={"order": ("lesions_left", "operations")})


def test_by_the_rule_a_lung_has_the_first_target_that_the_protocol_names():
    given = listed(targets=("right-upper-middle", "right", "left", "left-upper"))
    plan = solve_plan(replace(given, protocol=ruled(given.protocol)))
    assert chosen(plan) == {"right": "right-upper-middle", "left": "left"}


def test_more_targets_never_give_a_worse_plan():
    plans = [
        solve_plan(listed(targets=targets)) for targets in (("right", "left"), (*ALL[:2], "left-upper"), ALL)
    ]
    values = [tuple(goal.value for goal in plan.solver.goals)[:2] for plan in plans]
    assert values[2] <= values[1] <= values[0]


def test_what_lobes_do_not_reach_is_left_as_without_a_perfusion():
    given = listed(per_lung_max=1)
    given = replace(given, targets={"left": "left-upper", "right": "right"}, protocol=ruled(given.protocol))
    lobes = {one.lobe: one for one in solve_plan(given).perfusion.lobes}
    assert lobes["LLL"].left == lobes["LLL"].left_without
    assert lobes["LUL"].left.mean < lobes["LUL"].left_without.mean
    lungs = {one.side: one for one in solve_plan(given).perfusion.lungs}
    both = lobes["LUL"].left.mean + lobes["LLL"].left.mean
    assert lungs["left"].left.mean == pytest.approx(both)


def test_a_stored_problem_and_a_stored_plan_keep_their_targets():
    given = replace(listed(), targets={"left": "left-upper"})
    assert parse_problem(problem_json(given)).targets == {"left": "left-upper"}
    with pytest.raises(ProblemError, match=r"targets\.left"):
        parse_problem(problem_json(given).replace('"left": "left-upper"', '"left": "right-upper-middle"'))


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        (("right", "left", "lingula"), "not a target"),
        (("right", "right", "left"), "twice"),
        (("right", "right-upper-middle"), "nothing of the left lung"),
        ((), "at least 1"),
    ],
)
def test_a_protocol_names_known_targets_of_both_lungs(targets, says):
    limits = load_protocol("weighed").perfusion.model_dump() | {"targets": targets}
    with pytest.raises(ValidationError, match=says):
        type(load_protocol("weighed").perfusion).model_validate(limits)


def test_a_done_perfusion_of_lobes_is_recorded_with_them_and_takes_their_share_of_function():
    given = replace(listed(), targets={"left": "left-upper", "right": "right"})
    given = replace(given, protocol=ruled(given.protocol))
    plan = solve_plan(given)
    [left] = [o for o in plan.operations if o.side == "left" and o.perfusion is not None]
    earlier = tuple(DoneOperation(number=o.number) for o in plan.operations if o.week <= left.week)
    done = Done(today_week=left.week, operations=earlier)
    rest = rest_problem(given, plan, done)
    assert [one.target for one in rest.unseen.perfused if one.side == "left"] == ["left-upper"]
    whole = Done(
        today_week=left.week,
        operations=tuple(
            one.model_copy(update={"target": "left"}) if one.number == left.number else one for one in earlier
        ),
    )
    of_lung = rest_problem(given, plan, whole)
    share = function_share(given, "left-upper")
    points = given.function.baseline_percent * given.function.perfusion_permanent * (1 - share)
    assert rest.function.baseline_percent - of_lung.function.baseline_percent == pytest.approx(points)
    # Of the lower lobe as much is unseen as if nothing had been perfused.
    assert rest.benefit.lobes["LLL"].unseen.sum() > of_lung.benefit.lobes["LLL"].unseen.sum()


def test_a_done_perfusion_is_of_a_lung_that_was_opened():
    given = listed()
    plan = solve_plan(given)
    first = plan.operations[0]
    other = "left-upper" if first.side == "right" else "right-upper-middle"
    done = Done(today_week=first.week, operations=(DoneOperation(number=first.number, target=other),))
    with pytest.raises(CaseConflict, match="not of it"):
        rest_problem(given, plan, done)


def test_a_changed_plan_keeps_the_target_that_was_promised():
    given = listed(per_lung_max=1)
    given = replace(given, targets={"left": "left-upper", "right": "right-upper-middle"})
    given = replace(given, protocol=ruled(with_parts(given.protocol, per_operation={"nodules_max": 4})))
    plan = solve_plan(given)
    done = Done(today_week=0, operations=(DoneOperation(number=plan.operations[0].number),))
    changed = replan(replace(given, targets={}), plan, done)
    assert changed.method == "kept"
    assert chosen(changed.plan).items() <= chosen(plan).items()


def test_the_stress_test_takes_the_edema_and_the_function_of_the_lobes():
    given = listed(per_lung_max=1)
    given = replace(given, protocol=ruled(given.protocol))
    records = []
    for targets in (
        {"left": "left", "right": "right"},
        {"left": "left-upper", "right": "right-upper-middle"},
    ):
        plan = solve_plan(replace(given, targets=targets))
        tested = Staged.of(aimed_as(given, plan.operations), plan)
        records.append(tested.perfused_share[tested.perfused])
    assert (records[0] == 1.0).all()
    assert sorted(records[1]) == pytest.approx(sorted(function_share(given, t) for t in ALL[2:]))
