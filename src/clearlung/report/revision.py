"""What a plan of what is left changes of the promised one."""

from __future__ import annotations

from collections import Counter

from clearlung import RESEARCH_NOTICE
from clearlung.report.document import Block, Cell, Column, Heading, Picture, Pictures, Table, Text
from clearlung.report.marks import SIDE_WORDS
from clearlung.report.numbers import counted, plain, with_unit
from clearlung.report.pictures import PAGE_WIDTH_MM
from clearlung.report.replan_figure import replan_alt_text, replan_svg
from clearlung.report.source import ReportInput
from clearlung.staging import Replan


def revision_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return what has changed against the promise; nothing where the plan is a first one."""
    revision = report.revision
    if revision is None:
        return ()
    record = revision.record
    picture = Picture(
        "revision",
        replan_svg(revision.promised, record),
        replan_alt_text(record),
        "Above what was promised, below what was done and what is left, R the right lung and L the left one."
        " The number above a mark is the operation's, for life; below it are its metastases, in brackets how"
        " many have come and gone against the promise. A ring means with perfusion, a tick done; the dotted"
        " line is today.",
        PAGE_WIDTH_MM,
    )
    return (
        Heading("What has changed", anchor="changed", new_page=True),
        Text(_kept(record), "strong"),
        Pictures((picture,)),
        _operations(record),
        *_lesions(record),
        *([Text(_from_scratch(record))] if record.from_scratch is not None else []),
        Text(RESEARCH_NOTICE, "muted"),
    )


def _kept(record: Replan) -> str:
    kinds = Counter(change.kind for change in record.lesions)
    changed = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing changes"
    words = (
        f"{counted(record.kept, 'metastasis stays', 'metastases stay')} in the promised operation; {changed}."
    )
    if record.dropped:
        words += f" Not needed any more: operation {', '.join(map(str, record.dropped))}."
    if record.method == "from scratch":
        return f"{words} Keeping the promise would leave more or break a limit: planned from scratch."
    proof = "proven: no such plan changes less" if record.proven else "not proven to change the least"
    return f"{words} As little is changed as was found possible; {proof}."


def _operations(record: Replan) -> Table:
    columns = (
        Column("Operation"),
        Column("Side"),
        Column("Week promised", "right"),
        Column("Week", "right"),
        Column("Metastases promised", "right"),
        Column("Metastases", "right"),
        Column("Perfusion"),
        Column("Why", share=1),
    )
    rows = tuple(
        (
            Cell(f"{one.number}{' done' * one.done}", "strong", operation=one.number),
            Cell(SIDE_WORDS[one.side]),
            Cell("–" if one.promised_week is None else str(one.promised_week)),
            Cell(str(one.week)),
            Cell("–" if one.promised is None else str(one.promised_lesions)),
            Cell(str(one.lesions)),
            Cell("yes" if one.perfused else "–"),
            Cell(one.reason or "–"),
        )
        for one in record.operations
    )
    return Table(
        columns,
        rows,
        "Weeks after the promised plan's first operation; today is week"
        f" {record.done.today_week}. Elsewhere in this report weeks are counted from today.",
    )


def _lesions(record: Replan) -> list[Block]:
    if not record.lesions:
        return []
    columns = (
        Column("Lesion"),
        Column("Promised", "right"),
        Column("Now", "right"),
        Column("Change"),
        Column("Why", share=1),
    )
    rows = tuple(
        (
            Cell(str(change.lesion), "strong"),
            _operation(change.promised),
            _operation(change.now),
            Cell(change.kind),
            Cell(change.reason),
        )
        for change in record.lesions
    )
    return [Table(columns, rows, "Lesions that are not in their promised operation.")]


def _operation(number: int | None) -> Cell:
    return Cell("none", "muted") if number is None else Cell(str(number), operation=number)


def _from_scratch(record: Replan) -> str:
    scratch = record.from_scratch
    assert scratch is not None  # noqa: S101 - asked for only where there is one
    figures = "; ".join(
        f"{one.name} {plain(round(one.before, 1))} → {with_unit(plain(round(one.after, 1)), one.unit)}"
        for one in scratch.figures
    )
    proof = "proven optimal" if scratch.proven else "not proven optimal"
    return (
        f"Planned from scratch, as if nothing had been promised ({proof}):"
        f" {figures or 'no figure of the plan would change'}, with"
        f" {counted(scratch.lesions_elsewhere, 'metastasis', 'metastases')} in another operation than"
        " promised."
    )
