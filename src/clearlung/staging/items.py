"""What is packed: one lung's specimens as whole numbers, and the specimens that no operation can take.

Minutes and milliliters are counted in thousandths, specimens rounded up and limits rounded down: sums are
exact, a plan never exceeds a limit, and bounds hold to a thousandth per specimen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Side
from clearlung.staging.plan import Unassigned
from clearlung.staging.problem import StagingProblem

Weights = NDArray[np.int64]

THOUSAND = 1000
LESIONS, MINUTES, ML = 0, 1, 2
"""The first columns of the weights; a column per lobe follows."""

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

    ``minutes`` is what the access leaves; a perfused operation has ``perfusion`` fewer. The last
    ``perfused`` operations on the lung are perfused.
    """

    lesions: int
    lobe: int
    minutes: int
    ml: int
    perfusion: int
    perfused: int

    def capacities(self, operations: int, lobes: int, ml: int | None = None) -> Weights:
        """Return the capacity of each operation, shape (operations, 3 + lobes); perfused ones last."""
        row = [self.lesions, self.minutes, self.ml if ml is None else min(ml, self.ml), *[self.lobe] * lobes]
        table = np.tile(np.array(row, dtype=np.int64), (operations, 1))
        perfused = min(self.perfused, operations)
        if perfused:
            table[-perfused:, MINUTES] -= self.perfusion
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
        perfused=problem.perfusions_per_lung,
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
    for row, reason in _without_time_for_perfusion(problem, fits).items():
        fits[row] = False
        refused += [
            Unassigned(lesion=i, code="perfusion_limit", reason=reason)
            for i in problem.specimens.lesions[row]
        ]
    return {side: _items(problem, side, fits) for side in SIDES}, refused


def _without_time_for_perfusion(problem: StagingProblem, fits: NDArray[np.bool_]) -> dict[int, str]:
    """Return the specimens that need an operation without perfusion on a lung that can have none.

    The last k operations on a lung are perfused, so one without perfusion needs k others after it, each with
    a specimen that leaves time for a perfusion. With fewer such specimens every operation is perfused.
    """
    perfused, most = problem.perfusions_per_lung, problem.protocol.per_operation.minutes_max
    minutes = problem.access_minutes + problem.specimens.minutes + problem.perfusion_minutes
    found: dict[int, str] = {}
    for side in SIDES:
        rows = np.flatnonzero(fits & (problem.specimens.side == side))
        long = rows[minutes[rows] > most + _NOISE]
        if not perfused or len(rows) - len(long) >= perfused:
            continue
        for row in long.tolist():
            found[row] = (
                f"Its operation must be one of the last {perfused} on the {side} lung, which are perfused:"
                f" access {problem.access_minutes:g} min, specimen {problem.specimens.minutes[row]:.0f} min"
                f" and perfusion {problem.perfusion_minutes:g} min take more than the {most:g} min of one"
                " operation."
            )
    return found


def _refusal(problem: StagingProblem, row: int) -> tuple[str, str] | None:
    """Return why a specimen cannot be taken even in an operation of its own."""
    per = problem.protocol.per_operation
    count = len(problem.specimens.lesions[row])
    volume_ml, minutes = float(problem.specimens.volume_ml[row]), float(problem.specimens.minutes[row])
    technique = str(problem.specimens.technique[row])
    in_theatre = problem.access_minutes + minutes
    if volume_ml > per.removed_ml_max + _NOISE:
        return "tissue_limit", (
            f"Its specimen ({technique}) takes {volume_ml:.1f} ml, more than the {per.removed_ml_max:g} ml"
            " of one operation."
        )
    if in_theatre > per.minutes_max + _NOISE:
        return "minutes_limit", (
            f"Its specimen ({technique}) takes {minutes:.0f} min and the access"
            f" {problem.access_minutes:g} min, more than the {per.minutes_max:g} min of one operation."
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
