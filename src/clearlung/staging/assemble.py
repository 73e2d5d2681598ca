"""From the draft to the `Plan` that is stored: function around each operation, growth, warnings, evidence."""

from __future__ import annotations

import math
import time
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, SIDES, Lobe, Side
from clearlung.evidence import Evidence
from clearlung.followup import diameter_after_mm
from clearlung.perfusion import TARGETS, Regimen
from clearlung.resection import Approach, OperationModel
from clearlung.staging.exact import SOLVER
from clearlung.staging.goals import Outcome
from clearlung.staging.left_over import Left, left_over, left_warning
from clearlung.staging.outlook import Outlook
from clearlung.staging.perfusion_choice import perfusion_choice
from clearlung.staging.plan import (
    Goal,
    Interval,
    Operation,
    OperationSide,
    Plan,
    PlannedLesion,
    PlannedSpecimen,
    SolverReport,
    Unassigned,
    sides_of,
)
from clearlung.staging.problem import (
    PERFUSION_EVIDENCE,
    PLACEMENT_EVIDENCE,
    StagingProblem,
)
from clearlung.staging.targets import SHARE_EVIDENCE, regimen_for, targets_on


def assemble(
    outcome: Outcome, refused: list[Unassigned], goals: tuple[Goal, ...], why: Left, began: float
) -> Plan:
    """Return the plan.

    Parameters
    ----------
    outcome, goals
        What was found and proven.
    refused
        Lesions that no operation can take.
    why
        Why others stay.
    began
        ``time.perf_counter()`` when solving began.
    """
    problem = outcome.problem
    outlook = outcome.outlook
    operations = operations_of(problem, outlook)
    left = [*refused, *left_over(outcome, operations, why)]
    operations_goal = next(goal for goal in goals if goal.key == "operations")
    return Plan(
        protocol=problem.protocol,
        function=outlook.summary(),
        operations=operations,
        unassigned=tuple(sorted(left, key=lambda u: u.lesion)),
        lesions=lesions_of(problem, operations),
        assignments=problem.assignments,
        perfusion=perfusion_choice(problem, operations),
        warnings=(
            *problem.cautions,
            *outlook.extrapolations(),
            *outlook.unlimited(),
            *_warnings(outcome, goals, why),
        ),
        evidence=evidence_of(problem, outlook),
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


def operations_of(problem: StagingProblem, outlook: Outlook) -> tuple[Operation, ...]:
    """Return a course's operations numbered in time order, with the function before and after each."""
    operations: list[Operation] = []
    opened, theatre = set(problem.operated), OperationModel.from_evidence(problem.protocol.book())
    for number, event in enumerate(outlook.events, start=1):
        rows = list(event.rows)
        sides = sides_of(event.side)
        access = problem.access_minutes_both if event.side == "both" else problem.access_minutes
        freed = len(opened.intersection(sides))
        minutes = access + float(problem.specimens.minutes[rows].sum()) + freed * problem.reentry_minutes
        opened.update(sides)
        approach = _approach(problem, event.side)
        operations.append(
            Operation(
                number=number,
                side=event.side,
                approach=_in_words(approach, event.side),
                week=event.week,
                scan_week=_scan_week(problem, number, event.week),
                minutes=minutes + (problem.perfusion_minutes if event.perfused else 0.0),
                removed_ml=float(problem.specimens.volume_ml[rows].sum()),
                perfusion=_perfusion(problem, event.side) if event.perfused else None,
                specimens=tuple(_specimen(problem, row) for row in rows),
                **outlook.around(number - 1),
                **_estimates(problem, theatre, rows, event.perfused, freed, approach, len(sides)),
            )
        )
    return tuple(operations)


def _perfusion(problem: StagingProblem, side: OperationSide) -> Regimen | None:
    """Return how an operation perfuses its lung; on both sides the regimen stands for either."""
    return problem.regimen if side == "both" else regimen_for(problem, targets_on(problem, side)[0])


def _approach(problem: StagingProblem, side: OperationSide) -> Approach:
    return problem.protocol.per_operation.both_sides_approach if side == "both" else "thoracotomy"


def _in_words(approach: Approach, side: OperationSide) -> str:
    if approach == "thoracotomy" and side == "both":
        return "thoracotomy on each side"
    return f"{approach} thoracotomy" if approach == "bilateral anterior" else approach


def _scan_week(problem: StagingProblem, number: int, week: int) -> int | None:
    """Return the week of the CT before an operation; the first is planned on the one that there is."""
    scans = problem.protocol.scans
    if scans.weeks_after_operation_min is None or number == 1:
        return None
    return week - scans.weeks_before_operation_min


def _estimates(
    problem: StagingProblem,
    theatre: OperationModel,
    rows: list[int],
    perfused: bool,
    freed: int,
    approach: Approach,
    sides: int,
) -> dict[str, Any]:
    """Return an operation's fields of minutes, blood, complications and stay by name."""
    specimens = problem.specimens
    found = theatre.estimate(
        specimens.minutes[rows].tolist(),
        lesions=int(specimens.counts[rows].sum()),
        anatomical=bool(specimens.anatomical[rows].any()),
        perfused=perfused,
        reentry=freed,
        sides=sides,
        approach=approach,
    )
    return {
        "reentry": freed > 0,
        "minutes_low": found.minutes.low,
        "minutes_expected": found.minutes.expected,
        "minutes_high": found.minutes.high,
        "blood_ml": Interval(**vars(found.blood_ml)),
        "complication_percent": Interval(**vars(found.complication.times(100))),
        "stay_days": Interval(**vars(found.stay_days)),
        "notes": found.notes,
    }


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
        lobe_ml=_lobe_ml(specimens.lobe_ml[row]),
        reach_mm=_known(specimens.reach_mm[row]),
        margin_least_mm=_known(specimens.margin_least_mm[row]),
        margin_low_mm=_known(specimens.margin_low_mm[row]),
        margin_high_mm=_known(specimens.margin_high_mm[row]),
        clear=_known(specimens.clear[row]),
        vessel_mm=_known(specimens.vessel_mm[row]),
        bronchus_mm=_known(specimens.bronchus_mm[row]),
        closure=str(specimens.closure[row]) or None,
    )


