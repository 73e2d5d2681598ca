"""`PatientFunction`: everything about one patient's lung function that a plan is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES
from clearlung.evidence import EvidenceBook
from clearlung.resection.function import LungFunction
from clearlung.resection.history import EarlierResection
from clearlung.resection.predicted import Removal, per_lobe, segment_counts
from clearlung.resection.rules import Exercise
from clearlung.resection.specimens import SpecimenSet


@dataclass(frozen=True, eq=False)
class PatientFunction:
    """Lung function, lobes, earlier resections and exercise tests of one patient.

    Parameters
    ----------
    lungs
        FEV1 and DLCO, what has not recovered of earlier operations included.
    lobe_ml
        Volume of each lobe, in the order of :data:`clearlung.anatomy.LOBES`, ml.
    functional_ml
        The part of each that is functional by its density, ml; None without a scan.
    dlco_known
        Whether DLCO was measured.
    earlier
        What was taken out before.
    exercise
        Exercise tests.
    """

    lungs: LungFunction
    lobe_ml: NDArray[np.float64]
    functional_ml: NDArray[np.float64] | None = None
    dlco_known: bool = True
    earlier: tuple[EarlierResection, ...] = ()
    exercise: Exercise = field(default_factory=Exercise)

    def without_gone(self, book: EvidenceBook) -> PatientFunction:
        """Return it with lobes smaller by the segments that are gone: for volumes without a scan."""
        left = 1.0 - self.gone_segments(book) / segment_counts(book)
        return replace(self, lobe_ml=self.lobe_ml * left)

    def gone_segments(self, book: EvidenceBook) -> NDArray[np.float64]:
        """Return the segments of each lobe that earlier resections have taken.

        A lobectomy takes the whole lobe where no number is given; what is given in ml takes its share of the
        lobe as it was, with the volume of today's lobes. What has no lobe is not counted. A lung without any
        volume is gone as a whole.
        """
        counts, gone = segment_counts(book), []
        for one in self.earlier:
            here = per_lobe([one.lobe], [1.0])
            segments = one.segments
            if segments is None and one.technique == "lobectomy":
                segments = float(counts @ here)
            elif segments is None and one.removed_ml is not None:
                whole = float(self.lobe_ml @ here) + one.removed_ml
                segments = float(counts @ here) * one.removed_ml / whole if whole else 0.0
            gone.append(segments or 0.0)
        taken = np.minimum(per_lobe([one.lobe for one in self.earlier], gone), counts)
        for side in SIDES:
            own = np.array([LOBE_SIDES[lobe] == side for lobe in LOBES])
            if not self.lobe_ml[own].any():
                taken[own] = counts[own]
        return taken

    def removal(self, specimens: SpecimenSet, book: EvidenceBook) -> Removal:
        """Return what specimens take of each lobe; where the tissue's density is not known, in proportion."""
        known = np.isfinite(specimens.lobe_ml).all(axis=1)
        removed = specimens.lobe_ml[known].sum(axis=0)
        removed = removed + per_lobe(specimens.lobe[~known].tolist(), specimens.volume_ml[~known].tolist())
        functional = None
        if self.functional_ml is not None:
            share = np.divide(removed, self.lobe_ml, out=np.zeros_like(removed), where=self.lobe_ml > 0)
            functional = self.functional_ml * np.minimum(share, 1.0)
        return Removal(self.lobe_ml, removed, self.functional_ml, functional, self.gone_segments(book))
