"""`solve_plan`: from a staging problem to a plan with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from clearlung.errors import InfeasiblePlan
from clearlung.staging.assemble import assemble
from clearlung.staging.draft import Budget
from clearlung.staging.goals import Outcome, goals_of
from clearlung.staging.infeasible import check_function, check_perfusion, check_weeks
from clearlung.staging.items import limits_of, screen
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.search import Search
from clearlung.staging.share import best_of, in_words, shares


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
        The same for the same problem and seed, apart from the seconds it took. Searches end after a number
        of steps, not seconds; only an integer program that runs into its 20 s could end elsewhere on a slower
        machine, and the status is then ``feasible``.

    Raises
    ------
    InfeasiblePlan
        If lung function does not allow a single operation, no operation has time for a perfusion that the
        protocol asks for, or the last operation comes later than the protocol allows. The reasons say what
        would have to change.

    Notes
    -----
    Four rules are part of the model, not goals: an operation opens one side; the last operations on each
    lung are the perfused ones; of the others, those with the most tumor come first, or where that ends sooner
    those with the most tissue; and an operation that is too long for a lung that has been opened comes before
    them all. Of specimens that only a lung's first operation has time for, the shortest are taken, as many as
    fit it together.

    Where the protocol allows fewer perfusions in all than for each lung, every way to share them between the
    lungs is planned, and the best by the goals' order taken; bounds are those of all ways.
    """
    say = progress or (lambda phrase: None)
    ways = shares(problem)
    if not ways:
        return _solve(problem, say)
    plans: list[Plan] = []
    reasons: list[str] = []
    for way in ways:
        say(f"perfusions: {in_words(way)}")
        try:
            plans.append(_solve(replace(problem, perfusions=way), say))
        except InfeasiblePlan as error:
            reasons += error.reasons
    if not plans:
        raise InfeasiblePlan(list(dict.fromkeys(reasons)))
    return best_of(problem, ways, plans)


def _solve(problem: StagingProblem, say: Callable[[str], None]) -> Plan:
    """Plan with a given number of perfusions of each lung."""
    began = time.perf_counter()
    lungs, refused = screen(problem)
    limits, budget = limits_of(problem), Budget.of(problem)
    check_perfusion(problem, lungs, refused)
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
    return assemble(outcome, refused, goals, operations_goal, began)
