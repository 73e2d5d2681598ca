"""Scans with known nodules, and what is found on each: the raw material of the nodule benchmark."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import find_objects

from benchmarks.froc import NOT_FOUND, ScanResult, owners
from benchmarks.overlap import agreement_of_votes, agreement_with_majority
from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import Scan, read_scan, read_volume
from clearlung.nodules import (
    NoduleOptions,
    NoduleTable,
    detect_nodules,
    outline_detections,
    sphere_diameter_mm,
)
from clearlung.phantom import ImplantSpec, implant, make_phantom, varied_spec

LIDC = {"LIDC-IDRI-0001": "ct.nii.gz", "LIDC-IDRI-0003": "dicom"}
QIN = ("QIN-LSC-0014", "QIN-LSC-0028", "QIN-LSC-0088")
QIN_OUTLINES = 9
PHANTOMS = 20
IMPLANTED = 10
IMPLANTS, FIRST_SEED = 50, 1000
# So low that the curve reaches 8 false findings per scan.
LEAST_PROBABILITY = 0.01
# Radiologists call 1 ground glass, 3 part-solid and 5 solid; a mean of more than halfway is solid.
SOLID_TEXTURE = 2.5
# A mark for a non-nodule is a point on something of 3 mm or more.
NON_NODULE_MM = 10.0


@dataclass(frozen=True, eq=False)
class Case:
    """One scan: its known nodules, one row each, and its findings.

    Parameters
    ----------
    diameter_mm, place, kind
        Of the known nodules.
    found
        The highest probability of a finding on each, -1 without one.
    dice, volume_error
        Of that finding: NaN where missed or not known.
    false, small, non_nodules
        Probabilities of the false findings; of those on marks of true nodules below 3 mm, which are not among
        the false; of those on marks of non-nodules, which are.
    operating_point
        The least probability that the program reports by default.
    agreement
        Of the outlines with each other, and with their majority; NaN where not known.
    """

    name: str
    diameter_mm: np.ndarray
    place: np.ndarray
    kind: np.ndarray
    found: np.ndarray
    dice: np.ndarray
    volume_error: np.ndarray
    false: np.ndarray
    small: np.ndarray = field(default_factory=lambda: np.zeros(0))
    non_nodules: np.ndarray = field(default_factory=lambda: np.zeros(0))
    operating_point: float = 0.5
    agreement: tuple[float, float] = (np.nan, np.nan)

    @property
    def solid(self) -> np.ndarray:
        """Whether each known nodule is solid throughout, calcified or not."""
        return np.isin(self.kind, ("solid", "calcified"))

    def of(self, rows: np.ndarray) -> ScanResult:
        """Return what the findings mean when only some of the known nodules are asked for."""
        return ScanResult(self.found[rows], self.false, self.small)


@dataclass(frozen=True, eq=False)
class Known:
    """The known nodules of a scan, and their label map on the scan's grid."""

    points_mm: np.ndarray
    diameter_mm: np.ndarray
    volume_mm3: np.ndarray
    place: np.ndarray
    kind: np.ndarray
    labels: np.ndarray | None = None
    label_of: np.ndarray | None = None


def how_many(full: int) -> int:
    """Return the number of scans of a data set: fewer where CLEARLUNG_BENCH_SCANS says so."""
    return min(full, int(os.environ.get("CLEARLUNG_BENCH_SCANS", full)))


def data_folder() -> Path | None:
    """Folder of the real scans, if there is one."""
    folder = os.environ.get("CLEARLUNG_DATA")
    return Path(folder) if folder else None


def phantom_cases() -> Iterator[Case]:
    """Varied phantoms of 170 nodules, one after the other."""
    for seed in range(how_many(PHANTOMS)):
        began = time.perf_counter()
        phantom = make_phantom(varied_spec(seed))
        truth = phantom.truth
        place = np.where(phantom.touches_pleura, "pleura", np.where(phantom.touches_vessel, "vessel", "free"))
        known = Known(
            truth.points_mm,
            truth.diameter_mm,
            truth.volume_mm3,
            place,
            np.where(truth.calcified, "calcified", "solid"),
            phantom.nodules.array,
            truth.id,
        )
        scan = phantom.scan
        del phantom
        anatomy = segment_anatomy(scan)
        yield _case(f"phantom {seed}", scan, anatomy, known)
        _tell(f"phantom {seed}", began)


