"""What test_child.py has a child do; few imports, since each child makes them again."""

import ctypes
import os
import sys
import time

import numpy as np

from clearlung.errors import ScanRejected

MIB = 1 << 20


def answer(*, room, limits, array=True):
    room.joinpath("something").write_text("to be removed")
    return {"room": str(room), "seconds": limits.seconds}, np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def nothing(*, room, limits):
    return None, None


def rejects(*, room, limits):
    raise ScanRejected("not_hu", "somewhere [odd: text]", "The values are wrong.")


def fails(*, room, limits):
    raise RuntimeError("Musterfrau")


def recurses(*, room, limits, deep=0):
    return recurses(room=room, limits=limits, deep=deep + 1)


def crashes(*, room, limits):
    ctypes.string_at(0)


def aborts(*, room, limits):
    os.abort()


def exits(*, room, limits):
    os._exit(0)


def leaves(*, room, limits):
    sys.exit(0)


def forges_an_answer(*, room, limits):
    (room.parent / "answer.json").write_text("{")
    os._exit(0)


def links_the_answer(*, room, limits):
    (room.parent / "answer.json").symlink_to("/etc/hostname")
    os._exit(0)


def sleeps(*, room, limits):
    time.sleep(60)


def computes(*, room, limits):
    while True:
        pass


def eats(*, room, limits):
    return len(bytearray(limits.memory_bytes)), None


def eats_slowly(*, room, limits):
    kept = []
    while True:
        kept.append(np.ones(16 * MIB, np.uint8))


def chatters(*, room, limits):
    os.write(1, b"Musterfrau")
    os.write(2, b"Musterfrau" * 100_000)
    return None, None


def writes_too_much(*, room, limits):
    with (room / "big").open("wb") as file:
        file.truncate(64 << 40)
    return None, None


def sends_complex_numbers(*, room, limits):
    return None, np.array([1j])


def reads_all(*, paths, room, limits):
    """Read each path; return what came of it, words, the voxels' hash, seconds, the most MiB yet."""
    import hashlib

    from clearlung.ct import read_scan

    results = {}
    for name, path in paths.items():
        begun, voxels = time.monotonic(), ""
        try:
            scan = read_scan(path, isolated=False, limits=limits)
            outcome, message = "read", " ".join(scan.warnings)
            voxels = hashlib.sha256(scan.volume.array.tobytes()).hexdigest()
        except ScanRejected as rejected:
            outcome, message = rejected.code, str(rejected)
        except Exception as error:
            outcome, message = f"RAISED {type(error).__name__}", str(error)
        results[name] = [outcome, message, voxels, time.monotonic() - begun, peak_mib()]
    return results, None


def peak_mib():
    """The most memory that this program has held; getrusage counts what its parent held before it, too."""
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
