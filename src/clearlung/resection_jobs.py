"""The job of ``clearlung resect``: from nodules to specimens and to lung function after them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import AxisOrder, Scan, Volume, read_scan
from clearlung.evidence import EvidenceBook
from clearlung.function_of_case import function_model
from clearlung.manifest import InputFile, file_sha256, inputs_of
from clearlung.nodule_folder import RECORD, open_nodule_folder
from clearlung.nodule_jobs import anatomy_of, planned_nodules
from clearlung.nodules import NoduleOptions, NoduleTable, find_nodules, read_nodule_list
from clearlung.plan_warnings import plan_warnings
from clearlung.progress import Stopwatch
from clearlung.resection import (
    MEASURES,
    RULE_SETS,
    Excision,
    FunctionModel,
    Level,
    PatientFunction,
    Predicted,
    Removal,
    SpecimenSet,
    Verdict,
    apply_rules,
    functional_ml,
    predict_postoperative,
    prepare_excision,
)
from clearlung.staging import MeasuredFunction, Protocol
from clearlung.workflow import PlanRequest

RESECT_PHASES = ("scan", "anatomy", "nodules", "specimens", "function", "files", "picture")
"""The phases of :func:`make_resection` and of writing its result, in order."""

NO_DENSITY = "by density: needs the scan, and was made without it"


@dataclass(frozen=True, eq=False)
class FunctionAfter:
    """Lung function after full recovery from all chosen specimens.

    Parameters
    ----------
    patient
        Function before.
    assumed
        What of it is assumed and not measured.
    predicted
        FEV1 and DLCO by every method that the data allow.
    verdicts
        What each rule set says.
    not_available
        Methods that need what is not there, with the reason.
    """

    patient: PatientFunction
    assumed: tuple[MeasuredFunction, ...]
    predicted: tuple[Predicted, ...]
    verdicts: tuple[Verdict, ...]
    not_available: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Resection:
    """What could be cut, what is chosen, and what that leaves.

    Parameters
    ----------
    nodules
        All of them.
    anatomy, scan
        What they lie in; no anatomy for a list, no scan for a list or a folder of nodules without its scan.
    grid
        The scan's grid and the axis order of its file, for label maps; None for a list.
    excision
        Every candidate, and the choice.
    specimens
        The chosen ones.
    labels
        uint16 on the anatomy's box: which specimen takes a voxel, 0 for none; None for a list.
    function
        Lung function after it.
    protocol
        Whose techniques and confidence were used.
    source
        What it was made from, in words: never the patient's identity.
    inputs
        For the manifest.
    warnings, evidence
        What a reader must know, and ids of the entries that it rests on.
    """

    nodules: NoduleTable
    anatomy: Anatomy | None
    scan: Scan | None
    grid: tuple[Volume, AxisOrder] | None
    excision: Excision
    specimens: SpecimenSet
    labels: NDArray[np.uint16] | None
    function: FunctionAfter
    protocol: Protocol
    source: str
    inputs: tuple[InputFile, ...]
    warnings: tuple[str, ...]
    evidence: tuple[str, ...]

    @property
    def rows(self) -> NDArray[np.intp]:
        """Row of each chosen specimen among the candidates."""
        return np.asarray(self.specimens.candidate - 1, dtype=np.intp)


def is_nodule_folder(source: Path) -> bool:
    """Return whether a source is what ``clearlung nodules`` wrote, and no scan."""
    return (source / RECORD).is_file()


def make_resection(request: PlanRequest, watch: Stopwatch | None = None) -> Resection:
    """Propose every specimen for the nodules of a scan, a folder of nodules or a list, and choose among them.

    Parameters
    ----------
    request
        As for :func:`clearlung.workflow.make_plan`; ``source`` may also be a folder that
        ``clearlung nodules`` wrote, to work without the scan.
    watch
        Times the phases and shows them; silent by default.

    Raises
    ------
    ScanRejected, AnatomyError, NoduleListError, OutputError, ReviewError
        If what was given cannot be worked on.
    """
    watch = watch or Stopwatch()
    given = _read(request, watch)
    protocol, book = request.protocol, request.protocol.book()
    hu = None if given.scan is None else given.scan.volume
    with watch.phase("specimens"):
        techniques = protocol.resection.techniques
        excision = prepare_excision(given.nodules, given.anatomy, techniques, book, hu)
        specimens = excision.specimens
        labels = specimen_labels(excision, specimens, given.anatomy)
    with watch.phase("function"):
        patient, assumed, evidence = function_model(request.case, given.anatomy, protocol, book, given.scan)
        function = function_after(patient, assumed, specimens, _functional(given, labels, book), book)
    rests_on = (
        *specimens.evidence,
        *evidence,
        *(given.anatomy.evidence if given.anatomy else ()),
        *(key for measure in MEASURES for key in patient.lungs.model(measure).evidence),
        *(key for verdict in function.verdicts for key in verdict.evidence),
    )
    return Resection(
        nodules=given.nodules,
        anatomy=given.anatomy,
        scan=given.scan,
        grid=given.grid,
        excision=excision,
        specimens=specimens,
        labels=labels,
        function=function,
        protocol=protocol,
        source=given.source,
        inputs=given.inputs,
        warnings=(
            *given.warnings,
            *plan_warnings(
                given.scan, given.anatomy, given.nodules, assumed, specimens, reviewed=given.reviewed
            ),
        ),
        evidence=tuple(dict.fromkeys(rests_on)),
    )


def specimen_labels(
    excision: Excision, specimens: SpecimenSet, anatomy: Anatomy | None
) -> NDArray[np.uint16] | None:
    """Return which specimen takes each voxel: each voxel once, as the specimens' volumes count it.

    Parameters
    ----------
    excision
        The candidates with their voxels.
    specimens
        The chosen ones.
    anatomy
        None for a list.

    Returns
    -------
    array or None
        uint16 on the anatomy's box: the specimen's number, 0 for none.
    """
    if anatomy is None or excision.overlaps is None:
        return None
    labels = np.zeros(anatomy.lungs.shape, dtype=np.uint16)
    rows = (specimens.candidate - 1).tolist()
    for number, row in zip(specimens.id.tolist(), rows, strict=True):
        box, mask = excision.candidates.mask(row)
        labels[box][mask] = number
    voxel, place = excision.overlaps.keepers(rows)
    labels.ravel()[voxel] = specimens.id[place]
    return labels


def function_after(
    patient: PatientFunction,
    assumed: tuple[MeasuredFunction, ...],
    specimens: SpecimenSet,
    functional: NDArray[np.float64] | None,
    book: EvidenceBook,
) -> FunctionAfter:
    """Return lung function after full recovery from some specimens, without any perfusion.

    Parameters
    ----------
    patient, assumed
        Function before, and what of it is assumed.
    specimens
        What is taken.
    functional
        What they take of each lobe that is functional by its density, ml; None without a scan.
    book
        The evidence.
    """
    removal = patient.removal(specimens, book)
    if functional is not None:
        removal = Removal(
            removal.lobe_ml, removal.removed_ml, removal.functional_ml, functional, removal.gone_segments
        )
    predicted: list[Predicted] = []
    levels: dict[str, Level] = {}
    for measure in MEASURES:
        model = patient.lungs.model(measure)
        predicted += [_course(model, specimens), *predict_postoperative(model, removal, book)]
        levels[measure] = Level.cautious(model, predicted)
    verdicts = tuple(
        apply_rules(
            name,
            fev1=levels["fev1"],
            dlco=levels["dlco"] if patient.dlco_known else None,
            exercise=patient.exercise,
            book=book,
        )
        for name in RULE_SETS
    )
    missing = () if removal.functional_ml is not None else (NO_DENSITY,)
    return FunctionAfter(patient, assumed, tuple(predicted), verdicts, missing)


def loss_alone(model: FunctionModel, volume_ml: float, *, anatomical: bool) -> float:
    """Return what one specimen takes for good, in points of percent predicted."""
    loss = model.loss(volume_ml, perfused=False, anatomical_ml=volume_ml if anatomical else 0.0)
    return model.baseline_percent * loss.permanent


def _course(model: FunctionModel, specimens: SpecimenSet) -> Predicted:
    whole = float(specimens.volume_ml[specimens.anatomical].sum())
    loss = model.loss(float(specimens.volume_ml.sum()), perfused=False, anatomical_ml=whole)
    value = model.final_percent([loss])
    margin = model.margin_percent if len(specimens) else 0.0
    # The published error is that of predictions from CT; of a course nobody has measured one.
    return Predicted(model.measure, "course", value, value - margin, value + margin, error_assumed=True)


@dataclass(frozen=True, eq=False)
class _Given:
    """What the specimens are made from."""

    nodules: NoduleTable
    anatomy: Anatomy | None
    scan: Scan | None
    grid: tuple[Volume, AxisOrder] | None
    source: str
    inputs: tuple[InputFile, ...]
    reviewed: bool
    warnings: tuple[str, ...] = ()


def _read(request: PlanRequest, watch: Stopwatch) -> _Given:
    if request.source.suffix.lower() == ".csv":
        with watch.phase("nodules"):
            nodules = read_nodule_list(request.source)
        listed = InputFile(kind="nodule list", sha256=file_sha256(request.source))
        return _Given(nodules, None, None, None, _words("a radiologist's list", nodules), (listed,), True)
    if is_nodule_folder(request.source):
        return _read_folder(request, watch)
    with watch.phase("scan"):
        scan = read_scan(request.source, series=request.series, allow_thick=request.allow_thick)
    inputs = inputs_of(scan.source, scan.input_sha256, request.anatomy_source.path)
    grid = (scan.volume, scan.native)
    if request.nodules is None:
        with watch.phase("anatomy"):
            anatomy = segment_anatomy(scan, request.anatomy_source)
        with watch.phase("nodules"):
            options = NoduleOptions(false_per_scan=request.protocol.nodules.false_per_scan)
            nodules = find_nodules(scan, anatomy, options)
        return _Given(nodules, anatomy, scan, grid, _words(scan.series, nodules), inputs, False)
    with watch.phase("anatomy"):
        opened = open_nodule_folder(request.nodules)
        opened.found.check_scan(scan)
        anatomy = anatomy_of(opened, scan)
    with watch.phase("nodules"):
        nodules = planned_nodules(opened, request.protocol.nodules.false_per_scan)
    record = InputFile(kind="review", sha256=file_sha256(request.nodules / RECORD))
    words = _words(scan.series, nodules)
    return _Given(nodules, anatomy, scan, grid, words, (*inputs, record), _all_seen(nodules))


def _read_folder(request: PlanRequest, watch: Stopwatch) -> _Given:
    """Take nodules and lungs as a folder of nodules keeps them, without the scan."""
    with watch.phase("anatomy"):
        opened = open_nodule_folder(request.source)
        anatomy = opened.anatomy()
    with watch.phase("nodules"):
        nodules = planned_nodules(opened, request.protocol.nodules.false_per_scan)
    found = opened.found
    return _Given(
        nodules=nodules,
        anatomy=anatomy,
        scan=None,
        grid=(found.grid, found.native),
        source=_words(found.series, nodules),
        inputs=(
            *inputs_of(found.source, found.scan_sha256),
            InputFile(kind="review", sha256=file_sha256(request.source / RECORD)),
        ),
        reviewed=_all_seen(nodules),
        warnings=(
            *found.warnings,
            "Made without the scan: what of each specimen breathes is not known, nor function by density.",
        ),
    )


def _all_seen(nodules: NoduleTable) -> bool:
    return not bool((nodules.review == "").any())


def _words(source: str, nodules: NoduleTable) -> str:
    return f"{source}, {len(nodules)} nodules" if source else f"{len(nodules)} nodules"


def _functional(
    given: _Given, labels: NDArray[np.uint16] | None, book: EvidenceBook
) -> NDArray[np.float64] | None:
    """Return what the chosen specimens take of each lobe that is functional by its density, ml."""
    if given.scan is None or given.anatomy is None or labels is None:
        return None
    lobes = given.anatomy.lobes
    taken = lobes.with_array(np.where(labels > 0, lobes.array, 0))
    return functional_ml(given.scan.volume.array[given.anatomy.box], taken, book)
