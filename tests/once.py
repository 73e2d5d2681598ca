"""What takes long to make and is only looked at: made once in a run, by whichever worker asks first."""

import fcntl
import os
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Once:
    """Products of one run of the tests by their names, kept in a folder that all its workers share.

    A worker that asks for what another is making waits for it. Each reads a copy of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._here: dict[str, Any] = {}

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns, here or in another worker; it must pickle."""
        if name not in self._here:
            file = self.folder / f"{name}.pickle"
            with _locked(file.with_suffix(".lock")):
                if not file.exists():
                    unfinished = file.with_suffix(".new")
                    unfinished.write_bytes(pickle.dumps(make(), protocol=pickle.HIGHEST_PROTOCOL))
                    os.replace(unfinished, file)
                self._here[name] = pickle.loads(file.read_bytes())  # noqa: S301 (this run wrote it)
        return self._here[name]


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold a file that one process at a time may hold; a process that dies lets go of it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
