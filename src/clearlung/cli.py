"""The command line: parse, call, print.

Exit codes: 0 done; 1 an error without a code of its own; 2 wrong usage; 3 scan rejected; 4 protocol, case or
nodule list refused; 5 no plan satisfies the limits; 6 records contradict each other; 7 output not written.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.cli_compare import compare
from clearlung.cli_explain import explain, replan
from clearlung.cli_lists import evidence, protocols, series
from clearlung.cli_nodules import app as nodules_app
from clearlung.cli_perfuse import perfuse
from clearlung.cli_report import report
from clearlung.cli_resect import resect
from clearlung.cli_stage import stage
from clearlung.cli_stress import stress
from clearlung.cli_values import (
    AnatomyOption,
    AssignmentsOption,
    CaseOption,
    ForceOption,
    JsonOption,
    LabelsOption,
    OfflineOption,
    OutOption,
    ReviewedOption,
    SeriesOption,
    ThickOption,
    lps_point,
    print_json,
    stem,
)
from clearlung.errors import ClearlungError

if TYPE_CHECKING:
    from clearlung.anatomy_folder import AnatomyRecord
    from clearlung.workflow import PlanResult

SeedOption = Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)]
NodulesOption = Annotated[int, typer.Option("--nodules", help="Number of metastases.", min=0, max=2000)]


def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"clearlung {__version__}")
        raise typer.Exit


def plan(
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="DICOM folder or .zip, .nii[.gz], .nrrd, .mha, or .csv.")
    ],
    case: CaseOption = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            help="A shipped protocol, or a TOML file. Without it: high-volume, compared with the others.",
        ),
    ] = None,
    assignments: AssignmentsOption = None,
    nodules: ReviewedOption = None,
    out: OutOption = None,
    series: SeriesOption = None,
    allow_thick: ThickOption = False,
    anatomy_from: AnatomyOption = None,
    anatomy_labels: LabelsOption = None,
    offline: OfflineOption = False,
    seed: SeedOption = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Plan the operations that remove every nodule of a scan or a radiologist's list."""
    from clearlung.anatomy import parse_source
    from clearlung.casefile import Case, load_case
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.result_folder import write_result
    from clearlung.staging import load_protocol, read_assignments
    from clearlung.workflow import PHASES, PlanRequest, make_plan, plan_under_others

    if source.suffix.lower() == ".csv" and (series or anatomy_from):
        raise typer.BadParameter("a list has no scan: --series and --anatomy belong to one")
    if nodules is not None and (source.suffix.lower() == ".csv" or anatomy_from):
        raise typer.BadParameter("--nodules belongs to a scan and brings its own anatomy")
    request = PlanRequest(
        source=source,
        protocol=load_protocol(protocol or "high-volume"),
        case=load_case(case) if case else Case(),
        series=series,
        allow_thick=allow_thick,
        anatomy_source=parse_source(anatomy_from, anatomy_labels, offline=offline),
        seed=seed,
        nodules=nodules,
        assignments=read_assignments(assignments) if assignments else (),
    )
    folder = out or Path(f"{stem(source)}-plan")
    check_target(folder, replace=force)
    with Bar(len(PHASES)) as bar:
        watch = Stopwatch(bar)
        result = make_plan(request, watch)
        # Centers disagree and no protocol is the default truth: who names none is shown all.
        others = [] if protocol else plan_under_others(result)
        options = {"protocol": request.protocol.name, "allow_thick": allow_thick, "series": series}
        write_result(
            result,
            folder,
            command="plan",
            options=options | {"anatomy": request.anatomy_source.name},
            comparison=[result.plan, *(other.plan for other in others)] if others else (),
            replace=force,
            watch=watch,
        )
    _print_plans(result, others, folder, as_json=as_json)


