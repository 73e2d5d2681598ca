"""Lung function before the plan and after it, by every method, and what the rule set says of it."""

from __future__ import annotations

from collections.abc import Sequence

from clearlung.report.document import Block, Cell, Column, Table, Text
from clearlung.report.numbers import fixed, percent
from clearlung.report.source import ReportInput
from clearlung.staging import MeasuredFunction

_METHODS = {
    "course": "course of this plan",
    "segments": "segments of nineteen",
    "volume": "volume on CT",
    "density": "density on CT",
}
_MEASURES = {"fev1": "FEV1", "dlco": "DLCO"}


def function_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return the table of lung function and the verdict of the rule set."""
    function = report.plan.function
    expected = _expected_today(report)
    rows = [
        (
            Cell(words),
            Cell(value),
            Cell("expected after what was done") if field in expected else _status(field, function.assumed),
        )
        for words, value, field in _known(report)
    ]
    for prediction in function.predicted:
        if prediction.method != "course":
            words = f"{_MEASURES[prediction.measure]} by {_METHODS[prediction.method]}"
            value = _interval(prediction.percent, prediction.low_percent, prediction.high_percent)
            status = "predicted, width of interval assumed" if prediction.error_assumed else "predicted"
            rows.append((Cell(words), Cell(value), Cell(status)))
    columns = (Column("Lung function", share=1), Column("Value", "right", share=1), Column("Status", share=1))
    table = Table(columns, tuple(rows))
    verdict = function.verdict
    if verdict is None:
        return (table,)
    assumed = " A threshold that decides this is assumed." if verdict.assumed else ""
    return (
        table,
        Text(
            f"By {verdict.rule_set}: risk {verdict.risk}, {verdict.next_step} ({verdict.reason}). At the"
            f" lower bounds: risk {verdict.risk_at_low}, {verdict.next_step_at_low}.{assumed}"
        ),
    )


def _expected_today(report: ReportInput) -> tuple[MeasuredFunction, ...]:
    """Return what a plan of what is left takes from the course of what was done: nobody has measured it."""
    if report.revision is None:
        return ()
    measured = report.revision.record.done.fev1_percent is not None
    return ("dlco_percent", "lung_ml") if measured else ("fev1_percent", "dlco_percent", "lung_ml")


def _known(report: ReportInput) -> list[tuple[str, str, MeasuredFunction | None]]:
    """Return what the plan starts from, and where its course ends."""
    f = report.plan.function
    when = "before the first operation" if report.revision is None else "today"
    rows: list[tuple[str, str, MeasuredFunction | None]] = [
        (f"FEV1 {when}", f"{percent(f.fev1_percent)} of predicted", "fev1_percent"),
        ("Predicted FEV1", f"{fixed(f.fev1_predicted_l, 2)} l", "fev1_predicted_l"),
        ("Volume of both lungs", f"{fixed(f.lung_ml)} ml", "lung_ml"),
    ]
    if f.dlco_percent is not None:
        rows.append((f"DLCO {when}", f"{percent(f.dlco_percent)} of predicted", "dlco_percent"))
    rows.append(
        (
            "FEV1 after full recovery",
            _interval(f.ppo_fev1_percent, f.ppo_fev1_low_percent, f.ppo_fev1_high_percent),
            None,
        )
    )
    dlco = (f.ppo_dlco_percent, f.ppo_dlco_low_percent, f.ppo_dlco_high_percent)
    if dlco[0] is not None and dlco[1] is not None and dlco[2] is not None:
        rows.append(("DLCO after full recovery", _interval(dlco[0], dlco[1], dlco[2]), None))
    return rows


def _interval(value: float, low: float, high: float) -> str:
    return f"{percent(value)} of predicted ({percent(low)} to {percent(high)})"


def _status(field: MeasuredFunction | None, assumed: Sequence[MeasuredFunction]) -> Cell:
    if field is None:
        return Cell("predicted")
    return Cell("assumed", "warn") if field in assumed else Cell("given or measured")
