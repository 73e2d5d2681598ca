"""How long a simulated perfusion takes and where the time goes; and a cohort of 10,000 with its memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nodule_cost import peak_gib
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    REGIMENS,
    explained_by_dose,
    make_regimen,
    perfuse,
    phase1_doses,
    reference_lungs,
    simulate_cohort,
)
from clearlung.perfusion.circuit import Setup, set_up
from clearlung.perfusion.course import DIAMETERS_MM
from clearlung.perfusion.simulation import simulate

TARGET_MS = 50.0
TARGET_COHORT_SECONDS = 60.0
COHORT = 10_000
_REPEATS = 21
_SURFACE_M2 = 1.9


def median_ms(what: Callable[[], object]) -> float:
    """Return the median milliseconds of some runs, after one that is not counted."""
    what()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        what()
        times.append(1000 * (time.perf_counter() - start))
    return float(np.median(times))


def phases_ms(setup: Setup) -> tuple[float, float, float]:
    """Return the milliseconds of perfusion, of washout, and of reconnection with the hours after it.

    By leaving off one after the other; the shortest follow-up is two minutes, which count as its own.
    """
    whole = median_ms(lambda: simulate(setup))
    washed = median_ms(lambda: simulate(replace(setup, follow_up_minutes=0)))
    reconnection = median_ms(lambda: simulate(replace(setup, follow_up_minutes=0, washout_minutes=0)))
    bare = replace(setup, follow_up_minutes=0, washout_minutes=0, perfusion_minutes=0.25)
    start = median_ms(lambda: simulate(bare))
    return reconnection - start, washed - reconnection, whole - washed + start


def run() -> None:
    """Print the tables."""
    book = load_evidence()
    lungs = reference_lungs(book)
    console = Console(width=120)
    start = time.perf_counter()
    first = make_regimen("antwerp-melphalan-45", book)
    perfuse(first, lungs, book)
    seconds = time.perf_counter() - start
    console.print(f"First simulation of this process, with the kernel read or compiled: {seconds:.1f} s")
    columns = ("regimen", "ms", "set up", "perfusion", "washout", "after", "the rest", "balance", "target")
    table = Table(*columns, title="One perfusion: median ms and its parts")
    for name in REGIMENS:
        regimen = make_regimen(name, book, body_surface_m2=_SURFACE_M2)
        setup = set_up(regimen, lungs, book, DIAMETERS_MM)
        whole = median_ms(lambda regimen=regimen: perfuse(regimen, lungs, book))  # type: ignore[misc]
        setting_up = median_ms(lambda regimen=regimen: set_up(regimen, lungs, book, DIAMETERS_MM))  # type: ignore[misc]
        parts = phases_ms(setup)
        rest = whole - setting_up - sum(parts)
        error = perfuse(regimen, lungs, book).mass_balance_error
        met = "met" if whole <= TARGET_MS else "MISSED"
        cells = (f"{value:.1f}" for value in (whole, setting_up, *parts, rest))
        table.add_row(name, *cells, f"{error:.0e}", f"{TARGET_MS:g} ms {met}")
    console.print(table)

    before = peak_gib()
    start = time.perf_counter()
    cohort = simulate_cohort(COHORT, phase1_doses(book), first, lungs, book)
    seconds = time.perf_counter() - start
    met = "met" if seconds <= TARGET_COHORT_SECONDS else "MISSED"
    console.print(
        f"{COHORT:,} patients on {os.cpu_count()} cores: {seconds:.1f} s (target {TARGET_COHORT_SECONDS:g} s "
        f"{met}), {peak_gib() - before:.2f} GiB more than before, balance {cohort.mass_balance_error:.0e}"
    )
    size = round(book.value("kinetics.phase1.perfusions", unit="perfusion"))
    many = COHORT // size * size
    tumor, doses = (
        values[:many].reshape(-1, size) for values in (cohort.tumor_biopsies_mg_per_l[:, 0], cohort.doses_mg)
    )
    hidden = np.mean([explained_by_dose(d, t).p > 0.05 for d, t in zip(doses, tumor, strict=True)])
    table = Table("the dose explains", "in the cohort", "published", title="Spreads are set to the published")
    for words, levels, key in (
        ("perfusate, measured area", cohort.measured_auc_mg_min_per_l, "perfusate_r2"),
        ("lung, one biopsy", cohort.lung_biopsies_mg_per_l[:, 0], "lung_r2"),
    ):
        r2 = explained_by_dose(cohort.doses_mg, levels).r2
        published = book.value(f"pharmacology.human.{key}", unit="1")
        table.add_row(words, f"R2 {r2:.3f}", f"R2 {published:.3f}")
    table.add_row(
        f"tumor, {size} perfusions", f"p > 0.05 in {hidden:.0%} of {len(doses)} trials", "no relation"
    )
    console.print(table)


if __name__ == "__main__":
    run()
