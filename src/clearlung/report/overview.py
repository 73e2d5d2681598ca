"""What stands first: the headline, the key figures and the operations at a glance."""

from __future__ import annotations

from clearlung.perfusion import TARGETS
from clearlung.report.course import FIRST_OPERATION, TODAY
from clearlung.report.document import Bullets, Cell, Column, Facts, Heading, Table, Text
from clearlung.report.lanes import lesions_by_side
from clearlung.report.marks import SIDE_WORDS
from clearlung.report.numbers import counted, fixed, in_words, percent
from clearlung.report.source import ReportInput
from clearlung.staging import Operation, Plan

_WEEKS_WORDS = {
    FIRST_OPERATION: "weeks from first to last operation",
    TODAY: "weeks from today to the last operation",
}


def headline(plan: Plan, weeks_from: str = FIRST_OPERATION) -> str:
    """Return the plan in one sentence.

    It says how many of the metastases are removed, in how many operations and weeks, how many with
    perfusion, and how far the plan is proven to be the best; of a plan of what is left, weeks from today.
    """
    removed = sum(len(o.lesions) for o in plan.operations)
    total = len(plan.lesions)
    if not plan.operations:
        return f"No operation is planned for {counted(total, 'metastasis', 'metastases')}"
    noun = "metastasis" if total == 1 else "metastases"
    amount = f"{total:,} {noun}" if removed == total else f"{removed:,} of {total:,} {noun}"
    perfused = sum(o.perfusion is not None for o in plan.operations)
    since = "" if weeks_from == FIRST_OPERATION else f" from {weeks_from}"
    with_perfusion = f"{in_words(perfused)} with perfusion" if perfused else "none with perfusion"
    return (
        f"{amount} in {counted(len(plan.operations), 'operation')} over "
        f"{counted(plan.weeks_until_clear, 'week')}{since}, {with_perfusion}; {quality_in_words(plan)}"
    )


def quality_in_words(plan: Plan) -> str:
    """Return how far the plan is proven to be the best."""
    if plan.solver.status == "optimal":
        return "proven optimal in every goal"
    open_goals = [goal for goal in plan.solver.goals if not goal.proven]
    proven = len(plan.solver.goals) - len(open_goals)
    bounded = [goal for goal in open_goals if goal.bound > 0]
    worst = max((goal.gap for goal in bounded), default=0.0)
    fewest = "fewest operations proven, " if plan.solver.bound >= plan.solver.objective else ""
    goals = f"{proven} of {len(plan.solver.goals)} goals proven optimal"
    gap = f", largest gap {fixed(100 * worst, 1)} %" if bounded else ""
    without = f", {len(open_goals) - len(bounded)} without a bound" if len(bounded) < len(open_goals) else ""
    return f"{fewest}{goals}{gap}{without}"


def key_figures(report: ReportInput) -> Facts:
    """Return the numbers that a reader wants first."""
    plan = report.plan
    minutes = sum(o.minutes for o in plan.operations)
    removed = sum(len(o.lesions) for o in plan.operations)
    return Facts(
        (
            (f"{removed:,}", f"of {len(plan.lesions):,} metastases removed"),
            (str(len(plan.operations)), "operations"),
            (f"{plan.weeks_until_clear}", _WEEKS_WORDS[report.weeks_from]),
            (str(sum(o.perfusion is not None for o in plan.operations)), "perfusions"),
            (f"{fixed(plan.removed_ml)} ml", f"of {fixed(plan.function.lung_ml)} ml lung removed"),
            (f"{fixed(minutes / 60, 1)} h", "in theatre in all"),
            (percent(lowest_fev1_percent(plan)), "lowest FEV1, lower bound"),
            (percent(plan.function.ppo_fev1_percent), "FEV1 after recovery"),
        )
    )


def lowest_fev1_percent(plan: Plan) -> float:
    """Return the lower bound of FEV1 at its lowest: right after an operation, or now if there is none."""
    return min((o.fev1_after_low_percent for o in plan.operations), default=plan.function.fev1_percent)


def glance(report: ReportInput) -> tuple[Heading | Table | Text, ...]:
    """Return one line per operation."""
    plan = report.plan
    if not plan.operations:
        return (Heading("Operations", anchor="operations"), Text("No operation is planned."))
    columns = (
        Column("Operation"),
        Column("Week", "right"),
        Column("Side"),
        Column("Approach", share=1),
        Column("Metastases", "right"),
        Column("Time", "right", unit="min"),
        Column("Tissue", "right", unit="ml"),
        Column("Perfusion", share=2),
        Column("FEV1", "right", unit="% of predicted"),
    )
    return (
        Heading("Operations at a glance", anchor="operations"),
        Table(
            columns,
            tuple(_glance_row(operation) for operation in plan.operations),
            f"Weeks after {report.weeks_from}. FEV1: before → right after (lower bound of the value after).",
        ),
    )


def _glance_row(operation: Operation) -> tuple[Cell, ...]:
    return (
        Cell(f"{operation.number}", "strong", operation=operation.number),
        Cell(str(operation.week)),
        Cell(SIDE_WORDS[operation.side], note=_by_side(operation)),
        Cell(operation.approach),
        Cell(str(len(operation.lesions))),
        Cell(fixed(operation.minutes)),
        Cell(fixed(operation.removed_ml)),
        Cell(regimen_in_words(operation)),
        Cell(function_in_words(operation)),
    )


def _by_side(operation: Operation) -> str:
    """Return how many of an operation's metastases lie on which side; empty where it opens one."""
    return "" if operation.side != "both" else sides_in_words(operation)


def sides_in_words(operation: Operation) -> str:
    """Return how many metastases an operation removes from each lung that it opens."""
    return ", ".join(f"{count} {side}" for side, count in lesions_by_side(operation).items())


def function_in_words(operation: Operation) -> str:
    """Return FEV1 before → after (lower bound), percent of predicted."""
    before, after = operation.fev1_before_percent, operation.fev1_after_percent
    return f"{percent(before)} → {percent(after)} ({percent(operation.fev1_after_low_percent)})"


def regimen_in_words(operation: Operation) -> str:
    """Return drug, dose, temperature and minutes, and what of the lung it reaches if not all; or a dash."""
    regimen = operation.perfusion
    if regimen is None:
        return "–"
    target = TARGETS[regimen.target]
    lobes = "" if target.whole_lung else f", {target.title} alone"
    return (
        f"{regimen.drug} {fixed(regimen.dose_mg)} mg, {fixed(regimen.temperature_c)} °C, "
        f"{fixed(regimen.minutes)} min{lobes}"
    )


def warnings(report: ReportInput) -> tuple[str, ...]:
    """Return what a reader must know, each once: the scan's warnings and the plan's."""
    scan = report.lungs.scan if report.lungs is not None else None
    return tuple(dict.fromkeys((*(scan.warnings if scan is not None else ()), *report.plan.warnings)))


def warning_blocks(report: ReportInput) -> tuple[Heading | Bullets | Text, ...]:
    """Return the section of warnings."""
    found = warnings(report)
    body = Bullets(found) if found else Text("None.")
    return Heading("Warnings", anchor="warnings"), body
