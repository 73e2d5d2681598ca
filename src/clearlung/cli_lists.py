"""``clearlung series``, ``protocols`` and ``evidence``: what there is to choose and to rest on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlung.cli_values import JsonOption, print_json


def series(
    folder: Annotated[Path, typer.Argument(help="DICOM folder, DICOMDIR or .zip.")],
    as_json: JsonOption = False,
) -> None:
    """List the series of a DICOM folder or zip."""
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from clearlung.ct import list_series

    found = list_series(folder)
    if as_json:
        print_json([asdict(s) for s in found])
        return
    table = Table("", "Number", "Modality", "Description", "Slices", "Apart, mm")
    for s in found:
        apart = "" if s.slice_spacing_mm is None else f"{s.slice_spacing_mm:.3g}"
        number = "" if s.number is None else str(s.number)
        table.add_row(str(s.place), number, s.modality, s.description, str(s.slices), apart)
    Console().print(table)


def protocols(as_json: JsonOption = False) -> None:
    """List the shipped protocols and their limits."""
    from rich.console import Console
    from rich.table import Column, Table

    from clearlung.staging import load_protocol, shipped_protocols

    loaded = [load_protocol(name) for name in shipped_protocols()]
    if as_json:
        print_json([p.model_dump() for p in loaded])
        return
    table = Table(Column("Limit", no_wrap=True), *(p.name for p in loaded))
    for part in ("per_operation", "total", "weeks", "function", "perfusion", "scans", "goals"):
        for key in type(getattr(loaded[0], part)).model_fields:
            table.add_row(f"{part}.{key}", *(_limit_words(getattr(getattr(p, part), key)) for p in loaded))
    Console().print(table)


def _limit_words(value: object) -> str:
    """Return a protocol's value for a table; what is empty limits nothing."""
    if value is None or value == () or value == {}:
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def evidence(
    prefix: Annotated[str, typer.Argument(metavar="[ID]", help="An entry, or the beginning of ids.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show the clinical numbers that plans rest on: value, unit, n, source, and whether it is assumed."""
    from rich.console import Console
    from rich.table import Column, Table

    from clearlung.errors import EvidenceError
    from clearlung.evidence import load_evidence

    entries = [entry for key, entry in load_evidence().items() if key.startswith(prefix)]
    if not entries:
        raise EvidenceError(prefix, "no entry's id begins so; clearlung evidence lists all")
    if as_json:
        print_json([entry.model_dump() for entry in entries])
        return
    table = Table(Column("Id", no_wrap=True), "Value", "n", "Tag", "Source")
    for entry in entries:
        interval = "" if entry.low is None and entry.high is None else f" ({entry.low} to {entry.high})"
        table.add_row(
            entry.id, f"{entry.value:g} {entry.unit}{interval}", entry.n or "", entry.tag, entry.source
        )
    Console().print(table)
