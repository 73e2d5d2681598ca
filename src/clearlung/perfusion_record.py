"""``perfusion.json``: one perfusion with its dose, course, effect and harm, as plain data."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import SIDES, Lobe, Side
from clearlung.evidence import Evidence
from clearlung.manifest import published_schema
from clearlung.perfusion import (
    DOSE_MODES,
    TARGETS,
    FunctionCourse,
    Interval,
    LobeVolumes,
    Regimen,
    dose_per_liter,
    effect_words,
    tissue_ml,
    volume_ml,
)
from clearlung.perfusion_curves import CurvesFound
from clearlung.perfusion_jobs import Perfusion
from clearlung.perfusion_sensitivity import SensitivityFound
from clearlung.staging import UnseenPerfused

TUMOR_WORDS = (
    "In people the dose told nothing about the level in the tumor: the interval spans a prior of nearly two"
    " decades, and is no prediction for one patient."
)
"""What is said wherever the exposure of tumor is shown."""

EFFECT_WORDS = (
    "Over a prior of two decades of sensitivity the chance of one patient is mostly near 0 or near 1; the"
    " expected share is over imagined patients."
)
"""What is said wherever the effect on metastases is shown."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TargetFound(_Part):
    """What is perfused."""

    name: str
    side: Side
    lobes: tuple[Lobe, ...] = Field(description="Those that are there.")
    title: str
    source: str = Field(description="Where perfusing these lobes alone was published; empty for a lung.")
    nodules: int | None = Field(description="Known to lie in it; null where nobody looked.")


class PerLiter(_Part):
    """What this dose is per liter of a target."""

    target: str
    mg_per_lung_l: float = Field(description="With its air.")
    mg_per_tissue_l: float = Field(description="Of tissue and blood: if all of it went in.")


class DoseFound(_Part):
    """How the dose came about."""

    mode: str
    title: str
    hypothesis: bool = Field(description="Whether the dose goes by a rule that nobody has published.")
    derivation: str
    mg_max: float | None = Field(description="The most that this regimen's protocol gives.")
    per_liter: PerLiter
    lungs: tuple[PerLiter, ...] = Field(description="The same dose to each whole lung.")
    left_over_right: float | None = Field(
        description="Milligrams per liter of tissue, the left lung over the right; null without one of them."
    )


class LobeFound(_Part):
    """How much a lobe holds."""

    lobe: Lobe
    perfused: bool
    volume_ml: float = Field(description="Air, tissue and blood.")
    tissue_ml: float = Field(description="Tissue with its blood.")


class VolumesFound(_Part):
    """The lungs."""

    source: str = Field(description="scan, or reference for published lungs.")
    lobes: tuple[LobeFound, ...]
    perfused_ml: float
    perfused_tissue_ml: float


class LevelsFound(_Part):
    """One number for each place that has one."""

    perfusate: float
    lung: float
    systemic: float


class ExposureFound(LevelsFound):
    """Areas under the curves to the end of the last phase, mg min/l; of the tumor an interval."""

    tumor: Interval = Field(description=TUMOR_WORDS)


class LeakFound(_Part):
    """What reaches the body."""

    fraction: float = Field(description="Of the dose, before reconnection, 0 to 1.")
    alarm_percent: float = Field(description="Of the dose; whoever perfuses stops here.")
    alarm_minute: float | None = Field(description="When the usual leak reaches it; null if it does not.")
    systemic_over_perfusate: float = Field(
        description="Peak in the body at any time, over the perfusate's level at the end."
    )
    systemic_peak_minute: float


class PhasesFound(_Part):
    """Minutes from the start at which each phase ends."""

    perfusion: float
    washout: float = Field(description="Then the lung is reconnected.")
    end: float


class EffectFound(_Part):
    """What metastases of one size are exposed to, and what that does."""

    diameter_mm: float
    exposure_mg_min_per_l: Interval
    sterilized: Interval = Field(description="Chance that no cell is left that can regrow it, 0 to 1.")
    sterilized_expected: float = Field(ge=0, le=1, description="Its mean over imagined patients.")


class FunctionFound(_Part):
    """What is lost over the weeks after an operation with this perfusion, percent of the value before."""

    measure: str
    weeks: tuple[float, ...]
    lost_percent: tuple[Interval, ...] = Field(description="By access and perfusion, without the resection.")
    perfusion_percent: Interval = Field(description="The perfusion's part, for good.")


