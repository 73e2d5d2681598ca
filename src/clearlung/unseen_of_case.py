"""What the metastases that the CT does not show are estimated from, from the scan and the case file."""

from __future__ import annotations

from dataclasses import asdict

from clearlung.anatomy import Anatomy
from clearlung.casefile import Case
from clearlung.ct import Scan
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.perfusion import Seen, lungs_of_scan
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
    seen, surface = Seen.of_nodules(nodules), case.patient.body_surface_m2
    if scan is None or anatomy is None:
        return Unseen.of(seen, body_surface_m2=surface)
    lungs = lungs_of_scan(scan, anatomy, book, nodules)
    return Unseen.of(
        seen,
        detection="reader" if reviewed else "detector",
        slice_mm=float(scan.volume.spacing_mm[0]),
        lungs=[asdict(lobe) for lobe in lungs.lobes],
        body_surface_m2=surface,
    )
