"""What a folder keeps so that its report can be written anew, and what its report is written from.

A plan's pictures need the scan's projections and the nodules' places, and nothing else of the scan: they are
kept in ``report.npz``. What is found out later comes into the report that way, without the scan.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from clearlung.comparison_record import ComparisonRecord
from clearlung.errors import CaseConflict, OutputError, ProblemError
from clearlung.manifest import InputFile, file_sha256, read_manifest, renew_manifest
from clearlung.nodules import COLUMNS, NoduleTable, sphere_volume_mm3
from clearlung.output import check_target, folder_all_or_nothing
from clearlung.packed import read_packed, write_packed
from clearlung.perfusion_outlook import perfusion_pages
from clearlung.planned_folder import read_planned
from clearlung.report import (
    GRAY_STEPS,
    Backdrop,
    LungViews,
    ReportInput,
    Revision,
    ScanFacts,
    write_report,
)
from clearlung.staging import Estimates, Plan, Replan, StagingProblem, StressRecord

KEPT = "report.npz"
"""What a report needs besides the plan."""
STRESS, COMPARISON, REPLAN, PROMISED = "stress.json", "comparison.json", "replan.json", "promised-plan.json"
"""Results that a report shows where they lie in its folder."""

_Record = TypeVar("_Record", bound=BaseModel)

TITLE = "Staged removal of lung metastases"
"""Heading of a report unless another is given."""


def keep_report(report: ReportInput, folder: Path) -> None:
    """Write ``report.npz``: what :func:`read_report` needs besides ``plan.json``.

    Parameters
    ----------
    report
        What the report is written from.
    folder
        An existing folder.
    """
    arrays: dict[str, NDArray[Any]] = {f"nodules.{name}": getattr(report.nodules, name) for name in COLUMNS}
    words: dict[str, Any] = {
        "title": report.title,
        "source": report.source,
        "created": report.created,
        "comparison": [plan.model_dump(mode="json") for plan in report.comparison],
    }
    if report.lungs is not None:
        words["lungs"] = _keep_lungs(report.lungs, arrays)
    write_packed(folder / KEPT, arrays, words)


def kept_report(folder: Path) -> ReportInput | None:
    """Read what a folder's report was drawn from, without any result; None where that was not kept.

    Raises
    ------
    ProblemError, OutputError
        As for :func:`read_report`.
    """
    if not (folder / KEPT).is_file():
        return None
    plan = read_planned(folder)[1]
    return None if plan is None else _read_kept(folder, plan)


def read_report(folder: Path, estimates: Estimates | None = None) -> ReportInput:
    """Read what a folder's report is written from, with the results that lie in it.

    Parameters
    ----------
    folder
        A folder with ``plan.json`` and ``problem.json``; where ``report.npz`` is missing, the report has a
        schematic in place of maps. ``stress.json``, ``comparison.json`` and, of a plan of what is left,
        ``replan.json`` with ``promised-plan.json`` are shown where they are there.
    estimates
        Of the problem in the folder, where it has been at hand: what is unseen is not estimated again.

    Raises
    ------
    ProblemError
        If plan, problem or a result cannot be read.
    OutputError
        If ``report.npz`` is damaged.
    CaseConflict
        If a result belongs to another plan.
    """
    problem, plan = read_planned(folder)
    if plan is None:
        raise ProblemError("plan.json", f"is missing in {folder}: name a folder that clearlung plan left")
    if estimates is not None:
        problem = replace(problem, estimates=estimates)
    report = _read_kept(folder, plan) if (folder / KEPT).is_file() else _bare(problem, plan, folder)
    stress = _read(StressRecord, folder / STRESS)
    comparison = _read(ComparisonRecord, folder / COMPARISON)
    record, promised = _read(Replan, folder / REPLAN), _read(Plan, folder / PROMISED)
    if stress is not None and [held.operation for held in stress.operations] != [
        operation.number for operation in plan.operations
    ]:
        raise CaseConflict(f"{folder / STRESS} is of another plan: run clearlung stress anew")
    return replace(
        report,
        stress=stress,
        perfusions=perfusion_pages(problem, plan),
        curve=None if comparison is None or comparison.curve is None else comparison.curve.drawn(),
        revision=None if record is None or promised is None else Revision(promised, record),
    )


def renew_report(folder: Path, *, stress: Path | None = None, comparison: Path | None = None) -> ReportInput:
    """Write a folder's report anew, with every result that lies in the folder or is given.

    Parameters
    ----------
    folder
        A folder that ``clearlung plan``, ``clearlung demo`` or ``clearlung replan`` wrote. The given results
        are copied into it, and its manifest is brought up to date; all or nothing.
    stress, comparison
        Folders that ``clearlung stress`` and ``clearlung compare`` wrote of this folder's plan and problem.

    Returns
    -------
    ReportInput
        What the report was written from.

    Raises
    ------
    ProblemError
        If something in a folder cannot be read.
    CaseConflict
        If a result belongs to another plan or problem.
    OutputError
        If a folder holds no result, or cannot be written.

    Examples
    --------
    >>> renew_report(Path("plan"), stress=Path("stress"))  # doctest: +SKIP
    """
    read_manifest(folder)
    check_target(folder, replace=True)
    given = [
        _given(place, name, folder / against)
        for place, name, against in ((stress, STRESS, "plan.json"), (comparison, COMPARISON, "problem.json"))
        if place is not None
    ]
    with folder_all_or_nothing(folder, replace=True) as work:
        shutil.copytree(folder, work, symlinks=True, dirs_exist_ok=True)
        for path in given:
            shutil.copyfile(path, work / path.name)
        report = read_report(work)
        write_report(report, work)
        inputs = [InputFile(kind=path.stem, sha256=file_sha256(path)) for path in given]
        renew_manifest(work, inputs)
    return report


def rest_report(
    rest: StagingProblem, promised: Plan, record: Replan, known: ReportInput | None, created: str
) -> ReportInput:
    """Return what the report of a plan of what is left is written from.

    Parameters
    ----------
    rest
        The problem of what is left.
    promised, record
        The promised plan, and what is left of it.
    known
        What the report of the promised plan, or of the new scan, was written from; None where that was not
        kept: the report then has a schematic in place of maps. Lesions that it does not know have no place.
    created
        The day that the report bears.
    """
    return ReportInput(
        plan=record.plan,
        nodules=_nodules_of(rest, None if known is None else known.nodules),
        lungs=None if known is None else known.lungs,
        title=f"{TITLE if known is None else known.title}: what is left",
        source=_source(rest) if known is None else known.source,
        created=created,
        revision=Revision(promised, record),
        perfusions=perfusion_pages(rest, record.plan),
    )


def _given(place: Path, name: str, against: Path) -> Path:
    """Return a result's file, once it is certain that it was made of this plan or problem."""
    manifest = read_manifest(place)
    kind = against.stem
    made_of = {entry.sha256 for entry in manifest.inputs if entry.kind == kind}
    if not (place / name).is_file():
        raise OutputError(f"{place} holds no {name}: name a folder that clearlung {Path(name).stem} wrote")
    if file_sha256(against) not in made_of:
        raise CaseConflict(f"{place / name} was made of another {kind} than {against}: make it anew")
    return place / name


