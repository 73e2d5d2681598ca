"""Every nodule found and measured: FROC, segmentation and cost on phantoms, implants and real scans.

``CLEARLUNG_BENCH_SCANS=N`` takes no more than N scans of each data set. The real scans and the implants need
``CLEARLUNG_DATA``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.froc import NOT_FOUND, RATES, froc, global_threshold
from benchmarks.nodule_cases import LIDC, Case, data_folder, implant_cases, phantom_cases, real_cases
from benchmarks.nodule_cost import costs, warm

Rows = Callable[[Case], np.ndarray]

SIZES_MM = ((0, 3), (3, 4), (4, 5), (5, 7), (7, 10), (10, 100))
LEAST_SOLID_MM = 4.0
LEAST_REAL_MM = 5.0
VOLUME_TOLERANCE = 0.10
TARGETS = {"solid >= 4 mm": 0.95, "solid 3 mm": 0.90}
TARGET_DICE = 0.80
TARGET_SECONDS = 25.0
TARGET_FALSE = 4

PUBLISHED = (
    ("LUNA16 score, deep systems", "0.93 to 0.96"),
    ("LUNA16 score, classical chains", "about 0.6 to 0.7"),
    ("Dice, best classical segmentation", "0.70"),
    ("of what surgeons removed, a radiologist had found", "67.5 %"),
)

console = Console(width=150)


def run() -> None:
    """Print all tables."""
    warm()
    print("Phantoms of 170 nodules")
    phantoms = list(phantom_cases())
    print_data_set("Phantoms of 170 nodules", phantoms)
    data = data_folder()
    if data is None:
        print("CLEARLUNG_DATA is not set: implants and real scans were left out.")
    else:
        print("Implants in real scans that nothing was trained on")
        print_data_set("Implants, 50 per scan, in LIDC-IDRI-0001 and -0003", list(implant_cases(data)))
        print("Real scans")
        print_real(list(real_cases(data)))
    print_published()
    print_costs()


def table(title: str, *columns: str) -> Table:
    """Return a table whose first column is text and whose others are numbers."""
    made = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(column, justify="right" if place else "left", no_wrap=not place)
    return made


def strata(cases: Sequence[Case]) -> dict[str, Rows]:
    """Return the strata that a data set has, by name: which of a case's nodules belong to it."""
    chosen: dict[str, Rows] = {
        "all": lambda c: np.ones(len(c.diameter_mm), dtype=bool),
        "solid >= 4 mm": lambda c: c.solid & (c.diameter_mm >= LEAST_SOLID_MM),
        "solid 3 mm": lambda c: c.solid & (c.diameter_mm >= 3) & (c.diameter_mm < 4),
    }
    for low, high in SIZES_MM:
        name = f"{low} to {high} mm" if low and high < 100 else f"< {high} mm" if not low else f">= {low} mm"
        chosen[name] = lambda c, a=low, b=high: (c.diameter_mm >= a) & (c.diameter_mm < b)  # type: ignore[misc]
    for place in ("free", "pleura", "vessel", "fissure", "diaphragm"):
        chosen[f"{place}, solid >= 4 mm"] = lambda c, p=place: (  # type: ignore[misc]
            (c.place == p) & c.solid & (c.diameter_mm >= LEAST_SOLID_MM)
        )
    for kind in ("solid", "calcified", "cavitated", "part-solid"):
        chosen[f"{kind}, >= 4 mm"] = lambda c, k=kind: (c.kind == k) & (c.diameter_mm >= LEAST_SOLID_MM)  # type: ignore[misc]
    return {name: rows for name, rows in chosen.items() if sum(rows(c).sum() for c in cases)}


def print_data_set(title: str, cases: Sequence[Case]) -> None:
    """Print FROC by stratum, what is false, and the segmentation of one data set."""
    if not cases:
        return
    curve = table(
        f"{title}: sensitivity at false findings per scan ({len(cases)} scans, 95 % by bootstrap over scans)",
        "nodules",
        "n",
        *(f"1/{round(1 / r)}" if r < 1 else f"{r:g}" for r in RATES),
        "LUNA16 score",
        "target at 1",
    )
    for name, rows in strata(cases).items():
        found = froc([case.of(rows(case)) for case in cases])
        whole = [_with_interval(*v) for v in zip(found.sensitivity, found.low, found.high, strict=True)]
        count = sum(int(rows(c).sum()) for c in cases)
        score = _with_interval(found.score, found.score_low, found.score_high)
        target = f"{TARGETS[name]:.2f}" if name in TARGETS else ""
        curve.add_row(name, str(count), *whole, score, target)
    console.print(curve)
    threshold = global_threshold([c.of(c.solid) for c in cases], 1.0)
    small = np.mean([(c.small >= threshold).sum() for c in cases])
    non = np.mean([(c.non_nodules >= threshold).sum() for c in cases])
    point = cases[0].operating_point
    false = np.mean([(c.false >= point).sum() for c in cases])
    print(
        f"1 false finding per scan is a probability of {threshold:.3f}. There, {small:.1f} findings per scan"
        f" lie on radiologists' marks of nodules below 3 mm (counted apart), and {non:.1f} of the false ones"
        f" on their marks of non-nodules. The default operating point, {point:.2f}, leaves {false:.1f} false"
        " ones per scan."
    )
    print_segmentation(title, cases)


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f}" if np.isnan(low) else f"{value:.3f}\n{low:.2f}-{high:.2f}"


