"""What a plan says of its perfusions: what they spare, what they may cost, and what else could have been."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from clearlung.anatomy import Lobe, Side
from clearlung.perfusion import Interval


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Expected(Interval):
    """An interval and the mean, which is what is weighed: a few draws with very many metastases lift it."""

    mean: float

    @classmethod
    def of(cls, draws: NDArray[np.float64]) -> Expected:
        """Return the interval and the mean of equally likely draws, shape (draws,)."""
        return cls(**Interval.of(draws).model_dump(), mean=float(np.mean(draws)))


class LungUnseen(_Part):
    """Metastases of one lung that the CT does not show."""

    side: Side
    unseen: Expected = Field(description="On the day of the CT, or what earlier operations left of them.")
    left_without: Expected = Field(
        description="After the last operation on the lung, when the hand has found what it can feel."
    )
    left: Expected = Field(description="The same after the plan's perfusions as well.")


class LobeUnseen(_Part):
    """Metastases of one lobe that the CT does not show."""

    lobe: Lobe
    unseen: Expected = Field(description="On the day of the CT, or what earlier operations left of them.")
    left_without: Expected = Field(
        description="After the last operation on the lung, when the hand has found what it can feel."
    )
    left: Expected = Field(description="The same after the plan's perfusions as well.")


class PlannedPerfusion(_Part):
    """One perfusion of the plan, or one that was weighed and is not in it."""

    operation: int = Field(ge=1, description="Number of the operation.")
    side: Side
    target: str = Field(description="What of the lung is perfused: name of a registered target.")
    week: int = Field(ge=0)
    planned: bool = Field(description="Whether the plan perfuses there.")
    spared: Expected = Field(
        description="Unseen metastases that no hand finds and it leaves no viable cell of."
    )
    edema: Interval = Field(description="Chance of edema, percent.")
    death: Interval = Field(description="Chance of death from it, percent.")
    fev1_points: float = Field(description="FEV1 that it takes for good, points of percent predicted.")
    harm: float = Field(description="Its expected harm, in metastases left behind that count as much.")
    worth: float = Field(description="Mean spared less harm: above 0 it is worth it.")


class PerfusionWay(_Part):
    """One way to share perfusions between the lungs, planned in full."""

    right: int = Field(ge=0, description="Perfusions of the right lung.")
    left: int = Field(ge=0, description="Perfusions of the left lung.")
    right_target: str | None = Field(default=None, description="What of it they reach; null: none does.")
    left_target: str | None = Field(default=None, description="What of it they reach; null: none does.")
    operations: int
    weeks: int
    lesions_left: int = Field(description="Lesions that no operation removes.")
    net_harm: float = Field(description="Expected harm less what is spared, in metastases.")
    chosen: bool


class PerfusionChoice(_Part):
    """What is unseen, and why operations are perfused or not."""

    weighed: bool = Field(
        description="Whether the solver chose by worth; otherwise the protocol's rule: as many as it allows,"
        " in the last operations."
    )
    unseen: Expected = Field(description="Metastases of all lungs that the CT does not show.")
    left_without: Expected = Field(
        description="After the last operation on each lung, when the hand has found what it can feel."
    )
    left: Expected = Field(description="The same after the plan's perfusions as well.")
    spared: Expected = Field(description="How many fewer these are: what the perfusions are for.")
    lungs: tuple[LungUnseen, ...]
    lobes: tuple[LobeUnseen, ...] = ()
    perfusions: tuple[PlannedPerfusion, ...] = Field(
        description="Those of the plan, and what they would be of another target that the protocol allows;"
        " of a lung that is not perfused, what one in each operation would be."
    )
    ways: tuple[PerfusionWay, ...] = Field(default=(), description="What the solver compared.")
    reasons: tuple[str, ...] = Field(description="The choice in words.")
