"""`solve_plan`: from a staging problem to a plan with its proof."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.errors import InfeasiblePlan
from clearlung.staging.assemble import assemble
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Draft
from clearlung.staging.goals import Outcome, goals_of, rank
from clearlung.staging.growth import WAITING
from clearlung.staging.infeasible import check_function, check_perfusion
from clearlung.staging.items import Items, items_of, limits_of
from clearlung.staging.left_over import Left
from clearlung.staging.packings import Packings
from clearlung.staging.perfused_places import placed
from clearlung.staging.plan import Plan
from clearlung.staging.polish import polish_waiting
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol_parts import PERFUSION, WEIGHTED
from clearlung.staging.screen import screen
from clearlung.staging.search import Pick, Search
from clearlung.staging.select import choices
from clearlung.staging.share import best_of, in_words, shares
from clearlung.staging.targets import aimed, targets_to_try
from clearlung.staging.within import can_end_in_time, most_of, within_assignments, within_totals, within_weeks


def solve_plan(problem: StagingProblem, progress: Callable[[str], None] | None = None) -> Plan:
    """Plan which specimen is taken in which operation, and when.

    The goals are the protocol's, in its order; unless it says otherwise: no lesion left that could be
    removed, few operations, little tissue in the largest operation of each lung, few weeks until the last.
    Each goal of the plan says how far it is proven.

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
        If lung function does not allow a single operation, or no operation has time for a perfusion that the
        protocol asks for. The reasons say what would have to change.

    Notes
    -----
    These rules are part of the model, not goals: the last operations on each lung are the perfused ones; of
    the others, those with the most tumor come first, or where that ends sooner those with the most tissue; an
    operation that is too long for a lung that has been opened comes before them all; operations that open
    both sides, where the protocol allows them, come before those that open one, and are not
    perfused. Of specimens that only a lung's first operation has time for, the shortest are taken, as many as
    fit it together.

    Where the protocol allows fewer perfusions in all than for each lung, every way to share them between the
    lungs is planned, and the best by the goals' order taken; bounds are those of all ways. Where it has the
    goal ``perfusion``, none and fewer than it allows are ways too, and any of a lung's operations may be a
    perfused one: that goal says which is worth its harm. Where the protocol allows several targets for a
    lung, each is tried with each number; all perfusions of one lung have the same.
    """
    say = progress or (lambda phrase: None)
    ways = [(way, targets) for way in shares(problem) for targets in targets_to_try(problem, way)]
    if not ways:
        return _solve(problem, say)
    found: list[Plan | None] = []
    reasons: list[str] = []
    for way, targets in ways:
        say(f"perfusions: {in_words(way, targets)}")
        try:
            found.append(_solve(replace(aimed(problem, targets), perfusions=way), say))
        except InfeasiblePlan as error:
            found.append(None)
            reasons += error.reasons
    if not any(found):
        raise InfeasiblePlan(list(dict.fromkeys(reasons)))
    return best_of(problem, [way for way, _ in ways], found)


def _solve(problem: StagingProblem, say: Callable[[str], None]) -> Plan:
    """Plan with a given number of perfusions of each lung."""
    began = time.perf_counter()
    lungs, refused = screen(problem)
    check_perfusion(problem, lungs, refused)
    check_function(problem, lungs)
    say("packing the operations")
    search = _search_of(problem, lungs)
    chosen = _choose(problem, lungs, search, say)
    say("proving the bounds")
    outcome = Outcome(
        problem,
        lungs,
        chosen.draft,
        chosen.lesions_bound,
        chosen.method,
        search.limits,
        search.budget,
        search,
    )
    return assemble(outcome, refused, goals_of(outcome), chosen.why, began)


def _search_of(problem: StagingProblem, lungs: dict[Side, Items]) -> Search:
    """Return the search, which ranks drafts by the protocol's goals."""
    limits, budget, goals = limits_of(problem), Budget.of(problem), problem.protocol.goals
    ranked = goals.ranked
    weighs = PERFUSION if PERFUSION not in goals.weights else WEIGHTED
    early = ranked[: ranked.index(weighs)] if problem.weighs_perfusion else ranked

    def better(draft: Draft) -> tuple[float, ...]:
        return rank(Outcome(problem, lungs, draft, 0, "", limits, budget, search))

    def joined(parts: dict[Side, Items]) -> Items:
        return items_of(problem, "both", np.concatenate([parts[side].row for side in SIDES]))

    search = Search(
        Packings(limits, budget, problem.seed, joined),
        better,
        fewest_first=next(key for key in ranked[1:] if key != PERFUSION) == "operations",
        weeks_first=not {"balance_right", "balance_left"} & set(early),
        # More operations than need be, only to perfuse the lung as often: where these do not count for more.
        at_least={}
        if "operations" in early
        else {side: min(limits.perfused[side], len(lungs[side])) for side in SIDES},
        weeks_max=problem.protocol.weeks.total_max,
    )
    return search


