"""The parts of ``problem.json``: lesions, specimens, lung function, what was done before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe, Side
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.resection import (
    EarlierResection,
    EarlierTechnique,
    Exercise,
    FunctionModel,
    LungFunction,
    Measure,
    PatientFunction,
    Recovery,
    SpecimenSet,
)

WORD, VALUE = "<word>", "<value>"
"""How a union's branches are called in pydantic's errors; the brackets tell them from fields."""

# Ids are kept as int32.
_ID_MAX = 2**31 - 1


def kind_of(value: object) -> str:
    """Tell a word from a value, for fields that take either."""
    return WORD if isinstance(value, str) else VALUE


DoublingTime = Annotated[
    Annotated[Literal["infinite"], Tag(WORD)] | Annotated[float, Tag(VALUE)], Discriminator(kind_of)
]


class Part(BaseModel):
    """Strict: a number is no text, and there are no fields but these."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class LesionPart(Part):
    """One metastasis."""

    id: int = Field(ge=1, le=_ID_MAX, description="Its number, once.")
    lobe: Lobe
    diameter_mm: float = Field(gt=0)
    depth_mm: float = Field(ge=0, description="From its center to the nearest pleura.")
    vdt_days: DoublingTime | None = Field(
        default=None,
        description="Volume doubling time: negative where it shrinks, infinite where it stays, null where"
        " unknown.",
    )
    hilum_mm: float | None = Field(
        default=None, ge=0, description="From its center to the hilum of its side; null where unknown."
    )

    @field_validator("vdt_days")
    @classmethod
    def _takes_time(cls, value: float | str | None) -> float | str | None:
        if value == 0:
            raise ValueError("a doubling takes time: give days, or null where unknown")
        return value


def lesion_parts(table: LesionTable) -> tuple[LesionPart, ...]:
    """Return a table of lesions as plain data."""
    columns = (table.id, table.lobe, table.diameter_mm, table.depth_mm, table.vdt_days, table.hilum_mm)
    return tuple(
        LesionPart(
            id=number,
            lobe=lobe,
            diameter_mm=diameter,
            depth_mm=depth,
            vdt_days=_days_out(vdt),
            hilum_mm=None if math.isnan(hilum) else hilum,
        )
        for number, lobe, diameter, depth, vdt, hilum in zip(*(c.tolist() for c in columns), strict=True)
    )


def lesion_table(parts: Sequence[LesionPart]) -> LesionTable:
    """Return lesions as a table."""
    return LesionTable(
        id=np.array([p.id for p in parts], dtype=np.int32),
        side=np.array([LOBE_SIDES[p.lobe] for p in parts], dtype=np.str_),
        lobe=np.array([p.lobe for p in parts], dtype=np.str_),
        diameter_mm=np.array([p.diameter_mm for p in parts], dtype=np.float64),
        depth_mm=np.array([p.depth_mm for p in parts], dtype=np.float64),
        vdt_days=np.array([_days_in(p.vdt_days) for p in parts], dtype=np.float64),
        hilum_mm=np.array([math.nan if p.hilum_mm is None else p.hilum_mm for p in parts], dtype=np.float64),
    )


def _days_out(vdt_days: float) -> float | Literal["infinite"] | None:
    if math.isnan(vdt_days):
        return None
    return "infinite" if math.isinf(vdt_days) else vdt_days


def _days_in(vdt_days: float | str | None) -> float:
    if vdt_days is None:
        return math.nan
    return math.inf if isinstance(vdt_days, str) else vdt_days


class MarginPart(Part):
    """The margin that one lesion of a specimen gets."""

    lesion: int = Field(ge=1)
    planned_mm: float = Field(ge=0, description="Rim that the technique asks for.")
    margin_mm: float | None = Field(description="Least distance from its outline to the cut; null: unknown.")


class SpecimenPart(Part):
    """One piece of tissue that could be taken out; null where something is not known."""

    id: int = Field(ge=1, le=_ID_MAX, description="Its number, once.")
    lesions: tuple[int, ...] = Field(min_length=1, description="Ids of the lesions that it removes.")
    technique: str = Field(min_length=1)
    lobe: Lobe = Field(description="The one that gives most of the tissue.")
    volume_ml: float = Field(ge=0, description="Lung and tumor; tissue that two share counts for one.")
    minutes: float = Field(ge=0, description="In theatre, without access.")
    margin_mm: float = Field(default=0.0, ge=0, description="Planned rim.")
    candidate: int = Field(default=0, ge=0, le=_ID_MAX, description="The candidate that it is; 0 for none.")
    lobe_ml: dict[Lobe, float] | None = Field(default=None, description="What each lobe gives of it.")
    reach_mm: float | None = Field(default=None, description="Its deepest point below the pleura.")
    margin_least_mm: float | None = Field(
        default=None, description="Margin of the lesion whose margin may be the least."
    )
    margin_low_mm: float | None = Field(default=None, description="It lies from here (95 %).")
    margin_high_mm: float | None = Field(default=None, description="To here.")
    clear: float | None = Field(default=None, description="Chance that the cut misses every tumor in it.")
    vessel_mm: float | None = Field(default=None, description="Widest vessel that it cuts; 0 for none.")
    bronchus_mm: float | None = Field(default=None, description="Widest bronchus that it cuts; 0 for none.")
    closure: Literal["", "airtight", "suture", "untested", "staples", "stump"] = Field(
        default="", description='How the lung is closed; "" where unknown.'
    )
    anatomical: bool = Field(default=False, description="Whether it is a segment or a lobe.")
    margins: tuple[MarginPart, ...] = Field(
        default=(), description="Of each lesion; asked for only where specimens are to be chosen."
    )
    cost_ml: float | None = Field(
        default=None,
        ge=0,
        description="What it costs where specimens are chosen, in ml of lung; null: by its tissue, minutes,"
        " closure and margins.",
    )

    @property
    def side(self) -> Side:
        """The lung."""
        return LOBE_SIDES[self.lobe]


