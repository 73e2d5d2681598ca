"""``clearlung compare``: protocols side by side, and what fewer operations cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearlung.cli_stage import ProblemArgument, SurfaceOption
from clearlung.cli_values import ForceOption, JsonOption, OutOption, print_json, stem

if TYPE_CHECKING:
    from rich.console import Console

    from clearlung.comparison_jobs import Compared
    from clearlung.comparison_record import ComparisonRecord


def compare(
    problem: ProblemArgument,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            "--protocol",
            help="Shown beside the problem's own; repeatable. Without it: every shipped one.",
        ),
    ] = None,
    out: OutOption = None,
    tissue_step_ml: Annotated[
        float, typer.Option("--tissue-step", metavar="ML", min=0.1, help="Step of the curve in tissue.")
    ] = 1.0,
    function_step_percent: Annotated[
        float, typer.Option("--function-step", metavar="PERCENT", min=0.1, help="Step of the curve in FEV1.")
    ] = 5.0,
    weeks_step: Annotated[
        int, typer.Option("--weeks-step", metavar="WEEKS", min=1, help="Step of the curve in weeks.")
    ] = 1,
    operations_more: Annotated[
        int, typer.Option("--more", min=0, help="Operations above the fewest that are looked at.")
    ] = 6,
    body_surface_m2: SurfaceOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show protocols side by side, and what fewer operations cost in tissue, weeks and lung function."""
    from clearlung.comparison_folder import write_comparison
    from clearlung.comparison_jobs import COMPARE_PHASES, compare_problem, others_of
    from clearlung.manifest import InputFile, file_sha256
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.staging import TradeoffOptions, load_protocol, read_problem

    folder = out or Path(f"{stem(problem)}-comparison")
    check_target(folder, replace=force)
    given = read_problem(problem)
    others = tuple(map(load_protocol, protocol)) if protocol else others_of(given)
    options = TradeoffOptions(tissue_step_ml, function_step_percent, operations_more, weeks_step=weeks_step)
    file = problem / "problem.json" if problem.is_dir() else problem
    with Bar(len(COMPARE_PHASES)) as bar:
        watch = Stopwatch(bar)
        compared = compare_problem(given, others, options, body_surface_m2=body_surface_m2, watch=watch)
        record = write_comparison(
            compared,
            folder,
            options={"protocols": [p.name for p in others]} | vars(options),
            inputs=(InputFile(kind="problem", sha256=file_sha256(file)),),
            seed=given.seed,
            replace=force,
            watch=watch,
        )
    if as_json:
        print_json({"out": str(folder)} | record.model_dump(mode="json"))
    else:
        _show(compared, record, folder)


def _show_goals(console: Console, record: ComparisonRecord) -> None:
    """Show what each plan was made for, by rank, with the bound that proves it."""
    from rich.table import Table

    table = Table("Protocol", "Goal, by rank", "Value", "No plan below", "Proof")
    for one in record.protocols:
        for goal in one.goals:
            unit = "" if goal.unit == "1" else f" {goal.unit}"
            bound = f"{goal.bound:.4g}{unit}"
            table.add_row(
                one.protocol, goal.name, f"{goal.value:.4g}{unit}", bound, _proof(proven=goal.proven)
            )
        table.add_section()
    console.print(table)


def _proof(*, proven: bool) -> str:
    return "proven" if proven else "not proven"


def _show(compared: Compared, record: ComparisonRecord, folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from clearlung import RESEARCH_NOTICE
    from clearlung.staging import UNSEEN_LEFT_WORDS
    from clearlung.summary import summary_table

    console = Console()
    if compared.plans:
        unseen = [one.unseen for one in compared.protocols if one.plan is not None]
        console.print(summary_table(compared.plans, unseen))
        if any(unseen):
            console.print(UNSEEN_LEFT_WORDS, highlight=False)
        _show_goals(console, record)
    for one in record.protocols:
        for reason in one.reasons:
            console.print(f"  ! {one.protocol}: {reason}", style="yellow", highlight=False)
    for warning in dict.fromkeys(w for plan in compared.plans for w in plan.warnings):
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    if record.curve is not None:
        heads = ("Operations", "Most at once, ml", "Weeks", "Lowest FEV1, %", "Risk in the end")
        table = Table(*heads, "Operations proven")
        for point in record.curve.points:
            if not point.dominated:
                low = point.fev1_lowest_low_percent
                table.add_row(
                    str(point.operations),
                    f"{point.removed_ml_max:.0f}",
                    str(point.weeks),
                    "" if low is None else f"{low:.0f}",
                    point.risk or "not judged",
                    _proof(proven=point.proven),
                )
        console.print(f"What fewer operations cost, under {record.curve.protocol}:", highlight=False)
        console.print(table)
        if not record.curve.complete:
            console.print("  ! It is not proven that no point is missing.", style="yellow", highlight=False)
        console.print(f"Picture: {folder / 'tradeoff.png'}", highlight=False, soft_wrap=True)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Comparison: {folder / 'comparison.json'}", highlight=False, soft_wrap=True)
