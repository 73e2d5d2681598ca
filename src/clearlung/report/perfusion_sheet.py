"""The perfusionist's sheet: one page for each perfusion of a lung."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clearlung import RESEARCH_NOTICE
from clearlung.evidence import Evidence
from clearlung.perfusion import MEDIUM_WORDS, Interval, dose_per_liter, tissue_ml, volume_ml
from clearlung.report.document import (
    Block,
    Cell,
    Column,
    Columns,
    Document,
    Facts,
    Heading,
    Picture,
    Pictures,
    Table,
    Text,
)
from clearlung.report.marks import SIDE_LETTERS
from clearlung.report.numbers import fixed, plain, with_unit
from clearlung.report.perfusion_course import WIDTH_MM, course_alt, course_svg
from clearlung.report.perfusion_input import PerfusionSheet
from clearlung.staging import NO_UNSEEN, UNSEEN_WORDS, Expected, UnseenCount

_MINUTES = "time.perfusion"
# More warnings than these would not leave the sheet on one page, fewer beside numbers of unseen metastases;
# the rest are in the result.
_WARNINGS_MAX, _WARNINGS_BESIDE = 8, 3
_NOTICE = "A rehearsal, not an order: it replaces no protocol, no pharmacist, no surgeon and no perfusionist."


def sheet_document(sheet: PerfusionSheet, *, source: str, created: str) -> Document:
    """Return one perfusion's sheet as a document of its own.

    Parameters
    ----------
    sheet
        The perfusion.
    source
        What lungs it was worked out for, in words: never the patient's identity.
    created
        The day that it bears, ``YYYY-MM-DD``.
    """
    regimen = sheet.regimen
    of_plan = "" if sheet.operation is None else f", operation {sheet.operation}, week {sheet.week}"
    return Document(
        title=f"Perfusion of {sheet.target.title}{of_plan}",
        notice=RESEARCH_NOTICE,
        headline=f"{regimen.name}: {regimen.drug} {fixed(regimen.dose_mg, 1)} mg to the"
        f" {sheet.side.upper()} side.",
        source=source,
        created=created,
        operations=() if sheet.operation is None else (sheet.operation,),
        blocks=sheet_body(sheet),
    )


def sheet_blocks(sheets: Iterable[PerfusionSheet]) -> tuple[Block, ...]:
    """Return the sheets of a plan's perfusions, each on a page of the report; nothing for none."""
    blocks: list[Block] = []
    for sheet in sheets:
        of_plan = "" if sheet.operation is None else f" in operation {sheet.operation}, week {sheet.week}"
        blocks.append(
            Heading(
                f"Perfusion of {sheet.target.title}{of_plan}",
                level=3,
                anchor=f"perfusion-{sheet.operation or 0}-{sheet.side}",
                operation=sheet.operation,
                new_page=True,
            )
        )
        blocks += sheet_body(sheet)
    return tuple(blocks)


def sheet_body(sheet: PerfusionSheet) -> tuple[Block, ...]:
    """Return what stands on one perfusion's sheet below its title."""
    picture = Picture(
        f"perfusion-{sheet.operation or 0}-{sheet.side}",
        course_svg(sheet),
        course_alt(sheet),
        "A model of a typical patient. Of tumor only the interval is shown: in people the dose told nothing"
        " about the level in the tumor.",
        WIDTH_MM,
    )
    return (
        _facts(sheet),
        Text(_NOTICE, "warn"),
        Text(_dose(sheet), "strong"),
        Text(_per_liter(sheet), "small"),
        Pictures((picture,)),
        Columns((_timeline(sheet), _effects(sheet)), (_stops(sheet), _risks(sheet))),
        *_unseen(sheet),
        Text(f"Published: {_published(sheet)}", "small"),
        Text(f"Assumed: {_assumed(sheet)}", "small"),
        *_warnings(sheet),
    )


def _facts(sheet: PerfusionSheet) -> Facts:
    regimen = sheet.regimen
    perfused = sheet.lungs.of(sheet.target)
    return Facts(
        (
            (f"{SIDE_LETTERS[sheet.side]}: {', '.join(sheet.lobes)}", "lung and lobes perfused"),
            (
                f"{fixed(regimen.dose_mg, 1)} mg",
                regimen.drug + (", a hypothesis" if regimen.hypothesis else ""),
            ),
            (f"{plain(regimen.temperature_c)} °C", f"for {plain(regimen.minutes)} min"),
            (
                f"{fixed(volume_ml(perfused))} / {fixed(tissue_ml(perfused))} ml",
                f"perfused lung / its tissue ({_SOURCES[sheet.lungs.source]})",
            ),
            (f"{fixed(regimen.prime_ml)} ml", f"prime, {MEDIUM_WORDS[regimen.medium]}"),
            (f"≤ {plain(regimen.flow_l_per_min)} l/min", "flow, set by the pressure"),
            (f"< {plain(regimen.pressure_max_mmhg)} mmHg", "mean pulmonary artery pressure"),
            (f"{fixed(regimen.washout_ml)} ml", f"washout in {plain(regimen.washout_minutes)} min"),
        )
    )


