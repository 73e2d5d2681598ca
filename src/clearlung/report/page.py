"""The report as one HTML file: no network, no scripts, pictures inside."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from clearlung.report.document import Document
from clearlung.report.marks import operation_color, operation_sign, symbol_svg


def render_page(document: Document) -> str:
    """Return the report as HTML text."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data_uri"] = _data_uri
    template = environment.from_string(template_text("report.html.j2"))
    data = document.as_data()
    style = template_text("report.css") + _operation_rules(document)
    return template.render(
        document=data,
        style=style,
        # Names the one style sheet that the page may use; everything else is shut out.
        style_sha256=_sha256(style),
        symbol=lambda number: _data_uri(symbol_svg(number)),
        sign=operation_sign,
        sections=_sections(data),
    )


@cache
def template_text(name: str) -> str:
    """Return a file of the package's templates."""
    return (files("clearlung.report") / "templates" / name).read_text(encoding="utf-8")


def _sections(data: dict[str, Any]) -> list[Any]:
    return [b for b in data["blocks"] if b["kind"] == "heading" and b["level"] == 2 and b["anchor"]]


def _operation_rules(document: Document) -> str:
    """One rule per operation; classes, because the page allows no style attributes."""
    return "".join(
        f"h3.operation-{n}{{border-left-color:{operation_color(n)}}}\n" for n in document.operations
    )


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _data_uri(svg: str) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode("utf-8")).decode("ascii")
