"""`Review`: a detection, the record of what a reader did to it, and what that led to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from clearlung.errors import ReviewError
from clearlung.nodules.review.actions import Action, Detected, Undo
from clearlung.nodules.review.record import Record
from clearlung.nodules.review.replay import apply_review, check_fits
from clearlung.nodules.review.state import ReviewState
from clearlung.nodules.table import NoduleTable


@dataclass(frozen=True, eq=False)
class Review:
    """A detection and what a reader did to it.

    Parameters
    ----------
    found
        What was found, with its label map.
    record
        What the reader did: nothing by default.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from clearlung.nodules.review import Review, reject
    >>> from clearlung.phantom import PhantomSpec, make_phantom
    >>> phantom = make_phantom(PhantomSpec(nodules=5, seed=3, shape=(48, 64, 64)))
    >>> review = Review(replace(phantom.truth, labels=phantom.nodules))
    >>> first = int(review.state.nodules.id[0])
    >>> rejected = review.done(reject(review.state, [first]), who="AB", why="a vessel")
    >>> len(review.state.nodules) - len(rejected.state.nodules)
    1
    >>> undone = rejected.undone(1, who="AB")
    >>> undone.state.nodules.id.tolist() == review.state.nodules.id.tolist()
    True
    """

    found: NoduleTable
    record: Record = field(default_factory=Record)

    @cached_property
    def state(self) -> ReviewState:
        """What the review has led to so far."""
        return apply_review(self.found, self.record)

    @property
    def next_id(self) -> int:
        """Number that the next action will have."""
        return len(self.record) + 1

    def done(self, action: Action, who: str, why: str = "", when: datetime | None = None) -> Review:
        """Return the review with one more action.

        Parameters
        ----------
        action
            From one of the functions of :mod:`clearlung.nodules.review`, made on :attr:`state`.
        who, why
            The reader's initials or role, and the reason. Neither may name the patient.
        when
            UTC; now by default.

        Raises
        ------
        ReviewError
            If nobody is named, or an undo names no action.
        ReviewDependence
            If an earlier action that stands rests on what this one changes.
        """
        if isinstance(action, Undo):
            self._check_undo(action.action)
        after = self.record.with_action(action, who, why, when)
        state = check_fits(self.found, self.record, after)
        return _with_state(replace(self, record=after), state)

    def undone(self, action: int | None = None, *, who: str, why: str = "") -> Review:
        """Return the review with an action taken back; taking back an undo does the action again.

        Parameters
        ----------
        action
            Its number; by default the last one that stands.
        who, why
            As for :meth:`done`.

        Raises
        ------
        ReviewError
            If there is no such action, or it is taken back already.
        ReviewDependence
            If later actions rest on it; they are named.
        """
        return self.done(Undo(action=self.last() if action is None else action), who, why)

    def last(self) -> int:
        """Return the number of the last action that stands.

        Raises
        ------
        ReviewError
            If there is none.
        """
        for entry in reversed(self.record.entries):
            if entry.id not in self.state.undone and not isinstance(entry.action, Undo | Detected):
                return entry.id
        raise ReviewError("undo", "there is nothing to take back")

    def _check_undo(self, number: int) -> None:
        field = f"action {number}"
        if not 1 <= number <= len(self.record):
            raise ReviewError(field, f"there is none; the log has {len(self.record)}")
        if isinstance(self.record.entries[number - 1].action, Detected):
            raise ReviewError(field, "is a detection, and cannot be taken back: run detection again")
        if number in self.state.undone:
            undoing = [
                entry.id
                for entry in self.record.entries
                if isinstance(entry.action, Undo)
                and entry.action.action == number
                and entry.id not in self.state.undone
            ]
            raise ReviewError(
                field, f"is taken back already, by action {undoing[0]}: undo that one to do it again"
            )


def _with_state(review: Review, state: ReviewState) -> Review:
    """Keep a state that is computed already."""
    vars(review)["state"] = state
    return review
