"""What of a problem's wishes and perfusions is left after what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from clearlung.anatomy import SIDES, Side
from clearlung.staging.assignment import Assignment
from clearlung.staging.fixed import EarlierSession
from clearlung.staging.problem import StagingProblem


def assignments_left(
    problem: StagingProblem, earlier: Sequence[EarlierSession], out: Collection[int]
) -> tuple[tuple[Assignment, ...], tuple[str, ...]]:
    """Return what of the surgeon's assignments holds for the operations that are left.

    Operations are counted on the lesion's own lung: from what is left, those that were done on it come off.

    Parameters
    ----------
    problem
        The problem with its assignments and all its lesions.
    earlier
        What was done.
    out
        Lesions that are not there any more.

    Returns
    -------
    assignments, warnings
        The assignments, and a sentence for each that only operations that were done could have kept.
    """
    side_of = dict(zip(problem.lesions.id.tolist(), problem.lesions.side.tolist(), strict=True))
    done = Counter(side for past in earlier for side in past.sides)
    left: list[Assignment] = []
    warnings: list[str] = []
    for wish in problem.assignments:
        lesions = [lesion for lesion in wish.lesions if lesion not in out]
        if wish.leave and lesions:
            left.append(wish.model_copy(update={"lesions": tuple(lesions)}))
        if wish.apart and len(set(lesions)) > 1:
            update = {"lesions": tuple(lesions), "only_in": (), "never_in": ()}
            left.append(wish.model_copy(update=update))
        for side in SIDES:
            mine = tuple(lesion for lesion in lesions if side_of[lesion] == side)
            if mine and (wish.only_in or wish.never_in):
                moved, warning = _moved(wish, mine, done[side])
                left += moved
                warnings += warning
    return tuple(left), tuple(warnings)


def _moved(wish: Assignment, lesions: tuple[int, ...], done: int) -> tuple[list[Assignment], list[str]]:
    """Return the places of a wish for lesions of one lung, counted after so many operations on it."""
    only_in = tuple(place - done for place in wish.only_in if place > done)
    never_in = tuple(place - done for place in wish.never_in if place > done)
    late = bool(wish.only_in) and not set(only_in) - set(never_in)
    if late:
        says = wish.model_copy(update={"lesions": lesions, "apart": False}).says
        return [], [f"Not kept, as the operations that it allows are done: {says}."]
    if not only_in and not never_in:
        return [], []
    update = {"lesions": lesions, "only_in": only_in, "never_in": never_in, "apart": False}
    return [wish.model_copy(update=update)], []


def known_only(assignments: Sequence[Assignment], problem: StagingProblem) -> tuple[Assignment, ...]:
    """Return assignments without the lesions that a problem does not know."""
    known = set(problem.lesions.id.tolist())
    found = []
    for wish in assignments:
        lesions = tuple(lesion for lesion in wish.lesions if lesion in known)
        if len(set(lesions)) > int(wish.apart):
            found.append(wish.model_copy(update={"lesions": lesions}))
    return tuple(found)


def with_perfusions_left(
    problem: StagingProblem, earlier: Sequence[EarlierSession], promised: Collection[tuple[Side, bool]]
) -> StagingProblem:
    """Return a problem of which each lung gets the perfusions that it has not had.

    Parameters
    ----------
    problem
        What is left.
    earlier
        What was done. Without a perfusion in it, the problem stays as it is.
    promised
        Lung of each promised operation on one side, and whether it is perfused: where fewer perfusions are
        left in all than for each lung, those get them.
    """
    had = Counter(side for past in earlier if past.perfused for side in past.sides)
    if not had:
        return problem
    due = {side: max(0, problem.perfusions_on(side) - had[side]) for side in SIDES}
    left = max(0, problem.perfusions_in_all - had.total())
    if sum(due.values()) > left:
        planned = Counter(side for side, perfused in promised if perfused)
        due = {side: min(due[side], planned[side]) for side in SIDES}
    return replace(problem, perfusions=due)
