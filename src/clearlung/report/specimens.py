"""The table of an operation's specimens: what each takes, with which margin, and how it is closed."""

from __future__ import annotations

from clearlung.report.document import Cell, Column, Table
from clearlung.report.numbers import fixed, ids, interval, listed, percent
from clearlung.report.source import ReportInput
from clearlung.resection import SURELY_CLEAR
from clearlung.staging import Operation, PlannedLesion, PlannedSpecimen

# What lies across a fissure by less than this is within the error of the fissure.
_LEAST_SHARE_PERCENT = 1.0
# A margin that is shorter than planned by less than this is what was planned: a voxel's width.
_WITHIN_MM = 0.75


def specimen_table(report: ReportInput, operation: Operation) -> Table:
    """Return the specimens of an operation, one row each."""
    measured, detected = _measured(report), _detected(report)
    columns = [
        Column("No.", "right"),
        Column("Lesions", share=1),
        Column("Lobe", share=2.2),
        Column("Technique"),
        Column("Diameter", "right", unit="mm"),
        Column("Depth", "right", unit="mm"),
        *([Column("Reach", "right", unit="mm")] if measured else []),
        Column("Margin", "right", unit="mm"),
        *([Column("Cuts", unit="mm"), Column("Closure")] if measured else []),
        Column("Tissue", "right", unit="ml"),
        Column("Time", "right", unit="min"),
        *([Column("Nodule", "right", unit="%")] if detected else []),
    ]
    rows = tuple(_specimen_row(report, specimen, measured, detected) for specimen in operation.specimens)
    return Table(tuple(columns), rows)


def specimen_notes(report: ReportInput) -> str:
    """Return what the columns of the tables mean."""
    notes = ["No.: the specimen's; lesions by their numbers for life."]
    if any(lesion.diameter_at_operation_mm is not None for lesion in report.plan.lesions):
        notes.append("Diameter: on the scan → expected on the day, where the doubling time is known.")
    if _measured(report):
        notes.append(
            "Reach: deepest point below the pleura. Margin: of the lesion that gets the least, with its"
            " interval (95 %); bold where the cut may run through the tumor with more than"
            f" {percent(100 * (1 - SURELY_CLEAR))} chance. Cuts: widest vessel (v) and bronchus (b). Closure:"
            " airtight by itself, by a suture, untested at that depth, by staples or as a stump."
        )
    if _detected(report):
        notes.append("Nodule: probability that the finding is a nodule.")
    return " ".join(notes)


def _measured(report: ReportInput) -> bool:
    return any(s.reach_mm is not None for o in report.plan.operations for s in o.specimens)


def _detected(report: ReportInput) -> bool:
    return any(_probability(report, number) < 1 for o in report.plan.operations for number in o.lesions)


def _specimen_row(
    report: ReportInput, specimen: PlannedSpecimen, measured: bool, detected: bool
) -> tuple[Cell, ...]:
    lesions = [report.lesions[i] for i in specimen.lesions if i in report.lesions]
    rows = [report.row_of[i] for i in specimen.lesions if i in report.row_of]
    unsure = [100 * float(report.nodules.lobe_confidence[r]) for r in rows if report.nodules.lobe_unsure[r]]
    doubt = f"lobe uncertain ({listed(unsure, 0)} %)" if unsure else ""
    return (
        Cell(str(specimen.id)),
        Cell(ids(specimen.lesions), "strong"),
        Cell(_lobes(specimen), aside=doubt),
        Cell(specimen.technique),
        Cell(", ".join(_diameter(lesion) for lesion in lesions)),
        Cell(listed([lesion.depth_mm for lesion in lesions], 0)),
        *([Cell("–" if specimen.reach_mm is None else fixed(specimen.reach_mm))] if measured else []),
        _margin(specimen),
        *([Cell(_cuts(specimen)), Cell(specimen.closure or "–")] if measured else []),
        Cell(fixed(specimen.volume_ml, 1)),
        Cell(fixed(specimen.minutes)),
        *([Cell(listed([100 * _probability(report, i) for i in specimen.lesions], 0))] if detected else []),
    )


def _lobes(specimen: PlannedSpecimen) -> str:
    """Name the lobe, and what others give where a specimen lies across a fissure."""
    shares = {lobe: 100 * ml / specimen.volume_ml for lobe, ml in (specimen.lobe_ml or {}).items() if ml > 0}
    others = [
        f"{lobe} {percent(share)}"
        for lobe, share in shares.items()
        if lobe != specimen.lobe and share >= _LEAST_SHARE_PERCENT
    ]
    return f"{specimen.lobe} ({', '.join(others)})" if others else specimen.lobe


def _margin(specimen: PlannedSpecimen) -> Cell:
    """Return the least margin with its interval; the planned one where it is missed, or nothing is known."""
    planned = fixed(specimen.margin_mm, 1)
    least, low, high = specimen.margin_least_mm, specimen.margin_low_mm, specimen.margin_high_mm
    if least is None or low is None or high is None:
        return Cell(f"{planned} planned")
    unsure = specimen.clear is not None and specimen.clear < SURELY_CLEAR
    missed = specimen.margin_mm - least > _WITHIN_MM
    text = interval(least, low, high, 1).replace(" to ", "\u00a0to\u00a0").replace(" ", "\u00a0")
    return Cell(text, "warn" if unsure else "", note=f"planned {planned}" if missed else "")


def _cuts(specimen: PlannedSpecimen) -> str:
    widths = (("v", specimen.vessel_mm), ("b", specimen.bronchus_mm))
    return ", ".join(f"{letter}\u00a0{fixed(width, 1)}" for letter, width in widths if width) or "–"


def _diameter(lesion: PlannedLesion) -> str:
    """Return its diameter on the scan, and on the day where its growth is known."""
    grown = lesion.diameter_at_operation_mm
    today = fixed(lesion.diameter_mm, 1)
    return today if grown is None else f"{today}\u00a0→\u00a0{fixed(grown, 1)}"


def _probability(report: ReportInput, number: int) -> float:
    row = report.row_of.get(number)
    return 1.0 if row is None else float(report.nodules.probability[row])
