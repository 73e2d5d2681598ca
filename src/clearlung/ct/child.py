"""Reading in a process of its own: whatever a file does to its decoder, the program goes on.

The parent starts a fresh interpreter (a fork would inherit the locks of SimpleITK's and numba's threads),
tells it over its standard input what to read, and waits. The answer comes back as JSON, never as pickle: a
decoder that was taken over must not be able to run code here. Voxels come back as bytes, in a file that is in
memory where the system can do that. The pipe to the child stays open as a lifeline: when the parent is gone,
however it went, the child removes the private folder and ends.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

import numpy as np
from numpy.typing import NDArray

from clearlung.ct.limits import GIB, IntakeLimits
from clearlung.errors import ScanRejected

# What the child is allowed to send: plain numbers, nothing that holds references.
_SENT_KINDS = "biuf"
_ANSWER = "answer.json"
# The answer is a page of JSON, or a list of series; more is no answer.
MAX_ANSWER_BYTES = 64 << 20
# Without -P the working folder comes first on the path, and a file in it could pose as a module.
_START = (
    "import json, sys; request = json.loads(sys.stdin.readline()); sys.path[:] = request['path']; "
    "from clearlung.ct.child import serve; serve(request)"
)


def run_apart(
    job: str, arguments: Mapping[str, Any], limits: IntakeLimits | None = None
) -> tuple[Any, NDArray[Any] | None]:
    """Run a function of the intake in a child process with limits on its time and memory.

    Parameters
    ----------
    job
        ``"module:function"``. The function takes the arguments and two more keywords, ``room``, an empty
        private folder that is removed afterwards, and ``limits``. It returns what JSON can hold, and an array
        or None.
    arguments
        Keyword arguments that JSON can hold.
    limits
        The defaults of :class:`~clearlung.ct.IntakeLimits` if None.

    Returns
    -------
    answer, array
        What the function returned; tuples come back as lists. The array is this process's own.

    Raises
    ------
    ScanRejected
        What the function raised, or ``took_too_long``, ``too_large`` (memory) or ``decoder_failed`` (the
        child crashed).
    """
    limits = limits or IntakeLimits()
    with tempfile.TemporaryDirectory(prefix="clearlung-", ignore_cleanup_errors=True) as folder:
        room = Path(folder)
        with _voxel_file(room) as (file, name):
            request = {
                "path": [str(entry) or os.getcwd() for entry in sys.path],
                "job": job,
                "arguments": dict(arguments),
                "limits": asdict(limits),
                "room": folder,
                "voxels": name,
            }
            code = _run(request, room, file.fileno(), limits)
            reply = _reply(room, code)
            return reply["answer"], _array(file, reply.get("array"))


@contextlib.contextmanager
def _voxel_file(room: Path) -> Iterator[tuple[BinaryIO, str]]:
    """Yield a file for the child's voxels and the name by which the child opens it."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("clearlung"), "r+b") as file:
            yield file, f"/proc/self/fd/{file.fileno()}"
    else:
        with (room / "voxels").open("w+b") as file:
            yield file, str(room / "voxels")


