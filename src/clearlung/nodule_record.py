"""``nodules.json``: every nodule with all that is known of it, as plain data with a published schema."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy_folder import ConditionFound
from clearlung.evidence import Evidence, load_evidence
from clearlung.manifest import published_schema
from clearlung.nodule_found import Found
from clearlung.nodules import COLUMNS, NoduleTable
from clearlung.nodules.review import Detected, Review

# What every nodule's measures rest on, beside what its anatomy rests on.
EVIDENCE = (
    "measurement.repeat.volume",
    "measurement.repeat.volume_small",
    "nodule.calcified_hu",
    "nodule.cavity_hu",
    "nodule.solid_hu",
    "nodule.solid_share",
    "nodule.ground_glass_share",
    "protocol.nodules.false_per_scan",
    "anatomy.lobe_sure",
)
# What the chance of being a metastasis rests on, where it is stated.
MALIGNANT_EVIDENCE = "nodule.malignant.osteosarcoma"
_DIGITS = 3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class NoduleFound(_Part):
    """One nodule; null where something is not known."""

    id: int = Field(ge=1, description="Its number, for life; also its label in the label map.")
    x_mm: float = Field(description="Center, LPS.")
    y_mm: float
    z_mm: float
    side: str
    lobe: str
    lobe_confidence: float = Field(ge=0, le=1)
    diameter_mm: float = Field(description="Of the sphere of equal volume.")
    volume_mm3: float
    depth_mm: float = Field(description="Of the center, below the pleural surface.")
    probability: float = Field(ge=0, le=1, description="How likely it is a nodule, before anybody looked.")
    mean_hu: float | None
    max_hu: float | None
    calcified: bool
    vdt_days: float | None
    volume_low_mm3: float | None = Field(
        description="The volume of a repeated scan would lie from here (95 %)."
    )
    volume_high_mm3: float | None = Field(description="To here.")
    longest_axial_mm: float | None = Field(description="RECIST 1.1.")
    short_axial_mm: float | None = Field(description="The longest one perpendicular to it in its slice.")
    longest_mm: float | None
    perpendicular_mm: float | None
    mass_mg: float | None
    calcified_share: float | None
    cavity_share: float | None
    sphericity: float | None
    pleura_contact: float | None
    vessel_contact: float | None
    second_lobe: str = Field(description="Across the nearest fissure, or empty.")
    hilum_mm: float | None
    vessel_mm: float | None
    bronchus_mm: float | None
    texture: str = Field(description="solid, part-solid, ground-glass, or empty where unknown.")
    malignant_chance: float | None = Field(description="Null where no published evidence allows one.")
    review: str = Field(description="accepted, added, edited, or empty where nobody has looked.")


class ReviewFound(_Part):
    """How far the review is."""

    entries: int = Field(description="Lines in review.jsonl.")
    last_hash: str = Field(description="SHA-256 of its last line; zeros where there is none.")
    reviewed: int
    unreviewed: int
    rejected: int
    detections: int = Field(description="How often detection ran.")
    conflicts: tuple[str, ...] = Field(description="What the last detection left for the reader to settle.")


class NodulesRecord(_Part):
    """``nodules.json``."""

    format: str = "clearlung-nodules/1"
    notice: str = RESEARCH_NOTICE
    series: str
    detector: str
    options: dict[str, Any] = Field(description="How nodules were looked for: the operating point.")
    anatomy_source: str
    review: ReviewFound
    nodules: tuple[NoduleFound, ...]
    rejected: tuple[NoduleFound, ...] = Field(description="What a reader took for something else.")
    conditions: tuple[ConditionFound, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def describe_nodules(found: Found, review: Review) -> NodulesRecord:
    """Put everything that is known of the nodules into plain data.

    Parameters
    ----------
    found
        What was found.
    review
        What a reader did to it.

    Returns
    -------
    NodulesRecord
        The content of ``nodules.json``.
    """
    book = load_evidence()
    nodules, rejected = review.state.nodules, review.state.rejected
    detections = [e.action for e in review.record.entries if isinstance(e.action, Detected)]
    seen = int((nodules.review != "").sum())
    stated = np.isfinite(np.append(nodules.malignant_chance, rejected.malignant_chance)).any()
    malignant = (MALIGNANT_EVIDENCE,) if stated else ()
    return NodulesRecord(
        series=found.series,
        detector=str(found.options["detector"]),
        options=found.options,
        anatomy_source=found.anatomy_source,
        review=ReviewFound(
            entries=len(review.record),
            last_hash=review.record.last_hash,
            reviewed=seen,
            unreviewed=len(nodules) - seen,
            rejected=len(rejected),
            detections=1 + len(detections),
            conflicts=detections[-1].conflicts if detections else (),
        ),
        nodules=_rows(nodules),
        rejected=_rows(rejected),
        conditions=found.conditions,
        warnings=found.warnings,
        evidence=tuple(book[id] for id in dict.fromkeys((*EVIDENCE, *malignant, *found.evidence))),
    )


def nodules_json(record: NodulesRecord) -> str:
    """Return a record as the text of ``nodules.json``."""
    return record.model_dump_json(indent=1) + "\n"


def nodules_schema() -> str:
    """Return the JSON schema of ``nodules.json``, as published in ``docs/nodules.schema.json``."""
    return published_schema(NodulesRecord, "Clearlung nodules")


def _rows(table: NoduleTable) -> tuple[NoduleFound, ...]:
    return tuple(
        NoduleFound.model_validate({name: _plain(row[name]) for name in COLUMNS}) for row in table.rows()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    return value
