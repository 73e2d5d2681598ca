"""The best plan of a tiny problem by trying everything, with the function model as it stands."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, permutations, product

from clearlung.staging import StagingProblem

_NEVER = 6000


def partitions(things):
    """Every way to split things into groups."""
    if not things:
        yield []
        return
    first, *rest = things
    for part in partitions(rest):
        yield [[first], *part]
        for i in range(len(part)):
            yield [*part[:i], [first, *part[i]], *part[i + 1 :]]


def best_goals(given: StagingProblem) -> tuple[int, int, int, int, int]:
    """Lesions left, operations, peak of the right and of the left lung in whole ml, weeks."""
    each, total = given.perfusions_per_lung, allowed_in_all(given)
    most = {side: each if side in given.specimens.side else 0 for side in ("right", "left")}
    if given.perfusions is None and sum(most.values()) > total:
        ways = [(right, total - right) for right in range(total + 1)]
        return min(
            best_goals(replace(given, perfusions={"right": right, "left": left}))
            for right, left in ways
            if right <= most["right"] and left <= most["left"]
        )
    spec = given.specimens
    rows = list(range(len(spec)))
    counts = spec.counts.tolist()
    total = sum(counts)
    by_removed: dict[int, list[tuple[int, ...]]] = {}
    for size in range(len(rows) + 1):
        for subset in combinations(rows, size):
            by_removed.setdefault(sum(counts[r] for r in subset), []).append(subset)
    for removed in sorted(by_removed, reverse=True):
        found = [goal for subset in by_removed[removed] for goal in _best_of(given, subset)]
        if found:
            return (total - removed, *min(found))
    raise AssertionError("not even the empty plan is possible")


def allowed_in_all(given):
    """How many perfusions the protocol's number and its drug allow."""
    limits, count = given.protocol.perfusion, 0
    while count < 2 * given.perfusions_per_lung:
        if limits.total_max is not None and count + 1 > limits.total_max:
            break
        if limits.drug_mg_max is not None and (count + 1) * given.regimen.dose_mg > limits.drug_mg_max:
            break
        count += 1
    return count


def _best_of(given, subset):
    """Goals after the lesions of the best plan that removes exactly these specimens, if there is one."""
    sides = {s: [r for r in subset if given.specimens.side[r] == s] for s in ("right", "left")}
    plans = []
    for right, left in product(
        [p for p in partitions(sides["right"]) if _packs(given, p)],
        [p for p in partitions(sides["left"]) if _packs(given, p)],
    ):
        plans.append((len(right) + len(left), _peak(given, right), _peak(given, left), right, left))
    plans.sort(key=lambda p: p[:3])
    best = None
    for operations, peak_right, peak_left, right, left in plans:
        if best is not None and (operations, peak_right, peak_left) > best[:3]:
            break
        latest = given.protocol.weeks.total_max
        under = math.inf if latest is None else latest + 1
        weeks = fewest_weeks(given, right, left, under if best is None else best[3])
        if weeks is not None and (best is None or weeks < best[3]):
            best = (operations, peak_right, peak_left, weeks)
    return [] if best is None else [best]


def _ml(given, group):
    return float(given.specimens.volume_ml[group].sum())


def _peak(given, groups):
    return max((math.ceil(_ml(given, g) - 1e-6) for g in groups), default=0)


def _minutes(given, group):
    return given.access_minutes + float(given.specimens.minutes[group].sum())


def _packs(given, groups):
    per = given.protocol.per_operation
    for group in groups:
        lesions = [n for r in group for n in [len(given.specimens.lesions[r])]]
        if sum(lesions) > per.nodules_max or _ml(given, group) > per.removed_ml_max + 1e-9:
            return False
        for lobe in set(given.specimens.lobe[group].tolist()):
            own = [len(given.specimens.lesions[r]) for r in group if given.specimens.lobe[r] == lobe]
            if sum(own) > per.nodules_per_lobe_max:
                return False
    return not groups or any(_follow(given, g, [o for o in groups if o is not g]) for g in groups)


