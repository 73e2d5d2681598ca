"""Which lesions stay though an operation could take them, and why."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.anatomy import SIDES
from clearlung.staging.goals import Outcome
from clearlung.staging.plan import Operation, Unassigned
from clearlung.staging.problem import Floor, StagingProblem
from clearlung.staging.select import choices


@dataclass(frozen=True)
class Left:
    """Why lesions stay that an operation could take.

    Parameters
    ----------
    for_total
        Rows of the specimens that the limits on the tissue of all operations leave no room for.
    for_assignments
        Rows of those that the surgeon's assignments leave no room for.
    weeks_needed
        Week in which a plan that removes all others ends, where it is the protocol's last week that is too
        early; None where lung function does not bear their removal.
    """

    for_total: frozenset[int] = frozenset()
    for_assignments: frozenset[int] = frozenset()
    weeks_needed: int | None = None


def left_over(outcome: Outcome, operations: tuple[Operation, ...], why: Left) -> list[Unassigned]:
    """Return the lesions that stay though an operation could take them."""
    problem = outcome.problem
    removed = {int(row) for line in outcome.draft.lines.values() for row in line.items.row}
    rows = [row for items in outcome.lungs.values() for row in items.row.tolist() if row not in removed]
    left: list[Unassigned] = []
    for row in rows:
        if row in why.for_total:
            code, reason = "total_tissue_limit", _total_reason(problem, row)
        elif row in why.for_assignments:
            code, reason = "assignment_limit", _assignment_reason(problem, row)
        elif why.weeks_needed is not None:
            code = "weeks_limit"
            reason = (
                f"No operation up to week {problem.protocol.weeks.total_max} has room for it; a plan that"
                f" takes it ends in week {why.weeks_needed}: weeks.total_max would have to be"
                f" {why.weeks_needed} or higher."
            )
        else:
            code = "function_limit"
            reason = min(_room(problem, floor, operations, row) for floor in problem.floors)[1]
        left += [Unassigned(lesion=i, code=code, reason=reason) for i in problem.specimens.lesions[row]]
    return left


def _assignment_reason(problem: StagingProblem, row: int) -> str:
    group = set(problem.specimens.lesions[row])
    says = "; ".join(a.says for a in problem.assignments if group & set(a.lesions))
    where = says or f"those of other lesions on the {problem.specimens.side[row]} lung"
    return f"The operations that the surgeon's assignments leave it are full: {where}."


def _total_reason(problem: StagingProblem, row: int) -> str:
    total, side = problem.protocol.total, problem.specimens.side[row]
    limits = [
        f"{limit:g} ml of {what}"
        for limit, what in (
            (total.removed_ml_per_lung_max, f"the {side} lung"),
            (total.removed_ml_per_lobe_max, f"the {problem.specimens.lobe[row]}"),
        )
        if limit is not None
    ]
    return (
        f"Its specimen takes {problem.specimens.volume_ml[row]:.1f} ml; with it and as many others as"
        f" possible, all operations together would take more than {' or '.join(limits)}."
    )


def _room(
    problem: StagingProblem, floor: Floor, operations: tuple[Operation, ...], row: int
) -> tuple[float, str]:
    """Return what one measure leaves beside its limit if a specimen is taken as well, and that in words."""
    model, ml = floor.model, float(problem.specimens.volume_ml[row])
    loss = problem.loss([row], perfused=False, model=model)
    access = model.baseline_percent * model.early_access
    at_once = model.baseline_percent * (loss.permanent + loss.early)
    if floor.after_percent_min is None:
        limit, when = floor.recovered_percent_min or 0.0, "after full recovery"
        low = getattr(operations[-1], f"{model.measure}_recovered_percent") - model.margin_percent
        added = model.baseline_percent * loss.permanent
        ways = f"{added:.1f} points more"
    else:
        limit, when = floor.after_percent_min, "right after the last operation"
        low = getattr(operations[-1], f"{model.measure}_after_low_percent")
        added = at_once - access
        ways = f"{added:.1f} points more there, or {at_once:.1f} points at once in an operation of its own"
    return low - added - limit, (
        f"Lung function does not bear its {ml:.1f} ml as well: as planned, the lower bound of {floor.name}"
        f" {when} is {low:.1f} % (limit {limit:g} %); this would take {ways}."
    )


def left_warning(problem: StagingProblem, outcome: Outcome, why: Left) -> str:
    """Say how many lesions stay and for what, and whether the perfusions are what costs them."""
    count = outcome.lesions - outcome.removed
    if why.weeks_needed is not None:
        return (
            f"{count} lesions stay: the last operation may be in week {problem.protocol.weeks.total_max} at"
            f" the latest, and a plan that removes all others ends in week {why.weeks_needed}."
        )
    held = sum(len(problem.specimens.lesions[row]) for row in why.for_total)
    if held == count:
        return f"{count} lesions stay: all operations together may take no more tissue."
    if held + sum(len(problem.specimens.lesions[row]) for row in why.for_assignments) == count:
        return f"{count} lesions stay: the surgeon's assignments leave no room for them."
    text = (
        f"{outcome.lesions - outcome.removed} lesions stay: their removal would leave less lung function than"
        " the protocol demands."
    )
    if any(outcome.limits.perfused.values()):
        none = dict.fromkeys(SIDES, 0)
        without = max(c.most for c in choices(outcome.lungs, outcome.budget, none))
        if without > outcome.lesions_bound:
            text += (
                f" A perfusion takes function for good: without any, up to {without} instead of"
                f" {outcome.lesions_bound} could be removed."
            )
    return text
