"""`Findings`: what the hand found in one operation that the CT had not shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from clearlung.anatomy import LOBES, Lobe


@dataclass(frozen=True)
class Findings:
    """Metastases that the hand found in one operation and the CT had not shown; they are taken out.

    Parameters
    ----------
    day
        Days from the CT to the operation.
    found
        For each lobe that was felt through, how many metastases were found that are on no list: 0 is
        information, a lobe left out was not examined.
    diameters_mm
        For some lobes, the diameters of those that were measured, on the day of the operation.

    Raises
    ------
    ValueError
        If a day or a number is below 0, a lobe has no name, or there are more diameters than findings.

    Examples
    --------
    >>> Findings(day=14, found={"RUL": 2, "RML": 0, "RLL": 1}, diameters_mm={"RUL": (2.5,)}).total
    3
    """

    day: float
    found: Mapping[Lobe, int]
    diameters_mm: Mapping[Lobe, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.day < math.inf:
            raise ValueError(f"the operation was {self.day} days after the CT; give days from 0")
        strange = (set(self.found) | set(self.diameters_mm)) - set(LOBES)
        if strange:
            raise ValueError(f"a lobe must be one of {', '.join(LOBES)}, not {sorted(strange)}")
        for lobe, count in self.found.items():
            if count < 0 or count != int(count):
                raise ValueError(f"{lobe}: {count} metastases cannot be found; give a whole number from 0")
        for lobe, sizes in self.diameters_mm.items():
            if len(sizes) > self.found.get(lobe, 0):
                raise ValueError(f"{lobe}: {len(sizes)} diameters for {self.found.get(lobe, 0)} findings")
            if any(not 0 < size < math.inf for size in sizes):
                raise ValueError(f"{lobe}: a diameter must be above 0 mm, not one of {list(sizes)}")

    @property
    def total(self) -> int:
        """How many were found in all lobes together."""
        return sum(self.found.values())
