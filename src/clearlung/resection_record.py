"""``specimens.json``: every specimen that could be cut, and what the chosen ones leave, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES
from clearlung.evidence import Evidence
from clearlung.manifest import published_schema
from clearlung.nodules import NoduleTable
from clearlung.resection import MEASURES, LesionMargin
from clearlung.resection_jobs import FunctionAfter, Resection, loss_alone
from clearlung.staging import MeasuredFunction, PredictedFunction, RiskVerdict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MarginFound(_Part):
    """The margin that one lesion gets; null where it is not known, as for a lobe without a scan."""

    lesion: int = Field(ge=1)
    planned_mm: float = Field(description="Rim that the technique asks for at the lesion's size.")
    margin_mm: float | None = Field(description="Least distance from the lesion's outline to the cut.")
    low_mm: float | None = Field(
        description="It lies from here (95 %), the outline's error being what it is."
    )
    high_mm: float | None = Field(description="To here.")
    clear_chance: float | None = Field(description="That the cut misses the tumor, 0 to 1.")
    satellites_share: float | None = Field(
        description="Share of satellite cells that is expected within the margin."
    )

    @classmethod
    def of(cls, margin: LesionMargin) -> Self:
        """Return a margin as plain data, rounded to what it is worth."""
        return cls(
            lesion=margin.lesion,
            planned_mm=round(margin.planned_mm, 2),
            margin_mm=_known(margin.margin_mm, 3),
            low_mm=_known(margin.low_mm, 3),
            high_mm=_known(margin.high_mm, 3),
            clear_chance=_known(margin.clear, 4),
            satellites_share=_known(margin.satellites, 3),
        )


class CutFound(_Part):
    """A vessel or bronchus that is cut."""

    kind: str = Field(description="vessel or bronchus.")
    diameter_mm: float


class CandidateFound(_Part):
    """One specimen that could be cut; null where something is not known."""

    id: int = Field(ge=1)
    specimen: int | None = Field(description="Its number among the chosen ones; null where it is not chosen.")
    lesions: tuple[int, ...] = Field(min_length=1)
    technique: str = Field(description="Name of a registered technique.")
    side: str
    lobe: str = Field(description="The one that gives most of it.")
    volume_ml: float = Field(ge=0, description="Lung and tumor, cut alone.")
    lobe_ml: dict[str, float] = Field(description="What each lobe gives of it, where it gives any.")
    functional_ml: float | None = Field(description="The part that breathes, by its density.")
    margin_mm: float = Field(ge=0, description="Planned rim, the widest of its lesions'.")
    reach_mm: float | None = Field(description="Its deepest point below the pleura.")
    closure: str = Field(description="airtight, suture, untested, staples or stump.")
    minutes: float = Field(ge=0, description="In theatre, without access.")
    margins: tuple[MarginFound, ...]
    cuts: tuple[CutFound, ...] = Field(description="What it cuts, widest first.")
    fev1_loss_points: float = Field(
        description="What it takes for good if it is the only one, in points of percent predicted."
    )
    dlco_loss_points: float


class LobeLeft(_Part):
    """What becomes of a lobe; null where it was not measured."""

    lesions: int
    unresectable: int = Field(description="How many of them nothing fits.")
    specimens: int = Field(description="Chosen ones that take most of their tissue here.")
    volume_ml: float | None
    removed_ml: float
    remains_ml: float | None
    remains_share: float | None = Field(description="0 to 1.")


class NotResectable(_Part):
    """A lesion that nothing fits."""

    lesion: int = Field(ge=1)
    side: str
    lobe: str
    diameter_mm: float
    depth_mm: float
    reason: str


class FunctionFound(_Part):
    """Lung function before, and after full recovery from all chosen specimens."""

    fev1_percent: float = Field(description="Before, percent of predicted.")
    dlco_percent: float = Field(description="Before, percent of predicted.")
    assumed: tuple[MeasuredFunction, ...] = Field(description="What is assumed and not measured.")
    predicted: tuple[PredictedFunction, ...]
    not_available: tuple[str, ...] = Field(description="Methods that need what is missing, and why.")
    rule_set: str = Field(description="The one that the protocol works by.")
    verdicts: tuple[RiskVerdict, ...] = Field(description="What each set of rules says.")


class ChoiceFound(_Part):
    """What was chosen, and what the solver proves of it."""

    status: str = Field(description="optimal or feasible.")
    gap: float = Field(ge=0)
    specimens: int
    lesions: int = Field(description="Removed by them.")
    removed_ml: float = Field(description="By all of them, each voxel once.")
    minutes: float = Field(description="Of all of them, without access.")


class SpecimensRecord(_Part):
    """``specimens.json``."""

    format: str = "clearlung-specimens/1"
    notice: str = RESEARCH_NOTICE
    source: str = Field(description="What it was made from, in words.")
    protocol: str
    techniques: tuple[str, ...]
    choice: ChoiceFound
    lobes: dict[str, LobeLeft]
    lungs: dict[str, LobeLeft]
    function: FunctionFound
    unresectable: tuple[NotResectable, ...]
    candidates: tuple[CandidateFound, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def describe_resection(resection: Resection) -> SpecimensRecord:
    """Put everything that is known of the specimens into plain data.

    Parameters
    ----------
    resection
        What :func:`clearlung.resection_jobs.make_resection` returned.

    Returns
    -------
    SpecimensRecord
        The content of ``specimens.json``.
    """
    specimens, book = resection.specimens, resection.protocol.book()
    lobes = _lobes(resection)
    return SpecimensRecord(
        source=resection.source,
        protocol=resection.protocol.name,
        techniques=resection.protocol.resection.techniques,
        choice=ChoiceFound(
            status="optimal" if resection.excision.choice.proven else "feasible",
            gap=resection.excision.choice.gap,
            specimens=len(specimens),
            lesions=int(specimens.counts.sum()),
            removed_ml=round(float(specimens.volume_ml.sum()), 3),
            minutes=round(float(specimens.minutes.sum()), 1),
        ),
        lobes=lobes,
        lungs={
            str(side): _sum([lobes[lobe] for lobe in LOBES if LOBE_SIDES[lobe] == side]) for side in SIDES
        },
        function=_function(resection.function, resection.protocol.function.rule_set),
        unresectable=_unresectable(specimens.unresectable, resection.nodules),
        candidates=_candidates(resection),
        warnings=resection.warnings,
        evidence=tuple(book[key] for key in resection.evidence),
    )


def specimens_json(record: SpecimensRecord) -> str:
    """Return a record as the text of ``specimens.json``."""
    return record.model_dump_json(indent=1) + "\n"


def specimens_schema() -> str:
    """Return the JSON schema of ``specimens.json``, as published in ``docs/specimens.schema.json``."""
    return published_schema(SpecimensRecord, "Clearlung specimens")


def _candidates(resection: Resection) -> tuple[CandidateFound, ...]:
    """Return every candidate, the chosen ones with their number."""
    candidates, specimens = resection.excision.candidates, resection.specimens
    number_of = dict(zip(specimens.candidate.tolist(), specimens.id.tolist(), strict=True))
    lungs = resection.function.patient.lungs
    alone = {
        measure: [
            loss_alone(lungs.model(measure), ml, anatomical=anatomical)
            for ml, anatomical in zip(
                candidates.volume_ml.tolist(), candidates.anatomical.tolist(), strict=True
            )
        ]
        for measure in MEASURES
    }
    return tuple(
        CandidateFound(
            id=int(candidates.id[row]),
            specimen=number_of.get(int(candidates.id[row])),
            lesions=candidates.lesions[row],
            technique=str(candidates.technique[row]),
            side=str(candidates.side[row]),
            lobe=str(candidates.lobe[row]),
            volume_ml=round(float(candidates.volume_ml[row]), 3),
            lobe_ml={
                lobe: round(ml, 3)
                for lobe, ml in zip(LOBES, candidates.lobe_ml[row].tolist(), strict=True)
                if ml > 0
            },
            functional_ml=_known(candidates.functional_ml[row], 3),
            margin_mm=round(float(candidates.margin_mm[row]), 2),
            reach_mm=_known(candidates.reach_mm[row], 1),
            closure=str(candidates.closure[row]),
            minutes=round(float(candidates.minutes[row]), 1),
            margins=tuple(MarginFound.of(margin) for margin in candidates.margins[row]),
            cuts=tuple(
                CutFound(kind=cut.kind, diameter_mm=round(cut.diameter_mm, 2)) for cut in candidates.cuts[row]
            ),
            fev1_loss_points=round(alone["fev1"][row], 3),
            dlco_loss_points=round(alone["dlco"][row], 3),
        )
        for row in range(len(candidates))
    )


def _lobes(resection: Resection) -> dict[str, LobeLeft]:
    """Return what becomes of each lobe when the chosen specimens are out."""
    specimens, nodules, anatomy = resection.specimens, resection.nodules, resection.anatomy
    stuck = np.isin(nodules.id, list(specimens.unresectable))
    removed = specimens.lobe_ml.sum(axis=0)
    return {
        str(lobe): _left(
            int((nodules.lobe == lobe).sum()),
            int((stuck & (nodules.lobe == lobe)).sum()),
            int((specimens.lobe == lobe).sum()),
            math.nan if anatomy is None else anatomy.lobe_ml(lobe),
            float(removed[column]),
        )
        for column, lobe in enumerate(LOBES)
    }


def _sum(lobes: Sequence[LobeLeft]) -> LobeLeft:
    """Return what becomes of several lobes together."""
    return _left(
        sum(lobe.lesions for lobe in lobes),
        sum(lobe.unresectable for lobe in lobes),
        sum(lobe.specimens for lobe in lobes),
        sum(math.nan if lobe.volume_ml is None else lobe.volume_ml for lobe in lobes),
        sum(lobe.removed_ml for lobe in lobes),
    )


def _function(function: FunctionAfter, rule_set: str) -> FunctionFound:
    lungs = function.patient.lungs
    return FunctionFound(
        fev1_percent=round(lungs.fev1.baseline_percent, 2),
        dlco_percent=round(lungs.dlco.baseline_percent, 2),
        assumed=function.assumed,
        predicted=tuple(PredictedFunction(**vars(predicted)) for predicted in function.predicted),
        not_available=function.not_available,
        rule_set=rule_set,
        verdicts=tuple(RiskVerdict.of(verdict) for verdict in function.verdicts),
    )


def _unresectable(reasons: dict[int, str], nodules: NoduleTable) -> tuple[NotResectable, ...]:
    """Return the lesions that nothing fits, by number."""
    row_of = {number: row for row, number in enumerate(nodules.id.tolist())}
    return tuple(
        NotResectable(
            lesion=lesion,
            side=str(nodules.side[row_of[lesion]]),
            lobe=str(nodules.lobe[row_of[lesion]]),
            diameter_mm=round(float(nodules.diameter_mm[row_of[lesion]]), 2),
            depth_mm=round(float(nodules.depth_mm[row_of[lesion]]), 1),
            reason=reasons[lesion],
        )
        for lesion in sorted(reasons)
    )


def _left(lesions: int, unresectable: int, specimens: int, volume_ml: float, removed_ml: float) -> LobeLeft:
    remains_ml = volume_ml - removed_ml
    return LobeLeft(
        lesions=lesions,
        unresectable=unresectable,
        specimens=specimens,
        volume_ml=_known(volume_ml, 1),
        removed_ml=round(removed_ml, 1),
        remains_ml=_known(remains_ml, 1),
        remains_share=_known(remains_ml / volume_ml if volume_ml > 0 else math.nan, 4),
    )


def _known(value: float, digits: int) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None
