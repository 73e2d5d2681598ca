"""Options of finding nodules."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.errors import FieldError


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
        Findings below this probability are left out. The default is below one half because a metastasis
        that is missed costs more than a finding that a reader strikes off.
    calcified_hu
        A nodule with a peak of at least this counts as calcified. Assumed: enhanced soft tissue stays
        below, and partial volume takes from calcium.

    Raises
    ------
    FieldError
        If a value is impossible.
    """

    detector: str = "blob"
    smallest_mm: float = 2.0
    least_probability: float = 0.25
    calcified_hu: float = 200.0

    def __post_init__(self) -> None:
        if not 0.5 <= self.smallest_mm <= 30.0:
            raise FieldError("smallest_mm", f"must be 0.5 to 30 mm, and is {self.smallest_mm}")
        if not 0.0 <= self.least_probability <= 1.0:
            raise FieldError("least_probability", f"must be 0 to 1, and is {self.least_probability}")