def implant_cases(data: Path) -> Iterator[Case]:
    """Implants in scans that nothing was trained on.

    The anatomy is segmented again with the implants in place, as for a scan that has them: whether a
    nodule at the pleura is counted to the lung is part of finding it.
    """
    count = how_many(IMPLANTED)
    for number, (name, file) in enumerate(LIDC.items()):
        seeds = [FIRST_SEED + k for k in range(count) if k % len(LIDC) == number]
        if not seeds:
            continue
        scan = read_scan(data / name / file)
        anatomy = segment_anatomy(scan)
        real = marked(data / name)
        for seed in seeds:
            began = time.perf_counter()
            spec = ImplantSpec(nodules=IMPLANTS, seed=seed)
            wide = np.array([float(r["mean_diam_mm"]) for r in _rows(data / name / "nodules.csv")])
            made = implant(scan, anatomy, spec, avoid_mm=real.points_mm, avoid_diameter_mm=wide)
            truth = made.truth
            known = Known(
                truth.points_mm,
                truth.diameter_mm,
                truth.volume_mm3,
                made.place,
                made.kind,
                made.labels.array,
                truth.id,
            )
            yield _case(
                f"{name}, seed {seed}",
                made.scan,
                segment_anatomy(made.scan),
                known,
                folder=data / name,
                ignored=Known(real.points_mm, wide, real.volume_mm3, real.place, real.kind),
            )
            _tell(f"implants in {name}, seed {seed}", began)


def real_cases(data: Path) -> Iterator[Case]:
    """Radiologists' nodules and outlined tumors."""
    names = [*LIDC, *QIN][: how_many(len(LIDC) + len(QIN))]
    for name in names:
        began = time.perf_counter()
        folder = data / name
        scan = read_scan(folder / LIDC.get(name, "ct.nii.gz"))
        known = marked(folder) if name in LIDC else outlined(folder)
        agreement = (np.nan, np.nan)
        if name in QIN:
            votes = read_volume(folder / "tumour_votes.nii.gz")[0].array.astype(np.int64)
            agreement = (
                agreement_of_votes(votes, QIN_OUTLINES),
                agreement_with_majority(votes, QIN_OUTLINES),
            )
        yield _case(name, scan, segment_anatomy(scan), known, folder=folder, agreement=agreement)
        _tell(name, began)


def marked(folder: Path) -> Known:
    """Radiologists' nodules of one scan; the consensus is the label map."""
    rows = _rows(folder / "nodules.csv")
    points = np.array([[float(row[key]) for key in ("x_lps", "y_lps", "z_lps")] for row in rows])
    kind = ["solid" if float(r["texture"]) >= SOLID_TEXTURE else "ground-glass" for r in rows]
    consensus = read_volume(folder / "nodules_consensus50.nii.gz")[0]
    labels = consensus.array.astype(np.int32)
    return Known(
        points.reshape(-1, 3),
        np.array([float(row["equiv_diam_mm"]) for row in rows]),
        np.array([float(row["consensus_vol_mm3"]) for row in rows]),
        np.full(len(rows), ""),
        np.array(kind),
        labels,
        _label_near(labels, consensus.indices(points)),
    )


