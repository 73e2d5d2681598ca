"""Specimens at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from clearlung import RESEARCH_NOTICE
from clearlung.resection_record import CandidateFound, LobeLeft, SpecimensRecord

# What a terminal shows whole; all of them are in the files.
_SHOWN = 20
_MEASURES = {"fev1": "FEV1", "dlco": "DLCO"}
_METHODS = {
    "course": "by the course of this program",
    "segments": "by segments of nineteen",
    "volume": "by CT volume",
    "density": "by CT density",
}


def resection_summary(record: SpecimensRecord) -> dict[str, Any]:
    """Return specimens as plain data, as ``--json`` prints it: of the candidates the chosen ones."""
    summary = record.model_dump(exclude={"candidates", "evidence"})
    chosen = [candidate.model_dump() for candidate in chosen_specimens(record)]
    return summary | {"candidates": len(record.candidates), "chosen": chosen}


def chosen_specimens(record: SpecimensRecord) -> list[CandidateFound]:
    """Return the chosen candidates by their number."""
    chosen = [candidate for candidate in record.candidates if candidate.specimen is not None]
    return sorted(chosen, key=lambda candidate: candidate.specimen or 0)


def remains_table(record: SpecimensRecord) -> Table:
    """Return what remains of lobes and lungs as a table for the terminal."""
    table = Table("", *("Lesions", "Nothing fits", "Specimens", "ml", "Removed", "Remains", "%"))
    for name, part in (record.lobes | {f"{side} lung": lung for side, lung in record.lungs.items()}).items():
        table.add_row(name, *_cells(part))
    return table


def specimen_table(record: SpecimensRecord) -> Table:
    """Return the largest of the chosen specimens as a table for the terminal."""
    heads = ("", "Lesions", "Lobe", "Technique", "ml", "Margin, mm", "Cuts, mm")
    table = Table(*(Column(head, no_wrap=head != "Lesions") for head in heads))
    largest = sorted(chosen_specimens(record), key=lambda candidate: -candidate.volume_ml)[:_SHOWN]
    for candidate in sorted(largest, key=lambda c: c.specimen or 0):
        table.add_row(
            str(candidate.specimen),
            _short(candidate.lesions),
            candidate.lobe,
            candidate.technique,
            f"{candidate.volume_ml:.1f}",
            least_margin(candidate),
            ", ".join(_widest(candidate)),
        )
    return table


def least_margin(candidate: CandidateFound) -> str:
    """Say the margin of the lesion that gets the least, with its interval; "" where it is not known."""
    known = [m for m in candidate.margins if m.margin_mm is not None and m.low_mm is not None]
    if not known:
        return ""
    least = min(known, key=lambda m: m.low_mm or 0.0)
    return f"{least.margin_mm:.1f} ({least.low_mm:.1f} to {least.high_mm:.1f})"


def function_lines(record: SpecimensRecord) -> list[str]:
    """Say what lung function is to be expected after recovery, by each method, and how rules class it."""
    function = record.function
    before = {"fev1": function.fev1_percent, "dlco": function.dlco_percent}
    lines = []
    for measure, name in _MEASURES.items():
        values = [
            f"{p.percent:.0f} % ({p.low_percent:.0f} to {p.high_percent:.0f}) {_METHODS[p.method]}"
            for p in function.predicted
            if p.measure == measure
        ]
        assumed = ", assumed" if f"{measure}_percent" in function.assumed else ""
        lines.append(
            f"{name} before {before[measure]:.0f} % of predicted{assumed}; after: {'; '.join(values)}"
        )
    lines += [f"Not available: {why}" for why in function.not_available]
    for verdict in function.verdicts:
        low = f"; at the lower bounds {verdict.risk_at_low}" if verdict.risk_at_low != verdict.risk else ""
        own = " (the protocol's)" if verdict.rule_set == function.rule_set else ""
        lines.append(f"{verdict.rule_set}{own}: risk {verdict.risk}{low}; next: {verdict.next_step}")
    return lines


def show_resection(record: SpecimensRecord, folder: Path) -> None:
    """Show specimens on the terminal: what remains, the largest, what nothing fits, function, warnings."""
    console = Console()
    console.print(remains_table(record))
    choice = record.choice
    counts = Counter(candidate.technique for candidate in chosen_specimens(record))
    kinds = ", ".join(f"{count} {technique}" for technique, count in sorted(counts.items()))
    lines = [
        f"{choice.specimens} specimens{f' ({kinds})' if kinds else ''} for {choice.lesions} lesions:"
        f" {choice.removed_ml:.0f} ml, {choice.minutes:.0f} min without access; chosen among"
        f" {len(record.candidates)}, {choice.status}"
    ]
    if choice.specimens:
        console.print(specimen_table(record))
    if choice.specimens > _SHOWN:
        lines.append(f"The table shows the {_SHOWN} largest.")
    if any(candidate.cuts for candidate in chosen_specimens(record)):
        lines.append("Cuts: the widest vessel (v) and bronchus (b), mm.")
    lines += [
        f"Unresectable: lesion {left.lesion} ({left.lobe}): {left.reason}" for left in record.unresectable
    ]
    for line in (*lines, *function_lines(record)):
        console.print(line, highlight=False)
    for warning in record.warnings:
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {folder / 'specimens.png'}", highlight=False, soft_wrap=True)


def _cells(part: LobeLeft) -> list[str]:
    share = "" if part.remains_share is None else f"{100 * part.remains_share:.0f}"
    return [
        str(part.lesions),
        str(part.unresectable or ""),
        str(part.specimens),
        "–" if part.volume_ml is None else f"{part.volume_ml:.0f}",
        f"{part.removed_ml:.1f}",
        "–" if part.remains_ml is None else f"{part.remains_ml:.0f}",
        share,
    ]


def _short(lesions: tuple[int, ...]) -> str:
    return ", ".join(map(str, lesions)) if len(lesions) <= 4 else f"{len(lesions)} lesions"


def _widest(candidate: CandidateFound) -> list[str]:
    """Return the widest vessel and bronchus that a specimen cuts; cuts come widest first."""
    first: dict[str, float] = {}
    for cut in candidate.cuts:
        first.setdefault(cut.kind, cut.diameter_mm)
    return [f"{kind[0]} {width:.1f}" for kind, width in first.items()]
