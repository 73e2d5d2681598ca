"""What the metastases that the CT does not show are estimated from, from the scan and the case file."""

from __future__ import annotations

from dataclasses import asdict

from clearlung.anatomy import Anatomy
from clearlung.casefile import Case
from clearlung.ct import Scan
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.perfusion import LungVolumes, Seen, lungs_of_scan
from clearlung.staging import Unseen


def unseen_of(
    nodules: NoduleTable,
    case: Case,
    book: EvidenceBook,
    scan: Scan | None,
    anatomy: Anatomy | None,
    *,
    reviewed: bool,
) -> Unseen:
    """Return what is known of who looked at the CT, what it shows, and the lungs.

    Parameters
    ----------
    nodules
        What is planned.
    case
        For the body surface, by which some drugs go.
    book
        The protocol's evidence.
    scan, anatomy
        None for a radiologist's list: then slices of 1 mm are assumed, and lungs of published size.
    reviewed
        Whether a reader has gone through the nodules, and what the CT shows is what readers see.
    """
    surface = case.patient.body_surface_m2
    if scan is None or anatomy is None:
        return Unseen.of(Seen.of_nodules(nodules), body_surface_m2=surface)
    unseen = unseen_on_scan(
        nodules,
        lungs_of_scan(scan, anatomy, book, nodules),
        slice_mm=float(scan.volume.spacing_mm[0]),
        reviewed=reviewed,
    )
    return unseen.model_copy(update={"body_surface_m2": surface})


def unseen_on_scan(nodules: NoduleTable, lungs: LungVolumes, *, slice_mm: float, reviewed: bool) -> Unseen:
    """Return what a scan's nodules and lungs say of what it does not show.

    Parameters
    ----------
    nodules, lungs
        What was found, and in what.
    slice_mm
        Thickness of its slices.
    reviewed
        As for :func:`unseen_of`.
    """
    return Unseen.of(
        Seen.of_nodules(nodules),
        detection="reader" if reviewed else "detector",
        slice_mm=slice_mm,
        lungs=[asdict(lobe) for lobe in lungs.lobes],
    )
