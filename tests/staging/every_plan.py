"""Every plan of a tiny problem, under every rule of a protocol and with the function model as it stands.

:mod:`tests.staging.exhaustive` finds the best plan under the default goals for up to seven specimens. Here
all sequences of all groups of specimens are tried, so that any goals in any order can be optimized.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np

from clearlung.anatomy import LOBES
from clearlung.evidence import load_evidence
from clearlung.perfusion import TARGETS, lobes_of, reference_lungs
from clearlung.staging import StagingProblem

SIDES = ("right", "left")
_NEVER = 6000
_NOISE = 1e-9


@dataclass(frozen=True)
class Session:
    """One operation: the rows of its specimens, what it opens, whether it is perfused, its week."""

    rows: tuple[int, ...]
    sides: frozenset[str]
    perfused: bool
    week: int


def best(given: StagingProblem, order) -> list[float]:
    """Values of the goals of the best plan, in this order of rank; equal but for rounding is equal."""
    return min(
        [round(_value(aimed, plan, key), 9) for key in order]
        for aimed in _aims(given)
        for plan in every_plan(aimed)
    )


def _aims(given: StagingProblem) -> Iterator[StagingProblem]:
    """The problem with every choice of what the perfusions of each lung reach."""
    allowed = [[t for t in given.protocol.perfusion.targets if TARGETS[t].side == side] for side in SIDES]
    for chosen in product(*allowed):
        yield replace(given, targets=dict(zip(SIDES, chosen, strict=True)))


def every_plan(given: StagingProblem) -> Iterator[list[Session]]:
    """Yield every plan that keeps to all limits, each operation as early as it can be."""
    rows = range(len(given.specimens))
    for size in range(len(rows) + 1):
        for subset in combinations(rows, size):
            if _within_totals(given, subset):
                for groups in _sequences(subset):
                    for flags in _perfusions(given, groups):
                        plan = _planned(given, groups, flags)
                        if plan is not None:
                            yield plan


def _sequences(rows: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Every way to split rows into groups, in every order."""
    if not rows:
        yield []
        return
    for size in range(1, len(rows) + 1):
        for first in combinations(rows, size):
            for rest in _sequences(tuple(row for row in rows if row not in first)):
                yield [first, *rest]


def _opened(given, groups) -> list[frozenset[str]]:
    return [frozenset(given.specimens.side[list(group)].tolist()) for group in groups]


def _perfusions(given, groups) -> Iterator[list[bool]]:
    """Every choice of the operations that are perfused, or the one that the rule prescribes."""
    opened = _opened(given, groups)
    if given.weighs_perfusion:
        for flags in product((False, True), repeat=len(groups)):
            sides = [sides for sides, yes in zip(opened, flags, strict=True) if yes]
            each = [sum(side in s for s in sides) for side in SIDES]
            if (
                all(len(s) == 1 for s in sides)
                and max(each) <= given.perfusions_per_lung
                and sum(each) <= given.perfusions_in_all
            ):
                yield list(flags)
        return
    later = [sum(other == sides for other in opened[place + 1 :]) for place, sides in enumerate(opened)]
    yield [
        len(sides) == 1 and n < given.perfusions_on(next(iter(sides)))
        for sides, n in zip(opened, later, strict=True)
    ]


def _planned(given, groups, flags) -> list[Session] | None:
    """The groups as operations in this order, or None where a limit forbids it."""
    opened = _opened(given, groups)
    shared = [len(sides) > 1 for sides in opened]
    if any(shared) and given.protocol.per_operation.sides_max < 2:
        return None
    if shared != sorted(shared, reverse=True):
        return None  # those on both sides come first
    plan: list[Session] = []
    for place, (group, sides, perfused) in enumerate(zip(groups, opened, flags, strict=True)):
        if not _fits(given, group, sides, perfused, opened[:place]):
            return None
        week = _week(given, plan, group, sides, perfused)
        if week is None:
            return None
        plan.append(Session(tuple(group), sides, perfused, week))
    for side in SIDES if any(shared) and not given.weighs_perfusion else ():
        if sum(sides == {side} for sides in opened) < given.perfusions_on(side):
            return None  # each lung keeps operations of its own for its perfusions
    return plan if _recovers(given, plan) else None


