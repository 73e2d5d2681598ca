"""What a plan leaves on disk: tables, label maps, plan, ledger, report, manifest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from clearlung.casefile import open_ledger
from clearlung.comparison_record import ComparisonRecord
from clearlung.ct import write_volume
from clearlung.exchange import write_slicer_markups
from clearlung.manifest import published_schema, write_manifest
from clearlung.nodules import write_nodules
from clearlung.output import folder_all_or_nothing
from clearlung.progress import Stopwatch
from clearlung.report import LungViews, ReportInput, write_report
from clearlung.report_folder import COMPARISON, STRESS, TITLE, keep_report, read_report
from clearlung.staging import Plan, ProblemRecord, StressRecord, candidate_parts, problem_json
from clearlung.workflow import PlanResult


def write_result(
    result: PlanResult,
    folder: Path,
    *,
    command: str,
    options: dict[str, Any],
    title: str = TITLE,
    comparison: Sequence[Plan] = (),
    stress: StressRecord | None = None,
    compared: ComparisonRecord | None = None,
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> None:
    """Write everything that a plan consists of into a folder, all or nothing.

    Parameters
    ----------
    result
        What :func:`clearlung.workflow.make_plan` returned.
    folder
        Becomes the result: ``nodules.csv``; ``nodules.nii.gz`` and ``lungs.nii.gz`` on the scan's own grid,
        where there is a scan; ``plan.json``, ``problem.json``, ``ledger.jsonl``, ``nodules.mrk.json``,
        ``report.html``, ``report.pdf``, ``plan.png``, ``report.npz``, ``manifest.json``; with the results
        below also ``stress.json`` and ``comparison.json``.
    command, options
        For the manifest.
    title
        Of the report.
    comparison
        Plans under other protocols, shown side by side.
    stress, compared
        A stress test of the plan, and its trade-off curve, shown in the report; None for none.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phase.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("report"):
            write_nodules(result.nodules, work / "nodules.csv")
            _write_label_maps(result, work)
            (work / "plan.json").write_text(plan_json(result.plan), encoding="utf-8")
            candidates = candidate_parts(result.excision.candidates, result.excision.cost)
            (work / "problem.json").write_text(problem_json(result.problem, candidates), encoding="utf-8")
            events = open_ledger(result.nodules, result.plan)
            (work / "ledger.jsonl").write_text("".join(e.line() + "\n" for e in events), encoding="utf-8")
            write_slicer_markups(result.nodules, result.plan, work / "nodules.mrk.json")
            for name, record in ((STRESS, stress), (COMPARISON, compared)):
                if record is not None:
                    (work / name).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
            report = ReportInput(
                plan=result.plan,
                nodules=result.nodules,
                lungs=None if result.anatomy is None else LungViews.of(result.anatomy, result.scan),
                title=title,
                source=describe_source(result),
                created=created.date().isoformat(),
                comparison=tuple(comparison),
            )
            keep_report(report, work)
            write_report(read_report(work, result.problem.estimates), work)
        write_manifest(
            work,
            command=command,
            created=created.isoformat(),
            options=options,
            inputs=result.inputs,
            seed=result.plan.solver.seed,
            times=watch.times,
        )


def plan_json(plan: Plan) -> str:
    """Return a plan as the text of ``plan.json``."""
    return plan.model_dump_json(indent=2) + "\n"


def plan_schema() -> str:
    """Return the JSON schema of ``plan.json``, as published in ``docs/plan.schema.json``."""
    return published_schema(Plan, "Clearlung plan")


def problem_schema() -> str:
    """Return the JSON schema of ``problem.json``, as published in ``docs/problem.schema.json``."""
    return published_schema(ProblemRecord, "Clearlung staging problem", mode="validation")


def describe_source(result: PlanResult) -> str:
    """Say in words what was planned on, without anybody's identity."""
    if result.scan is None:
        return f"A radiologist's list of {len(result.nodules)} nodules"
    z, y, x = result.scan.volume.shape
    sz, sy, sx = result.scan.volume.spacing_mm
    return f"{result.scan.series}, {x} × {y} × {z} voxels of {sx:.2f} × {sy:.2f} × {sz:.2f} mm"


def _write_label_maps(result: PlanResult, folder: Path) -> None:
    scan, anatomy, labels = result.scan, result.anatomy, result.nodules.labels
    if scan is None or anatomy is None or labels is None:
        return
    full = np.zeros(scan.volume.shape, dtype=np.uint16)
    full[anatomy.box] = labels.array
    write_volume(scan.volume.with_array(full), folder / "nodules.nii.gz", scan.native)
    lungs = scan.volume.with_array(anatomy.full_lungs(scan.volume.shape))
    write_volume(lungs, folder / "lungs.nii.gz", scan.native)