_SOURCES = {"scan": "from the CT", "reference": "published mean lungs"}


def _dose(sheet: PerfusionSheet) -> str:
    regimen = sheet.regimen
    most = "" if regimen.dose_mg_max is None else f" At most {fixed(regimen.dose_mg_max, 1)} mg."
    words = regimen.dose_derivation or f"{fixed(regimen.dose_mg, 1)} mg"
    # Most rules say it themselves.
    said = not regimen.hypothesis or words.lower().startswith("hypothesis")
    label = "" if said else " Hypothesis: nobody has published a dose by this rule."
    return f"{regimen.name}: {words}.{most}{label}"


def _per_liter(sheet: PerfusionSheet) -> str:
    per = dose_per_liter(sheet.regimen.dose_mg, sheet.lungs, sheet.target)
    return (
        f"{fixed(per.mg_per_lung_l, 1)} mg per liter of perfused lung with its air;"
        f" {fixed(per.mg_per_tissue_l)} mg per liter of its tissue if all of it went in;"
        f" {fixed(1000 * sheet.regimen.dose_mg / sheet.regimen.prime_ml)} mg per liter of perfusate at first."
    )


def _timeline(sheet: PerfusionSheet) -> Table:
    regimen, course, phases = sheet.regimen, sheet.course, sheet.course.phases
    whole = sheet.book.value(_MINUTES, unit="min")
    rest = whole - regimen.minutes - regimen.washout_minutes
    after = float(course.systemic_mg_per_l[course.minutes >= phases.reconnection].max())
    around = f" {fixed(rest)} min with decannulation" if rest > 0 else ""
    rows = (
        ("before", "Cannulate, prime, watch for leak", f"assumed:{around}" if around else "not published"),
        (
            f"0 to {fixed(phases.perfusion)}",
            "Perfuse",
            f"{fixed(100 * course.hydrolyzed_fraction)} % of the dose falls apart outside the body",
        ),
        (f"{fixed(phases.perfusion)} to {fixed(phases.washout)}", "Wash out", ""),
        (
            fixed(phases.reconnection),
            "Reconnect",
            f"{course.returned_mg:.2g} mg are still in the lung; in the body {_short(after)} mg/l then, at"
            f" most {_short(course.peak_mg_per_l.systemic)} in minute {fixed(course.systemic_peak_minute)}",
        ),
    )
    return Table(
        (Column("Minute"), Column("Timeline", share=1)),
        tuple((Cell(when), Cell(what, "strong", note=note)) for when, what, note in rows),
    )


def _stops(sheet: PerfusionSheet) -> Table:
    maxima, course, dose = sheet.maxima, sheet.course, sheet.regimen.dose_mg
    rows = []
    if maxima.leak_percent is not None:
        when = (
            "not reached"
            if course.leak_alarm_minute is None
            else f"reached in minute {fixed(course.leak_alarm_minute)}"
        )
        rows.append(
            (
                f"Leak of {plain(maxima.leak_percent)} % of the dose"
                f" ({fixed(maxima.leak_percent * dose / 100, 1)} mg)",
                f"expected {fixed(100 * course.leak_fraction, 1)} %: {when}",
                "leak_percent",
            )
        )
    if maxima.pressure_mmhg is not None:
        rows.append(
            (f"Pressure of {plain(maxima.pressure_mmhg)} mmHg", "lower the flow, then stop", "pressure_mmhg")
        )
    if maxima.temperature_c is not None:
        rows.append((f"Perfusate above {plain(maxima.temperature_c)} °C", "heat and edema", "temperature_c"))
    if maxima.dose_mg is not None:
        rows.append((f"Dose above {fixed(maxima.dose_mg, 1)} mg", "never give more", "dose_mg"))
    return Table(
        (Column("Alarms: stop at", share=1), Column("Status")),
        tuple((Cell(what, "strong", note=note), _status(sheet, name)) for what, note, name in rows),
    )


def _status(sheet: PerfusionSheet, name: str) -> Cell:
    key = sheet.maxima.sources.get(name, "")
    if key not in sheet.book:
        return Cell("set by the protocol" if key else "of this regimen")
    tag = sheet.book[key].tag
    return Cell(tag, "warn" if tag == "assumed" else "")


def _effects(sheet: PerfusionSheet) -> Table:
    rows = tuple(
        (
            Cell(f"{one.diameter_mm:g}"),
            Cell(_percent(one.expected), "strong"),
            Cell(_percents(one.sterilized)),
        )
        for one in sheet.effects
    )
    drug = sheet.regimen.drug
    shared = "" if drug == "melphalan" else f" For {drug} it is melphalan's: do not compare the two by this."
    return Table(
        (
            Column("Metastasis", "right", unit="mm"),
            Column("Sterilized", "right", unit="expected"),
            Column("Nine in ten imagined patients", "right", share=1),
        ),
        rows,
        "Chance that no cell is left that can regrow it. Sensitivity is assumed over two decades, so that the"
        f" chance of one patient is mostly near 0 or near 1.{shared}",
    )


