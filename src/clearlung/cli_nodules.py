"""``clearlung nodules``: find nodules, review them, and see what to review next."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearlung import RESEARCH_NOTICE
from clearlung.cli_review import By, Folder, Number, Why, log_line, warn_torn
from clearlung.cli_review import app as actions
from clearlung.cli_values import (
    AnatomyOption,
    CaseOption,
    ForceOption,
    JsonOption,
    LabelsOption,
    OfflineOption,
    OutOption,
    SeriesOption,
    ThickOption,
    print_json,
    stem,
)

if TYPE_CHECKING:
    from clearlung.nodule_folder import NoduleFolder

app = typer.Typer(
    name="nodules",
    help="Find nodules and review them. An action names who did it (--by) and never the patient.",
    no_args_is_help=True,
)
app.add_typer(actions)

DetectorOption = Annotated[
    str | None,
    typer.Option(
        "--detector",
        metavar="NAME|PATH",
        help="Another detector: a name, a folder with an ONNX model or a MONAI bundle, a mask, boxes.",
    ),
]
FrameOption = Annotated[
    str | None,
    typer.Option("--detector-frame", metavar="LPS|RAS", help="Frame of boxes that do not say theirs."),
]
NoduleLabelsOption = Annotated[
    str | None, typer.Option("--detector-labels", metavar="1,2", help="Which labels of a mask are nodules.")
]


@app.command()
def find(
    source: Annotated[
        Path, typer.Argument(metavar="SCAN", help="DICOM folder or .zip, .nii[.gz], .nrrd or .mha.")
    ],
    out: OutOption = None,
    detector: DetectorOption = None,
    detector_frame: FrameOption = None,
    detector_labels: NoduleLabelsOption = None,
    least_probability: Annotated[
        float | None, typer.Option("--least-probability", metavar="P", help="Leave out what is less likely.")
    ] = None,
    false_positives: Annotated[
        float | None,
        typer.Option("--false-positives", metavar="N", help="Operating point: false findings per scan."),
    ] = None,
    smallest_mm: Annotated[float, typer.Option("--smallest-mm", help="Smallest diameter, mm.")] = 2.0,
    primary: Annotated[
        str | None,
        typer.Option("--primary", help="The primary tumor: for osteosarcoma, metastases' published share."),
    ] = None,
    series: SeriesOption = None,
    allow_thick: ThickOption = False,
    anatomy_from: AnatomyOption = None,
    anatomy_labels: LabelsOption = None,
    offline: OfflineOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find every nodule of a scan, outlined and measured, ready for review."""
    from clearlung.anatomy import parse_source
    from clearlung.nodule_folder import NODULE_PHASES
    from clearlung.nodule_jobs import find_into, make_options
    from clearlung.nodules import parse_detector
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch

    if least_probability is not None and false_positives is not None:
        raise typer.BadParameter("--least-probability and --false-positives both say the operating point")
    asked = parse_detector(detector, frame=detector_frame, labels=detector_labels)
    options = make_options(asked, smallest_mm, least_probability, false_positives)
    wanted = parse_source(anatomy_from, anatomy_labels, offline=offline)
    folder = out or Path(f"{stem(source)}-nodules")
    check_target(folder, replace=force)
    with Bar(len(NODULE_PHASES)) as bar:
        made = find_into(
            source,
            folder,
            options,
            primary=primary,
            series=series,
            allow_thick=allow_thick,
            anatomy_source=wanted,
            replace_earlier=force,
            watch=Stopwatch(bar),
        )
    _show(made, as_json=as_json)


