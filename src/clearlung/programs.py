"""Other programs that are asked to run: called with a list of arguments, timed, and their failures told."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# The end of what a program said before it failed; the rest is progress.
LAST_WORDS = 400


def run_program(
    line: Sequence[str],
    fail: Callable[[str], Exception],
    *,
    time_limit_s: float,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    remedy: str = "",
) -> str:
    """Run a program to its end and return what it said.

    Parameters
    ----------
    line
        The program and its arguments; no shell reads them.
    fail
        Makes the exception that a message is raised as.
    time_limit_s
        When it is ended.
    environment
        What is added to the environment.
    folder
        Where it is run.
    remedy
        What to do if it cannot be started.

    Returns
    -------
    str
        Its standard output.

    Raises
    ------
    Exception
        What ``fail`` makes, if the program cannot be started, ends with another code than 0, or takes
        longer than it may.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a list, which no shell reads
            list(line),
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise fail(f"it did not end within {time_limit_s / 60:.0f} minutes.") from error
    except OSError as error:
        raise fail(f"it cannot be started: {error.strerror}. {remedy}".strip()) from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-LAST_WORDS:]
        raise fail(f"it ended with code {done.returncode}: {said or 'it said nothing'}")
    return done.stdout
