"""The lungs that a perfusion is worked out for: of a scan or an earlier result, or published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from clearlung.anatomy import LOBE_LABELS, LOBES, Anatomy, AnatomySource, Lobe, segment_anatomy
from clearlung.anatomy_folder import AnatomyRecord
from clearlung.ct import Volume, read_scan
from clearlung.errors import OutputError
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.manifest import InputFile, file_sha256, inputs_of
from clearlung.nodule_folder import RECORD, open_nodule_folder
from clearlung.nodule_jobs import anatomy_of, planned_nodules
from clearlung.nodules import NoduleOptions, NoduleTable, find_nodules, read_nodule_list
from clearlung.perfusion import (
    LobeVolumes,
    LungVolumes,
    Seen,
    lungs_of_scan,
    lungs_of_volumes,
    reference_lungs,
)
from clearlung.progress import Stopwatch
from clearlung.staging import Protocol, StagingProblem, Unseen, read_problem
from clearlung.unseen_of_case import unseen_on_scan

NODULES_COUNTED = "What the nodules take up is counted as lung: their outlines are not known here."
"""What is said where nodules could not be left out."""

_ANATOMY, _PROBLEM = "anatomy.json", "problem.json"


@dataclass(frozen=True)
class ScanOptions:
    """How a scan is read, where there is one.

    Parameters
    ----------
    series, allow_thick, anatomy_source
        As for :class:`clearlung.workflow.PlanRequest`.
    nodules
        A folder of its reviewed nodules; None: they are found.
    """

    series: str | None = None
    allow_thick: bool = False
    anatomy_source: AnatomySource = field(default_factory=AnatomySource)
    nodules: Path | None = None


@dataclass(frozen=True, eq=False)
class PatientLungs:
    """Lungs with what is known to lie in them.

    Parameters
    ----------
    lungs
        Volume and tissue of each lobe.
    seen
        How many nodules each lobe is known to have; None where nobody looked.
    unseen
        What the CT does not show is estimated from; None where no nodule is known.
    source
        What they are, in words: never the patient's identity.
    inputs
        For the manifest.
    warnings
        What a reader must know of them.
    """

    lungs: LungVolumes
    seen: Mapping[Lobe, int] | None = None
    unseen: Unseen | None = None
    source: str = ""
    inputs: tuple[InputFile, ...] = ()
    warnings: tuple[str, ...] = ()


def kind_of_source(source: Path | None) -> str:
    """Return what a source is: "reference", "list", "nodules", "plan", "anatomy" or "scan"."""
    if source is None:
        return "reference"
    if source.suffix.lower() == ".csv":
        return "list"
    files = {"nodules": RECORD, "plan": _PROBLEM, "anatomy": _ANATOMY}
    return next((kind for kind, name in files.items() if (source / name).is_file()), "scan")


def find_lungs(
    source: Path | None,
    protocol: Protocol,
    options: ScanOptions | None = None,
    watch: Stopwatch | None = None,
) -> PatientLungs:
    """Return the lungs that a perfusion is worked out for.

    Parameters
    ----------
    source
        A scan; a folder that ``clearlung nodules``, ``plan`` or ``anatomy`` wrote; a radiologist's list; or
        None. Without a scan tissue is known only from the anatomy's folder, and otherwise a published mean;
        a list and None mean the reference lungs.
    protocol
        For its evidence and the detector's operating point.
    options
        How a scan is read.
    watch
        Times the phases.

    Raises
    ------
    ScanRejected, AnatomyError, NoduleListError, OutputError, ProblemError, ReviewError
        If what was given cannot be worked on.
    """
    watch, book = watch or Stopwatch(), protocol.book()
    if source is None:
        return PatientLungs(reference_lungs(book), source="no scan: published mean lungs")
    match kind_of_source(source):
        case "list":
            return _of_list(source, book)
        case "nodules":
            return _of_nodules(source, protocol, book, watch)
        case "plan":
            return _of_plan(source, book)
        case "anatomy":
            return _of_anatomy(source)
        case _:
            return _of_scan(source, protocol, book, options or ScanOptions(), watch)


def _of_list(source: Path, book: EvidenceBook) -> PatientLungs:
    nodules = read_nodule_list(source)
    return PatientLungs(
        reference_lungs(book),
        seen=_by_lobe(nodules),
        unseen=Unseen.of(Seen.of_nodules(nodules)) if len(nodules) else None,
        source=f"a radiologist's list of {len(nodules)} nodules",
        inputs=(InputFile(kind="nodule list", sha256=file_sha256(source)),),
    )


def _of_scan(
    source: Path, protocol: Protocol, book: EvidenceBook, options: ScanOptions, watch: Stopwatch
) -> PatientLungs:
    with watch.phase("scan"):
        scan = read_scan(source, series=options.series, allow_thick=options.allow_thick)
    inputs = inputs_of(scan.source, scan.input_sha256, options.anatomy_source.path)
    if options.nodules is None:
        with watch.phase("anatomy"):
            anatomy = segment_anatomy(scan, options.anatomy_source)
        with watch.phase("nodules"):
            wanted = NoduleOptions(false_per_scan=protocol.nodules.false_per_scan)
            nodules = find_nodules(scan, anatomy, wanted)
    else:
        with watch.phase("anatomy"):
            opened = open_nodule_folder(options.nodules)
            opened.found.check_scan(scan)
            anatomy = anatomy_of(opened, scan)
        with watch.phase("nodules"):
            nodules = planned_nodules(opened, protocol.nodules.false_per_scan)
        inputs = (*inputs, InputFile(kind="review", sha256=file_sha256(options.nodules / RECORD)))
    lungs = lungs_of_scan(scan, anatomy, book, nodules)
    return PatientLungs(
        lungs,
        seen=_by_lobe(nodules),
        unseen=_unseen(nodules, lungs, scan.volume, reviewed=options.nodules is not None),
        source=scan.series,
        inputs=inputs,
        warnings=(*scan.warnings, *_conditions(anatomy), *_unreviewed(nodules)),
    )


def _of_nodules(folder: Path, protocol: Protocol, book: EvidenceBook, watch: Stopwatch) -> PatientLungs:
    with watch.phase("anatomy"):
        opened = open_nodule_folder(folder)
        anatomy = opened.anatomy()
    nodules = planned_nodules(opened, protocol.nodules.false_per_scan)
    found = opened.found
    lobe_ml = {lobe: anatomy.lobe_ml(lobe) for lobe in LOBES}
    if nodules.labels is not None:
        taken = np.bincount(anatomy.lobes.array[nodules.labels.array > 0], minlength=len(LOBES) + 1)
        for lobe, label in LOBE_LABELS.items():
            lobe_ml[lobe] -= float(taken[label]) * anatomy.lobes.voxel_ml
    lungs = lungs_of_volumes(lobe_ml, book)
    return PatientLungs(
        lungs,
        seen=_by_lobe(nodules),
        unseen=_unseen(nodules, lungs, found.grid),
        source=found.series,
        inputs=(
            *inputs_of(found.source, found.scan_sha256),
            InputFile(kind="review", sha256=file_sha256(folder / RECORD)),
        ),
        warnings=(*found.warnings, *_conditions(anatomy), *_unreviewed(nodules)),
    )


def _of_plan(folder: Path, book: EvidenceBook) -> PatientLungs:
    """Take the lobes' volumes and the lesions as a plan keeps them; its lungs may be a list's."""
    problem = read_problem(folder)
    patient = problem.patient
    on_scan = patient is not None and patient.lungs.share_method == "ct volume"
    if patient is not None and on_scan:
        lungs = lungs_of_volumes(dict(zip(LOBES, patient.lobe_ml.tolist(), strict=True)), book)
        lungs = replace(lungs, notes=(*lungs.notes, NODULES_COUNTED))
    else:
        lungs = reference_lungs(book)
    return PatientLungs(
        lungs,
        seen=_by_lobe(problem.lesions),
        unseen=_unseen_in_plan(problem),
        source=f"a plan of {len(problem.lesions)} nodules",
        inputs=(InputFile(kind="problem", sha256=file_sha256(folder / _PROBLEM)),),
        warnings=problem.warnings if on_scan else (),
    )


def _of_anatomy(folder: Path) -> PatientLungs:
    path = folder / _ANATOMY
    try:
        record = AnatomyRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise OutputError(f"{path} cannot be read: make it again with clearlung anatomy") from error
    lobes = tuple(
        LobeVolumes(lobe, record.lobes[lobe].volume_ml, record.lobes[lobe].tissue_ml)
        for lobe in LOBES
        if lobe in record.lobes and record.lobes[lobe].volume_ml > 0
    )
    return PatientLungs(
        LungVolumes(lobes, source="scan", notes=(NODULES_COUNTED,)),
        source=record.series,
        inputs=(InputFile(kind="anatomy", sha256=file_sha256(path)),),
        warnings=(*record.warnings, *(condition.sentence for condition in record.conditions)),
    )


def _unseen(
    nodules: NoduleTable, lungs: LungVolumes, grid: Volume, *, reviewed: bool = True
) -> Unseen | None:
    """Return what a scan's nodules say of the unseen ones; some that nobody looked at are the detector's."""
    if not len(nodules):
        return None
    looked_at = reviewed and bool((nodules.review != "").all())
    return unseen_on_scan(nodules, lungs, slice_mm=float(grid.spacing_mm[0]), reviewed=looked_at)


def _unseen_in_plan(problem: StagingProblem) -> Unseen | None:
    """Return what a plan was made on, also where operations have left no lesion; its lesions for nothing."""
    known = problem.unseen or (Unseen() if len(problem.lesions) else None)
    return None if known is None else known.seeing(problem.lesions)


def _by_lobe(table: NoduleTable | LesionTable) -> dict[Lobe, int]:
    return {lobe: int((table.lobe == lobe).sum()) for lobe in LOBES}


def _unreviewed(nodules: NoduleTable) -> tuple[str, ...]:
    """Say that nobody has looked at some of the nodules that are left out of the lung."""
    left = int((nodules.review == "").sum())
    if not left:
        return ()
    return (f"{left} of the {len(nodules)} nodules that are not counted as lung are not reviewed.",)


def _conditions(anatomy: Anatomy) -> tuple[str, ...]:
    return tuple(condition.sentence for condition in anatomy.conditions)
