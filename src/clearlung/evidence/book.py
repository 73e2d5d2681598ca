"""`EvidenceBook`: every clinical number, with its unit, n and source."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from clearlung.errors import EvidenceError

Tag = Literal["published", "derived", "assumed"]


class Evidence(BaseModel):
    """One clinical number and where it comes from.

    Parameters
    ----------
    id
        Dotted name: file, subject, quantity.
    value
        The number that a computation uses.
    low, high
        Its range or interval, where one is known; what kind of interval, ``note`` says.
    unit
        The unit, ``"1"`` for a pure number.
    n
        How many patients, operations or specimens it rests on, as the source counts them.
    source
        Where it was published, or how it was derived or why it was assumed.
    tag
        ``published``, ``derived`` (by arithmetic from published numbers, the method stated) or ``assumed``.
    note
        What a reader must know before relying on it.
    overridden
        Whether a protocol has set another value than the book's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    title: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str
    n: str | None = None
    source: str
    tag: Tag
    note: str | None = None
    overridden: bool = False

    @model_validator(mode="after")
    def _check_range(self) -> Evidence:
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError(f"the value {self.value} lies outside its range [{self.low}, {self.high}]")
        if self.tag == "published" and self.n is None:
            raise ValueError("a published number needs its n")
        return self


class EvidenceBook(Mapping[str, Evidence]):
    """All evidence entries by id: immutable.

    Examples
    --------
    >>> book = load_evidence()
    >>> book.value("technique.laser.rim", unit="mm")
    5.0
    >>> book["technique.laser.rim"].tag
    'published'
    """

    def __init__(self, entries: Mapping[str, Evidence]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Evidence:
        try:
            return self._entries[key]
        except KeyError:
            raise EvidenceError(key, "there is no such entry in the evidence") from None

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def value(self, key: str, *, unit: str) -> float:
        """Return the number of an entry.

        Raises
        ------
        EvidenceError
            If there is no such entry, or its unit is another one.
        """
        entry = self[key]
        if entry.unit != unit:
            raise EvidenceError(key, f"is in {entry.unit}, and was asked for in {unit}")
        return entry.value

    def overriding(self, values: Mapping[str, float]) -> EvidenceBook:
        """Return a book in which some entries have another value, marked as such.

        Raises
        ------
        EvidenceError
            If an id is unknown, its entry is not ``assumed`` (published numbers stay as published), or a
            value is negative or not finite: every assumption is a quantity.
        """
        entries = dict(self._entries)
        for key, value in values.items():
            entry = self[key]
            if entry.tag != "assumed":
                raise EvidenceError(key, f"is {entry.tag}; only assumed entries can be set")
            if not 0 <= value < math.inf:
                raise EvidenceError(key, f"takes a number from 0 in {entry.unit}, not {value:g}")
            entries[key] = entry.model_copy(
                update={
                    "value": float(value),
                    "low": None,
                    "high": None,
                    "overridden": True,
                    "source": f"set by the protocol (the book assumes {entry.value:g} {entry.unit})",
                }
            )
        return EvidenceBook(entries)


def parse_evidence(text: str, prefix: str) -> dict[str, Evidence]:
    """Read one TOML file of entries.

    Each table that has a ``value`` is an entry; its id is the prefix and the table's dotted name.

    Raises
    ------
    EvidenceError
        If an entry is malformed.
    """
    found: dict[str, Evidence] = {}

    def walk(table: Mapping[str, object], path: str) -> None:
        if "value" in table:
            try:
                found[path] = Evidence.model_validate({"id": path, **table})
            except ValidationError as error:
                first = error.errors()[0]
                raise EvidenceError(path, f"{'.'.join(map(str, first['loc']))} {first['msg']}") from error
            return
        for key, child in table.items():
            if not isinstance(child, Mapping):
                raise EvidenceError(f"{path}.{key}", "stands outside an entry")
            walk(child, f"{path}.{key}")

    walk(tomllib.loads(text), prefix)
    return found


@cache
def load_evidence() -> EvidenceBook:
    """Return the evidence that ships with Clearlung.

    Raises
    ------
    EvidenceError
        If an entry is malformed.
    """
    entries: dict[str, Evidence] = {}
    for file in sorted(files("clearlung.evidence").iterdir(), key=lambda f: f.name):
        if file.name.endswith(".toml"):
            entries.update(parse_evidence(file.read_text(encoding="utf-8"), file.name.removesuffix(".toml")))
    return EvidenceBook(entries)
