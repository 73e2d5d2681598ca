"""The jobs of ``clearlung nodules`` that need the scan: find, draw, find again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from clearlung.anatomy import Anatomy, AnatomySource, segment_anatomy
from clearlung.anatomy_cache import settled
from clearlung.ct import Scan, read_scan
from clearlung.errors import DetectorError, OutputError, ReviewError
from clearlung.nodule_folder import (
    NoduleFolder,
    act,
    carry_into,
    open_nodule_folder,
    write_nodule_folder,
)
from clearlung.nodule_found import Found
from clearlung.nodules import (
    DetectorSource,
    NoduleOptions,
    NoduleTable,
    detector_names,
    find_nodules,
    malignant_chance,
    measure_nodules,
    planned_from,
)
from clearlung.nodules.review import Action, Detected, Review, carry_over
from clearlung.progress import Stopwatch


def make_options(
    detector: DetectorSource,
    smallest_mm: float,
    least_probability: float | None = None,
    false_positives: float | None = None,
) -> NoduleOptions:
    """Return how nodules are looked for; what is None is left to the evidence.

    Raises
    ------
    FieldError
        If a value is impossible.
    """
    given: dict[str, Any] = {"detector": detector, "smallest_mm": smallest_mm}
    if least_probability is not None:
        given["least_probability"] = least_probability
    if false_positives is not None:
        given["false_per_scan"] = false_positives
    return NoduleOptions(**given)


def find_into(
    source: Path,
    folder: Path,
    options: NoduleOptions,
    *,
    primary: str | None = None,
    series: str | None = None,
    allow_thick: bool = False,
    anatomy_source: AnatomySource | None = None,
    replace_earlier: bool = False,
    watch: Stopwatch | None = None,
) -> NoduleFolder:
    """Read a scan, find its nodules, and write them with an empty review.

    Parameters
    ----------
    source
        A DICOM folder or zip, or a volume file.
    folder
        Becomes the result.
    options
        How nodules are looked for.
    primary
        The primary tumor, in words: where a published series allows it, each nodule gets the chance of being
        a metastasis.
    series, allow_thick, anatomy_source
        As for :func:`clearlung.workflow.find_anatomy`.
    replace_earlier
        Whether an earlier result may be replaced, with its review.
    watch
        Times the phases.

    Raises
    ------
    ScanRejected
        If the scan must not be worked on, or has no lungs.
    AnatomyError, FieldError, OutputError
        If a detector or anatomy made elsewhere, an option or the folder cannot be used.
    """
    watch = watch or Stopwatch()
    wanted = anatomy_source or AnatomySource()
    detector_file = None if isinstance(options.detector, str) else options.detector.path
    options.resolved()  # what is wrong with a detector is told before a minute of anatomy
    with watch.phase("scan"):
        scan = read_scan(source, series=series, allow_thick=allow_thick)
    with watch.phase("anatomy"):
        anatomy = settled(segment_anatomy(scan, wanted))
    with watch.phase("nodules"):
        nodules = find_nodules(scan, anatomy, options)
        nodules = nodules.with_columns(malignant_chance=malignant_chance(nodules, primary).chance)
    found = Found.of(nodules, scan, anatomy, options)
    how = {"series": series, "allow_thick": allow_thick, "anatomy": wanted.name, "nodules": found.options}
    return write_nodule_folder(
        found,
        scan,
        anatomy,
        folder,
        options=how,
        anatomy_file=wanted.path,
        detector_file=detector_file,
        replace_earlier=replace_earlier,
        watch=watch,
    )


def draw(
    folder: Path,
    make: Callable[[Review, Scan, Anatomy], Action],
    source: Path,
    *,
    who: str,
    why: str = "",
) -> NoduleFolder:
    """Do an action that needs the scan.

    Parameters
    ----------
    folder
        A folder of nodules.
    make
        Makes the action.
    source
        The scan that the nodules were found on.
    who, why
        As for :func:`clearlung.nodule_folder.act`.

    Raises
    ------
    ReviewError
        If the scan is another one, nobody is named, or the action cannot be done; nothing is changed.
    """
    check_reader(who)
    opened = open_nodule_folder(folder)
    scan = read_same_scan(opened, source)
    anatomy = anatomy_of(opened, scan)
    return act(
        folder,
        lambda review: make(review, scan, anatomy),
        who=who,
        why=why,
        scan=scan,
        anatomy=anatomy,
    )


def find_again(
    folder: Path,
    source: Path,
    *,
    detector: DetectorSource | None = None,
    least_probability: float | None = None,
    false_positives: float | None = None,
    smallest_mm: float | None = None,
    who: str,
    why: str = "",
) -> NoduleFolder:
    """Run detection again on the same scan and carry the review over.

    Parameters
    ----------
    folder, source, who, why
        As for :func:`draw`.
    detector, least_probability, false_positives, smallest_mm
        What is to be other than before.

    Raises
    ------
    ReviewError
        As for :func:`draw`.
    FieldError
        If an option is impossible.
    """
    check_reader(who)
    opened = open_nodule_folder(folder)
    scan = read_same_scan(opened, source)
    anatomy = anatomy_of(opened, scan)
    known = {field.name for field in fields(NoduleOptions)}
    before = {key: value for key, value in opened.found.options.items() if key in known}
    if detector is None and before["detector"] not in detector_names():
        raise DetectorError(
            "--detector",
            f"the nodules are of a detector that was plugged in ({before['detector']}): name it again",
        )
    wanted = {
        "detector": detector,
        "least_probability": least_probability,
        "false_per_scan": false_positives,
        "smallest_mm": smallest_mm,
    }
    options = NoduleOptions(**before | {key: value for key, value in wanted.items() if value is not None})
    found = Found.of(find_nodules(scan, anatomy, options), scan, anatomy, options)

    def carry(review: Review) -> tuple[Found, Detected]:
        carried = carry_over(
            review.state, found.nodules, lambda labels: measure_nodules(scan, anatomy, labels)
        )
        return found.with_nodules(carried.found), Detected(
            found_sha256="",
            detector=str(found.options["detector"]),
            highest_number=max(review.state.highest, *carried.new, 0),
            lost=carried.lost,
            conflicts=tuple(conflict.sentence for conflict in carried.conflicts),
        )

    return carry_into(folder, found, carry, who=who, why=why, scan=scan, anatomy=anatomy)


def planned_nodules(opened: NoduleFolder, false_per_scan: float) -> NoduleTable:
    """Return what a review has led to: what was reviewed, and of the rest what is probable enough.

    Parameters
    ----------
    opened
        A folder of nodules.
    false_per_scan
        The protocol's operating point.
    """
    every = opened.review.state.nodules
    probable = every.probability >= planned_from(false_per_scan, str(opened.found.options["detector"]))
    return every.take(np.flatnonzero(probable | (every.review != "")))


def check_reader(who: str) -> None:
    """Refuse an action of nobody before any work is done.

    Raises
    ------
    ReviewError
        If nobody is named.
    """
    if not who.strip():
        raise ReviewError("who", "say who reviews: initials or a role, with --by or CLEARLUNG_READER")


def read_same_scan(opened: NoduleFolder, source: Path) -> Scan:
    """Read the scan that nodules were found on, as it was read then.

    Raises
    ------
    ReviewError
        If it is another one.
    """
    how = opened.how
    scan = read_scan(source, series=how.get("series"), allow_thick=bool(how.get("allow_thick")))
    opened.found.check_scan(scan)
    return scan


def anatomy_of(opened: NoduleFolder, scan: Scan) -> Anatomy:
    """Return the anatomy that nodules were found on: as it was kept, or segmented again.

    Raises
    ------
    OutputError
        If it was made elsewhere and is no longer kept.
    """
    try:
        return opened.anatomy()
    except OutputError:
        if opened.found.anatomy_source != AnatomySource().name:
            raise
        return settled(segment_anatomy(scan))
