"""The occult burden against simulated patients with known truth, published ratios, and the clock.

``CLEARLUNG_BENCH_PATIENTS=N`` simulates N patients instead of 200, ``CLEARLUNG_BENCH_FIRST=SEED`` others than
those from seed 0 on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.occult_patients import GENERATORS, Check, check, coverage
from benchmarks.occult_published import SLICES_MM, Predicted, predict
from clearlung.anatomy import LOBES
from clearlung.evidence import load_evidence
from clearlung.perfusion.occult import Findings, Seen, detection_curve, occult_burden

PATIENTS = 200
NODULES = (10, 170, 1000)
console = Console(width=150)


def run() -> None:
    """Print all tables."""
    count = int(os.environ.get("CLEARLUNG_BENCH_PATIENTS", PATIENTS))
    first = int(os.environ.get("CLEARLUNG_BENCH_FIRST", "0"))
    print_coverage([check(seed) for seed in range(first, first + count)])
    print_published()
    print_time()


def print_coverage(checks: Sequence[Check]) -> None:
    """Print how often intervals hold the truth, by generator."""
    made = Table(title="Intervals that hold the true number of unseen metastases", title_justify="left")
    for place, name in enumerate(
        (
            "patients",
            "n",
            "seen, median",
            "unseen, median",
            "90 % total",
            "50 % total",
            "90 % lobes",
            "50 % lobes",
            "90 % total after the hand",
            "90 % lobes after",
            "low to high, total",
            "(high + 1) / (low + 1)",
        )
    ):
        made.add_column(name, justify="right" if place else "left")
    for name in ("all", *GENERATORS):
        of = [c for c in checks if name in ("all", c.generator)]
        if not of:
            continue
        total, lobes = np.array([c.total for c in of]), np.array([c.lobes for c in of])
        after, after_lobes = np.array([c.after_total for c in of]), np.array([c.after_lobes for c in of])
        values = [coverage(s, n) for s in (total, lobes) for n in (0.9, 0.5)]
        values += [coverage(after, 0.9), coverage(after_lobes, 0.9)]
        values.append(float(np.mean([c.within[0] for c in of])))
        made.add_row(
            name,
            str(len(of)),
            f"{np.median([c.seen for c in of]):.0f}",
            f"{np.median([c.occult for c in of]):.0f}",
            *(f"{100 * v:.1f} %" for v in values),
            f"{np.median([(c.high + 1) / (c.low + 1) for c in of]):.0f}",
        )
    console.print(made)
    each = [100 * coverage(np.array([c.lobes[k] for c in checks]), 0.9) for k in range(len(LOBES))]
    effective = np.quantile([c.effective for c in checks], [0, 0.5])
    after_effective = np.quantile([c.effective_after for c in checks], [0, 0.1, 0.5])
    print(
        "Ties of whole numbers are broken at random, except in 'low to high', which counts both ends in. Each"
        f" lobe, 90 %: {', '.join(f'{name} {v:.1f}' for name, v in zip(LOBES, each, strict=True))}."
        f" Effective draws: least {effective[0]:.0f}, median {effective[1]:.0f}; after the hand least"
        f" {after_effective[0]:.0f}, a tenth below {after_effective[1]:.0f}, median {after_effective[2]:.0f}."
    )


def print_published() -> None:
    """Print what is predicted of thoracotomies beside what was published."""
    book = load_evidence()
    made = Table(title="Thoracotomies as assumed, before any size is looked at", title_justify="left")
    for place, name in enumerate(
        (
            "CT",
            "find more than CT",
            "found / CT, pooled",
            "by patient, 5 to 95 %",
            "CT shows of what is felt",
            "of all from 0.5 mm",
        )
    ):
        made.add_column(name, justify="right" if place else "left")
    cases = [("reader", s) for s in SLICES_MM] + [("floor", 1.0)]
    predicted = [predict(name, slice_mm, book) for name, slice_mm in cases]
    for (name, slice_mm), one in zip(cases, predicted, strict=True):
        made.add_row(f"{name}, {slice_mm:g} mm", *_cells(one))
    value = {key: book[f"detection.{key}"].value for key in _PUBLISHED}
    made.add_row(
        "published",
        f"{value['heaton.more']} %, {value['gao.more']} % (viable ones {value['heaton.more_viable']} %)",
        f"{value['rizzoli.ratio']} to {value['gao.ratio']}",
        "",
        f"{value['kang.osteosarcoma_sensitivity']} %; 5 mm {value['slices.five_mm']} %,"
        f" 3 mm {value['slices.three_mm']} %",
        f"5 mm {value['autopsy.five_mm']} %",
    )
    console.print(made)
    mixed = np.mean([one.more for one in predicted[: len(SLICES_MM)]])
    print(f"Of 1, 3 and 5 mm alike, {100 * mixed:.1f} % of thoracotomies find more. Only metastases count.")


_PUBLISHED = (
    "heaton.more",
    "gao.more",
    "heaton.more_viable",
    "rizzoli.ratio",
    "gao.ratio",
    "kang.osteosarcoma_sensitivity",
    "slices.five_mm",
    "slices.three_mm",
    "autopsy.five_mm",
)


def _cells(one: Predicted) -> list[str]:
    def percent(values: np.ndarray) -> str:
        low, median, high = (100 * values).tolist()
        return f"{median:.0f} % ({low:.0f} to {high:.0f})"

    low, median, high = one.patients_ratio.tolist()
    return [
        f"{100 * one.more:.1f} %",
        f"{one.ratio:.2f}",
        f"{median:.2f} ({low:.2f} to {high:.2f})",
        percent(one.sensitivity),
        percent(one.autopsy),
    ]


def print_time() -> None:
    """Print how long an estimate and an update take."""
    book = load_evidence()
    curve = detection_curve("reader", book)
    made = Table(title="Time, 2,000 draws", title_justify="left")
    for place, name in enumerate(("nodules", "estimate, ms", "after an operation, ms", "effective draws")):
        made.add_column(name, justify="right" if place else "left")
    for count in NODULES:
        rng = np.random.default_rng(count)
        diameters = 4.5 * np.exp(0.6 * rng.standard_normal(3 * count))
        diameters = diameters[rng.random(3 * count) < curve.chance(diameters)][:count]
        seen = Seen.listed(diameters, [LOBES[k % len(LOBES)] for k in range(count)])
        estimates, updates = [], []
        for seed in range(4):
            began = time.perf_counter()
            burden = occult_burden(seen, curve, book, seed=seed)
            middle = time.perf_counter()
            burden.after(Findings(day=14, found=dict.fromkeys(("RUL", "RML", "RLL"), count // 50)))
            estimates.append(1000 * (middle - began))
            updates.append(1000 * (time.perf_counter() - middle))
        made.add_row(
            str(count),
            f"{np.median(estimates):.0f}",
            f"{np.median(updates):.0f}",
            f"{burden.effective_draws:.0f}",
        )
    console.print(made)


if __name__ == "__main__":
    run()