def _unseen(sheet: PerfusionSheet) -> tuple[Block, ...]:
    """Return what the CT does not show in what is perfused, by lobe and by size."""
    unseen = sheet.unseen
    if unseen is None:
        return (Text(NO_UNSEEN, "small"),)
    lobes: list[tuple[str, UnseenCount]] = [(one.lobe, one) for one in unseen.lobes]
    if len(lobes) > 1:
        lobes.append(("all", unseen))
    sizes = [(_size(one.low_mm, one.high_mm), one) for one in unseen.sizes]
    return (
        Columns((_counts("Not shown", lobes),), (_counts("mm at CT", sizes),)),
        Text(UNSEEN_WORDS, "small"),
    )


def _counts(head: str, rows: Sequence[tuple[str, UnseenCount]]) -> Table:
    return Table(
        (
            Column(head),
            Column("Now", "right", share=1),
            Column("Without", "right", share=1),
            Column("With it", "right", share=1),
            Column("Spared", "right"),
        ),
        tuple(
            (
                Cell(name, "strong"),
                *map(_count, (one.unseen, one.left_without, one.left)),
                Cell(fixed(one.spared.mean, 1), "strong"),
            )
            for name, one in rows
        ),
    )


def _count(count: Expected) -> Cell:
    return Cell(f"{fixed(count.median)} ({fixed(count.low)}\N{EN DASH}{fixed(count.high)})")


def _size(low_mm: float, high_mm: float | None) -> str:
    if high_mm is None:
        return f"≥ {plain(low_mm)}"
    return f"{plain(low_mm)} to {plain(high_mm)}" if low_mm else f"< {plain(high_mm)}"


def _risks(sheet: PerfusionSheet) -> Table:
    harm = sheet.harm
    rows = [
        (Cell("Edema", "strong", note=harm.edema.words[0]), _risk(harm.edema.interval)),
        (Cell("Death", "strong", note=harm.death.words[0]), _risk(harm.death.interval)),
        (
            Cell("FEV1 lost for good", "strong", note="percent of the value before"),
            _lost(harm.fev1.perfusion_percent[0].tolist()),
        ),
    ]
    grades = f"{fixed(harm.respiratory_grade3_percent)} % / {fixed(harm.respiratory_grade4_percent)} %"
    note = "as published, melphalan 45 mg at 37 °C with resection"
    rows.append((Cell("Respiratory toxicity, grade 3 / 4", "strong", note=note), Cell(grades)))
    return Table((Column("Risk", share=1), Column("Middle", "right", unit="nine in ten")), tuple(rows))


def _published(sheet: PerfusionSheet) -> str:
    set_ones = [e for e in _settings(sheet) if e.tag != "assumed"]
    model = [e for e in sheet.entries if e.tag != "assumed" and e not in set_ones]
    return (
        f"{_listed(set_ones)}. Besides, {len(model)} published numbers on lungs, chemistry, courses and harm."
    )


def _assumed(sheet: PerfusionSheet) -> str:
    set_ones = [e for e in _settings(sheet) if e.tag == "assumed"]
    model = [sheet.book[key] for key in sheet.course.assumed if sheet.book[key] not in set_ones]
    besides = sum(e.tag == "assumed" for e in sheet.entries) - len(set_ones) - len(model)
    return (
        f"{_listed(set_ones)}. Of the course: {'; '.join(_lower(e.title) for e in model)}."
        f" Besides, {besides} numbers on harm."
    )


def _settings(sheet: PerfusionSheet) -> list[Evidence]:
    return [sheet.book[key] for key in dict.fromkeys(sheet.regimen.evidence)]


def _listed(entries: list[Evidence]) -> str:
    if not entries:
        return "Nothing of the settings"
    return "; ".join(
        f"{e.title} {with_unit(plain(e.value), e.unit)}" + (f" ({e.n})" if e.n and e.tag != "assumed" else "")
        for e in entries
    )


def _warnings(sheet: PerfusionSheet) -> list[Block]:
    shown = sheet.warnings[: _WARNINGS_MAX if sheet.unseen is None else _WARNINGS_BESIDE]
    more = len(sheet.warnings) - len(shown)
    if not shown:
        return []
    rest = f" {more} more in the result." if more else ""
    return [Text(f"Know: {' '.join(shown)}{rest}", "small")]


def _lower(title: str) -> str:
    return title[:1].lower() + title[1:]


def _short(value: float) -> str:
    return fixed(value) if value >= 10 else f"{value:.2g}"


def _percent(share: float) -> str:
    """Return a chance in percent; nearly none and nearly all are not called none and all."""
    value = 100 * share
    if value in (0.0, 100.0):
        return f"{value:.0f} %"
    if value < 0.1:
        return "<0.1 %"
    if value > 99.5:
        return ">99 %"
    return f"{fixed(value, 1 if value < 10 else 0)} %"


def _percents(interval: Interval) -> str:
    return f"{_percent(interval.low)} to {_percent(interval.high)}"


def _risk(interval: Interval) -> Cell:
    return Cell(_percent(interval.median), "strong", note=_percents(interval))


def _lost(values: list[float]) -> Cell:
    low, middle, high = values
    return Cell(f"{fixed(middle)} %", "strong", note=f"{fixed(low)} to {fixed(high)} %")
