"""Plans to test, and spreads of which only the named ones vary."""

from dataclasses import replace

from clearlung.staging import solve_plan
from clearlung.staging.stress import Spread, StressOptions, spreads_of
from tests.staging import problems


def only(problem, *names, **changed):
    """Everything as planned but the named spreads, and those that are given with other ends."""
    known = spreads_of(problem.protocol.book(), problem.function)
    spreads = {name: spread if name in names else spread.muted() for name, spread in known.items()}
    return spreads | {name: replace(known[name], **ends) for name, ends in changed.items()}


def options(problem, *names, scenarios=2000, seed=0, confidence=0.9, **changed) -> StressOptions:
    return StressOptions(
        scenarios=scenarios, seed=seed, confidence=confidence, spreads=only(problem, *names, **changed)
    )


def small(**limits):
    """Twelve specimens on both sides, and their plan."""
    given = problems.problem(
        [(lobe, 4.0, 20.0) for lobe in ("RUL", "RLL", "LUL", "LLL") for _ in range(3)],
        problems.protocol(**limits),
    )
    return given, solve_plan(given)


def limit_of(record, name, operation=None):
    """The row of a limit: of an operation, or of the plan."""
    (row,) = [row for row in record.limits if row.limit == name and row.operation == operation]
    return row


def point(spread: Spread, value: float) -> dict[str, float]:
    """Ends that leave a spread one value."""
    return {"low": value, "value": value, "high": value}
