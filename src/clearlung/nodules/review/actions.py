"""What a reader can do to nodules: one type per action, and the entry that says who did it, when and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from clearlung.anatomy import Lobe
from clearlung.nodules.review.masks import Mask

Cell = bool | int | float | str | None
"""One value of a nodule's row; what is not known is None."""

Texture = Literal["solid", "part-solid", "ground-glass"]

ACTION_KINDS = ("accept", "reject", "add", "merge", "split", "redraw", "relabel", "undo", "detected")
"""Every kind of action, as the record names it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Snapshot(_Part):
    """A nodule as an action met it or made it: enough to put it back where a later detection misses it."""

    number: int = Field(ge=1, description="For life, and the label in the label map.")
    drawn_by: int = Field(ge=0, description="Number of the action that drew its outline; 0 as found.")
    point_mm: tuple[float, float, float] = Field(description="Center, LPS.")
    volume_mm3: float = Field(ge=0)
    row: dict[str, Cell] = Field(description="Every column of the nodule table.")
    mask: Mask


class _Action(_Part):
    """What all actions can be asked."""

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return ()

    @property
    def made(self) -> tuple[Snapshot, ...]:
        """The nodules that it draws."""
        return ()


class Accept(_Action):
    """The reader takes them for nodules, as they are outlined."""

    kind: Literal["accept"] = "accept"
    nodules: tuple[Snapshot, ...] = Field(min_length=1)

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return self.nodules


class Reject(_Action):
    """The reader takes them for something else: a vessel, a scar."""

    kind: Literal["reject"] = "reject"
    nodules: tuple[Snapshot, ...] = Field(min_length=1)

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return self.nodules


class Add(_Action):
    """A nodule that was not found."""

    kind: Literal["add"] = "add"
    asked_mm: tuple[float, float, float] = Field(description="Where the reader pointed, LPS.")
    nodule: Snapshot

    @property
    def made(self) -> tuple[Snapshot, ...]:
        """The nodules that it draws."""
        return (self.nodule,)


class Merge(_Action):
    """Several are one: it has the lowest of their numbers."""

    kind: Literal["merge"] = "merge"
    nodules: tuple[Snapshot, ...] = Field(min_length=2)
    whole: Snapshot

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return self.nodules

    @property
    def made(self) -> tuple[Snapshot, ...]:
        """The nodules that it draws."""
        return (self.whole,)


class Split(_Action):
    """One is several: the largest part keeps the number."""

    kind: Literal["split"] = "split"
    nodule: Snapshot
    parts: tuple[Snapshot, ...] = Field(min_length=2)

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return (self.nodule,)

    @property
    def made(self) -> tuple[Snapshot, ...]:
        """The nodules that it draws."""
        return self.parts


class Redraw(_Action):
    """Another outline of the same nodule."""

    kind: Literal["redraw"] = "redraw"
    nodule: Snapshot
    drawn: Snapshot

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return (self.nodule,)

    @property
    def made(self) -> tuple[Snapshot, ...]:
        """The nodules that it draws."""
        return (self.drawn,)


class Relabel(_Action):
    """Another lobe or kind than the program says; None leaves it as it is."""

    kind: Literal["relabel"] = "relabel"
    nodule: Snapshot
    lobe: Lobe | None = None
    texture: Texture | None = None

    @property
    def met(self) -> tuple[Snapshot, ...]:
        """The nodules that the action concerns."""
        return (self.nodule,)


class Undo(_Action):
    """Takes an earlier action back; of an undo, does again what that took back."""

    kind: Literal["undo"] = "undo"
    action: int = Field(ge=1, description="Number of the action.")


class Detected(_Action):
    """Detection ran again, and the review was carried over to what it found."""

    kind: Literal["detected"] = "detected"
    found_sha256: str = Field(description="Of the file that holds what was found.")
    detector: str
    highest_number: int = Field(ge=0, description="No number up to this is given to another nodule.")
    lost: tuple[int, ...] = Field(description="Unreviewed findings that were not found again.")
    conflicts: tuple[str, ...] = Field(description="What the reader must settle, one sentence each.")


Action = Annotated[
    Accept | Reject | Add | Merge | Split | Redraw | Relabel | Undo | Detected, Field(discriminator="kind")
]
"""Any action, told apart by its kind."""

Who = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
Why = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class Entry(_Part):
    """One line of the record: an action, and who did it, when and why.

    ``who`` is the reader's initials or role. Neither it nor ``why`` may name the patient.
    """

    id: int = Field(ge=1, description="1 for the first line, one more for each.")
    who: Who
    when: datetime = Field(description="UTC.")
    why: Why = ""
    action: Action
    previous: str = Field(description="SHA-256 of the line before, or zeros for the first.")

    @field_validator("when")
    @classmethod
    def _utc(cls, when: datetime) -> datetime:
        if when.utcoffset() != timedelta(0):
            raise ValueError("the time of an entry is in UTC")
        return when

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of the nodules that the action concerns or makes, ascending."""
        return tuple(sorted({n.number for n in (*self.action.met, *self.action.made)}))

    def line(self) -> str:
        """Return the entry as one line of JSON, without its end."""
        return self.model_dump_json()

    def event(self) -> dict[str, Any]:
        """Return the entry without outlines and rows, as the case's ledger can hold it."""
        said: dict[str, Any] = {
            "id": self.id,
            "kind": self.action.kind,
            "nodules": list(self.numbers),
            "who": self.who,
            "when": self.when.isoformat(),
            "why": self.why,
        }
        if isinstance(self.action, Undo):
            said["action"] = self.action.action
        return said
