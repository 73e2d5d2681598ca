"""Which specimens some operation can take, and why the others cannot be taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Side
from clearlung.staging.items import MINUTES, Items, items_of, limits_of, lobe_shares_ml
from clearlung.staging.plan import Unassigned
from clearlung.staging.problem import StagingProblem

# A sum that misses a limit by less than this is floating-point noise.
_NOISE = 1e-9


def screen(problem: StagingProblem) -> tuple[dict[Side, Items], list[Unassigned]]:
    """Split the specimens into those that fit an operation, by side, and those that do not.

    Parameters
    ----------
    problem
        Specimens, limits and the surgeon's assignments.

    Returns
    -------
    lungs, refused
        What may be removed, by lung; and each lesion that no operation can take, with the reason.
    """
    refused = _to_leave(problem)
    left = {unassigned.lesion for unassigned in refused}
    refused += [
        Unassigned(lesion=lesion, code="unresectable", reason=reason)
        for lesion, reason in problem.specimens.unresectable.items()
        if lesion not in left
    ]
    held = {lesion for group in problem.specimens.lesions for lesion in group}
    without = set(problem.lesions.id.tolist()) - held - set(problem.specimens.unresectable) - left
    for lesion in sorted(without):
        refused.append(
            Unassigned(lesion=lesion, code="no_specimen", reason="No specimen was planned for this lesion.")
        )
    fits = np.ones(len(problem.specimens), dtype=bool)
    for row, group in enumerate(problem.specimens.lesions):
        refusal = _refusal(problem, row)
        if refusal is not None:
            fits[row] = False
            refused += [
                Unassigned(lesion=i, code=refusal[0], reason=refusal[1]) for i in group if i not in left
            ]
    for side in SIDES:
        for row, (code, reason) in _without_time_in_sequence(problem, side, fits).items():
            fits[row] = False
            refused += [
                Unassigned(lesion=i, code=code, reason=reason) for i in problem.specimens.lesions[row]
            ]
    return {side: _items(problem, side, fits) for side in SIDES}, refused


def some_operation_takes(problem: StagingProblem) -> NDArray[np.bool_]:
    """Return which specimens fit an operation of their own that is not perfused."""
    return np.array([_refusal(problem, row) is None for row in range(len(problem.specimens))], dtype=np.bool_)


def _items(problem: StagingProblem, side: Side, fits: NDArray[np.bool_]) -> Items:
    return items_of(problem, side, np.flatnonzero(fits & (problem.specimens.side == side)))


def _to_leave(problem: StagingProblem) -> list[Unassigned]:
    """Return the lesions that the surgeon leaves."""
    found: dict[int, str] = {}
    for assignment in problem.assignments:
        if assignment.leave:
            why = f" ({assignment.reason})" if assignment.reason else ""
            found |= dict.fromkeys(assignment.lesions, f"The surgeon leaves it{why}.")
    return [Unassigned(lesion=i, code="left_by_surgeon", reason=reason) for i, reason in found.items()]


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
    room = limits.capacities(items.columns, 1, side)[0]
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
    assigned = _refused_by_surgeon(problem, row)
    if assigned is not None:
        return "left_by_surgeon", assigned
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
    if per.removed_ml_per_lobe_max is not None:
        most_ml = float(lobe_shares_ml(problem.specimens, np.array([row])).max())
        if most_ml > per.removed_ml_per_lobe_max + _NOISE:
            return "lobe_tissue_limit", (
                f"Its specimen ({technique}) takes {most_ml:.1f} ml of one lobe, more than the"
                f" {per.removed_ml_per_lobe_max:g} ml per lobe and operation."
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


def _refused_by_surgeon(problem: StagingProblem, row: int) -> str | None:
    """Say why the surgeon's assignments leave no operation for a specimen, or return None if they do not."""
    group = set(problem.specimens.lesions[row])
    mine = [a for a in problem.assignments if group & set(a.lesions)]
    leave = sorted(group & {i for a in mine if a.leave for i in a.lesions})
    if leave:
        return f"Its specimen holds lesion {leave[0]}, which the surgeon leaves."
    for assignment in mine:
        together = sorted(group & set(assignment.lesions))
        if assignment.apart and len(together) > 1:
            return (
                f"Its specimen holds lesions {' and '.join(map(str, together))}, which the surgeon wants in"
                " different operations."
            )
    # Places beyond the last that is named are all alike.
    last = max((place for a in mine for place in (*a.only_in, *a.never_in)), default=0) + 1
    if not any(all(a.allows(place) for a in mine) for place in range(1, last + 1)):
        says = "; ".join(a.says for a in mine)
        return f"The surgeon's assignments leave no operation for its specimen: {says}."
    return None