def _run(request: dict[str, Any], room: Path, handle: int, limits: IntakeLimits) -> int:
    """Start the child, wait for it and return its exit code; it is gone when this returns or raises."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter with our own words
        [sys.executable, "-P", "-c", _START],
        stdin=subprocess.PIPE,
        # decoders write what they please, a patient's name at worst
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(room), "TEMP": str(room), "TMP": str(room)},
        pass_fds=() if os.name == "nt" else (handle,),
        # Ctrl-C is for the parent, who ends the child in order
        start_new_session=True,
    )
    lifeline = cast(BinaryIO, process.stdin)
    try:
        with contextlib.suppress(BrokenPipeError):  # it died at once: its exit code says more
            lifeline.write(json.dumps(request).encode() + b"\n")
            lifeline.flush()
        return process.wait(limits.seconds)
    except subprocess.TimeoutExpired as error:
        raise _too_long(limits.seconds) from error
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(BrokenPipeError):
            lifeline.close()


def _reply(room: Path, code: int) -> dict[str, Any]:
    """Return what the child answered, or raise what came in place of an answer."""
    answer = room / _ANSWER
    if code != 0 or answer.is_symlink() or not answer.is_file() or answer.stat().st_size > MAX_ANSWER_BYTES:
        _refuse_crash(code)
    try:
        reply = cast(dict[str, Any], json.loads(answer.read_text(encoding="utf-8")))
    except ValueError as error:
        raise _decoder_failed("an answer that is none") from error
    if "rejected" in reply:
        raise ScanRejected(*map(str, reply["rejected"]))
    if "failed" in reply:
        if reply["failed"] == "MemoryError":
            raise _too_large()
        raise _decoder_failed(reply["failed"])
    return reply


def _refuse_crash(code: int) -> NoReturn:
    name = f"exit code {code}"
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
    if name == "SIGXCPU":
        raise _too_long(None)
    if name == "SIGKILL":  # the system's answer to too little memory
        raise _too_large()
    raise _decoder_failed(name)


def _decoder_failed(what: str) -> ScanRejected:
    return ScanRejected(
        "decoder_failed",
        what,
        "The program that decodes the images failed on this input: it is damaged, or made to do harm. "
        "Export it again from the scanner or the archive, uncompressed.",
    )


def _too_long(seconds: float | None) -> ScanRejected:
    limit = "its limit of computing time" if seconds is None else f"the limit of {seconds:g} s"
    return ScanRejected(
        "took_too_long",
        "reading",
        f"Reading took longer than {limit} and was ended. Copy the input to a local disk, give only the "
        "series that is needed, or raise the limit (IntakeLimits.seconds).",
    )


def _too_large() -> ScanRejected:
    return ScanRejected(
        "too_large",
        "reading",
        "Reading needed more memory than its limit or the machine allows. Give only the series that is "
        "needed, or raise the limit (IntakeLimits.memory_bytes).",
    )


def _array(file: BinaryIO, form: dict[str, Any] | None) -> NDArray[Any] | None:
    if form is None:
        return None
    dtype, shape = np.dtype(str(form["dtype"])), tuple(int(n) for n in form["shape"])
    size = os.fstat(file.fileno()).st_size
    if dtype.kind not in _SENT_KINDS or math.prod(shape) * dtype.itemsize != size:
        raise _decoder_failed("an answer that contradicts itself")
    file.seek(0)
    return np.fromfile(file, dtype=dtype).reshape(shape)


def serve(request: dict[str, Any]) -> NoReturn:
    """Do in the child what the request says, and end; :func:`run_apart` calls it in a new process."""
    room = Path(request["room"])
    (room / "work").mkdir()
    threading.Thread(target=_end_with_parent, args=(room,), daemon=True).start()
    limits = IntakeLimits(**request["limits"])
    _limit_this_process(limits)
    reply: dict[str, Any]
    try:
        module, _, function = request["job"].partition(":")
        answer, array = getattr(import_module(module), function)(
            **request["arguments"], room=room / "work", limits=limits
        )
        reply = {"answer": answer}
        if array is not None:
            reply["array"] = {"dtype": array.dtype.str, "shape": array.shape}
            with open(request["voxels"], "r+b") as file:
                np.ascontiguousarray(array).tofile(file)
    except ScanRejected as error:
        message = str(error).removesuffix(f" [{error.code}: {error.where}]")
        reply = {"rejected": [error.code, error.where, message]}
    except BaseException as error:  # damaged bytes lead a decoder to anything; its text may name the patient
        reply = {"failed": type(error).__name__}
    (room / _ANSWER).write_text(json.dumps(reply), encoding="utf-8")
    os._exit(0)  # at once: libraries have crashed while tidying up after damaged input


def _end_with_parent(room: Path) -> None:
    """Wait until the parent is gone, leave nothing behind, end."""
    sys.stdin.read()
    shutil.rmtree(room, ignore_errors=True)
    os._exit(1)


def _limit_this_process(limits: IntakeLimits) -> None:
    """Set the system's limits on this process, where the system has them."""
    try:
        import resource
    except ImportError:  # Windows: the parent's clock is the limit
        return
    seconds = math.ceil(limits.seconds) * (os.cpu_count() or 1)
    wanted = {
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_CPU": seconds,  # for a child whose parent's clock has stopped
        "RLIMIT_CORE": 0,  # a core dump would hold the images
        "RLIMIT_FSIZE": max(limits.unpacked_bytes, 4 * GIB),
    }
    for name, value in wanted.items():
        with contextlib.suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, hard))
