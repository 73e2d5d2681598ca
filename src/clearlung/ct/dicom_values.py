"""Single values of a DICOM header, whatever their writer made of them."""

from __future__ import annotations

import math
import re

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag

# Python reads more as a number than the standard does: 1_0, infinity, digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def values(dataset: Dataset, keyword: str) -> list[str]:
    """Return an element's values as text; an empty list if it is missing or empty."""
    value = dataset.get(keyword)
    if value is None:
        return []
    many = value if isinstance(value, (list, tuple, MultiValue)) else [value]
    return [text for item in many if (text := _printable(str(item)).strip())]


def _printable(word: str) -> str:
    """Leave out what would move a terminal's cursor, or end a text for whoever reads it next."""
    return word if word.isprintable() else "".join(filter(str.isprintable, word))


def text(dataset: Dataset, keyword: str) -> str:
    """Return an element's value as text; empty if it is missing."""
    return "\\".join(values(dataset, keyword))


def numbers(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """Return an element's numbers; None if there are not ``count`` finite ones.

    Decimal commas, which some exports write where the standard demands a point, are read as points.

    Raises
    ------
    ValueError
        If one of them is no number.
    """
    try:
        found = "\\".join(values(dataset, keyword))
    except (ValueError, TypeError):  # pydicom converts what it can, and gives some of the rest as it stands
        raw = getattr(dataset.get_item(Tag(keyword)), "value", None)
        if not isinstance(raw, bytes):
            raise
        found = raw.decode("ascii")
    words = [word.strip(" \0") for word in found.replace(",", ".").split("\\")] if found else []
    if not all(map(_NUMBER.fullmatch, words)):
        raise ValueError(f"{keyword} is no number")
    read = tuple(map(float, words))
    return read if len(read) == count and all(map(math.isfinite, read)) else None


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return an element's only number; None if it is missing or not finite."""
    found = numbers(dataset, keyword, 1)
    return None if found is None else found[0]


def whole(dataset: Dataset, keyword: str) -> int | None:
    """Return an element's only number as an integer; None if it is missing."""
    found = number(dataset, keyword)
    return None if found is None else int(found)


def item(dataset: Dataset, keyword: str) -> Dataset:
    """Return the first item of a sequence; an empty dataset if it has none."""
    sequence = dataset.get(keyword)
    return sequence[0] if sequence else Dataset()
