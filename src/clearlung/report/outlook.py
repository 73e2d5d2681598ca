"""What a plan is up against: scenarios in which things turn out otherwise, and what fewer operations cost."""

from __future__ import annotations

from clearlung import RESEARCH_NOTICE
from clearlung.report.document import Block, Bullets, Cell, Column, Heading, Picture, Pictures, Table, Text
from clearlung.report.numbers import counted, fixed, plain, with_unit
from clearlung.report.source import ReportInput
from clearlung.report.stress_figure import (
    REPORT_WIDTH_MM,
    share_percent,
    stress_alt,
    stress_report_svg,
    varied_alone,
)
from clearlung.report.tradeoff_curve import PlanPlace, TradeoffCurve
from clearlung.report.tradeoff_figure import tradeoff_svg, tradeoff_words
from clearlung.staging import StressRecord

_UNITS = ("ml", "min", "%", "week", "weeks")


def stress_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return how the plan fares when things turn out otherwise; nothing where that was not tested."""
    record = report.stress
    if record is None:
        return ()
    picture = Picture(
        "stress",
        stress_report_svg(record, report.plan),
        stress_alt(record),
        "Above: in how many of 100 scenarios each limit holds in each operation (R, L: the lung that it"
        " opens); the darker, the fewer. Below: FEV1 in the scenarios against the plan; half of them lie in"
        " the dark band and nine tenths in the light one.",
        REPORT_WIDTH_MM,
    )
    return (
        Heading("When things turn out otherwise", anchor="stress", new_page=True),
        Text(_holds(record), "strong"),
        Text(
            "Each scenario carries the plan out as it stands, with nodules that the hand finds besides those"
            " seen, longer or shorter times, slower or faster recovery, growth while waiting, complications,"
            " and the error of the predicted function. A surgeon who leaves something for later does better."
        ),
        Pictures((picture,)),
        *_short_blocks(record),
        _promises(record),
        *_varied_blocks(record),
        *([Bullets(record.warnings)] if record.warnings else []),
        Text(
            f"{counted(record.scenarios, 'scenario')}, seed {record.seed}, limits of protocol"
            f" {record.protocol}; {record.software}. {RESEARCH_NOTICE}",
            "muted",
        ),
    )


def _holds(record: StressRecord) -> str:
    held = record.holds
    words = (
        f"Every limit holds in {share_percent(held.share)} % of {counted(record.scenarios, 'scenario')}"
        f" ({share_percent(held.low)} to {share_percent(held.high)} %: the error of their number alone)."
    )
    first = next((one for one in record.operations if one.operation == record.breaks_first), None)
    if first is None:
        return f"{words} No operation breaks a limit in any."
    titles = {row.limit: row.title for row in record.limits}
    limit = "" if first.first_limit is None else f", as a rule by its {titles[first.first_limit]}"
    return (
        f"{words} Operation {first.operation} is most often the first to break one"
        f" ({share_percent(first.first.share)} %){limit}."
    )


def _short_blocks(record: StressRecord) -> list[Block]:
    """Return the limits that hold too seldom, with the reserve that would mend them."""
    wanted = share_percent(record.confidence)
    rows = tuple(
        (
            Cell("plan") if row.operation is None else Cell(str(row.operation), operation=row.operation),
            Cell(row.title),
            Cell(_amount(plain(row.value), row.unit)),
            Cell(fixed(row.planned)),
            Cell(f"{fixed(row.low)} to {fixed(row.high)}"),
            Cell(f"{share_percent(row.holds.share)} %", "warn"),
            Cell(fixed(row.short, 0 if row.short >= 1 else 1)),
        )
        for row in record.limits
        if row.short > 0
    )
    if not rows:
        return [Text(f"Every limit of every operation holds in {wanted} % of the scenarios or more.")]
    columns = (
        Column("Operation"),
        Column("Limit", share=1),
        Column("At most / at least", "right"),
        Column("Planned", "right"),
        Column("5 to 95 % of scenarios", "right"),
        Column("Holds", "right"),
        Column("Reserve missing", "right"),
    )
    caption = (
        f"Limits that hold in fewer than {wanted} % of the scenarios, and the reserve that they lack for it."
    )
    return [Table(columns, rows, caption)]


def _amount(text: str, unit: str) -> str:
    """Return a value with its unit, or without one where the words beside it say what is counted."""
    return with_unit(text, unit) if unit in _UNITS else text


def _promises(record: StressRecord) -> Table:
    columns = (
        Column("What the plan promises", share=2),
        Column("Planned", "right"),
        Column("Middle", "right"),
        Column("5 to 95 % of scenarios", "right"),
        Column("Kept", "right"),
    )
    rows = tuple(
        (
            Cell(goal.title),
            Cell(_amount(fixed(goal.promised), goal.unit)),
            Cell(fixed(goal.middle)),
            Cell(f"{fixed(goal.low)} to {fixed(goal.high)}"),
            Cell(f"{share_percent(goal.kept.share)} %"),
        )
        for goal in record.goals
    )
    return Table(columns, rows)


def _varied_blocks(record: StressRecord) -> list[Block]:
    alone = varied_alone(record)
    if not alone:
        return []
    assumed = sum(one.assumed for one in alone)
    columns = (
        Column("If this alone varies", share=2),
        Column("Every limit holds", "right"),
        Column("Its range"),
    )
    rows = tuple(
        (
            Cell(one.title),
            Cell(f"{share_percent(one.share)} %"),
            Cell("assumed", "warn") if one.assumed else Cell("published"),
        )
        for one in alone
    )
    words = f"{assumed} of {len(alone)} ranges are assumed; how patients spread within a range is for all."
    return [Table(columns, rows, words)]


def tradeoff_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return what fewer operations cost; nothing where that was not asked for."""
    curve = report.curve
    if curve is None:
        return ()
    picture = Picture(
        "tradeoff",
        tradeoff_svg(curve, PlanPlace.of(report.plan)),
        tradeoff_words(curve),
        "Each mark is a plan. Left: the fewer operations, the more tissue the largest of them takes. Right:"
        " the more operations, and the more FEV1 has to be left right after each, the later the last one."
        " The ring is the plan of this report.",
        REPORT_WIDTH_MM,
    )
    return (
        Heading("What fewer operations cost", anchor="tradeoff"),
        Text(_proof(curve), "strong"),
        Pictures((picture,)),
        _points(curve),
        Text(RESEARCH_NOTICE, "muted"),
    )


