"""Which assumptions decide about what a plan leaves unseen, and about its perfusions; and their sheets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import (
    EFFECT_EVIDENCE,
    TARGETS,
    WORTH_EVIDENCE,
    Benefit,
    LungBenefit,
    LungVolumes,
    OccultBurden,
    Sensitivity,
    by_swing,
    perfuse,
    reference_lungs,
    sterilized_by,
)
from clearlung.perfusion_sheets import sheets_of_plan
from clearlung.report import Moved, PerfusionPages
from clearlung.staging import (
    Plan,
    StagingProblem,
    perfused_weeks,
    perfusion_points,
    regimen_for,
    sides_of,
    targets_of,
)

_IC50, _DECADES = "effect.ic50.center", "pharmacology.kill.decades"
_FELT, _GROWTH = "occult.felt.half", "growth.slow.doubling"
_FEV1_FACTOR = "function.perfusion_factor"
# What these say changes how much of the lung's drug tumor gets, and nothing of the course in the lung.
_OF_TUMOR = ("kinetics.tumor.", "kinetics.spread.")
# The fifths of imagined patients that are compared where an assumption cannot be held alone.
_FIFTHS = 5
# A difference between two fifths below so many standard errors is taken for chance.
_ERRORS = 3.0

Floats = NDArray[np.float64]


def perfusion_pages(problem: StagingProblem, plan: Plan) -> PerfusionPages:
    """Return what a plan's report says of its perfusions beside the plan itself.

    Parameters
    ----------
    problem, plan
        The problem that the plan solves, and the plan.
    """
    sheets = sheets_of_plan(problem, plan)
    burden = None if plan.perfusion is None else problem.burden
    benefit = None if burden is None else problem.benefit
    if burden is None or benefit is None:
        return PerfusionPages(sheets=sheets)
    book = problem.protocol.book()
    return PerfusionPages(
        sheets=sheets,
        moved=moved_outcomes(problem, plan, burden, benefit),
        worth=tuple(book[key] for key in WORTH_EVIDENCE),
        words=burden.words,
    )


@dataclass(frozen=True)
class _Operations:
    """Weeks of each lung's last operation and of its perfusions, and what these reach."""

    last: Mapping[Side, int]
    perfused: Mapping[Side, tuple[int, ...]]
    targets: Mapping[Side, str]

    @classmethod
    def of(cls, plan: Plan) -> _Operations:
        last = {side: operation.week for operation in plan.operations for side in sides_of(operation.side)}
        weeks = perfused_weeks((o.side, o.week, o.perfusion is not None) for o in plan.operations)
        return cls(last, {side: tuple(own) for side, own in weeks.items()}, targets_of(plan.operations))


def moved_outcomes(
    problem: StagingProblem, plan: Plan, burden: OccultBurden, benefit: Benefit
) -> tuple[Moved, ...]:
    """Return how far each assumption alone moves what a plan leaves unseen and what its perfusions are worth.

    What can be held alone is held at its low and at its high end for all imagined patients. The law of sizes
    and the detection curve cannot: what the CT shows ties them together. There the fifth of the imagined
    patients with the lowest values is compared with that with the highest; a difference that chance could
    make is left out.

    Parameters
    ----------
    problem, plan
        The problem that the plan solves, and the plan.
    burden, benefit
        Of that problem.

    Returns
    -------
    tuple
        Metastases left unseen, and the worth of the plan's perfusions, or of the best one that was weighed
        where it has none; both in metastases.
    """
    case = _Case(problem, _Operations.of(plan), burden, benefit)
    left = _moved("Unseen metastases left after the plan", case, case.left)
    if any(case.course.perfused.values()):
        return left, _moved("Worth of the plan's perfusions, in metastases", case, case.worth)
    weighed = () if plan.perfusion is None else plan.perfusion.perfusions
    if not weighed:
        return (left,)
    best = max(weighed, key=lambda one: one.worth)
    perfused = {**case.course.perfused, best.side: (best.week,)}
    course = replace(case.course, perfused=perfused, targets={best.side: best.target})
    case = _Case(problem, course, burden, benefit)
    title = (
        f"Worth of a perfusion of {TARGETS[best.target].title} in operation {best.operation}, which the plan"
        " has not"
    )
    return left, _moved(title, case, case.worth)


