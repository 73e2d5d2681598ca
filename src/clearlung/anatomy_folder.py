"""What ``clearlung anatomy`` leaves on disk: label maps, measures, trees, a picture, a manifest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import (
    LOBE_LABELS,
    LOBE_SIDES,
    LUNG_LABELS,
    PLEURAL_LABELS,
    SIDES,
    Anatomy,
    BranchTree,
    Condition,
    LobeMeasures,
    Places,
    add_measures,
    find_places,
    measure_lobes,
)
from clearlung.ct import Scan, Volume, write_volume
from clearlung.evidence import Evidence, load_evidence
from clearlung.manifest import inputs_of, published_schema, write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.progress import Stopwatch
from clearlung.report import anatomy_png

ANATOMY_PHASES = ("scan", "anatomy", "files", "picture")
"""The phases of reading a scan, finding its anatomy and writing it, in order."""

EMPHYSEMA_EVIDENCE = "anatomy.emphysema_below"
SURE_EVIDENCE = "anatomy.lobe_sure"

Point = tuple[float, float, float]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LungPart(_Part):
    """What a lung or a lobe holds."""

    volume_ml: float = Field(description="Air and tissue.")
    mean_hu: float | None = Field(description="Mean attenuation; null if there is none of it.")
    air_ml: float
    tissue_ml: float = Field(description="Counted as water.")
    emphysema_share: float | None = Field(
        description=f"Share of the volume below the cut-off of evidence {EMPHYSEMA_EVIDENCE}, 0 to 1."
    )
    uncertain_share: float | None = Field(
        description=f"Share of its voxels whose lobe is less sure than evidence {SURE_EVIDENCE}."
    )

    @classmethod
    def of(cls, measures: LobeMeasures, uncertain_share: float) -> Self:
        """Return measures as plain data, rounded to what they are worth."""
        return cls(
            volume_ml=round(measures.volume_ml, 1),
            mean_hu=_known(measures.mean_hu, 1),
            air_ml=round(measures.air_ml, 1),
            tissue_ml=round(measures.tissue_ml, 1),
            emphysema_share=_known(measures.emphysema_share, 4),
            uncertain_share=_known(uncertain_share, 4),
        )


class FissureFound(_Part):
    """How a fissure was found."""

    name: str
    lobes: tuple[str, ...]
    seen_share: float = Field(description="Share of its surface seen on the images; the rest is bridged.")


class Branch(_Part):
    """One branch of the airways or vessels, from one parting to the next."""

    parent: int | None = Field(description="Index in the list; null for a root.")
    generation: int = Field(description="0 for a root, one more at each parting.")
    lobe: str
    name: str
    diameter_mm: float
    length_mm: float
    start_mm: Point = Field(description="LPS.")
    end_mm: Point = Field(description="LPS.")


class ConditionFound(_Part):
    """What is unusual, and what cannot be computed because of it."""

    code: str
    text: str
    sentence: str = Field(description="The text, and what is not known because of it.")
    side: str | None
    lobes: tuple[str, ...]
    value: float | None
    unit: str
    missing: str

    @classmethod
    def of(cls, condition: Condition) -> Self:
        """Return a condition as plain data, its value rounded to what it is worth."""
        return cls(
            code=condition.code,
            text=condition.text,
            sentence=condition.sentence,
            side=condition.side,
            lobes=condition.lobes,
            value=None if condition.value is None else _known(condition.value, 3),
            unit=condition.unit,
            missing=condition.missing,
        )


class PointFound(_Part):
    """Where a point lies that was asked for; null where a distance does not apply."""

    point_mm: Point
    where: str = Field(description="The lobe; or that it is uncertain, with both names.")
    side: str
    lobe: str
    second_lobe: str
    confidence: float | None
    depth_mm: float | None = Field(description="Below the pleural surface of the lung.")
    depth_by_part_mm: dict[str, float | None]
    hilum_mm: float | None
    vessel_mm: float | None
    vessel_diameter_mm: float | None
    bronchus_mm: float | None
    bronchus_diameter_mm: float | None
    bronchus: str


class AnatomyRecord(_Part):
    """``anatomy.json``."""

    format: str = "clearlung-anatomy/1"
    notice: str = RESEARCH_NOTICE
    series: str
    source: str = Field(description="Which source of anatomy it is from.")
    lobe_method: str
    labels: dict[str, dict[str, int]] = Field(description="What the numbers in each label map mean.")
    lungs: dict[str, LungPart]
    lobes: dict[str, LungPart]
    fissures: tuple[FissureFound, ...]
    hila_mm: dict[str, Point]
    airways: tuple[Branch, ...]
    vessels: tuple[Branch, ...]
    conditions: tuple[ConditionFound, ...]
    points: tuple[PointFound, ...]
    warnings: tuple[str, ...]
    evidence: tuple[Evidence, ...]


def describe_anatomy(anatomy: Anatomy, scan: Scan, points_mm: Sequence[Point] = ()) -> AnatomyRecord:
    """Put everything that an anatomy says into plain data.

    Parameters
    ----------
    anatomy
        What was segmented on the scan.
    scan
        The scan.
    points_mm
        LPS points whose place is asked for.

    Returns
    -------
    AnatomyRecord
        The content of ``anatomy.json``.
    """
    book = load_evidence()
    measures = measure_lobes(anatomy, scan.volume)
    unsure = _uncertain_counts(anatomy)
    lobes = {lobe: LungPart.of(part, _share(unsure, [LOBE_LABELS[lobe]])) for lobe, part in measures.items()}
    lungs = {}
    for side in SIDES:
        own = [lobe for lobe in LOBE_LABELS if LOBE_SIDES[lobe] == side]
        whole = add_measures([measures[lobe] for lobe in own])
        lungs[str(side)] = LungPart.of(whole, _share(unsure, [LOBE_LABELS[lobe] for lobe in own]))
    ids = dict.fromkeys((*anatomy.evidence, EMPHYSEMA_EVIDENCE, SURE_EVIDENCE))
    return AnatomyRecord(
        series=scan.series,
        source=anatomy.source,
        lobe_method=anatomy.lobe_method,
        labels={
            "lungs": {str(k): v for k, v in LUNG_LABELS.items()},
            "lobes": {str(k): v for k, v in LOBE_LABELS.items()},
            "pleura": {str(k): v for k, v in PLEURAL_LABELS.items()},
        },
        lungs=lungs,
        lobes={str(lobe): part for lobe, part in lobes.items()},
        fissures=tuple(
            FissureFound(name=f.name, lobes=f.lobes, seen_share=round(f.seen_share, 3))
            for f in anatomy.fissures
        ),
        hila_mm={str(side): _point(hilum) for side, hilum in anatomy.hila_mm.items()},
        airways=_branches(anatomy.airway_tree),
        vessels=_branches(anatomy.vessel_tree),
        conditions=tuple(ConditionFound.of(condition) for condition in anatomy.conditions),
        points=_points(find_places(anatomy, points_mm)) if points_mm else (),
        warnings=scan.warnings,
        evidence=tuple(book[id] for id in ids),
    )


def write_anatomy(
    anatomy: Anatomy,
    scan: Scan,
    folder: Path,
    *,
    options: dict[str, Any],
    anatomy_file: Path | None = None,
    points_mm: Sequence[Point] = (),
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> AnatomyRecord:
    """Write an anatomy into a folder, all or nothing.

    Parameters
    ----------
    anatomy, scan
        What was segmented, and on what.
    folder
        Becomes the result: ``lungs.nii.gz``, ``lobes.nii.gz``, ``lobe_confidence.nii.gz``,
        ``airways.nii.gz``, ``vessels.nii.gz`` and ``pleura.nii.gz`` on the scan's own grid;
        ``anatomy.json``, ``anatomy.png``, ``manifest.json``. What the anatomy does not have is not written.
    options, anatomy_file
        For the manifest: how it was made, and the file or folder that parts of it came from.
    points_mm
        LPS points whose place is asked for.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phases.

    Returns
    -------
    AnatomyRecord
        The content of ``anatomy.json``.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("files"):
            record = describe_anatomy(anatomy, scan, points_mm)
            (work / "anatomy.json").write_text(anatomy_json(record), encoding="utf-8")
            for name, part in _label_maps(anatomy).items():
                _write_on_scan(part, anatomy, scan, work / f"{name}.nii.gz")
        with watch.phase("picture"):
            (work / "anatomy.png").write_bytes(anatomy_png(anatomy, scan))
        write_manifest(
            work,
            command="anatomy",
            created=created.isoformat(),
            options=options,
            inputs=inputs_of(scan.source, scan.input_sha256, anatomy_file),
            seed=0,
            times=watch.times,
        )
    return record


