"""Plans that perfuse lobes: against every plan of tiny problems, and by what has to hold for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clearlung.perfusion import TARGETS, Benefit, Worth
from clearlung.staging import solve_plan
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


@pytest.mark.parametrize("seed", range(14))
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
