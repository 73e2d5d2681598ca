"""`Limit`: what every limit has, and the registry that they are found in."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clearlung.anatomy import Lobe
from clearlung.staging.plan import Operation, Plan, PlannedSpecimen
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol

if TYPE_CHECKING:
    # A stress test asks the limits what its scenarios break: at run time only it knows of them.
    from clearlung.staging.stress.simulate import Course

Floats = NDArray[np.float64]

NOISE = 1e-6
"""A limit that is missed by less is kept: sums of minutes, milliliters and percentages are rounded."""


@dataclass(frozen=True)
class Reached:
    """The value of a plan that comes closest to a limit, and where."""

    value: float
    where: str


class Limit(ABC):
    """One limit: its parameter, what of a plan it holds for, how it gives, and what scenarios make of it.

    A further limit is one more class with :func:`register` on it; reports, checks, explanations and stress
    tests find it in :data:`LIMITS`.

    Attributes
    ----------
    field
        Dotted name of its parameter in the protocol.
    words
        What it limits, as a short phrase.
    least
        Whether the plan has to reach at least the parameter, instead of at most.
    step
        Resolution of smallest changes.
    per_operation
        Whether :meth:`load` has a value for each operation; otherwise one for the plan.
    """

    field: ClassVar[str]
    words: ClassVar[str]
    least: ClassVar[bool] = False
    step: ClassVar[float] = 1.0
    per_operation: ClassVar[bool] = True

    @property
    def _info(self) -> FieldInfo:
        return _part(self.part).model_fields[self.key]

    @property
    def part(self) -> str:
        """The protocol's part that its parameter stands in."""
        return self.field.partition(".")[0]

    @property
    def key(self) -> str:
        """The parameter's name in that part."""
        return self.field.partition(".")[2]

    @property
    def title(self) -> str:
        """What it limits, in words."""
        return (self._info.description or self.field).rstrip(".")

    @property
    def unit(self) -> str:
        """Unit of its parameter; 1 for a count."""
        extra = self._info.json_schema_extra
        return str(extra.get("unit", "1")) if isinstance(extra, dict) else "1"

    @property
    def whole(self) -> bool:
        """Whether its parameter is a whole number."""
        return self._info.annotation in (int, int | None)

    # --- In a plan ----------------------------------------------------------------------------------------

    def bound(self, protocol: Protocol) -> float | None:
        """Return the protocol's value, or None where the protocol does not limit it."""
        value = getattr(getattr(protocol, self.part), self.key)
        return None if value is None else float(value)

    @abstractmethod
    def reached(self, plan: Plan) -> Reached | None:
        """Return what comes closest to the limit in a plan, or None where it does not arise."""

    def slack(self, plan: Plan) -> float | None:
        """Return what the plan leaves of the limit, in its unit: negative where it is broken.

        None where the protocol does not limit it, or nothing in the plan is limited by it.
        """
        bound, reached = self.bound(plan.protocol), self.reached(plan)
        if bound is None or reached is None:
            return None
        return reached.value - bound if self.least else bound - reached.value

    def holds(self, plan: Plan) -> bool:
        """Whether the plan keeps to it."""
        slack = self.slack(plan)
        return slack is None or slack >= -NOISE

    # --- How it gives -------------------------------------------------------------------------------------

    @property
    def up(self) -> bool:
        """Whether more of it allows more; otherwise less does."""
        return not self.least

    def value(self, problem: StagingProblem) -> float | None:
        """Return its value in a problem; None where none is set."""
        return self.bound(problem.protocol)

    @abstractmethod
    def free(self, problem: StagingProblem) -> float:
        """Return the value at which it excludes nothing that any larger change would allow."""

    def steps_to_free(self, problem: StagingProblem) -> int:
        """Return how many whole steps loosen it fully; 0 where it is not set or cannot give."""
        value = self.value(problem)
        if value is None:
            return 0
        distance = (self.free(problem) - value) * (1 if self.up else -1)
        return max(0, math.ceil(distance / self.step - 1e-9))

    def after_steps(self, problem: StagingProblem, steps: int) -> float | None:
        """Return its value after so many steps looser, at most fully."""
        value = self.value(problem)
        if value is None or steps == 0:
            return value
        free = self.free(problem)
        if self.up:
            return max(value, min(free, round(value + steps * self.step, 6)))
        return min(value, max(free, round(value - steps * self.step, 6)))

    def loosened(self, problem: StagingProblem, steps: int) -> StagingProblem:
        """Return the problem with it so many steps looser, at most fully."""
        value = self.after_steps(problem, steps)
        return problem if value is None or not steps else self.set_to(problem, value)

    def freed(self, problem: StagingProblem) -> StagingProblem:
        """Return the problem with it fully loosened."""
        return self.loosened(problem, self.steps_to_free(problem))

    def set_to(self, problem: StagingProblem, value: float) -> StagingProblem:
        """Return the problem with another value of it."""
        part = getattr(problem.protocol, self.part)
        number: float | int = round(value) if self.whole else value
        changed = part.model_copy(update={self.key: number})
        return replace(problem, protocol=problem.protocol.model_copy(update={self.part: changed}))

    # --- In scenarios -------------------------------------------------------------------------------------

    def load(self, course: Course) -> Floats | None:
        """Return what it limits in every scenario; None where nothing that varies can break it.

        Shape (operations, scenarios), or (1, scenarios) for a limit of the plan.
        """
        return None

    def excess(self, load: Floats, bound: float) -> Floats:
        """Return by how much loads miss a bound; negative where there is room."""
        return bound - load if self.least else load - bound