def _moved(title: str, case: _Case, outcome: Callable[[_State], Floats]) -> Moved:
    start = outcome(case.start)
    found = [
        replace(
            moved.sensitivity,
            outcome_low=float(outcome(moved.low).mean()),
            outcome_high=float(outcome(moved.high).mean()),
        )
        for moved in case.held
    ]
    moving = [one for one in found if one.swing > 0]
    compared = [_compared(case.book, key, draws, start) for key, draws in case.burden.drawn.items()]
    sure = [one for one in compared if one is not None]
    return Moved(title, float(start.mean()), by_swing([*moving, *sure]), len(compared) - len(sure))


def _compared(book: EvidenceBook, key: str, draws: Floats, outcome: Floats) -> Sensitivity | None:
    """Compare the fifths with the lowest and the highest values; None where chance could do as much."""
    order = np.argsort(draws, kind="stable")
    size = len(order) // _FIFTHS
    low, high = order[:size], order[-size:]
    error = np.sqrt((outcome[low].var() + outcome[high].var()) / size)
    means = [float(outcome[rows].mean()) for rows in (low, high)]
    if draws[low].max() >= draws[high].min() or abs(means[1] - means[0]) < _ERRORS * error:
        return None
    values = [float(np.median(draws[rows])) for rows in (low, high)]
    entry = book[key]
    return Sensitivity(entry.title, values[0], values[1], means[0], means[1], key, entry.unit)


@dataclass(frozen=True, eq=False)
class _State:
    """Lungs, what of them is perfused, and weights of harm under one set of assumptions."""

    lungs: Mapping[Side, LungBenefit]
    perfused: Mapping[Side, LungBenefit]
    edema: float
    death: float
    fev1: float
    fev1_factor: float = 1.0


@dataclass(frozen=True, eq=False)
class _Held:
    """One assumption at its low and at its high end."""

    sensitivity: Sensitivity
    low: _State
    high: _State


