"""The demo: a synthetic patient with very many metastases, planned under the shipped protocols."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from clearlung.anatomy import segment_anatomy
from clearlung.comparison_jobs import Compared, ComparedProtocol
from clearlung.comparison_record import ComparisonRecord
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleTable, find_nodules, match_nodules
from clearlung.phantom import PhantomSpec, make_phantom
from clearlung.progress import Stopwatch
from clearlung.result_folder import write_result
from clearlung.staging import (
    StressOptions,
    TradeoffOptions,
    load_protocol,
    shipped_protocols,
    stress_test,
    trade_off,
    unseen_left,
)
from clearlung.workflow import PlanResult, plan_again, plan_nodules

DEMO_PHASES = 1 + 2 + 2 * len(shipped_protocols()) + 2 + 1
"""Phases of :func:`run_demo`: phantom, anatomy, nodules, two for each protocol, scenarios, trade-off,
report."""

# Coarse, so that it costs seconds; clearlung compare sweeps the limits in full.
_CURVE = TradeoffOptions(function_step_percent=10.0, operations_more=2)


@dataclass(frozen=True)
class Detection:
    """What the detector found of the synthetic patient's metastases."""

    metastases: int
    visible_from_mm: float
    visible: int
    found: int
    found_visible: int
    false: int

    def as_dict(self) -> dict[str, float]:
        """Return the counts as plain data."""
        return asdict(self)

    def sentence(self) -> str:
        """Say it in words."""
        return (
            f"The plans are for all {self.metastases} metastases. By itself the detector found {self.found}"
            f" of them, {self.found_visible} of the {self.visible} of {self.visible_from_mm:g} mm and more,"
            f" and {self.false} things that are none."
        )


@dataclass(frozen=True, eq=False)
class DemoResult:
    """The plans under each shipped protocol, the one with the fewest operations first."""

    plans: list[PlanResult]
    detection: Detection


def run_demo(
    out: Path, *, nodules: int = 170, seed: int = 1, overwrite: bool = False, watch: Stopwatch | None = None
) -> DemoResult:
    """Make the synthetic patient, plan it under every shipped protocol, write the result.

    The plans are for all metastases, as after a review by somebody who knows the truth; what the detector
    finds of them by itself is told beside.

    Parameters
    ----------
    out
        Becomes the result of the plan with the fewest operations; its report compares the others, tests
        it in scenarios, and shows what fewer operations cost.
    nodules
        Number of metastases, from those too small to see to some centimeters.
    seed
        Seed of the patient and of the plans.
    overwrite
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
    scan, truth = phantom.scan, phantom.truth
    with watch.phase("anatomy"):
        anatomy = segment_anatomy(scan)
    with watch.phase("nodules"):
        found = find_nodules(scan, anatomy)
    labels = phantom.nodules.crop(anatomy.box)
    known = replace(truth, labels=labels.with_array(np.ascontiguousarray(labels.array, dtype=np.int32)))
    first, *others = (load_protocol(name) for name in shipped_protocols())
    plan = plan_nodules(scan, anatomy, known, first, seed=seed, watch=watch)
    results = [plan, *(plan_again(plan, protocol, watch) for protocol in others)]
    results.sort(key=lambda result: len(result.plan.operations))
    with watch.phase("scenarios"):
        stress = stress_test(results[0].problem, results[0].plan, StressOptions(seed=seed))
    with watch.phase("trade-off"):
        compared = _compared(results)
    write_result(
        results[0],
        out,
        command="demo",
        options={"nodules": nodules, "seed": seed},
        title=f"Synthetic patient with {nodules} metastases",
        comparison=[result.plan for result in results],
        stress=stress,
        compared=ComparisonRecord.of(compared),
        replace=overwrite,
        watch=watch,
    )
    return DemoResult(results, _detection(truth, found))


def _compared(results: list[PlanResult]) -> Compared:
    """Return the plans side by side, with the trade-off curve of the first."""
    left = unseen_left([(result.problem, result.plan) for result in results])
    protocols = tuple(
        ComparedProtocol(result.protocol, result.plan, unseen=unseen)
        for result, unseen in zip(results, left, strict=True)
    )
    return Compared(protocols, trade_off(results[0].problem, _CURVE), results[0].protocol.name)


def _detection(truth: NoduleTable, found: NoduleTable) -> Detection:
    match = match_nodules(truth.points_mm, truth.diameter_mm, found.points_mm)
    visible_from_mm = load_evidence().value("nodule.visible_from", unit="mm")
    visible = truth.diameter_mm >= visible_from_mm
    hit = match.found_of_known >= 0
    return Detection(
        metastases=len(truth),
        visible_from_mm=visible_from_mm,
        visible=int(visible.sum()),
        found=int(hit.sum()),
        found_visible=int((hit & visible).sum()),
        false=match.false,
    )
