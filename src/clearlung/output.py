"""Output folders, written all or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clearlung.atomic import sync
from clearlung.errors import OutputError

MANIFEST = "manifest.json"


def check_target(target: Path, *, replace: bool) -> None:
    """Refuse a target that must not be written, before any work is done.

    Raises
    ------
    OutputError
        If the target is a file, its parent does not exist or is not writable, it is an earlier result and
        ``replace`` is off, or it is a folder that Clearlung did not write.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent} is not a folder: make it first")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target.parent} is not writable")
    if target.is_file():
        raise OutputError(f"{target} is a file: name a folder with -o")
    if target.is_dir() and any(target.iterdir()):
        if not (target / MANIFEST).is_file():
            raise OutputError(f"{target} holds something else: name another folder with -o")
        if not replace:
            raise OutputError(
                f"{target} holds an earlier result: name another folder, or replace it with --force"
            )


def check_file(target: Path, *, replace: bool) -> None:
    """Refuse a file that must not be written, before any work is done.

    Raises
    ------
    OutputError
        If the target is a folder, its parent does not exist or is not writable, or it exists and ``replace``
        is off.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent} is not a folder: make it first")
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{target.parent} is not writable")
    if target.is_dir():
        raise OutputError(f"{target} is a folder: name a file with -o")
    if target.exists() and not replace:
        raise OutputError(f"{target} exists: name another file, or replace it with --force")


@contextmanager
def folder_all_or_nothing(target: Path, *, replace: bool) -> Iterator[Path]:
    """Yield a folder that becomes the target when the block ends well, and vanishes when it does not.

    An earlier result is taken away only after the new one is complete and on disk.

    Raises
    ------
    OutputError
        As for :func:`check_target`, or if the disk is full or the folder cannot be made.
    """
    check_target(target, replace=replace)
    target = target.absolute()
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise _not_written(target, error) from error
    try:
        work.chmod(0o777 & ~_umask())
        yield work
        for path in sorted(work.rglob("*")):
            sync(path)
        sync(work)
        _swap(work, target)
    except BaseException as error:
        shutil.rmtree(work, ignore_errors=True)
        if isinstance(error, OSError):
            raise _not_written(target, error) from error
        raise


def _not_written(target: Path, error: OSError) -> OutputError:
    return OutputError(f"{target} cannot be written: {error.strerror or error}. Name another place with -o")


def _swap(work: Path, target: Path) -> None:
    old: Path | None = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
        os.replace(target, old / target.name)
    try:
        os.replace(work, target)
    except OSError:
        if old is not None:
            os.replace(old / target.name, target)
            old.rmdir()
        raise
    sync(target.parent)
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
