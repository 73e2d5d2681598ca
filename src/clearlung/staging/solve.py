"""`solve_plan`: from a staging problem to a plan with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable

from clearlung.anatomy import Side
from clearlung.errors import InfeasiblePlan
from clearlung.staging.assemble import assemble
from clearlung.staging.draft import Budget, Draft
from clearlung.staging.goals import Outcome, goals_of
from clearlung.staging.infeasible import check_function, check_perfusion, check_weeks
from clearlung.staging.items import Items, limits_of, screen
from clearlung.staging.plan import Plan, Unassigned
from clearlung.staging.problem import StagingProblem
from clearlung.staging.search import Search


def solve_plan(problem: StagingProblem, progress: Callable[[str], None] | None = None) -> Plan:
    """Plan which specimen is taken in which operation, and when.

    The goals, in order of rank: no lesion left that could be removed, few operations, little tissue in the
    largest operation of each lung, few weeks until the last. Each goal of the plan says how far it is proven.

    Parameters
    ----------
    problem
        Specimens, lung function and limits.
    progress
        Called with a phrase for each step.

    Returns
    -------
    Plan
        The same for the same problem and seed, apart from the seconds it took.

    Raises
    ------
    InfeasiblePlan
        If lung function does not allow a single operation, no operation has time for a perfusion that the
        protocol asks for, or the last operation comes later than the protocol allows. The reasons say what
        would have to change.

    Notes
    -----
    Three rules are part of the model, not goals: an operation opens one side; the last operations on each
    lung are the perfused ones; of the others, those with the most tumor come first, or where that ends sooner
    those with the most tissue.
    """
    began = time.perf_counter()
    say = progress or (lambda phrase: None)
    lungs, refused = screen(problem)
    limits, budget = limits_of(problem), Budget.of(problem)
    check_perfusion(problem, lungs, limits)
    check_function(problem, lungs)
    say("packing the operations")
    search = Search(limits, budget, problem.seed)
    draft = search.complete(lungs)
    bound = sum(items.lesions for items in lungs.values())
    if draft is None:
        draft, bound = search.most(lungs, say)
        if draft is None:
            raise InfeasiblePlan(["No operation was found that lung function and the other limits allow."])
    check_weeks(problem, draft)
    say("proving the bounds")
    outcome = Outcome(problem, lungs, draft, bound, limits, budget, search)
    goals, operations_goal = goals_of(outcome)
    refused += _left_for_function(problem, lungs, draft, budget)
    return assemble(problem, draft, refused, goals, operations_goal, began, outcome)


def _left_for_function(
    problem: StagingProblem, lungs: dict[Side, Items], draft: Draft, budget: Budget
) -> list[Unassigned]:
    """Return the lesions that stay because lung function does not bear their removal."""
    removed = {int(row) for lung in draft.lungs.values() for row in lung.items.row}
    perfusions = sum(sum(lung.perfused) for lung in draft.lungs.values())
    total_ml = sum(lung.items.ml for lung in draft.lungs.values())
    limits = problem.protocol.function
    left: list[Unassigned] = []
    for items in lungs.values():
        for row in items.row.tolist():
            if row in removed:
                continue
            ml = float(problem.specimens.volume_ml[row])
            lost = budget.permanent(total_ml + ml, perfusions)
            low = problem.function.fev1_percent * (1 - lost) - problem.function.margin_percent
            right_after = low - problem.function.fev1_percent * budget.access
            reason = (
                f"Lung function does not bear its {ml:.1f} ml as well: with {total_ml:.0f} ml removed"
                f" already, the lower bound of FEV1 would be {right_after:.1f} % right after the last"
                f" operation, swelling around the beds not counted (limit"
                f" {limits.fev1_after_percent_min:g} %), and {low:.1f} % after full recovery (limit"
                f" {limits.ppo_fev1_percent_min:g} %)."
            )
            left += [
                Unassigned(lesion=i, code="function_limit", reason=reason)
                for i in problem.specimens.lesions[row]
            ]
    return left
