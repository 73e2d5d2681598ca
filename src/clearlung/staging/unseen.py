"""`Unseen`: what a problem knows of metastases that the CT does not show, and of the lungs to be perfused."""

from __future__ import annotations

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clearlung.anatomy import Lobe, Side
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.perfusion import (
    DETECTION_CURVES,
    TARGETS,
    LobeVolumes,
    LungVolumes,
    Seen,
    reference_lungs,
)

_FOR_EVER_DAYS = 1e6


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SeenPart(_Part):
    """One nodule that the CT shows."""

    lobe: Lobe
    diameter_mm: float = Field(gt=0)
    chance: float = Field(default=1.0, ge=0, le=1, description="That it is a metastasis.")
    vdt_days: float | None = Field(
        default=None, description="Volume doubling time, below 0 where it shrinks; null where unknown."
    )


class LobePart(_Part):
    """How much one lobe holds."""

    lobe: Lobe
    volume_ml: float = Field(gt=0, description="Air, tissue and blood.")
    tissue_ml: float = Field(gt=0, description="Tissue with its blood.")


class FoundPart(_Part):
    """What the hand found in an operation that has been done."""

    week: float = Field(ge=0, description="Weeks after the CT.")
    found: dict[Lobe, int] = Field(
        description="For each lobe that was felt through, metastases that the CT had not shown."
    )


class PerfusedPart(_Part):
    """A perfusion that has been done."""

    week: float = Field(ge=0, description="Weeks after the CT.")
    side: Side
    target: str | None = Field(
        default=None, description="What of the lung: a registered target; null: all of it."
    )

    @model_validator(mode="after")
    def _of_its_lung(self) -> Self:
        if self.target is not None and (self.target not in TARGETS or TARGETS[self.target].side != self.side):
            known = [name for name, target in TARGETS.items() if target.side == self.side]
            raise ValueError(f"target {self.target!r} is not one of the {self.side} lung: {', '.join(known)}")
        return self

    @property
    def reached(self) -> str:
        """What was perfused, by name."""
        return self.target or self.side


class Unseen(_Part):
    """What the occult burden is estimated from, and what a perfusion reaches."""

    detection: str = Field(default="reader", description="Registered curve of who looked at the CT.")
    slice_mm: float = Field(default=1.0, gt=0, description="Thickness of its slices.")
    seen: tuple[SeenPart, ...] | None = Field(
        default=None, description="What it shows; null: the problem's lesions, all of them metastases."
    )
    lungs: tuple[LobePart, ...] = Field(
        default=(), description="The lobes that there are; none: published lungs."
    )
    body_surface_m2: float | None = Field(default=None, gt=0, description="For drugs that go by it.")
    weeks_since_ct: float = Field(default=0.0, ge=0, description="From the CT to week 0 of the plan.")
    found: tuple[FoundPart, ...] = Field(default=(), description="By hand, in operations that were done.")
    perfused: tuple[PerfusedPart, ...] = Field(default=(), description="Perfusions that were done.")

    @field_validator("detection")
    @classmethod
    def _registered(cls, name: str) -> str:
        if name not in DETECTION_CURVES:
            raise ValueError(f"must be one of {', '.join(DETECTION_CURVES)}")
        return name

    @classmethod
    def of(cls, seen: Seen, **known: object) -> Self:
        """Return it for what a CT shows; the rest by name."""
        columns = zip(
            seen.lobe.tolist(),
            seen.diameter_mm.tolist(),
            seen.chance.tolist(),
            seen.vdt_days.tolist(),
            strict=True,
        )
        parts = [
            {"lobe": lobe, "diameter_mm": d, "chance": p, "vdt_days": _stored(vdt)}
            for lobe, d, p, vdt in columns
        ]
        return cls.model_validate({"seen": parts, **known})

    def seeing(self, lesions: LesionTable) -> Self:
        """Return it with what the CT shows spelled out: these lesions, where nothing else is."""
        if self.seen is not None:
            return self
        return self.of(Seen.of_lesions(lesions), **self.model_dump(exclude={"seen"}))

    def shown(self) -> Seen:
        """Return what the CT shows as columns; none where it is not spelled out."""
        parts = self.seen or ()
        return Seen.listed(
            [one.diameter_mm for one in parts],
            [one.lobe for one in parts],
            chance=[one.chance for one in parts],
            vdt_days=[math.nan if one.vdt_days is None else one.vdt_days for one in parts],
        )

    def volumes(self, book: EvidenceBook) -> LungVolumes:
        """Return how much the lobes hold: the patient's, or published ones."""
        if not self.lungs:
            return reference_lungs(book)
        lobes = tuple(LobeVolumes(one.lobe, one.volume_ml, one.tissue_ml) for one in self.lungs)
        return LungVolumes(lobes, source="scan")


def _stored(vdt_days: float) -> float | None:
    """Return a doubling time as it can be stored: for ever is a very long time."""
    return None if math.isnan(vdt_days) else max(-_FOR_EVER_DAYS, min(vdt_days, _FOR_EVER_DAYS))
