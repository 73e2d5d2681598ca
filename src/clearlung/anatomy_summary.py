"""An anatomy at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy_folder import AnatomyRecord, Branch, LungPart, PointFound


def anatomy_summary(record: AnatomyRecord) -> dict[str, Any]:
    """Return an anatomy as plain data, as ``--json`` prints it: without the single branches."""
    summary = record.model_dump(exclude={"airways", "vessels", "evidence", "labels"})
    return summary | {"airway_branches": len(record.airways), "vessel_branches": len(record.vessels)}


def anatomy_table(record: AnatomyRecord) -> Table:
    """Return what lungs and lobes hold as a table for the terminal."""
    table = Table("", *("ml", "mean HU", "air, ml", "tissue, ml", "emphysema, %", "lobe uncertain, %"))
    for name, part in (record.lobes | {f"{side} lung": lung for side, lung in record.lungs.items()}).items():
        table.add_row(name, *_cells(part))
    return table


def anatomy_lines(record: AnatomyRecord) -> list[str]:
    """Say how lobes and fissures were found, how far the trees reach, and where asked points lie."""
    lines = [f"Lobes: {record.lobe_method}"]
    lines += [
        f"{fissure.name.capitalize()} fissure: {100 * fissure.seen_share:.0f} % of its surface seen, the"
        " rest bridged"
        for fissure in record.fissures
    ]
    lines += _tree_line("Airways", record.airways) + _tree_line("Vessels", record.vessels)
    return lines + [_point_line(point) for point in record.points]


def show_anatomy(record: AnatomyRecord, folder: Path) -> None:
    """Show an anatomy on the terminal: measures, how it was found, what is unusual, where the picture is."""
    console = Console()
    console.print(anatomy_table(record))
    for line in anatomy_lines(record):
        console.print(line, highlight=False)
    for warning in (*record.warnings, *(condition.sentence for condition in record.conditions)):
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {folder / 'anatomy.png'}", highlight=False, soft_wrap=True)


def _cells(part: LungPart) -> list[str]:
    if not part.volume_ml:
        return ["none", "", "", "", "", ""]
    shares = (part.emphysema_share, part.uncertain_share)
    return [
        f"{part.volume_ml:.0f}",
        "" if part.mean_hu is None else f"{part.mean_hu:.0f}",
        f"{part.air_ml:.0f}",
        f"{part.tissue_ml:.0f}",
        *("" if share is None else f"{100 * share:.1f}" for share in shares),
    ]


def _tree_line(name: str, branches: Sequence[Branch]) -> list[str]:
    if not branches:
        return []
    widths = [branch.diameter_mm for branch in branches]
    return [
        f"{name}: {len(branches)} branches to generation {max(b.generation for b in branches)},"
        f" {min(widths):.1f} to {max(widths):.1f} mm wide"
    ]


def _point_line(point: PointFound) -> str:
    place = ", ".join(f"{c:g}" for c in point.point_mm)
    if not point.side:
        return f"Point ({place}): {point.where}"

    def near(name: str, distance: float | None, width: float | None) -> str:
        return "" if distance is None else f"; {name} at {distance:.1f} mm, {width or 0:.1f} mm wide"

    parts = ", ".join(f"{part} {d:.1f}" for part, d in point.depth_by_part_mm.items() if d is not None)
    depth = "" if point.depth_mm is None else f"; {point.depth_mm:.1f} mm deep ({parts})"
    hilum = "" if point.hilum_mm is None else f"; hilum at {point.hilum_mm:.0f} mm"
    return (
        f"Point ({place}): {point.where}{depth}{hilum}"
        + near("vessel", point.vessel_mm, point.vessel_diameter_mm)
        + near(f"bronchus {point.bronchus}".rstrip(), point.bronchus_mm, point.bronchus_diameter_mm)
    )
