"""`Limit`: what every limit has, and the registry that they are found in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from clearlung.staging.plan import Operation, Plan
from clearlung.staging.protocol import Protocol

# Sums of minutes, milliliters and percentages meet a limit only to a rounding.
_NOISE = 1e-6


@dataclass(frozen=True)
class Reached:
    """The value of a plan that comes closest to a limit, and where."""

    value: float
    where: str


class Limit(ABC):
    """One limit of a protocol: its parameter, and what of a plan it holds for.

    A further limit is one more class with :func:`register` on it; reports and checks find it in
    :data:`LIMITS`.

    Attributes
    ----------
    field
        Dotted name of its parameter in the protocol.
    least
        Whether the plan has to reach at least the parameter, instead of at most.
    """

    field: ClassVar[str]
    least: ClassVar[bool] = False

    @property
    def _info(self) -> FieldInfo:
        part, name = self.field.split(".")
        return _part(part).model_fields[name]

    @property
    def title(self) -> str:
        """What it limits, in words."""
        return (self._info.description or self.field).rstrip(".")

    @property
    def unit(self) -> str:
        """Unit of its parameter; 1 for a count."""
        extra = self._info.json_schema_extra
        return str(extra.get("unit", "1")) if isinstance(extra, dict) else "1"

    def bound(self, protocol: Protocol) -> float | None:
        """Return the protocol's value, or None where the protocol does not limit it."""
        part, name = self.field.split(".")
        value = getattr(getattr(protocol, part), name)
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
        return slack is None or slack >= -_NOISE


LIMITS: dict[str, Limit] = {}
"""Every limit by the dotted name of its parameter, in the order in which they are shown."""


def register(kind: type[Limit]) -> type[Limit]:
    """Add a limit to :data:`LIMITS`, at the place that its parameter has in the protocol."""
    LIMITS[kind.field] = kind()
    for field in sorted(LIMITS, key=_place):
        LIMITS[field] = LIMITS.pop(field)
    return kind


def _place(field: str) -> tuple[int, int]:
    part, name = field.split(".")
    return list(Protocol.model_fields).index(part), list(_part(part).model_fields).index(name)


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