def _proof(curve: TradeoffCurve) -> str:
    proven = sum(point.proven for point in curve.best)
    complete = (
        "it is proven that none is missing, to the steps"
        if curve.complete
        else "it is not proven that none is missing"
    )
    return (
        f"Under {curve.protocol}: {counted(len(curve.best), 'plan')} of which none is better than another in"
        f" everything, {proven} proven to have the fewest operations under their limits; {complete}."
    )


def _points(curve: TradeoffCurve) -> Table:
    columns = (
        Column("Operations", "right"),
        Column("Tissue", "right", unit="ml at once"),
        Column("Last", "right", unit="week"),
        Column("Lowest FEV1", "right", unit="lower bound, %"),
        Column("FEV1 to be left", "right", unit="%"),
        Column("Left", "right", unit="metastases"),
        Column("Risk", unit="after recovery"),
        Column("Fewest operations", unit="under its limits", share=1),
    )
    rows = tuple(
        (
            Cell(str(point.operations), "strong"),
            Cell(fixed(point.removed_ml_max)),
            Cell(str(point.weeks)),
            Cell("–" if point.fev1_lowest_low_percent is None else fixed(point.fev1_lowest_low_percent)),
            Cell(f"≥ {plain(point.fev1_limit_percent)}"),
            Cell(str(point.lesions_left)),
            Cell(point.risk or "not judged"),
            Cell("proven", "good") if point.proven else Cell("not proven", "warn"),
        )
        for point in curve.best
    )
    caption = (
        f"Tissue, FEV1 and weeks in steps of {plain(curve.tissue_step_ml)} ml,"
        f" {plain(curve.function_step_percent)} % of predicted and {counted(curve.weeks_step, 'week')}."
    )
    return Table(columns, rows, caption)
