"""Random staging problems under every rule of a protocol, from a seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearlung.staging import Protocol, StagingProblem
from clearlung.staging.assignment import Assignment
from tests.staging.problems import function, problem, protocol

LOBES = ("RUL", "RML", "RLL", "LUL", "LLL")
RULES = ("reentry", "perfused", "lobe tissue", "wishes", "both sides", "totals", "scans", "weeks", "blocked")
"""What a random problem may have besides the limits that every protocol has."""


def ample():
    """Lung function that bears everything."""
    return function(early_access=0.0, perfusion_permanent=0.0)


def with_parts(limits: Protocol, **parts) -> Protocol:
    """A protocol with some limits changed by part: ``weeks={"total_max": 9}, ...``."""
    changed = {name: getattr(limits, name).model_copy(update=values) for name, values in parts.items()}
    return limits.model_copy(update=changed)


def random_problem(seed: int, rules, specimens=(4, 24)) -> StagingProblem:
    """A problem in which the limits of an operation bind, and function does not.

    Milliliters are halves and minutes whole, so that every sum is exact.

    Parameters
    ----------
    seed
        Of everything.
    rules
        Which of :data:`RULES` it has.
    specimens
        Fewest and most.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(specimens[0], specimens[1] + 1))
    large = rng.random() < 0.5
    rows = []
    for _ in range(count):
        ml = float(rng.integers(20, 60)) / 2 if large else float(rng.integers(2, 24)) / 2
        lesions = int(rng.choice([1, 1, 1, 2, 3]))
        rows.append((str(rng.choice(LOBES)), ml, int(rng.integers(5, 50)), lesions))
    operations = int(rng.integers(1, 4))
    each = {lung: [r for r in rows if r[0].startswith(lung)] for lung in "RL"}
    fullest = max(each.values(), key=len)

    def room(values, least):
        return max(least, int(np.ceil(sum(values) / operations * rng.uniform(1.0, 1.35))))

    base = protocol("high-volume" if "perfused" in rules else "conservative")
    access = base.book().value("time.access", unit="min")
    limits = with_parts(
        base,
        per_operation={
            "nodules_max": room([r[3] for r in fullest], 3),
            "nodules_per_lobe_max": max(3, int(sum(r[3] for r in fullest) * rng.uniform(0.3, 1.0))),
            "minutes_max": access + room([r[2] for r in fullest], 50) + float(rng.choice([0, 60, 200])),
            "removed_ml_max": room([r[1] for r in fullest], 30),
        },
        weeks={
            "other_side_min": int(rng.integers(0, 5)),
            "same_side_min": int(rng.integers(1, 9)),
            "after_perfusion_min": int(rng.integers(1, 10)),
        },
        function={"fev1_after_percent_min": 0.0, "ppo_fev1_percent_min": 0.0},
        perfusion={"per_lung_max": int(rng.integers(1, 3))},
    )
    if "perfused" in rules and rng.random() < 0.5:
        limits = with_parts(limits, perfusion={"weeks_between_min": int(rng.integers(1, 15))})
    if "lobe tissue" in rules:
        limits = with_parts(limits, per_operation={"removed_ml_per_lobe_max": float(rng.integers(30, 60))})
    if "both sides" in rules:
        limits = with_parts(limits, per_operation={"sides_max": 2})
    if "totals" in rules:
        part = sum(r[1] for r in rows) * rng.uniform(0.2, 0.6)
        name = str(rng.choice(["removed_ml_per_lung_max", "removed_ml_per_lobe_max"]))
        limits = with_parts(limits, total={name: float(max(1, round(part)))})
    if "scans" in rules:
        times = {
            "weeks_after_operation_min": int(rng.integers(0, 6)),
            "weeks_before_operation_min": int(rng.integers(0, 3)),
        }
        limits = with_parts(limits, scans=times)
    if "weeks" in rules:
        limits = with_parts(limits, weeks={"total_max": int(rng.integers(0, 20))})
    if "blocked" in rules:
        first = int(rng.integers(1, 9))
        limits = with_parts(limits, weeks={"blocked": ((first, first + int(rng.integers(0, 6))),)})
    again = "reentry" in rules
    made = problem(
        rows,
        limits,
        model=ample(),
        perfused="perfused" in rules,
        reentry=float(rng.choice([10.0, 30.0, 90.0])) if again else 0.0,
        operated=[(), (), ("right",), ("left",), ("right", "left")][int(rng.integers(5))] if again else (),
    )
    return replace(made, assignments=wishes(rng, made)) if "wishes" in rules else made


def wishes(rng: np.random.Generator, made: StagingProblem) -> tuple[Assignment, ...]:
    """Up to three wishes of the surgeon, each for a few specimens' lesions."""
    found = []
    for _ in range(int(rng.integers(1, 4))):
        size = min(int(rng.integers(1, 4)), len(made.specimens))
        rows = rng.choice(len(made.specimens), size=size, replace=False)
        lesions = tuple(sorted(i for row in rows.tolist() for i in made.specimens.lesions[row]))
        single = tuple(sorted(made.specimens.lesions[row][0] for row in rows.tolist()))
        kind = str(rng.choice(["only", "never", "apart", "leave"]))
        if kind == "only":
            found.append(Assignment(lesions=lesions, only_in=(int(rng.integers(1, 3)),)))
        elif kind == "never":
            found.append(Assignment(lesions=lesions, never_in=(int(rng.integers(1, 3)),)))
        elif kind == "apart" and len(single) > 1:
            found.append(Assignment(lesions=single, apart=True))
        elif kind == "leave":
            found.append(Assignment(lesions=lesions, leave=True))
    return tuple(found)
