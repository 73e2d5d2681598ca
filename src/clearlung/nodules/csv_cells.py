"""Tables of text as people make them: any separator, spaces in the header, numbers with slips."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path


def open_csv(path: Path, fail: Callable[[str, str], Exception]) -> tuple[csv.DictReader[str], list[str]]:
    """Open a table with a header, separated by comma, semicolon or tab.

    Parameters
    ----------
    path
        The file.
    fail
        Makes the exception of a field and a message.

    Returns
    -------
    reader, header
        The rows, and the names of the columns.

    Raises
    ------
    Exception
        What ``fail`` makes, if the file cannot be read or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise fail("file", f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise fail("file", f"{path.name!r} cannot be read: {error.strerror}") from error
    header_line = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header_line.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    return reader, header


def check_once(header: list[str], fail: Callable[[str, str], Exception]) -> None:
    """Refuse a header in which a column stands twice.

    Raises
    ------
    Exception
        What ``fail`` makes.
    """
    doubled = [name for name in header if header.count(name) > 1]
    if doubled:
        raise fail(f"line 1, {doubled[0]}", "stands twice")


def digits(text: str) -> str:
    """Refuse the underscores that Python allows in numbers: in a list they are slips.

    Raises
    ------
    ValueError
        If there is one.
    """
    if "_" in text:
        raise ValueError
    return text


def number(text: str, low: float, high: float) -> float:
    """Read a number in a range.

    Raises
    ------
    ValueError
        If it is none, or is not in it.

    Examples
    --------
    >>> number("3.5", 0, 10)
    3.5
    """
    value = float(digits(text))
    if not low <= value <= high:
        raise ValueError
    return value
