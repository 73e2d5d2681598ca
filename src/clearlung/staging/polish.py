"""Fast growers, and those near the hilum, first: specimens move between a lung's operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, Draft, LungDraft, schedule
from clearlung.staging.exact import pack_at_least_cost
from clearlung.staging.growth import waiting_cost
from clearlung.staging.items import ML, THOUSAND, Limits
from clearlung.staging.problem import StagingProblem

# The weeks follow from the tissue of each operation and the cost from the weeks, so it is repeated.
_ROUNDS = 3


def polish_waiting(
    problem: StagingProblem,
    draft: Draft,
    limits: Limits,
    budget: Budget,
    better: Callable[[Draft], tuple[float, ...]],
    *,
    keep_balance: bool,
) -> Draft:
    """Return the draft with specimens moved between each lung's operations where that is better.

    Parameters
    ----------
    problem, draft
        What is planned.
    limits, budget
        Of one operation, and of function.
    better
        From a draft to what it is ranked by: the smaller, the better.
    keep_balance
        Whether no operation may take more tissue than the lung's largest one does now.

    Notes
    -----
    For each lung an integer program assigns the specimens to the operations in their present weeks so that
    waiting costs the least by the protocol's goals. The result counts only if the goals in their order come
    out better in its own weeks.
    """
    for _ in range(_ROUNDS):
        lungs = dict(draft.lungs)
        for side in SIDES:
            weeks = [step.week for step in draft.steps if step.side == side]
            before = 0 if draft.both is None else len(draft.both.operations)
            lungs[side] = _by_cost(problem, lungs[side], limits, weeks, before, keep_balance=keep_balance)
        candidate = Candidate(lungs["right"], lungs["left"], draft.packings, draft.both)
        found = schedule(candidate, budget) if candidate.bearable(budget) else None
        if found is None or better(found) >= better(draft):
            break
        draft = found
    return draft


def _by_cost(
    problem: StagingProblem,
    lung: LungDraft,
    limits: Limits,
    weeks: list[int],
    before: int,
    *,
    keep_balance: bool,
) -> LungDraft:
    items, operations = lung.items, len(lung.operations)
    if items.side == "both" or operations < 2:
        return lung
    capacity = limits.capacities(items.columns, operations, items.side, before)
    if keep_balance:
        capacity[:, ML] = np.minimum(capacity[:, ML], lung.peak_ml() * THOUSAND)
    where = pack_at_least_cost(items.weight, capacity, _cost(problem, lung, weeks))
    if where is None:
        return lung
    return replace(lung, operations=tuple(np.flatnonzero(where == place) for place in range(operations)))


def _cost(problem: StagingProblem, lung: LungDraft, weeks: list[int]) -> NDArray[np.float64]:
    """Return what each specimen's waiting costs in each operation, shape (specimens, operations)."""
    groups = [problem.specimens.lesions[row] for row in lung.items.row]
    grown = waiting_cost(problem, [lesion for group in groups for lesion in group], weeks)
    specimen = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    total = np.zeros((len(groups), len(weeks)))
    np.add.at(total, specimen, grown)
    return total
