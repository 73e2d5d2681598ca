"""The record of a review: an append-only file of entries, one JSON object per line, chained by hash."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from clearlung.atomic import sync
from clearlung.errors import CaseConflict, OutputError, ReviewError
from clearlung.nodules.review.actions import Action, Entry

FIRST_HASH = "0" * 64


@dataclass(frozen=True)
class Record:
    """Every entry of a review, in the order in which they were made.

    Parameters
    ----------
    entries
        Numbered from 1.
    torn
        What stands behind the last whole line: the beginning of an entry whose writing a crash cut off; ""
        as a rule. It was never done.
    last_hash
        SHA-256 of the last whole line, zeros where there is none.
    """

    entries: tuple[Entry, ...] = ()
    torn: str = ""
    last_hash: str = FIRST_HASH

    def __len__(self) -> int:
        return len(self.entries)

    def with_action(self, action: Action, who: str, why: str = "", when: datetime | None = None) -> Record:
        """Return the record with one more entry.

        Parameters
        ----------
        action
            What was done.
        who, why
            The reader's initials or role, and the reason. Neither may name the patient.
        when
            UTC; now by default.

        Raises
        ------
        ReviewError
            If nobody is named, or a text is too long.
        """
        when = (when or datetime.now(UTC)).astimezone(UTC)
        try:
            entry = Entry(
                id=len(self) + 1, who=who, when=when, why=why, action=action, previous=self.last_hash
            )
        except ValidationError as error:
            field = str(error.errors()[0]["loc"][0])
            raise ReviewError(field, _REMEDY.get(field, error.errors()[0]["msg"])) from error
        return Record((*self.entries, entry), self.torn, _digest(entry.line()))


_REMEDY = {
    "who": "say who reviews, in 1 to 80 letters: initials or a role, with --by or CLEARLUNG_READER",
    "why": "takes 1000 letters at most",
}


def read_record(path: Path) -> Record:
    """Read a record and check its chain.

    Parameters
    ----------
    path
        A ``review.jsonl``.

    Returns
    -------
    Record
        With what a crash left of an unfinished entry, if anything.

    Raises
    ------
    CaseConflict
        If a line was changed, dropped or slipped in; the message names the first such line.
    OutputError
        If the file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from error
    return parse_record(raw)


def parse_record(raw: bytes) -> Record:
    """Read a record from its bytes; see :func:`read_record`."""
    *lines, tail = raw.split(b"\n")
    entries: list[Entry] = []
    previous = FIRST_HASH
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise CaseConflict(
                f"line {number} of the review is damaged ({first['msg']}): put the file back from a copy"
            ) from error
        if entry.previous != previous or entry.id != number:
            raise CaseConflict(
                f"line {number} of the review does not follow from the line before it: a line was changed,"
                " dropped or slipped in. Put the file back from a copy"
            )
        previous = _digest(line.decode())
        entries.append(entry)
    return Record(tuple(entries), tail.decode("utf-8", errors="replace"), previous)


def append_entries(path: Path, record: Record, entries: Sequence[Entry]) -> None:
    """Append entries to the file, on disk when this returns.

    Call it while holding :func:`locked`. What a crash left of an unfinished entry is moved to
    ``review.torn`` beside the file, so that nothing is lost.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    try:
        if record.torn:
            _set_aside(path)
        text = "".join(entry.line() + "\n" for entry in entries)
        with path.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        sync(path.parent)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def _set_aside(path: Path) -> None:
    """Move an unfinished last line into a file of its own, then end the record before it."""
    raw = path.read_bytes()
    whole = raw.rfind(b"\n") + 1
    aside = path.with_suffix(".torn")
    with aside.open("ab") as file:
        file.write(raw[whole:] + b"\n")
        file.flush()
        os.fsync(file.fileno())
    with path.open("r+b") as file:
        file.truncate(whole)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a review folder: another process that wants to write into it waits.

    Raises
    ------
    OutputError
        If the folder cannot be written into.
    """
    import fcntl

    try:
        descriptor = os.open(folder / ".review.lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
