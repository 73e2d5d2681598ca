"""The `Plan` of operations that are given: function around each, and what is proven of it."""

from __future__ import annotations

from collections.abc import Sequence

from clearlung.staging.assemble import evidence_of, growth_warning, lesions_of, operations_of
from clearlung.staging.figures import FIGURE_GOALS, figures, values
from clearlung.staging.fixed import Session
from clearlung.staging.outlook import Outlook
from clearlung.staging.perfusion_choice import perfusion_choice
from clearlung.staging.plan import Goal, Plan, SolverReport, Unassigned
from clearlung.staging.problem import StagingProblem

_METHOD = "none: as promised, not searched for"


def plan_of(
    problem: StagingProblem,
    sessions: Sequence[Session],
    weeks: Sequence[int],
    numbers: Sequence[int],
    best: Plan | None,
    seconds: float,
) -> Plan:
    """Return the plan of given operations.

    Parameters
    ----------
    problem
        Their problem.
    sessions, weeks, numbers
        The operations in time order, their weeks and their numbers.
    best
        The solver's plan of the same problem, whose bounds hold for this one too as far as the earlier goals
        come out alike; None where there is none.
    seconds
        What it took.
    """
    outlook = Outlook.of_sequence(
        problem, [(s.side, week, s.rows, s.perfused) for s, week in zip(sessions, weeks, strict=True)]
    )
    operations = tuple(
        operation.model_copy(
            update={"number": number, "scan_week": _scan_week(problem, number, operation.week)}
        )
        for operation, number in zip(operations_of(problem, outlook), numbers, strict=True)
    )
    goals = _goals(problem, sessions, weeks, best)
    count = next(goal for goal in goals if goal.key == "operations")
    return Plan(
        protocol=problem.protocol,
        function=outlook.summary(),
        operations=operations,
        unassigned=_unassigned(problem, sessions, best),
        lesions=lesions_of(problem, operations),
        assignments=problem.assignments,
        perfusion=perfusion_choice(problem, operations),
        warnings=(
            *problem.cautions,
            *outlook.extrapolations(),
            *outlook.unlimited(numbers),
            *([growth_warning(max(weeks))] if any(weeks) else []),
        ),
        evidence=evidence_of(problem, outlook),
        solver=SolverReport(
            status="optimal" if all(goal.proven for goal in goals) else "feasible",
            objective=count.value,
            bound=count.bound,
            gap=count.gap,
            seed=problem.seed,
            seconds=seconds,
            solver="none" if best is None else best.solver.solver,
            goals=goals,
        ),
    )


def _scan_week(problem: StagingProblem, number: int, week: int) -> int | None:
    """Return the week of the CT before an operation: operation 1 needs none, the first that is left does."""
    scans = problem.protocol.scans
    if scans.weeks_after_operation_min is None or number == 1:
        return None
    return week - scans.weeks_before_operation_min


def _goals(
    problem: StagingProblem, sessions: Sequence[Session], weeks: Sequence[int], best: Plan | None
) -> tuple[Goal, ...]:
    """Return the goals, each with the solver's bound as long as the earlier ones have its values."""
    mine = figures(problem, sessions, weeks)
    proven = {} if best is None else {goal.key: goal for goal in best.solver.goals}
    # What no operation can take is not in the solver's first goal.
    refused = 0.0 if best is None else len(best.unassigned) - best.solver.goal("lesions_left").value
    found: list[Goal] = []
    # Bounds hold where the goals ranked before come out alike: those of another order are not compared.
    alike = tuple(proven) == FIGURE_GOALS
    for key, (name, unit, _), value in zip(FIGURE_GOALS, mine, values(mine), strict=True):
        told = proven.get(key)
        own = value - refused if key == FIGURE_GOALS[0] else value
        bound = told.bound if told is not None and alike else 0.0
        found.append(
            Goal(
                key=key,
                name=name if told is None else told.name,
                unit=unit if told is None else told.unit,
                value=own,
                bound=min(own, bound),
                gap=max(0.0, own - bound) / max(1.0, own),
                proven=bound >= own,
                method=told.method if told is not None and alike else _METHOD,
            )
        )
        alike = alike and told is not None and told.value == own
    return tuple(found)


def _unassigned(
    problem: StagingProblem, sessions: Sequence[Session], best: Plan | None
) -> tuple[Unassigned, ...]:
    """Return the lesions that stay, with the solver's reason where it leaves them too."""
    specimens = problem.specimens
    taken = {lesion for session in sessions for row in session.rows for lesion in specimens.lesions[row]}
    reasons = {} if best is None else {entry.lesion: entry for entry in best.unassigned}
    held = {lesion for group in specimens.lesions for lesion in group}
    found = []
    for lesion in sorted(set(problem.lesions.id.tolist()) - taken):
        if lesion in reasons:
            found.append(reasons[lesion])
        elif lesion in specimens.unresectable:
            why = specimens.unresectable[lesion]
            found.append(Unassigned(lesion=lesion, code="unresectable", reason=why))
        elif lesion not in held:
            why = "No specimen was planned for this lesion."
            found.append(Unassigned(lesion=lesion, code="no_specimen", reason=why))
        else:
            why = "No operation has room for it within the limits, with what was promised kept."
            found.append(Unassigned(lesion=lesion, code="no_room", reason=why))
    return tuple(found)
