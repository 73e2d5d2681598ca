"""``clearlung replan``: from what was done to a folder with what is left."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from clearlung.errors import ProblemError
from clearlung.manifest import InputFile, file_sha256, published_schema, write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.planned_folder import read_planned
from clearlung.progress import Stopwatch
from clearlung.report import ReportInput, replan_png, write_report
from clearlung.report_folder import PROMISED, REPLAN, keep_report, kept_report, rest_report
from clearlung.staging import Done, Plan, Replan, StagingProblem, problem_json, read_done, rest_problem
from clearlung.staging import replan as plan_again

REPLAN_PHASES = ("planning", "files")
"""The phases of a run."""

COLUMNS = ("lesion", "promised_operation", "operation", "kind", "reason")
"""Columns of ``changes.csv``: one row for each lesion that is not where it was promised."""


@dataclass(frozen=True, eq=False)
class Replanned:
    """A plan of what is left with everything that it came from."""

    promised: Plan
    rest: StagingProblem
    record: Replan
    inputs: tuple[InputFile, ...]
    known: ReportInput | None
    """What the report of the promised plan, or of the new scan, was written from, where that was kept."""


def replan_from_files(
    source: Path, done: Path, scan: Path | None = None, watch: Stopwatch | None = None
) -> Replanned:
    """Plan again what is left of a plan in a folder.

    Parameters
    ----------
    source
        A folder with ``plan.json`` and ``problem.json``.
    done
        What was done, as JSON.
    scan
        The problem of a new scan.
    watch
        Times the phases.

    Raises
    ------
    ProblemError
        If the folder has no plan, or something in it cannot be read.
    CaseError
        If ``done`` cannot be read.
    CaseConflict
        If what was done does not belong to the plan.
    InfeasiblePlan
        If nothing of what is left can be done.
    """
    watch = watch or Stopwatch()
    problem, plan = read_planned(source)
    if plan is None:
        raise ProblemError("plan.json", "is missing: name a folder that clearlung plan left")
    told = read_done(done)
    scanned = None if scan is None else read_planned(scan)[0]
    with watch.phase("planning"):
        record = plan_again(problem, plan, told, scanned=scanned)
    files = [("plan", source / "plan.json"), ("problem", source / "problem.json"), ("done", done)]
    if scan is not None:
        files.append(("scan", scan / "problem.json" if scan.is_dir() else scan))
    inputs = tuple(InputFile(kind=kind, sha256=file_sha256(path)) for kind, path in files)
    rest = rest_problem(problem, plan, told) if scanned is None else scanned
    return Replanned(plan, rest, record, inputs, kept_report(source if scan is None else scan))


def write_replan(
    made: Replanned, folder: Path, *, replace: bool = False, watch: Stopwatch | None = None
) -> None:
    """Write what is left of a plan into a folder, all or nothing.

    Parameters
    ----------
    made
        What :func:`replan_from_files` returned.
    folder
        Becomes the result: ``replan.json``, ``changes.csv``, ``replan.png``, ``promised-plan.json``,
        ``manifest.json``, and the plan of what is left with its problem, ``plan.json`` and ``problem.json``,
        to be explained or planned on, and its ``report.html``, ``report.pdf``, ``plan.png``, ``report.npz``.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phases.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    record = made.record
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("files"):
            for name, text in (
                (REPLAN, record.model_dump_json(indent=2) + "\n"),
                (PROMISED, made.promised.model_dump_json(indent=2) + "\n"),
                ("plan.json", record.plan.model_dump_json(indent=2) + "\n"),
                ("problem.json", problem_json(made.rest)),
            ):
                (work / name).write_text(text, encoding="utf-8")
            _write_changes(record, work / "changes.csv")
            (work / "replan.png").write_bytes(replan_png(made.promised, record))
            day = created.date().isoformat()
            report = rest_report(made.rest, made.promised, record, made.known, day)
            keep_report(report, work)
            write_report(report, work)
        write_manifest(
            work,
            command="replan",
            created=created.isoformat(),
            options={"today_week": record.done.today_week},
            inputs=made.inputs,
            seed=record.plan.solver.seed,
            times=watch.times,
        )


def _write_changes(record: Replan, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for change in record.lesions:
            table.writerow(
                (
                    change.lesion,
                    "" if change.promised is None else change.promised,
                    "" if change.now is None else change.now,
                    change.kind,
                    change.reason,
                )
            )


def replan_schema() -> str:
    """Return the JSON schema of ``replan.json``, as published in ``docs/replan.schema.json``."""
    return published_schema(Replan, "Clearlung plan of what is left")


def done_schema() -> str:
    """Return the JSON schema of what was done, as published in ``docs/done.schema.json``."""
    return published_schema(Done, "Clearlung: what was done of a plan", mode="validation")
