"""The limits that a stress test holds the scenarios against, each a small registered entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clearlung.staging.protocol import Protocol
from clearlung.staging.stress.simulate import Course
from clearlung.staging.stress.spreads import Floats

NOISE = 1e-6
"""A limit that is missed by less is kept: sums of whole thousandths, and rounding."""


@dataclass(frozen=True)
class StressLimit:
    """One limit of the protocol.

    Parameters
    ----------
    name
        Dotted name in the protocol.
    title, unit
        In words.
    floor
        Whether the value must not be below the limit; otherwise not above it.
    whole
        Whether it counts whole things.
    per_operation
        Whether it holds for each operation; otherwise for the plan.
    load
        The values of a course, shape (operations, scenarios), or (1, scenarios) for the plan.
    """

    name: str
    title: str
    unit: str
    floor: bool
    whole: bool
    per_operation: bool
    load: Callable[[Course], Floats]

    @property
    def part(self) -> str:
        """The protocol's part that it stands in."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """Its name in that part."""
        return self.name.partition(".")[2]

    def of(self, protocol: Protocol) -> float | None:
        """Return its value in a protocol; None where there is none."""
        value = getattr(getattr(protocol, self.part), self.key)
        return None if value is None else float(value)

    def excess(self, load: Floats, limit: float) -> Floats:
        """Return by how much values miss it; negative where there is room."""
        return limit - load if self.floor else load - limit


def _last_week(course: Course) -> Floats:
    return course.week[-1:] if len(course.week) else np.zeros((1, len(course.recovery)))


LIMITS: tuple[StressLimit, ...] = (
    StressLimit(
        "per_operation.nodules_max", "nodules", "nodule", False, True, True, lambda course: course.nodules
    ),
    StressLimit(
        "per_operation.nodules_per_lobe_max",
        "nodules in one lobe",
        "nodule",
        False,
        True,
        True,
        lambda course: course.lobe_nodules,
    ),
    StressLimit(
        "per_operation.minutes_max", "minutes", "min", False, False, True, lambda course: course.minutes
    ),
    StressLimit(
        "per_operation.removed_ml_max", "tissue", "ml", False, False, True, lambda course: course.removed_ml
    ),
    StressLimit(
        "function.fev1_after_percent_min",
        "FEV1 right after",
        "%",
        True,
        False,
        True,
        lambda course: course.fev1_after_percent,
    ),
    StressLimit(
        "function.ppo_fev1_percent_min",
        "FEV1 after recovery",
        "%",
        True,
        False,
        False,
        lambda course: course.fev1_final_percent[None, :],
    ),
    StressLimit("weeks.total_max", "weeks in all", "week", False, False, False, _last_week),
)
"""Every limit that a scenario can break. The weeks between operations cannot be: delays only add to them."""
