"""`Protocol`: the limits that a center works to, read from commented TOML.

Each number may be given in three ways: plain (``nodules_max = 15``), with its unit as a check
(``minutes_max = "360 min"``), or by reference (``{ evidence = "protocol.conservative.minutes" }``).
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic.fields import FieldInfo

from clearlung.errors import EvidenceError, ProtocolError
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.staging.protocol_parts import (
    Function,
    Goals,
    Nodules,
    Part,
    Perfusion,
    PerOperation,
    Resection,
    Scans,
    Total,
    Weeks,
)


class Protocol(Part):
    """The limits that a center works to."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", description="The name that --protocol takes.")
    title: str
    description: str
    per_operation: PerOperation
    weeks: Weeks
    function: Function
    resection: Resection
    nodules: Nodules
    perfusion: Perfusion
    total: Total = Total()
    scans: Scans = Scans()
    goals: Goals = Field(default_factory=Goals)
    assumptions: dict[str, float] = Field(
        default_factory=dict, description="Assumed evidence entries that the center sets to its own values."
    )
    evidence: dict[str, str] = Field(
        default_factory=dict, description="For each limit that was given by reference, the evidence entry."
    )

    def book(self) -> EvidenceBook:
        """Return the evidence with the protocol's own assumptions in it.

        Raises
        ------
        ProtocolError
            If an assumption names no entry, or one that is not assumed.
        """
        try:
            return load_evidence().overriding(self.assumptions)
        except EvidenceError as error:
            raise ProtocolError(f"assumptions.{error.field}", str(error)) from error


def shipped_protocols() -> tuple[str, ...]:
    """Names of the protocols that ship with Clearlung.

    Examples
    --------
    >>> shipped_protocols()
    ('conservative', 'high-volume', 'weighed')
    """
    folder = files("clearlung.staging") / "protocols"
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_protocol(name_or_path: str | Path) -> Protocol:
    """Read a shipped protocol by name, or a TOML file by path.

    Raises
    ------
    ProtocolError
        If there is no such protocol, or the file cannot be read, or has an unknown key, a wrong unit or an
        impossible value; ``field`` names it.

    Examples
    --------
    >>> load_protocol("conservative").per_operation.nodules_max
    15
    """
    if str(name_or_path) in shipped_protocols():
        text = (files("clearlung.staging") / "protocols" / f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise ProtocolError(
                "protocol",
                f"{str(name_or_path)!r} is neither a file nor one of {', '.join(shipped_protocols())}",
            )
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ProtocolError(
                "file", f"is not UTF-8 text ({error.reason} at byte {error.start})"
            ) from error
        except OSError as error:
            raise ProtocolError("file", f"{path.name!r} cannot be read: {error.strerror}") from error
    return parse_protocol(text)


def parse_protocol(text: str) -> Protocol:
    """Read a protocol from the text of a TOML file.

    Raises
    ------
    ProtocolError
        As for :func:`load_protocol`.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError("file", f"is not TOML: {error}") from error
    if "evidence" in raw:
        raise ProtocolError(
            "evidence", "is filled in by the program; refer to entries where the limits stand"
        )
    references: dict[str, str] = {}
    resolved = _resolve_part(raw, Protocol, "", references)
    try:
        protocol = Protocol.model_validate(resolved | {"evidence": references})
    except ValidationError as error:
        first = error.errors()[0]
        given = "" if first["type"] == "missing" else f", not {first['input']!r}"
        raise ProtocolError(".".join(map(str, first["loc"])), f"{first['msg']}{given}") from error
    protocol.book()
    return protocol


def _resolve_part(
    raw: Mapping[str, Any], model: type[BaseModel], path: str, references: dict[str, str]
) -> dict[str, Any]:
    """Replace quantities and references by numbers; collect the references by dotted field."""
    resolved: dict[str, Any] = {}
    for key, value in raw.items():
        dotted = f"{path}{key}"
        field = model.model_fields.get(key)
        if field is None:
            close = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.4)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(model.model_fields)}"
            raise ProtocolError(dotted, f"is not a key of a protocol{hint}")
        part = field.annotation
        if isinstance(part, type) and issubclass(part, Part) and isinstance(value, Mapping):
            resolved[key] = _resolve_part(value, part, f"{dotted}.", references)
        else:
            resolved[key] = _resolve_quantity(value, field, dotted, references)
    return resolved


def _resolve_quantity(value: Any, field: FieldInfo, dotted: str, references: dict[str, str]) -> Any:
    extra = field.json_schema_extra
    unit = extra.get("unit") if isinstance(extra, dict) else None
    if unit is None:
        return value
    if isinstance(value, Mapping):
        if set(value) != {"evidence"}:
            raise ProtocolError(
                dotted, f'takes a number in {unit}, or {{ evidence = "id" }}, not {dict(value)}'
            )
        try:
            number = load_evidence().value(str(value["evidence"]), unit=str(unit))
        except EvidenceError as error:
            raise ProtocolError(dotted, f"wrong reference: {error}") from error
        references[dotted] = str(value["evidence"])
        return int(number) if number.is_integer() else number
    if isinstance(value, str):
        number_text, _, given_unit = value.strip().partition(" ")
        if given_unit.strip() not in {unit, f"{unit}s"}:
            raise ProtocolError(dotted, f"wrong unit: takes {unit}, and {value!r} was given")
        try:
            return int(number_text) if number_text.lstrip("-").isdigit() else float(number_text)
        except ValueError:
            raise ProtocolError(dotted, f"{value!r} is not a number with a unit") from None
    if isinstance(value, bool):
        raise ProtocolError(dotted, f"takes a number in {unit}, not {value}")
    return value
