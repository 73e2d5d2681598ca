"""What several commands of the command line take, and how it is parsed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer

OutOption = Annotated[Path | None, typer.Option("-o", "--out", help="Folder for the result.")]
CaseOption = Annotated[Path | None, typer.Option("--case", help="The patient's function and size (TOML).")]
ReviewedOption = Annotated[
    Path | None,
    typer.Option("--nodules", metavar="OUT", help="Reviewed nodules of this scan: clearlung nodules."),
]
SeriesOption = Annotated[str | None, typer.Option("--series", help="Which series, where there are several.")]
ThickOption = Annotated[bool, typer.Option("--allow-thick", help="Read thick slices all the same.")]
AnatomyOption = Annotated[
    str | None,
    typer.Option(
        "--anatomy",
        metavar="FILE|NAME",
        help="Lobes and lungs made elsewhere: a label map, .seg.nrrd, DICOM SEG or folder of masks; or"
        " totalsegmentator or lungmask, to run it.",
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option("--anatomy-labels", metavar="NAME", help="Whose label numbers a file has that names none."),
]
OfflineOption = Annotated[
    bool, typer.Option("--offline", help="Refuse to run what would download its weights.")
]
AssignmentsOption = Annotated[
    Path | None,
    typer.Option(
        "--assignments", metavar="FILE", help="What the surgeon fixes and forbids for some lesions (TOML)."
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an earlier result in OUT.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


def lps_point(text: str) -> tuple[float, float, float]:
    """Parse ``X,Y,Z``."""
    try:
        x, y, z = (float(part) for part in text.split(","))
        if not all(map(math.isfinite, (x, y, z))):
            raise ValueError(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a point: give its LPS millimeters as X,Y,Z", param_hint="--point"
        ) from None
    return x, y, z


def stem(source: Path) -> str:
    """Return a file's or folder's name without what says its kind."""
    name = source.resolve().name
    for ending in (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".zip", ".csv"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def print_json(content: Any) -> None:
    """Print plain data as JSON."""
    typer.echo(json.dumps(content, indent=2, ensure_ascii=False))
