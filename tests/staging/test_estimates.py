"""What is estimated of a problem is estimated once, and never another's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.perfusion import make_regimen
from clearlung.staging import Unseen, estimates, load_protocol, parse_problem, problem_json, solve_plan, under
from clearlung.staging.estimates import Estimates
from clearlung.staging.unseen import FoundPart
from tests.staging.problems import function, problem, protocol
from tests.staging.random_problems import with_parts

ROWS = [("RLL", 2.0, 8.0)] * 4 + [("LUL", 2.0, 8.0)] * 4


@pytest.fixture
def made():
    limits = protocol("high-volume", nodules_max=4)
    given = problem(ROWS, limits, model=function(5000.0), perfused=True)
    return replace(given, unseen=Unseen())


@pytest.fixture
def calls(monkeypatch):
    """How often each estimate is made."""
    counts = {"occult_burden": 0, "weigh_perfusions": 0}

    def counted(name):
        real = getattr(estimates, name)

        def call(*args, **kwargs):
            counts[name] += 1
            return real(*args, **kwargs)

        return call

    for name in counts:
        monkeypatch.setattr(estimates, name, counted(name))
    return counts


def anew(given):
    """The same problem, of which nothing has been estimated."""
    return replace(given, estimates=Estimates())


def same(one, other):
    for side in ("right", "left"):
        np.testing.assert_array_equal(one.benefit.lungs[side].unseen, other.benefit.lungs[side].unseen)
        np.testing.assert_array_equal(
            one.benefit.lungs[side].sterilized, other.benefit.lungs[side].sterilized
        )
    assert one.benefit.worth == other.benefit.worth
    np.testing.assert_array_equal(one.burden.by_size, other.burden.by_size)


def test_a_problem_and_all_that_are_made_from_it_estimate_once(made, calls):
    solve_plan(made)
    other = replace(made, perfusions={"right": 1, "left": 0}, seed=made.seed)
    assert other.benefit is made.benefit
    assert other.burden is made.burden
    assert under(made, with_parts(made.protocol, per_operation={"nodules_max": 3})).benefit is made.benefit
    assert calls == {"occult_burden": 1, "weigh_perfusions": 1}


def test_another_regimen_has_another_benefit_of_the_same_burden(made, calls):
    solve_plan(made)
    none = under(made, load_protocol("conservative"))
    assert not none.benefit.lungs["right"].sterilized.any()
    assert made.benefit.lungs["right"].sterilized.any()
    assert calls == {"occult_burden": 1, "weigh_perfusions": 2}


def test_nothing_that_the_estimate_rests_on_can_change_without_it(made):
    limits = made.protocol
    small = replace(made.lesions, diameter_mm=made.lesions.diameter_mm / 2)
    felt = limits.model_copy(update={"assumptions": {"occult.felt.half": 1.0}})
    hot = make_regimen("petrov-melphalan-45", limits.book())
    found = FoundPart(week=1.0, found={"RUL": 4, "RML": 0, "RLL": 3})
    for change in (
        {"lesions": small},
        {"protocol": felt},
        {"regimen": hot},
        {"regimen": None},
        {"seed": made.seed + 1},
        {"unseen": Unseen(slice_mm=5.0)},
        {"unseen": Unseen(weeks_since_ct=9.0)},
        {"unseen": Unseen(found=(found,))},
    ):
        assert made.benefit is not None
        changed = replace(made, **change)
        assert changed.benefit is not made.benefit
        same(changed, anew(changed))
    assert replace(made, unseen=None).benefit is None


def test_what_is_kept_is_found_by_content_and_not_for_ever(made, calls):
    held = made.benefit
    read = replace(parse_problem(problem_json(made)), estimates=made.estimates)
    assert read.benefit is held
    for seed in range(1, 8):
        assert replace(made, seed=seed).benefit is not held
    assert made.benefit is held
    assert calls["occult_burden"] == 8
    same(replace(made), made)
    assert calls["occult_burden"] == 9


def test_findings_of_several_operations_count_as_one_after_the_other(made):
    parts = [FoundPart(week=w, found={"RUL": k, "RML": 0, "RLL": 2}) for w, k in ((1.0, 3), (4.0, 1))]
    once = replace(made, unseen=Unseen(found=(parts[0],)))
    twice = replace(made, unseen=Unseen(found=tuple(parts)))
    assert [one.day for one in twice.burden.operations] == [7.0, 28.0]
    assert once.burden.operations == twice.burden.operations[:1]


def test_what_is_assumed_where_nothing_was_given_follows_the_goals(made):
    bare = replace(made, unseen=None)
    assert bare.benefit is None
    assert not bare.weighs_perfusion
    goals = {"order": ("lesions_left", "perfusion", "operations"), "weights": {}}
    weighing = replace(bare, protocol=with_parts(bare.protocol, goals=goals))
    assert weighing.weighs_perfusion
    assert any("nothing else was given" in words for words in weighing.cautions)
    same(weighing, replace(weighing, unseen=Unseen()))
    assert replace(weighing, protocol=bare.protocol).benefit is None


def test_how_lobes_are_dosed_says_nothing_of_what_is_unseen(made, calls):
    given = under(made, with_parts(made.protocol, perfusion={"lobes_dose": "lung_share"}))
    assert given.burden is made.burden
    assert calls["occult_burden"] == 1
