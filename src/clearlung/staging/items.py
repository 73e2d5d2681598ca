"""What is packed: one lung's specimens as whole numbers, and the specimens that no operation can take.

Minutes and milliliters are counted in thousandths, specimens rounded up and limits rounded down: sums are
exact, a plan never exceeds a limit, and bounds hold to a thousandth per specimen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Side
from clearlung.staging.plan import Unassigned
from clearlung.staging.problem import StagingProblem

Weights = NDArray[np.int64]

THOUSAND = 1000
LESIONS, MINUTES, ML, LOBES_FROM = 0, 1, 2, 3
"""The columns of the weights: three, and then one per lobe."""

# A sum that misses a limit by less than this is floating-point noise.
_NOISE = 1e-9


def thousandths_up(values: NDArray[np.float64]) -> Weights:
    """Round up to whole thousandths."""
    return np.ceil(np.asarray(values, dtype=np.float64) * THOUSAND - 1e-6).astype(np.int64)


def thousandths_down(value: float) -> int:
    """Round down to whole thousandths."""
    return int(np.floor(value * THOUSAND + 1e-6))


@dataclass(frozen=True, eq=False)
class Items:
    """The specimens of one lung that are to be removed.

    Parameters
    ----------
    side
        The lung.
    row
        Rows of the specimens in the problem.
    weight
        int64 of shape (specimens, 3 + lobes): lesions, thousandths of a minute, thousandths of a
        milliliter, and the lesions in each of the side's lobes.
    urgency
        float64: tumor that grows or lies in each specimen; the larger, the earlier its operation.
    """

    side: Side
    row: NDArray[np.int64]
    weight: Weights
    urgency: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    def subset(self, chosen: NDArray[np.bool_]) -> Items:
        """Return some of the specimens."""
        return Items(self.side, self.row[chosen], self.weight[chosen], self.urgency[chosen])

    @property
    def lesions(self) -> int:
        """Number of lesions in all specimens."""
        return int(self.weight[:, LESIONS].sum())

    @property
    def ml(self) -> float:
        """Volume of all specimens."""
        return float(self.weight[:, ML].sum()) / THOUSAND


@dataclass(frozen=True)
class Limits:
    """What one operation may hold, in the units of :class:`Items`.

    ``minutes`` is what the access leaves. A perfused operation has ``perfusion`` fewer, and one on a lung
    that has been operated on has ``reentry`` fewer: every operation but a lung's first, and on the lungs in
    ``operated`` the first as well. The last ``perfused`` operations on each lung are perfused.
    """

    lesions: int
    lobe: int
    minutes: int
    ml: int
    perfusion: int
    perfused: Mapping[Side, int]
    reentry: int
    operated: frozenset[Side]

    def minutes_left(self, side: Side, *, first: bool, perfused: bool) -> int:
        """Return what access, re-entry and perfusion leave of an operation, the first on its lung or not."""
        reentry = 0 if first and side not in self.operated else self.reentry
        return self.minutes - reentry - (self.perfusion if perfused else 0)

    def capacities(self, side: Side, operations: int, lobes: int) -> Weights:
        """Return the capacity of each operation in order, shape (operations, 3 + lobes)."""
        row = [self.lesions, self.minutes, self.ml, *[self.lobe] * lobes]
        table = np.tile(np.array(row, dtype=np.int64), (operations, 1))
        table[:, MINUTES] = [
            self.minutes_left(side, first=place == 0, perfused=place >= operations - self.perfused[side])
            for place in range(operations)
        ]
        return table


def limits_of(problem: StagingProblem) -> Limits:
    """Return what one operation may hold."""
    per = problem.protocol.per_operation
    return Limits(
        lesions=per.nodules_max,
        lobe=per.nodules_per_lobe_max,
        minutes=thousandths_down(per.minutes_max - problem.access_minutes),
        ml=thousandths_down(per.removed_ml_max),
        perfusion=int(thousandths_up(np.array(problem.perfusion_minutes))),
        perfused={side: problem.perfusions_on(side) for side in SIDES},
        reentry=int(thousandths_up(np.array(problem.reentry_minutes))),
        operated=problem.operated,
    )


def screen(problem: StagingProblem) -> tuple[dict[Side, Items], list[Unassigned]]:
    """Split the specimens into those that fit an operation, by side, and those that do not."""
    refused = [
        Unassigned(lesion=lesion, code="unresectable", reason=reason)
        for lesion, reason in problem.specimens.unresectable.items()
    ]
    held = {lesion for group in problem.specimens.lesions for lesion in group}
    for lesion in sorted(set(problem.lesions.id.tolist()) - held - set(problem.specimens.unresectable)):
        refused.append(
            Unassigned(lesion=lesion, code="no_specimen", reason="No specimen was planned for this lesion.")
        )
    fits = np.ones(len(problem.specimens), dtype=bool)
    for row, group in enumerate(problem.specimens.lesions):
        refusal = _refusal(problem, row)
        if refusal is not None:
            fits[row] = False
            refused += [Unassigned(lesion=i, code=refusal[0], reason=refusal[1]) for i in group]
    for side in SIDES:
        for row, (code, reason) in _without_time_in_sequence(problem, side, fits).items():
            fits[row] = False
            refused += [
                Unassigned(lesion=i, code=code, reason=reason) for i in problem.specimens.lesions[row]
            ]
    return {side: _items(problem, side, fits) for side in SIDES}, refused


def _without_time_in_sequence(
    problem: StagingProblem, side: Side, fits: NDArray[np.bool_]
) -> dict[int, tuple[str, str]]:
    """Return the specimens that fit an operation of their own, but none of any sequence on their lung.

    The last k operations on a lung are perfused, so one without perfusion needs k others after it, each with
    a specimen that leaves time for re-entry and perfusion. With fewer such specimens every operation is
    perfused. And what leaves no time for re-entry has to be in the first operation, the shortest first; what
    does not fit it together with the others is refused.
    """
    limits, perfused = limits_of(problem), problem.perfusions_on(side)
    rows = np.flatnonzero(fits & (problem.specimens.side == side))
    items = _items(problem, side, fits)
    minutes = items.weight[:, MINUTES]
    short = minutes <= limits.minutes_left(side, first=False, perfused=True)
    always = int(short.sum()) < perfused
    late = np.flatnonzero(minutes > limits.minutes_left(side, first=False, perfused=always))
    room = limits.capacities(side, 1, items.weight.shape[1] - LOBES_FROM)[0]
    room[MINUTES] = limits.minutes_left(side, first=True, perfused=always)
    found: dict[int, tuple[str, str]] = {}
    for item in late[np.argsort(minutes[late], kind="stable")]:
        if (items.weight[item] <= room).all():
            room -= items.weight[item]
        else:
            row = int(rows[item])
            alone = minutes[item] > limits.minutes_left(side, first=True, perfused=always)
            found[row] = _sequence_refusal(problem, row, side, always=always, alone=bool(alone))
    return found


def _sequence_refusal(
    problem: StagingProblem, row: int, side: Side, *, always: bool, alone: bool
) -> tuple[str, str]:
    """Say why a specimen is too long for every operation of its lung's sequence."""
    parts = [f"access {problem.access_minutes:g} min", f"specimen {problem.specimens.minutes[row]:.0f} min"]
    if side in problem.operated or not alone:
        parts.append(f"re-entry {problem.reentry_minutes:g} min")
    if always:
        parts.append(f"perfusion {problem.perfusion_minutes:g} min")
    sums = (
        f"{', '.join(parts[:-1])} and {parts[-1]} take more than the"
        f" {problem.protocol.per_operation.minutes_max:g} min of one operation."
    )
    if not alone:
        return "first_operation_limit", (
            f"Only the first operation on the {side} lung has time for it, and others that need that as well"
            f" fill it: {sums}"
        )
    return "perfusion_limit", (
        f"Its operation must be one of the last {problem.perfusions_on(side)} on the {side} lung, which are"
        f" perfused: {sums}"
    )


