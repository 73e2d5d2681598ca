"""`PlanGoal`: what a plan is to be good at, and the registry that goals are found in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from clearlung.staging.goals.outcome import Outcome


class Bound(NamedTuple):
    """What no plan falls below, and what says so."""

    value: float
    method: str


class PlanGoal(ABC):
    """One thing that plans are judged by; less is better.

    A further goal is one more class with :func:`register` on it; protocols name it in ``goals.order`` or give
    it a weight.

    Attributes
    ----------
    key
        Name in protocols.
    title, unit
        In words, and of its values; 1 for a count.
    description
        What it stands for, in a sentence.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    description: ClassVar[str]

    @abstractmethod
    def value(self, outcome: Outcome) -> float:
        """Return what a plan reaches."""

    @abstractmethod
    def bound(self, outcome: Outcome, held: Collection[str]) -> Bound:
        """Return a value that no plan falls below.

        Parameters
        ----------
        outcome
            The plan that was found, and the search.
        held
            Goals whose values are those of the plan: the bound holds for plans that are as good in these.
            As many lesions are always removed.
        """


GOALS: dict[str, PlanGoal] = {}
"""Every goal by its key."""


def register(kind: type[PlanGoal]) -> type[PlanGoal]:
    """Add a goal to :data:`GOALS`.

    Raises
    ------
    ValueError
        If there is one of that key.
    """
    if kind.key in GOALS:
        raise ValueError(f"there is a goal {kind.key} already")
    GOALS[kind.key] = kind()
    return kind
