"""``clearlung stage``: the optimizer alone, on a problem in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlung.cli_values import AssignmentsOption, JsonOption, print_json

ProblemArgument = Annotated[
    Path,
    typer.Argument(metavar="PROBLEM", help="problem.json, or a folder that clearlung plan left."),
]
SurfaceOption = Annotated[
    float | None,
    typer.Option("--body-surface", metavar="M2", help="For a protocol whose regimen is dosed by it."),
]


def stage(
    problem: ProblemArgument,
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the plan.")] = Path("plan.json"),
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", help="A shipped protocol, or a TOML file, in place of the problem's."),
    ] = None,
    choose: Annotated[
        bool,
        typer.Option("--choose", help="Choose specimens and operations together, among all candidates."),
    ] = False,
    assignments: AssignmentsOption = None,
    body_surface_m2: SurfaceOption = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="In place of the problem's.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier plan in OUT.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Plan the operations of a problem in JSON: the optimizer alone."""
    from dataclasses import replace

    from rich.console import Console

    from clearlung import RESEARCH_NOTICE
    from clearlung.atomic import write_file
    from clearlung.output import check_file
    from clearlung.progress import Bar, Stopwatch
    from clearlung.result_folder import plan_json
    from clearlung.staging import load_protocol, read_assignments, read_problem, solve_plan
    from clearlung.summary import plan_summary, summary_table

    check_file(out, replace=force)
    given = read_problem(
        problem,
        None if protocol is None else load_protocol(protocol),
        choose=choose,
        assignments=None if assignments is None else read_assignments(assignments),
        body_surface_m2=body_surface_m2,
    )
    if seed is not None:
        given = replace(given, seed=seed)
    with Bar(1) as bar, Stopwatch(bar).phase("staging"):
        plan = solve_plan(given)
    write_file(out, lambda path: path.write_text(plan_json(plan), encoding="utf-8"))
    if as_json:
        print_json({"out": str(out)} | plan_summary(plan))
        return
    console = Console()
    console.print(summary_table([plan]))
    for warning in plan.warnings:
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Plan: {out}", highlight=False, soft_wrap=True)
