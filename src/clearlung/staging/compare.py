"""`compare`: plans side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clearlung.staging.plan import Plan


@dataclass(frozen=True)
class ComparisonRow:
    """One plan in figures.

    ``nodules_max``, ``minutes_max`` and ``removed_ml_max`` are of the largest operation.
    ``both_sides`` counts operations that open both sides, by ``both_sides_approach``: None without any.
    ``unseen_spared`` is the mean number of metastases that the CT does not show and perfusions spare, nine
    draws in ten between the two after it; None where nothing is known of them. What stays unseen is
    compared by :func:`unseen_left`: where operations end later, more has grown until hands can feel it.
    ``fev1_lowest_percent`` is the lowest expected FEV1 right after an operation and
    ``fev1_lowest_low_percent`` its lower bound; both are None in a plan without operations.
    """

    protocol: str
    title: str
    operations: int
    both_sides: int
    both_sides_approach: str | None
    nodules_max: int
    minutes_total: float
    minutes_max: float
    removed_ml: float
    removed_ml_max: float
    weeks: int
    perfusions: int
    lesions_removed: int
    lesions_left: int
    unseen_spared: float | None
    unseen_spared_low: float | None
    unseen_spared_high: float | None
    ppo_fev1_percent: float
    ppo_fev1_low_percent: float
    ppo_fev1_high_percent: float
    fev1_lowest_percent: float | None
    fev1_lowest_low_percent: float | None
    status: str
    operations_bound: int
    gap: float


@dataclass(frozen=True)
class Comparison:
    """Plans side by side, in the given order."""

    rows: tuple[ComparisonRow, ...]


def compare(plans: Sequence[Plan]) -> Comparison:
    """Put plans side by side.

    Parameters
    ----------
    plans
        Plans of the same lesions under different protocols, or of the same patient over time.

    Returns
    -------
    Comparison
        One row for each plan, in order.
    """
    return Comparison(tuple(_row(plan) for plan in plans))


def _row(plan: Plan) -> ComparisonRow:
    operations = plan.operations
    both = [o.approach for o in operations if o.side == "both"]
    return ComparisonRow(
        protocol=plan.protocol.name,
        title=plan.protocol.title,
        operations=len(operations),
        both_sides=len(both),
        both_sides_approach=both[0] if both else None,
        nodules_max=max((len(o.lesions) for o in operations), default=0),
        minutes_total=sum(o.minutes for o in operations),
        minutes_max=max((o.minutes for o in operations), default=0.0),
        removed_ml=plan.removed_ml,
        removed_ml_max=max((o.removed_ml for o in operations), default=0.0),
        weeks=plan.weeks_until_clear,
        perfusions=sum(o.perfusion is not None for o in operations),
        lesions_removed=sum(len(o.lesions) for o in operations),
        lesions_left=len(plan.unassigned),
        unseen_spared=None if plan.perfusion is None else plan.perfusion.spared.mean,
        unseen_spared_low=None if plan.perfusion is None else plan.perfusion.spared.low,
        unseen_spared_high=None if plan.perfusion is None else plan.perfusion.spared.high,
        ppo_fev1_percent=plan.function.ppo_fev1_percent,
        ppo_fev1_low_percent=plan.function.ppo_fev1_low_percent,
        ppo_fev1_high_percent=plan.function.ppo_fev1_high_percent,
        fev1_lowest_percent=min((o.fev1_after_percent for o in operations), default=None),
        fev1_lowest_low_percent=min((o.fev1_after_low_percent for o in operations), default=None),
        status=plan.solver.status,
        operations_bound=int(plan.solver.bound),
        gap=plan.solver.gap,
    )
