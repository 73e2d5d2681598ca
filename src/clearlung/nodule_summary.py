"""Nodules and their review at a glance: for the terminal, and as plain data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from clearlung.errors import ReviewError
from clearlung.nodule_folder import NoduleFolder
from clearlung.nodule_record import NoduleFound, describe_nodules
from clearlung.nodules.review import Detected, Entry, Relabel, Undo

STATES = ("unreviewed", "reviewed", "accepted", "added", "edited", "rejected")
"""By which nodules can be listed."""


def chosen_rows(opened: NoduleFolder, state: str | None = None) -> list[dict[str, Any]]:
    """Return the nodules as plain data; without a state, all that are not rejected.

    Raises
    ------
    ReviewError
        If there is no such state.
    """
    if state is not None and state not in STATES:
        raise ReviewError("state", f"takes {', '.join(STATES)}, not {state!r}")
    record = describe_nodules(opened.found, opened.review)
    if state == "rejected":
        return [_plain(nodule, "rejected") for nodule in record.rejected]
    rows = [_plain(nodule, nodule.review or "unreviewed") for nodule in record.nodules]
    if state == "reviewed":
        return [row for row in rows if row["review"] != "unreviewed"]
    return [row for row in rows if state in (None, row["review"])]


def one_nodule(opened: NoduleFolder, number: int) -> dict[str, Any]:
    """Return all that is known of one nodule.

    Raises
    ------
    ReviewError
        If there is none of this number.
    """
    opened.review.state.item(number)
    every = chosen_rows(opened) + chosen_rows(opened, "rejected")
    return next(row for row in every if row["id"] == number)


def summary_of(opened: NoduleFolder) -> dict[str, Any]:
    """Count what is reviewed, and say in lines what a reader must know."""
    table = opened.review.state.nodules
    rejected, open_ = len(opened.review.state.rejected), opened.unreviewed
    lines = [f"{len(table)} nodules, {open_} of them not reviewed; {rejected} rejected."]
    lines += [f"  ! {conflict}" for conflict in opened.conflicts]
    lines += [f"  ! Action {number} does not fit: {why}." for number, why in opened.review.state.broken]
    return {
        "found": len(table),
        "unreviewed": open_,
        "rejected": rejected,
        "entries": len(opened.review.record),
        "conflicts": list(opened.conflicts),
        "torn": opened.torn,
        "lines": lines,
    }


def nodule_table(rows: Sequence[dict[str, Any]]) -> Table:
    """Return nodules as a table for the terminal."""
    table = Table("", "Lobe", "mm", "mm³", "Deep, mm", "p", "LPS, mm", "Review")
    for row in rows:
        place = ", ".join(f"{row[axis]:.1f}" for axis in ("x_mm", "y_mm", "z_mm"))
        table.add_row(
            str(row["id"]),
            row["lobe"],
            f"{row['diameter_mm']:.1f}",
            f"{row['volume_mm3']:.0f}",
            f"{row['depth_mm']:.0f}",
            f"{row['probability']:.2f}",
            place,
            row["review"],
        )
    return table


def log_rows(opened: NoduleFolder) -> list[dict[str, Any]]:
    """Return the log as plain data: who did what, when and why, in words, and whether it is taken back."""
    undone = opened.review.state.undone
    return [
        entry.event() | {"words": _words(entry), "undone": entry.id in undone}
        for entry in opened.review.record.entries
    ]


def _plain(nodule: NoduleFound, review: str) -> dict[str, Any]:
    return nodule.model_dump() | {"review": review}


def _words(entry: Entry) -> str:
    action = entry.action
    met = " ".join(str(snapshot.number) for snapshot in action.met)
    made = " ".join(str(snapshot.number) for snapshot in action.made)
    if isinstance(action, Undo):
        return f"undo {action.action}"
    if isinstance(action, Relabel):
        return f"relabel {met} as {' '.join(filter(None, (action.lobe, action.texture)))}"
    if isinstance(action, Detected):
        lost = f", {len(action.lost)} not found again" if action.lost else ""
        return f"detection again ({action.detector}){lost}"
    return f"{action.kind} {met or made}" + (f" -> {made}" if met and made else "")
