"""Another order of a lung's operations may end sooner: neighbors trade places while that is better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from clearlung.anatomy import SIDES
from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, Draft, LungDraft, schedule
from clearlung.staging.items import MINUTES, Limits

# Each try is a label setting of milliseconds; with twenty operations there are about twenty neighbors.
_TRIES_MAX = 150


def reordered(
    draft: Draft,
    limits: Limits,
    budget: Budget,
    better: Callable[[Draft], tuple[float, ...]],
    ends_in_time: Callable[[Draft], bool],
) -> Draft:
    """Return the draft with neighboring operations on a lung exchanged as long as that is better.

    Parameters
    ----------
    draft
        A draft; what each operation removes stays as it is.
    limits, budget
        Of one operation, and of function.
    better
        From a draft to what it is ranked by: the smaller, the better.
    ends_in_time
        Whether a draft ends early enough.

    Notes
    -----
    An operation that leaves more function for the later ones may come first, and one that is borne only later
    may wait: which, depends on both lungs. Only neighbors of the same kind change places, perfused ones or
    not, and only where the time in theatre allows it.
    """
    tries, improved = 0, True
    while improved:
        improved = False
        for candidate in _neighbors(draft, limits):
            tries += 1
            if tries > _TRIES_MAX:
                return draft
            found = schedule(candidate, budget) if candidate.bearable(budget) else None
            if found is not None and ends_in_time(found) and better(found) < better(draft):
                draft, improved = found, True
                break
    return draft


def _neighbors(draft: Draft, limits: Limits) -> Iterator[Candidate]:
    before = 0 if draft.both is None else len(draft.both.operations)
    for side in SIDES:
        lung = draft.lungs[side]
        if lung.items.columns.placed:
            continue
        for place in range(len(lung.operations) - 1):
            if lung.perfused[place] == lung.perfused[place + 1] and _has_time(lung, place, before, limits):
                lungs = {**draft.lungs, side: _exchanged(lung, place)}
                yield Candidate(lungs["right"], lungs["left"], draft.packings, draft.both)


def _has_time(lung: LungDraft, place: int, before: int, limits: Limits) -> bool:
    """Whether the first of two neighbors leaves time for re-entry, should it come second."""
    if before + place > 0 or lung.items.side == "both":
        return True
    minutes = int(lung.items.weight[lung.operations[place], MINUTES].sum())
    return minutes <= limits.minutes_left(lung.items.side, first=False, perfused=lung.perfused[place + 1])


def _exchanged(lung: LungDraft, place: int) -> LungDraft:
    operations = list(lung.operations)
    operations[place : place + 2] = operations[place + 1], operations[place]
    return replace(lung, operations=tuple(operations))
