"""How long staging takes, and how far it is proven, for 170, 500 and 1,000 random lesions."""

from __future__ import annotations

import numpy as np

from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.perfusion import make_regimen
from clearlung.resection import FunctionModel, excise
from clearlung.staging import StagingProblem, load_protocol, shipped_protocols, solve_plan

LOBES = ("RUL", "RML", "RLL", "LUL", "LLL")
SHARES = (0.179, 0.093, 0.265, 0.231, 0.232)


def random_nodules(count: int, seed: int = 0) -> NoduleTable:
    """Nodules of 3 to 25 mm over the lobes by their volume, at any depth to 40 mm."""
    rng = np.random.default_rng(seed)
    lobe = np.sort(rng.choice(5, size=count, p=SHARES))
    diameter = np.clip(rng.lognormal(np.log(6.0), 0.45, count), 3, 25)
    nan = np.full(count, np.nan)
    return NoduleTable(
        id=np.arange(1, count + 1, dtype=np.int32),
        x_mm=nan,
        y_mm=nan,
        z_mm=nan,
        side=np.where(lobe < 3, "right", "left"),
        lobe=np.array(LOBES)[lobe],
        lobe_confidence=np.ones(count),
        diameter_mm=diameter,
        volume_mm3=sphere_volume_mm3(diameter),
        depth_mm=rng.uniform(0, 35, count) * rng.uniform(0, 1, count),
        probability=np.ones(count),
        mean_hu=nan,
        max_hu=nan,
        calcified=np.zeros(count, dtype=bool),
        vdt_days=nan,
    )


def problem(count: int, protocol_name: str, *, lung_ml: float = 5000.0, seed: int = 0) -> StagingProblem:
    """Return a random problem under a shipped protocol.

    A larger lung takes the limit of function away, which leaves the packing and the intervals.
    """
    protocol = load_protocol(protocol_name)
    book = protocol.book()
    nodules = random_nodules(count, seed)
    perfused = protocol.perfusion.regimen != "none"
    return StagingProblem.build(
        book,
        specimens=excise(nodules, None, protocol.resection.techniques, book),
        lesions=nodules,
        function=FunctionModel.from_evidence(
            book, "fev1", percent=98, predicted=2.8, lung_ml=lung_ml, confidence=0.95
        ),
        protocol=protocol,
        regimen=make_regimen(protocol.perfusion.regimen, book) if perfused else None,
    )


def run() -> None:
    """Print the table."""
    header = "lesions protocol     lung_ml  removed operations bound   gap weeks seconds status"
    print(header + "\n" + "-" * len(header))
    for count in (170, 500, 1000):
        for name in shipped_protocols():
            for lung_ml in (5000.0, 50000.0):
                plan = solve_plan(problem(count, name, lung_ml=lung_ml))
                removed = sum(len(o.lesions) for o in plan.operations)
                print(
                    f"{count:7} {name:12} {lung_ml:7.0f} {removed:8} {len(plan.operations):10}"
                    f" {plan.solver.bound:5.0f} {plan.solver.gap:5.3f} {plan.weeks_until_clear:5}"
                    f" {plan.solver.seconds:7.2f} {plan.solver.status}",
                    flush=True,
                )


if __name__ == "__main__":
    run()
