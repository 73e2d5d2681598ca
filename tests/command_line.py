"""The command line, in this process or in one of its own."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from clearlung.cli import main

TOLD_TO_END = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True)
class Done:
    """What a run left: its exit code and its words."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments, cwd):
    """Run ``clearlung`` here, without the seconds that a new process takes for its imports."""
    said, warned = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in TOLD_TO_END}
    code = 0
    try:
        with contextlib.chdir(cwd), contextlib.redirect_stdout(said), contextlib.redirect_stderr(warned):
            main([str(argument) for argument in arguments])
    except SystemExit as left:
        code = left.code or 0
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Done(code, said.getvalue(), warned.getvalue())


def run_apart(*arguments, cwd):
    """Run it as a person does: another process, with its own hashes and nothing in memory."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-m", "clearlung.cli", *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
