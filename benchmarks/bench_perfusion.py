"""How long a simulated perfusion takes and where the time goes; and a cohort of 10,000 with its memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.nodule_cost import peak_gib
from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    REGIMENS,
    Course,
    Regimen,
    explained_by_dose,
    make_regimen,
    perfuse,
    phase1_doses,
    reference_lungs,
    simulate_cohort,
)
from clearlung.perfusion.circuit import Setup, set_up
from clearlung.perfusion.compartments import run as flow
from clearlung.perfusion.course import DIAMETERS_MM
from clearlung.perfusion.simulation import EVERY_MIN, after_reconnection, simulate

TARGET_MS = 50.0
TARGET_COHORT_SECONDS = 60.0
COHORT = 10_000
_REPEATS = 21
_SURFACE_M2 = 1.9


def median_ms(what: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the median milliseconds of some runs, by default of this process's computing, after a first."""
    what()
    times = []
    for _ in range(_REPEATS):
        start = clock()
        what()
        times.append(1000 * (clock() - start))
    return float(np.median(times))


def phases_ms(setup: Setup) -> tuple[float, float, float]:
    """Return the milliseconds of perfusion, of washout, and of reconnection with the hours after it."""
    found = simulate(setup)
    starts = found.amounts_mg[[0, found.perfused, found.washed]]

    return (
        median_ms(lambda: flow(starts[0], setup.perfusing(), setup.perfusion_minutes, EVERY_MIN)),
        median_ms(lambda: flow(starts[1], setup.washing_out(), setup.washout_minutes, EVERY_MIN)),
        median_ms(lambda: after_reconnection(starts[2], setup)),
    )


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
    columns = (
        "regimen",
        "wall",
        "computing",
        "set up",
        "perfusion",
        "washout",
        "after",
        "the rest",
        "balance",
    )
    table = Table(
        *columns, "target", title="One perfusion: median ms of wall clock, and of computing by part"
    )
    for name in REGIMENS:
        regimen = make_regimen(name, book, body_surface_m2=_SURFACE_M2)

        def whole(regimen: Regimen = regimen) -> Course:
            return perfuse(regimen, lungs, book)

        def setting_up(regimen: Regimen = regimen) -> Setup:
            return set_up(regimen, lungs, book, DIAMETERS_MM)

        wall, computing = median_ms(whole, time.perf_counter), median_ms(whole)
        parts = (median_ms(setting_up), *phases_ms(setting_up()))
        met = "met" if wall <= TARGET_MS else "MISSED"
        cells = (f"{value:.1f}" for value in (wall, computing, *parts, computing - sum(parts)))
        table.add_row(name, *cells, f"{whole().mass_balance_error:.0e}", f"{TARGET_MS:g} ms {met}")
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
