"""How good the plan is proven to be, how it compares, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from clearlung.evidence import Evidence
from clearlung.report.document import Block, Bullets, Cell, Column, Heading, Table, Text
from clearlung.report.numbers import fixed, percent, plain, with_unit
from clearlung.report.overview import lowest_fev1_percent, quality_in_words
from clearlung.report.source import ReportInput
from clearlung.staging import LIMITS, ComparisonRow, Plan, compare


def proof_blocks(plan: Plan) -> tuple[Block, ...]:
    """Return the optimizer's goals with bound and gap."""
    solver = plan.solver
    columns = (
        Column("Rank", "right"),
        Column("Goal", share=2),
        Column("Value", "right"),
        Column("Bound", "right"),
        Column("Gap", "right"),
        Column("Proven"),
        Column("By what", share=2),
    )
    rows = tuple(
        (
            Cell(str(rank)),
            Cell(goal.name[:1].upper() + goal.name[1:]),
            Cell(with_unit(plain(round(goal.value, 2)), goal.unit)),
            Cell(with_unit(plain(round(goal.bound, 2)), goal.unit)),
            Cell(f"{fixed(100 * goal.gap, 2)} %"),
            Cell("yes", "good") if goal.proven else Cell("no", "warn"),
            Cell(goal.method),
        )
        for rank, goal in enumerate(solver.goals, start=1)
    )
    return (
        Heading("Proof of quality", anchor="proof"),
        Text(
            f"{quality_in_words(plan).capitalize()}. Each goal is optimized with the earlier ones held; no "
            "plan within the same limits has a lower value than the bound. "
            f"{solver.solver}, seed {solver.seed}, {fixed(solver.seconds, 1)} s."
        ),
        *([Table(columns, rows)] if rows else []),
    )


def _unseen(row: ComparisonRow) -> str:
    if row.unseen_spared is None or row.unseen_spared_low is None or row.unseen_spared_high is None:
        return "not known"
    low, high = fixed(row.unseen_spared_low, 1), fixed(row.unseen_spared_high, 1)
    return f"{fixed(row.unseen_spared, 1)} ({low} to {high})"


_COMPARED: tuple[tuple[str, Callable[[ComparisonRow], str]], ...] = (
    ("Operations", lambda r: str(r.operations)),
    ("Of these on both sides at once", lambda r: str(r.both_sides)),
    ("Weeks from first to last operation", lambda r: str(r.weeks)),
    ("With perfusion", lambda r: str(r.perfusions)),
    ("Unseen metastases that these spare, mean", _unseen),
    ("Metastases removed", lambda r: f"{r.lesions_removed:,}"),
    ("In no operation", lambda r: f"{r.lesions_left:,}"),
    ("Most metastases in one operation", lambda r: str(r.nodules_max)),
    ("Longest operation", lambda r: f"{fixed(r.minutes_max)} min"),
    ("Time in theatre in all", lambda r: f"{fixed(r.minutes_total)} min"),
    ("Tissue removed in all", lambda r: f"{fixed(r.removed_ml)} ml"),
    ("Most tissue in one operation", lambda r: f"{fixed(r.removed_ml_max)} ml"),
)
"""Figures of a plan, in the order in which they are compared; those of lung function and proof follow."""


def _compared(plans: Sequence[Plan]) -> Iterator[tuple[str, list[str]]]:
    """Yield what is compared, and its value in each plan."""
    rows = compare(plans).rows
    for words, value in _COMPARED:
        yield words, [value(row) for row in rows]
    yield (
        "Lowest FEV1 right after an operation, lower bound",
        [percent(lowest_fev1_percent(plan)) for plan in plans],
    )
    yield (
        "FEV1 after full recovery (interval)",
        [
            f"{percent(r.ppo_fev1_percent)} ({percent(r.ppo_fev1_low_percent)} to "
            f"{percent(r.ppo_fev1_high_percent)})"
            for r in rows
        ],
    )
    yield "Quality", [quality_in_words(plan) for plan in plans]


def comparison_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return the plans of several protocols side by side; nothing if there is only one."""
    others = [plan for plan in report.comparison if plan != report.plan]
    if not others:
        return ()
    plans = (report.plan, *others)
    columns = (
        Column("", share=1.6),
        *(
            Column(f"{plan.protocol.title}{' (this plan)' if index == 0 else ''}", "right", share=1)
            for index, plan in enumerate(plans)
        ),
    )
    rows = tuple(
        (Cell(words, "strong"), *(Cell(value) for value in values)) for words, values in _compared(plans)
    )
    return (
        Heading("Compared with other protocols", anchor="comparison"),
        Table(columns, rows, "FEV1 in percent of predicted."),
    )


def evidence_blocks(plan: Plan) -> tuple[Block, ...]:
    """Return every number that the plan rests on, with its source; assumptions marked."""
    columns = (
        Column("Quantity", share=2.4),
        Column("Value", "right"),
        Column("Range", "right"),
        Column("n", share=0.9),
        Column("Status"),
        Column("Source", share=3.2),
    )
    assumed = sum(entry.tag == "assumed" for entry in plan.evidence)
    own = sum(entry.overridden for entry in plan.evidence)
    words = f"{assumed} of {len(plan.evidence)} numbers are assumed: nothing was published that fixes them."
    if own:
        words += f" {own} of these {'was' if own == 1 else 'were'} set by the protocol."
    plain_limits = [
        field
        for field, limit in LIMITS.items()
        if limit.bound(plan.protocol) is not None and field not in plan.protocol.evidence
    ]
    return (
        Heading("What the plan rests on", anchor="evidence"),
        Text(words, "strong"),
        Table(columns, tuple(_evidence_row(entry) for entry in plan.evidence)),
        *(
            [Text(f"Limits that the protocol sets without evidence: {', '.join(plain_limits)}.", "muted")]
            if plain_limits
            else []
        ),
    )


def _evidence_row(entry: Evidence) -> tuple[Cell, ...]:
    interval = (
        "–"
        if entry.low is None and entry.high is None
        else f"{'–' if entry.low is None else plain(entry.low)} to "
        f"{'–' if entry.high is None else plain(entry.high)}"
    )
    status = (
        Cell("set by the protocol", "warn")
        if entry.overridden
        else Cell(entry.tag, "warn" if entry.tag == "assumed" else "")
    )
    return (
        Cell(entry.title, note=entry.id),
        Cell(with_unit(plain(entry.value), entry.unit)),
        Cell(interval),
        Cell(entry.n or "–"),
        status,
        Cell(entry.source, note=entry.note or ""),
    )


def making_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return how the report came about."""
    plan = report.plan
    items = [
        f"Source: {report.source}",
        f"Date of the report: {report.created}",
        f"Software: {plan.software}; plan format {plan.format}",
        f"Protocol: {plan.protocol.name}",
    ]
    if report.lungs is not None:
        scan = report.lungs.scan
        if scan is not None:
            z, y, x = scan.spacing_mm
            items.append(f"Scan: {scan.series}; voxels {x:.2f} × {y:.2f} × {z:.2f} mm; SHA-256 {scan.sha256}")
        items.append(f"Lobes: {report.lungs.lobe_method}")
    return Heading("How it was made", anchor="making"), Bullets(tuple(items))
