"""`ReviewState`: every nodule as a review leaves it, and the tables made from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, Lobe
from clearlung.ct import Volume
from clearlung.errors import ReviewError
from clearlung.nodules.review.actions import Cell, Snapshot
from clearlung.nodules.review.masks import Mask
from clearlung.nodules.table import COLUMNS, NoduleTable

Voxels = NDArray[np.int64]
"""Flat indices (C order) on the grid of the label map, ascending."""

Origin = Literal["found", "added", "edited"]


@dataclass(frozen=True, eq=False)
class Item:
    """One nodule as a review leaves it.

    Parameters
    ----------
    number
        For life.
    voxels
        Its mask, on the grid of what was found.
    row
        Its columns, as measured when its outline was drawn.
    drawn_by
        Number of the action that drew the outline; 0 as found.
    origin
        Whether it was found, added by a reader, or drawn anew by one.
    verdict
        The last thing that a reader said of it.
    lobe, texture
        What a reader says instead of the program; "" for nothing.
    from_record
        Whether the outline is the one that a reader saw, where detection has since drawn another or none.
    """

    number: int
    voxels: Voxels
    row: Mapping[str, Any]
    drawn_by: int = 0
    origin: Origin = "found"
    verdict: Literal["", "accept", "reject"] = ""
    lobe: Lobe | Literal[""] = ""
    texture: str = ""
    from_record: bool = False

    @property
    def rejected(self) -> bool:
        """Whether a reader has rejected it."""
        return self.verdict == "reject"

    @property
    def review(self) -> str:
        """What stands in the table's column: "added", "edited", "accepted", or "" for nothing yet."""
        if self.origin != "found":
            return self.origin
        if self.lobe or self.texture:
            return "edited"
        return "accepted" if self.verdict == "accept" else ""

    def final_row(self) -> dict[str, Any]:
        """Return the columns with what the reader said in place of the program's."""
        row = {**self.row, "id": self.number, "review": self.review}
        if self.lobe:
            row |= {"lobe": self.lobe, "side": LOBE_SIDES[self.lobe], "lobe_confidence": 1.0}
            row["second_lobe"] = ""
        if self.texture:
            row["texture"] = self.texture
        return row


@dataclass(frozen=True, eq=False)
class ReviewState:
    """Every nodule as a review leaves it.

    Parameters
    ----------
    items
        By number: those in the table and those rejected.
    blank
        The detection's table without rows: it says which columns there are and lends the grid.
    undone
        Numbers of the actions that are taken back.
    highest
        No number up to this is free.
    broken
        Entries that could not be replayed, with the reason: none, unless a file was changed by hand.
    """

    items: dict[int, Item]
    blank: NoduleTable
    undone: frozenset[int] = frozenset()
    highest: int = 0
    broken: tuple[tuple[int, str], ...] = field(default=())

    @property
    def grid(self) -> Volume:
        """The grid of the label map."""
        return grid_of(self.blank)

    @property
    def nodules(self) -> NoduleTable:
        """The nodules that are not rejected, by number, with their label map."""
        return self._table(item for item in self.items.values() if not item.rejected)

    @property
    def rejected(self) -> NoduleTable:
        """The rejected findings, by number, with a label map of their own."""
        return self._table(item for item in self.items.values() if item.rejected)

    def item(self, number: int, *, rejected: bool | None = None) -> Item:
        """Return a nodule.

        Parameters
        ----------
        number
            Its number.
        rejected
            False refuses one that is rejected.

        Raises
        ------
        ReviewError
            If there is none of this number, or it is rejected and must not be.
        """
        found = self.items.get(number)
        if found is None:
            raise ReviewError(f"nodule {number}", self._why_missing(number))
        if rejected is False and found.rejected:
            raise ReviewError(f"nodule {number}", "is rejected: accept it first, or undo the rejection")
        return found

    def owner(self, voxel: int) -> Item | None:
        """Return the nodule that holds a voxel; of two, the one that is not rejected."""
        holders = [item for item in self.items.values() if voxel in item.voxels]
        return min(holders, key=lambda item: (item.rejected, item.number), default=None)

    def occupied(self, but: Iterable[int] = ()) -> NDArray[np.int32]:
        """Return a label map of all nodules that are not rejected, but some."""
        labels = np.zeros(self.grid.shape, dtype=np.int32)
        skipped = set(but)
        for item in self.items.values():
            if not item.rejected and item.number not in skipped:
                labels.ravel()[item.voxels] = item.number
        return labels

    def snapshot(self, number: int) -> Snapshot:
        """Return a nodule as an action stores it."""
        item = self.item(number)
        return make_snapshot(number, item.drawn_by, item.row, item.voxels, self.grid)

    def _why_missing(self, number: int) -> str:
        if not 1 <= number <= self.highest:
            return f"there is none; the numbers run from 1 to {self.highest}"
        return "is not there: it was merged, or is no longer found. The log says which"

    def _table(self, items: Iterable[Item]) -> NoduleTable:
        chosen = sorted(items, key=lambda item: item.number)
        labels = np.zeros(self.grid.shape, dtype=np.int32)
        # A reader's outline lies over one that was only found.
        for item in sorted(chosen, key=lambda item: (item.drawn_by, item.from_record, item.number)):
            labels.ravel()[item.voxels] = item.number
        return table_of([item.final_row() for item in chosen], self.blank, labels)


def grid_of(table: NoduleTable) -> Volume:
    """Return the grid of a table's label map.

    Raises
    ------
    ReviewError
        If it has none: a list without a scan has no outlines to review.
    """
    if table.labels is None:
        raise ReviewError("nodules", "have no outlines: a list without a scan cannot be reviewed")
    return table.labels


def items_of(found: NoduleTable) -> dict[int, Item]:
    """Return every nodule of a table with its voxels, by number."""
    flat = grid_of(found).array.ravel()
    inside = np.flatnonzero(flat)
    owner = flat[inside]
    order = np.argsort(owner, kind="stable")
    inside, owner = inside[order].astype(np.int64), owner[order]
    first = np.searchsorted(owner, found.id, side="left")
    last = np.searchsorted(owner, found.id, side="right")
    return {
        row["id"]: Item(row["id"], inside[a:b], row)
        for row, a, b in zip(found.rows(), first.tolist(), last.tolist(), strict=True)
    }


def table_of(rows: list[dict[str, Any]], like: NoduleTable, labels: NDArray[np.int32]) -> NoduleTable:
    """Return rows as a table with a label map; what a row does not know is NaN or "".

    Parameters
    ----------
    rows
        Plain values by column; None stands for unknown.
    like
        A table of the same kind, for its columns and its grid.
    labels
        The label map.
    """
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        dtype = getattr(like, name).dtype
        text = dtype.kind == "U"
        unknown: Any = "" if text else False if dtype.kind == "b" else math.nan
        values = [unknown if row.get(name) is None else row[name] for row in rows]
        columns[name] = np.array(values, dtype=np.str_ if text else dtype)
    return NoduleTable(**columns, labels=grid_of(like).with_array(labels))


def make_snapshot(
    number: int, drawn_by: int, row: Mapping[str, Any], voxels: Voxels, grid: Volume
) -> Snapshot:
    """Return a nodule as an action stores it: its row without NaN, its mask placed in the patient."""
    cells: dict[str, Cell] = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }
    cells["id"] = number
    return Snapshot(
        number=number,
        drawn_by=drawn_by,
        point_mm=(float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"])),
        volume_mm3=float(row["volume_mm3"]),
        row=cells,
        mask=Mask.pack(voxels, grid),
    )
