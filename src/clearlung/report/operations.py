"""One section per operation with its specimens, and the lesions that no operation removes."""

from __future__ import annotations

from clearlung.report.document import Block, Bullets, Cell, Column, Heading, Table, Text
from clearlung.report.marks import SIDE_WORDS
from clearlung.report.numbers import counted, fixed, ids, interval, percent, plain
from clearlung.report.overview import regimen_in_words, sides_in_words
from clearlung.report.pictures import Atlas
from clearlung.report.source import ReportInput
from clearlung.report.specimens import specimen_notes, specimen_table
from clearlung.staging import Operation, Plan


def operation_blocks(report: ReportInput, atlas: Atlas) -> tuple[Block, ...]:
    """Return heading, facts, maps and specimens of every operation, each on a sheet of its own."""
    blocks: list[Block] = [Text(specimen_notes(report), "muted")]
    for index, operation in enumerate(report.plan.operations):
        blocks += _operation(report, operation, atlas, first=index == 0)
    return tuple(blocks)


def _operation(report: ReportInput, operation: Operation, atlas: Atlas, *, first: bool) -> list[Block]:
    facts = [
        operation.approach.capitalize(),
        counted(len(operation.lesions), "metastasis", "metastases")
        + (f" ({sides_in_words(operation)})" if operation.side == "both" else "")
        + f" in {counted(len(operation.specimens), 'specimen')}",
        f"{fixed(operation.minutes)} min in theatre{', through adhesions' if operation.reentry else ''}",
        f"{fixed(operation.removed_ml)} ml of tissue",
        f"perfusion: {regimen_in_words(operation)}" if operation.perfusion else "no perfusion",
        f"FEV1 {percent(operation.fev1_before_percent)} → {percent(operation.fev1_after_percent)} of "
        f"predicted (lower bound {percent(operation.fev1_after_low_percent)})",
    ]
    return [
        Heading(
            f"Operation {operation.number}: {SIDE_WORDS[operation.side]}, week {operation.week}",
            level=3,
            anchor=f"operation-{operation.number}",
            operation=operation.number,
            # The first follows the section's heading; without maps they are short and follow each other.
            new_page=report.has_places and not first,
        ),
        Text(" · ".join(facts)),
        *_scan(operation),
        *_expectations(operation),
        *atlas.of_operation(operation),
        specimen_table(report, operation),
    ]


def _scan(operation: Operation) -> list[Text]:
    """Say when the CT before the operation is due."""
    week = operation.scan_week
    return [] if week is None else [Text(f"CT before it: week {week}.")]


def _expectations(operation: Operation) -> list[Text]:
    """Say what the operation is expected to take, with intervals, and where that extrapolates."""
    known = (
        ("min in theatre", operation.minutes_low, operation.minutes_expected, operation.minutes_high),
        *(
            (words, estimate.low, estimate.expected, estimate.high)
            for words, estimate in (
                ("% chance of a complication", operation.complication_percent),
                ("days in hospital", operation.stay_days),
                ("ml of blood", operation.blood_ml),
            )
            if estimate is not None
        ),
    )
    said = [
        f"{interval(expected, low, high)} {words}"
        for words, low, expected, high in known
        if low is not None and expected is not None and high is not None
    ]
    if not said:
        return []
    notes = " ".join(operation.notes)
    return [Text(f"Expected: {', '.join(said)}.{f' {notes}' if notes else ''}", "muted")]


def assignment_blocks(plan: Plan) -> tuple[Block, ...]:
    """Return what the surgeon has fixed and forbidden; nothing where that is nothing."""
    said = tuple(one.says for one in plan.assignments)
    if not said:
        return ()
    return Heading("What the surgeon has decided", anchor="assignments"), Bullets(said)


def unplaced_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return which nodules the maps cannot show; nothing where they show all, or there are none."""
    if not report.has_places or not report.unplaced:
        return ()
    number = counted(len(report.unplaced), "metastasis has", "metastases have")
    return (Text(f"{number} no place on the maps: {ids(report.unplaced)}.", "warn"),)


def unassigned_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return the lesions that no operation removes, with reasons, and the findings left out."""
    blocks: list[Block] = [Heading("In no operation", anchor="unassigned")]
    if report.plan.unassigned:
        columns = (
            Column("Lesion"),
            Column("Side"),
            Column("Lobe"),
            Column("Diameter", "right", unit="mm"),
            Column("Depth", "right", unit="mm"),
            Column("Reason", share=1),
        )
        rows = []
        for left in report.plan.unassigned:
            lesion = report.lesions.get(left.lesion)
            rows.append(
                (
                    Cell(str(left.lesion), "strong"),
                    Cell(lesion.side if lesion else "–"),
                    Cell(lesion.lobe if lesion else "–"),
                    Cell(fixed(lesion.diameter_mm, 1) if lesion else "–"),
                    Cell(fixed(lesion.depth_mm) if lesion else "–"),
                    Cell(left.reason),
                )
            )
        blocks.append(Table(columns, tuple(rows)))
    else:
        blocks.append(Text("Every planned lesion is removed."))
    if report.not_planned:
        point = plain(report.plan.protocol.nodules.false_per_scan)
        blocks.append(
            Text(
                f"{counted(len(report.not_planned), 'finding')} not in the plan (the detector's operating "
                f"point is {point} false findings a scan): {ids(report.not_planned)}."
            )
        )
    return tuple(blocks)
