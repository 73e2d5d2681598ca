"""Nodules against what is known: radiologists' marks, outlined tumors, the phantom."""

import csv
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import Scan, read_scan, read_volume
from clearlung.nodules import NoduleTable, find_nodules, match_nodules, sphere_diameter_mm
from clearlung.phantom import PhantomSpec, make_phantom

LIDC = {"LIDC-IDRI-0001": "ct.nii.gz", "LIDC-IDRI-0003": "dicom"}
QIN = ("QIN-LSC-0014", "QIN-LSC-0028", "QIN-LSC-0088")
SOLID_TEXTURE = 2.5
PHANTOM_SHAPES = ((400, 512, 512), (128, 512, 512))
SIZES_MM = ((0, 2), (2, 3), (3, 4), (4, 5), (5, 7), (7, 10), (10, 40))


@dataclass
class Done:
    """What one scan gave and what it cost."""

    scan: Scan
    anatomy: Anatomy
    nodules: NoduleTable
    seconds: tuple[float, float]
    cpu_seconds: tuple[float, float]
    gib: float


def run() -> None:
    """Print all tables; those of the real scans only where CLEARLUNG_DATA points to them."""
    _find(make_phantom(PhantomSpec(nodules=3, shape=(80, 96, 96))).scan)  # compiles the kernels
    cost = _table(
        "Time and memory",
        "scan",
        "voxels",
        "anatomy s",
        "nodules s",
        "anatomy CPU s",
        "nodules CPU s",
        "extra GiB",
    )
    if "CLEARLUNG_DATA" in os.environ:
        _real(Path(os.environ["CLEARLUNG_DATA"]), cost)
    for shape in PHANTOM_SHAPES:
        _phantom(shape, cost)
    Console(width=120).print(cost)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    return table


def _find(scan: Scan) -> Done:
    before = _peak_gib(reset=True)
    wall, cpu = [time.perf_counter()], [time.process_time()]
    anatomy = segment_anatomy(scan)
    wall.append(time.perf_counter())
    cpu.append(time.process_time())
    nodules = find_nodules(scan, anatomy)
    wall.append(time.perf_counter())
    cpu.append(time.process_time())
    extra = _peak_gib() - before
    return Done(
        scan,
        anatomy,
        nodules,
        (wall[1] - wall[0], wall[2] - wall[1]),
        (cpu[1] - cpu[0], cpu[2] - cpu[1]),
        extra,
    )


def _peak_gib(reset: bool = False) -> float:
    """Highest resident memory since the last reset; Linux keeps count."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 2**20


def _add_cost(cost: Table, name: str, done: Done) -> None:
    shape = "x".join(str(n) for n in done.scan.volume.shape[::-1])
    times = [f"{value:.1f}" for value in (*done.seconds, *done.cpu_seconds)]
    cost.add_row(name, shape, *times, f"{done.gib:.2f}")


def _real(data: Path, cost: Table) -> None:
    found = _table(
        "Real scans",
        "scan",
        "known",
        "mm",
        "found mm",
        "off mm",
        "probability",
        "lobe",
        "false",
        "false >= 4 mm",
    )
    for name in (*LIDC, *QIN):
        done = _find(read_scan(data / name / LIDC.get(name, "ct.nii.gz")))
        known, diameter = _marked(data / name) if name in LIDC else _outlined(data / name)
        _add_findings(found, name, done, known, diameter)
        _add_cost(cost, name, done)
    Console(width=120).print(found)


def _marked(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with (folder / "nodules.csv").open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if float(row["texture"]) >= SOLID_TEXTURE]
    known = np.array([[float(row[key]) for key in ("x_lps", "y_lps", "z_lps")] for row in rows])
    return known, np.array([float(row["equiv_diam_mm"]) for row in rows])


def _outlined(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    tumor, _ = read_volume(folder / "tumour_majority.nii.gz")
    inside = np.argwhere(tumor.array > 0)
    volume = len(inside) * tumor.voxel_ml * 1000.0
    return tumor.points_mm(inside).mean(axis=0)[None], sphere_diameter_mm([volume])


def _add_findings(table: Table, name: str, done: Done, known: np.ndarray, diameter: np.ndarray) -> None:
    match = match_nodules(known, diameter, done.nodules.points_mm)
    false = match.known_of_found < 0
    large = np.count_nonzero(false & (done.nodules.diameter_mm >= 4.0))
    for place, row in enumerate(match.found_of_known):
        first = [str(match.false), str(large)] if place == 0 else ["", ""]
        what = [name if place == 0 else "", str(place + 1), f"{diameter[place]:.1f}"]
        if row < 0:
            table.add_row(*what, "missed", "", "", "", *first)
            continue
        off = float(np.linalg.norm(done.nodules.points_mm[row] - known[place]))
        nodules = done.nodules
        table.add_row(
            *what,
            f"{nodules.diameter_mm[row]:.1f}",
            f"{off:.1f}",
            f"{nodules.probability[row]:.2f}",
            str(nodules.lobe[row]),
            *first,
        )


def _phantom(shape: tuple[int, int, int], cost: Table) -> None:
    phantom = make_phantom(PhantomSpec(nodules=170, seed=1, shape=shape))
    done = _find(phantom.scan)
    name = f"phantom, {phantom.scan.slice_spacing_mm:.1f} mm slices"
    _add_cost(cost, name, done)
    truth = phantom.truth
    match = match_nodules(truth.points_mm, truth.diameter_mm, done.nodules.points_mm)
    hit = match.found_of_known >= 0
    table = _table(
        f"{name}: {match.false} false",
        "mm",
        "nodules",
        "found",
        "volume bias",
        "volume SD",
        "mean probability",
    )
    for low, high in SIZES_MM:
        own = (truth.diameter_mm >= low) & (truth.diameter_mm < high)
        rows = match.found_of_known[own & hit]
        if not rows.size:
            table.add_row(f"{low} to {high}", str(np.count_nonzero(own)), "0", "", "", "")
            continue
        error = done.nodules.volume_mm3[rows] / truth.volume_mm3[own & hit] - 1.0
        table.add_row(
            f"{low} to {high}",
            str(np.count_nonzero(own)),
            f"{100 * hit[own].mean():.0f} %",
            f"{100 * error.mean():+.0f} %",
            f"{100 * error.std():.0f} %",
            f"{done.nodules.probability[rows].mean():.2f}",
        )
    console = Console(width=120)
    console.print(table)
    found = match.found_of_known[hit]
    console.print(
        f"Lobe right: {100 * np.mean(done.nodules.lobe[found] == truth.lobe[hit]):.0f} %; depth error "
        f"{np.mean(done.nodules.depth_mm[found] - truth.depth_mm[hit]):+.1f} mm on average."
    )


if __name__ == "__main__":
    run()
