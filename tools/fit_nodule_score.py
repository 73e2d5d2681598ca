"""How the shape score was fitted: known nodules among everything else that the detector proposes.

``python tools/fit_nodule_score.py FOLDER ...`` repeats the fit and writes the score that ships. Each folder
holds a scan ``ct.nii.gz`` and its tumor ``tumour_majority.nii.gz``; into each scan more nodules are
implanted, and phantoms bring their own. Whatever else the detector proposes there is taken as no nodule.
Scans that are kept for evaluation must not be given.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfc, expit

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import Scan, read_scan, read_volume
from clearlung.nodules.blobs import find_blobs
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.find import outline_candidates
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.score import TERMS, Score, shape_terms
from clearlung.nodules.table import sphere_diameter_mm
from clearlung.phantom import PhantomSpec, make_phantom

SCORE_FILE = Path(__file__).parent.parent / "src" / "clearlung" / "nodules" / "score.json"
IMPLANTS_PER_SCAN = 70
IMPLANT_SEEDS = (11, 12)
IMPLANT_DIAMETERS_MM = (2.5, 28.0)
PHANTOM_SEEDS = (101, 102, 103)
PHANTOM_SHAPES = ((400, 512, 512), (200, 512, 512), (128, 512, 512))
# Blur of the implants, in plane; along the body they are averaged over the slice.
IMPLANT_BLUR_MM = 0.6
RIDGE = 2.0
LEAST_LOBULATED_MM = 8.0


@dataclass(frozen=True, eq=False)
class Known:
    """Nodules whose place and size are known: LPS points (n, 3) and diameters (n,)."""

    points_mm: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]


def implant(scan: Scan, anatomy: Anatomy, seed: int) -> tuple[Scan, Known]:
    """Draw nodules into a scan's lungs.

    Sizes are log-uniform, shapes are ellipsoids, half of the larger ones with lobes and spicules; places are
    uniform over the lungs as long as two implants stay apart. Each is blurred like the scan: by a normal
    edge in plane and by the slice along the body.
    """
    rng = np.random.default_rng(seed)
    volume = scan.volume
    hu = volume.array.astype(np.float32)
    inside = np.argwhere(anatomy.depth_mm.array > 0.5)
    start = np.array([s.start for s in anatomy.box])
    low, high = np.log(IMPLANT_DIAMETERS_MM)
    places: list[NDArray[np.float64]] = []
    sizes: list[float] = []
    for _ in range(IMPLANTS_PER_SCAN):
        diameter = float(np.exp(rng.uniform(low, high)))
        place = inside[rng.integers(len(inside))] + start + rng.uniform(-0.5, 0.5, 3)
        mm = place * volume.spacing_mm
        density = rng.uniform(-20, 80) if rng.random() < 0.8 else rng.uniform(150, 600)
        apart = [np.linalg.norm(mm - p) - 0.5 * (diameter + d) for p, d in zip(places, sizes, strict=True)]
        if apart and min(apart) < 4.0:
            continue
        _draw_nodule(hu, np.asarray(volume.spacing_mm), mm, diameter, density, rng)
        places.append(mm)
        sizes.append(diameter)
    drawn = volume.with_array(np.clip(np.round(hu), -1024, 3071).astype(np.int16))
    points = volume.points_mm(np.array(places) / volume.spacing_mm)
    return replace(scan, volume=drawn), Known(points, np.array(sizes))


def _draw_nodule(
    hu: NDArray[np.float32],
    spacing: NDArray[np.float64],
    center_mm: NDArray[np.float64],
    diameter_mm: float,
    density: float,
    rng: np.random.Generator,
) -> None:
    """Draw an ellipsoid, and on half of the larger ones the lobes and spicules of a tumor."""
    axes = np.exp(rng.normal(0.0, 0.12, 3))
    axes *= 0.5 * diameter_mm / np.cbrt(axes.prod())
    _draw(hu, spacing, center_mm, axes, np.eye(3), density)
    if diameter_mm < LEAST_LOBULATED_MM or rng.random() < 0.5:
        return
    radius = 0.5 * diameter_mm
    for kind in ["lobe"] * int(rng.integers(1, 4)) + ["spicule"] * int(rng.integers(4, 16)):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        if kind == "lobe":
            place, part = 0.7 * radius * turn[0], np.full(3, rng.uniform(0.4, 0.65) * radius)
        else:
            length, width = rng.uniform(0.3, 0.6) * radius, rng.uniform(0.8, 1.6)
            place, part = (0.9 * radius + 0.5 * length) * turn[0], np.array([length, width, width])
        _draw(hu, spacing, center_mm + place, part, turn, density)


def _draw(
    hu: NDArray[np.float32],
    spacing: NDArray[np.float64],
    center_mm: NDArray[np.float64],
    axes_mm: NDArray[np.float64],
    turn: NDArray[np.float64],
    density: float,
) -> None:
    """Blend one ellipsoid, its axes along the rows of ``turn``, into the scan, in place."""
    reach = axes_mm.max() + 3.0 * IMPLANT_BLUR_MM + spacing[0]
    low = np.maximum(0, np.floor((center_mm - reach) / spacing)).astype(int)
    high = np.minimum(np.array(hu.shape), np.ceil((center_mm + reach) / spacing).astype(int) + 1)
    if (high <= low).any():
        return
    grid = [np.arange(a, b) * s - c for a, b, s, c in zip(low, high, spacing, center_mm, strict=True)]
    offset = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1)
    share = np.zeros(offset.shape[:3])
    for sub in (-0.4, -0.2, 0.0, 0.2, 0.4):
        moved = offset + np.array([sub * spacing[0], 0.0, 0.0])
        scaled = np.linalg.norm((moved @ turn.T) / axes_mm, axis=-1)
        share += 0.1 * erfc((scaled - 1.0) * axes_mm.min() / (np.sqrt(2.0) * IMPLANT_BLUR_MM))
    part = hu[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    part += (share * np.maximum(density - part, 0.0)).astype(np.float32)


def rows_of(scan: Scan, anatomy: Anatomy, known: Known) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Terms of everything proposed, and whether it is a known nodule; doubtful ones are left out."""
    options = NoduleOptions(least_probability=0.0)
    blobs = find_blobs(scan, anatomy, options.smallest_mm)
    everything = Candidates(blobs.indices, blobs.diameter_mm, np.ones(len(blobs)))
    found = outline_candidates(scan, anatomy, everything, options)
    seen = (found.column("volume_mm3") > 0) & (found.column("cut") == 0)
    found = found.take(np.flatnonzero(seen))
    points = anatomy.lungs.points_mm(found.indices(np.asarray(anatomy.lungs.spacing_mm)))
    diameter = sphere_diameter_mm(found.column("volume_mm3"))
    hit, near = _matches(points, diameter, known)
    usable = hit | ~near
    terms = shape_terms(found.features, float(max(anatomy.lungs.spacing_mm)))
    return terms[usable], hit[usable]


