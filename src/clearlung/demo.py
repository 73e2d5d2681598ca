"""The demo: a synthetic patient with very many metastases, planned under the shipped protocols."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.nodules import NoduleTable, match_nodules
from clearlung.phantom import PhantomSpec, make_phantom
from clearlung.progress import Stopwatch
from clearlung.result_folder import write_result
from clearlung.staging import load_protocol, shipped_protocols
from clearlung.workflow import PlanResult, plan_again, plan_scan

DEMO_PHASES = 1 + 2 + 2 * len(shipped_protocols()) + 1
"""Phases that :func:`run_demo` goes through: phantom, anatomy, nodules, two for each protocol, report."""

# The limit of what CT shows: 2 to 3 mm on slices of 1 mm.
VISIBLE_FROM_MM = 3.0


@dataclass(frozen=True)
class Detection:
    """What the detector found of the synthetic patient's metastases."""

    metastases: int
    visible: int
    found: int
    found_visible: int
    false: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts as plain data."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in words."""
        return (
            f"Of {self.metastases} metastases {self.found} were found, of the {self.visible} of"
            f" {VISIBLE_FROM_MM:g} mm and more {self.found_visible}; {self.false} findings are none."
        )


@dataclass(frozen=True, eq=False)
class DemoResult:
    """The plans under each shipped protocol, the one with the fewest operations first."""

    plans: list[PlanResult]
    detection: Detection


def run_demo(
    out: Path, *, nodules: int = 170, seed: int = 1, replace: bool = False, watch: Stopwatch | None = None
) -> DemoResult:
    """Make the synthetic patient, plan it under every shipped protocol, write the result.

    Parameters
    ----------
    out
        Becomes the result of the plan with the fewest operations; its report compares the others.
    nodules
        Number of metastases, from those too small to see to some centimeters.
    seed
        Seed of the patient and of the plans.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phases and shows them.

    Raises
    ------
    OutputError
        If the folder must not be written.
    InfeasiblePlan
        If a protocol allows no plan.
    """
    watch = watch or Stopwatch()
    with watch.phase("synthetic patient"):
        phantom = make_phantom(PhantomSpec(nodules=nodules, seed=seed))
    protocols = [load_protocol(name) for name in shipped_protocols()]
    first = plan_scan(phantom.scan, protocols[0], seed=seed, watch=watch)
    results = [first, *(plan_again(first, protocol, watch) for protocol in protocols[1:])]
    results.sort(key=lambda result: len(result.plan.operations))
    write_result(
        results[0],
        out,
        command="demo",
        options={"nodules": nodules, "seed": seed},
        title=f"Synthetic patient with {nodules} metastases",
        comparison=[result.plan for result in results],
        replace=replace,
        watch=watch,
    )
    return DemoResult(results, _detection(phantom.truth, first.nodules))


def _detection(truth: NoduleTable, found: NoduleTable) -> Detection:
    match = match_nodules(_centers(truth), truth.diameter_mm, _centers(found))
    visible = truth.diameter_mm >= VISIBLE_FROM_MM
    hit = match.found_of_known >= 0
    return Detection(
        metastases=len(truth),
        visible=int(visible.sum()),
        found=int(hit.sum()),
        found_visible=int((hit & visible).sum()),
        false=match.false,
    )


def _centers(table: NoduleTable) -> NDArray[np.float64]:
    return np.column_stack([table.x_mm, table.y_mm, table.z_mm])
