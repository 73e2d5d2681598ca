"""The main job, end to end: a scan or a radiologist's list in, a staged plan out.

The command line, the demo and a notebook call the same few functions. Each phase takes the earlier ones'
immutable results; :class:`PlanResult` holds them all.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from clearlung.anatomy import Anatomy, AnatomySource, segment_anatomy
from clearlung.casefile import Case
from clearlung.ct import Scan, read_scan
from clearlung.errors import CaseError, InfeasiblePlan
from clearlung.followup import LesionTable, lesions_of_first_scan
from clearlung.function_of_case import function_model
from clearlung.manifest import InputFile, file_sha256, inputs_of
from clearlung.nodules import (
    NoduleOptions,
    NoduleTable,
    find_nodules,
    read_nodule_list,
)
from clearlung.plan_warnings import plan_warnings
from clearlung.progress import PhaseTime, Stopwatch
from clearlung.regimen_of_case import regimen_of
from clearlung.resection import Excision, SpecimenSet, prepare_excision
from clearlung.staging import (
    Assignment,
    Plan,
    Protocol,
    StagingProblem,
    choose_together,
    load_protocol,
    shipped_protocols,
    solve_plan,
)
from clearlung.unseen_of_case import unseen_of

PHASES = ("scan", "anatomy", "nodules", "specimens", "staging", "report")
"""The phases of :func:`make_plan` and of writing its result, in order."""


@dataclass(frozen=True)
class PlanRequest:
    """What to plan, and how.

    Parameters
    ----------
    source
        A DICOM folder, a volume file, or a radiologist's list (``.csv``).
    protocol
        The center's limits.
    case
        What is known of the patient besides the scan.
    series
        Which series of a DICOM folder, where it holds several.
    allow_thick
        Plan on slices thicker than the limit, with a warning.
    anatomy_source
        Where lungs and lobes come from: Clearlung's own method unless named.
    seed
        Seed of everything random.
    nodules
        A folder of ``clearlung nodules`` for this scan: its reviewed nodules and its anatomy are planned on.
    assignments
        What the surgeon fixes and forbids for some nodules.
    """

    source: Path
    protocol: Protocol
    case: Case = field(default_factory=Case)
    series: str | None = None
    allow_thick: bool = False
    anatomy_source: AnatomySource = field(default_factory=AnatomySource)
    seed: int = 0
    nodules: Path | None = None
    assignments: tuple[Assignment, ...] = ()


@dataclass(frozen=True, eq=False)
class PlanResult:
    """The results of all phases.

    ``scan`` and ``anatomy`` are None where the plan was made from a radiologist's list; ``problem`` is what
    ``plan`` solves; ``excision`` holds everything that could be cut instead; ``reviewed`` tells whether
    somebody has looked at the nodules.
    """

    scan: Scan | None
    anatomy: Anatomy | None
    nodules: NoduleTable
    lesions: LesionTable
    excision: Excision
    specimens: SpecimenSet
    problem: StagingProblem
    plan: Plan
    protocol: Protocol
    case: Case
    inputs: tuple[InputFile, ...]
    reviewed: bool
    times: tuple[PhaseTime, ...]


def make_plan(request: PlanRequest, watch: Stopwatch | None = None) -> PlanResult:
    """Plan the operations that remove every nodule of a scan or list.

    Parameters
    ----------
    request
        What to plan, and how.
    watch
        Times the phases and shows them; silent by default.

    Returns
    -------
    PlanResult

    Raises
    ------
    ScanRejected
        If the scan must not be planned on.
    AnatomyError
        If anatomy made elsewhere cannot be used.
    NoduleListError
        If the list cannot be read.
    CaseError
        If a regimen's dose needs something that the case does not give, or an assignment names a nodule that
        is not planned.
    InfeasiblePlan
        If no plan satisfies the limits.
    """
    watch = watch or Stopwatch()
    if request.source.suffix.lower() == ".csv":
        with watch.phase("nodules"):
            nodules = read_nodule_list(request.source)
        inputs = (InputFile(kind="nodule list", sha256=file_sha256(request.source)),)
        found = _Found(None, None, nodules, inputs, reviewed=True)
        return _stage(found, request.protocol, request.case, request.seed, watch, request.assignments)
    with watch.phase("scan"):
        scan = read_scan(request.source, series=request.series, allow_thick=request.allow_thick)
    if request.nodules is not None:
        return _plan_reviewed(request.nodules, scan, request, watch)
    result = plan_scan(
        scan,
        request.protocol,
        request.case,
        anatomy_source=request.anatomy_source,
        seed=request.seed,
        watch=watch,
        assignments=request.assignments,
    )
    source = request.anatomy_source
    return replace(result, inputs=inputs_of(scan.source, scan.input_sha256, source.path))


def _plan_reviewed(folder: Path, scan: Scan, request: PlanRequest, watch: Stopwatch) -> PlanResult:
    """Plan what a review has led to."""
    # Here and not above: a folder of nodules loads what draws its pictures, which planning need not.
    from clearlung.nodule_folder import open_nodule_folder
    from clearlung.nodule_jobs import anatomy_of, planned_nodules

    with watch.phase("anatomy"):
        opened = open_nodule_folder(folder)
        opened.found.check_scan(scan)
        anatomy = anatomy_of(opened, scan)
    with watch.phase("nodules"):
        nodules = planned_nodules(opened, request.protocol.nodules.false_per_scan)
    unreviewed = int((nodules.review == "").sum())
    result = plan_nodules(
        scan,
        anatomy,
        nodules,
        request.protocol,
        request.case,
        reviewed=unreviewed == 0,
        seed=request.seed,
        watch=watch,
        assignments=request.assignments,
    )
    record = InputFile(kind="review", sha256=file_sha256(folder / "review.jsonl"))
    return replace(result, inputs=(*result.inputs, record))


def find_anatomy(
    source: Path,
    *,
    series: str | None = None,
    allow_thick: bool = False,
    anatomy_source: AnatomySource | None = None,
    watch: Stopwatch | None = None,
) -> tuple[Scan, Anatomy]:
    """Read a scan and segment its anatomy.

    Parameters
    ----------
    source
        A DICOM folder or zip, or a volume file.
    series, allow_thick, anatomy_source
        As for :class:`PlanRequest`.
    watch
        Times the phases and shows them; silent by default.

    Raises
    ------
    ScanRejected
        If the scan must not be worked on, or has no lungs.
    AnatomyError
        If anatomy made elsewhere cannot be used.
    """
    watch = watch or Stopwatch()
    with watch.phase("scan"):
        scan = read_scan(source, series=series, allow_thick=allow_thick)
    with watch.phase("anatomy"):
        anatomy = segment_anatomy(scan, anatomy_source)
    return scan, anatomy


def plan_scan(
    scan: Scan,
    protocol: Protocol,
    case: Case | None = None,
    *,
    anatomy_source: AnatomySource | None = None,
    seed: int = 0,
    watch: Stopwatch | None = None,
    assignments: tuple[Assignment, ...] = (),
) -> PlanResult:
    """Plan on a scan that is already read: anatomy, nodules, specimens, staging.

    Raises
    ------
    ScanRejected
        If there are no lungs in it.
    AnatomyError, CaseError, InfeasiblePlan
        As for :func:`make_plan`.
    """
    watch = watch or Stopwatch()
    with watch.phase("anatomy"):
        anatomy = segment_anatomy(scan, anatomy_source)
    with watch.phase("nodules"):
        options = NoduleOptions(false_per_scan=protocol.nodules.false_per_scan)
        nodules = find_nodules(scan, anatomy, options)
    return plan_nodules(
        scan,
        anatomy,
        nodules,
        protocol,
        case,
        reviewed=False,
        seed=seed,
        watch=watch,
        assignments=assignments,
    )


def plan_nodules(
    scan: Scan,
    anatomy: Anatomy,
    nodules: NoduleTable,
    protocol: Protocol,
    case: Case | None = None,
    *,
    reviewed: bool = True,
    seed: int = 0,
    watch: Stopwatch | None = None,
    assignments: tuple[Assignment, ...] = (),
) -> PlanResult:
    """Plan nodules that are already found and, as a rule, reviewed: specimens and staging.

    Parameters
    ----------
    scan, anatomy
        The scan and what is segmented on it.
    nodules
        With their label map on the anatomy's box.
    protocol, case
        The center's limits; what is known of the patient.
    reviewed
        Whether somebody has looked at the nodules; if not, the plan warns of it.
    seed, watch
        As for :func:`plan_scan`.
    assignments
        What the surgeon fixes and forbids for some of the nodules.

    Raises
    ------
    CaseError, InfeasiblePlan
        As for :func:`make_plan`.
    """
    found = _Found(scan, anatomy, nodules, inputs_of(scan.source, scan.input_sha256), reviewed)
    return _stage(found, protocol, case or Case(), seed, watch or Stopwatch(), assignments)


def plan_again(result: PlanResult, protocol: Protocol, watch: Stopwatch | None = None) -> PlanResult:
    """Plan the same nodules under another protocol.

    The nodules stay as they were found: the other protocol's operating point is not applied again.

    Raises
    ------
    CaseError, InfeasiblePlan
        As for :func:`make_plan`.
    """
    found = _Found(result.scan, result.anatomy, result.nodules, result.inputs, result.reviewed)
    seed, assignments = result.plan.solver.seed, result.problem.assignments
    return _stage(found, protocol, result.case, seed, watch or Stopwatch(), assignments)


def plan_under_others(result: PlanResult) -> list[PlanResult]:
    """Plan the same nodules under every shipped protocol but the result's own.

    A protocol that allows no plan for this patient, or whose regimen needs what the case does not give, is
    left out.

    Parameters
    ----------
    result
        What :func:`make_plan` returned.
    """
    others: list[PlanResult] = []
    for name in shipped_protocols():
        if name != result.protocol.name:
            with suppress(InfeasiblePlan, CaseError):
                others.append(plan_again(result, load_protocol(name)))
    return others


@dataclass(frozen=True, eq=False)
class _Found:
    """The nodules that are planned, what they were found on, and whether somebody has looked at them."""

    scan: Scan | None
    anatomy: Anatomy | None
    nodules: NoduleTable
    inputs: tuple[InputFile, ...]
    reviewed: bool


def _stage(
    found: _Found,
    protocol: Protocol,
    case: Case,
    seed: int,
    watch: Stopwatch,
    assignments: tuple[Assignment, ...],
) -> PlanResult:
    """Take the nodules on to specimens and to a plan."""
    book, scan, anatomy, nodules = protocol.book(), found.scan, found.anatomy, found.nodules
    with watch.phase("specimens"):
        lesions = lesions_of_first_scan(nodules)
        excision = prepare_excision(
            nodules, anatomy, protocol.resection.techniques, book, None if scan is None else scan.volume
        )
    with watch.phase("staging"):
        patient, assumed, function_evidence = function_model(case, anatomy, protocol, book, scan)
        problem = StagingProblem.build(
            book,
            specimens=excision.specimens,
            lesions=lesions,
            function=patient.lungs.fev1,
            patient=patient,
            function_assumed=assumed,
            protocol=protocol,
            regimen=regimen_of(protocol, case, book),
            evidence_ids=function_evidence + (anatomy.evidence if anatomy else ()),
            seed=seed,
            assignments=assignments,
            unseen=unseen_of(nodules, case, book, scan, anatomy, reviewed=found.reviewed),
        )
        problem = choose_together(problem, excision)
        specimens = problem.specimens
        warnings = plan_warnings(scan, anatomy, nodules, assumed, specimens, reviewed=found.reviewed)
        problem = replace(problem, warnings=warnings + problem.warnings)
        plan = solve_plan(problem)
    return PlanResult(
        scan=scan,
        anatomy=anatomy,
        nodules=nodules,
        lesions=lesions,
        excision=excision,
        specimens=specimens,
        problem=problem,
        plan=plan,
        protocol=protocol,
        case=case,
        inputs=found.inputs,
        reviewed=found.reviewed,
        times=tuple(watch.times),
    )
