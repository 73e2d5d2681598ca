"""Lung function around the operations of a plan: before and after each, over time, and after recovery."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.resection import (
    EXTRAPOLATION_EVIDENCE,
    SEGMENT_EVIDENCE,
    CourseStep,
    FunctionModel,
    Level,
    Loss,
    Measure,
    Predicted,
    Verdict,
    apply_rules,
    extrapolations,
    predict_postoperative,
)
from clearlung.staging.draft import Draft
from clearlung.staging.plan import (
    FunctionPoint,
    FunctionSummary,
    OperationSide,
    PredictedFunction,
    RiskVerdict,
    sides_of,
)
from clearlung.staging.problem import StagingProblem

# The course is told for a year after the last operation, when the published series end.
_WEEKS_AFTER = 52
# Weeks after an operation at which the course is told besides whole months: the fast phase bends most there.
_BEND = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 6.0, 7.0, 10.0)
_WEEKS_BETWEEN = 4


@dataclass(frozen=True)
class _Event:
    """One operation of the plan with its losses."""

    side: OperationSide
    week: int
    rows: tuple[int, ...]
    perfused: bool
    losses: dict[Measure, Loss]


@dataclass(frozen=True, eq=False)
class Outlook:
    """The course of lung function over the operations of a draft, in time order."""

    problem: StagingProblem
    events: tuple[_Event, ...]

    @classmethod
    def of(cls, problem: StagingProblem, draft: Draft) -> Outlook:
        """Return the course of a draft."""
        lines = draft.lines
        return cls.of_sequence(
            problem,
            [
                (
                    step.side,
                    step.week,
                    lines[step.side].items.row[lines[step.side].operations[step.place]].tolist(),
                    lines[step.side].perfused[step.place],
                )
                for step in draft.steps
            ],
        )

    @classmethod
    def of_sequence(
        cls, problem: StagingProblem, sequence: Iterable[tuple[OperationSide, int, Sequence[int], bool]]
    ) -> Outlook:
        """Return the course of operations in time order: side, week, rows of specimens, whether perfused."""
        events = []
        for side, week, rows, perfused in sequence:
            losses = {m.measure: problem.loss(rows, perfused=perfused, model=m) for m in _models(problem)}
            events.append(_Event(side, week, tuple(rows), perfused, losses))
        return cls(problem, tuple(events))

    def around(self, index: int) -> dict[str, float | None]:
        """Return an operation's fields of function by name."""
        found: dict[str, float | None] = {}
        for model in _models(self.problem):
            name, margin = model.measure, model.margin_percent
            week = self.events[index].week
            after = model.percent(self._done(name, index + 1), week)
            found |= {
                f"{name}_before_percent": model.percent(self._done(name, index), week),
                f"{name}_after_percent": after,
                f"{name}_after_low_percent": after - margin,
                f"{name}_after_high_percent": after + margin,
                f"{name}_recovered_percent": model.final_percent(
                    [loss for _, loss in self._done(name, index + 1)]
                ),
            }
        return found

    def _done(self, measure: Measure, count: int) -> list[tuple[float, Loss]]:
        return [(event.week, event.losses[measure]) for event in self.events[:count]]

    def summary(self) -> FunctionSummary:
        """Return function before the first operation and after full recovery, by every method."""
        problem, patient = self.problem, self.problem.patient
        model = problem.function
        low, final, high = self._final(model)
        fields: dict[str, object] = {}
        if patient is not None:
            lungs = patient.lungs
            dlco_low, dlco_final, dlco_high = self._final(lungs.dlco)
            fields = {
                "dlco_percent": lungs.dlco.baseline_percent,
                "ppo_dlco_percent": dlco_final,
                "ppo_dlco_low_percent": dlco_low,
                "ppo_dlco_high_percent": dlco_high,
                "right_share_percent": 100 * lungs.right_share,
                "predicted": tuple(PredictedFunction(**vars(p)) for p in self._predicted()),
                "verdict": RiskVerdict.of(verdict) if (verdict := self._verdict()) else None,
            }
        return FunctionSummary(
            fev1_percent=model.baseline_percent,
            fev1_predicted_l=model.predicted
            or problem.protocol.book().value("function.reference.fev1_predicted_l", unit="l"),
            lung_ml=model.lung_ml,
            assumed=problem.function_assumed,
            ppo_fev1_percent=final,
            ppo_fev1_low_percent=low,
            ppo_fev1_high_percent=high,
            course=self._course(),
            **fields,
        )

    def _final(self, model: FunctionModel) -> tuple[float, float, float]:
        """Return low, expected and high value after full recovery."""
        value = model.final_percent([event.losses[model.measure] for event in self.events])
        margin = model.margin_percent if self.events else 0.0
        return value - margin, value, value + margin

    def _predicted(self) -> list[Predicted]:
        """Return the values after recovery by the course, by segments, by volume and by density."""
        problem, patient, book = self.problem, self.problem.patient, self.problem.protocol.book()
        if patient is None:
            return []
        rows = np.array([row for event in self.events for row in event.rows], dtype=np.intp)
        removal = patient.removal(problem.specimens.take(rows), book)
        found: list[Predicted] = []
        for model in _models(problem):
            low, value, high = self._final(model)
            # The published error is that of predictions from CT; of a course nobody has measured one.
            found.append(Predicted(model.measure, "course", value, low, high, error_assumed=True))
            found += predict_postoperative(model, removal, book)
        return found

    def _verdict(self) -> Verdict | None:
        """Judge the lowest of all predictions; only the course counts perfusion."""
        problem, patient = self.problem, self.problem.patient
        if patient is None:
            return None
        predicted = self._predicted()
        levels = {model.measure: Level.cautious(model, predicted) for model in _models(problem)}
        return apply_rules(
            problem.protocol.function.rule_set,
            fev1=levels["fev1"],
            dlco=levels["dlco"] if patient.dlco_known else None,
            exercise=patient.exercise,
            book=problem.protocol.book(),
        )

    def _course(self) -> tuple[FunctionPoint, ...]:
        """Return the expected values over time: before and right after each operation, and in between."""
        points: list[FunctionPoint] = []
        for index, event in enumerate(self.events):
            if index == 0:
                points.append(self._point(event.week, 0))
            following = self.events[index + 1].week if index + 1 < len(self.events) else None
            end = event.week + _WEEKS_AFTER if following is None else following
            offsets = {0.0, *_BEND, *range(_WEEKS_BETWEEN, end - event.week, _WEEKS_BETWEEN)}
            weeks = sorted(event.week + o for o in offsets if event.week + o < end or o == 0)
            points += [self._point(week, index + 1) for week in (*weeks, float(end))]
        return tuple(points)

    def _point(self, week: float, count: int) -> FunctionPoint:
        patient = self.problem.patient
        values = {
            f"{m.measure}_percent": m.percent(self._done(m.measure, count), week)
            for m in _models(self.problem)
        }
        if patient is not None:
            done = [part for event in self.events[:count] for part in self._by_lung(event)]
            values |= {
                f"fev1_{side}_percent": patient.lungs.lung_percent("fev1", side, done, week) for side in SIDES
            }
        return FunctionPoint(week=week, **values)

    def _by_lung(self, event: _Event) -> list[tuple[Side, float, Loss]]:
        """Return what an operation takes of FEV1 on each lung that it opens."""
        if event.side != "both":
            return [(event.side, float(event.week), event.losses["fev1"])]
        own = {side: self._rows_on(event, side) for side in SIDES}
        losses = {side: self.problem.loss(rows, perfused=False) for side, rows in own.items()}
        return [(side, float(event.week), loss) for side, loss in losses.items()]

    def _rows_on(self, event: _Event, side: Side) -> list[int]:
        return [row for row in event.rows if self.problem.specimens.side[row] == side]

    def extrapolations(self) -> tuple[str, ...]:
        """Return sentences on where the course exceeds what has been studied."""
        specimens, patient = self.problem.specimens, self.problem.patient
        steps = []
        for event in self.events:
            for side in sides_of(event.side):
                rows = np.array(self._rows_on(event, side), dtype=np.intp)
                bedded = rows[~specimens.anatomical[rows]]
                bedded_ml = float(specimens.volume_ml[bedded].sum())
                steps.append(CourseStep(side, len(rows), bedded_ml, event.perfused))
        earlier = () if patient is None else patient.earlier
        book = self.problem.protocol.book()
        return extrapolations(steps, self.problem.function.lung_ml, book, earlier)

    def unlimited(self, numbers: Sequence[int] | None = None) -> tuple[str, ...]:
        """Say how low DLCO falls where that is under what the protocol demands of FEV1: nothing limits it.

        ``numbers`` are those of the operations, where they are not numbered from 1.
        """
        if self.problem.patient is None or not self.events or len(self.problem.floors) > 1:
            return ()
        model, floor = self.problem.patient.lungs.dlco, self.problem.protocol.function.fev1_after_percent_min
        low, place = min(
            (model.percent(self._done("dlco", i + 1), event.week) - model.margin_percent, i)
            for i, event in enumerate(self.events)
        )
        if low >= floor:
            return ()
        number = place + 1 if numbers is None else numbers[place]
        return (
            f"No limit holds for DLCO: its lower bound right after operation {number} is {low:.0f} %, under"
            f" the {floor:g} % that the protocol demands of FEV1.",
        )

    def evidence(self) -> tuple[str, ...]:
        """Return the ids of the entries that the course and its judgment rest on."""
        ids = [*EXTRAPOLATION_EVIDENCE, *(key for model in _models(self.problem) for key in model.evidence)]
        verdict = self._verdict()
        if verdict is not None:
            ids += [*verdict.evidence, *SEGMENT_EVIDENCE]
        return tuple(dict.fromkeys(ids))


def _models(problem: StagingProblem) -> Sequence[FunctionModel]:
    """Return the models of the measures that are known of this patient."""
    return (problem.function,) if problem.patient is None else (problem.function, problem.patient.lungs.dlco)
