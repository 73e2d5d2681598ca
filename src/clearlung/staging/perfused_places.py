"""Which of a lung's operations are perfused, and in which order they come, where that is weighed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations, product

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Budget, Flags
from clearlung.staging.draft import Candidate, Draft, LungDraft, schedules
from clearlung.staging.items import Limits
from clearlung.staging.repair import loads_of

# Ways to order and perfuse both lungs' operations that are put into weeks; each is a label setting of
# milliseconds.
_TRIES_MAX = 400
# Ways of one lung up to which every order of its operations is among them, and not only exchanges of two.
_WAYS_MAX = 150


def placed(
    draft: Draft,
    limits: Limits,
    budget: Budget,
    better: Callable[[Draft], tuple[float, ...]],
    ends_in_time: Callable[[Draft], bool],
) -> Draft:
    """Return the draft with the perfusions in other operations, in another order, where that is better.

    Parameters
    ----------
    draft
        A draft; which specimens are removed together stays as it is, and how many operations are perfused.
    limits, budget
        Of one operation, and of function.
    better
        From a draft to what it is ranked by: the smaller, the better.
    ends_in_time
        Whether a draft ends early enough.

    Notes
    -----
    Of few operations every order with every choice of those that are perfused is tried, of both lungs at
    once; of more, every choice and every exchange of two operations, one lung after the other as long as that
    is better. All in every interleaving of which none is earlier in all that counts.
    """
    before = 0 if draft.both is None else len(draft.both.operations)
    tries = _Tries(limits, budget, better, ends_in_time, before)
    ways = {side: list(tries.ways(draft.lungs[side])) for side in SIDES}
    if math.prod(map(len, ways.values())) <= _TRIES_MAX:
        return tries.best(draft, list(product(ways["right"], ways["left"])))
    left, improved = _TRIES_MAX, True
    while improved and left > 0:
        improved = False
        for side in SIDES:
            other: Side = "left" if side == "right" else "right"
            pairs = [
                (way, draft.lungs[other]) if side == "right" else (draft.lungs[other], way)
                for way in tries.ways(draft.lungs[side])
            ][: max(0, left)]
            left -= len(pairs)
            found = tries.best(draft, pairs)
            draft, improved = found, improved or found is not draft
    return draft


@dataclass(frozen=True, eq=False)
class _Tries:
    """What ways to order and perfuse operations are tried by; ``before`` are operations on both sides."""

    limits: Limits
    budget: Budget
    better: Callable[[Draft], tuple[float, ...]]
    ends_in_time: Callable[[Draft], bool]
    before: int

    def best(self, draft: Draft, pairs: Sequence[tuple[LungDraft, LungDraft]]) -> Draft:
        """Return the best of a draft and the ways of its right and left lung."""
        best, key = draft, self.better(draft)
        for right, left in pairs:
            candidate = Candidate(right, left, draft.packings, draft.both)
            for found in schedules(candidate, self.budget) if candidate.bearable(self.budget) else ():
                if self.ends_in_time(found) and (new := self.better(found)) < key:
                    best, key = found, new
        return best

    def ways(self, lung: LungDraft) -> Iterator[LungDraft]:
        """Yield the lung as it is, and in other ways in which each operation has room for what it holds."""
        yield lung
        operations, count, side = len(lung.operations), sum(lung.perfused), lung.items.side
        where = np.zeros(len(lung.items), dtype=np.int64)
        for place, positions in enumerate(lung.operations):
            where[positions] = place
        loads = loads_of(lung.items.weight, where, operations)
        for order, flags in _orders(lung.perfused, operations, count):
            room = self.limits.capacities(lung.items.columns, operations, side, self.before, flags)
            if (order != tuple(range(operations)) or flags != lung.perfused) and (
                loads[list(order)] <= room
            ).all():
                yield replace(lung, operations=tuple(lung.operations[o] for o in order), perfused=flags)


def _orders(perfused: Flags, operations: int, count: int) -> Iterator[tuple[tuple[int, ...], Flags]]:
    """Yield orders of a lung's operations with those that are perfused, by place."""
    as_is = tuple(range(operations))
    choices = [tuple(place in chosen for place in as_is) for chosen in combinations(reversed(as_is), count)]
    if math.factorial(operations) * len(choices) <= _WAYS_MAX:
        yield from product(permutations(as_is), choices)
        return
    for flags in choices:
        yield as_is, flags
        yield _moved(perfused, flags), flags
    for a, b in combinations(as_is, 2):
        exchanged = list(as_is)
        exchanged[a], exchanged[b] = b, a
        yield tuple(exchanged), perfused


def _moved(perfused: Flags, flags: Flags) -> tuple[int, ...]:
    """Return the order of operations in which those that were perfused stand where they now are to be."""
    were = [o for o, yes in enumerate(perfused) if yes]
    others = [o for o, yes in enumerate(perfused) if not yes]
    return tuple(were.pop(0) if yes else others.pop(0) for yes in flags)
