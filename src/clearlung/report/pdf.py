"""The report as PDF, by typst; the content goes in as data and never as source."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from clearlung.report.document import Document
from clearlung.report.marks import operation_color, operation_sign, symbol_svg
from clearlung.report.page import template_text


def render_pdf(document: Document) -> bytes:
    """Return the report as tagged PDF (PDF/UA-1) with its fonts inside."""
    import typst

    data = document.as_data()
    data["marks"] = {
        str(number): {
            "svg": symbol_svg(number),
            "sign": operation_sign(number),
            "color": operation_color(number),
        }
        for number in document.operations
    }
    day = date.fromisoformat(document.created)
    data["date"] = {"year": day.year, "month": day.month, "day": day.day}
    source = template_text("report.typ").encode("utf-8")
    # Typed loosely: the stubs pair the type of the source with that of the font folders.
    options: dict[str, Any] = {
        "format": "pdf",
        "font_paths": [str(_font_folder())],
        "timestamp": datetime(day.year, day.month, day.day, tzinfo=UTC),
    }
    inputs = {"document": json.dumps(data, ensure_ascii=False, sort_keys=True)}

    def compile_with(standards: list[Any], own_fonts_only: bool) -> bytes:
        return bytes(
            typst.compile(
                source,
                sys_inputs=inputs,
                pdf_standards=standards,
                ignore_system_fonts=own_fonts_only,
                **options,
            )
        )

    # PDF/UA refuses characters that no font can show. The fonts that come along cover Latin, Greek and
    # Cyrillic; for other scripts the machine's fonts are tried, and last the rest is shown as empty boxes,
    # still tagged: better than no report.
    for standards, own_fonts_only in ((["ua-1"], True), (["ua-1"], False)):
        try:
            return compile_with(standards, own_fonts_only)
        except typst.TypstError as error:
            if "could not be displayed" not in str(error):
                raise
    return compile_with([], False)


def _font_folder() -> Path:
    """Folder of DejaVu Sans, which matplotlib brings along: arrows and signs that the text font lacks."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts" / "ttf"