_MEASURED = (
    "reach_mm",
    "margin_least_mm",
    "margin_low_mm",
    "margin_high_mm",
    "clear",
    "vessel_mm",
    "bronchus_mm",
)
_AS_THEY_ARE = (
    "id",
    "lesions",
    "technique",
    "lobe",
    "volume_ml",
    "minutes",
    "margin_mm",
    "candidate",
    "closure",
    "anatomical",
)


def specimen_parts(specimens: SpecimenSet) -> tuple[SpecimenPart, ...]:
    """Return specimens as plain data."""
    columns = {name: list(getattr(specimens, name)) for name in ("lesions",)}
    columns |= {
        name: getattr(specimens, name).tolist() for name in (*_AS_THEY_ARE, *_MEASURED) if name != "lesions"
    }
    columns |= {name: [known(value) for value in columns[name]] for name in _MEASURED}
    columns["lobe_ml"] = [lobes_out(row) for row in specimens.lobe_ml]
    return tuple(
        SpecimenPart.model_validate({name: column[row] for name, column in columns.items()})
        for row in range(len(specimens))
    )


def specimen_set(
    parts: Sequence[SpecimenPart],
    unresectable: dict[int, str],
    evidence: tuple[str, ...],
    forced: dict[int, str] | None = None,
) -> SpecimenSet:
    """Return specimens as a table."""
    kinds: dict[str, type[np.generic]] = {"id": np.int32, "candidate": np.int32, "anatomical": np.bool_}
    kinds |= dict.fromkeys(("technique", "lobe", "closure"), np.str_)
    plain: dict[str, Any] = {
        name: np.array([getattr(p, name) for p in parts], dtype=kinds.get(name, np.float64))
        for name in _AS_THEY_ARE
        if name != "lesions"
    }
    measured: dict[str, Any] = {
        name: np.array([_or_nan(getattr(p, name)) for p in parts], dtype=np.float64) for name in _MEASURED
    }
    return SpecimenSet(
        lesions=tuple(p.lesions for p in parts),
        side=np.array([p.side for p in parts], dtype=np.str_),
        lobe_ml=np.array([_lobes_in(p.lobe_ml) for p in parts], dtype=np.float64).reshape(-1, len(LOBES)),
        unresectable=unresectable,
        evidence=evidence,
        forced=forced or {},
        **plain,
        **measured,
    )


def known(value: float) -> float | None:
    """Return a measure, or None where it is not known."""
    return value if math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def lobes_out(row: NDArray[np.float64]) -> dict[Lobe, float] | None:
    """Return what each lobe gives, without those that give nothing; None where not all is known."""
    if not np.isfinite(row).all():
        return None
    return {lobe: ml for lobe, ml in zip(LOBES, row.tolist(), strict=True) if ml}


def _lobes_in(lobe_ml: dict[Lobe, float] | None) -> list[float]:
    return [math.nan if lobe_ml is None else lobe_ml.get(lobe, 0.0) for lobe in LOBES]


class RecoveryPart(Part):
    """How an early loss recovers: two phases."""

    fast_share: float = Field(ge=0, le=1, description="Share that recovers in the fast phase.")
    fast_weeks: float = Field(gt=0, description="Time constant of the fast phase.")
    slow_weeks: float = Field(gt=0, description="Time constant of the slow phase.")


