"""``clearlung nodules``: find nodules, review them, and see what to review next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearlung import RESEARCH_NOTICE
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
    lps_point,
    print_json,
    stem,
)

if TYPE_CHECKING:
    from clearlung.anatomy import Anatomy
    from clearlung.ct import Scan
    from clearlung.nodule_folder import NoduleFolder
    from clearlung.nodules.review import Action, Review

app = typer.Typer(
    name="nodules",
    help="Find nodules and review them. An action names who did it (--by) and never the patient.",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(metavar="OUT", help="What clearlung nodules find left.")]
Numbers = Annotated[list[int], typer.Argument(metavar="N...", help="Numbers of nodules.")]
Number = Annotated[int, typer.Argument(metavar="N", help="Number of a nodule.")]
By = Annotated[
    str,
    typer.Option(
        "--by",
        metavar="WHO",
        envvar="CLEARLUNG_READER",
        help="Who reviews: initials or a role.",
        show_default=False,
    ),
]
Why = Annotated[str, typer.Option("--why", help="The reason. Never the patient's identity.")]
ScanOption = Annotated[
    Path, typer.Option("--scan", metavar="SCAN", help="The scan that the nodules were found on.")
]
Diameter = Annotated[float | None, typer.Option("--diameter", metavar="MM", help="About its size, mm.")]


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
        typer.echo(_log_line(row))


@app.command()
def accept(folder: Folder, numbers: Numbers, by: By = "", why: Why = "", as_json: JsonOption = False) -> None:
    """Take findings for nodules as they are outlined; a rejected one comes back."""
    from clearlung.nodules.review import accept

    _act(folder, lambda review: accept(review.state, numbers), by, why, as_json)


@app.command()
def reject(folder: Folder, numbers: Numbers, by: By = "", why: Why = "", as_json: JsonOption = False) -> None:
    """Take findings for something else. They stay rejected when detection runs again."""
    from clearlung.nodules.review import reject

    _act(folder, lambda review: reject(review.state, numbers), by, why, as_json)


@app.command()
def relabel(
    folder: Folder,
    number: Number,
    lobe: Annotated[str | None, typer.Option("--lobe", help="RUL, RML, RLL, LUL or LLL.")] = None,
    texture: Annotated[
        str | None, typer.Option("--texture", help="solid, part-solid or ground-glass.")
    ] = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Say the lobe or the kind of a nodule."""
    from clearlung.nodules.review import relabel

    _act(folder, lambda review: relabel(review.state, number, lobe=lobe, texture=texture), by, why, as_json)


@app.command()
def add(
    folder: Folder,
    scan: ScanOption,
    point: Annotated[str, typer.Option("--point", metavar="X,Y,Z", help="Where, LPS mm.")],
    diameter: Diameter = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Outline a nodule where none was found."""
    from clearlung.nodules.review import add

    at = lps_point(point)

    def make(review: Review, scan: Scan, anatomy: Anatomy) -> Action:
        return add(review.state, scan, anatomy, at, diameter_mm=diameter, drawn_by=review.next_id)

    _draw(folder, make, scan, by, why, as_json)


@app.command()
def merge(
    folder: Folder,
    numbers: Numbers,
    scan: ScanOption,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Make one nodule of several; it keeps the lowest number."""
    from clearlung.nodules.review import merge

    def make(review: Review, scan: Scan, anatomy: Anatomy) -> Action:
        return merge(review.state, scan, anatomy, numbers, drawn_by=review.next_id)

    _draw(folder, make, scan, by, why, as_json)


@app.command()
def split(
    folder: Folder,
    number: Number,
    scan: ScanOption,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="X,Y,Z", help="In a part, LPS mm; repeat. Without: at its necks."),
    ] = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Make several nodules of one; the largest part keeps the number."""
    from clearlung.nodules.review import split

    points = [lps_point(text) for text in point or ()]

    def make(review: Review, scan: Scan, anatomy: Anatomy) -> Action:
        return split(review.state, scan, anatomy, number, points, drawn_by=review.next_id)

    _draw(folder, make, scan, by, why, as_json)


@app.command()
def redraw(
    folder: Folder,
    number: Number,
    scan: ScanOption,
    mask: Annotated[
        Path | None, typer.Option("--mask", metavar="FILE", help="Label map on the scan's grid.")
    ] = None,
    point: Annotated[
        str | None,
        typer.Option("--point", metavar="X,Y,Z", help="Middle of a ball, LPS mm."),
    ] = None,
    diameter: Annotated[
        float | None,
        typer.Option("--diameter", metavar="MM", help="Of the ball; alone: about its size."),
    ] = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Give a nodule another outline."""
    from clearlung.ct import read_volume
    from clearlung.nodules.review import redraw

    if mask is not None and (point is not None or diameter is not None):
        raise typer.BadParameter("--mask is the outline: leave out --point and --diameter")
    if point is not None and diameter is None:
        raise typer.BadParameter("--point needs --diameter")
    drawn = None if mask is None else read_volume(mask)[0]
    at = None if point is None else lps_point(point)

    def make(review: Review, scan: Scan, anatomy: Anatomy) -> Action:
        return redraw(
            review.state,
            scan,
            anatomy,
            number,
            mask=drawn,
            point_mm=at,
            diameter_mm=diameter,
            drawn_by=review.next_id,
        )

    _draw(folder, make, scan, by, why, as_json)


