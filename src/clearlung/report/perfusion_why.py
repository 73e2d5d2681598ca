"""Why operations are perfused or not: what is unseen, what a perfusion spares and may cost, what decides."""

from __future__ import annotations

from clearlung import RESEARCH_NOTICE
from clearlung.perfusion import Interval
from clearlung.report.document import Block, Bullets, Cell, Column, Heading, Picture, Pictures, Table, Text
from clearlung.report.numbers import fixed, plain
from clearlung.report.perfusion_input import PerfusionPages
from clearlung.report.source import ReportInput
from clearlung.report.tornado import WIDTH_MM as TORNADO_MM
from clearlung.report.tornado import tornado_alt, tornado_svg
from clearlung.report.unseen_figure import WIDTH_MM, unseen_alt, unseen_svg
from clearlung.staging import Expected, PerfusionChoice, PerfusionWay, PlannedPerfusion

_MOVED = (
    "Each assumption alone goes from its low to its high end, all others as they are. The law of sizes and"
    " the detection curve cannot be moved alone, since what the CT shows ties them together: of these, the"
    " fifth of imagined patients with the lowest values is set against that with the highest, and what chance"
    " could do is left out."
)


def why_blocks(report: ReportInput) -> tuple[Block, ...]:
    """Return why operations are perfused or not; nothing where what is unseen was not estimated."""
    choice, pages = report.plan.perfusion, report.perfusions
    if choice is None:
        return ()
    how = (
        "The optimizer weighed what each perfusion spares against what it may do."
        if choice.weighed
        else "The protocol's rule decides where perfusions are, not what they are worth. Weighing says:"
    )
    return (
        Heading("Why operations are perfused, or not", anchor="perfusions"),
        Text(how, "strong"),
        Bullets(choice.reasons),
        *_lobes(choice, pages),
        _lungs(choice),
        *_perfusions(choice),
        *_ways(choice),
        *_judgments(pages),
        *_moved(pages),
        Text(RESEARCH_NOTICE, "muted"),
    )


def _lobes(choice: PerfusionChoice, pages: PerfusionPages) -> list[Block]:
    if not choice.lobes:
        return []
    picture = Picture(
        "unseen",
        unseen_svg(choice.lobes),
        unseen_alt(choice.lobes),
        "A distribution, not a count: each bar holds nine in ten imagined patients who fit what the CT shows."
        " A few with very many lift the mean above the middle.",
        WIDTH_MM,
    )
    return [Pictures((picture,)), Text(" ".join(pages.words), "small")]


def _lungs(choice: PerfusionChoice) -> Table:
    columns = (
        Column("Lung"),
        Column("Unseen now", "right", unit="mean (nine in ten)", share=1),
        Column("Left without perfusion", "right", unit="mean (nine in ten)", share=1),
        Column("Left with the plan's", "right", unit="mean (nine in ten)", share=1),
    )
    parts = [(one.side, one.unseen, one.left_without, one.left) for one in choice.lungs]
    whole = [("both", choice.unseen, choice.left_without, choice.left)] if len(parts) > 1 else []
    rows = tuple(
        (Cell(lung, "strong"), *(Cell(_expected(found)) for found in rest))
        for lung, *rest in [*parts, *whole]
    )
    return Table(columns, rows, "Metastases that the CT does not show.")


def _perfusions(choice: PerfusionChoice) -> list[Block]:
    if not choice.perfusions:
        return []
    columns = (
        Column("Operation"),
        Column("Week", "right"),
        Column("Spares", "right", unit="mean (nine in ten)", share=1.3),
        Column("Edema", "right", unit="%", share=1),
        Column("Death", "right", unit="%", share=1),
        Column("FEV1", "right", unit="points lost"),
        Column("Harm", "right", unit="as metastases"),
        Column("Worth", "right", unit="spared − harm"),
    )
    return [
        Table(
            columns,
            tuple(_perfusion(one) for one in choice.perfusions),
            "Each perfusion of the plan, and what it would be of another target that the protocol allows; of"
            " a lung without one, what it would be. Spared: metastases that no hand finds and that it leaves"
            " no viable cell of.",
        )
    ]


def _perfusion(one: PlannedPerfusion) -> tuple[Cell, ...]:
    return (
        Cell(
            f"{one.operation}, {one.target.replace('-', ' ')}",
            "strong" if one.planned else "muted",
            operation=one.operation,
            note="" if one.planned else "not in the plan",
        ),
        Cell(str(one.week)),
        Cell(_expected(one.spared)),
        Cell(_interval(one.edema)),
        Cell(_interval(one.death, 1)),
        Cell(fixed(one.fev1_points, 1)),
        Cell(fixed(one.harm, 1)),
        Cell(fixed(one.worth, 1), "good" if one.worth > 0 else "warn"),
    )


def _ways(choice: PerfusionChoice) -> list[Block]:
    if not choice.ways:
        return []
    columns = (
        Column("Perfusions", share=1),
        Column("Operations", "right"),
        Column("Last operation", "right", unit="week"),
        Column("Lesions left", "right"),
        Column("Net harm", "right", unit="as metastases"),
        Column(""),
    )
    rows = tuple(
        (
            Cell(_way(one), "strong" if one.chosen else ""),
            Cell(str(one.operations)),
            Cell(str(one.weeks)),
            Cell(str(one.lesions_left)),
            Cell(fixed(one.net_harm, 1)),
            Cell("chosen", "strong") if one.chosen else Cell(""),
        )
        for one in choice.ways
    )
    return [Table(columns, rows, "Ways to perfuse the lungs, each planned in full.")]


def _way(one: PerfusionWay) -> str:
    lungs = (("right", one.right_target, one.right), ("left", one.left_target, one.left))
    parts = [f"{(target or side).replace('-', ' ')} {count}" for side, target, count in lungs if count]
    return ", ".join(parts) or "none"


def _judgments(pages: PerfusionPages) -> list[Block]:
    if not pages.worth:
        return []
    columns = (
        Column("Value judgment", share=3),
        Column("Metastases", "right"),
        Column("Range", "right"),
        Column("Status"),
    )
    rows = tuple(
        (
            Cell(entry.title),
            Cell(plain(entry.value)),
            Cell(
                "–"
                if entry.low is None or entry.high is None
                else f"{plain(entry.low)} to {plain(entry.high)}"
            ),
            Cell("set by the protocol" if entry.overridden else entry.tag, "warn"),
        )
        for entry in pages.worth
    )
    words = (
        "How much a harm counts is a judgment, not a fact: nobody has asked patients or surgeons. The values"
        " are assumed; a center sets its own under [assumptions] in its protocol."
    )
    return [Table(columns, rows, words)]


def _moved(pages: PerfusionPages) -> list[Block]:
    if not pages.moved:
        return []
    pictures = [
        Pictures(
            (
                Picture(
                    f"matters-{place}",
                    tornado_svg(moved),
                    tornado_alt(moved),
                    f"{moved.title}: the assumptions that move it most, ten at most.",
                    TORNADO_MM,
                ),
            )
        )
        for place, moved in enumerate(pages.moved)
        if moved.sensitivities
    ]
    return [
        Heading("Which assumption matters most", level=3, anchor="matters"),
        Text(_MOVED, "small"),
        *pictures,
    ]


def _expected(found: Expected) -> str:
    return f"{fixed(found.mean, 1)} ({fixed(found.low, 1)} to {fixed(found.high, 1)})"


def _interval(found: Interval, digits: int = 0) -> str:
    return f"{fixed(found.median, digits)} ({fixed(found.low, digits)} to {fixed(found.high, digits)})"
