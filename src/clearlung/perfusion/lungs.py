"""`LungVolumes`: how much lung a perfusion reaches, from the CT or from published lungs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import (
    LOBE_LABELS,
    LOBES,
    LUNG_LABELS,
    SIDES,
    Anatomy,
    Lobe,
    LobeMeasures,
    Side,
    measure_lobes,
)
from clearlung.ct import Scan
from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.perfusion.target import Target, lobes_of

_TISSUE, _VOLUME = "segment.tissue.both", "function.reference.lung_ml"
# A lung with less of it in lobes than this was not parted into them.
_LOBES_KNOWN = 0.5


@dataclass(frozen=True)
class LobeVolumes:
    """How much one lobe holds.

    Parameters
    ----------
    lobe
        Which.
    volume_ml
        All of it: air, tissue and blood.
    tissue_ml
        Tissue with its blood.
    """

    lobe: Lobe
    volume_ml: float
    tissue_ml: float


@dataclass(frozen=True)
class LungVolumes:
    """How much each lobe of one patient holds.

    Parameters
    ----------
    lobes
        Those that are there, in the order of :data:`clearlung.anatomy.LOBES`.
    source
        "scan", or "reference" for published lungs.
    evidence
        Ids of the evidence entries that they rest on.
    notes
        What a reader must know of them, in words.
    """

    lobes: tuple[LobeVolumes, ...]
    source: Literal["scan", "reference"]
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of(self, target: Target) -> tuple[LobeVolumes, ...]:
        """Return the lobes of a target that are there.

        Raises
        ------
        PerfusionError
            If none of them is.
        """
        return self._some(target.lobes, target.title)

    def lung(self, side: Side) -> tuple[LobeVolumes, ...]:
        """Return the lobes of a lung that are there.

        Raises
        ------
        PerfusionError
            If none of them is.
        """
        return self._some(lobes_of(side), f"the {side} lung")

    def _some(self, lobes: tuple[Lobe, ...], words: str) -> tuple[LobeVolumes, ...]:
        found = tuple(one for one in self.lobes if one.lobe in lobes)
        if not found:
            raise PerfusionError("target", f"{words} is not there on this scan: there is nothing to perfuse")
        return found


def volume_ml(lobes: Iterable[LobeVolumes]) -> float:
    """Return the volume of several lobes together, with their air."""
    return sum(one.volume_ml for one in lobes)


def tissue_ml(lobes: Iterable[LobeVolumes]) -> float:
    """Return the tissue of several lobes together, with its blood."""
    return sum(one.tissue_ml for one in lobes)


def reference_lungs(book: EvidenceBook) -> LungVolumes:
    """Return published lungs, for where there is no scan.

    Returns
    -------
    LungVolumes
        The published tissue of both lungs of a person of 1.7 m, and the volume in supine inspiration that is
        assumed elsewhere too, shared out to the lungs and within each to its lobes by the published shares.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> lungs = reference_lungs(load_evidence())
    >>> round(tissue_ml(lungs.lobes)), round(tissue_ml(lungs.lung("left")))
    (530, 246)
    """
    whole_ml, whole_tissue_ml = book.value(_VOLUME, unit="ml"), book.value(_TISSUE, unit="ml")
    shares: dict[Lobe, float] = {}
    evidence = [_TISSUE, _VOLUME]
    for side in SIDES:
        within, ids = _lobe_shares(side, book)
        of_both = book.value(f"segment.supine.{side}", unit="%") / 100
        shares |= {lobe: of_both * share for lobe, share in within.items()}
        evidence += [f"segment.supine.{side}", *ids]
    return LungVolumes(
        tuple(LobeVolumes(lobe, whole_ml * s, whole_tissue_ml * s) for lobe, s in shares.items()),
        source="reference",
        evidence=tuple(evidence),
        notes=("The lungs are published means and not this patient's: no scan was given.",),
    )


def lungs_of_scan(
    scan: Scan, anatomy: Anatomy, book: EvidenceBook, nodules: NoduleTable | None = None
) -> LungVolumes:
    """Measure the lobes of a scan.

    Parameters
    ----------
    scan
        The scan.
    anatomy
        What was segmented on it.
    book
        The evidence.
    nodules
        With outlines: what they take up is no lung. None, or without outlines: it is counted as lung.

    Returns
    -------
    LungVolumes
        Tissue by density, a voxel between air (-1000 HU) and water (0 HU) being a mixture of both and a
        denser one tissue. A lobe that is not there is left out. A lung that was not parted into lobes is
        shared out by the published shares, and the notes say so.

    Raises
    ------
    ValueError
        If the anatomy is not the scan's.
    """
    without = _outlines(nodules)
    found = measure_lobes(anatomy, scan.volume, without=without)
    lobes: list[LobeVolumes] = []
    evidence: list[str] = []
    notes: list[str] = []
    for side in SIDES:
        own = [_volumes(lobe, found[lobe]) for lobe in lobes_of(side) if found[lobe].volume_ml > 0]
        if anatomy.lung_ml(side) > 0 and volume_ml(own) < _LOBES_KNOWN * anatomy.lung_ml(side):
            own, ids = _shared_out(side, scan, anatomy, without, book)
            evidence += ids
            notes.append(f"The lobes of the {side} lung were not found: it is shared out by published means.")
        lobes += own
    if without is None and nodules is not None and len(nodules):
        notes.append("The nodules have no outlines: their tissue is counted as lung.")
    return LungVolumes(tuple(lobes), source="scan", evidence=tuple(evidence), notes=tuple(notes))


def lungs_of_volumes(lobe_ml: Mapping[Lobe, float], book: EvidenceBook) -> LungVolumes:
    """Return the lobes of a scan of which only the volumes are known.

    Parameters
    ----------
    lobe_ml
        Volume of each lobe with its air; one that is not there is left out or 0.
    book
        The evidence.

    Returns
    -------
    LungVolumes
        With the reference lungs' tissue per volume.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> [lobe] = lungs_of_volumes({"LLL": 1000.0}, load_evidence()).lobes
    >>> round(lobe.tissue_ml)
    106
    """
    tissue_per_ml = book.value(_TISSUE, unit="ml") / book.value(_VOLUME, unit="ml")
    known = {lobe: lobe_ml[lobe] for lobe in LOBES if lobe_ml.get(lobe, 0.0) > 0}
    return LungVolumes(
        tuple(LobeVolumes(lobe, ml, ml * tissue_per_ml) for lobe, ml in known.items()),
        source="scan",
        evidence=(_TISSUE, _VOLUME),
        notes=("The densities of the scan are not known: tissue is the published mean for this volume.",),
    )


def _volumes(lobe: Lobe, measures: LobeMeasures) -> LobeVolumes:
    return LobeVolumes(lobe, measures.volume_ml, measures.tissue_ml)


def _lobe_shares(side: Side, book: EvidenceBook) -> tuple[dict[Lobe, float], list[str]]:
    """Return each lobe's published share of its lung, 0 to 1, and the evidence."""
    ids = {lobe: f"anatomy.lobe_share.{lobe}" for lobe in lobes_of(side)}
    percent = {lobe: book.value(key, unit="%") for lobe, key in ids.items()}
    whole = sum(percent.values())
    return {lobe: value / whole for lobe, value in percent.items()}, list(ids.values())


def _shared_out(
    side: Side, scan: Scan, anatomy: Anatomy, without: NDArray[Any] | None, book: EvidenceBook
) -> tuple[list[LobeVolumes], list[str]]:
    """Measure a lung as one and share it out to its lobes."""
    shares, ids = _lobe_shares(side, book)
    first = lobes_of(side)[0]
    one = (anatomy.lungs.array == LUNG_LABELS[side]).astype(np.uint8) * np.uint8(LOBE_LABELS[first])
    as_one = replace(anatomy, lobes=anatomy.lobes.with_array(one))
    whole = measure_lobes(as_one, scan.volume, without=without)[first]
    return [LobeVolumes(lobe, whole.volume_ml * s, whole.tissue_ml * s) for lobe, s in shares.items()], ids


def _outlines(nodules: NoduleTable | None) -> NDArray[Any] | None:
    """Return where the nodules lie on the anatomy's box, not 0 inside; None where that is not known."""
    return None if nodules is None or nodules.labels is None else nodules.labels.array
