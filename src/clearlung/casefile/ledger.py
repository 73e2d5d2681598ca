"""The ledger: the append-only record of what was found, planned, done and proven for each lesion.

One JSON object per line. Each carries the hash of the line before it, so that a line that was changed,
dropped or slipped in shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung.errors import CaseConflict
from clearlung.nodules import NoduleTable
from clearlung.staging import Plan

FIRST_HASH = "0" * 64

EventKind = Literal["found", "planned", "left"]


class Event(BaseModel):
    """One thing that happened to one lesion."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sequence: int = Field(ge=1)
    kind: EventKind
    lesion: int = Field(ge=1)
    data: dict[str, Any]
    previous: str = Field(description="SHA-256 of the line before, or zeros for the first.")

    def line(self) -> str:
        """Return the event as one line of the ledger."""
        return json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def chain(
    entries: Iterable[tuple[EventKind, int, dict[str, Any]]], after: Sequence[Event] = ()
) -> tuple[Event, ...]:
    """Return the ledger with entries (kind, lesion, data) appended."""
    events = list(after)
    previous = _digest(events[-1]) if events else FIRST_HASH
    for kind, lesion, data in entries:
        event = Event(sequence=len(events) + 1, kind=kind, lesion=lesion, data=data, previous=previous)
        events.append(event)
        previous = _digest(event)
    return tuple(events)


def open_ledger(nodules: NoduleTable, plan: Plan) -> tuple[Event, ...]:
    """Start the ledger of a case: every lesion as found, and where the plan puts it.

    Parameters
    ----------
    nodules
        Every nodule of the scan or list, planned or not.
    plan
        Its operations and what they leave.

    Returns
    -------
    tuple of Event
        What was found, then what is planned, then what is left; each names the hash of the one before it.
    """
    found: list[tuple[EventKind, int, dict[str, Any]]] = [
        (
            "found",
            row["id"],
            {"side": row["side"], "lobe": row["lobe"], "diameter_mm": round(row["diameter_mm"], 2)},
        )
        for row in nodules.rows()
    ]
    planned: list[tuple[EventKind, int, dict[str, Any]]] = [
        ("planned", lesion, {"operation": operation.number, "specimen": specimen.id, "week": operation.week})
        for operation in plan.operations
        for specimen in operation.specimens
        for lesion in specimen.lesions
    ]
    left: list[tuple[EventKind, int, dict[str, Any]]] = [
        ("left", unassigned.lesion, {"code": unassigned.code, "reason": unassigned.reason})
        for unassigned in plan.unassigned
    ]
    return chain(found + planned + left)


def read_ledger(path: Path) -> tuple[Event, ...]:
    """Read a ledger and check its chain.

    Parameters
    ----------
    path
        A ``ledger.jsonl``: one event per line.

    Returns
    -------
    tuple of Event
        In the order in which they happened.

    Raises
    ------
    CaseConflict
        If a line was changed, dropped or slipped in; the message names the first such line.
    """
    events: list[Event] = []
    previous = FIRST_HASH
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        event = Event.model_validate_json(line)
        if event.previous != previous or event.sequence != number:
            raise CaseConflict(f"line {number} of the ledger does not follow from the line before it")
        previous = _digest(event)
        events.append(event)
    return tuple(events)


def _digest(event: Event) -> str:
    return hashlib.sha256(event.line().encode()).hexdigest()
