"""Earlier resections: what they took for good, what has not recovered, and which chests have been opened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from clearlung.anatomy import LOBE_SIDES, Lobe, Side
from clearlung.resection.function import FunctionModel

EarlierTechnique = Literal["laser", "cautery", "wedge", "segmentectomy", "lobectomy"]
"""How something was taken out before, whether or not the center still does."""


@dataclass(frozen=True)
class EarlierResection:
    """One specimen or operation of the past.

    Parameters
    ----------
    side
        The lung.
    technique
        How it was taken out.
    lobe
        The lobe, or None where it is not known or several gave tissue.
    segments
        Segments of nineteen that are gone, or None where not known.
    removed_ml
        Tissue taken out, ml, or None where not known.
    weeks_ago
        Weeks before the first operation of the plan, or None where long past.
    perfused
        Whether the lung was perfused.
    """

    side: Side
    technique: EarlierTechnique
    lobe: Lobe | None = None
    segments: float | None = None
    removed_ml: float | None = None
    weeks_ago: float | None = None
    perfused: bool = False

    def __post_init__(self) -> None:
        if self.technique not in get_args(EarlierTechnique):
            raise ValueError(f"{self.technique!r} is not one of {', '.join(get_args(EarlierTechnique))}")
        if self.lobe is not None and LOBE_SIDES[self.lobe] != self.side:
            raise ValueError(f"{self.lobe} is not a lobe of the {self.side} lung")
        for name in ("segments", "removed_ml", "weeks_ago"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{name} is {value:g}, not a number from 0")

    @property
    def anatomical(self) -> bool:
        """Whether it was a segment or a lobe."""
        return self.technique in ("segmentectomy", "lobectomy")


def operated(earlier: Sequence[EarlierResection], side: Side) -> bool:
    """Return whether a chest has been opened before: adhesions are to be expected.

    Examples
    --------
    >>> operated([EarlierResection("right", "wedge")], "left")
    False
    """
    return any(resection.side == side for resection in earlier)


def with_history(model: FunctionModel, earlier: Sequence[EarlierResection]) -> FunctionModel:
    """Return the model of a patient who has not recovered from earlier operations.

    The measured value holds what they took for good; what they took at once and have not given back comes
    back during the plan. It is computed by the model itself from the weeks since, one early loss of access
    for each side and week (specimens of the same side and week are one operation) and that of the tissue
    around the beds. Operations without a date count as recovered.

    Parameters
    ----------
    model
        With the value measured in week 0.
    earlier
        What was done before.
    """
    sessions: dict[tuple[Side, float], float] = {}
    for one in earlier:
        if one.weeks_ago is not None:
            bed_ml = 0.0 if one.anatomical else (one.removed_ml or 0.0)
            key = (one.side, one.weeks_ago)
            sessions[key] = sessions.get(key, 0.0) + bed_ml
    fast = slow = 0.0
    for (_, weeks), bed_ml in sessions.items():
        early = model.loss(bed_ml, perfused=False).early
        left = [
            early * share * math.exp(-weeks / tau)
            for share, tau in zip(model.recovery.shares, model.recovery.weeks, strict=True)
        ]
        fast, slow = fast + left[0], slow + left[1]
    # As fractions of what is measured now, which is the former value less what is still lost. Three recent
    # operations could take more than there was; nobody is measured with less than a third.
    measured = max(1.0 / 3.0, 1.0 - fast - slow)
    return replace(model, unrecovered=(fast / measured, slow / measured))
