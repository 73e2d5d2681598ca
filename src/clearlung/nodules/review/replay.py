"""`apply_review`: replays a record on a detection. Everything else about a review follows from this."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from clearlung.errors import ReviewDependence
from clearlung.nodules.review.actions import (
    Accept,
    Action,
    Add,
    Detected,
    Entry,
    Merge,
    Redraw,
    Reject,
    Relabel,
    Snapshot,
    Split,
    Undo,
)
from clearlung.nodules.review.record import Record
from clearlung.nodules.review.state import Item, Origin, ReviewState, grid_of, items_of
from clearlung.nodules.table import COLUMNS, NoduleTable


def apply_review(found: NoduleTable, record: Record) -> ReviewState:
    """Replay a review on what was found.

    Parameters
    ----------
    found
        The detection, with its label map. Of a later detection of the same scan, what
        :func:`~clearlung.nodules.review.carry_over` made of it.
    record
        What the reader did.

    Returns
    -------
    ReviewState
        The same, to the bit, for the same detection and record: every action carries the outlines and
        measures of what it concerns and makes, so neither the scan nor the methods that drew them are
        needed again.

    Raises
    ------
    ReviewError
        If what was found has no label map.

    Notes
    -----
    An action holds for the outline that the reader saw. Where a later detection drew another one, or
    missed the nodule, the outline comes back from the record.
    """
    undone = undone_actions(record.entries)
    replay = _Replay(items_of(found), found)
    for entry in record.entries:
        if entry.id not in undone:
            replay.do(entry)
    replay.check_overlaps()
    blank = found.with_columns(**{name: getattr(found, name)[:0] for name in COLUMNS})
    return ReviewState(
        dict(sorted(replay.items.items())),
        blank,
        undone,
        highest_number(found, record.entries),
        tuple(replay.broken),
    )


def undone_actions(entries: Sequence[Entry]) -> frozenset[int]:
    """Return the numbers of the actions that are taken back; an undo that is undone takes nothing back."""
    undone: set[int] = set()
    for entry in reversed(entries):
        if isinstance(entry.action, Undo) and entry.id not in undone:
            undone.add(entry.action.action)
    return frozenset(undone)


def highest_number(found: NoduleTable, entries: Iterable[Entry]) -> int:
    """Return the highest number that was ever given, also to what is undone or no longer found."""
    numbers: list[int] = [0, *found.id.tolist()]
    for entry in entries:
        numbers += entry.numbers
        if isinstance(entry.action, Detected):
            numbers.append(entry.action.highest_number)
    return max(numbers)


def check_fits(found: NoduleTable, before: Record, after: Record) -> ReviewState:
    """Return the state after a new entry, if every action that stands still holds with it.

    Raises
    ------
    ReviewDependence
        If one does not; it names them.
    """
    state = apply_review(found, after)
    broken = [(number, reason) for number, reason in state.broken if number != after.entries[-1].id]
    known = {number for number, _ in apply_review(found, before).broken} if state.broken else set()
    standing = [(number, reason) for number, reason in broken if number not in known]
    latest = after.entries[-1]
    own = [reason for number, reason in state.broken if number == latest.id]
    if standing:
        kinds = {entry.id: entry.action.kind for entry in after.entries}
        words = ", ".join(f"{number} ({kinds[number]}: {reason})" for number, reason in standing)
        raise ReviewDependence(
            f"action {latest.action.action}" if isinstance(latest.action, Undo) else latest.action.kind,
            f"other actions rest on it: {words}. Undo them first, the last one first",
            [number for number, _ in standing],
        )
    if own:
        raise ReviewDependence(latest.action.kind, f"cannot be done: {own[0]}", [])
    return state


@dataclass
class _Replay:
    """The nodules while entries are replayed one by one."""

    items: dict[int, Item]
    found: NoduleTable
    gone: set[int] = field(default_factory=set)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def do(self, entry: Entry) -> None:
        """Replay one entry, or note why it does not fit."""
        reason = self._misfit(entry.action)
        if reason:
            self.broken.append((entry.id, reason))
            return
        for snapshot in entry.action.met:
            self._meet(snapshot)
        self._act(entry)

    def _misfit(self, action: Action) -> str:
        """Say why an action does not fit what is there, or ""."""
        for snapshot in action.met:
            here = self.items.get(snapshot.number)
            missed = here is None and snapshot.drawn_by == 0 and snapshot.number not in self.gone
            if here is None and not missed:
                return f"nodule {snapshot.number} is not there"
            if here is not None and here.drawn_by != snapshot.drawn_by:
                return f"nodule {snapshot.number} has another outline"
        met = {snapshot.number for snapshot in action.met}
        for snapshot in action.made:
            if snapshot.number in self.items and snapshot.number not in met:
                return f"the number {snapshot.number} is taken"
        return ""

    def _meet(self, snapshot: Snapshot) -> None:
        """Put the outline back that the reader saw, where detection has since drawn another or none."""
        if snapshot.drawn_by:
            return
        here = self.items.get(snapshot.number)
        voxels = snapshot.mask.unpack(grid_of(self.found))
        if here is None:
            self.items[snapshot.number] = Item(snapshot.number, voxels, snapshot.row, from_record=True)
        elif not np.array_equal(here.voxels, voxels):
            self.items[snapshot.number] = replace(here, voxels=voxels, row=snapshot.row, from_record=True)

    def _act(self, entry: Entry) -> None:
        action = entry.action
        if isinstance(action, Accept):
            for snapshot in action.met:
                self.items[snapshot.number] = replace(self.items[snapshot.number], verdict="accept")
        elif isinstance(action, Reject):
            for snapshot in action.met:
                self.items[snapshot.number] = replace(self.items[snapshot.number], verdict="reject")
        elif isinstance(action, Relabel):
            item = self.items[action.nodule.number]
            self.items[item.number] = replace(
                item, lobe=action.lobe or item.lobe, texture=action.texture or item.texture
            )
        elif isinstance(action, Add):
            self._draw(entry, "added")
        elif isinstance(action, Merge | Split | Redraw):
            self._draw(entry, "edited")

    def _draw(self, entry: Entry, origin: Origin) -> None:
        """Put what an action made in the place of what it met."""
        before = {snapshot.number: self.items.pop(snapshot.number) for snapshot in entry.action.met}
        self.gone |= set(before)
        for snapshot in entry.action.made:
            voxels = snapshot.mask.unpack(grid_of(self.found))
            item = Item(snapshot.number, voxels, snapshot.row, drawn_by=entry.id, origin=origin)
            if snapshot.number in before:
                old = before[snapshot.number]
                kept: Origin = "added" if old.origin == "added" else origin
                item = replace(item, origin=kept, lobe=old.lobe, texture=old.texture)
            self.items[snapshot.number] = item
            self.gone.discard(snapshot.number)

    def check_overlaps(self) -> None:
        """Note the actions whose outlines lie on another nodule's."""
        present = [item for item in self.items.values() if not item.rejected]
        if not present:
            return
        voxels = np.concatenate([item.voxels for item in present])
        owner = np.repeat([item.number for item in present], [len(item.voxels) for item in present])
        order = np.lexsort((owner, voxels))
        voxels, owner = voxels[order], owner[order]
        twice = np.flatnonzero(voxels[1:] == voxels[:-1])
        for first, second in sorted(set(zip(owner[twice].tolist(), owner[twice + 1].tolist(), strict=True))):
            pair = (self.items[first], self.items[second])
            drawn = max(pair, key=lambda item: item.drawn_by)
            other = pair[0] if drawn is pair[1] else pair[1]
            if drawn.drawn_by:
                reason = f"nodule {drawn.number} lies on nodule {other.number}"
                self.broken.append((drawn.drawn_by, reason))