def anatomy_json(record: AnatomyRecord) -> str:
    """Return a record as the text of ``anatomy.json``."""
    return record.model_dump_json(indent=1) + "\n"


def anatomy_schema() -> str:
    """Return the JSON schema of ``anatomy.json``, as published in ``docs/anatomy.schema.json``."""
    return published_schema(AnatomyRecord, "Clearlung anatomy")


def _label_maps(anatomy: Anatomy) -> dict[str, Volume]:
    parts = {
        "lungs": anatomy.lungs,
        "lobes": anatomy.lobes,
        "lobe_confidence": anatomy.lobe_confidence,
        "airways": anatomy.airways,
        "vessels": anatomy.vessels,
        "pleura": anatomy.pleura,
    }
    return {name: part for name, part in parts.items() if part is not None}


def _write_on_scan(part: Volume, anatomy: Anatomy, scan: Scan, path: Path) -> None:
    """Write a part of the scan's box on the scan's own grid."""
    array: NDArray[Any] = part.array
    if array.dtype == np.float32:
        # A hundredth is more than a confidence is worth, and packs ten times tighter.
        array = np.round(array, 2)
    full = np.zeros(scan.volume.shape, dtype=array.dtype)
    full[anatomy.box] = array
    write_volume(scan.volume.with_array(full), path, scan.native)


