"""Places and boxes found elsewhere: CSV and JSON files, in a frame that they or their user declare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.errors import DetectorError
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.csv_cells import check_once, number, open_csv
from clearlung.nodules.detectors.boxes import BoxMode, centers_and_sizes
from clearlung.nodules.detectors.places import (
    LARGEST_MM,
    MAX_PLACES,
    RAS_TO_LPS,
    SMALLEST_MM,
    candidates_at,
)
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.source import DetectorSource, Frame

OPTION = "--detector-frame"
SUFFIXES = (".csv", ".tsv", ".json")
# Some hundred bytes for each of the most places that are read.
MAX_BYTES = 1 << 23
FURTHEST_MM = 1e4
# The columns of a place, and the frame that they are in. LUNA16's are ITK's world coordinates.
PLACES: Mapping[tuple[str, str, str], Frame] = {
    ("x_mm", "y_mm", "z_mm"): "LPS",
    ("x_ras_mm", "y_ras_mm", "z_ras_mm"): "RAS",
    ("coordX", "coordY", "coordZ"): "LPS",
}
SIZES = ("size_x_mm", "size_y_mm", "size_z_mm")


@dataclass(frozen=True, eq=False)
class Listed:
    """What a file lists.

    Parameters
    ----------
    points_mm
        LPS (x, y, z), shape (n, 3).
    diameter_mm
        Shape (n,).
    probability
        Shape (n,); None where the file gives none.
    """

    points_mm: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    probability: NDArray[np.float64] | None


def load_boxes(source: DetectorSource) -> PluggedDetector:
    """Return the detector that hands over the places in a file.

    Raises
    ------
    DetectorError
        If the file cannot be read, or does not say in which frame it is; ``field`` is the line and column.
    """
    path = source.file
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DetectorError("the boxes file", f"it has more than {MAX_BYTES} bytes: no list of nodules.")
    except OSError as error:
        raise DetectorError("the boxes file", f"it cannot be read: {error.strerror}.") from error
    is_json = path.suffix.lower() == ".json"
    listed = _read_json(path, source.frame) if is_json else _read_csv(path, source.frame)
    return PluggedDetector(partial(_handed_over, listed), "boxes", "places read from a file")


def _handed_over(listed: Listed, scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    return candidates_at(
        anatomy, listed.points_mm, listed.diameter_mm, listed.probability, smallest_mm, "the boxes file"
    )


def _read_csv(path: Path, frame: Frame | None) -> Listed:
    reader, header = open_csv(path, DetectorError)
    check_once(header, DetectorError)
    columns = next((names for names in PLACES if set(names) <= set(header)), None)
    if columns is None:
        known = "; or ".join(", ".join(names) for names in PLACES)
        raise DetectorError("line 1", f"names no place; columns that are read are {known}")
    own = PLACES[columns]
    if frame is not None and own == "RAS" and frame != own:
        raise DetectorError(OPTION, f"the columns {', '.join(columns)} are RAS by their names, not {frame}")
    sizes = ("diameter_mm",) if "diameter_mm" in header else SIZES
    if not set(sizes) <= set(header):
        raise DetectorError("line 1", f"names no size: diameter_mm, or {', '.join(SIZES)}")
    judged = "probability" in header
    rows, series = [], set()
    for row in reader:
        if not any(row.values()):
            continue
        series.add(row.get("seriesuid"))
        rows.append(_row(row, reader.line_num, (*columns, *sizes, *(("probability",) if judged else ()))))
    if len(series) > 1:
        raise DetectorError(
            "seriesuid", f"the file lists {len(series)} scans; keep only the rows of the one that is read"
        )
    if len(rows) > MAX_PLACES:
        raise DetectorError("file", f"lists {len(rows)} places; at most {MAX_PLACES} are read")
    table = np.array(rows, dtype=np.float64).reshape(-1, 3 + len(sizes) + judged)
    diameter = np.cbrt(np.prod(table[:, 3:6], axis=1)) if len(sizes) == 3 else table[:, 3]
    return Listed(_lps(table[:, :3], frame or own), diameter, table[:, -1] if judged else None)


def _row(row: dict[str | Any, Any], line: int, columns: tuple[str, ...]) -> list[float]:
    if None in row:
        raise DetectorError(f"line {line}", "has more cells than the header")
    values = []
    for name in columns:
        low, high, accepted = _range(name)
        text = (row.get(name) or "").strip()
        try:
            values.append(number(text, low, high))
        except ValueError:
            raise DetectorError(f"line {line}, {name}", f"takes {accepted}, not {text!r}") from None
    return values


def _range(column: str) -> tuple[float, float, str]:
    if column == "probability":
        return 0.0, 1.0, "a number from 0 to 1"
    if column in ("diameter_mm", *SIZES):
        return SMALLEST_MM, LARGEST_MM, f"mm from {SMALLEST_MM:g} to {LARGEST_MM:g}"
    return -FURTHEST_MM, FURTHEST_MM, "mm"


def _lps(points_mm: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    return points_mm * RAS_TO_LPS if frame == "RAS" else points_mm


Number = Annotated[float, Field(allow_inf_nan=False, ge=-FURTHEST_MM, le=FURTHEST_MM)]
Six = tuple[Number, Number, Number, Number, Number, Number]
Score = Annotated[float, Field(ge=0, le=1)]


class BoxList(BaseModel):
    """Boxes as Clearlung asks for them: the frame and the order of the numbers are in the file."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    frame: Literal["LPS", "RAS"]
    mode: BoxMode
    boxes: list[Six] = Field(max_length=MAX_PLACES)
    scores: list[Score] | None = None