def _read(kind: type[_Record], path: Path) -> _Record | None:
    if not path.is_file():
        return None
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError(path.name, f"cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ProblemError(f"{path.name} {where}", str(first["msg"])) from error


def _keep_lungs(lungs: LungViews, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Add the projections to the arrays; return the rest in words."""
    arrays["to_places"] = lungs.to_places
    for name, behind in lungs.backdrops.items():
        if behind.gray is not None:
            steps = np.round(np.nan_to_num(behind.gray) * GRAY_STEPS).astype(np.uint8)
            arrays[f"{name}.gray"] = steps
            arrays[f"{name}.seen"] = np.isfinite(behind.gray)
        for part, masks in (("lung", behind.lungs), ("lobe", behind.lobes)):
            arrays.update({f"{name}.{part}.{key}": mask for key, mask in masks.items()})
    scan = lungs.scan
    return {
        "extents_mm": {name: behind.extent_mm for name, behind in lungs.backdrops.items()},
        "lobe_method": lungs.lobe_method,
        "scan": None if scan is None else vars(scan),
    }


def _read_kept(folder: Path, plan: Plan) -> ReportInput:
    arrays, words = read_packed(folder / KEPT)
    try:
        columns: dict[str, Any] = {name: arrays[f"nodules.{name}"] for name in COLUMNS}
        nodules = NoduleTable(**columns)
        lungs = None if "lungs" not in words else _read_lungs(arrays, words["lungs"])
        return ReportInput(
            plan=plan,
            nodules=nodules,
            lungs=lungs,
            title=words["title"],
            source=words["source"],
            created=words["created"],
            comparison=tuple(Plan.model_validate(one) for one in words["comparison"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OutputError(f"{folder / KEPT} is damaged: make the folder anew") from error


def _read_lungs(arrays: dict[str, NDArray[Any]], words: dict[str, Any]) -> LungViews:
    def masks(view: str, part: str) -> dict[Any, NDArray[np.bool_]]:
        start = f"{view}.{part}."
        return {name.removeprefix(start): mask for name, mask in arrays.items() if name.startswith(start)}

    def gray(view: str) -> NDArray[np.float32] | None:
        if f"{view}.gray" not in arrays:
            return None
        steps = (arrays[f"{view}.gray"] / GRAY_STEPS).astype(np.float32)
        return np.where(arrays[f"{view}.seen"], steps, np.float32(np.nan))

    backdrops = {
        view: Backdrop(
            cast(tuple[float, float, float, float], tuple(extent)),
            gray(view),
            masks(view, "lung"),
            masks(view, "lobe"),
        )
        for view, extent in words["extents_mm"].items()
    }
    scan = words["scan"]
    facts = None
    if scan is not None:
        facts = ScanFacts(scan["series"], tuple(scan["spacing_mm"]), scan["sha256"], tuple(scan["warnings"]))
    return LungViews(backdrops, arrays["to_places"], words["lobe_method"], facts)


def _bare(problem: StagingProblem, plan: Plan, folder: Path) -> ReportInput:
    """Return a report's input from plan and problem alone."""
    created = read_manifest(folder).created[:10]
    return ReportInput(plan, _nodules_of(problem, None), None, TITLE, _source(problem), created)


def _source(problem: StagingProblem) -> str:
    return f"A problem of {len(problem.lesions)} lesions"


def _nodules_of(problem: StagingProblem, known: NoduleTable | None) -> NoduleTable:
    """Return a problem's lesions as nodules: as they are known, and where they are not, without a place."""
    lesions = problem.lesions
    count = len(lesions)
    rows = {} if known is None else {number: row for row, number in enumerate(known.id.tolist())}

    def column(name: str, otherwise: NDArray[Any]) -> NDArray[Any]:
        if known is None:
            return otherwise
        values = getattr(known, name)
        return np.array(
            [
                values[rows[number]] if number in rows else blank
                for number, blank in zip(lesions.id.tolist(), otherwise.tolist(), strict=True)
            ],
            dtype=values.dtype,
        )

    nothing = np.full(count, np.nan)
    return NoduleTable(
        id=lesions.id,
        x_mm=column("x_mm", nothing),
        y_mm=column("y_mm", nothing),
        z_mm=column("z_mm", nothing),
        side=lesions.side,
        lobe=lesions.lobe,
        lobe_confidence=column("lobe_confidence", np.ones(count)),
        diameter_mm=lesions.diameter_mm,
        volume_mm3=sphere_volume_mm3(lesions.diameter_mm),
        depth_mm=lesions.depth_mm,
        probability=column("probability", np.ones(count)),
        mean_hu=nothing,
        max_hu=nothing,
        calcified=np.zeros(count, dtype=bool),
        vdt_days=lesions.vdt_days,
    )
