"""The main job, from file to written plan: time, memory, and each phase's share."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

CLEARLUNG = (sys.executable, "-m", "clearlung.cli")

TARGET_SECONDS = 90.0
TARGET_GIB = 6.0

REAL_SCANS = {
    "LIDC-IDRI-0001": "ct.nii.gz",
    "LIDC-IDRI-0003": "dicom",
    "QIN-LSC-0014": "ct.nii.gz",
    "QIN-LSC-0028": "ct.nii.gz",
    "QIN-LSC-0088": "ct.nii.gz",
}


def run() -> None:
    """Plan the full-size phantom and, where they are, the real scans, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        # In a process of its own: a child's peak memory counts from what its parent holds when it is forked.
        scan = work / "scan.nii.gz"
        subprocess.run([*CLEARLUNG, "phantom", "-o", str(scan), "--json"], capture_output=True, check=True)
        scans = {"phantom 512x512x400": scan}
        data = os.environ.get("CLEARLUNG_DATA")
        if data:
            scans |= {name: Path(data) / name / file for name, file in REAL_SCANS.items()}
        rows = [_plan(name, path, work / f"out-{place}") for place, (name, path) in enumerate(scans.items())]
    _print(rows)
    first = rows[0]
    print(
        f"Phantom, file to written plan: {first['wall']:.1f} s (target {TARGET_SECONDS:g} s),"
        f" {first['gib']:.2f} GiB at its peak (target {TARGET_GIB:g} GiB)."
    )


def _plan(name: str, scan: Path, out: Path) -> dict:
    command = [*CLEARLUNG, "plan", str(scan), "-o", str(out), "--json"]
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    summary = json.loads(done.stdout)
    manifest = json.loads((out / "manifest.json").read_text())
    return {
        "name": name,
        "wall": wall,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "gib": max(phase["peak_mb"] for phase in manifest["phases"]) / 1024,
        "phases": {phase["phase"]: phase["seconds"] for phase in manifest["phases"]},
        "nodules": summary["nodules"],
        "operations": summary["operations"],
        "status": summary["status"],
    }


def _print(rows: list[dict]) -> None:
    phases = list(rows[0]["phases"])
    table = Table(title="From file to written plan", title_justify="left")
    for column in (
        "scan",
        "wall s",
        "CPU s",
        "peak GiB",
        *(f"{p} s (share)" for p in phases),
        "nodules",
        "ops",
        "proof",
    ):
        table.add_column(column, justify="left" if column in {"scan", "proof"} else "right")
    for row in rows:
        shares = (f"{row['phases'][p]:.1f} ({100 * row['phases'][p] / row['wall']:.0f} %)" for p in phases)
        table.add_row(
            row["name"],
            f"{row['wall']:.1f}",
            f"{row['cpu']:.1f}",
            f"{row['gib']:.2f}",
            *shares,
            str(row["nodules"]),
            str(row["operations"]),
            row["status"],
        )
    Console(width=160).print(table)
