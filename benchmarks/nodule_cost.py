"""What finding and measuring nodules costs beyond the anatomy."""

from __future__ import annotations

import cProfile
import pstats
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import Scan
from clearlung.nodules import find_nodules
from clearlung.phantom import PhantomSpec, make_phantom

FULL = (400, 512, 512)
# A thousand of the usual sizes would hardly leave lung between them.
MANY_MEDIAN_MM = 3.0


# What ``find_nodules`` is made of: their own steps are told, not they.
PARTS = ("detect_nodules", "outline_detections")


@dataclass(frozen=True)
class Cost:
    """Cost of one run with warm kernels: seconds, extra memory, and the shares of the sub-steps."""

    known: int
    found: int
    seconds: float
    cpu_seconds: float
    gib: float
    steps: dict[str, float]


def peak_gib(reset: bool = False) -> float:
    """Highest resident memory since the last reset; Linux keeps count, elsewhere it is NaN."""
    status, clear = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not status.is_file():
        return float("nan")
    if reset:
        clear.write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20


def warm() -> None:
    """Compile the kernels on a small phantom."""
    scan = make_phantom(PhantomSpec(nodules=3, shape=(80, 96, 96))).scan
    find_nodules(scan, segment_anatomy(scan))


def costs(shape: tuple[int, int, int] = FULL) -> list[Cost]:
    """Cost with 10, 170 and 1,000 nodules on phantoms of the same shape, the two ends of one size mix."""
    out = []
    for count, median in ((170, None), (10, MANY_MEDIAN_MM), (1000, MANY_MEDIAN_MM)):
        spec = PhantomSpec(nodules=count, shape=shape)
        if median is not None:
            spec = PhantomSpec(nodules=count, shape=shape, diameter_median_mm=median)
        scan = make_phantom(spec).scan
        out.append(_cost(scan, segment_anatomy(scan), count))
        print(f"  {count} nodules: {out[-1].seconds:.1f} s", flush=True)
    return out


def _cost(scan: Scan, anatomy: Anatomy, known: int) -> Cost:
    before = peak_gib(reset=True)
    wall, cpu = time.perf_counter(), time.process_time()
    nodules = find_nodules(scan, anatomy)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = peak_gib() - before
    return Cost(known, len(nodules), wall, cpu, memory, _steps(scan, anatomy))


def _steps(scan: Scan, anatomy: Anatomy) -> dict[str, float]:
    """Share of the time in each step of ``find_nodules``, the longest first."""
    profile = cProfile.Profile()
    profile.enable()
    find_nodules(scan, anatomy)
    profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    whole = next(key for key in stats if key[2] == "find_nodules")
    total = max(stats[whole][3], 1e-9)
    inside = [whole, *(key for key in stats if key[2] in PARTS)]
    called = {
        key[2]: sum(entry[4][caller][3] for caller in inside if caller in entry[4]) / total
        for key, entry in stats.items()
        if key not in inside and any(caller in entry[4] for caller in inside)
    }
    ranked = sorted(called.items(), key=lambda item: -item[1])
    return {name: share for name, share in ranked if share >= 0.01 and np.isfinite(share)}
