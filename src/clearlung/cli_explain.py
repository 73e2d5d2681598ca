"""``clearlung explain`` and ``clearlung replan``: why a plan is as it is, and what is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlung.cli_values import ForceOption, JsonOption, OutOption, print_json

PlannedArgument = Annotated[
    Path,
    typer.Argument(metavar="PLAN", help="A folder that clearlung plan left, or a problem.json."),
]


def explain(
    plan: PlannedArgument,
    lesion: Annotated[
        list[int] | None,
        typer.Option("--lesion", metavar="ID", help="Why this lesion is where it is; repeatable."),
    ] = None,
    operations: Annotated[
        int | None,
        typer.Option("--operations", metavar="N", min=0, help="Why N operations are not enough."),
    ] = None,
    lesions_left: Annotated[
        int | None,
        typer.Option("--left", metavar="N", min=0, help="Why no plan leaves N lesions or fewer."),
    ] = None,
    gains: Annotated[bool, typer.Option("--gains", help="What one unit more of each limit gains.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Judge the plan as it stands, without solving anew.")
    ] = False,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="JSON file for the answers.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say why a lesion is in its operation, why there is no better plan, and what would allow one."""
    from rich.console import Console

    from clearlung import RESEARCH_NOTICE
    from clearlung.atomic import write_file
    from clearlung.explanation import Question
    from clearlung.explanation import explain as answer
    from clearlung.explanation_summary import explanation_lines
    from clearlung.output import check_file
    from clearlung.planned_folder import read_planned
    from clearlung.staging import Wanted

    if out is not None:
        check_file(out, replace=force)
    problem, made = read_planned(plan)
    strange = sorted(set(lesion or ()) - set(problem.lesions.id.tolist()))
    if strange:
        raise typer.BadParameter(f"there is no lesion {strange[0]}", param_hint="--lesion")
    asked = operations is not None or lesions_left is not None
    # Who asks nothing is told why there is no complete plan, or that there is one.
    wanted = (
        Wanted(operations_max=operations, lesions_left_max=lesions_left or 0)
        if asked or not (lesion or gains)
        else None
    )
    question = Question(tuple(lesion or ()), wanted, gains, resolve=not quick)
    with Console(stderr=True).status("") as status:
        told = answer(problem, made, question, status.update)
    text = told.model_dump_json(indent=2) + "\n"
    if out is not None:
        write_file(out, lambda path: path.write_text(text, encoding="utf-8"))
    if as_json:
        print_json(told.model_dump(mode="json"))
        return
    console = Console()
    for line in explanation_lines(told) or ["There is such a plan: no limit is in the way."]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    for wish in problem.assignments:
        if set(wish.lesions) & set(lesion or ()):
            console.print(f"The surgeon: {wish.says}.", highlight=False, markup=False, soft_wrap=True)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)


def replan(
    plan: PlannedArgument,
    done: Annotated[
        Path,
        typer.Option("--done", metavar="FILE", help="What was done: JSON, see docs/done.schema.json."),
    ],
    scan: Annotated[
        Path | None,
        typer.Option(
            "--scan", metavar="PROBLEM", help="The problem of a new scan, its lesions numbered as before."
        ),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Plan what is left after what was done, changing as little as possible of what was promised."""
    from clearlung.cli_values import stem
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.replan_folder import REPLAN_PHASES, replan_from_files, write_replan
    from clearlung.replan_summary import replan_summary, show_replan

    folder = out or Path(f"{stem(plan)}-replan")
    check_target(folder, replace=force)
    with Bar(len(REPLAN_PHASES)) as bar:
        watch = Stopwatch(bar)
        made = replan_from_files(plan, done, scan, watch)
        write_replan(made, folder, replace=force, watch=watch)
    if as_json:
        print_json({"out": str(folder)} | replan_summary(made.record))
    else:
        show_replan(made.record, folder)