def _label_near(labels: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Label that most voxels near each index have, 0 for none; a map of 0 and 1 has one label for all."""
    out = np.zeros(len(index), dtype=np.int64)
    for row, at in enumerate(np.rint(index).astype(int)):
        part = labels[tuple(slice(max(a - 3, 0), a + 4) for a in at)]
        if part.any():
            out[row] = np.bincount(part[part > 0]).argmax()
    return out


def outlined(folder: Path) -> Known:
    """Return the one outlined tumor of a scan."""
    tumor, _ = read_volume(folder / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    volume = np.array([len(inside) * tumor.voxel_ml * 1000.0])
    return Known(
        tumor.points_mm(inside).mean(axis=0)[None],
        sphere_diameter_mm(volume),
        volume,
        np.array([""]),
        np.array(["solid"]),
        (tumor.array > 0).astype(np.int32),
        np.array([1]),
    )


def marks(folder: Path, kind: str) -> np.ndarray:
    """LPS points of readers' marks of one kind: "nodule<3mm" or "non-nodule>=3mm"."""
    path = folder / "marks_small_and_non.csv"
    rows = [row for row in _rows(path) if row["type"] == kind] if path.is_file() else []
    return np.array([[float(r[k]) for k in ("x_lps", "y_lps", "z_lps")] for r in rows]).reshape(-1, 3)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def _case(
    name: str,
    scan: Scan,
    anatomy: Anatomy,
    known: Known,
    folder: Path | None = None,
    ignored: Known | None = None,
    agreement: tuple[float, float] = (np.nan, np.nan),
) -> Case:
    """Find the nodules of one scan, and compare.

    Sensitivity is counted on what is detected; outlines are those of what is reported by default.
    """
    options = NoduleOptions()
    every = detect_nodules(scan, anatomy, NoduleOptions(least_probability=LEAST_PROBABILITY))
    nodules = outline_detections(scan, anatomy, every.likely(options.threshold), options)
    points, width = known.points_mm, known.diameter_mm
    if ignored is not None:
        points, width = np.vstack([points, ignored.points_mm]), np.append(width, ignored.diameter_mm)
    owner = owners(points, width, every.points_mm)
    off = owner < 0
    small, non = np.zeros(len(off), dtype=bool), np.zeros(len(off), dtype=bool)
    if folder is not None:
        at = marks(folder, "nodule<3mm")
        small = off & (owners(at, np.zeros(len(at)), every.points_mm) >= 0)
        at = marks(folder, "non-nodule>=3mm")
        non = off & ~small & (owners(at, np.full(len(at), NON_NODULE_MM), every.points_mm) >= 0)
    n = len(known.diameter_mm)
    best = _best_of(owner, every.probability, n)
    outlined_by = _best_of(owners(points, width, nodules.points_mm), nodules.probability, n)
    overlap, error = _segmentation(anatomy, nodules, known, outlined_by)
    return Case(
        name=name,
        diameter_mm=known.diameter_mm,
        place=known.place,
        kind=known.kind,
        found=np.where(best >= 0, every.probability[best] if len(every) else NOT_FOUND, NOT_FOUND),
        dice=overlap,
        volume_error=error,
        false=every.probability[off & ~small],
        small=every.probability[small],
        non_nodules=every.probability[non],
        operating_point=options.threshold,
        agreement=agreement,
    )


def _best_of(owner: np.ndarray, probability: np.ndarray, known: int) -> np.ndarray:
    """Row of the likeliest finding on each known nodule, -1 where there is none."""
    best = np.full(known, -1, dtype=np.int64)
    for row in np.argsort(probability, kind="stable"):
        if 0 <= owner[row] < known:
            best[owner[row]] = row
    return best


def _segmentation(
    anatomy: Anatomy, nodules: NoduleTable, known: Known, best: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Dice and relative volume error of each known nodule's finding, both masks cropped to their boxes."""
    overlap, error = np.full(len(best), np.nan), np.full(len(best), np.nan)
    hit = np.flatnonzero(best >= 0)
    error[hit] = nodules.volume_mm3[best[hit]] / known.volume_mm3[hit] - 1.0
    if known.labels is None or known.label_of is None or nodules.labels is None:
        return overlap, error
    own, true = nodules.labels.array, np.ascontiguousarray(known.labels[anatomy.box])
    own_boxes, true_boxes = find_objects(own), find_objects(true)
    sizes = np.bincount(known.labels.ravel(), minlength=int(known.label_of.max(initial=0)) + 1)
    for row in hit:
        mine, its = int(nodules.id[best[row]]), int(known.label_of[row])
        mine_box = own_boxes[mine - 1] if mine <= len(own_boxes) else None
        if mine_box is None or not its:
            continue
        whole = np.count_nonzero(own[mine_box] == mine) + sizes[its]
        box = true_boxes[its - 1] if its <= len(true_boxes) else None
        common = 0
        if box is not None:
            common = np.count_nonzero((own[box] == mine) & (true[box] == its))
        overlap[row] = 2.0 * common / whole
    return overlap, error


def _tell(what: str, began: float) -> None:
    print(f"  {what}: {time.perf_counter() - began:.0f} s", flush=True)
