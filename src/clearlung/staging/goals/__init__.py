"""The goals of a plan by name, in the protocol's order, each with its bound and what proves it."""

from __future__ import annotations

import math

from clearlung.staging.goals import (  # noqa: F401  they register
    balance,
    clearance,
    function,
    perfusion,
    time,
)
from clearlung.staging.goals.base import GOALS, Bound, PlanGoal, register
from clearlung.staging.goals.outcome import Outcome
from clearlung.staging.plan import Goal
from clearlung.staging.protocol_parts import WEIGHTED

__all__ = ["GOALS", "Bound", "Outcome", "PlanGoal", "goals_of", "rank", "register"]

# Values of goals closer than this are equal: sums in another order differ by rounding.
_NOISE = 1e-6
_DIGITS = 6


def rank(outcome: Outcome) -> tuple[float, ...]:
    """Return the values of all goals by rank: of two plans the smaller tuple is the better.

    Parameters
    ----------
    outcome
        A plan of the search.
    """
    # Rounded, so that a sum in another order decides nothing.
    return tuple(round(_value(key, outcome), _DIGITS) for key in outcome.problem.protocol.goals.ranked)


def goals_of(outcome: Outcome) -> tuple[Goal, ...]:
    """Return all goals in order of rank, each with its bound where the earlier ones are held."""
    found: list[Goal] = []
    held: set[str] = set()
    for key in outcome.problem.protocol.goals.ranked:
        if key == WEIGHTED:
            found.append(_weighted(outcome))
            continue
        goal = GOALS[key]
        bound, method = goal.bound(outcome, frozenset(held))
        found.append(_goal(key, goal.title, goal.unit, goal.value(outcome), bound, method))
        held.add(key)
    return tuple(found)


def _value(key: str, outcome: Outcome) -> float:
    if key != WEIGHTED:
        return GOALS[key].value(outcome)
    weights = outcome.problem.protocol.goals.weights
    return math.fsum(weight * GOALS[name].value(outcome) for name, weight in weights.items())


def _weighted(outcome: Outcome) -> Goal:
    """Return the weighted sum; its bound is the sum of bounds that hold whatever the other goals' values."""
    weights = outcome.problem.protocol.goals.weights
    held = frozenset({"lesions_left"})
    bounds = {name: GOALS[name].bound(outcome, held) for name in weights}
    least = math.fsum(weights[name] * bound.value for name, bound in bounds.items())
    words = ", ".join(f"{weight:g} per {GOALS[n].unit} of {GOALS[n].title}" for n, weight in weights.items())
    method = "; ".join(dict.fromkeys(f"{GOALS[n].title}: {b.method}" for n, b in bounds.items()))
    return _goal(WEIGHTED, f"weighted sum ({words})", "1", _value(WEIGHTED, outcome), least, method)


def _goal(key: str, name: str, unit: str, value: float, bound: float, method: str) -> Goal:
    bound = value if value - bound <= _NOISE * max(1.0, abs(value)) else bound
    return Goal(
        key=key,
        name=name,
        unit=unit,
        value=value,
        bound=bound,
        gap=max(0.0, value - bound) / max(1.0, abs(value)),
        proven=bound >= value,
        method=method,
    )
