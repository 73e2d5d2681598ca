"""What of a lung is perfused: the targets of a plan, and how much of the lung's function they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from clearlung.anatomy import SIDES, Side
from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import TARGETS, LungVolumes, Regimen, aimed_at, reference_lungs, volume_ml
from clearlung.staging.plan import Operation, sides_of

if TYPE_CHECKING:
    from clearlung.staging.problem import StagingProblem
    from clearlung.staging.unseen import Unseen

SHARE_EVIDENCE = "function.perfusion_share"
"""Power of the perfused share of a lung in what a perfusion takes of its function."""


def function_shares(unseen: Unseen | None, book: EvidenceBook) -> dict[str, float]:
    """Return the share of its lung's function that each target has, as far as its lobes are there.

    By its share of the volume, in the patient's lungs or in published ones, as
    :func:`clearlung.perfusion.function_course` has it.
    """
    lungs = _volumes(unseen, book)
    power = book.value(SHARE_EVIDENCE, unit="1")
    there = {one.lobe for one in lungs.lobes}
    return {
        name: (volume_ml(lungs.of(target)) / volume_ml(lungs.lung(target.side))) ** power
        for name, target in TARGETS.items()
        if there.intersection(target.lobes)
    }


def targets_on(problem: StagingProblem, side: Side) -> tuple[str, ...]:
    """Return what a perfusion of a lung may reach, by name: one, unless that is to be chosen."""
    if side in problem.targets:
        return (problem.targets[side],)
    allowed = [name for name in problem.protocol.perfusion.targets if TARGETS[name].side == side]
    if len(allowed) > 1 and problem.protocol.goals.weighs_perfusion:
        return tuple(name for name in allowed if name in problem.function_shares) or (allowed[0],)
    return (allowed[0],)


def named_targets(problem: StagingProblem) -> tuple[str, ...]:
    """Return all that the protocol, the problem and perfusions that were done name, sorted."""
    done = () if problem.unseen is None else problem.unseen.perfused
    reached = (one.reached for one in done)
    return tuple(sorted({*problem.protocol.perfusion.targets, *problem.targets.values(), *reached}))


def perfused_share(problem: StagingProblem, side: Side) -> float:
    """Return the share of a lung's function that a perfusion of it reaches, the least that it may be."""
    return min(function_share(problem, target) for target in targets_on(problem, side))


def function_share(problem: StagingProblem, target: str) -> float:
    """Return the share of its lung's function that a target has.

    Raises
    ------
    PerfusionError
        If nothing of the target is there.
    """
    if TARGETS[target].whole_lung:
        return 1.0
    if target not in problem.function_shares:
        raise PerfusionError("target", f"{TARGETS[target].title} is not there: there is nothing to perfuse")
    return problem.function_shares[target]


def perfusion_points(problem: StagingProblem, target: str) -> float:
    """Return the FEV1 that a perfusion of a target takes for good, points of percent predicted."""
    model = problem.function
    return model.baseline_percent * model.perfusion_permanent * function_share(problem, target)


def regimen_for(problem: StagingProblem, target: str) -> Regimen | None:
    """Return how a target is perfused; None where nothing is."""
    if problem.regimen is None:
        return None
    by_share = problem.protocol.perfusion.lobes_dose == "lung_share"
    return aimed_at(
        problem.regimen, target, _volumes(problem.unseen, problem.protocol.book()) if by_share else None
    )


def _volumes(unseen: Unseen | None, book: EvidenceBook) -> LungVolumes:
    """Return how much the lobes hold: the patient's, or published ones."""
    return reference_lungs(book) if unseen is None else unseen.volumes(book)


def targets_of(operations: Iterable[Operation]) -> dict[Side, str]:
    """Return what a plan perfuses of each lung, by name; lungs that it does not perfuse are left out.

    Plans from before perfusions had targets name one for both lungs: it was the whole lung.
    """
    found: dict[Side, str] = {}
    for operation in operations:
        if operation.perfusion is not None:
            for side in sides_of(operation.side):
                own = operation.perfusion.side == side
                found[side] = operation.perfusion.target if own else side
    return found


def targets_to_try(problem: StagingProblem, perfusions: Mapping[Side, int]) -> list[dict[Side, str]]:
    """Return every choice of what so many perfusions of each lung may reach, one target for each lung."""
    perfused = [side for side in SIDES if perfusions[side]]
    choices = product(*(targets_on(problem, side) for side in perfused))
    return [dict(zip(perfused, choice, strict=True)) for choice in choices]


def aimed_as(problem: StagingProblem, operations: Iterable[Operation]) -> StagingProblem:
    """Return the problem with the targets of a plan's perfusions settled.

    Parameters
    ----------
    problem
        Of which the plan is one.
    operations
        The plan's.
    """
    return aimed(problem, targets_of(operations))


def aimed(problem: StagingProblem, targets: Mapping[Side, str]) -> StagingProblem:
    """Return the problem with these targets settled, by lung; those of other lungs stay as they are."""
    new = {**problem.targets, **targets}
    if all(targets_on(problem, side) == (new[side],) for side in SIDES if side in new):
        return problem
    return replace(problem, targets=new)
