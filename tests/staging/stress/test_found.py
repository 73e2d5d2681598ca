"""What the hand finds in the scenarios is what the estimate of unseen metastases expects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBE_SIDES, LOBES
from clearlung.staging import Unseen, solve_plan
from clearlung.staging.stress import StressOptions, plan_with_reserve, stress_test
from clearlung.staging.stress.outcome import Rehearsal
from tests.staging import problems
from tests.staging.stress.cases import point

ROWS = [(lobe, d, 20.0) for lobe in ("RUL", "RLL", "LUL") for d in (3.0, 3.5, 4.0, 6.0) for _ in range(2)]
FOUND = "found_ratio"


@pytest.fixture(scope="module")
def given():
    """Nobody plans anything in the middle and the left lower lobe; hands feel through them all the same."""
    return replace(
        problems.problem(ROWS, problems.protocol(nodules_max=8)), unseen=Unseen(weeks_since_ct=2.0)
    )


@pytest.fixture(scope="module")
def plan(given):
    return solve_plan(given)


def rehearsed(given, plan, **settings):
    options = StressOptions(**{"scenarios": 4000, "seed": 3} | settings)
    draws = options.draws(given)
    alone = {name: s if name == FOUND else s.muted() for name, s in draws.spreads.items()}
    return Rehearsal.of(given, plan, replace(draws, spreads=alone, _made={}))


@pytest.fixture(scope="module")
def tested(given, plan):
    return rehearsed(given, plan)


def test_on_average_it_is_what_the_burden_loses_to_the_hand(plan, tested):
    found = tested.course.found.sum(axis=0)
    for one in plan.perfusion.lobes:
        mean = found[LOBES.index(one.lobe)].mean()
        assert mean == pytest.approx(one.unseen.mean - one.left_without.mean, rel=0.04), one.lobe
    whole = plan.perfusion.unseen.mean - plan.perfusion.left_without.mean
    assert found.sum(axis=0).mean() == pytest.approx(whole, rel=0.02)


def test_patients_with_more_unseen_have_more_found(given, tested):
    low, high = np.quantile(given.burden.count(), (0.05, 0.95))
    spread = tested.draws.spreads[FOUND]
    assert (spread.low, spread.high) == (low, high)
    found = tested.course.found.sum(axis=(0, 1))
    order = np.argsort(tested.draws.quantiles(FOUND))
    fifths = [part.mean() for part in np.array_split(found[order], 5)]
    assert fifths == sorted(fifths)


def test_no_more_is_found_in_a_lobe_than_there_is(given, tested):
    order = np.argsort(given.burden.count(), kind="stable")
    rows = order[(tested.draws.quantiles(FOUND) * given.burden.draws).astype(int)]
    there = given.burden.by_size[rows].sum(axis=2).T
    found = tested.course.found
    assert (found == np.round(found)).all()
    assert (found.sum(axis=0) <= there).all()
    assert found.any(axis=(0, 2)).all()


def test_the_hand_is_only_where_the_chest_is_open(plan, tested):
    for place, operation in enumerate(plan.operations):
        shut = [k for k, lobe in enumerate(LOBES) if LOBE_SIDES[lobe] != operation.side]
        assert not tested.course.found[place, shut].any()


def test_the_first_operation_on_a_lung_finds_most_of_what_can_be_felt(plan, tested):
    for side in ("right", "left"):
        places = [k for k, o in enumerate(plan.operations) if o.side == side]
        counts = [tested.course.found[k].sum() for k in places]
        assert counts[0] > sum(counts[1:])


def test_at_half_strength_half_as_many_are_found(given, plan, tested):
    half = rehearsed(given, plan, strength=0.5).course.found.sum()
    assert half == pytest.approx(0.5 * tested.course.found.sum(), rel=0.05)
    assert not rehearsed(given, plan, strength=0.0).course.found.any()


def test_the_record_says_what_the_findings_are_drawn_from(given, plan):
    options = StressOptions(scenarios=300)
    record = stress_test(given, plan, options)
    assert record.found_by == "occult burden"
    (spread,) = [one for one in record.spreads if one.name == FOUND]
    assert (spread.shape, spread.unit) == ("imagined", "nodule")
    assert "occult.felt.half" in {entry.id for entry in record.evidence}
    assert any("estimated to be unseen in this patient" in words for words in record.warnings)

    bare = replace(given, unseen=None)
    record = stress_test(bare, plan, options)
    assert record.found_by == "published ratio"
    assert any("published ratio" in words for words in record.warnings)


def test_a_ratio_that_is_given_is_kept(given, plan):
    known = StressOptions().draws(replace(given, unseen=None)).spreads[FOUND]
    ratio = replace(known, **point(known, 2.0))
    tested = rehearsed(given, plan, spreads={FOUND: ratio})
    planned = sum(len(o.lesions) for o in plan.operations)
    assert tested.course.found.sum(axis=(0, 1)).mean() == pytest.approx(planned, rel=0.02)


def test_a_plan_with_reserve_leaves_room_for_what_is_found(given):
    spreads = {name: s.muted() for name, s in StressOptions().draws(given).spreads.items() if name != FOUND}
    found = plan_with_reserve(given, StressOptions(scenarios=300, confidence=0.8, spreads=spreads))
    assert found.record.status == "holds"
    assert found.record.reserve["per_operation.nodules_max"] > 0
