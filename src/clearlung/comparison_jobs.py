"""The jobs of ``clearlung compare``: one problem under several protocols, and its trade-off curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from clearlung.errors import CaseError, InfeasiblePlan
from clearlung.progress import Stopwatch
from clearlung.staging import (
    ComparisonRow,
    Plan,
    Protocol,
    StagingProblem,
    Tradeoff,
    TradeoffOptions,
    UnseenLeft,
    compare,
    load_protocol,
    shipped_protocols,
    solve_plan,
    trade_off,
    under,
    unseen_left,
)

COMPARE_PHASES = ("protocols", "trade-off", "files")
"""The phases of :func:`compare_problem` and of writing its result, in order."""


@dataclass(frozen=True, eq=False)
class ComparedProtocol:
    """One protocol with its plan and what that leaves unseen, or with the reasons why it has none."""

    protocol: Protocol
    plan: Plan | None
    reasons: tuple[str, ...] = ()
    unseen: UnseenLeft | None = None

    @property
    def row(self) -> ComparisonRow | None:
        """Its plan in figures."""
        return None if self.plan is None else compare([self.plan]).rows[0]


@dataclass(frozen=True, eq=False)
class Compared:
    """Protocols side by side, and the trade-off curve of the first one that has a plan."""

    protocols: tuple[ComparedProtocol, ...]
    curve: Tradeoff | None
    curve_protocol: str

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The plans of the protocols that have one."""
        return tuple(one.plan for one in self.protocols if one.plan is not None)


def others_of(problem: StagingProblem) -> tuple[Protocol, ...]:
    """Return the shipped protocols but the problem's own."""
    names = [name for name in shipped_protocols() if name != problem.protocol.name]
    return tuple(load_protocol(name) for name in names)


def compare_problem(
    problem: StagingProblem,
    protocols: Sequence[Protocol],
    options: TradeoffOptions | None = None,
    *,
    body_surface_m2: float | None = None,
    watch: Stopwatch | None = None,
) -> Compared:
    """Plan a problem under its own and other protocols, and sweep the limits of the first that has a plan.

    Parameters
    ----------
    problem
        The problem.
    protocols
        The others, in the order in which they are shown.
    options
        Of the trade-off curve.
    body_surface_m2
        For a regimen that is dosed by it.
    watch
        Times the phases and shows them; silent by default.
    """
    watch = watch or Stopwatch()
    found: list[ComparedProtocol] = []
    solved: list[tuple[StagingProblem, Plan]] = []
    swept: StagingProblem | None = None
    with watch.phase("protocols"):
        for protocol in (problem.protocol, *protocols):
            try:
                given = under(problem, protocol, body_surface_m2=body_surface_m2)
                plan = solve_plan(given)
                solved.append((given, plan))
                found.append(ComparedProtocol(protocol, plan))
                swept = swept or given
            except InfeasiblePlan as error:
                found.append(ComparedProtocol(protocol, None, error.reasons))
            except CaseError as error:
                found.append(ComparedProtocol(protocol, None, (str(error),)))
        left = iter(unseen_left(solved))
        found = [one if one.plan is None else replace(one, unseen=next(left)) for one in found]
    with watch.phase("trade-off"):
        curve = None if swept is None else trade_off(swept, options)
    return Compared(tuple(found), curve, "" if swept is None else swept.protocol.name)
