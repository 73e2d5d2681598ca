"""Files that appear under their name only when they are complete and on disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write one file whole or not at all.

    Parameters
    ----------
    path
        The file; an existing one is replaced.
    write
        Writes to the path that it is given: a file of the same name in a temporary folder beside the
        target, so that a crash never leaves half a file under its name.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".clearlung-") as folder:
        part = Path(folder) / path.name
        write(part)
        sync(part)
        part.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Force a file or folder to disk."""
    if path.is_dir() and os.name != "posix":  # elsewhere a folder cannot be opened, and renaming is journaled
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