class MonaiImage(BaseModel):
    """What the detection of MONAI writes for one image: boxes as center and size, without their frame."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    box: list[Six] = Field(max_length=MAX_PLACES)
    label_scores: list[Score]


class MonaiResult(RootModel[list[MonaiImage]]):
    """The whole file of MONAI: one entry for each image."""


def _read_json(path: Path, frame: Frame | None) -> Listed:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DetectorError("the boxes file", f"it cannot be read: {error.strerror}.") from error
    if raw.lstrip()[:1] == b"[":
        if frame is None:
            raise DetectorError(
                OPTION,
                "MONAI's result does not say in which frame it is. Give LPS if its configuration has "
                "affine_lps_to_ras true, as that of lung_nodule_ct_detection has, else RAS.",
            )
        return monai_result(raw, frame, "the boxes file")
    try:
        given = BoxList.model_validate_json(raw)
    except ValidationError as error:
        raise DetectorError(*_first(error, "the boxes file")) from error
    if frame is not None and frame != given.frame:
        raise DetectorError(OPTION, f"the file says that it is in {given.frame}, not {frame}")
    return _listed(given.boxes, given.scores, given.mode, given.frame, "the boxes file")


def monai_result(raw: bytes, frame: Frame, where: str) -> Listed:
    """Read what MONAI's detection writes for one image.

    Parameters
    ----------
    raw
        JSON: a list with one entry, of ``box`` (center and size in mm) and ``label_scores``.
    frame
        The frame that its boxes are in.
    where
        What to call it in an error.

    Raises
    ------
    DetectorError
        If it is malformed, or has results of several images.
    """
    try:
        images = MonaiResult.model_validate_json(raw).root
    except ValidationError as error:
        raise DetectorError(*_first(error, where)) from error
    if len(images) != 1:
        raise DetectorError(where, f"it has results of {len(images)} images; keep only that of this scan.")
    return _listed(images[0].box, images[0].label_scores, "cccwhd", frame, where)


def _listed(boxes: list[Six], scores: list[float] | None, mode: BoxMode, frame: Frame, where: str) -> Listed:
    if scores is not None and len(scores) != len(boxes):
        raise DetectorError(where, f"it has {len(boxes)} boxes and {len(scores)} scores; one each is read.")
    centers, sizes = centers_and_sizes(np.array(boxes, dtype=np.float64).reshape(-1, 6), mode)
    for row in np.flatnonzero(((sizes < SMALLEST_MM) | (sizes > LARGEST_MM)).any(axis=1))[:1]:
        shown = " x ".join(f"{v:g}" for v in sizes[row])
        raise DetectorError(
            f"{where}, box {row + 1}",
            f"measures {shown} mm; a nodule has {SMALLEST_MM:g} to {LARGEST_MM:g}. Is the mode {mode}?",
        )
    probability = None if scores is None else np.array(scores, dtype=np.float64)
    return Listed(_lps(centers, frame), np.cbrt(np.prod(sizes, axis=1)), probability)


def _first(error: ValidationError, where: str) -> tuple[str, str]:
    """Return field and message of the first of several errors."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return (f"{where}, {field}" if field else where), f"{first['msg']}. See docs/nodule-detectors.md."
