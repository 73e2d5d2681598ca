"""How the report writes numbers: always with their unit, always the same way."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_UNITS = {"1": "", "degC": "°C", "mg/m2": "mg/m²", "week": "weeks", "weeks": "weeks"}


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "metastasis", "metastases"), counted(1200, "week")
    ('1 metastasis', '1,200 weeks')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def in_words(number: int) -> str:
    """Return a small number as a word.

    Examples
    --------
    >>> in_words(2), in_words(31)
    ('two', '31')
    """
    return _WORDS[number] if 0 <= number < len(_WORDS) else str(number)


def fixed(value: float, digits: int = 0) -> str:
    """Return a number with so many decimals, or a dash where there is none; never a negative zero.

    Examples
    --------
    >>> fixed(1234.56), fixed(-0.04, 1), fixed(float("nan"))
    ('1,235', '0.0', '–')
    """
    if not math.isfinite(value):
        return "–"
    # Halves go up, as readers expect, and not to the even neighbor.
    shift = 10.0**digits
    return f"{math.floor(value * shift + 0.5) / shift + 0.0:,.{digits}f}".replace("-", "−")


def plain(value: float) -> str:
    """Return a number as a source gives it: without rounding and without idle decimals.

    Examples
    --------
    >>> plain(50.0), plain(0.0085), plain(1234.5)
    ('50', '0.0085', '1,234.5')
    """
    text = f"{value:,.6f}".rstrip("0").rstrip(".")
    return f"{value:.3g}" if text in {"0", "-0"} and value else text


def percent(value: float) -> str:
    """Return a percentage.

    Examples
    --------
    >>> percent(71.6)
    '72 %'
    """
    return f"{fixed(value)} %"


def with_unit(text: str, unit: str) -> str:
    """Return a number with its unit as people write it.

    Examples
    --------
    >>> with_unit("42", "degC"), with_unit("15", "1")
    ('42 °C', '15')
    """
    return f"{text} {_UNITS.get(unit, unit)}".rstrip()


def interval(value: float, low: float, high: float, digits: int = 0) -> str:
    """Return a value with the interval that it lies in.

    Examples
    --------
    >>> interval(5.0, 3.6, 6.4, 1)
    '5.0 (3.6 to 6.4)'
    """
    return f"{fixed(value, digits)} ({fixed(low, digits)} to {fixed(high, digits)})"


def listed(values: Iterable[float], digits: int) -> str:
    """Return several measurements with commas between them."""
    return ", ".join(fixed(value, digits) for value in values)


def ids(numbers: Sequence[int]) -> str:
    """Return ids in order with commas between them; each is written out so that a search finds it."""
    return ", ".join(str(number) for number in sorted(numbers))


def clean(text: str) -> str:
    r"""Return text without control characters, which neither HTML nor PDF can hold.

    Examples
    --------
    >>> clean("a\x00b\tc")
    'ab c'
    """
    if text.isprintable():
        return text
    spaced = "".join(" " if character.isspace() else character for character in text)
    return "".join(c for c in spaced if c.isprintable() or c == "\u00ad")
