"""From the scan to the unseen: what the detector misses on synthetic patients, and what is estimated of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.froc import owners
from clearlung.anatomy import LOBES, Anatomy
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleOptions, NoduleTable, find_nodules
from clearlung.perfusion import Interval
from clearlung.perfusion.occult import Seen, detection_curve, occult_burden
from clearlung.phantom import Phantom


@dataclass(frozen=True, eq=False)
class Unseen:
    """One synthetic patient.

    Parameters
    ----------
    reported, false
        Findings, and those of them on no nodule.
    missed
        Shape (6,): nodules that no finding lies on, in all lobes and in each.
    estimated
        The interval of each of these.
    """

    reported: int
    false: int
    missed: np.ndarray
    estimated: tuple[Interval, ...]

    @property
    def within(self) -> np.ndarray:
        """Whether each interval holds the truth."""
        pairs = zip(self.estimated, self.missed, strict=True)
        return np.array([one.low <= truth <= one.high for one, truth in pairs])


def estimate_unseen(phantom: Phantom, anatomy: Anatomy, seed: int) -> Unseen:
    """Find the nodules as the program does by default, and estimate what it missed."""
    table: NoduleTable = find_nodules(phantom.scan, anatomy, NoduleOptions())
    truth = phantom.truth
    owner = owners(truth.points_mm, truth.diameter_mm, table.points_mm)
    missed = ~np.isin(np.arange(len(truth.diameter_mm)), owner)
    book = load_evidence()
    slice_mm = float(phantom.scan.volume.spacing_mm[0])
    burden = occult_burden(
        Seen.of_nodules(table), detection_curve("detector", book, slice_mm=slice_mm), book, seed=seed
    )
    by_lobe = [np.count_nonzero(missed & (truth.lobe == lobe)) for lobe in LOBES]
    return Unseen(
        reported=len(table),
        false=int(np.count_nonzero(owner < 0)),
        missed=np.array([missed.sum(), *by_lobe]),
        estimated=(burden.interval(), *(burden.interval(lobe) for lobe in LOBES)),
    )