def _fits(given, group, sides, perfused, before) -> bool:
    """Whether one operation keeps to its own limits."""
    per, spec, rows = given.protocol.per_operation, given.specimens, list(group)
    if spec.counts[rows].sum() > per.nodules_max or spec.volume_ml[rows].sum() > per.removed_ml_max + _NOISE:
        return False
    for lobe in LOBES:
        own = [row for row in rows if spec.lobe[row] == lobe]
        if spec.counts[own].sum() > per.nodules_per_lobe_max:
            return False
        most = per.removed_ml_per_lobe_max
        if most is not None and spec.volume_ml[own].sum() > most + _NOISE:
            return False
    minutes = given.access_minutes if len(sides) == 1 else given.access_minutes_both
    minutes += float(spec.minutes[rows].sum()) + perfused * given.perfusion_minutes
    again = {side for side in sides if side in given.operated or any(side in other for other in before)}
    minutes += len(again) * given.reentry_minutes
    return minutes <= per.minutes_max + _NOISE and _as_wished(given, rows, before)


def _as_wished(given, rows, before) -> bool:
    """Whether an operation is as the surgeon wants it."""
    spec = given.specimens
    lesions = {(lesion, str(spec.side[row])) for row in rows for lesion in spec.lesions[row]}
    for wish in given.assignments:
        mine = [side for lesion, side in lesions if lesion in wish.lesions]
        if (mine and wish.leave) or (len(mine) > 1 and wish.apart):
            return False
        places = [1 + sum(side in sides for sides in before) for side in mine]
        if not wish.leave and not all(wish.allows(place) for place in places):
            return False
    return True


def _within_totals(given, rows) -> bool:
    total, spec = given.protocol.total, given.specimens
    for column, names, most in (
        (spec.side, SIDES, total.removed_ml_per_lung_max),
        (spec.lobe, LOBES, total.removed_ml_per_lobe_max),
    ):
        for name in names if most is not None else ():
            if sum(float(spec.volume_ml[row]) for row in rows if column[row] == name) > most + _NOISE:
                return False
    return True


def _week(given, plan, group, sides, perfused) -> int | None:
    """The first week in which the next operation can be, or None."""
    rules, week = given.protocol.weeks, 0
    for earlier in plan:
        gap = rules.same_side_min if earlier.sides & sides else rules.other_side_min
        scans = given.protocol.scans
        if scans.weeks_after_operation_min is not None:
            gap = max(gap, scans.weeks_after_operation_min + scans.weeks_before_operation_min)
        if earlier.perfused:
            gap = max(gap, rules.after_perfusion_min)
            if perfused:
                gap = max(gap, given.protocol.perfusion.weeks_between_min or 0)
        week = max(week, earlier.week + gap)
    if not _bears(given, plan, group, perfused, week):
        low, high = week, _NEVER
        if not plan or not _bears(given, plan, group, perfused, high):
            return None  # the first operation is in week 0 or never
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _bears(given, plan, group, perfused, middle) else (middle, high)
        week = high
    while any(first <= week <= last for first, last in rules.blocked):
        week += 1
    return None if rules.total_max is not None and week > rules.total_max else week


def _bears(given, plan, group, perfused, week) -> bool:
    """Whether lung function bears an operation in a week."""
    for floor in given.floors:
        model = floor.model
        losses = [(s.week, given.loss(s.rows, perfused=s.perfused, model=model)) for s in plan]
        if floor.unrecovered_percent_max is not None:
            # What comes back from now on is what full recovery gives more than this week.
            final = model.final_percent([loss for _, loss in losses])
            if final - model.percent(losses, week) > floor.unrecovered_percent_max + _NOISE:
                return False
        this = (week, given.loss(group, perfused=perfused, model=model))
        low = model.percent([*losses, this], week) - model.margin_percent
        if floor.after_percent_min is not None and low < floor.after_percent_min - _NOISE:
            return False
    return True


