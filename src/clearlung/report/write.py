"""Write a report: page, PDF and picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from clearlung.atomic import write_file
from clearlung.report.content import build_document
from clearlung.report.page import render_page
from clearlung.report.pdf import render_pdf
from clearlung.report.perfusion_input import PerfusionSheet
from clearlung.report.perfusion_sheet import sheet_document
from clearlung.report.pictures import Atlas
from clearlung.report.source import ReportInput

# What is left of the first page below title, headline and key figures.
_FIRST_PICTURE_MM = 172.0


def write_report(report: ReportInput, folder: Path) -> None:
    """Write ``report.html``, ``report.pdf`` and ``plan.png``, and ``perfusion-N.pdf`` for each perfusion.

    All are made before the first is written, each appears whole or not at all, and the same input
    gives the same bytes.

    Parameters
    ----------
    report
        What to report.
    folder
        An existing folder; earlier reports in it are replaced.
    """
    atlas = Atlas(report)
    overview, png = atlas.overview(_FIRST_PICTURE_MM)
    document = build_document(report, atlas, overview)
    made = {
        "report.html": render_page(document).encode("utf-8"),
        "report.pdf": render_pdf(document),
        "plan.png": png,
    }
    for number, sheet in enumerate(report.perfusions.sheets, start=1):
        page = sheet_document(sheet, source=report.source, created=report.created)
        made[f"perfusion-{number}.pdf"] = render_pdf(page)
    _write(made, folder)


def write_sheet(sheet: PerfusionSheet, folder: Path, *, source: str, created: str) -> None:
    """Write the sheet of one perfusion: ``sheet.html``, and ``sheet.pdf`` of one page.

    Parameters
    ----------
    sheet
        The perfusion.
    folder
        An existing folder; earlier sheets in it are replaced.
    source
        What lungs it was worked out for, in words: never the patient's identity.
    created
        The day that it bears, ``YYYY-MM-DD``.
    """
    document = sheet_document(sheet, source=source, created=created)
    made = {"sheet.html": render_page(document).encode("utf-8"), "sheet.pdf": render_pdf(document)}
    _write(made, folder)


def _write(made: Mapping[str, bytes], folder: Path) -> None:
    for name, content in made.items():
        write_file(folder / name, partial(Path.write_bytes, data=content))
