"""When there is no plan: which limits exclude it, and the smallest change that would allow one."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from clearlung.anatomy import SIDES, Side
from clearlung.errors import InfeasiblePlan
from clearlung.resection import Measure
from clearlung.staging.items import Items
from clearlung.staging.plan import Unassigned
from clearlung.staging.problem import Floor, StagingProblem

_ARTICLE: dict[Measure, str] = {"fev1": "an", "dlco": "a"}


def check_perfusion(problem: StagingProblem, lungs: dict[Side, Items], refused: list[Unassigned]) -> None:
    """Refuse a protocol under which nothing is removed because no operation has time for its perfusion.

    Raises
    ------
    InfeasiblePlan
        With the minutes that would do.
    """
    late = {u.lesion for u in refused if u.code == "perfusion_limit"}
    if any(len(items) for items in lungs.values()) or not late:
        return
    rows = [row for row, group in enumerate(problem.specimens.lesions) if late & set(group)]
    reentry = np.where(
        np.isin(problem.specimens.side[rows], list(problem.operated)), problem.reentry_minutes, 0.0
    )
    minutes = problem.specimens.minutes[rows]
    least = int(np.argmin(minutes + reentry))
    before = problem.access_minutes + float(reentry[least])
    shortest = float(minutes[least])
    needed = math.ceil(before + shortest + problem.perfusion_minutes - 1e-9)
    raise InfeasiblePlan(
        [
            "The last operation on a lung must be perfused, and"
            f" access{' with re-entry' * bool(reentry[least])} {before:g} min, the shortest specimen"
            f" {shortest:.0f} min and perfusion {problem.perfusion_minutes:g} min do not fit:"
            f" per_operation.minutes_max would have to be {needed} or higher, or perfusion.per_lung_max 0."
        ]
    )


def check_function(problem: StagingProblem, lungs: dict[Side, Items]) -> None:
    """Refuse a patient whose lung function does not allow a single operation.

    Raises
    ------
    InfeasiblePlan
        For each limit of function that excludes it, with the value that would allow the smallest operation.
    """
    rows = [row for items in lungs.values() for row in items.row.tolist()]
    if not rows:
        return
    reasons = [reason for floor in problem.floors for reason in _excluded(problem, floor, rows)]
    if reasons:
        raise InfeasiblePlan(reasons)


def _excluded(problem: StagingProblem, floor: Floor, rows: list[int]) -> list[str]:
    """Say which limits of one measure of function the smallest operation would break."""
    model, name = floor.model, floor.name
    perfused = {side: problem.perfusions_on(side) > 0 for side in SIDES}
    losses = {
        row: problem.loss([row], perfused=perfused[cast(Side, str(problem.specimens.side[row]))], model=model)
        for row in rows
    }
    smallest = min(rows, key=lambda row: (losses[row].permanent + losses[row].early, row))
    smallest_ml, loss = float(problem.specimens.volume_ml[smallest]), losses[smallest]
    final = model.final_percent([loss]) - model.margin_percent
    after = model.percent([(0, loss)], week=0) - model.margin_percent
    reasons = []
    for value, limit, key, when in (
        (after, floor.after_percent_min, f"{model.measure}_after_percent_min", "right after it"),
        (final, floor.recovered_percent_min, f"ppo_{model.measure}_percent_min", "after full recovery"),
    ):
        if limit is None or value >= limit - 1e-9:
            continue
        kept = -loss.early if when == "right after it" else sum(model.unrecovered)
        share = 1.0 - loss.permanent + kept
        needed = math.ceil((limit + model.margin_percent) / share * 10 - 1e-6) / 10 if share > 0 else math.inf
        lower = math.floor(value * 10 + 1e-6) / 10
        change = (
            f"function.{key} would have to be {lower:g} or lower, or {name} before it {needed:g} % or higher."
            if lower >= 0
            else f"{name} before it would have to be {needed:g} % or higher; no limit allows it."
        )
        reasons.append(
            f"Even the smallest operation ({smallest_ml:.1f} ml) leaves {_ARTICLE[model.measure]} {name} of"
            f" {value:.1f} % {when} (lower bound at {model.confidence:.0%} confidence), under the limit of"
            f" {limit:g} %: {change}"
        )
    return reasons
