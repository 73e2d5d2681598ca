"""One section per operation with its specimens, and the lesions that no operation removes."""

from __future__ import annotations

from clearlung.report.document import Block, Cell, Column, Heading, Table, Text
from clearlung.report.numbers import counted, fixed, ids, listed, percent, plain
from clearlung.report.overview import regimen_in_words
from clearlung.report.pictures import Atlas
from clearlung.report.source import ReportInput
from clearlung.staging import Operation, PlannedSpecimen


def operation_blocks(report: ReportInput, atlas: Atlas) -> tuple[Block, ...]:
    """Return heading, facts, maps and specimens of every operation, each on a sheet of its own."""
    blocks: list[Block] = []
    for index, operation in enumerate(report.plan.operations):
        blocks += _operation(report, operation, atlas, first=index == 0)
    return tuple(blocks)


def _operation(report: ReportInput, operation: Operation, atlas: Atlas, *, first: bool) -> list[Block]:
    facts = [
        operation.approach.capitalize(),
        counted(len(operation.lesions), "metastasis", "metastases")
        + f" in {counted(len(operation.specimens), 'specimen')}",
        f"{fixed(operation.minutes)} min in theatre",
        f"{fixed(operation.removed_ml)} ml of tissue",
        f"perfusion: {regimen_in_words(operation)}" if operation.perfusion else "no perfusion",
        f"FEV1 {percent(operation.fev1_before_percent)} → {percent(operation.fev1_after_percent)} of "
        f"predicted (lower bound {percent(operation.fev1_after_low_percent)})",
    ]
    return [
        Heading(
            f"Operation {operation.number}: {operation.side}, week {operation.week}",
            level=3,
            anchor=f"operation-{operation.number}",
            operation=operation.number,
            # The first follows the section's heading; without maps they are short and follow each other.
            new_page=report.has_places and not first,
        ),
        Text(" · ".join(facts)),
        *atlas.of_operation(operation),
        _specimens(report, operation),
    ]


def _specimens(report: ReportInput, operation: Operation) -> Table:
    growing = any(
        report.lesions[i].diameter_at_operation_mm is not None
        for i in operation.lesions
        if i in report.lesions
    )
    detected = any(_probability(report, number) < 1 for number in operation.lesions)
    columns = [
        Column("Specimen", "right"),
        Column("Lesions", share=1),
        Column("Lobe", share=1.6),
        Column("Technique", share=1),
        Column("Diameter", "right", unit="mm"),
        *([Column("On the day", "right", unit="mm")] if growing else []),
        Column("Depth", "right", unit="mm"),
        Column("Margin", "right", unit="mm"),
        Column("Tissue", "right", unit="ml"),
        Column("Time", "right", unit="min"),
        *([Column("Nodule", "right", unit="%")] if detected else []),
    ]
    rows = tuple(_specimen_row(report, specimen, growing, detected) for specimen in operation.specimens)
    notes = ["Specimens and lesions by number."]
    if growing:
        notes.append("On the day: expected diameter where the doubling time is known.")
    if detected:
        notes.append("Nodule: probability that the finding is a nodule.")
    return Table(tuple(columns), rows, " ".join(notes))


def _specimen_row(
    report: ReportInput, specimen: PlannedSpecimen, growing: bool, detected: bool
) -> tuple[Cell, ...]:
    lesions = [report.lesions[i] for i in specimen.lesions if i in report.lesions]
    expected = [lesion.diameter_at_operation_mm for lesion in lesions]
    rows = [report.row_of[i] for i in specimen.lesions if i in report.row_of]
    unsure = [100 * float(report.nodules.lobe_confidence[r]) for r in rows if report.nodules.lobe_unsure[r]]
    doubt = f"lobe uncertain ({listed(unsure, 0)} % sure)" if unsure else ""
    return (
        Cell(str(specimen.id)),
        Cell(ids(specimen.lesions), "strong"),
        Cell(specimen.lobe, aside=doubt),
        Cell(specimen.technique),
        Cell(listed([lesion.diameter_mm for lesion in lesions], 1)),
        *([Cell(_expected(expected))] if growing else []),
        Cell(listed([lesion.depth_mm for lesion in lesions], 0)),
        Cell(fixed(specimen.margin_mm, 1)),
        Cell(fixed(specimen.volume_ml, 1)),
        Cell(fixed(specimen.minutes)),
        *([Cell(listed([100 * _probability(report, i) for i in specimen.lesions], 0))] if detected else []),
    )


def _expected(diameters: list[float | None]) -> str:
    if all(diameter is None for diameter in diameters):
        return "–"
    return ", ".join("–" if d is None else fixed(d, 1) for d in diameters)


def _probability(report: ReportInput, number: int) -> float:
    row = report.row_of.get(number)
    return 1.0 if row is None else float(report.nodules.probability[row])


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