@app.command()
def undo(
    folder: Folder,
    action: Annotated[
        int | None, typer.Argument(metavar="[ACTION]", help="Number in the log; without it the last one.")
    ] = None,
    by: By = "",
    why: Why = "",
    as_json: JsonOption = False,
) -> None:
    """Take an action back; of an undo, do again what it took back."""
    from clearlung.nodules.review import Undo

    def make(review: Review) -> Action:
        return Undo(action=review.last() if action is None else action)

    _act(folder, make, by, why, as_json)


@app.command()
def log(folder: Folder, as_json: JsonOption = False) -> None:
    """Show who did what, when and why."""
    from clearlung.nodule_folder import open_nodule_folder
    from clearlung.nodule_summary import log_rows

    opened = open_nodule_folder(folder)
    rows = log_rows(opened)
    if as_json:
        print_json({"log": rows, "torn": opened.torn})
        return
    for row in rows:
        typer.echo(_log_line(row))
    _warn_torn(opened)


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


def _act(folder: Path, make: Callable[[Review], Action], by: str, why: str, as_json: bool) -> None:
    from clearlung.nodule_folder import act

    _show_change(act(folder, make, who=by, why=why), as_json=as_json)


def _draw(
    folder: Path,
    make: Callable[[Review, Scan, Anatomy], Action],
    source: Path,
    by: str,
    why: str,
    as_json: bool,
) -> None:
    from clearlung.nodule_jobs import draw

    _show_change(draw(folder, make, source, who=by, why=why), as_json=as_json)


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
    _warn_torn(opened)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {opened.path / 'nodules.png'}", highlight=False, soft_wrap=True)


def _show_change(changed: NoduleFolder, *, as_json: bool) -> None:
    from clearlung.nodule_summary import log_rows, summary_of

    latest = log_rows(changed)[-1]
    if as_json:
        print_json({"out": str(changed.path), "action": latest} | summary_of(changed))
        return
    typer.echo(_log_line(latest))
    for line in summary_of(changed)["lines"]:
        typer.echo(line)


def _log_line(row: dict[str, Any]) -> str:
    undone = "  (taken back)" if row["undone"] else ""
    why = f": {row['why']}" if row["why"] else ""
    return f"{row['id']:>4}  {row['when']}  {row['who']}  {row['words']}{why}{undone}"


def _warn_torn(opened: NoduleFolder) -> None:
    if opened.torn:
        typer.echo(
            "  ! The last action was cut off by a crash and was not done; what is left of it goes to"
            " review.torn with the next action.",
            err=True,
        )
