"""What of a lung is perfused: the targets of a plan, and how much of the lung's function they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from clearlung.anatomy import SIDES, Side
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import TARGETS, perfused_share, reference_lungs
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
    lungs = reference_lungs(book) if unseen is None else unseen.volumes(book)
    power = book.value(SHARE_EVIDENCE, unit="1")
    there = {one.lobe for one in lungs.lobes}
    return {
        name: perfused_share(name, lungs) ** power
        for name, target in TARGETS.items()
        if there.intersection(target.lobes)
    }


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
    choices = product(*(problem.targets_on(side) for side in perfused))
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
    if all(problem.targets_on(side) == (new[side],) for side in SIDES if side in new):
        return problem
    return replace(problem, targets=new)
