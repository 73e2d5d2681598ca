"""``clearlung resect``: what each resection takes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clearlung.cli_values import (
    AnatomyOption,
    CaseOption,
    ForceOption,
    JsonOption,
    LabelsOption,
    OfflineOption,
    OutOption,
    ReviewedOption,
    SeriesOption,
    ThickOption,
    print_json,
    stem,
)


def resect(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SCAN|OUT",
            help="DICOM folder or .zip, .nii[.gz], .nrrd, .mha, or .csv; or what clearlung nodules left.",
        ),
    ],
    case: CaseOption = None,
    protocol: Annotated[
        str, typer.Option("--protocol", help="A shipped protocol, or a TOML file: its techniques.")
    ] = "high-volume",
    nodules: ReviewedOption = None,
    out: OutOption = None,
    series: SeriesOption = None,
    allow_thick: ThickOption = False,
    anatomy_from: AnatomyOption = None,
    anatomy_labels: LabelsOption = None,
    offline: OfflineOption = False,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say what each resection takes: every specimen, its margins, what remains, function after it."""
    from clearlung.anatomy import parse_source
    from clearlung.casefile import Case, load_case
    from clearlung.output import check_target
    from clearlung.progress import Bar, Stopwatch
    from clearlung.resection_folder import write_resection
    from clearlung.resection_jobs import RESECT_PHASES, is_nodule_folder, make_resection
    from clearlung.resection_summary import resection_summary, show_resection
    from clearlung.staging import load_protocol
    from clearlung.workflow import PlanRequest

    listed = source.suffix.lower() == ".csv"
    if (listed or is_nodule_folder(source)) and (series or anatomy_from or nodules):
        raise typer.BadParameter("--series, --anatomy and --nodules belong to a scan")
    if nodules is not None and anatomy_from:
        raise typer.BadParameter("--nodules brings its own anatomy")
    request = PlanRequest(
        source=source,
        protocol=load_protocol(protocol),
        case=load_case(case) if case else Case(),
        series=series,
        allow_thick=allow_thick,
        anatomy_source=parse_source(anatomy_from, anatomy_labels, offline=offline),
        nodules=nodules,
    )
    folder = out or Path(f"{stem(source)}-specimens")
    check_target(folder, replace=force)
    with Bar(len(RESECT_PHASES)) as bar:
        watch = Stopwatch(bar)
        made = make_resection(request, watch)
        options = {"protocol": request.protocol.name, "allow_thick": allow_thick, "series": series}
        record = write_resection(
            made,
            folder,
            options=options | {"anatomy": request.anatomy_source.name},
            replace=force,
            watch=watch,
        )
    if as_json:
        print_json({"out": str(folder)} | resection_summary(record))
    else:
        show_resection(record, folder)