@dataclass(frozen=True, eq=False)
class _Chosen:
    """What the search came to: a draft, how many lesions none exceeds and what says so, and what binds."""

    draft: Draft
    lesions_bound: int
    method: str
    why: Left


def _choose(
    problem: StagingProblem, lungs: dict[Side, Items], search: Search, say: Callable[[str], None]
) -> _Chosen:
    """Remove all lesions, or as many as can be.

    Raises
    ------
    InfeasiblePlan
        If nothing can be removed at all.
    """
    bound, method, fitting = sum(i.lesions for i in lungs.values()), "", lungs
    knapsack = within_totals(problem, lungs)
    if knapsack is not None:
        bound, method = knapsack.most, "knapsack of lesions under the tissue of all operations"
        fitting = knapsack.best(bound)
    totals = _rows(lungs) - _rows(fitting)
    for side, items in fitting.items():
        if items.columns.assigned and search.packings.fewest(items) is None:
            fitting = {**fitting, side: within_assignments(items, search.limits)}
    wishes = _rows(lungs) - totals - _rows(fitting)
    draft = search.complete(fitting)
    if draft is not None:
        return _Chosen(_polished(problem, draft, search), bound, method, Left(totals, wishes))
    weeks_needed = None
    picks: list[Pick] = [*choices(fitting, search.budget, search.limits.perfused)]
    # What bounds every plan looks at all lesions; often these are the ones that fit.
    all_picks = picks if fitting is lungs else choices(lungs, search.budget, search.limits.perfused)
    most = max((pick.most for pick in all_picks), default=0)
    if most < bound:
        bound, method = most, "knapsack of lesions under the permanent loss of function"
    if search.weeks_max is not None:
        free = replace(search, weeks_max=None).complete(fitting)
        weeks_needed = None if free is None else free.weeks
        in_time = within_weeks(fitting, search.limits, search.budget, search.weeks_max)
        every = (
            in_time
            if fitting is lungs
            else within_weeks(lungs, search.limits, search.budget, search.weeks_max)
        )
        most = most_of(every)
        if not search.limits.both_sides and most < bound:
            bound, method = most, "knapsack of lesions under the weeks' number of operations"
        everything = sum(items.lesions for items in lungs.values())
        if bound == everything and not can_end_in_time(lungs, search.limits, search.budget, search.weeks_max):
            bound, method = everything - 1, "label setting on the least that operations on all lesions take"
        picks = [*in_time, *picks]
    draft = search.most(picks, say)
    if draft is None:
        raise InfeasiblePlan(["No operation was found that lung function and the other limits allow."])
    return _Chosen(
        _polished(problem, draft, search), bound, method or "none", Left(totals, wishes, weeks_needed)
    )


def _rows(lungs: dict[Side, Items]) -> frozenset[int]:
    return frozenset(row for items in lungs.values() for row in items.row.tolist())


def _polished(problem: StagingProblem, draft: Draft, search: Search) -> Draft:
    """Put fast growers and those near the hilum first, and perfusions where they are worth most.

    Only where the protocol ranks or weighs that.
    """
    if problem.weighs_perfusion:
        draft = placed(draft, search.limits, search.budget, search.better, search.ends_in_time)
    goals = problem.protocol.goals
    ranked = goals.ranked
    places = [place for place, key in enumerate(ranked) if key in WAITING]
    if any(key in WAITING for key in goals.weights):
        places.append(ranked.index(WEIGHTED))
    if not places:
        return draft
    place = min(places)
    keep = any(key.startswith("balance") for key in ranked[:place])
    return polish_waiting(problem, draft, search.limits, search.budget, search.better, keep_balance=keep)
