"""A plan at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from clearlung.staging import ComparisonRow, Plan, UnseenLeft, compare
from clearlung.workflow import PlanResult

_BOTH_SIDES = "Of these on both sides"


def _unseen(row: ComparisonRow) -> str:
    if row.unseen_spared is None:
        return "not known"
    return f"{row.unseen_spared:.1f} ({row.unseen_spared_low:.1f} to {row.unseen_spared_high:.1f})"


_ROWS: tuple[tuple[str, Callable[[ComparisonRow], str]], ...] = (
    ("Operations", lambda r: f"{r.operations} (no fewer than {r.operations_bound})"),
    (_BOTH_SIDES, lambda r: f"{r.both_sides}" + (f" ({way})" if (way := r.both_sides_approach) else "")),
    ("Metastases removed", lambda r: f"{r.lesions_removed}"),
    ("Metastases left", lambda r: f"{r.lesions_left}"),
    ("Most in one operation", lambda r: f"{r.nodules_max}"),
    ("Weeks until the last", lambda r: f"{r.weeks}"),
    ("Perfusions", lambda r: f"{r.perfusions}"),
    ("Unseen metastases that they spare", _unseen),
    ("Hours in theatre", lambda r: f"{r.minutes_total / 60:.1f} (longest {r.minutes_max / 60:.1f})"),
    ("Tissue removed, ml", lambda r: f"{r.removed_ml:.0f} (most at once {r.removed_ml_max:.0f})"),
    (
        "FEV1 in the end, % predicted",
        lambda r: f"{r.ppo_fev1_percent:.0f} ({r.ppo_fev1_low_percent:.0f} to {r.ppo_fev1_high_percent:.0f})",
    ),
    (
        "Lowest FEV1 after an operation, %",
        lambda r: _interval(r.fev1_lowest_percent, r.fev1_lowest_low_percent),
    ),
    ("Proof", lambda r: r.status),
)


def _interval(value: float | None, low: float | None) -> str:
    return "none" if value is None or low is None else f"{value:.0f} (lower bound {low:.0f})"


def _left(unseen: UnseenLeft | None) -> str:
    if unseen is None:
        return "not known"
    return f"{unseen.left.mean:.0f} ({unseen.left.low:.0f} to {unseen.left.high:.0f})"


def _waiting(unseen: UnseenLeft | None) -> str:
    return "not known" if unseen is None else f"{unseen.by_waiting:.1f}"


def summary_table(plans: Sequence[Plan], unseen: Sequence[UnseenLeft | None] = ()) -> Table:
    """Return plans side by side as a table for the terminal, with what each leaves unseen where given."""
    rows = compare(plans).rows
    table = Table("", *(row.title for row in rows))
    for name, cell in _ROWS:
        if name == _BOTH_SIDES and not any(row.both_sides for row in rows):
            continue
        table.add_row(name, *(cell(row) for row in rows))
    if any(unseen):
        table.add_row("Unseen metastases left, mean", *map(_left, unseen))
        table.add_row("Of these found by waiting", *map(_waiting, unseen))
    return table


def summary(result: PlanResult) -> dict[str, Any]:
    """Return a result's summary as plain data, as ``--json`` prints it."""
    return plan_summary(result.plan) | {
        "nodules": len(result.nodules),
        "seconds": {time.phase: round(time.seconds, 2) for time in result.times},
    }


def plan_summary(plan: Plan) -> dict[str, Any]:
    """Return a plan's summary as plain data."""
    return asdict(compare([plan]).rows[0]) | {
        "solver": plan.solver.model_dump(exclude={"goals"}),
        "operations_list": [
            {
                "number": operation.number,
                "side": operation.side,
                "week": operation.week,
                "lesions": len(operation.lesions),
                "minutes": round(operation.minutes, 1),
                "removed_ml": round(operation.removed_ml, 1),
                "perfusion": operation.perfusion.name if operation.perfusion else None,
            }
            for operation in plan.operations
        ],
        "unassigned": [entry.model_dump() for entry in plan.unassigned],
        "warnings": list(plan.warnings),
    }