def anatomy(
    source: Annotated[
        Path, typer.Argument(metavar="SCAN", help="DICOM folder or .zip, .nii[.gz], .nrrd or .mha.")
    ],
    out: OutOption = None,
    point: Annotated[
        list[str] | None,
        typer.Option("--point", metavar="X,Y,Z", help="Tell where an LPS point lies, mm; repeatable."),
    ] = None,
    series: SeriesOption = None,
    allow_thick: ThickOption = False,
    anatomy_from: AnatomyOption = None,
    anatomy_labels: LabelsOption = None,
    offline: OfflineOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find lungs, lobes, airways, vessels and hila, and what lies where."""
    from clearlung.anatomy import parse_source
    from clearlung.anatomy_folder import ANATOMY_PHASES, write_anatomy
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.workflow import find_anatomy

    points = [lps_point(text) for text in point or ()]
    wanted = parse_source(anatomy_from, anatomy_labels, offline=offline)
    folder = out or Path(f"{stem(source)}-anatomy")
    check_target(folder, replace=force)
    with Bar(len(ANATOMY_PHASES)) as bar:
        watch = Stopwatch(bar)
        scan, found = find_anatomy(
            source, series=series, allow_thick=allow_thick, anatomy_source=wanted, watch=watch
        )
        options = {"allow_thick": allow_thick, "series": series, "anatomy": wanted.name, "points": points}
        record = write_anatomy(
            found,
            scan,
            folder,
            options=options,
            anatomy_file=wanted.path,
            points_mm=points,
            replace=force,
            watch=watch,
        )
    _print_anatomy(record, folder, as_json=as_json)


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the result.")] = Path("clearlung-demo"),
    nodules: NodulesOption = 170,
    seed: SeedOption = 1,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a synthetic patient, plan it under the shipped protocols, and show them side by side."""
    from clearlung.demo import DEMO_PHASES, run_demo
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch

    check_target(out, replace=force)
    with Bar(DEMO_PHASES) as bar:
        result = run_demo(out, nodules=nodules, seed=seed, overwrite=force, watch=Stopwatch(bar))
    if not as_json:
        typer.echo(result.detection.sentence())
    first, *others = result.plans
    _print_plans(first, others, out, as_json=as_json, extra={"detection": result.detection.as_dict()})


def phantom(
    out: Annotated[Path, typer.Option("-o", "--out", help="The scan: .nii.gz, .nii, .nrrd or .mha.")],
    nodules: NodulesOption = 170,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a synthetic patient's scan, with the truth about everything in it beside it."""
    from clearlung.phantom import PhantomSpec, check_phantom_target, make_phantom, write_phantom

    check_phantom_target(out)
    made = make_phantom(PhantomSpec(nodules=nodules, seed=seed))
    files = write_phantom(made, out)
    if as_json:
        print_json({"nodules": len(made.truth), "seed": seed, "files": [str(f) for f in files]})
    else:
        typer.echo(f"{len(made.truth)} metastases, seed {seed}:")
        for file in files:
            typer.echo(f"  {file}")


def serve(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="A result folder.")],
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8765,
) -> None:
    """Show a result in the browser, on this machine only, with its HTTP API."""
    from clearlung.web import serve as serve_folder

    typer.echo(f"http://127.0.0.1:{port}/  (stop with Ctrl-C)")
    serve_folder(folder, port)


# In the order of the work, as the help shows them.
COMMANDS: dict[str, tuple[Callable[..., None] | typer.Typer, ...]] = {
    "From the scan to the plan": (series, anatomy, nodules_app, resect, perfuse, plan),
    "What a plan rests on, and what may become of it": (explain, compare, stress, replan),
    "To read": (report, serve, protocols, evidence),
    "To rehearse": (demo, phantom, stage),
}


class InOrderOfWork(typer.core.TyperGroup):
    """Commands as ``COMMANDS`` lists them; typer alone puts groups of commands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return [_name(command) for commands in COMMANDS.values() for command in commands]


def _name(command: Callable[..., None] | typer.Typer) -> str:
    return str(command.info.name) if isinstance(command, typer.Typer) else command.__name__


def _app() -> typer.Typer:
    app = typer.Typer(
        name="clearlung",
        help=f"Plan how to clear the lungs of very many metastases. {RESEARCH_NOTICE}",
        cls=InOrderOfWork,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_root)
    for panel, commands in COMMANDS.items():
        for command in commands:
            if isinstance(command, typer.Typer):
                app.add_typer(command, rich_help_panel=panel)
            else:
                app.command(rich_help_panel=panel)(command)
    return app


app = _app()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors that Clearlung raises on purpose end with their exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _clean_up_when_told_to_end()
    try:
        app(arguments)
    except ClearlungError as error:
        if "--json" in arguments:
            print_json({"error": _describe(error)})
        typer.echo(f"clearlung: {error}", err=True)
        sys.exit(error.exit_code)


def _clean_up_when_told_to_end() -> None:
    """Let a scheduler's or a closing terminal's signal unwind the run: nothing half written is left."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores one: let it
            signal.signal(number, _leave)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _describe(error: ClearlungError) -> dict[str, Any]:
    details = {key: value for key, value in vars(error).items() if isinstance(value, str | tuple)}
    return {"type": type(error).__name__, "message": str(error)} | details


def _print_anatomy(record: AnatomyRecord, folder: Path, *, as_json: bool) -> None:
    from clearlung.anatomy_summary import anatomy_summary, show_anatomy

    if as_json:
        print_json({"out": str(folder)} | anatomy_summary(record))
    else:
        show_anatomy(record, folder)


def _print_plans(
    result: PlanResult,
    others: list[PlanResult],
    folder: Path,
    *,
    as_json: bool,
    extra: dict[str, Any] | None = None,
) -> None:
    from rich.console import Console

    from clearlung.summary import summary, summary_table

    results = [result, *others]
    if as_json:
        compared = {"compared": [summary(other) for other in others]} if others else {}
        print_json({"out": str(folder)} | summary(result) | compared | (extra or {}))
        return
    console = Console()
    console.print(summary_table([result.plan for result in results]))
    for warning in dict.fromkeys(w for result in results for w in result.plan.warnings):
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
