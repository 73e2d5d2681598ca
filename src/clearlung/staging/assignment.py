"""`Assignment`: what the surgeon fixes or forbids for certain lesions."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearlung.errors import CaseError


class Assignment(BaseModel):
    """One wish of the surgeon for some lesions.

    Operations are counted on the lesion's own lung, from its first: they keep their numbers whatever happens
    on the other side. An operation on both sides counts on both.

    Examples
    --------
    >>> Assignment(lesions=(87,), only_in=(1,), reason="at the hilum").says
    'lesion 87: only in operation 1 on its lung (at the hilum)'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lesions: tuple[int, ...] = Field(min_length=1, description="Numbers of the lesions.")
    only_in: tuple[int, ...] = Field(
        default=(),
        description="The operations on their lung, counted from 1, that may take them; empty: any.",
    )
    never_in: tuple[int, ...] = Field(default=(), description="Those that may not.")
    apart: bool = Field(default=False, description="No two of them in the same operation.")
    leave: bool = Field(default=False, description="They are not removed at all.")
    reason: str = Field(default="", description="Why, for whoever reads the plan.")

    @model_validator(mode="after")
    def _meaningful(self) -> Self:
        if any(i < 1 for i in (*self.lesions, *self.only_in, *self.never_in)):
            raise ValueError("lesions and operations are counted from 1")
        if not (self.only_in or self.never_in or self.apart or self.leave):
            raise ValueError("says nothing: give only_in, never_in, apart or leave")
        if self.leave and (self.only_in or self.never_in or self.apart):
            raise ValueError("leave goes with nothing else: the lesions are in no operation")
        if set(self.only_in) and set(self.only_in) <= set(self.never_in):
            raise ValueError("never_in excludes all of only_in: no operation is left")
        if self.apart and len(set(self.lesions)) < 2:
            raise ValueError("apart needs two lesions")
        return self

    def allows(self, place: int) -> bool:
        """Whether the lesions may be in this operation on their lung, counted from 1."""
        return (not self.only_in or place in self.only_in) and place not in self.never_in

    @property
    def says(self) -> str:
        """The wish in words."""
        many = len(self.lesions) > 1
        who = ("lesions " if many else "lesion ") + ", ".join(map(str, self.lesions))
        lung = "on their lungs" if many else "on its lung"
        parts = []
        if self.leave:
            parts.append("not removed")
        if self.only_in:
            parts.append(f"only in operation {' or '.join(map(str, self.only_in))} {lung}")
        if self.never_in:
            parts.append(f"not in operation {' or '.join(map(str, self.never_in))} {lung}")
        if self.apart:
            parts.append("no two in the same operation")
        return f"{who}: {', '.join(parts)}" + (f" ({self.reason})" if self.reason else "")


def read_assignments(path: Path) -> tuple[Assignment, ...]:
    """Read the surgeon's assignments from a TOML file of ``[[assignment]]`` tables.

    Raises
    ------
    CaseError
        If the file cannot be read, or one of its tables is not an assignment; ``field`` names it.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError("assignments", f"{path.name!r} cannot be read as TOML: {error}") from error
    tables = raw.get("assignment")
    if set(raw) != {"assignment"} or not isinstance(tables, list):
        raise CaseError("assignments", f"{path.name!r} holds [[assignment]] tables and nothing else")
    found = []
    for place, table in enumerate(tables):
        try:
            found.append(Assignment.model_validate(table))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, (f"assignment[{place}]", *first["loc"])))
            raise CaseError(where, first["msg"]) from error
    return tuple(found)


def check_lesions(assignments: Iterable[Assignment], known: Iterable[int]) -> None:
    """Refuse assignments of lesions that are not there.

    Raises
    ------
    CaseError
        That names them.
    """
    known = set(known)
    for place, assignment in enumerate(assignments):
        unknown = sorted(set(assignment.lesions) - known)
        if unknown:
            raise CaseError(f"assignment[{place}].lesions", f"names {unknown}, which are not in the list")
