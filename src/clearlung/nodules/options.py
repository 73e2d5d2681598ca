"""Options of finding nodules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from clearlung.errors import FieldError
from clearlung.evidence import load_evidence


def _assumed(key: str, unit: str) -> Callable[[], float]:
    return lambda: load_evidence().value(key, unit=unit)


@dataclass(frozen=True)
class NoduleOptions:
    """How nodules are looked for.

    Parameters
    ----------
    detector
        Name of a registered detector.
    smallest_mm
        Smallest diameter that is reported. On slices thicker than this, what is smaller than a slice
        cannot be told from a vessel and is mostly missed.
    least_probability
        Findings below this probability are left out; by default the evidence's operating point.
    calcified_hu
        A nodule with a peak of at least this counts as calcified; by default the evidence's threshold.

    Raises
    ------
    FieldError
        If a value is impossible.

    Examples
    --------
    >>> NoduleOptions(smallest_mm=3.0).least_probability
    0.25
    """

    detector: str = "blob"
    smallest_mm: float = 2.0
    least_probability: float = field(default_factory=_assumed("protocol.nodules.probability", "1"))
    calcified_hu: float = field(default_factory=_assumed("nodule.calcified_hu", "HU"))

    def __post_init__(self) -> None:
        if not 0.5 <= self.smallest_mm <= 30.0:
            raise FieldError("smallest_mm", f"must be 0.5 to 30 mm, and is {self.smallest_mm}")
        if not 0.0 <= self.least_probability <= 1.0:
            raise FieldError("least_probability", f"must be 0 to 1, and is {self.least_probability}")