def _matches(
    points: NDArray[np.float64], diameter: NDArray[np.float64], known: Known
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether an outline is a known nodule, and whether it is on or beside one."""
    if not len(known.diameter_mm):
        return np.zeros(len(points), dtype=np.bool_), np.zeros(len(points), dtype=np.bool_)
    distance = np.linalg.norm(points[:, None] - known.points_mm[None], axis=2)
    radius = known.diameter_mm / 2.0
    alike = np.abs(np.log(diameter[:, None] / known.diameter_mm)) < np.log(1.6)
    hit = (distance < np.maximum(1.5, 0.5 * radius)) & alike
    return hit.any(axis=1), (distance < radius + 2.0).any(axis=1)


def fit(terms: NDArray[np.float64], hits: NDArray[np.bool_], record: str) -> Score:
    """Fit the logistic score by Newton's method with a small ridge."""
    mean, deviation = terms.mean(axis=0), terms.std(axis=0)
    design = np.column_stack([np.ones(len(terms)), (terms - mean) / deviation])
    weights = np.zeros(design.shape[1])
    ridge = RIDGE * np.eye(design.shape[1])
    ridge[0, 0] = 0.0
    for _ in range(30):
        chance = expit(design @ weights)
        gradient = design.T @ (hits - chance) - ridge @ weights
        curvature = (design * (chance * (1.0 - chance))[:, None]).T @ design + ridge
        weights += np.linalg.solve(curvature, gradient)
    table = zip(TERMS, mean.tolist(), deviation.tolist(), weights[1:].tolist(), strict=True)
    return Score(float(weights[0]), {name: (m, s, w) for name, m, s, w in table}, record)


def write(score: Score, path: Path) -> None:
    """Write a score as JSON."""
    terms = {name: [round(v, 5) for v in values] for name, values in score.terms.items()}
    raw = {"record": score.record, "intercept": round(score.intercept, 5), "terms": terms}
    path.write_text(json.dumps(raw, indent=2) + "\n", encoding="utf-8")


def train(folders: list[Path]) -> Score:
    """Fit the score on scans with an outlined tumor and on phantoms."""
    rows = [row for folder in folders for row in _rows_of_scan(folder)]
    for seed, shape in zip(PHANTOM_SEEDS, PHANTOM_SHAPES, strict=True):
        phantom = make_phantom(PhantomSpec(nodules=170, seed=seed, shape=shape))
        truth = phantom.truth
        known = Known(truth.points_mm, truth.diameter_mm)
        rows.append(rows_of(phantom.scan, segment_anatomy(phantom.scan), known))
    terms = np.concatenate([row[0] for row in rows])
    hits = np.concatenate([row[1] for row in rows])
    names = ", ".join(folder.name for folder in folders)
    low, high = IMPLANT_DIAMETERS_MM
    record = (
        f"Ridge-penalized logistic fit on {len(hits)} outlines of the built-in detector, {hits.sum()} of "
        f"them nodules: nodules of {low} to {high:g} mm implanted into {names} (seeds {IMPLANT_SEEDS}) "
        f"with those scans' tumors, and phantoms of 170 nodules (seeds {PHANTOM_SEEDS}, "
        f"shapes {PHANTOM_SHAPES})."
    )
    return fit(terms, hits, record)


def _rows_of_scan(folder: Path) -> list[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
    """Rows of one scan, once for each seed of the implants."""
    scan = read_scan(folder / "ct.nii.gz")
    anatomy = segment_anatomy(scan)
    tumor, _ = read_volume(folder / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    center = tumor.points_mm(inside).mean(axis=0)
    diameter = sphere_diameter_mm(len(inside) * tumor.voxel_ml * 1000.0)
    rows = []
    for seed in IMPLANT_SEEDS:
        drawn, known = implant(scan, anatomy, seed)
        both = Known(
            np.vstack([known.points_mm, center]), np.append(known.diameter_mm, diameter).astype(np.float64)
        )
        rows.append(rows_of(drawn, segment_anatomy(drawn), both))
    return rows


if __name__ == "__main__":
    write(train([Path(name) for name in sys.argv[1:]]), SCORE_FILE)
