"""How long staging takes, where the time goes, and how far it is proven: 170, 500 and 1,000 lesions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

from rich.console import Console
from rich.table import Table

from benchmarks.nodule_cost import MANY_MEDIAN_MM, peak_gib
from clearlung.followup import lesions_of_first_scan
from clearlung.nodules import NoduleTable
from clearlung.perfusion import make_regimen
from clearlung.phantom import PhantomSpec, make_phantom
from clearlung.resection import FunctionModel, prepare_excision
from clearlung.staging import (
    Plan,
    StagingProblem,
    choose_together,
    draft,
    load_protocol,
    search,
    shipped_protocols,
)
from clearlung.staging import solve as solving

TARGETS_SECONDS = {170: 10.0, 500: 30.0, 1000: 120.0}
TARGET_GAP = 0.01
# The list of nodules is the same at any resolution of the scan.
COARSE = (48, 64, 64)
# The second takes the limit of function away, which leaves the packing and the intervals.
LUNGS_ML = (5000.0, 50000.0)
# What a phase is made of: names that the search and the solver call.
PHASES: dict[str, tuple[tuple[Any, str], ...]] = {
    "packing": ((search, "pack"), (search, "pack_split"), (search, "pack_tapered")),
    "sequence": ((search, "schedule"), (search, "reordered"), (draft, "bearable")),
    "proof": ((solving, "goals_of"),),
}


@dataclass
class Phases:
    """Seconds in each phase; what one calls of another is the other's."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    _within: list[str] = field(default_factory=list)
    _since: float = 0.0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Watch the phases' functions."""
        with ExitStack() as stack:
            for phase, functions in PHASES.items():
                for module, name in functions:
                    watched = self._watched(phase, getattr(module, name))
                    stack.enter_context(patch.object(module, name, watched))
            yield

    def _watched(self, phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._within.append(phase)
            try:
                return call(*args, **kwargs)
            finally:
                self._switch()
                self._within.pop()

        return watched

    def _switch(self) -> None:
        now = time.perf_counter()
        if self._within:
            self.seconds[self._within[-1]] += now - self._since
        self._since = now


def nodules_of(count: int) -> NoduleTable:
    """Return a synthetic patient's metastases, all of them known."""
    spec = PhantomSpec(nodules=count, seed=1, shape=COARSE)
    # A thousand of the usual sizes would hardly leave lung between them.
    return make_phantom(spec if count < 500 else replace(spec, diameter_median_mm=MANY_MEDIAN_MM)).truth


def problem(
    nodules: NoduleTable, protocol_name: str, sides: int, lung_ml: float
) -> tuple[StagingProblem, float]:
    """Return the problem of a list with its specimens chosen, and the seconds of that choice."""
    protocol = load_protocol(protocol_name)
    protocol = protocol.model_copy(
        update={"per_operation": protocol.per_operation.model_copy(update={"sides_max": sides})}
    )
    book = protocol.book()
    perfused = protocol.perfusion.regimen != "none"
    excision = prepare_excision(nodules, None, protocol.resection.techniques, book)
    given = StagingProblem.build(
        book,
        specimens=excision.specimens,
        lesions=lesions_of_first_scan(nodules),
        function=FunctionModel.from_evidence(
            book, "fev1", percent=98, predicted=2.8, lung_ml=lung_ml, confidence=protocol.function.confidence
        ),
        protocol=protocol,
        regimen=make_regimen(protocol.perfusion.regimen, book) if perfused else None,
    )
    began = time.perf_counter()
    chosen = choose_together(given, excision)
    return chosen, time.perf_counter() - began


def run() -> None:
    """Print the table."""
    table = Table(title="Staging", title_justify="left")
    for column in (
        "lesions",
        "protocol",
        "sides",
        "lung ml",
        "removed",
        "ops",
        "weeks",
        "wall s",
        "target s",
        "choice s",
        "packing s",
        "sequence s",
        "proof s",
        "peak GiB",
        "status",
        "gap of each goal",
    ):
        table.add_column(column, justify="left" if column in {"protocol", "status"} else "right")
    for count in TARGETS_SECONDS:
        nodules = nodules_of(count)
        for name in shipped_protocols():
            for sides in (1, 2):
                for lung_ml in LUNGS_ML:
                    row = _row(nodules, name, sides, lung_ml)
                    print("  " + " ".join(row), flush=True)
                    table.add_row(*row)
    Console(width=200).print(table)


def _row(nodules: NoduleTable, name: str, sides: int, lung_ml: float) -> list[str]:
    given, choice = problem(nodules, name, sides, lung_ml)
    phases = Phases()
    peak_gib(reset=True)
    began = time.perf_counter()
    with phases.measured():
        plan = solving.solve_plan(given)
    wall = time.perf_counter() - began
    target = TARGETS_SECONDS[len(nodules)]
    return [
        str(len(nodules)),
        name,
        str(sides),
        f"{lung_ml:.0f}",
        str(sum(len(o.lesions) for o in plan.operations)),
        str(len(plan.operations)),
        str(plan.weeks_until_clear),
        f"{wall:.2f}",
        f"{target:g} {_verdict(plan, wall <= target)}",
        f"{choice:.2f}",
        *(f"{phases.seconds[phase]:.2f}" for phase in PHASES),
        f"{peak_gib():.2f}",
        plan.solver.status,
        _gaps(plan),
    ]


def _verdict(plan: Plan, in_time: bool) -> str:
    """Say whether a target is met for every goal, for the number of operations alone, or missed."""
    gaps = [goal.gap for goal in plan.solver.goals]
    if in_time and max(gaps) <= TARGET_GAP:
        return "met"
    first = [plan.solver.goal(key).gap for key in ("lesions_left", "operations")]
    return "operations" if in_time and max(first) <= TARGET_GAP else "MISSED"


def _gaps(plan: Plan) -> str:
    open_goals = (goal for goal in plan.solver.goals if not goal.proven)
    return ", ".join(f"{goal.key} {100 * goal.gap:.1f} %" for goal in open_goals) or "-"


if __name__ == "__main__":
    run()
