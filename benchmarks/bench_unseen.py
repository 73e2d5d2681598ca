"""From the scan to the unseen: what the detector misses on synthetic patients, and what is estimated of it.

``CLEARLUNG_BENCH_SCANS=N`` takes the first N synthetic patients instead of twenty. Besides, five on scans of
few voxels, where about half of the metastases are below what the detector can find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.froc import owners
from benchmarks.nodule_cases import PHANTOMS, how_many
from clearlung.anatomy import LOBES, Anatomy, segment_anatomy
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleOptions, NoduleTable, find_nodules
from clearlung.perfusion import Interval
from clearlung.perfusion.occult import Seen, detection_curve, occult_burden
from clearlung.phantom import Phantom, PhantomSpec, make_phantom, varied_spec

FEW_NODULES, FEW_VOXELS, FEW_SEEDS = 60, (100, 128, 128), range(1001, 1006)
console = Console(width=150)


def run() -> None:
    """Print the table."""
    print_unseen(
        "Synthetic patients of 170 nodules, slices of 0.8 mm",
        [varied_spec(seed) for seed in range(how_many(PHANTOMS))],
    )
    print_unseen(
        f"Synthetic patients of {FEW_NODULES} nodules, slices of 3.2 mm",
        [PhantomSpec(nodules=FEW_NODULES, seed=seed, shape=FEW_VOXELS) for seed in FEW_SEEDS],
    )


def print_unseen(title: str, specs: Sequence[PhantomSpec]) -> None:
    """Print the table of some synthetic patients."""
    print(title)
    every = []
    for spec in specs:
        phantom = make_phantom(spec)
        every.append(estimate_unseen(phantom, segment_anatomy(phantom.scan), spec.seed))
    made = Table(title="Missed by the program, and the estimate: low, median, high", title_justify="left")
    for place, name in enumerate(("patient", "reported", "false", "missed up to", "all lobes", *LOBES)):
        made.add_column(name, justify="right" if place else "left")
    for spec, one in zip(specs, every, strict=True):
        cells = [
            f"{missed}: {i.low:.0f}, {i.median:.0f}, {i.high:.0f}"
            for missed, i in zip(one.missed, one.estimated, strict=True)
        ]
        largest = f"{one.missed_mm.max(initial=0.0):.1f} mm"
        made.add_row(str(spec.seed), str(one.reported), str(one.false), largest, *cells)
    console.print(made)
    within = np.array([one.within for one in every])
    print(
        f"Intervals that hold the truth: total {within[:, 0].mean():.2f}, lobes {within[:, 1:].mean():.2f}."
    )


@dataclass(frozen=True, eq=False)
class Unseen:
    """One synthetic patient.

    Parameters
    ----------
    reported, false
        Findings, and those of them on no nodule.
    missed, missed_mm
        Nodules that no finding lies on: how many in all lobes and in each, shape (6,), and their diameters.
    estimated
        The interval of each of these.
    """

    reported: int
    false: int
    missed: np.ndarray
    missed_mm: np.ndarray
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
        missed_mm=np.sort(truth.diameter_mm[missed]),
        estimated=(burden.interval(), *(burden.interval(lobe) for lobe in LOBES)),
    )


if __name__ == "__main__":
    run()
