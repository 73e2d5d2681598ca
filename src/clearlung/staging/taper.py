"""How much tissue each operation of a sequence may take when lung function binds.

Right after the operation at place p of N, all permanent losses so far and its own early loss must fit:

    sum of v up to p  +  f v_p  <=  K_p,   K_p = (loss allowed - access - perfusions so far) / tissue

with f the early loss of tissue as a multiple of its permanent loss, and the earlier operations' early losses
recovered. With T the sum of all v this is ``v_p <= (K_p - T + sum of v after p) / f``: the last operation has
the least room, and each one before it more.
"""

from __future__ import annotations

from collections.abc import Iterator

from clearlung.anatomy import SIDES, Side
from clearlung.staging.draft import Budget
from clearlung.staging.items import THOUSAND, Limits

# Shares of the largest reserve that are tried: with more, waits are shorter, with less, packing is easier.
_RESERVE_SHARES = (0.85, 0.5, 0.15)
_HALVINGS = 40
# More operations than this never help: each adds a fixed early loss.
_OPERATIONS_MAX = 400


def operations_bound_by_function(total_ml: float, perfusions: int, limits: Limits, budget: Budget) -> int:
    """Return how many operations function needs at least, with tissue cut to any size and endless recovery.

    An operation has one perfusion at most, so before the last j operations all but j of them have taken their
    part.
    """
    left, after, most = total_ml, 0.0, limits.ml / THOUSAND
    for operations in range(_OPERATIONS_MAX):
        if left <= 1e-9 * max(1.0, total_ml):
            return operations
        room = _room_ml(budget, max(0, perfusions - operations)) - total_ml + after
        volume = max(0.0, min(left, most, _share(room, budget)))
        if volume <= 0 and operations >= perfusions:
            break
        left -= volume
        after += volume
    return _OPERATIONS_MAX


def _room_ml(budget: Budget, perfusions: int) -> float:
    """Tissue that the function right after an operation leaves, its own early part not yet counted."""
    return (budget.after - budget.access - budget.perfusion * perfusions) / budget.tissue


def _share(room_ml: float, budget: Budget) -> float:
    """Largest operation in that room."""
    if budget.tissue_early <= 0:
        return float("inf") if room_ml >= 0 else 0.0
    return room_ml * budget.tissue / budget.tissue_early


def tapered_volumes(
    total_ml: tuple[float, float], split: tuple[int, int], limits: Limits, budget: Budget
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield limits of tissue for each operation of the right and of the left lung, in their order.

    The lungs alternate at the end, either of them last; what one has more of comes first. The reserve is what
    is kept free of tissue for early losses that have not recovered; the largest possible is found by
    bisection, and shares of it are tried.
    """
    for last in SIDES:
        pattern = _pattern(split, last)
        if pattern is None:
            continue
        if _volumes(total_ml, pattern, 0.0, limits, budget) is None:
            continue
        low, high = 0.0, _room_ml(budget, 0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            fits = _volumes(total_ml, pattern, middle, limits, budget) is not None
            low, high = (middle, high) if fits else (low, middle)
        for share in _RESERVE_SHARES:
            volumes = _volumes(total_ml, pattern, low * share, limits, budget)
            if volumes is not None:
                yield volumes


def _pattern(split: tuple[int, int], last: Side) -> list[Side] | None:
    """Lungs from the last operation back to the first."""
    left_over: dict[Side, int] = dict(zip(SIDES, split, strict=True))
    if not left_over[last]:
        return None
    pattern: list[Side] = []
    side = last
    while sum(left_over.values()):
        if not left_over[side]:
            side = "left" if side == "right" else "right"
        pattern.append(side)
        left_over[side] -= 1
        side = "left" if side == "right" else "right"
    return pattern


def _volumes(
    total_ml: tuple[float, float], pattern: list[Side], reserve_ml: float, limits: Limits, budget: Budget
) -> tuple[list[float], list[float]] | None:
    """Largest tissue of each operation that keeps the reserve, or None if the lungs' tissue does not fit.

    The later operations are taken as full as they may be, which gives the earlier ones the most room.
    """
    count: dict[Side, int] = {side: pattern.count(side) for side in SIDES}
    perfusions = sum(min(limits.perfused, n) for n in count.values())
    rest: dict[Side, float] = dict(zip(SIDES, total_ml, strict=True))
    total, after = sum(total_ml), 0.0
    volumes: dict[Side, list[float]] = {"right": [], "left": []}
    for side in pattern:
        room = _room_ml(budget, perfusions) - reserve_ml - total + after
        cap = min(limits.ml / THOUSAND, _share(room, budget))
        if cap <= 0:
            return None
        perfusions -= len(volumes[side]) < limits.perfused
        volumes[side].insert(0, cap)
        after += min(cap, rest[side])
        rest[side] -= min(cap, rest[side])
    if max(rest.values()) > 1e-9:
        return None
    return volumes["right"], volumes["left"]
