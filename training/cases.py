"""Scans with known nodules, made once and kept as files, to learn from and to calibrate on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import Scan, read_scan, read_volume
from clearlung.nodules import find_blobs, sphere_diameter_mm
from clearlung.nodules.network import LEAST_DIAMETER_MM
from clearlung.phantom import ImplantSpec, Phantom, PhantomSpec, implant, make_phantom, varied_spec

# Slices of 0.8, 1.0, 1.25, 2.0, 2.5 and 3.0 mm; thick ones are more common in old archives.
SHAPES = (
    (400, 512, 512),
    (128, 512, 512),
    (256, 512, 512),
    (107, 512, 512),
    (320, 512, 512),
    (160, 512, 512),
    (128, 512, 512),
    (107, 512, 512),
)
PHANTOM_SEEDS = range(200, 232)
PHANTOM_NODULES = 220
# Where that many do not fit, as in a lung that was operated on.
FEWER_NODULES = 150
# Every twelfth phantom each: scars with staples, bullae, fluid with a mass.
DAMAGE = {
    5: {"operation": "wedges", "wedges": 10},
    8: {"emphysema": 0.15},
    11: {"effusion_ml": (200.0, 150.0), "mass_mm": 45.0},
}
IMPLANT_SEEDS = range(300, 308)
IMPLANTS = 90
# These cases calibrate the probabilities and choose the epoch; the network never learns from them.
HELD_OUT = {"phantom": (203, 209, 218, 220, 225, 226), "implants": (306, 307)}


@dataclass(frozen=True, eq=False)
class Case:
    """A scan on its lungs' box, its known nodules, and what the candidate stage proposes.

    Parameters
    ----------
    name
        Which scan, and which seed.
    held_out
        Whether it is for calibration.
    hu, lungs
        int16 and uint8 on the box of the anatomy.
    spacing_mm
        Shape (3,): along z, y and x.
    known, known_mm
        Voxel indices (z, y, x), shape (n, 3), and diameters of the known nodules, the smallest ones too.
    candidates, candidate_mm
        Voxel indices, shape (m, 3), and diameters, shape (m,).
    """

    name: str
    held_out: bool
    hu: NDArray[np.int16]
    lungs: NDArray[np.uint8]
    spacing_mm: NDArray[np.float64]
    known: NDArray[np.float64]
    known_mm: NDArray[np.float64]
    candidates: NDArray[np.float64]
    candidate_mm: NDArray[np.float64]

    def save(self, path: Path) -> None:
        """Write the case as an uncompressed ``.npz``."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez(file, **{f.name: getattr(self, f.name) for f in fields(self)})
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read a case."""
        with np.load(path) as stored:
            arrays = {f.name: stored[f.name] for f in fields(cls)}
        return cls(**(arrays | {"name": str(arrays["name"]), "held_out": bool(arrays["held_out"])}))


def all_cases(scans: list[Path], folder: Path) -> Iterator[Path]:
    """Make every case that is not in the folder yet, and yield each one's file.

    Parameters
    ----------
    scans
        Folders with a scan ``ct.nii.gz`` and its tumor ``tumour_majority.nii.gz``. Scans that are kept for
        evaluation must not be given.
    folder
        Where the cases are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed in PHANTOM_SEEDS:
        path = folder / f"phantom-{seed}.npz"
        if not path.exists():
            _phantom_case(seed).save(path)
        yield path
    for scan_folder in scans:
        scan, anatomy, tumor, tumor_mm = _read(scan_folder)
        for seed in (None, *IMPLANT_SEEDS):
            path = folder / f"{scan_folder.name}-{seed or 'as-it-is'}.npz"
            if not path.exists():
                _scan_case(scan_folder.name, scan, anatomy, tumor, tumor_mm, seed).save(path)
            yield path


def _phantom_case(seed: int) -> Case:
    spec = varied_spec(seed, nodules=PHANTOM_NODULES, shape=SHAPES[seed % len(SHAPES)])
    spec = replace(spec, **DAMAGE.get(seed % 12, {}))
    phantom = _made(spec)
    anatomy = segment_anatomy(phantom.scan)
    truth = phantom.truth
    return case_of(
        f"phantom {seed}",
        phantom.scan,
        anatomy,
        truth.points_mm,
        truth.diameter_mm,
        held_out=seed in HELD_OUT["phantom"],
    )


def _made(spec: PhantomSpec) -> Phantom:
    try:
        return make_phantom(spec)
    except ValueError:
        return make_phantom(replace(spec, nodules=FEWER_NODULES))


def _read(folder: Path) -> tuple[Scan, Anatomy, NDArray[np.float64], float]:
    """Read a scan, segment its anatomy, and measure its tumor's center and diameter."""
    scan = read_scan(folder / "ct.nii.gz")
    tumor, _ = read_volume(folder / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    diameter = float(sphere_diameter_mm(len(inside) * tumor.voxel_ml * 1000.0))
    return scan, segment_anatomy(scan), tumor.points_mm(inside).mean(axis=0), diameter


def _scan_case(
    name: str,
    scan: Scan,
    anatomy: Anatomy,
    tumor: NDArray[np.float64],
    tumor_mm: float,
    seed: int | None,
) -> Case:
    """Return a case of a scan with its tumor, and with implants unless the seed is None."""
    points, diameter = tumor[None], np.array([tumor_mm])
    if seed is not None:
        spec = ImplantSpec(nodules=IMPLANTS, seed=seed)
        added = implant(scan, anatomy, spec, avoid_mm=points, avoid_diameter_mm=diameter)
        points = np.vstack([points, added.truth.points_mm])
        diameter = np.append(diameter, added.truth.diameter_mm)
        scan, anatomy = added.scan, segment_anatomy(added.scan)
    held_out = seed in HELD_OUT["implants"]
    return case_of(f"{name} {seed or 'as it is'}", scan, anatomy, points, diameter, held_out=held_out)


def case_of(
    name: str,
    scan: Scan,
    anatomy: Anatomy,
    points_mm: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    *,
    held_out: bool,
) -> Case:
    """Crop a scan to its lungs and propose candidates on it."""
    found = find_blobs(scan, anatomy, LEAST_DIAMETER_MM)
    return Case(
        name=name,
        held_out=held_out,
        hu=np.ascontiguousarray(scan.volume.array[anatomy.box]),
        lungs=anatomy.lungs.array,
        spacing_mm=np.asarray(anatomy.lungs.spacing_mm),
        known=anatomy.lungs.indices(points_mm),
        known_mm=np.asarray(diameter_mm, dtype=np.float64),
        candidates=found.indices,
        candidate_mm=found.diameter_mm,
    )
