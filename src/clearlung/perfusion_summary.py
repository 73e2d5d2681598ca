"""A perfusion at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from clearlung import RESEARCH_NOTICE
from clearlung.perfusion import MEDIUM_WORDS, Interval
from clearlung.perfusion_record import TUMOR_WORDS, PerfusionRecord
from clearlung.staging import NO_UNSEEN, UNSEEN_WORDS, Expected, UnseenCount, UnseenPerfused


def perfusion_summary(record: PerfusionRecord) -> dict[str, Any]:
    """Return a perfusion as plain data, as ``--json`` prints it."""
    return record.model_dump()


def dose_lines(record: PerfusionRecord) -> list[str]:
    """Say what is given to what, how the dose came about, and what it is per liter."""
    dose, target, settings = record.dose, record.target, record.settings
    label = ", by a hypothesis" if dose.hypothesis else ""
    most = "" if dose.mg_max is None else f"; its protocol gives {dose.mg_max:.1f} mg at most"
    seen = "" if target.nodules is None else f", with {target.nodules} known nodules"
    per = dose.per_liter
    lines = [
        f"{record.drug} {record.dose_mg:.1f} mg{label}, to {target.title} ({', '.join(target.lobes)}{seen})",
        f"Dose: {dose.derivation}{most}.",
        f"{per.mg_per_lung_l:.1f} mg per liter of perfused lung, {per.mg_per_tissue_l:.0f} mg per liter of"
        " its tissue if all of it went in.",
    ]
    if dose.left_over_right is not None:
        by_side = {one.target: one.mg_per_tissue_l for one in dose.lungs}
        lines.append(
            f"The same dose is {by_side['left']:.0f} mg per liter of tissue to the left lung and"
            f" {by_side['right']:.0f} to the right: {dose.left_over_right:.3f} times as much."
        )
    return [
        *lines,
        f"{settings.temperature_c:g} °C, {settings.minutes:g} min in {settings.prime_ml:.0f} ml of"
        f" {MEDIUM_WORDS[settings.medium]}, flow up to {settings.flow_l_per_min:g} l/min, pulmonary artery"
        f" below {settings.pressure_max_mmhg:g} mmHg; washout {settings.washout_minutes:g} min with"
        f" {settings.washout_ml:.0f} ml.",
    ]


def volume_table(record: PerfusionRecord) -> Table:
    """Return the lobes as a table for the terminal."""
    table = Table("Lobe", "ml", "Tissue, ml", "Perfused")
    for lobe in record.volumes.lobes:
        table.add_row(
            lobe.lobe, f"{lobe.volume_ml:.0f}", f"{lobe.tissue_ml:.0f}", "yes" if lobe.perfused else ""
        )
    return table


def exposure_table(record: PerfusionRecord) -> Table:
    """Return exposures and peaks as a table for the terminal."""
    table = Table("", "Area under the curve, mg·min/l", "Peak, mg/l")
    area, peak = record.auc_mg_min_per_l, record.peak_mg_per_l
    for place in ("perfusate", "lung", "systemic"):
        table.add_row(place, f"{getattr(area, place):.0f}", f"{getattr(peak, place):.2f}")
    table.add_row("tumor", _range(area.tumor), "not known")
    return table


def effect_table(record: PerfusionRecord) -> Table:
    """Return what is to be expected of metastases by size as a table for the terminal."""
    table = Table("Metastasis, mm", "Sterilized, % expected", "in nine of ten imagined patients")
    for one in record.effect:
        low, high = 100 * one.sterilized.low, 100 * one.sterilized.high
        table.add_row(
            f"{one.diameter_mm:g}", f"{100 * one.sterilized_expected:.1f}", f"{low:.0f} to {high:.0f}"
        )
    return table


def unseen_table(unseen: UnseenPerfused) -> Table:
    """Return what the CT does not show in what is perfused, by lobe and by size, for the terminal."""
    table = Table("Not shown", "Now", "Without", "With it", "Spared")
    rows: list[tuple[str, UnseenCount]] = [(one.lobe, one) for one in unseen.lobes]
    if len(rows) > 1:
        rows.append(("all perfused", unseen))
    rows += [(size_words(one.low_mm, one.high_mm), one) for one in unseen.sizes]
    for name, one in rows:
        counts = map(expected_words, (one.unseen, one.left_without, one.left))
        table.add_row(name, *counts, f"{one.spared.mean:.1f}")
    return table


def size_words(low_mm: float, high_mm: float | None) -> str:
    """Name a class of sizes."""
    if high_mm is None:
        return f"{low_mm:g} mm and more"
    return f"{low_mm:g} to {high_mm:g} mm" if low_mm else f"under {high_mm:g} mm"


def expected_words(count: Expected) -> str:
    """Say how many: the median, and nine in ten."""
    return f"{count.median:.0f} ({count.low:.0f} to {count.high:.0f})"


def harm_lines(record: PerfusionRecord) -> list[str]:
    """Say what leaks, what falls apart and what may go wrong."""
    leak = record.leak
    when = (
        "is not reached"
        if leak.alarm_minute is None
        else f"is reached after {leak.alarm_minute:.0f} min: stop there"
    )
    toxicity = ", ".join(f"{grade}: {value:g} %" for grade, value in record.respiratory_percent.items())
    lost = "; ".join(f"{one.measure.upper()} {_range(one.perfusion_percent)} %" for one in record.function)
    return [
        f"Leak: {100 * leak.fraction:.1f} % of the dose before reconnection; the alarm at"
        f" {leak.alarm_percent:g} % {when}.",
        f"Fallen apart in the circuit and the lung: {100 * record.hydrolyzed_fraction:.1f} %; mass balance"
        f" closed to {record.mass_balance_error:.0e} of the dose.",
        f"Edema: {_percent(record.edema_risk)}. Death: {_percent(record.death_risk)}. Respiratory toxicity as"
        f" published of melphalan 45 mg at 37 °C with resection, {toxicity}.",
        f"Lost for good by the perfusion: {lost} of the value before.",
    ]


def show_perfusion(record: PerfusionRecord, folder: Path | None) -> None:
    """Show a perfusion on the terminal: dose, volumes, exposures, effect, harm, what is assumed, warnings."""
    console = Console()

    def say(line: str, style: str | None = None) -> None:
        console.print(line, style=style, highlight=False)

    say(f"{record.regimen}, {record.source}", "bold")
    for line in dose_lines(record):
        say(line)
    console.print(volume_table(record))
    console.print(exposure_table(record))
    say(f"Tumor: {TUMOR_WORDS}")
    console.print(effect_table(record))
    if record.unseen is None:
        say(NO_UNSEEN)
    else:
        console.print(unseen_table(record.unseen))
        for words in (UNSEEN_WORDS, *record.unseen.words):
            say(words)
    for line in (*harm_lines(record), *record.rests_on):
        say(line)
    say(f"Intervals: nine in ten of {record.draws} imagined patients; seed {record.seed}.")
    say(
        f"{len(record.assumed)} of {len(record.evidence)} numbers that this rests on are assumed (clearlung"
        f" evidence shows each): {_grouped(record.assumed)}."
    )
    for warning in record.warnings:
        say(f"  ! {warning}", "yellow")
    say(RESEARCH_NOTICE, "bold")
    if folder is not None:
        console.print(f"Result: {folder}", highlight=False, soft_wrap=True)


def _grouped(ids: Sequence[str]) -> str:
    """Return ids by the file that they are in."""
    files: dict[str, list[str]] = {}
    for key in ids:
        file, _, rest = key.partition(".")
        files.setdefault(file, []).append(rest)
    return "; ".join(f"{file}: {', '.join(names)}" for file, names in files.items())


def _range(interval: Interval) -> str:
    return f"{interval.median:.3g} ({interval.low:.3g} to {interval.high:.3g})"


def _percent(fraction: Interval) -> str:
    low, median, high = (100 * value for value in (fraction.low, fraction.median, fraction.high))
    return f"{median:.1f} % ({low:.1f} to {high:.1f})"
