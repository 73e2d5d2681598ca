"""The actions of a review: ``clearlung nodules accept``, ``reject``, ``add``, ``merge`` and the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearlung.cli_values import JsonOption, lps_point, print_json

if TYPE_CHECKING:
    from clearlung.anatomy import Anatomy
    from clearlung.ct import Scan
    from clearlung.nodule_folder import NoduleFolder
    from clearlung.nodules.review import Action, Review

app = typer.Typer()

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
        typer.echo(log_line(row))
    warn_torn(opened)


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


def _show_change(changed: NoduleFolder, *, as_json: bool) -> None:
    from clearlung.nodule_summary import log_rows, summary_of

    latest = log_rows(changed)[-1]
    if as_json:
        print_json({"out": str(changed.path), "action": latest} | summary_of(changed))
        return
    typer.echo(log_line(latest))
    for line in summary_of(changed)["lines"]:
        typer.echo(line)


def log_line(row: dict[str, Any]) -> str:
    """Return one action of the record as a line."""
    undone = "  (taken back)" if row["undone"] else ""
    why = f": {row['why']}" if row["why"] else ""
    return f"{row['id']:>4}  {row['when']}  {row['who']}  {row['words']}{why}{undone}"


def warn_torn(opened: NoduleFolder) -> None:
    """Tell of an action that a crash cut off."""
    if opened.torn:
        typer.echo(
            "  ! The last action was cut off by a crash and was not done; what is left of it goes to"
            " review.torn with the next action.",
            err=True,
        )