def _lobe_ml(shares: NDArray[np.float64]) -> dict[Lobe, float] | None:
    """Return what each lobe gives, without those that give nothing; None where that is unknown."""
    if not np.isfinite(shares).all():
        return None
    return {lobe: float(ml) for lobe, ml in zip(LOBES, shares, strict=True) if ml > 0}


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def lesions_of(problem: StagingProblem, operations: tuple[Operation, ...]) -> tuple[PlannedLesion, ...]:
    """Return every lesion with its operation and its expected size on that day."""
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


def _warnings(outcome: Outcome, goals: tuple[Goal, ...], why: Left) -> list[str]:
    warnings: list[str] = []
    if len(outcome.problem.lesions) and not outcome.removed:
        warnings.append("This plan removes nothing: no lesion can be taken out within the limits.")
    weeks = next(goal for goal in goals if goal.key == "weeks")
    if weeks.value > weeks.bound or "intervals alone" not in weeks.method:
        warnings.append(
            "Lung function, not the protocol's intervals, sets the pace: operations wait until enough of the"
            " early loss has recovered."
        )
    if weeks.value > 0:
        warnings.append(growth_warning(weeks.value))
    if not outcome.complete:
        warnings.append(left_warning(outcome.problem, outcome, why))
    return warnings


def growth_warning(weeks: float) -> str:
    """Say that specimens do not grow with their lesions."""
    return (
        f"Specimens have the size of the scan's day: growth until their operation, up to {weeks:.0f} weeks"
        " later, is not in their tissue, minutes or technique."
    )


def evidence_of(problem: StagingProblem, outlook: Outlook) -> tuple[Evidence, ...]:
    """Return every entry that the plan rests on, once, by id."""
    ids = {
        *problem.evidence_ids,
        *problem.specimens.evidence,
        *problem.protocol.evidence.values(),
        *problem.protocol.assumptions,
        *outlook.evidence(),
        *OperationModel.EVIDENCE,
    }
    if problem.regimen is not None and any(problem.perfusions_on(side) for side in SIDES):
        ids |= {*problem.regimen.evidence, PERFUSION_EVIDENCE, PLACEMENT_EVIDENCE}
        targets = (TARGETS[name] for side in SIDES for name in targets_on(problem, side))
        for target in targets:
            ids |= set() if target.whole_lung else {SHARE_EVIDENCE, *target.evidence}
    if problem.benefit is not None:
        ids |= set(problem.benefit.evidence)
    book = problem.protocol.book()
    return tuple(book[key] for key in sorted(ids))
