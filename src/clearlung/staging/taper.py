"""How much tissue each operation of a sequence may take when lung function binds.

Right after the operation at place p of N, all permanent losses so far and its own early loss must fit:

    sum of v up to p  +  f v_p  <=  K_p,   K_p = (loss allowed - access - perfusions so far) / tissue

with f the early loss of tissue as a multiple of its permanent loss, and the earlier operations' early losses
recovered. With T the sum of all v this is ``v_p <= (K_p - T + sum of v after p) / f``: the last operation has
the least room, and each one before it more. Segments and lobes count here with all their tissue, more than
they lose: what this file yields is checked, and its limits are then lower than they would have to be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Allowance
from clearlung.staging.items import THOUSAND, Limits
from clearlung.staging.packing import Packing

# Shares of the largest reserve that are tried: with more, waits are shorter, with less, packing is easier.
_RESERVE_SHARES = (0.85, 0.5, 0.15)
# First operations this much larger than the least are tried: with more, packing is easier.
_FLATNESS = (1.03, 1.15, 1.5, float("inf"))
_HALVINGS = 40

Effort = Literal["glance", "search", "all"]
# Share of the largest operation that the last one may have less than it; beyond it, one more has less.
_LIGHTEST = 0.7
# More operations than this never help: each adds a fixed early loss.
_OPERATIONS_MAX = 400


def operations_bound_by_function(
    total_ml: float, perfused: Iterable[Side], limits: Limits, budget: Allowance
) -> int:
    """Return how many operations function needs at least, with tissue cut to any size and endless recovery.

    An operation has one perfusion at most, so before the last j operations all but j of them, which are of
    the ``perfused`` lungs, have taken their part: at least the smallest. Segments and lobes lose less for as
    much tissue, so with them the bound is 0.
    """
    if budget.anatomical or math.isinf(budget.after):
        return 0
    perfusions = sorted(budget.perfusion[side] for side in perfused)
    left, after, most = total_ml, 0.0, limits.ml / THOUSAND
    for operations in range(_OPERATIONS_MAX):
        if left <= 1e-9 * max(1.0, total_ml):
            return operations
        taken = sum(perfusions[: max(0, len(perfusions) - operations)])
        room = _room_ml(budget, taken) - total_ml + after
        volume = max(0.0, min(left, most, _share(room, budget)))
        if volume <= 0 and operations >= len(perfusions):
            break
        left -= volume
        after += volume
    return _OPERATIONS_MAX


def _room_ml(budget: Allowance, perfusions: float) -> float:
    """Tissue that the function right after an operation leaves, its own early part not yet counted.

    ``perfusions`` is what these have taken for good so far.
    """
    return (budget.after - budget.access - perfusions) / budget.tissue


def _share(room_ml: float, budget: Allowance) -> float:
    """Largest operation in that room."""
    if budget.tissue_early <= 0:
        return float("inf") if room_ml >= 0 else 0.0
    return room_ml * budget.tissue / budget.tissue_early


def tapered_volumes(
    total_ml: tuple[float, float], split: tuple[int, int], limits: Limits, budget: Allowance, effort: Effort
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield limits of tissue for each operation of the right and of the left lung, in their order.

    The lungs alternate at the end, either of them last; what one has more of comes first. The reserve is what
    is kept free of tissue for early losses that have not recovered; the largest possible is found by
    bisection, and shares of it are tried, each with the least tissue in the first operations that it allows
    and with more. To know whether anything works (``"search"``) the first operations are as large as the
    protocol allows, which is the easiest to pack; ``"glance"`` tries that for one share.
    """
    most = limits.ml / THOUSAND
    if math.isinf(budget.after):
        return
    for last in SIDES:
        pattern = _pattern(split, last)
        taper = _Taper(total_ml, tuple(pattern), limits.perfused, budget)
        if not pattern or not taper.fits(0.0, most):
            continue
        # The least of the negative is the largest reserve.
        reserve = -_least(partial(_fits_negative, taper, most), -_room_ml(budget, 0), 0.0)
        for share in _RESERVE_SHARES[1:2] if effort == "glance" else _RESERVE_SHARES:
            kept = reserve * share
            flat = most if effort != "all" else _least(partial(taper.fits, kept), 0.0, most)
            for cap in dict.fromkeys(min(most, flat * more) for more in _FLATNESS):
                found = taper.volumes(kept, cap)
                if found is not None:
                    yield found


def _fits_negative(taper: _Taper, most_ml: float, reserve_ml: float) -> bool:
    return taper.fits(-reserve_ml, most_ml)


def _least(works: Callable[[float], bool], low: float, high: float) -> float:
    """Least value that works, by bisection; the highest one does."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if works(middle) else (middle, high)
    return high


def _pattern(split: tuple[int, int], last: Side) -> list[Side]:
    """Lungs from the last operation back to the first; empty if the last lung has none."""
    left_over: dict[Side, int] = dict(zip(SIDES, split, strict=True))
    pattern: list[Side] = []
    side = last
    while left_over[last] + len(pattern) and sum(left_over.values()):
        if not left_over[side]:
            side = _OTHER[side]
        pattern.append(side)
        left_over[side] -= 1
        side = _OTHER[side]
    return pattern


_OTHER: dict[Side, Side] = {"right": "left", "left": "right"}


@dataclass(frozen=True)
class _Taper:
    """A pattern of operations, from the last back to the first, and the tissue that they must take."""

    total_ml: tuple[float, float]
    pattern: tuple[Side, ...]
    perfused: Mapping[Side, int]
    budget: Allowance

    def fits(self, reserve_ml: float, most_ml: float) -> bool:
        """Whether the lungs' tissue fits."""
        return self.volumes(reserve_ml, most_ml) is not None

    def volumes(self, reserve_ml: float, most_ml: float) -> tuple[list[float], list[float]] | None:
        """Largest tissue of each operation that keeps the reserve, or None if the lungs' tissue does not fit.

        The later operations are taken as full as they may be, which gives the earlier ones the most room.
        """
        perfused = {side: min(self.perfused[side], self.pattern.count(side)) for side in SIDES}
        perfusions = self.budget.perfusions(perfused)
        rest: dict[Side, float] = dict(zip(SIDES, self.total_ml, strict=True))
        total, after = sum(self.total_ml), 0.0
        volumes: dict[Side, list[float]] = {"right": [], "left": []}
        for side in self.pattern:
            room = _room_ml(self.budget, perfusions) - reserve_ml - total + after
            cap = min(most_ml, _share(room, self.budget))
            if cap <= 0:
                return None
            perfusions -= self.budget.perfusion[side] * (len(volumes[side]) < self.perfused[side])
            volumes[side].insert(0, cap)
            after += min(cap, rest[side])
            rest[side] -= min(cap, rest[side])
        return (volumes["right"], volumes["left"]) if max(rest.values()) <= 1e-9 else None


def light_volumes(total_ml: float, packing: Packing, share: float) -> list[float]:
    """Return limits of tissue for balanced operations whose last ones are lighter.

    Parameters
    ----------
    total_ml
        Tissue of all specimens of the lung.
    packing
        How many operations, and what the largest takes at least.
    share
        Of what the others could take more, the part that the last ones take less.
    """
    operations, peak = packing.operations, float(packing.peak_ml)
    less = share * (operations * peak - total_ml)
    count = min(operations, 1 + int(less // max(1.0, _LIGHTEST * peak)))
    return [peak] * (operations - count) + [peak - less / count] * count if operations else []
