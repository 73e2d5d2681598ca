"""The protocol's limits, where each comes from, and how far the plan uses it up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from clearlung.anatomy import SIDES
from clearlung.report.document import Block, Cell, Column, Heading, Table, Text, Tone
from clearlung.report.numbers import plain, with_unit
from clearlung.staging import Operation, Plan

# From here on a limit is called close: the next specimen would hardly fit.
_CLOSE = 0.95
# Minutes and percentages meet a limit only to a rounding.
_REACHED = 0.995


@dataclass(frozen=True)
class Reached:
    """The value of the plan that comes closest to a limit, and where."""

    value: float
    where: str


@dataclass(frozen=True)
class _Limit:
    """One limit: the field of the protocol, whether it is a minimum, and what measures it."""

    field: str
    least: bool
    measure: Callable[[Plan], Reached | None]


def _largest(plan: Plan, of: Callable[[Operation], float]) -> Reached | None:
    values = [(of(o), -o.number) for o in plan.operations]
    if not values:
        return None
    value, number = max(values)
    return Reached(value, f"operation\u00a0{-number}")


def _per_lobe(plan: Plan) -> Reached | None:
    counts = Counter(
        {
            (o.number, s.lobe): sum(len(t.lesions) for t in o.specimens if t.lobe == s.lobe)
            for o in plan.operations
            for s in o.specimens
        }
    )
    if not counts:
        return None
    (number, lobe), value = max(counts.items(), key=lambda item: (item[1], -item[0][0], item[0][1]))
    return Reached(value, f"operation\u00a0{number}, {lobe}")


def _in_time(plan: Plan) -> list[Operation]:
    return sorted(plan.operations, key=lambda o: (o.week, o.number))


def _shortest(pairs: Iterable[tuple[Operation, Operation]]) -> Reached | None:
    gaps = [(b.week - a.week, a.number, b.number) for a, b in pairs]
    if not gaps:
        return None
    weeks, first, second = min(gaps)
    return Reached(weeks, f"operations\u00a0{first}\u00a0to\u00a0{second}")


def _share_a_side(a: Operation, b: Operation) -> bool:
    return a.side == b.side or "both" in (a.side, b.side)


def _same_side(plan: Plan) -> Reached | None:
    ordered = _in_time(plan)
    pairs = []
    for side in SIDES:
        on_side = [o for o in ordered if o.side in (side, "both")]
        pairs += list(pairwise(on_side))
    return _shortest(pairs)


def _other_side(plan: Plan) -> Reached | None:
    return _shortest(pair for pair in pairwise(_in_time(plan)) if not _share_a_side(*pair))


def _after_perfusion(plan: Plan) -> Reached | None:
    return _shortest(pair for pair in pairwise(_in_time(plan)) if pair[0].perfusion is not None)


def _last_week(plan: Plan) -> Reached | None:
    return _largest(plan, lambda o: o.week)


def _ppo(plan: Plan) -> Reached:
    return Reached(plan.function.ppo_fev1_low_percent, "after recovery, lower bound")


def _after(plan: Plan) -> Reached | None:
    lowest = _largest(plan, lambda o: -o.fev1_after_low_percent)
    return None if lowest is None else Reached(-lowest.value, f"{lowest.where}, lower bound")


def _perfusions(plan: Plan) -> Reached | None:
    counts = {
        side: sum(o.perfusion is not None for o in plan.operations if o.side in (side, "both"))
        for side in SIDES
    }
    side = max(counts, key=lambda s: counts[s])
    return Reached(counts[side], f"{side} lung")


_LIMITS: tuple[_Limit, ...] = (
    _Limit("per_operation.nodules_max", False, lambda plan: _largest(plan, lambda o: float(len(o.lesions)))),
    _Limit("per_operation.nodules_per_lobe_max", False, _per_lobe),
    _Limit("per_operation.minutes_max", False, lambda plan: _largest(plan, lambda o: o.minutes)),
    _Limit("per_operation.removed_ml_max", False, lambda plan: _largest(plan, lambda o: o.removed_ml)),
    _Limit("weeks.other_side_min", True, _other_side),
    _Limit("weeks.same_side_min", True, _same_side),
    _Limit("weeks.after_perfusion_min", True, _after_perfusion),
    _Limit("weeks.total_max", False, _last_week),
    _Limit("function.ppo_fev1_percent_min", True, _ppo),
    _Limit("function.fev1_after_percent_min", True, _after),
    _Limit("perfusion.per_lung_max", False, _perfusions),
)


LIMIT_FIELDS: tuple[str, ...] = tuple(limit.field for limit in _LIMITS)
"""Dotted names of the limits, in the order in which they are shown."""


def limit_blocks(plan: Plan) -> tuple[Block, ...]:
    """Return every limit with its source and the plan's value that comes closest."""
    columns = (
        Column("Limit", share=2.2),
        Column("At most / at least", "right"),
        Column("Plan reaches", "right"),
        Column("Where", share=1.5),
        Column("Used", "right"),
        Column("Source", share=3),
    )
    protocol = plan.protocol
    rows = [
        _row(plan, limit)
        for limit in _LIMITS
        if _field(plan, limit.field)[0] is not None
        and not (protocol.perfusion.regimen == "none" and "perfusion" in limit.field)
    ]
    names = {
        tone: "; ".join(row[0].text for row in rows if row[4].tone == tone) or "none"
        for tone in ("warn", "strong")
    }
    words = f"At their limit: {names['warn']}. Close to it: {names['strong']}."
    return (
        Heading("The protocol and its limits", anchor="limits"),
        Text(f"{protocol.title}: {protocol.description}"),
        Text(words, "strong"),
        Table(
            columns,
            tuple(rows),
            f"FEV1 in percent of predicted; limits of function hold with "
            f"{plain(100 * protocol.function.confidence)} % confidence, so the lower bound counts.",
        ),
        Text(
            f"Techniques: {', '.join(protocol.resection.techniques)}. "
            f"Perfusion: {protocol.perfusion.regimen}. "
            f"Operating point: {plain(protocol.nodules.false_per_scan)} false findings a scan."
        ),
    )