class PerfusionRecord(_Part):
    """``perfusion.json``."""

    format: str = "clearlung-perfusion/1"
    notice: str = RESEARCH_NOTICE
    source: str = Field(description="What lungs it was worked out for, in words.")
    protocol: str | None = Field(
        description="Whose limits it keeps to; null: those of the center whose regimen it is."
    )
    seed: int
    draws: int = Field(description="Imagined patients behind every interval: 5th, 50th, 95th percentile.")
    regimen: str
    drug: str
    dose_mg: float
    settings: Regimen = Field(description="The regimen in full.")
    target: TargetFound
    dose: DoseFound
    volumes: VolumesFound
    phases: PhasesFound
    auc_mg_min_per_l: ExposureFound
    peak_mg_per_l: LevelsFound
    amounts_mg: dict[str, float] = Field(description="Where the dose is at the end.")
    leak: LeakFound
    leak_fraction: float = Field(description="As in leak.")
    hydrolyzed_fraction: float = Field(description="Of the dose, outside the body, 0 to 1.")
    mass_balance_error: float = Field(description="Of the dose, largest at any time.")
    curves: CurvesFound
    effect: tuple[EffectFound, ...]
    sensitivity: SensitivityFound
    unseen: UnseenPerfused | None = Field(
        default=None,
        description="Metastases that the CT does not show in what is perfused, and how many are left after"
        " an operation with and without this perfusion; null where no nodule is known.",
    )
    edema_risk: Interval = Field(description="Chance of edema after this perfusion, 0 to 1.")
    death_risk: Interval = Field(description="Chance of death, 0 to 1.")
    respiratory_percent: dict[str, float] = Field(
        description="Respiratory toxicity by grade, as published of melphalan 45 mg at 37 °C with resection."
    )
    function: tuple[FunctionFound, ...]
    rests_on: tuple[str, ...] = Field(description="How little the risks rest on, in words.")
    warnings: tuple[str, ...]
    assumed: tuple[str, ...] = Field(description="Ids of the entries that are assumed.")
    evidence: tuple[Evidence, ...]


def describe_perfusion(made: Perfusion) -> PerfusionRecord:
    """Put everything that is known of a perfusion into plain data.

    Parameters
    ----------
    made
        What :func:`clearlung.perfusion_jobs.make_perfusion` returned.

    Returns
    -------
    PerfusionRecord
        The content of ``perfusion.json``.
    """
    regimen, course, harm = made.regimen, made.course, made.harm
    entries = tuple(made.book[key] for key in made.evidence)
    return PerfusionRecord(
        source=made.patient.source,
        protocol=made.protocol,
        seed=made.seed,
        draws=made.draws,
        regimen=regimen.name,
        drug=regimen.drug,
        dose_mg=round(regimen.dose_mg, 3),
        settings=regimen,
        target=_target(made),
        dose=_dose(made),
        volumes=_volumes(made),
        phases=PhasesFound(**vars(course.phases)),
        auc_mg_min_per_l=ExposureFound(
            **vars(course.auc_mg_min_per_l), tumor=_rounded(course.tumor_auc_mg_min_per_l)
        ),
        peak_mg_per_l=LevelsFound(**vars(course.peak_mg_per_l)),
        amounts_mg=dict(course.amounts_mg),
        leak=LeakFound(
            fraction=course.leak_fraction,
            alarm_percent=made.book.value("circuit.leak.alarm", unit="%"),
            alarm_minute=course.leak_alarm_minute,
            systemic_over_perfusate=course.systemic_over_perfusate,
            systemic_peak_minute=course.systemic_peak_minute,
        ),
        leak_fraction=course.leak_fraction,
        hydrolyzed_fraction=course.hydrolyzed_fraction,
        mass_balance_error=course.mass_balance_error,
        curves=CurvesFound.of(course),
        effect=_effect(made),
        sensitivity=SensitivityFound.of(made.matters),
        unseen=made.unseen,
        edema_risk=_rounded(harm.edema.interval),
        death_risk=_rounded(harm.death.interval),
        respiratory_percent={
            "grade 3": harm.respiratory_grade3_percent,
            "grade 4": harm.respiratory_grade4_percent,
        },
        function=tuple(_function(one) for one in (harm.fev1, harm.dlco)),
        rests_on=tuple(
            dict.fromkeys(
                (
                    *(harm.edema.words[0], harm.death.words[0], *harm.fev1.words),
                    *(EFFECT_WORDS, *effect_words(regimen.drug)),
                )
            )
        ),
        warnings=made.warnings,
        assumed=tuple(entry.id for entry in entries if entry.tag == "assumed"),
        evidence=entries,
    )