class WholeLimit(Limit):
    """A limit that does not give step by step: it holds, or it is lifted as a whole.

    Its value in a problem is how much there is of it: of blocked weeks, of assignments.
    """

    @property
    def up(self) -> bool:
        """Less of it allows more."""
        return False

    def free(self, problem: StagingProblem) -> float:
        """Return zero: none of it is left."""
        return 0.0

    def steps_to_free(self, problem: StagingProblem) -> int:
        """Return one step, or none where there is nothing to lift."""
        return int(bool(self.value(problem)))

    def after_steps(self, problem: StagingProblem, steps: int) -> float | None:
        """Return zero after any step."""
        return self.free(problem) if steps and self.value(problem) is not None else self.value(problem)


LIMITS: dict[str, Limit] = {}
"""Every limit by the dotted name of its parameter, in the order in which they are shown and tried."""


def register(kind: type[Limit]) -> type[Limit]:
    """Add a limit to :data:`LIMITS`, at the place that its parameter has in the protocol.

    Raises
    ------
    ValueError
        If there is one of that name.
    """
    if kind.field in LIMITS:
        raise ValueError(f"there is a limit {kind.field} already")
    LIMITS[kind.field] = kind()
    for field in sorted(LIMITS, key=_place):
        LIMITS[field] = LIMITS.pop(field)
    return kind


def _place(field: str) -> tuple[int, int]:
    part, _, name = field.partition(".")
    parts = list(Protocol.model_fields)
    if part not in parts:
        return len(parts), 0
    return parts.index(part), list(_part(part).model_fields).index(name)


def _part(name: str) -> type[BaseModel]:
    model = Protocol.model_fields[name].annotation
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise TypeError(f"{name} is not a part of a protocol")
    return model


def broken_limits(plan: Plan) -> dict[str, Reached]:
    """Return what a plan breaks of its protocol: the limits' fields, and what it reaches.

    Examples
    --------
    >>> from clearlung.staging import LIMITS
    >>> LIMITS["weeks.same_side_min"].title, LIMITS["weeks.same_side_min"].unit
    ('Weeks until the same side again, at least', 'week')
    """
    broken = {}
    for name, limit in LIMITS.items():
        reached = limit.reached(plan)
        if reached is not None and not limit.holds(plan):
            broken[name] = reached
    return broken


def most(plan: Plan, of: Callable[[Operation], float]) -> Reached | None:
    """Return the operation with the most of something, the first of equals."""
    values = [(of(o), -o.number) for o in plan.operations]
    if not values:
        return None
    value, number = max(values)
    return Reached(value, f"operation\u00a0{-number}")


def least(plan: Plan, of: Callable[[Operation], float]) -> Reached | None:
    """Return the operation with the least of something, the first of equals."""
    found = most(plan, lambda o: -of(o))
    return None if found is None else Reached(-found.value, found.where)


def largest(amounts: Mapping[str, float]) -> Reached | None:
    """Return the largest of named amounts, the first of equals; None of none."""
    if not amounts:
        return None
    where = max(amounts, key=lambda name: amounts[name])
    return Reached(amounts[where], where)


def lobe_ml(specimen: PlannedSpecimen) -> Mapping[Lobe, float]:
    """Return what each lobe gives of a specimen; all is its own lobe's where that is not known."""
    return {specimen.lobe: specimen.volume_ml} if specimen.lobe_ml is None else specimen.lobe_ml


def all_lesions(problem: StagingProblem) -> float:
    """Return how many lesions all specimens hold: no operation removes more."""
    return float(problem.specimens.counts.sum())


def all_ml(problem: StagingProblem) -> float:
    """Return whole milliliters above the tissue of all specimens: nothing takes more."""
    return math.ceil(float(problem.specimens.volume_ml.sum())) + 1.0
