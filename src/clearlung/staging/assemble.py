"""From the draft to the `Plan` that is stored: function around each operation, growth, warnings, evidence."""

from __future__ import annotations

import time
from typing import cast

from clearlung.anatomy import Lobe, Side
from clearlung.evidence import Evidence, load_evidence
from clearlung.followup import diameter_after_mm
from clearlung.resection import FunctionModel, Loss
from clearlung.staging.draft import Draft
from clearlung.staging.exact import SOLVER
from clearlung.staging.goals import Outcome
from clearlung.staging.plan import (
    FunctionSummary,
    Goal,
    Operation,
    Plan,
    PlannedLesion,
    PlannedSpecimen,
    SolverReport,
    Unassigned,
)
from clearlung.staging.problem import (
    ACCESS_EVIDENCE,
    PERFUSION_EVIDENCE,
    PLACEMENT_EVIDENCE,
    REENTRY_EVIDENCE,
    StagingProblem,
)
from clearlung.staging.select import choices


def assemble(
    outcome: Outcome,
    refused: list[Unassigned],
    goals: tuple[Goal, ...],
    operations_goal: Goal,
    began: float,
) -> Plan:
    """Return the plan.

    Parameters
    ----------
    outcome, goals, operations_goal
        What was found and proven.
    refused
        Lesions that no operation can take.
    began
        ``time.perf_counter()`` when solving began.
    """
    problem = outcome.problem
    operations = _operations(problem, outcome.draft)
    losses = [problem.function.loss(o.removed_ml, perfused=o.perfusion is not None) for o in operations]
    left = [*refused, *_left_for_function(outcome, operations)]
    return Plan(
        protocol=problem.protocol,
        function=_function(problem, losses),
        operations=operations,
        unassigned=tuple(sorted(left, key=lambda u: u.lesion)),
        lesions=_lesions(problem, operations),
        warnings=(*problem.warnings, *_warnings(outcome, goals)),
        evidence=_evidence(problem),
        solver=SolverReport(
            status="optimal" if all(goal.proven for goal in goals) else "feasible",
            objective=operations_goal.value,
            bound=operations_goal.bound,
            gap=operations_goal.gap,
            seed=problem.seed,
            seconds=time.perf_counter() - began,
            solver=SOLVER,
            goals=goals,
        ),
    )


def _left_for_function(outcome: Outcome, operations: tuple[Operation, ...]) -> list[Unassigned]:
    """Return the lesions that stay because lung function does not bear their removal."""
    problem, budget = outcome.problem, outcome.budget
    limits, fev1 = problem.protocol.function, problem.function.fev1_percent
    removed = {int(row) for lung in outcome.draft.lungs.values() for row in lung.items.row}
    rows = [row for items in outcome.lungs.values() for row in items.row.tolist() if row not in removed]
    left: list[Unassigned] = []
    for row in rows:
        ml = float(problem.specimens.volume_ml[row])
        added = fev1 * (budget.permanent(ml, 0) + budget.early(ml) - budget.access)
        reason = (
            f"Lung function does not bear its {ml:.1f} ml as well: as planned, the lower bound of FEV1 right"
            f" after the last operation is {operations[-1].fev1_after_low_percent:.1f} % (limit"
            f" {limits.fev1_after_percent_min:g} %); this would take {added:.1f} points more there, or"
            f" {added + fev1 * budget.access:.1f} points at once in an operation of its own."
        )
        left += [
            Unassigned(lesion=i, code="function_limit", reason=reason) for i in problem.specimens.lesions[row]
        ]
    return left


def _operations(problem: StagingProblem, draft: Draft) -> tuple[Operation, ...]:
    """Return the operations numbered in time order, with the function before and after each."""
    model = problem.function
    done: list[tuple[float, Loss]] = []
    operations: list[Operation] = []
    for number, step in enumerate(draft.steps, start=1):
        lung = draft.lungs[step.side]
        rows = lung.items.row[lung.operations[step.place]]
        perfused = lung.perfused[step.place]
        removed_ml = float(problem.specimens.volume_ml[rows].sum())
        before = model.percent(done, step.week)
        done.append((step.week, model.loss(removed_ml, perfused=perfused)))
        after = model.percent(done, step.week)
        again = step.place > 0 or step.side in problem.operated
        minutes = problem.access_minutes + float(problem.specimens.minutes[rows].sum())
        minutes += problem.reentry_minutes if again else 0.0
        operations.append(
            Operation(
                number=number,
                side=step.side,
                approach="thoracotomy",
                week=step.week,
                minutes=minutes + (problem.perfusion_minutes if perfused else 0.0),
                removed_ml=removed_ml,
                perfusion=problem.regimen if perfused else None,
                specimens=tuple(_specimen(problem, int(row)) for row in rows),
                fev1_before_percent=before,
                fev1_after_percent=after,
                fev1_after_low_percent=after - model.margin_percent,
            )
        )
    return tuple(operations)