class _Case:
    """One plan, and what is assumed of it moved."""

    def __init__(
        self, problem: StagingProblem, course: _Operations, burden: OccultBurden, benefit: Benefit
    ) -> None:
        self.problem, self.course, self.burden = problem, course, burden
        self.book = problem.protocol.book()
        worth = benefit.worth
        perfused = {side: benefit.of(target) for side, target in course.targets.items()}
        self.start = _State(benefit.lungs, perfused, worth.edema, worth.death, worth.fev1)
        self.courses = {
            side: perfuse(regimen, self._volumes(), self.book)
            for side, target in course.targets.items()
            if (regimen := regimen_for(problem, target)) is not None
        }
        self.held = tuple(self._held())

    def left(self, state: _State) -> Floats:
        """Return the unseen metastases left after the plan, shape (draws,)."""
        course = self.course
        left = np.zeros(self.burden.draws)
        for side, lung in state.lungs.items():
            last = course.last.get(side)
            left = left + (lung.unseen.sum(axis=1) if last is None else lung.left(last))
            if last is not None and side in state.perfused:
                left = left - state.perfused[side].spared(last, course.perfused[side])
        return left

    def worth(self, state: _State) -> Floats:
        """Return what the plan's perfusions spare less what they may cost, shape (draws,)."""
        worth = np.zeros(self.burden.draws)
        for side, part in state.perfused.items():
            weeks, target = self.course.perfused[side], self.course.targets[side]
            points = state.fev1_factor * perfusion_points(self.problem, target)
            each = state.edema * part.edema.mean() + state.death * part.death.mean() + state.fev1 * points
            worth = worth + part.spared(self.course.last[side], weeks) - len(weeks) * each
        return worth

    def _held(self) -> Iterator[_Held]:
        yield self._at("worth.edema", lambda value: replace(self.start, edema=value))
        yield self._at("worth.death", lambda value: replace(self.start, death=value))
        yield self._at("worth.fev1", lambda value: replace(self.start, fev1=value))
        yield self._at(_FEV1_FACTOR, lambda value: replace(self.start, fev1_factor=value))
        yield self._at(_FELT, self._with_felt)
        yield self._growth()
        if not self.courses:
            return
        half = 10.0 ** (self.book.value(_DECADES, unit="1") / 2)
        ic50 = self.book[_IC50]
        ends = (ic50.value / half, ic50.value * half)
        yield self._between(_IC50, ends, lambda value: self._with_effect({_IC50: value, _DECADES: 0.0}))
        course = next(iter(self.courses.values()))
        for key in dict.fromkeys((*EFFECT_EVIDENCE, *course.assumed)):
            entry = self.book[key]
            ranged = entry.low is not None and entry.high is not None
            # What the regimen holds is no assumption of the model any more.
            if entry.tag == "assumed" and ranged and key not in course.regimen.evidence:
                yield self._at(key, lambda value, key=key: self._with_effect({key: value}))  # type: ignore[misc]

    def _at(self, key: str, state: Callable[[float], _State]) -> _Held:
        entry = self.book[key]
        low = entry.value if entry.low is None else entry.low
        high = entry.value if entry.high is None else entry.high
        return self._between(key, (low, high), state)

    def _between(self, key: str, ends: tuple[float, float], state: Callable[[float], _State]) -> _Held:
        entry = self.book[key]
        moved = Sensitivity(entry.title, *ends, 0.0, 0.0, key, entry.unit)
        return _Held(moved, *(state(end) for end in ends))

    def _with_felt(self, half_mm: float) -> _State:
        hands = replace(self.burden, felt_half_mm=np.full(self.burden.draws, half_mm))
        return self._with(lambda lung: lung.changed(felt=hands.felt(lung.table_mm)))

    def _growth(self) -> _Held:
        """Hold growth at the slow and the fast end of what is likely: the doubling time of nine in ten."""
        slow, fast = (float(q) for q in np.quantile(self.burden.growth_per_day, (0.05, 0.95)))
        states = [
            self._with(lambda lung, rate=rate: lung.changed(growth_per_day=np.full(self.burden.draws, rate)))  # type: ignore[misc]
            for rate in (fast, slow)
        ]
        short, long = (float(np.log(2) / rate) for rate in (fast, slow))
        moved = Sensitivity("Volume doubling time of what is unseen", short, long, 0.0, 0.0, _GROWTH, "day")
        return _Held(moved, *states)

    def _with(self, change: Callable[[LungBenefit], LungBenefit]) -> _State:
        lungs, perfused = (
            {side: change(part) for side, part in parts.items()}
            for parts in (self.start.lungs, self.start.perfused)
        )
        return replace(self.start, lungs=lungs, perfused=perfused)

    def _with_effect(self, values: Mapping[str, float]) -> _State:
        """Return the state in which entries of the evidence on course or effect have other values."""
        book, lungs = self.book.overriding(values), self._volumes()
        simulated = any(key not in EFFECT_EVIDENCE and not key.startswith(_OF_TUMOR) for key in values)
        changed = dict(self.start.perfused)
        for side, known in self.courses.items():
            course = perfuse(known.regimen, lungs, book) if simulated else known
            table = sterilized_by(course, changed[side].table_mm, self.burden, lungs, book)
            changed[side] = changed[side].changed(sterilized=table)
        return replace(self.start, perfused=changed)

    def _volumes(self) -> LungVolumes:
        unseen = self.problem.unseen
        return reference_lungs(self.book) if unseen is None else unseen.volumes(self.book)