def print_segmentation(title: str, cases: Sequence[Case]) -> None:
    """Print Dice and volume error by size, of the nodules that are found at the operating point."""
    made = table(
        f"{title}: segmentation of the found (Dice target {TARGET_DICE:.2f}; volume within 10 % from 5 mm)",
        "nodules",
        "n",
        "Dice mean",
        "SD",
        "10th percentile",
        "volume error mean",
        "SD",
        "within 10 %",
    )
    for name, rows in strata(cases).items():
        if name.startswith(("free", "pleura", "vessel", "fissure", "diaphragm")):
            continue
        of = [rows(c) & (c.found >= c.operating_point) for c in cases]
        dice = np.concatenate([c.dice[r] for c, r in zip(cases, of, strict=True)])
        error = np.concatenate([c.volume_error[r] for c, r in zip(cases, of, strict=True)])
        dice, error = dice[np.isfinite(dice)], error[np.isfinite(error)]
        if not dice.size:
            continue
        made.add_row(
            name,
            str(dice.size),
            f"{dice.mean():.3f}",
            f"{dice.std():.3f}",
            f"{np.quantile(dice, 0.1):.3f}",
            f"{100 * error.mean():+.1f} %",
            f"{100 * error.std():.1f} %",
            f"{100 * np.mean(np.abs(error) <= VOLUME_TOLERANCE):.0f} %",
        )
    console.print(made)


def print_real(cases: Sequence[Case]) -> None:
    """Print what it takes to find the real nodules, and how well their outlines are met."""
    reach = table(
        f"Real scans: all solid nodules of {LEAST_REAL_MM:g} mm or more (target: at {TARGET_FALSE} false)",
        "scan",
        "independent",
        "known",
        "found",
        "all found at false",
        "found by default",
        "false by default",
        "of these on non-nodules",
        "on small nodules, apart",
    )
    for case in cases:
        asked = case.solid & (case.diameter_mm >= LEAST_REAL_MM)
        least = case.found[asked].min(initial=1.0)
        complete = str(int((case.false >= least).sum())) if least > NOT_FOUND else "never"
        point = case.operating_point
        reach.add_row(
            case.name,
            "yes" if case.name in LIDC else "no, trained on",
            str(int(asked.sum())),
            str(int((case.found[asked] > NOT_FOUND).sum())),
            complete,
            str(int((case.found[asked] >= point).sum())),
            str(int((case.false >= point).sum())),
            str(int((case.non_nodules >= point).sum())),
            str(int((case.small >= point).sum())),
        )
    console.print(reach)
    outlines = table(
        "Real outlines",
        "scan",
        "mm",
        "kind",
        "probability",
        "Dice",
        "outlines with each other",
        "outlines with their majority",
        "volume error",
    )
    for case in cases:
        for row, diameter in enumerate(case.diameter_mm):
            seen = case.found[row] > NOT_FOUND
            outlines.add_row(
                case.name if not row else "",
                f"{diameter:.1f}",
                str(case.kind[row]),
                f"{case.found[row]:.2f}" if seen else "missed",
                f"{case.dice[row]:.3f}" if np.isfinite(case.dice[row]) else "",
                *(f"{a:.3f}" if np.isfinite(a) else "not given" for a in case.agreement),
                f"{100 * case.volume_error[row]:+.0f} %" if np.isfinite(case.volume_error[row]) else "",
            )
    console.print(outlines)
    print(
        "The QIN outlines' agreement is that of all pairs of nine, from the votes; some pairs are runs"
        " of one algorithm. Of LIDC only the consensus of half the readers or more is at hand, which tells no"
        " agreement."
    )


def print_published() -> None:
    """Print the published figures."""
    made = table("Published, on other scans", "what", "figure")
    for row in PUBLISHED:
        made.add_row(*row)
    console.print(made)


def print_costs() -> None:
    """Print what nodules cost beyond the anatomy."""
    print("Cost on phantoms of 512x512x400")
    made = table(
        f"Nodules beyond the anatomy, kernels compiled (target {TARGET_SECONDS:.0f} s for 170 on two cores)",
        "nodules",
        "found",
        "s",
        "CPU s",
        "extra GiB",
        "longest steps",
    )
    all_costs = costs()
    for cost in all_costs:
        steps = ", ".join(f"{name} {100 * share:.0f} %" for name, share in list(cost.steps.items())[:5])
        made.add_row(
            str(cost.known),
            str(cost.found),
            f"{cost.seconds:.1f}",
            f"{cost.cpu_seconds:.1f}",
            f"{cost.gib:.2f}",
            steps,
        )
    console.print(made)
    few, many = (next(c.seconds for c in all_costs if c.known == n) for n in (10, 1000))
    print(f"1,000 nodules take {many / few:.1f} times as long as 10.")


if __name__ == "__main__":
    run()