def _refusal(problem: StagingProblem, row: int) -> tuple[str, str] | None:
    """Return why a specimen cannot be taken even in an operation of its own."""
    per = problem.protocol.per_operation
    count = len(problem.specimens.lesions[row])
    volume_ml, minutes = float(problem.specimens.volume_ml[row]), float(problem.specimens.minutes[row])
    technique = str(problem.specimens.technique[row])
    again = str(problem.specimens.side[row]) in problem.operated
    before = problem.access_minutes + (problem.reentry_minutes if again else 0.0)
    if volume_ml > per.removed_ml_max + _NOISE:
        return "tissue_limit", (
            f"Its specimen ({technique}) takes {volume_ml:.1f} ml, more than the {per.removed_ml_max:g} ml"
            " of one operation."
        )
    if before + minutes > per.minutes_max + _NOISE:
        return "minutes_limit", (
            f"Its specimen ({technique}) takes {minutes:.0f} min and the access{' with re-entry' * again}"
            f" {before:g} min, more than the {per.minutes_max:g} min of one operation."
        )
    for code, limit in (("nodules_limit", per.nodules_max), ("lobe_limit", per.nodules_per_lobe_max)):
        if count > limit:
            where = "lobe and operation" if code == "lobe_limit" else "operation"
            return (
                code,
                f"Its specimen ({technique}) holds {count} metastases, more than the {limit} per {where}.",
            )
    return None


def _items(problem: StagingProblem, side: Side, fits: NDArray[np.bool_]) -> Items:
    rows = np.flatnonzero(fits & (problem.specimens.side == side))
    counts = problem.specimens.counts[rows]
    lobes = [lobe for lobe in LOBES if LOBE_SIDES[lobe] == side]
    columns = [
        counts,
        thousandths_up(problem.specimens.minutes[rows]),
        thousandths_up(problem.specimens.volume_ml[rows]),
        *[np.where(problem.specimens.lobe[rows] == lobe, counts, 0) for lobe in lobes],
    ]
    weight = np.stack(columns, axis=1).astype(np.int64) if len(rows) else np.zeros((0, 3 + len(lobes)), int)
    return Items(side, rows, weight, _urgency(problem)[rows])


def _urgency(problem: StagingProblem) -> NDArray[np.float64]:
    """Tumor in each specimen, or, where doubling times are known, how much of it is added a day.

    A lesion of unknown doubling time counts with the median of the known ones.
    """
    volume = np.pi / 6 * problem.lesions.diameter_mm**3
    vdt = problem.lesions.vdt_days
    known = np.isfinite(vdt) & (vdt != 0)
    if known.any():
        rate = np.log(2) / np.where(known, vdt, np.median(vdt[known]))
        volume = volume * rate
    of = dict(zip(problem.lesions.id.tolist(), volume.tolist(), strict=True))
    return np.array([sum(of[i] for i in group) for group in problem.specimens.lesions], dtype=np.float64)
