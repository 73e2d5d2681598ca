"""Write a report: page, PDF and picture."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from clearlung.atomic import write_file
from clearlung.report.content import build_document
from clearlung.report.page import render_page
from clearlung.report.pdf import render_pdf
from clearlung.report.pictures import Atlas
from clearlung.report.source import ReportInput

# What is left of the first page below title, headline and key figures.
_FIRST_PICTURE_MM = 172.0


def write_report(report: ReportInput, folder: Path) -> None:
    """Write ``report.html``, ``report.pdf`` and ``plan.png`` into a folder.

    All three are made before the first is written, each appears whole or not at all, and the same input
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
    for name, content in made.items():
        write_file(folder / name, partial(Path.write_bytes, data=content))
