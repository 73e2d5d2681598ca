"""The report's content, in the order in which a surgeon reads."""

from __future__ import annotations

from clearlung.report.document import (
    Block,
    Document,
    Heading,
    Picture,
    Pictures,
    Text,
)
from clearlung.report.function_table import function_blocks
from clearlung.report.limits import limit_blocks
from clearlung.report.numbers import clean, counted
from clearlung.report.operations import (
    assignment_blocks,
    operation_blocks,
    unassigned_blocks,
    unplaced_blocks,
)
from clearlung.report.outlook import stress_blocks, tradeoff_blocks
from clearlung.report.overview import glance, headline, key_figures, warning_blocks, warnings
from clearlung.report.perfusion_sheet import sheet_blocks
from clearlung.report.perfusion_why import why_blocks
from clearlung.report.pictures import Atlas, course_picture
from clearlung.report.quality import comparison_blocks, evidence_blocks, making_blocks, proof_blocks
from clearlung.report.revision import revision_blocks
from clearlung.report.source import ReportInput


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
    blocks += unplaced_blocks(report)
    blocks += glance(report)
    blocks += revision_blocks(report)
    blocks += _course_blocks(report)
    blocks += warning_blocks(report)
    blocks += assignment_blocks(plan)
    blocks += stress_blocks(report)
    if plan.operations:
        blocks.append(Heading("Each operation", anchor="each", new_page=True))
        blocks += operation_blocks(report, atlas)
    blocks += unassigned_blocks(report)
    blocks += why_blocks(report)
    blocks += limit_blocks(plan)
    blocks += proof_blocks(plan)
    blocks += comparison_blocks(report)
    blocks += tradeoff_blocks(report)
    blocks += evidence_blocks(plan)
    blocks += making_blocks(report)
    # Last, since each is to be a page by itself.
    blocks += sheet_blocks(report.perfusions.sheets)
    return Document(
        title=clean(report.title).strip() or "Plan",
        notice=plan.notice,
        headline=headline(plan, report.weeks_from) + ".",
        source=report.source,
        created=report.created,
        operations=_numbers(report),
        blocks=tuple(blocks),
    )


def _numbers(report: ReportInput) -> tuple[int, ...]:
    """Return every operation that the report speaks of."""
    numbers = {operation.number for operation in report.plan.operations}
    if report.revision is not None:
        numbers |= {operation.number for operation in report.revision.promised.operations}
        numbers |= {operation.number for operation in report.revision.record.operations}
    return tuple(sorted(numbers))


def _course_blocks(report: ReportInput) -> tuple[Block, ...]:
    return Pictures((course_picture(report),)), *function_blocks(report)