@app.command("list")
def list_(
    folder: Folder,
    state: Annotated[
        str | None,
        typer.Option("--state", help="unreviewed, reviewed, accepted, added, edited or rejected."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the nodules, and bring the folder's tables up to date where a crash left them behind."""
    from clearlung.nodule_folder import open_nodule_folder

    _show(open_nodule_folder(folder), as_json=as_json, state=state)


@app.command()
def show(folder: Folder, number: Number, as_json: JsonOption = False) -> None:
    """Show all that is known of one nodule, and what was done to it."""
    from rich.console import Console
    from rich.table import Table

    from clearlung.nodule_folder import open_nodule_folder
    from clearlung.nodule_summary import log_rows, one_nodule

    opened = open_nodule_folder(folder)
    known = one_nodule(opened, number)
    history = [row for row in log_rows(opened) if number in row["nodules"]]
    if as_json:
        print_json({"nodule": known, "log": history})
        return
    table = Table("", f"Nodule {number}")
    for name, value in known.items():
        if value not in (None, ""):
            table.add_row(name, f"{value:g}" if isinstance(value, float) else str(value))
    Console().print(table)
    for row in history:
        typer.echo(log_line(row))


@app.command()
def again(
    folder: Folder,
    source: Annotated[Path, typer.Argument(metavar="SCAN", help="The scan that the nodules were found on.")],
    detector: DetectorOption = None,
    detector_frame: FrameOption = None,
    detector_labels: NoduleLabelsOption = None,
    least_probability: Annotated[float | None, typer.Option("--least-probability", metavar="P")] = None,
    false_positives: Annotated[float | None, typer.Option("--false-positives", metavar="N")] = None,
    smallest_mm: Annotated[float | None, typer.Option("--smallest-mm")] = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Run detection again and carry the review over: numbers stay, what was rejected stays rejected."""
    from clearlung.nodule_jobs import find_again
    from clearlung.nodules import parse_detector

    if least_probability is not None and false_positives is not None:
        raise typer.BadParameter("--least-probability and --false-positives both say the operating point")
    changed = find_again(
        folder,
        source,
        detector=parse_detector(detector, frame=detector_frame, labels=detector_labels) if detector else None,
        least_probability=least_probability,
        false_positives=false_positives,
        smallest_mm=smallest_mm,
        who=by,
        why=why,
    )
    _show(changed, as_json=as_json)


@app.command()
def queue(
    folder: Folder,
    protocol: Annotated[
        str, typer.Option("--protocol", help="A shipped protocol, or a TOML file.")
    ] = "high-volume",
    case: CaseOption = None,
    most: Annotated[int, typer.Option("--most", help="Show so many.", min=1)] = 20,
    as_json: JsonOption = False,
) -> None:
    """Say what to review next: what would change the plan most comes first."""
    from rich.console import Console
    from rich.table import Table

    from clearlung.casefile import Case, load_case
    from clearlung.nodule_folder import open_nodule_folder
    from clearlung.nodule_review import review_queue
    from clearlung.staging import load_protocol

    opened = open_nodule_folder(folder)
    rows = review_queue(
        opened.review.state.nodules,
        opened.anatomy(),
        load_protocol(protocol),
        load_case(case) if case else Case(),
        detector=str(opened.found.options["detector"]),
        conflicts=opened.conflicts,
        most=most,
    )
    if as_json:
        print_json([row.model_dump() for row in rows])
        return
    table = Table("", "Nodule", "Weight", "Why")
    for place, row in enumerate(rows, start=1):
        table.add_row(str(place), ", ".join(map(str, row.nodules)), f"{row.weight:.2f}", row.why)
    Console().print(table)
    typer.echo(RESEARCH_NOTICE)


def _show(opened: NoduleFolder, *, as_json: bool, state: str | None = None) -> None:
    from rich.console import Console

    from clearlung.nodule_summary import chosen_rows, nodule_table, summary_of

    rows = chosen_rows(opened, state)
    if as_json:
        print_json({"out": str(opened.path)} | summary_of(opened) | {"nodules": rows})
        return
    console = Console()
    console.print(nodule_table(rows))
    for line in summary_of(opened)["lines"]:
        console.print(line, highlight=False)
    warn_torn(opened)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {opened.path / 'nodules.png'}", highlight=False, soft_wrap=True)
