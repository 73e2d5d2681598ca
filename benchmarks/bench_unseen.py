"""From the scan to the unseen: what the detector misses on synthetic patients, and what is estimated of it.

``CLEARLUNG_BENCH_SCANS=N`` takes the first N synthetic patients instead of twenty.
"""

from __future__ import annotations

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
from clearlung.phantom import Phantom, make_phantom, varied_spec

console = Console(width=150)


def run() -> None:
    """Print the table."""
    print("Synthetic patients of 170 nodules, slices of 0.8 mm")
    every = []
    for seed in range(how_many(PHANTOMS)):
        phantom = make_phantom(varied_spec(seed))
        every.append(estimate_unseen(phantom, segment_anatomy(phantom.scan), seed))
    made = Table(title="Missed by the program, and the estimate: low, median, high", title_justify="left")
    for place, name in enumerate(("patient", "reported", "false", "all lobes", *LOBES)):
        made.add_column(name, justify="right" if place else "left")
    for seed, one in enumerate(every):
        cells = [
            f"{missed}: {i.low:.0f}, {i.median:.0f}, {i.high:.0f}"
            for missed, i in zip(one.missed, one.estimated, strict=True)
        ]
        made.add_row(str(seed), str(one.reported), str(one.false), *cells)
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


if __name__ == "__main__":
    run()
