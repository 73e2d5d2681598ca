"""Earlier operations, and what they leave behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side

OperationName = Literal[
    "none",
    "left pneumonectomy",
    "right pneumonectomy",
    "right upper lobectomy",
    "left lower lobectomy",
    "wedges",
]
"""An earlier operation that a phantom can have had."""


@dataclass(frozen=True)
class Operation:
    """What an operation took, and how the rest makes room.

    Parameters
    ----------
    missing
        The lobes that were taken.
    shift_mm
        How far the mediastinum moves, to the left.
    dome_mm
        How far the diaphragm rises on the side of the operation.
    cut
        The central airways that end as a stump, and those that are gone.
    gone
        Central airways beyond the stump.
    """

    missing: tuple[Lobe, ...] = ()
    shift_mm: float = 0.0
    dome_mm: float = 0.0
    cut: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def side(self) -> Side | None:
        """The side of the lobes that were taken."""
        return LOBE_SIDES[self.missing[0]] if self.missing else None

    @property
    def pneumonectomy(self) -> bool:
        """Whether a whole lung was taken."""
        return self.side is not None and all(
            lobe in self.missing for lobe in LOBES if LOBE_SIDES[lobe] == self.side
        )


# Assumed: how far things move. After a pneumonectomy the space fills with fluid and shrinks over months.
OPERATIONS: dict[OperationName, Operation] = {
    "none": Operation(),
    "left pneumonectomy": Operation(("LUL", "LLL"), 16.0, 12.0, ("left main",), ("left upper",)),
    "right pneumonectomy": Operation(("RUL", "RML", "RLL"), -16.0, 10.0, ("right main",), ("intermediate",)),
    "right upper lobectomy": Operation(("RUL",), -6.0, 8.0),
    "left lower lobectomy": Operation(("LLL",), 7.0, 9.0),
    "wedges": Operation(),
}
"""Each operation and what it leaves."""

# What is left of a main bronchus that was cut, and of a lobe's bronchus.
STUMP_SHARE = 0.45
STUMP_MM = 9.0
