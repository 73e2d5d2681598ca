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

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.fields import FieldInfo

from clearlung.errors import EvidenceError, ProtocolError
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.resection import DEFAULT_RULE_SET, RULE_SETS

# Twenty years: a plan that takes longer is a slip of the pen.
_LAST_WEEK = 1040


def _limit(unit: str, description: str, **bounds: Any) -> Any:
    return Field(description=description, json_schema_extra={"unit": unit}, **bounds)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PerOperation(_Part):
    """Limits of a single operation."""

    nodules_max: int = _limit("1", "Metastases removed, at most.", ge=1)
    nodules_per_lobe_max: int = _limit("1", "Metastases removed from one lobe, at most.", ge=1)
    minutes_max: float = _limit("min", "Minutes in theatre, perfusion included, at most.", gt=0, le=1440)
    removed_ml_max: float = _limit("ml", "Lung tissue removed, at most.", gt=0, le=3000)


class Weeks(_Part):
    """Time between operations."""

    other_side_min: int = _limit("week", "Weeks until the other side, at least.", ge=0, le=104)
    same_side_min: int = _limit("week", "Weeks until the same side again, at least.", ge=1, le=104)
    after_perfusion_min: int = _limit(
        "week", "Weeks after an operation with perfusion, at least.", ge=1, le=104
    )
    total_max: int | None = _limit(
        "week", "Week of the last operation, at most.", default=None, ge=0, le=_LAST_WEEK
    )
    blocked: tuple[tuple[int, int], ...] = Field(
        default=(),
        description="Weeks in which nobody operates: ranges [from, to], both included, counted from the first"
        " operation.",
    )

    @field_validator("blocked")
    @classmethod
    def _ranges(cls, ranges: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for first, last in ranges:
            if not 1 <= first <= last <= _LAST_WEEK:
                raise ValueError(
                    f"[{first}, {last}] must run from week 1 or later to the same week or a later one, up to"
                    f" {_LAST_WEEK}: the first operation is in week 0"
                )
        return tuple(sorted(ranges))

    def free_from(self, week: int) -> int:
        """Return the first week from this one on that is not blocked.

        Examples
        --------
        >>> weeks = Weeks(other_side_min=3, same_side_min=6, after_perfusion_min=6, blocked=((4, 5), (6, 8)))
        >>> weeks.free_from(3), weeks.free_from(4)
        (3, 9)
        """
        for first, last in self.blocked:
            if first <= week <= last:
                week = last + 1
        return week


class Function(_Part):
    """Lung function that must be left, with the given confidence."""

    ppo_fev1_percent_min: float = _limit(
        "%", "FEV1 after full recovery, percent of predicted, at least.", ge=0, le=150
    )
    fev1_after_percent_min: float = _limit(
        "%", "FEV1 right after each operation, percent of predicted, at least.", ge=0, le=150
    )
    ppo_dlco_percent_min: float | None = _limit(
        "%", "DLCO after full recovery, percent of predicted, at least.", default=None, ge=0, le=150
    )
    dlco_after_percent_min: float | None = _limit(
        "%", "DLCO right after each operation, percent of predicted, at least.", default=None, ge=0, le=150
    )
    confidence: float = _limit("1", "Confidence at which these hold.", ge=0.5, lt=1)
    rule_set: str = Field(
        default=DEFAULT_RULE_SET, description="Registered rule set that classes the predicted values."
    )

    @field_validator("rule_set")
    @classmethod
    def _registered(cls, name: str) -> str:
        if name not in RULE_SETS:
            raise ValueError(f"must be one of {', '.join(RULE_SETS)}")
        return name


class Resection(_Part):
    """How metastases are cut out."""

    techniques: tuple[str, ...] = Field(
        min_length=1, description="Registered techniques that the center uses."
    )


class Nodules(_Part):
    """Which findings are planned."""

    false_per_scan: float = _limit(
        "1", "The detector's operating point: false findings that a scan may have on average.", gt=0, le=1000
    )


class Perfusion(_Part):
    """Whether the isolated lung is perfused, and how often."""

    regimen: str = Field(description="A registered regimen, or none.")
    per_lung_max: int = _limit("1", "Perfusions of each lung, at most.", ge=0, le=10)
    total_max: int | None = _limit("1", "Perfusions in all, at most.", default=None, ge=0, le=20)
    weeks_between_min: int | None = _limit(
        "week", "Weeks between two perfusions of whichever lungs, at least.", default=None, ge=0, le=104
    )
    drug_mg_max: float | None = _limit(
        "mg", "Drug of all perfusions together, at most.", default=None, gt=0, le=100_000
    )


class Protocol(_Part):
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
    ('conservative', 'high-volume')
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
        if isinstance(part, type) and issubclass(part, _Part) and isinstance(value, Mapping):
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
