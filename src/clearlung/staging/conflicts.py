"""Why there is no plan: which limits exclude it together, and the smallest change that allows one.

A minimal conflicting set is found by the deletion filter [1]_: loosen one limit after the other fully, and
keep it loosened wherever there is still no plan. What is left excludes a plan, and loosening any one of it
allows one. There may be other sets; limits are tried in the order of :data:`LIMITS`.

References
----------
.. [1] J. W. Chinneck, E. W. Dravnieks, "Locating minimal infeasible constraint sets in linear programs",
   ORSA Journal on Computing 3 (1991) 157-168.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from clearlung.errors import InfeasiblePlan
from clearlung.staging.figures import Difference, differences, plan_figures
from clearlung.staging.limits import LIMITS, Limit
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.solve import solve_plan
from clearlung.staging.uses import removes_nothing

Say = Callable[[str], None]

# Reasons that no limit can change, and the surgeon's wish to leave a lesion.
_NOT_WANTED = ("unresectable", "no_specimen", "left_by_surgeon")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Wanted(_Part):
    """What a plan has to reach to count as one."""

    lesions_left_max: int = Field(
        default=0,
        ge=0,
        description="Lesions that may stay, not counting those without a specimen or left by the surgeon.",
    )
    operations_max: int | None = Field(default=None, ge=0, description="Operations, at most.")


class SmallestChange(_Part):
    """The smallest change of one limit that alone allows a plan."""

    limit: str = Field(description="Dotted name in the protocol, or assignments.")
    title: str
    unit: str
    value: float = Field(
        description="Its value now. Blocked weeks and assignments give as a whole: how many there are."
    )
    needed: float | None = Field(description="The nearest value that allows a plan; null if none does.")
    proven: bool = Field(
        description="Whether it is proven that one step less allows none or, without a value, no step does."
    )


class Conflict(_Part):
    """Why there is no plan as it is wanted."""

    wanted: Wanted
    reasons: tuple[str, ...] = Field(description="What the solver says of the problem as it is.")
    limits: tuple[str, ...] = Field(
        description="Limits that together exclude it: loosening any one fully, with the others held, allows"
        " one. Empty where no limits do, and lesions, techniques or lungs would have to be others."
    )
    proven: bool = Field(description="Whether it is proven that these limits exclude every plan.")
    changes: tuple[SmallestChange, ...] = Field(description="For each limit that is set, in order.")


class LimitGain(_Part):
    """What one unit more of a limit gains."""

    limit: str
    title: str
    unit: str
    value: float = Field(description="Its value now.")
    tried: float = Field(description="Its value one unit looser.")
    goals: tuple[Difference, ...] = Field(description="Figures that come out otherwise, in order of rank.")
    better: bool = Field(description="Whether the first goal that differs is better.")
    proven: bool = Field(description="Whether both plans are proven optimal.")


@dataclass(frozen=True)
class Probe:
    """Whether there is a plan as wanted; ``proven`` says whether a "no" is certain: a "yes" always is."""

    found: bool
    proven: bool
    plan: Plan | None
    reasons: tuple[str, ...]


def probe(problem: StagingProblem, wanted: Wanted) -> Probe:
    """Look for a plan that reaches what is wanted.

    Parameters
    ----------
    problem
        Specimens, function and limits.
    wanted
        What the plan has to reach.
    """
    try:
        plan = solve_plan(problem)
    except InfeasiblePlan as error:
        return Probe(False, removes_nothing(problem), None, error.reasons)
    left = [u for u in plan.unassigned if u.code not in _NOT_WANTED]
    goal = plan.solver.goal("lesions_left")
    refused = len(left) - int(goal.value)
    if len(left) > wanted.lesions_left_max:
        reasons = tuple(f"Lesion {u.lesion}: {u.reason}" for u in left)
        return Probe(False, refused + goal.bound > wanted.lesions_left_max, plan, reasons)
    if wanted.operations_max is not None and len(plan.operations) > wanted.operations_max:
        reason = (
            f"{len(plan.operations)} operations were found, proven to need at least {plan.solver.bound:g};"
            f" {wanted.operations_max} are wanted."
        )
        # The bound is that of plans that leave as few lesions; leaving more could save an operation.
        same = len(left) == wanted.lesions_left_max
        return Probe(False, same and plan.solver.bound > wanted.operations_max, plan, (reason,))
    return Probe(True, True, plan, ())


def explain_conflict(
    problem: StagingProblem, wanted: Wanted | None = None, progress: Say | None = None
) -> Conflict | None:
    """Say which limits exclude a plan, and the smallest change of each that alone would allow one.

    Parameters
    ----------
    problem
        Specimens, function and limits.
    wanted
        What a plan has to reach; every lesion with a specimen removed, if left out.
    progress
        Called with a phrase for each step: each is a run of the solver.

    Returns
    -------
    Conflict or None
        None where there is a plan as wanted.

    Notes
    -----
    That a limit is loosened is taken to exclude no plan. A smallest change is found by bisection to one step
    of the limit; the value itself is confirmed by a plan, and ``proven`` tells whether the solver's bounds
    exclude one a step earlier.
    """
    wanted, say = wanted or Wanted(), progress or (lambda phrase: None)
    first = probe(problem, wanted)
    if first.found:
        return None
    limits, proven = minimal_conflict(problem, wanted, say)
    changes = tuple(
        smallest_change(problem, limit, wanted, say)
        for limit in LIMITS.values()
        if limit.value(problem) is not None
    )
    return Conflict(wanted=wanted, reasons=first.reasons, limits=limits, proven=proven, changes=changes)


def minimal_conflict(
    problem: StagingProblem, wanted: Wanted, say: Say = lambda phrase: None
) -> tuple[tuple[str, ...], bool]:
    """Return limits of which none can be spared to exclude a plan, and whether it is proven that they do.

    Parameters
    ----------
    problem, wanted
        A problem without a plan as wanted.
    say
        Called with a phrase for each step.
    """
    kept: list[str] = []
    proven = probe(problem, wanted).proven
    for limit in LIMITS.values():
        if not limit.steps_to_free(problem):
            continue
        say(f"without the limit on {limit.words}")
        tried = limit.freed(problem)
        found = probe(tried, wanted)
        if found.found:
            kept.append(limit.field)
        else:
            problem, proven = tried, found.proven
    return tuple(kept), proven


def smallest_change(
    problem: StagingProblem, limit: Limit, wanted: Wanted, say: Say = lambda phrase: None
) -> SmallestChange:
    """Return the smallest change of one limit that alone allows a plan as wanted.

    Parameters
    ----------
    problem, wanted
        A problem without a plan as wanted.
    limit
        The limit, which must be set in the protocol.
    say
        Called with a phrase.

    Raises
    ------
    ValueError
        If the protocol does not set the limit.
    """
    value = limit.value(problem)
    if value is None:
        raise ValueError(f"the protocol sets no {limit.field}")
    say(f"the smallest change of the limit on {limit.words}")

    def change(needed: float | None, *, proven: bool) -> SmallestChange:
        return SmallestChange(
            limit=limit.field, title=limit.words, unit=limit.unit, value=value, needed=needed, proven=proven
        )

    low, high = 0, limit.steps_to_free(problem)
    last = probe(limit.loosened(problem, high), wanted)
    if not last.found:
        return change(None, proven=last.proven)
    no = probe(problem, wanted)
    # Small changes are the likely ones: steps double from the present value, then halve.
    step = 1
    while low + step < high:
        tried = probe(limit.loosened(problem, low + step), wanted)
        if tried.found:
            high = low + step
            break
        no, low, step = tried, low + step, step * 2
    while high - low > 1:
        middle = (low + high) // 2
        tried = probe(limit.loosened(problem, middle), wanted)
        if tried.found:
            high = middle
        else:
            no, low = tried, middle
    return change(limit.after_steps(problem, high), proven=no.proven)


def limit_gains(problem: StagingProblem, progress: Say | None = None) -> tuple[LimitGain, ...]:
    """Say what one unit more of each limit gains in the figures of the best plan.

    Parameters
    ----------
    problem
        Specimens, function and limits.
    progress
        Called with a phrase for each step: each is a run of the solver.

    Returns
    -------
    tuple of LimitGain
        For each limit that is set and can give.

    Raises
    ------
    InfeasiblePlan
        If there is no plan to begin with.
    """
    say = progress or (lambda phrase: None)
    plan = solve_plan(problem)
    found = []
    for limit in LIMITS.values():
        value, tried = limit.value(problem), limit.after_steps(problem, _unit_steps(limit))
        if value is None or tried is None or not limit.steps_to_free(problem):
            continue
        say(f"one unit more of {limit.words}")
        goals, proven = _gained(problem, plan, limit.loosened(problem, _unit_steps(limit)))
        found.append(
            LimitGain(
                limit=limit.field,
                title=limit.words,
                unit=limit.unit,
                value=value,
                tried=tried,
                goals=goals,
                better=bool(goals) and goals[0].after < goals[0].before,
                proven=proven,
            )
        )
    return tuple(found)


def _gained(
    problem: StagingProblem, plan: Plan, loosened: StagingProblem
) -> tuple[tuple[Difference, ...], bool]:
    """Solve a loosened problem; return the figures that differ, and whether both plans are proven."""
    try:
        other = solve_plan(loosened)
    except InfeasiblePlan:
        # Looser limits exclude nothing: the search missed what the present plan shows to be there.
        return (), False
    return (
        differences(plan_figures(problem, plan), plan_figures(problem, other)),
        plan.solver.status == other.solver.status == "optimal",
    )


def _unit_steps(limit: Limit) -> int:
    """Return how many steps are one unit; of a share, a hundredth."""
    return max(1, round(1 / limit.step)) if limit.unit == "%" else 1
