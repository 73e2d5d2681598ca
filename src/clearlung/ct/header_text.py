"""Numbers and words out of text headers, which may hold anything."""

from __future__ import annotations

import re

# More than any header needs in one field; the rest of a field of a megabyte is not looked at.
MAX_WORDS = 64
# What a message shows of a field.
MAX_SHOWN_CHARACTERS = 40
# Nine digits fit every integer type on the way.
_WHOLE = re.compile(r"[+-]?\d{1,9}", flags=re.ASCII)
_REAL = re.compile(
    r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?|nan|[+-]?inf", flags=re.ASCII | re.IGNORECASE
)


def whole_numbers(text: str) -> list[int]:
    """Return the whole numbers of a field, or none if a word in it is not one.

    Python's own ``int`` also takes ``1_0`` and numbers of thousands of digits.
    """
    words = text.split(None, MAX_WORDS)
    return [int(word) for word in words] if all(map(_WHOLE.fullmatch, words)) else []


def real_numbers(words: list[str]) -> list[float]:
    """Return numbers for words, or none if one of them is not a number; ``nan`` and ``inf`` are numbers."""
    words = [word.strip() for word in words]
    return [float(word) for word in words] if all(map(_REAL.fullmatch, words)) else []


def brief(text: object) -> str:
    """Return how a message shows a field: quoted, its beginning at most."""
    shown = str(text)
    return repr(shown if len(shown) <= MAX_SHOWN_CHARACTERS else shown[:MAX_SHOWN_CHARACTERS] + "…")