def _has_time(given, group, *, first, perfused):
    minutes = _minutes(given, group) + (given.perfusion_minutes if perfused else 0)
    opened = not first or given.specimens.side[group[0]] in given.operated
    minutes += given.reentry_minutes if opened else 0
    return minutes <= given.protocol.per_operation.minutes_max + 1e-9


def _follow(given, first, others):
    """Whether some order of the others after this first operation has time for what the last ones need."""
    perfusions = given.perfusions_on(given.specimens.side[first[0]])
    able = [_has_time(given, g, first=False, perfused=True) for g in others]
    if len(others) < perfusions:
        return all(able) and _has_time(given, first, first=True, perfused=True)
    unperfused = [_has_time(given, g, first=False, perfused=False) for g in others]
    return _has_time(given, first, first=True, perfused=False) and all(unperfused) and sum(able) >= perfusions


def fewest_weeks(given, right, left, under=math.inf):
    """Week of the last operation over all orders and interleavings, or None."""
    best = None
    orders = [[o for o in permutations(groups) if _order_has_time(given, o)] for groups in (right, left)]
    for order_right, order_left in product(*orders):
        for places in combinations(range(len(right) + len(left)), len(right)):
            limit = under if best is None else best
            weeks = _weeks(given, order_right, order_left, places, limit)
            if weeks is not None and weeks < limit:
                best = weeks
    return best


def _order_has_time(given, order):
    if not order:
        return True
    unperfused = len(order) - given.perfusions_on(given.specimens.side[order[0][0]])
    return all(_has_time(given, g, first=i == 0, perfused=i >= unperfused) for i, g in enumerate(order))


def _weeks(given, order_right, order_left, places, limit):
    """Earliest weeks of one sequence, each by bisection on the function model."""
    rules = given.protocol.weeks
    queue = {"right": list(order_right), "left": list(order_left)}
    done, week = [], 0
    for place in range(len(order_right) + len(order_left)):
        side = "right" if place in places else "left"
        group = queue[side].pop(0)
        perfused = len(queue[side]) < given.perfusions_on(side)
        loss = [given.loss(group, perfused=perfused, model=model) for model, _, _ in measures(given)]
        for then, other_side, was_perfused, _ in done:
            gap = rules.same_side_min if other_side == side else rules.other_side_min
            if was_perfused:
                between = (given.protocol.perfusion.weeks_between_min or 0) if perfused else 0
                gap = max(gap, rules.after_perfusion_min, between)
            week = max(week, then + gap)

        def bears(w, loss=loss):
            for m, (model, after, _) in enumerate(measures(given)):
                course = [(then, earlier[m]) for then, _, _, earlier in done]
                low = model.percent([*course, (w, loss[m])], w) - model.margin_percent
                if after is not None and low < after - 1e-9:
                    return False
            return True

        if not bears(week):
            if not done:
                return None  # the first operation is in week 0 or never
            low, high = week, _NEVER
            if not bears(high):
                return None
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (low, middle) if bears(middle) else (middle, high)
            week = high
        while any(first <= week <= last for first, last in rules.blocked):
            week += 1
        if week >= limit:
            return None
        done.append((week, side, perfused, loss))
    for m, (model, _, recovered) in enumerate(measures(given)):
        low = model.final_percent([entry[3][m] for entry in done]) - model.margin_percent
        if done and recovered is not None and low < recovered - 1e-9:
            return None
    return week


def measures(given):
    """The models that limits hold for, with what they must keep right after operations and in the end."""
    limits = given.protocol.function
    found = [(given.function, limits.fev1_after_percent_min, limits.ppo_fev1_percent_min)]
    if given.patient is not None:
        dlco = (limits.dlco_after_percent_min, limits.ppo_dlco_percent_min)
        found.append((given.patient.lungs.dlco, *dlco))
    return found