class MeasurePart(Part):
    """FEV1 or DLCO; what is null comes from the evidence."""

    baseline_percent: float = Field(gt=0, description="Before the first operation, percent of predicted.")
    lung_ml: float = Field(gt=0, description="Volume of both lungs.")
    predicted: float | None = Field(
        default=None, gt=0, description="Predicted value: liters for FEV1; null where unknown."
    )
    unrecovered: tuple[float, float] = Field(
        default=(0.0, 0.0),
        description="What earlier operations took and have not given back, fractions of the baseline: the"
        " part that recovers fast, and the part that recovers slowly.",
    )
    confidence: float | None = Field(
        default=None, ge=0.5, lt=1, description="Of the bounds; null for the protocol's."
    )
    early_access: float | None = Field(default=None, description="Fraction lost by opening the chest.")
    early_tissue_factor: float | None = Field(
        default=None, description="Tissue out of work at first, as a multiple of what is removed."
    )
    anatomical_factor: float | None = Field(
        default=None, description="Lost by segments and lobes, as a multiple of their share of the lungs."
    )
    perfusion_permanent: float | None = Field(default=None, description="Fraction lost by a perfusion.")
    bias_percent: float | None = Field(default=None, description="Bias of the prediction, points.")
    sd_percent: float | None = Field(default=None, ge=0, description="SD of the prediction, points.")
    recovery: RecoveryPart | None = None

    @classmethod
    def of(cls, model: FunctionModel) -> Self:
        """Return a model as plain data, its constants spelled out."""
        plain = {name: getattr(model, name) for name in cls.model_fields if name != "recovery"}
        return cls.model_validate(plain | {"recovery": RecoveryPart(**vars(model.recovery))})

    def model(self, measure: Measure, book: EvidenceBook, confidence: float) -> FunctionModel:
        """Return the model; ``confidence`` is the protocol's."""
        default = FunctionModel.from_evidence(
            book,
            measure,
            percent=self.baseline_percent,
            predicted=self.predicted,
            lung_ml=self.lung_ml,
            confidence=confidence,
        )
        given = {f.name: getattr(self, f.name, None) for f in fields(FunctionModel)}
        given["recovery"] = None if self.recovery is None else Recovery(**vars(self.recovery))
        return FunctionModel(
            **{name: getattr(default, name) if value is None else value for name, value in given.items()}
        )


class ExercisePart(Part):
    """Exercise tests; null where not done."""

    vo2_ml_kg_min: float | None = Field(default=None, description="Peak oxygen uptake.")
    vo2_percent: float | None = Field(default=None, description="The same in percent of predicted.")
    stair_climb_m: float | None = Field(default=None, description="Height climbed.")
    shuttle_walk_m: float | None = Field(default=None, description="Distance walked.")


class EarlierPart(Part):
    """What was taken out before the plan: one specimen or operation."""

    side: Side
    technique: EarlierTechnique
    lobe: Lobe | None = Field(default=None, description="The lobe, where one is known.")
    segments: float | None = Field(default=None, ge=0, description="Segments of nineteen that are gone.")
    removed_ml: float | None = Field(default=None, ge=0, description="Tissue taken out.")
    weeks_ago: float | None = Field(
        default=None, ge=0, description="Weeks before the first operation of the plan; null for long ago."
    )
    perfused: bool = False

    @model_validator(mode="after")
    def _possible(self) -> Self:
        self.resection()
        return self

    def resection(self) -> EarlierResection:
        """Return it as lung function takes it."""
        return EarlierResection(**vars(self))


class PatientPart(Part):
    """Lung function beyond FEV1, the lobes, and what was done before: for the plan's summary of function."""

    dlco: MeasurePart
    dlco_known: bool = Field(default=True, description="Whether DLCO was measured.")
    fev1: MeasurePart | None = Field(
        default=None, description="FEV1 of the summary, where it is not the problem's own."
    )
    right_share: float = Field(ge=0, le=1, description="The right lung's share of function.")
    share_method: Literal["ct volume", "published"] = Field(
        default="ct volume", description="Where it comes from."
    )
    lobe_ml: dict[Lobe, float] = Field(description="Volume of each lobe; none for a lobe that is gone.")
    functional_ml: dict[Lobe, float] | None = Field(
        default=None, description="The part of each that breathes, by its density."
    )
    earlier: tuple[EarlierPart, ...] = Field(default=(), description="What was done before.")
    exercise: ExercisePart = ExercisePart()

    @classmethod
    def of(cls, patient: PatientFunction, fev1: FunctionModel) -> Self:
        """Return a patient's function as plain data; ``fev1`` is the problem's own model."""
        lungs, functional = patient.lungs, patient.functional_ml
        return cls(
            dlco=MeasurePart.of(lungs.dlco),
            dlco_known=patient.dlco_known,
            fev1=None if lungs.fev1 == fev1 else MeasurePart.of(lungs.fev1),
            right_share=lungs.right_share,
            share_method=lungs.share_method,
            lobe_ml=cast(dict[Lobe, float], lobes_out(patient.lobe_ml)),
            functional_ml=None if functional is None else lobes_out(functional),
            earlier=tuple(EarlierPart(**vars(one)) for one in patient.earlier),
            exercise=ExercisePart(**vars(patient.exercise)),
        )

    def patient(self, fev1: FunctionModel, book: EvidenceBook, confidence: float) -> PatientFunction:
        """Return the patient's function."""
        return PatientFunction(
            lungs=LungFunction(
                fev1=fev1 if self.fev1 is None else self.fev1.model("fev1", book, confidence),
                dlco=self.dlco.model("dlco", book, confidence),
                right_share=self.right_share,
                share_method=self.share_method,
            ),
            lobe_ml=np.array(_lobes_in(self.lobe_ml)),
            functional_ml=None if self.functional_ml is None else np.array(_lobes_in(self.functional_ml)),
            dlco_known=self.dlco_known,
            earlier=tuple(one.resection() for one in self.earlier),
            exercise=Exercise(**vars(self.exercise)),
        )
