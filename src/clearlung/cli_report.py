"""``clearlung report``: a folder's report anew, with what was found out since."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlung.cli_values import JsonOption, print_json


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="OUT", help="A folder that clearlung plan, demo or replan left.")
    ],
    stress: Annotated[
        Path | None, typer.Option("--stress", metavar="OUT", help="What clearlung stress left of this plan.")
    ] = None,
    comparison: Annotated[
        Path | None,
        typer.Option("--comparison", metavar="OUT", help="What clearlung compare left of this problem."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a plan's report anew, with its stress test and what fewer operations cost."""
    from rich.console import Console

    from clearlung import RESEARCH_NOTICE
    from clearlung.report_folder import renew_report

    renewed = renew_report(folder, stress=stress, comparison=comparison)
    shown = {
        "stress": renewed.stress is not None,
        "tradeoff": renewed.curve is not None,
        "replan": renewed.revision is not None,
    }
    if as_json:
        print_json({"out": str(folder), "shows": shown})
        return
    console = Console()
    words = ", ".join(name for name, there in shown.items() if there) or "the plan alone"
    console.print(f"Shows: {words}.", highlight=False)
    console.print(RESEARCH_NOTICE, style="bold", highlight=False)
    console.print(f"Report: {folder / 'report.html'}", highlight=False, soft_wrap=True)
