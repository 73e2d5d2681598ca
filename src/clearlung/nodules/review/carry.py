"""Carrying a review over to a later detection of the same scan: which finding is which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from clearlung.errors import ReviewError
from clearlung.nodules.match import SMALLEST_RADIUS_MM
from clearlung.nodules.review.state import Item, ReviewState, Voxels, grid_of, items_of, table_of
from clearlung.nodules.table import NoduleTable, sphere_diameter_mm

# A finding that covers this share of a known one covers it; with this share inside one it is a part of it.
COVERS = 0.5
PART_OF = 0.5
# Masks that agree less than this (Dice) and whose centers lie apart are of different things.
LEAST_DICE = 0.1

Measure = Callable[[NDArray[np.int32]], NoduleTable]
"""Measures masks whose labels are their numbers."""


@dataclass(frozen=True)
class Conflict:
    """A new finding that covers known ones of which the reader said different things.

    Parameters
    ----------
    number
        The number that the new finding has, or None where nothing is left of it beside what the reader kept.
    kept, rejected
        The known nodules that it covers.
    """

    number: int | None
    kept: tuple[int, ...]
    rejected: tuple[int, ...]

    @property
    def sentence(self) -> str:
        """The conflict in words.

        Examples
        --------
        >>> Conflict(12, (3,), (7,)).sentence
        'One new finding covers 3, which was not rejected, and 7, which was: look at 12.'
        """
        kept, rejected = (", ".join(map(str, numbers)) for numbers in (self.kept, self.rejected))
        look = kept if self.number is None else self.number
        return (
            f"One new finding covers {kept}, which {_was(self.kept)} not rejected, and {rejected}, which"
            f" {_was(self.rejected)}: look at {look}."
        )


def _was(numbers: tuple[int, ...]) -> str:
    return "was" if len(numbers) == 1 else "were"


@dataclass(frozen=True, eq=False)
class Carried:
    """A later detection under the numbers of the earlier one.

    Parameters
    ----------
    found
        Ready for :func:`~clearlung.nodules.review.apply_review` with the same record.
    new
        Numbers of what was not known.
    lost
        Numbers of unreviewed findings that were not found again.
    conflicts
        What the reader must settle.
    """

    found: NoduleTable
    new: tuple[int, ...]
    lost: tuple[int, ...]
    conflicts: tuple[Conflict, ...]


def carry_over(state: ReviewState, found: NoduleTable, measure: Measure | None = None) -> Carried:
    """Give the findings of a later detection the numbers of what they are.

    Parameters
    ----------
    state
        What the review of the earlier detection has led to.
    found
        The later detection of the same scan.
    measure
        Measures again what gives way to an outline that the reader keeps; by default it keeps its measures.

    Returns
    -------
    Carried
        Matched one to one by overlap and by place, so that the masks agree best in sum. Of what the reader
        kept, the reader's outline stays whether it was found again or not. A further finding that lies
        mostly inside a known one is a part of it, of a rejected one is rejected with it. What is left is
        new, and gets new numbers.

    Raises
    ------
    ReviewError
        If both do not lie on the same grid.
    """
    if not grid_of(found).on_same_grid(state.grid):
        raise ReviewError("scan", "the new findings lie on another grid: they are of another scan or anatomy")
    fresh, known = list(items_of(found).values()), list(state.items.values())
    dice, covered, inside = _overlaps(fresh, known, grid_of(found).array.size)
    number_of = _matched(fresh, known, dice)
    conflicts: dict[int, Conflict] = {}
    dropped: set[int] = set()
    following = state.highest + 1
    for row in range(len(fresh)):
        over = [known[k] for k in np.flatnonzero(covered[row] >= COVERS)]
        kept = tuple(item.number for item in over if not item.rejected)
        rejected = tuple(item.number for item in over if item.rejected)
        if kept and rejected:
            conflicts[row] = Conflict(None, kept, rejected)
            plain = [item.number for item in over if not item.review and not item.rejected]
            number_of[row] = plain[0] if plain else -1
        elif number_of[row] < 0 and len(known) and inside[row].max() >= PART_OF:
            if known[int(inside[row].argmax())].number not in number_of.tolist():
                number_of[row] = known[int(inside[row].argmax())].number
            else:
                dropped.add(row)
    # A conflict may have taken the number that another finding was matched to.
    order = sorted(range(len(fresh)), key=lambda r: (r not in conflicts, r))
    taken: set[int] = set()
    for row in order:
        if row not in dropped and (number_of[row] < 0 or int(number_of[row]) in taken):
            number_of[row], following = following, following + 1
        taken.add(int(number_of[row]))
    return _assemble(state, found, fresh, number_of, dropped, conflicts, measure)


def _overlaps(
    fresh: list[Item], known: list[Item], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Dice, share of the known covered, share of the new inside; each of shape (new, known)."""
    shared = np.zeros((len(fresh), len(known)))
    if fresh:
        voxels = np.concatenate([item.voxels for item in fresh])
        owner = np.repeat(np.arange(len(fresh)), [len(item.voxels) for item in fresh])
        order = np.argsort(voxels, kind="stable")
        voxels, owner = voxels[order], owner[order]
        for column, item in enumerate(known):
            at = np.minimum(np.searchsorted(voxels, item.voxels), len(voxels) - 1)
            hit = voxels[at] == item.voxels
            shared[:, column] = np.bincount(owner[at[hit]], minlength=len(fresh))
    new = np.array([max(1, len(item.voxels)) for item in fresh], dtype=np.float64).reshape(-1, 1)
    old = np.array([max(1, len(item.voxels)) for item in known], dtype=np.float64).reshape(1, -1)
    return 2 * shared / (new + old), shared / old, shared / new


