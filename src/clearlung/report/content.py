"""The report's content, in the order in which a surgeon reads."""

from __future__ import annotations

from collections.abc import Sequence

from clearlung.report.document import (
    Block,
    Cell,
    Column,
    Document,
    Facts,
    Heading,
    Picture,
    Pictures,
    Table,
    Text,
)
from clearlung.report.limits import limit_blocks
from clearlung.report.numbers import clean, counted, fixed, percent
from clearlung.report.operations import operation_blocks, unassigned_blocks
from clearlung.report.overview import glance, headline, key_figures, warning_blocks, warnings
from clearlung.report.pictures import Atlas, course_picture
from clearlung.report.quality import comparison_blocks, evidence_blocks, making_blocks, proof_blocks
from clearlung.report.source import ReportInput
from clearlung.staging import MeasuredFunction, Plan


def build_document(report: ReportInput, atlas: Atlas, overview: Picture) -> Document:
    """Return the whole report as blocks, the overview its first picture."""
    plan = report.plan
    blocks: list[Block] = [key_figures(report)]
    found = warnings(report)
    if found:
        blocks.append(
            Text(f"{counted(len(found), 'warning')}: read before relying on the plan.", "warn", "warnings")
        )
    blocks.append(Pictures((overview,)))
    blocks += atlas.further()
    blocks += glance(plan)
    blocks += _course_blocks(report)
    blocks += warning_blocks(report)
    if plan.operations:
        blocks.append(Heading("Each operation", anchor="each", new_page=True))
        blocks += operation_blocks(report, atlas)
    blocks += unassigned_blocks(report)
    blocks += limit_blocks(plan)
    blocks += proof_blocks(plan)
    blocks += comparison_blocks(report)
    blocks += evidence_blocks(plan)
    blocks += making_blocks(report)
    return Document(
        title=clean(report.title).strip() or "Plan",
        notice=plan.notice,
        headline=headline(plan) + ".",
        source=report.source,
        created=report.created,
        operations=tuple(o.number for o in plan.operations),
        blocks=tuple(blocks),
    )


def _course_blocks(report: ReportInput) -> tuple[Pictures | Table | Facts, ...]:
    return Pictures((course_picture(report),)), _function_table(report.plan)


def _function_table(plan: Plan) -> Table:
    function = plan.function
    rows: tuple[tuple[str, str, MeasuredFunction | None], ...] = (
        ("FEV1 before the first operation", f"{percent(function.fev1_percent)} of predicted", "fev1_percent"),
        ("Predicted FEV1", f"{fixed(function.fev1_predicted_l, 2)} l", "fev1_predicted_l"),
        ("Volume of both lungs", f"{fixed(function.lung_ml)} ml", "lung_ml"),
        (
            "FEV1 after full recovery",
            f"{percent(function.ppo_fev1_percent)} of predicted ({percent(function.ppo_fev1_low_percent)} to "
            f"{percent(function.ppo_fev1_high_percent)})",
            None,
        ),
    )
    return Table(
        (Column("Lung function", share=1), Column("Value", "right", share=1), Column("Status", share=1)),
        tuple((Cell(words), Cell(value), _status(field, function.assumed)) for words, value, field in rows),
    )


def _status(field: MeasuredFunction | None, assumed: Sequence[MeasuredFunction]) -> Cell:
    if field is None:
        return Cell("predicted")
    return Cell("assumed", "warn") if field in assumed else Cell("given or measured")
