"""The detector's own detection curve: how often a nodule is found by its size, on scans with known nodules.

What `evidence/occult.toml` says of the detector was measured here. ``CLEARLUNG_BENCH_SCANS=N`` takes no more
than N scans of each data set (the first N synthetic patients); implants in real scans need
``CLEARLUNG_DATA``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit

from benchmarks.nodule_cases import Case, data_folder, implant_cases, phantom_cases

SIZES_MM = (1.2, 1.6, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0, 5.0, 7.0, 10.0, 30.0)
RESAMPLED = 100
console = Console(width=150)


def run() -> None:
    """Print the tables."""
    print("Synthetic patients, slices of 0.8 mm")
    print_curve("Synthetic patients, slices of 0.8 mm", list(phantom_cases()))
    data = data_folder()
    if data is None:
        print("CLEARLUNG_DATA is not set: implants in real scans were left out.")
        return
    print("Implants in real scans of 2.5 mm slices")
    print_curve("Solid implants in real scans of 2.5 mm slices", list(implant_cases(data)))


def fit_curve(
    diameter_mm: np.ndarray, found: np.ndarray, weight: np.ndarray | None = None
) -> tuple[float, float, float]:
    """Fit the logistic curve in the logarithm of the diameter by maximum likelihood.

    Returns
    -------
    tuple
        Diameter of which one in two is found, scale in ln(diameter), and share of large ones that is found.
    """
    logs, each = np.log(diameter_mm), np.ones(len(found)) if weight is None else weight

    def loss(p: np.ndarray) -> float:
        chance = np.clip(expit(p[2]) * expit((logs - p[0]) / np.exp(p[1])), 1e-9, 1 - 1e-9)
        return float(-np.sum(each * np.where(found, np.log(chance), np.log1p(-chance))))

    start = [float(np.median(logs)) - 0.5, -2.0, 3.5]
    best = minimize(loss, start, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-6}).x
    return float(np.exp(best[0])), float(np.exp(best[1])), float(expit(best[2]))


def print_curve(title: str, cases: Sequence[Case]) -> None:
    """Print how many are found by size at the default operating point, and the fitted curve."""
    diameter = np.concatenate([c.diameter_mm[c.solid] for c in cases])
    found = np.concatenate([c.found[c.solid] >= c.operating_point for c in cases])
    scan = np.concatenate([np.full(int(c.solid.sum()), k) for k, c in enumerate(cases)])
    made = Table(title=title, title_justify="left")
    for place, name in enumerate(("mm", "nodules", "found")):
        made.add_column(name, justify="right" if place else "left")
    for low, high in pairwise(SIZES_MM):
        rows = (diameter >= low) & (diameter < high)
        if rows.any():
            made.add_row(f"{low:g} to {high:g}", str(int(rows.sum())), f"{100 * found[rows].mean():.0f} %")
    console.print(made)
    rng = np.random.default_rng(0)
    again = []
    for _ in range(RESAMPLED):
        times = np.bincount(rng.integers(len(cases), size=len(cases)), minlength=len(cases))
        again.append(fit_curve(diameter, found, times[scan].astype(float)))
    low, high = np.quantile(again, [0.05, 0.95], axis=0)
    names = ("one in two at, mm", "scale in ln(diameter)", "share of large ones")
    for name, value, least, most in zip(names, fit_curve(diameter, found), low, high, strict=True):
        print(f"{name}: {value:.3f} ({least:.3f} to {most:.3f}, 90 % by bootstrap over scans)")


if __name__ == "__main__":
    run()
