"""``clearlung perfuse``: what one isolated perfusion of a lung gives, does and may harm."""

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


def perfuse(
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SCAN|OUT]",
            help="DICOM folder or .zip, .nii[.gz], .nrrd, .mha, or .csv; or what clearlung nodules, anatomy"
            " or plan left. Without it: published mean lungs.",
        ),
    ] = None,
    regimen: Annotated[
        str | None,
        typer.Option(
            "--regimen",
            help="petrov-melphalan-50, petrov-melphalan-45, petrov-melphalan-45-42c (as a warning),"
            " petrov-cisplatin-135, antwerp-melphalan-45, burt-doxorubicin-40 or johnston-doxorubicin-10."
            " Without it: the protocol's own.",
        ),
    ] = None,
    side: Annotated[str | None, typer.Option("--side", help="right or left: the whole lung.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target", help="What is perfused: right, left, right-upper-middle or left-upper; or --side."
        ),
    ] = None,
    dose_mode: Annotated[
        str | None,
        typer.Option(
            "--dose-mode",
            help="fixed, body_surface, per_ml; or by a hypothesis: perfused_volume, lung_share. Without it:"
            " as published.",
        ),
    ] = None,
    dose_mg: Annotated[float | None, typer.Option("--dose-mg", help="The dose itself, mg.")] = None,
    temperature_c: Annotated[
        float | None, typer.Option("--temperature-c", help="Of the perfusate, °C.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Of perfusion.")] = None,
    medium: Annotated[
        str | None, typer.Option("--medium", help="saline, ringer, glucose, culture or plasma.")
    ] = None,
    case: CaseOption = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            help="A shipped protocol, or a TOML file: its limits and assumptions. Without it: the limits of"
            " the regimen's own center.",
        ),
    ] = None,
    nodules: ReviewedOption = None,
    out: OutOption = None,
    series: SeriesOption = None,
    allow_thick: ThickOption = False,
    anatomy_from: AnatomyOption = None,
    anatomy_labels: LabelsOption = None,
    offline: OfflineOption = False,
    seed: Annotated[int, typer.Option("--seed", help="Seed of everything random.", min=0)] = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Work out one isolated perfusion: dose, course of the drug, effect on metastases by size, and harm.

    Without a scan and without --out nothing is written.
    """
    from clearlung.anatomy import parse_source
    from clearlung.casefile import Case, load_case
    from clearlung.output import check_target
    from clearlung.perfusion import RegimenChanges, find_target
    from clearlung.perfusion_folder import write_perfusion
    from clearlung.perfusion_jobs import PERFUSE_PHASES, PerfusionRequest, make_perfusion
    from clearlung.perfusion_lungs import ScanOptions, kind_of_source
    from clearlung.perfusion_record import describe_perfusion
    from clearlung.perfusion_summary import perfusion_summary, show_perfusion
    from clearlung.progress import Bar, Stopwatch
    from clearlung.staging import load_protocol

    if kind_of_source(source) != "scan" and (series or anatomy_from or nodules):
        raise typer.BadParameter("--series, --anatomy and --nodules belong to a scan")
    if nodules is not None and anatomy_from:
        raise typer.BadParameter("--nodules brings its own anatomy")
    changes = {
        "dose_mode": dose_mode,
        "dose_mg": dose_mg,
        "temperature_c": temperature_c,
        "minutes": minutes,
        "medium": medium,
    }
    request = PerfusionRequest(
        protocol=load_protocol(protocol or "high-volume"),
        keep_limits=protocol is not None,
        regimen=regimen,
        target=target,
        side=side,
        source=source,
        scan=ScanOptions(
            series=series,
            allow_thick=allow_thick,
            anatomy_source=parse_source(anatomy_from, anatomy_labels, offline=offline),
            nodules=nodules,
        ),
        case=load_case(case) if case else Case(),
        changes=RegimenChanges.of(**changes),
        seed=seed,
    )
    folder = out
    if folder is None and source is not None:
        folder = Path(f"{stem(source)}-perfusion-{find_target(target, side).name}")
    if folder is not None:
        check_target(folder, replace=force)
    with Bar(len(PERFUSE_PHASES)) as bar:
        watch = Stopwatch(bar)
        made = make_perfusion(request, watch)
        if folder is None:
            record = describe_perfusion(made)
        else:
            options = {"regimen": made.regimen.name, "target": made.target.name, "protocol": protocol}
            changed = {name: value for name, value in changes.items() if value is not None}
            read = {"allow_thick": allow_thick, "series": series, "anatomy": request.scan.anatomy_source.name}
            record = write_perfusion(
                made, folder, options=options | changed | read, replace=force, watch=watch
            )
    if as_json:
        written = {} if folder is None else {"out": str(folder)}
        print_json(written | perfusion_summary(record))
    else:
        show_perfusion(record, folder)