def _row(plan: Plan, limit: _Limit) -> tuple[Cell, ...]:
    value, unit, words = _field(plan, limit.field)
    reached = limit.measure(plan)
    source = _source(plan, limit.field)
    sign = "≥" if limit.least else "≤"
    if reached is None:
        used: tuple[str, Tone] = ("–", "muted")
    else:
        used = _use(limit, float(value), reached.value)
    return (
        Cell(words),
        Cell(f"{sign} {with_unit(plain(value), unit)}"),
        Cell("–" if reached is None else with_unit(plain(round(reached.value, 1)), unit)),
        Cell("does not arise" if reached is None else reached.where, "muted" if reached is None else ""),
        Cell(*used),
        source,
    )


def _use(limit: _Limit, value: float, reached: float) -> tuple[str, Tone]:
    """How far a limit is used up: the reached share of a maximum, the required share of a minimum."""
    if limit.least:
        share = value / reached if reached > 0 else math.inf
    else:
        share = reached / value if value > 0 else (math.inf if reached > 0 else 1.0)
    text = "over" if math.isinf(share) else f"{100 * share:.0f} %"
    if share > 1 + 1e-9:
        return f"{text}, broken", "warn"
    if share >= _REACHED:
        return f"{text}, at the limit", "warn"
    return (f"{text}, close", "strong") if share >= _CLOSE else (text, "")


def _field(plan: Plan, dotted: str) -> tuple[Any, str, str]:
    """Return value, unit and description of a limit."""
    part, name = dotted.split(".")
    model: BaseModel = getattr(plan.protocol, part)
    info = type(model).model_fields[name]
    extra = info.json_schema_extra
    unit = str(extra.get("unit", "1")) if isinstance(extra, dict) else "1"
    return getattr(model, name), unit, (info.description or name).rstrip(".")


def _source(plan: Plan, dotted: str) -> Cell:
    entry_id = plan.protocol.evidence.get(dotted)
    entry = next((e for e in plan.evidence if e.id == entry_id), None)
    if entry_id is None:
        return Cell("set by the protocol", "strong")
    if entry is None:
        return Cell(entry_id)
    if entry.tag == "assumed":
        return Cell(entry.tag, "warn", note=entry.source)
    return Cell(entry.tag, note=entry.source)