def _matched(fresh: list[Item], known: list[Item], dice: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return for each new finding the number of the known one that it is, or -1."""
    number_of = np.full(len(fresh), -1, dtype=np.int64)
    if not fresh or not known:
        return number_of
    radius = np.array([max(SMALLEST_RADIUS_MM, _diameter_mm(item) / 2) for item in known])
    apart = cdist(_centers(fresh), _centers(known)) / radius
    near = np.clip(1.0 - apart, 0.0, None)
    # A place alone is worth less than any overlap: it decides only where the masks do not touch.
    score = np.where(dice >= LEAST_DICE, 1.0 + dice, near)
    rows, columns = linear_sum_assignment(score, maximize=True)
    for row, column in zip(rows, columns, strict=True):
        if score[row, column] > 0:
            number_of[row] = known[column].number
    return number_of


def _centers(items: list[Item]) -> NDArray[np.float64]:
    return np.array([[item.row[name] for name in ("x_mm", "y_mm", "z_mm")] for item in items], dtype=float)


def _diameter_mm(item: Item) -> float:
    return float(sphere_diameter_mm(item.row["volume_mm3"]))


def _assemble(
    state: ReviewState,
    found: NoduleTable,
    fresh: list[Item],
    number_of: NDArray[np.int64],
    dropped: set[int],
    conflicts: dict[int, Conflict],
    measure: Measure | None,
) -> Carried:
    """Renumber the findings, and take from them what belongs to outlines that the reader keeps."""
    theirs = np.zeros(grid_of(found).shape, dtype=np.int32)
    for item in state.items.values():
        if item.review and not item.rejected:
            theirs.ravel()[item.voxels] = item.number
    labels = np.zeros_like(theirs)
    rows: dict[int, dict[str, object]] = {}
    trimmed: list[int] = []
    settled: list[Conflict] = []
    for row, item in enumerate(fresh):
        number = int(number_of[row])
        free = _free(item.voxels, theirs, number)
        if row in conflicts:
            number_or_none = number if len(free) else None
            settled.append(Conflict(number_or_none, conflicts[row].kept, conflicts[row].rejected))
        if row in dropped or not len(free):
            continue
        labels.ravel()[free] = number
        rows[number] = {**item.row, "id": number}
        if len(free) < len(item.voxels):
            trimmed.append(number)
    if measure is not None and trimmed:
        part = np.where(np.isin(labels, trimmed), labels, np.int32(0))
        for again in measure(part).rows():
            probability = rows[again["id"]]["probability"]
            rows[again["id"]] = {**again, "probability": probability, "review": ""}
    table = table_of([rows[number] for number in sorted(rows)], found, labels)
    lost = [n for n, item in state.items.items() if not item.review and not item.rejected and n not in rows]
    new = [n for n in sorted(rows) if n not in state.items]
    return Carried(table, tuple(new), tuple(lost), tuple(settled))


def _free(voxels: Voxels, theirs: NDArray[np.int32], number: int) -> Voxels:
    owner = theirs.ravel()[voxels]
    free: Voxels = voxels[(owner == 0) | (owner == number)]
    return free
