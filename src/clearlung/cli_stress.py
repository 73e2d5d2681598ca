"""``clearlung stress``: how a plan fares when things turn out otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearlung.cli_values import ForceOption, JsonOption, OutOption, print_json, stem

if TYPE_CHECKING:
    from rich.table import Table

    from clearlung.staging import RobustRecord, StressRecord
    from clearlung.stress_folder import Stress


def stress(
    source: Annotated[
        Path, typer.Argument(metavar="PLAN", help="What clearlung plan left: the folder, or its plan.json.")
    ],
    problem: Annotated[
        Path | None,
        typer.Option("--problem", help="The plan's problem.json, where it does not lie beside the plan."),
    ] = None,
    scenarios: Annotated[int, typer.Option("--scenarios", help="How many.", min=1, max=100_000)] = 5000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)] = 0,
    confidence: Annotated[
        float,
        typer.Option("--confidence", help="Share of scenarios that reserves are stated for.", min=0, max=1),
    ] = 0.9,
    robust: Annotated[
        float | None,
        typer.Option(
            "--robust",
            metavar="CONFIDENCE",
            help="Plan anew with reserve, so that every limit holds in this share of scenarios.",
            min=0,
            max=1,
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option("--without", metavar="NAME", help="Leave one thing as planned, as growth; repeatable."),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how often a plan's limits and goals hold, what breaks first, and what reserve would mend it."""
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.stress_folder import STRESS_PHASES, StressRequest, make_stress, write_stress

    share = confidence if robust is None else robust
    if not 0 < share < 1:
        raise typer.BadParameter(f"a confidence lies between 0 and 1, not at {share:g}")
    request = StressRequest(
        source=source,
        problem=problem,
        scenarios=scenarios,
        seed=seed,
        confidence=share,
        without=tuple(without or ()),
        robust=robust is not None,
    )
    folder = out or Path(f"{stem(source if source.is_dir() else source.absolute().parent)}-stress")
    check_target(folder, replace=force)
    with Bar(len(STRESS_PHASES)) as bar:
        watch = Stopwatch(bar)
        made = make_stress(request, watch)
        options: dict[str, Any] = {
            "scenarios": scenarios,
            "confidence": share,
            "robust": robust is not None,
            "without": list(request.without),
        }
        write_stress(made, folder, options=options, replace=force, watch=watch)
    if as_json:
        print_json({"out": str(folder)} | _summary(made))
    else:
        _show(made, folder)


def _summary(made: Stress) -> dict[str, Any]:
    """Return what a caller needs at once; everything is in ``stress.json``."""
    record = made.record
    broken = [row for row in record.limits if row.short > 0]
    found: dict[str, Any] = {
        "scenarios": record.scenarios,
        "seed": record.seed,
        "confidence": record.confidence,
        "holds": record.holds.share,
        "breaks_first": record.breaks_first,
        "short": [
            {"operation": row.operation, "limit": row.limit, "short": row.short, "unit": row.unit}
            for row in broken
        ],
    }
    if made.robust is not None:
        robust = made.robust.record
        found["robust"] = {
            "status": robust.status,
            "reasons": robust.reasons,
            "reserve": robust.reserve,
            "holds": robust.holds,
            "operations": robust.operations,
            "weeks": robust.weeks,
        }
    return found


def _show(made: Stress, folder: Path) -> None:
    from rich.console import Console

    from clearlung import RESEARCH_NOTICE

    record, console = made.record, Console()
    console.print(_table(record))
    console.print(
        f"Every limit holds in {record.holds.share:.1%} of {record.scenarios} scenarios"
        f" (95 % interval {record.holds.low:.1%} to {record.holds.high:.1%}).",
        highlight=False,
    )
    for line in (*_first_lines(record), *_robust_lines(made.robust.record if made.robust else None)):
        console.print(line, highlight=False)
    for warning in record.warnings:
        console.print(f"  ! {warning}", style="yellow", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Picture: {folder / 'stress.png'}", highlight=False, soft_wrap=True)


def _table(record: StressRecord) -> Table:
    from rich.table import Column, Table

    right = [Column(name, justify="right") for name in ("Limit", "Planned", "5 to 95 %", "Holds", "Short by")]
    table = Table("Operation", "", *right)
    for row in record.limits:
        table.add_row(
            "plan" if row.operation is None else str(row.operation),
            row.title,
            f"{row.value:g} {row.unit}",
            f"{row.planned:.0f}",
            f"{row.low:.0f} to {row.high:.0f}",
            f"{row.holds.share:.0%}",
            f"{row.short:.0f}" if row.short >= 1 else f"{row.short:.1f}" if row.short else "",
            end_section=row is record.limits[-1],
        )
    table.caption = f"Short by: what is missing for {record.confidence:.0%} of the scenarios."
    return table


def _first_lines(record: StressRecord) -> list[str]:
    lines: list[str] = []
    titles = {row.limit: row.title for row in record.limits}
    for held in record.operations:
        if held.operation == record.breaks_first:
            lines.append(
                f"Operation {held.operation} is most often the first to break a limit"
                f" ({held.first.share:.0%}), as a rule by its {titles.get(held.first_limit or '', '')}."
            )
    alone = {
        spread.title: spread.alone.share for spread in record.spreads if spread.alone and spread.strength
    }
    worst = sorted(alone, key=alone.__getitem__)[:3]
    if worst and alone[worst[0]] < 1:
        words = "; ".join(f"{title} {alone[title]:.0%}" for title in worst)
        lines.append(f"Every limit holds if this alone varies: {words}.")
    return lines


def _robust_lines(record: RobustRecord | None) -> list[str]:
    if record is None:
        return []
    if record.status == "holds":
        kept = ", ".join(f"{name} {value:.3g}" for name, value in record.reserve.items() if value)
        return [
            f"With reserve ({kept or 'none needed'}): {record.operations} operations in {record.weeks} weeks;"
            f" every limit holds in {record.holds or 0:.1%}."
        ]
    words = "No plan can hold so often." if record.status == "impossible" else "No plan was found."
    return [" ".join((words, *record.reasons))]
