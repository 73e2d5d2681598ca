"""Which assumptions decide most what a perfusion does, as plain data."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field

from clearlung.perfusion import WhatMatters


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MovedFound(_Part):
    """How an outcome moves with one assumption alone."""

    name: str
    evidence: str = Field(description="Id of its entry; empty for a choice of the regimen.")
    unit: str
    low_value: float
    high_value: float
    outcome_low: float = Field(description="The outcome at the low value.")
    outcome_high: float


class ShareFound(_Part):
    """How much of the spread over imagined patients goes with one thing that is drawn."""

    name: str
    variance: float = Field(ge=0, le=1, description="Share of the variance that knowing it would take away.")
    rank_correlation: float


class SensitivityFound(_Part):
    """Which assumptions decide most whether a metastasis is sterilized."""

    diameter_mm: float
    expected: float = Field(ge=0, le=1, description="Mean chance that it is sterilized.")
    assumptions: tuple[MovedFound, ...] = Field(description="The widest swing first.")
    shares: tuple[ShareFound, ...]
    words: tuple[str, ...]

    @classmethod
    def of(cls, found: WhatMatters) -> Self:
        """Put what was found into plain data."""
        return cls(
            diameter_mm=found.diameter_mm,
            expected=round(found.expected, 5),
            assumptions=tuple(MovedFound(**vars(one)) for one in found.sensitivities),
            shares=tuple(ShareFound(**vars(one)) for one in found.shares),
            words=found.words,
        )
