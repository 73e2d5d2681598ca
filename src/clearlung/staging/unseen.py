"""`Unseen`: what a problem knows of metastases that the CT does not show, and of the lungs to be perfused."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from clearlung.anatomy import LOBES, Lobe, Side
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import (
    DETECTION_CURVES,
    TARGETS,
    Benefit,
    Findings,
    LobeVolumes,
    LungVolumes,
    OccultBurden,
    Seen,
    detection_curve,
    occult_burden,
    reference_lungs,
    weigh_perfusions,
)

if TYPE_CHECKING:
    from clearlung.staging.problem import StagingProblem

# Enough that a mean over draws is within a few percent, few enough that a week is read in milliseconds.
_DRAWS = 2000
_DAYS_PER_WEEK = 7
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

    def volumes(self, book: EvidenceBook) -> LungVolumes:
        """Return how much the lobes hold: the patient's, or published ones."""
        if not self.lungs:
            return reference_lungs(book)
        lobes = tuple(LobeVolumes(one.lobe, one.volume_ml, one.tissue_ml) for one in self.lungs)
        return LungVolumes(lobes, source="scan")


def burden_of(problem: StagingProblem) -> OccultBurden | None:
    """Return how many metastases are unseen in this patient, after all that was found by hand.

    None where the problem says nothing of what was seen.
    """
    unseen = problem.unseen
    if unseen is None:
        return None
    book = problem.protocol.book()
    burden = occult_burden(
        Seen.of_lesions(problem.lesions) if unseen.seen is None else _seen(unseen.seen),
        detection_curve(unseen.detection, book, slice_mm=unseen.slice_mm),
        book,
        draws=_DRAWS,
        seed=problem.seed,
        lobes=tuple(one.lobe for one in unseen.lungs) or LOBES,
        volumes=tuple(one.volume_ml for one in unseen.lungs) or None,
    )
    for one in unseen.found:
        burden = burden.after(Findings(day=_DAYS_PER_WEEK * one.week, found=one.found))
    return burden


def benefit_of(problem: StagingProblem) -> Benefit | None:
    """Return what is unseen in either lung, and what perfusing it spares and may cost.

    None where the problem says nothing of what was seen.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`~clearlung.perfusion.weigh_perfusions`.
    """
    burden, unseen = burden_of(problem), problem.unseen
    if burden is None or unseen is None:
        return None
    book = problem.protocol.book()
    benefit = weigh_perfusions(
        burden,
        problem.regimen if problem.perfusions_per_lung else None,
        unseen.volumes(book),
        book,
        body_surface_m2=unseen.body_surface_m2,
        weeks_since_ct=unseen.weeks_since_ct,
        targets=problem.named_targets,
    )
    return benefit.after([(one.week - unseen.weeks_since_ct, one.reached) for one in unseen.perfused])


def with_benefit(problem: StagingProblem) -> StagingProblem:
    """Return the problem with what perfusions spare and may cost, if its plan is to be chosen by that.

    It is worked out from what the problem says is unseen. Where its goals weigh perfusions and it says
    nothing, its lesions are taken for all that radiologists saw on slices of 1 mm, and the lungs for
    published ones.
    """
    if problem.benefit is not None:
        return problem
    perfuses = problem.regimen is not None and problem.perfusions_per_lung > 0
    if problem.unseen is None and perfuses and problem.protocol.goals.weighs_perfusion:
        warning = (
            "What the CT does not show is estimated as on slices of 1 mm read by radiologists, in lungs of"
            " published size: nothing else was given."
        )
        problem = replace(problem, unseen=Unseen(), warnings=(*problem.warnings, warning))
    return replace(problem, benefit=benefit_of(problem))


def _seen(parts: tuple[SeenPart, ...]) -> Seen:
    return Seen.listed(
        [one.diameter_mm for one in parts],
        [one.lobe for one in parts],
        chance=[one.chance for one in parts],
        vdt_days=[float("nan") if one.vdt_days is None else one.vdt_days for one in parts],
    )


def _stored(vdt_days: float) -> float | None:
    """Return a doubling time as it can be stored: for ever is a very long time."""
    return None if math.isnan(vdt_days) else max(-_FOR_EVER_DAYS, min(vdt_days, _FOR_EVER_DAYS))
