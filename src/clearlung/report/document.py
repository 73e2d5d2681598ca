"""The report as plain blocks: the page and the PDF are two renderings of the same ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from clearlung.report.numbers import clean

Tone = Literal["", "strong", "muted", "warn", "good", "small"]
Align = Literal["left", "right"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table: text, how it is set, and the operation whose mark stands before it."""

    text: str
    tone: Tone = ""
    operation: int | None = None
    aside: str = ""
    """Smaller words on the same line that call for a look, e.g. ``lobe uncertain (62 % sure)``."""
    note: str = ""
    """A second, smaller line."""


@dataclass(frozen=True)
class Column:
    """One column of a table; ``share`` is its part of the width, 0 for as narrow as its content."""

    title: str
    align: Align = "left"
    share: float = 0.0
    unit: str = ""
    """Stands below the title."""


@dataclass(frozen=True)
class Heading:
    """A heading of level 2 (section) or 3 (operation)."""

    text: str
    level: Literal[2, 3] = 2
    anchor: str = ""
    operation: int | None = None
    new_page: bool = False
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""
    link: str = ""
    kind: Literal["text"] = "text"


@dataclass(frozen=True)
class Facts:
    """A row of key figures: value and what it is."""

    items: tuple[tuple[str, str], ...]
    kind: Literal["facts"] = "facts"


@dataclass(frozen=True)
class Table:
    """A table with a head that repeats on each page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: Literal["bullets"] = "bullets"


@dataclass(frozen=True)
class Picture:
    """One picture: its SVG, what it shows in words, and its size on paper."""

    name: str
    svg: str
    alt: str
    caption: str
    width_mm: float


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side."""

    pictures: tuple[Picture, ...]
    kind: Literal["pictures"] = "pictures"


@dataclass(frozen=True)
class Columns:
    """Two columns of blocks side by side; below one another on a narrow screen."""

    left: tuple[Text | Table | Bullets, ...]
    right: tuple[Text | Table | Bullets, ...]
    right_share: Literal[1, 2] = 1
    """How many times as wide as the left one the right one is."""
    kind: Literal["columns"] = "columns"


Block = Heading | Text | Facts | Table | Bullets | Pictures | Columns


@dataclass(frozen=True)
class Document:
    """The whole report."""

    title: str
    notice: str
    headline: str
    source: str
    created: str
    operations: tuple[int, ...]
    blocks: tuple[Block, ...] = field(default=())

    def as_data(self) -> dict[str, Any]:
        """Return it as plain dictionaries and lists, its text without control characters."""
        data: dict[str, Any] = _cleaned(asdict(self))
        return data


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: part if key == "svg" else _cleaned(part) for key, part in value.items()}
    return [_cleaned(part) for part in value] if isinstance(value, list | tuple) else value
