"""What is left of a plan at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clearlung import RESEARCH_NOTICE
from clearlung.staging import Replan

# What a terminal shows whole; all of them are in the files.
_SHOWN = 20


def replan_summary(record: Replan) -> dict[str, Any]:
    """Return it as plain data, as ``--json`` prints it: without the plan itself."""
    return record.model_dump(mode="json", exclude={"plan", "notice"}) | {
        "weeks_until_clear": record.plan.weeks_until_clear,
        "lesions_left": len(record.plan.unassigned),
        "warnings": list(record.plan.warnings),
    }


def operations_table(record: Replan) -> Table:
    """Return the operations, done and left, as a table for the terminal."""
    table = Table("Operation", "Side", "Week", "Promised", "Lesions", "Promised", "Perfused")
    for one in record.operations:
        table.add_row(
            f"{one.number}{' done' * one.done}",
            one.side,
            str(one.week),
            "" if one.promised_week is None else str(one.promised_week),
            str(one.lesions),
            "" if one.promised is None else str(one.promised_lesions),
            "yes" if one.perfused else "",
        )
    return table


def replan_lines(record: Replan) -> list[str]:
    """Say what changed, and what a plan from scratch would be."""
    kinds = Counter(change.kind for change in record.lesions)
    lines = [
        f"{record.kept} lesions stay in their promised operation; "
        + (", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing changes")
        + "."
    ]
    lines += [f"  operation {one.number}: {one.reason}" for one in record.operations if one.reason]
    for change in record.lesions[:_SHOWN]:
        was = "none" if change.promised is None else f"operation {change.promised}"
        now = "none" if change.now is None else f"operation {change.now}"
        lines.append(f"  lesion {change.lesion}: {was} to {now}. {change.reason}")
    if len(record.lesions) > _SHOWN:
        lines.append(f"  and {len(record.lesions) - _SHOWN} more, in changes.csv")
    if record.dropped:
        lines.append(f"Not needed any more: operation {', '.join(map(str, record.dropped))}.")
    if record.method == "from scratch":
        lines.append("Keeping the promise would leave more lesions or break a limit: planned from scratch.")
    elif record.from_scratch is not None:
        figures = "; ".join(f"{d.name} {d.before:g} to {d.after:g}" for d in record.from_scratch.figures)
        lines.append(
            f"From scratch: {figures or 'no figure of the plan would change'}, with"
            f" {record.from_scratch.lesions_elsewhere} lesions in another operation than promised."
        )
    return lines


def show_replan(record: Replan, folder: Path) -> None:
    """Print it for a person."""
    console = Console()
    console.print(operations_table(record))
    for line in replan_lines(record):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for warning in record.plan.warnings:
        console.print(f"  ! {warning}", style="yellow", highlight=False, markup=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {folder / 'replan.png'}", highlight=False, soft_wrap=True)
