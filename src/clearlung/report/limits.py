"""The protocol's limits, where each comes from, and how far the plan uses it up."""

from __future__ import annotations

import math

from clearlung.report.document import Block, Cell, Column, Heading, Table, Text, Tone
from clearlung.report.numbers import plain, with_unit
from clearlung.staging import LIMITS, Limit, Plan

# From here on a limit is called close: the next specimen would hardly fit.
_CLOSE = 0.95
# Minutes and percentages meet a limit only to a rounding.
_REACHED = 0.995


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
        _row(plan, limit, value)
        for limit in LIMITS.values()
        if (value := limit.bound(protocol)) is not None
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
            f"FEV1 and DLCO in percent of predicted; limits of function hold with "
            f"{plain(100 * protocol.function.confidence)} % confidence, so the lower bound counts.",
        ),
        Text(
            f"Techniques: {', '.join(protocol.resection.techniques)}. "
            f"Perfusion: {protocol.perfusion.regimen}. "
            f"Operating point: {plain(protocol.nodules.false_per_scan)} false findings a scan."
        ),
    )


def _row(plan: Plan, limit: Limit, value: float) -> tuple[Cell, ...]:
    reached, unit = limit.reached(plan), limit.unit
    source = _source(plan, limit.field)
    sign = "≥" if limit.least else "≤"
    if reached is None:
        used: tuple[str, Tone] = ("–", "muted")
    else:
        used = _use(limit, value, reached.value)
    return (
        Cell(limit.title),
        Cell(f"{sign} {with_unit(plain(value), unit)}"),
        Cell("–" if reached is None else with_unit(plain(round(reached.value, 1)), unit)),
        Cell("does not arise" if reached is None else reached.where, "muted" if reached is None else ""),
        Cell(*used),
        source,
    )


def _use(limit: Limit, value: float, reached: float) -> tuple[str, Tone]:
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
