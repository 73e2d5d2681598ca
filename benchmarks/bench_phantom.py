"""The phantom: time by stage, memory, and how much its lungs look like real ones."""

import os
import resource
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from clearlung.phantom import PhantomSpec, make_phantom

TARGET_SECONDS = 60.0
TARGET_GIB = 4.0
REAL_SCANS = ("LIDC-IDRI-0001", "QIN-LSC-0014", "QIN-LSC-0028", "QIN-LSC-0088")
# The shell of the lungs that is left out of the core: pleura, partial volume.
SHELL_MM = 5.0


def run() -> None:
    """Make the full-size phantom, and compare its lungs with the real scans where they are."""
    # The first call compiles; what is timed is what every later one costs.
    make_phantom(PhantomSpec(nodules=3, shape=(40, 48, 48)))
    marks: list[tuple[str, float, float]] = []

    def mark(stage: str, done: float) -> None:
        marks.append((stage, time.perf_counter(), time.process_time()))

    phantom = make_phantom(PhantomSpec(), mark)
    _print_times(marks)
    volume = phantom.scan.volume
    rows = [_measure("phantom", volume.array, volume.spacing_mm)]
    del phantom
    data = os.environ.get("CLEARLUNG_DATA")
    if data:
        rows += [_measure_file(name, Path(data) / name / "ct.nii.gz") for name in REAL_SCANS]
    _print_rows(rows)


def _print_times(marks: list[tuple[str, float, float]]) -> None:
    table = Table("stage", "wall s", "CPU s", title="Full-size phantom, 170 nodules")
    for (stage, wall, cpu), (_, next_wall, next_cpu) in pairwise(marks):
        table.add_row(stage, f"{next_wall - wall:.1f}", f"{next_cpu - cpu:.1f}")
    total = marks[-1][1] - marks[0][1]
    table.add_row("all", f"{total:.1f}", f"{marks[-1][2] - marks[0][2]:.1f}")
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    Console().print(table)
    print(
        f"{total:.1f} s (target {TARGET_SECONDS:g} s), {gib:.2f} GiB at its peak (target {TARGET_GIB:g} GiB)."
    )


def _measure_file(name: str, path: Path) -> dict[str, str]:
    image = sitk.ReadImage(str(path))
    hu = np.clip(sitk.GetArrayFromImage(image), -1024, 3071).astype(np.int16)
    x, y, z = image.GetSpacing()
    return _measure(name, hu, (z, y, x))


def lungs_by_air(hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Air that does not reach the picture's sides, closed over its vessels: the same for every scan."""
    parts = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray((hu < -400).astype("u1"))))
    sides = np.concatenate([parts[:, [0, -1]].ravel(), parts[:, :, [0, -1]].ravel()])
    sizes = np.bincount(parts.ravel())
    sizes[np.unique(sides)] = 0
    sizes[0] = 0
    large = np.isin(parts, np.flatnonzero(sizes > 0.2 * sizes.max()))
    radius = [max(1, round(3.0 / s)) for s in spacing_mm[::-1]]
    closed = sitk.BinaryMorphologicalClosing(sitk.GetImageFromArray(large.astype("u1")), radius)
    return sitk.GetArrayFromImage(sitk.BinaryFillhole(closed)) > 0


def _measure(name: str, hu: NDArray[np.int16], spacing_mm: tuple[float, float, float]) -> dict[str, str]:
    lungs = lungs_by_air(hu, spacing_mm)
    values = hu[lungs]
    counts = np.bincount(values.astype(np.int64) + 1024, minlength=4096).astype(float)
    smooth = np.convolve(counts, np.ones(15) / 15, mode="same")
    above = np.flatnonzero(smooth > smooth.max() / 2)
    radius = [max(1, round(SHELL_MM / s)) for s in spacing_mm[::-1]]
    eroded = sitk.BinaryErode(sitk.GetImageFromArray(lungs.astype("u1")), radius)
    core = sitk.GetArrayFromImage(eroded) > 0
    inside = hu[core]
    soft = (hu > -20) & (hu < 120)
    return {
        "scan": name,
        "voxel mm": " x ".join(f"{s:.2f}" for s in spacing_mm[::-1]),
        "lungs l": f"{lungs.sum() * np.prod(spacing_mm) / 1e6:.2f}",
        "peak HU": f"{smooth.argmax() - 1024}",
        "half width": f"{above[-1] - above[0]}",
        "median": f"{np.median(values):.0f}",
        "p5": f"{np.percentile(values, 5):.0f}",
        "p95": f"{np.percentile(values, 95):.0f}",
        "vessels % > -700": f"{100 * np.mean(inside > -700):.1f}",
        "> -500": f"{100 * np.mean(inside > -500):.1f}",
        "> -200": f"{100 * np.mean(inside > -200):.1f}",
        "lung grain at 1, 3, 10 voxels": _grain(hu, core & (hu < -750)),
        "soft grain": _grain(hu, soft),
    }


def _grain(hu: NDArray[np.int16], mask: NDArray[np.bool_]) -> str:
    """Robust spread of the differences between voxels 1, 3 and 10 apart in a row: level and grain size."""
    spreads = []
    for apart in (1, 3, 10):
        both = mask[:, :, apart:] & mask[:, :, :-apart]
        difference = hu[:, :, apart:][both].astype(np.int32) - hu[:, :, :-apart][both]
        spreads.append(1.4826 * np.median(np.abs(difference)) / 2**0.5)
    return ", ".join(f"{s:.0f}" for s in spreads)


def _print_rows(rows: list[dict[str, str]]) -> None:
    table = Table("", *(row["scan"] for row in rows), title="Lungs, measured alike")
    for key in list(rows[0])[1:]:
        table.add_row(key, *(row[key] for row in rows))
    Console().print(table)


if __name__ == "__main__":
    run()