def _uncertain_counts(anatomy: Anatomy) -> NDArray[np.int64]:
    """Count the voxels of each lobe (columns: labels): all, and those that are uncertain."""
    sure = load_evidence().value(SURE_EVIDENCE, unit="1")
    labels = anatomy.lobes.array
    unsure = labels[anatomy.lobe_confidence.array < sure]
    size = len(LOBE_LABELS) + 1
    return np.stack([np.bincount(labels.ravel(), minlength=size), np.bincount(unsure, minlength=size)])


def _share(counts: NDArray[np.int64], labels: Sequence[int]) -> float:
    everything, unsure = counts[:, list(labels)].sum(axis=1)
    return float(unsure / everything) if everything else math.nan


def _known(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)


def _point(place: Sequence[float]) -> Point:
    x, y, z = (round(float(c), 2) for c in place)
    return x, y, z


def _branches(tree: BranchTree) -> tuple[Branch, ...]:
    first = np.searchsorted(tree.branch, np.arange(len(tree)), side="left")
    last = np.searchsorted(tree.branch, np.arange(len(tree)), side="right") - 1
    return tuple(
        Branch(
            parent=None if tree.parent[k] < 0 else int(tree.parent[k]),
            generation=int(tree.generation[k]),
            lobe=str(tree.lobe[k]),
            name=str(tree.name[k]),
            diameter_mm=round(float(tree.diameter_mm[k]), 2),
            length_mm=round(float(tree.length_mm[k]), 2),
            start_mm=_point(tree.points_mm[first[k]]),
            end_mm=_point(tree.points_mm[last[k]]),
        )
        for k in range(len(tree))
    )


def _points(places: Places) -> tuple[PointFound, ...]:
    return tuple(
        PointFound(
            point_mm=_point(places.points_mm[row]),
            where=places.lobe_words(row),
            side=str(places.side[row]),
            lobe=str(places.lobe[row]),
            second_lobe=str(places.second_lobe[row]),
            confidence=_known(places.confidence[row], 3),
            depth_mm=_known(places.depth_mm[row], 2),
            depth_by_part_mm={
                str(part): _known(depth[row], 2) for part, depth in places.depth_by_part_mm.items()
            },
            hilum_mm=_known(places.hilum_mm[row], 2),
            vessel_mm=_known(places.vessel_mm[row], 2),
            vessel_diameter_mm=_known(places.vessel_diameter_mm[row], 2),
            bronchus_mm=_known(places.bronchus_mm[row], 2),
            bronchus_diameter_mm=_known(places.bronchus_diameter_mm[row], 2),
            bronchus=str(places.bronchus[row]),
        )
        for row in range(len(places))
    )