def _recovers(given, plan) -> bool:
    for floor in given.floors if plan else ():
        losses = [given.loss(s.rows, perfused=s.perfused, model=floor.model) for s in plan]
        low = floor.model.final_percent(losses) - floor.model.margin_percent
        if floor.recovered_percent_min is not None and low < floor.recovered_percent_min - _NOISE:
            return False
    return True


def _value(given, plan, key) -> float:
    """What a plan reaches of one goal."""
    spec = given.specimens
    if key == "weighted":
        weights = given.protocol.goals.weights
        return math.fsum(weight * _value(given, plan, name) for name, weight in weights.items())
    if key == "lesions_left":
        return int(spec.counts.sum() - sum(spec.counts[list(s.rows)].sum() for s in plan))
    if key == "operations":
        return len(plan)
    if key == "weeks":
        return max((s.week for s in plan), default=0)
    if key.startswith("balance_"):
        own = [s for s in plan if s.sides == {key.removeprefix("balance_")}]
        return max((math.ceil(float(spec.volume_ml[list(s.rows)].sum()) - 1e-6) for s in own), default=0)
    if key == "permanent_loss":
        losses = [given.loss(s.rows, perfused=s.perfused) for s in plan]
        return given.function.baseline_percent * math.fsum(loss.permanent for loss in losses)
    if key == "perfusion":
        return _net_harm(given, plan)
    assert key == "growth"
    table = given.lesions
    assert np.isfinite(table.vdt_days).all()
    volume_ml = dict(zip(table.id.tolist(), (np.pi / 6e3 * table.diameter_mm**3).tolist(), strict=True))
    vdt = dict(zip(table.id.tolist(), table.vdt_days.tolist(), strict=True))
    lesions = [(i, s.week) for s in plan for row in s.rows for i in spec.lesions[row]]
    return math.fsum(volume_ml[i] * (2 ** (7 * week / vdt[i]) - 1) for i, week in lesions)


def _net_harm(given, plan) -> float:
    """Harm of the perfusions less what they spare, draw by draw and size by size, in whole steps."""
    worth = given.benefit.worth
    net = worth.week * max((s.week for s in plan), default=0)
    for side in SIDES:
        weeks = [s.week for s in plan if s.perfused and side in s.sides]
        if not weeks:
            continue
        target, last = given.targets[side], max(s.week for s in plan if side in s.sides)
        lung = given.benefit.lungs[side] if target == side else given.benefit.parts[target]
        points = given.function.baseline_percent * given.function.perfusion_permanent * _share(target)
        spared = 0.0
        for draw, size in np.ndindex(lung.unseen.shape):
            lives = 1.0 - np.interp(_log_mm(lung, draw, size, last), np.log(lung.table_mm), lung.felt[draw])
            stays = lives
            for week in weeks:
                at = _log_mm(lung, draw, size, week)
                stays *= 1.0 - np.interp(at, np.log(lung.table_mm), lung.sterilized[draw])
            spared += lung.unseen[draw, size] * (lives - stays) / len(lung.unseen)
        each = worth.edema * lung.edema.mean() + worth.death * lung.death.mean() + worth.fev1 * points
        net += len(weeks) * each - spared
    return round(net / worth.least) * worth.least


def _share(target) -> float:
    """The share of its lung's volume that a target has in published lungs."""
    lobes, lung = TARGETS[target].lobes, lobes_of(TARGETS[target].side)
    ml = {one.lobe: one.volume_ml for one in reference_lungs(load_evidence()).lobes}
    return sum(ml[lobe] for lobe in lobes) / sum(ml[lobe] for lobe in lung)


def _log_mm(lung, draw, size, week) -> float:
    return np.log(lung.diameters_mm[size]) + lung.growth_per_day[draw] * 7 * week / 3