def perfusion_json(record: PerfusionRecord) -> str:
    """Return a record as the text of ``perfusion.json``."""
    return record.model_dump_json(indent=1) + "\n"


def perfusion_schema() -> str:
    """Return the JSON schema of ``perfusion.json``, as published in ``docs/perfusion.schema.json``."""
    return published_schema(PerfusionRecord, "Clearlung perfusion")


def _target(made: Perfusion) -> TargetFound:
    target, seen = made.target, made.patient.seen
    return TargetFound(
        name=target.name,
        side=target.side,
        lobes=tuple(one.lobe for one in made.patient.lungs.of(target)),
        title=target.title,
        source=target.source,
        nodules=None if seen is None else sum(seen[lobe] for lobe in target.lobes),
    )


def _dose(made: Perfusion) -> DoseFound:
    regimen, lungs = made.regimen, made.patient.lungs
    there = [side for side in SIDES if any(one.lobe in TARGETS[side].lobes for one in lungs.lobes)]
    whole = {side: _per_liter(made, side) for side in there}
    ratio = None
    if len(whole) == len(SIDES):
        ratio = whole["left"].mg_per_tissue_l / whole["right"].mg_per_tissue_l
    return DoseFound(
        mode=regimen.dose_mode,
        title=DOSE_MODES[regimen.dose_mode].title,
        hypothesis=regimen.hypothesis,
        derivation=regimen.dose_derivation,
        mg_max=regimen.dose_mg_max,
        per_liter=_per_liter(made, made.target.name),
        lungs=tuple(whole.values()),
        left_over_right=ratio,
    )


def _per_liter(made: Perfusion, target: str) -> PerLiter:
    per_liter = dose_per_liter(made.regimen.dose_mg, made.patient.lungs, TARGETS[target])
    return PerLiter(target=target, **vars(per_liter))


def _volumes(made: Perfusion) -> VolumesFound:
    perfused = made.patient.lungs.of(made.target)
    return VolumesFound(
        source=made.patient.lungs.source,
        lobes=tuple(_lobe(one, perfused=one in perfused) for one in made.patient.lungs.lobes),
        perfused_ml=round(volume_ml(perfused), 1),
        perfused_tissue_ml=round(tissue_ml(perfused), 1),
    )


def _lobe(one: LobeVolumes, *, perfused: bool) -> LobeFound:
    return LobeFound(
        lobe=one.lobe,
        perfused=perfused,
        volume_ml=round(one.volume_ml, 1),
        tissue_ml=round(one.tissue_ml, 1),
    )


def _effect(made: Perfusion) -> tuple[EffectFound, ...]:
    effect = made.effect
    return tuple(
        EffectFound(
            diameter_mm=size,
            exposure_mg_min_per_l=_rounded(Interval.of(effect.exposure_mg_min_per_l[:, k])),
            sterilized=_rounded(Interval.of(effect.sterilized[:, k])),
            sterilized_expected=round(float(effect.sterilized[:, k].mean()), 5),
        )
        for k, size in enumerate(effect.diameters_mm.tolist())
    )


def _function(course: FunctionCourse) -> FunctionFound:
    part = course.perfusion_percent[0].tolist()
    return FunctionFound(
        measure=course.measure,
        weeks=tuple(course.weeks.tolist()),
        lost_percent=tuple(_interval(row) for row in course.lost_percent.tolist()),
        perfusion_percent=_interval(part),
    )


def _interval(values: list[float]) -> Interval:
    low, median, high = (round(value, 3) for value in values)
    return Interval(low=low, median=median, high=high)


def _rounded(interval: Interval) -> Interval:
    """Return an interval with the digits that it is worth."""
    low, median, high = (float(f"{v:.4g}") for v in (interval.low, interval.median, interval.high))
    return Interval(low=low, median=median, high=high)