def _specimen(problem: StagingProblem, row: int) -> PlannedSpecimen:
    specimens = problem.specimens
    return PlannedSpecimen(
        id=int(specimens.id[row]),
        technique=str(specimens.technique[row]),
        lesions=specimens.lesions[row],
        side=cast(Side, str(specimens.side[row])),
        lobe=cast(Lobe, str(specimens.lobe[row])),
        volume_ml=float(specimens.volume_ml[row]),
        margin_mm=float(specimens.margin_mm[row]),
        minutes=float(specimens.minutes[row]),
    )


def _function(problem: StagingProblem, losses: list[Loss]) -> FunctionSummary:
    model = problem.function
    final = model.fev1_percent * (1.0 - sum(loss.permanent for loss in losses))
    margin = model.margin_percent if losses else 0.0
    return FunctionSummary(
        fev1_percent=model.fev1_percent,
        fev1_predicted_l=model.fev1_predicted_l,
        lung_ml=model.lung_ml,
        assumed=problem.function_assumed,
        ppo_fev1_percent=final,
        ppo_fev1_low_percent=final - margin,
        ppo_fev1_high_percent=final + margin,
    )


def _lesions(problem: StagingProblem, operations: tuple[Operation, ...]) -> tuple[PlannedLesion, ...]:
    where = {lesion: operation for operation in operations for lesion in operation.lesions}
    table = problem.lesions
    found: list[PlannedLesion] = []
    for row, lesion in enumerate(table.id.tolist()):
        operation = where.get(lesion)
        vdt = float(table.vdt_days[row])
        known = vdt == vdt
        diameter = float(table.diameter_mm[row])
        grown = float(diameter_after_mm(diameter, vdt, 7 * operation.week)) if known and operation else None
        found.append(
            PlannedLesion(
                id=lesion,
                side=cast(Side, str(table.side[row])),
                lobe=cast(Lobe, str(table.lobe[row])),
                diameter_mm=diameter,
                depth_mm=float(table.depth_mm[row]),
                operation=operation.number if operation else None,
                vdt_days=vdt if known else None,
                diameter_at_operation_mm=grown,
            )
        )
    return tuple(found)


def _warnings(outcome: Outcome, goals: tuple[Goal, ...]) -> list[str]:
    warnings: list[str] = []
    if len(outcome.problem.lesions) and not outcome.removed:
        warnings.append("This plan removes nothing: no lesion can be taken out within the limits.")
    most = max((len(o) for lung in outcome.draft.lungs.values() for o in lung.operations), default=0)
    if most > load_evidence().value("function.specimens_studied", unit="1"):
        warnings.append(
            f"No study exists of dozens of specimens in one operation; here there are up to {most}."
            " The course of lung function extrapolates."
        )
    weeks = goals[-1]
    if weeks.value > weeks.bound or "intervals alone" not in weeks.method:
        warnings.append(
            "Lung function, not the protocol's intervals, sets the pace: operations wait until enough of the"
            " early loss has recovered."
        )
    if weeks.value > 0:
        warnings.append(
            f"Specimens have the size of the scan's day: growth until their operation, up to"
            f" {weeks.value:.0f} weeks later, is not in their tissue, minutes or technique."
        )
    if not outcome.complete:
        warnings.append(_left_warning(outcome.problem, outcome))
    return warnings


def _left_warning(problem: StagingProblem, outcome: Outcome) -> str:
    """Say how many lesions stay for lung function, and whether the perfusions are what costs them."""
    text = (
        f"{outcome.lesions - outcome.removed} lesions stay: their removal would leave less lung function than"
        " the protocol demands."
    )
    if problem.perfusions_per_lung:
        without = max(choice.most_lesions(outcome.budget, 0) for choice in choices(outcome.lungs))
        if without > outcome.lesions_bound:
            text += (
                f" A perfusion takes function for good: without any, up to {without} instead of"
                f" {outcome.lesions_bound} could be removed."
            )
    return text


def _evidence(problem: StagingProblem) -> tuple[Evidence, ...]:
    """Return every entry that the plan rests on, once, by id."""
    ids = {
        *problem.evidence_ids,
        *problem.specimens.evidence,
        *problem.protocol.evidence.values(),
        *problem.protocol.assumptions,
        *FunctionModel.EVIDENCE,
        ACCESS_EVIDENCE,
        REENTRY_EVIDENCE,
    }
    if problem.perfusions_per_lung and problem.regimen is not None:
        ids |= {*problem.regimen.evidence, PERFUSION_EVIDENCE, PLACEMENT_EVIDENCE}
    book = problem.protocol.book()
    return tuple(book[key] for key in sorted(ids))
