"""The intake under `atheris`: any bytes give a scan or a `ClearlungError`, soon.

Run it by ``python -m fuzz.run``. Everything is read in this process, so that coverage is seen; an unexpected
exception or a slow input is written to ``findings/`` once for each place in the code, and the run goes on. A
crash of a native decoder ends the process, and `fuzz.run` starts it again.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
import traceback
from pathlib import Path
from tempfile import mkdtemp

import atheris

with atheris.instrument_imports(include=["clearlung.ct", "clearlung.anatomy.sources", "pydicom"]):
    from clearlung.anatomy.sources.dicom_seg import read_dicom_seg
    from clearlung.ct import IntakeLimits, list_series, read_scan
    from clearlung.errors import ClearlungError

from fuzz.mutate import change
from fuzz.seeds import KINDS

SUFFIXES = (".dcm", ".dcm", ".nii", ".nii.gz", ".nrrd", ".mha", ".zip", ".dcm", ".dcm")
# Small inputs are read in milliseconds; what takes this long takes too long.
SLOW_S = 2.0
LIMITS = IntakeLimits(unpacked_bytes=64 << 20, ratio_free_bytes=1 << 20, members=64)


class Target:
    """One fuzzing process: where it writes, and what it has seen."""

    def __init__(self, folder: Path, kinds: list[int]) -> None:
        self.kinds = kinds
        self.findings = folder / "findings"
        self.findings.mkdir(exist_ok=True)
        self.room = Path(mkdtemp())
        self.series = self.room / "series"
        shutil.copytree(folder / "siblings", self.series)
        self.outcomes: dict[str, int] = {}
        self.tally = folder / f"tally-{int(time.time())}.json"
        self.told = time.monotonic()

    def __call__(self, data: bytes) -> None:
        """Read one input."""
        if len(data) < 2:
            return
        kind = data[0] % len(KINDS)
        if kind not in self.kinds:
            return
        begun, begun_cpu = time.monotonic(), time.process_time()
        try:
            self._read(kind, data[1:])
            outcome = "read"
        except ClearlungError as error:
            outcome = getattr(error, "code", type(error).__name__)
        except Exception as error:  # every one is a finding
            outcome = "FINDING"
            self._note(data, error)
        if (seconds := time.process_time() - begun_cpu) > SLOW_S:
            (self.findings / f"slow-{KINDS[kind].replace(' ', '-')}-{int(seconds)}s").write_bytes(data)
        key = f"{KINDS[kind]}: {outcome}"
        self.outcomes[key] = self.outcomes.get(key, 0) + 1
        if begun - self.told > 10.0:
            self.told = begun
            self.tally.write_text(json.dumps(self.outcomes, indent=1, sort_keys=True))

    def _read(self, kind: int, raw: bytes) -> None:
        if kind == 1:
            (self.series / "replaced.dcm").write_bytes(raw)
            read_scan(self.series, isolated=False)
            return
        path = self.room / f"input{SUFFIXES[kind]}"
        path.write_bytes(raw)
        if kind == 0 or (kind == 6 and len(raw) % 2):
            list_series(path, isolated=False, limits=LIMITS)
        elif kind == 8:
            read_dicom_seg(path)
        else:
            read_scan(path, isolated=False, limits=LIMITS)

    def _note(self, data: bytes, error: Exception) -> None:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "clearlung" in f.filename]
        place = f"{Path(frames[-1].filename).stem}-{frames[-1].lineno}" if frames else "elsewhere"
        stem = self.findings / f"{type(error).__name__}-{place}"
        if not stem.with_suffix(".txt").exists():
            stem.with_suffix(".bin").write_bytes(data)
            stem.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change an input where its format has meaning, or anywhere."""
    rng = random.Random(seed)  # noqa: S311
    if len(data) < 2 or rng.random() < 0.3:
        return atheris.Mutate(data, max_size)
    kind, raw = data[0] % len(KINDS), data[1:]
    for _ in range(rng.choice((1, 1, 2, 4))):
        raw = change(raw, kind, rng)
    return (bytes([kind]) + raw)[:max_size]


def main() -> None:
    """Fuzz; the arguments are those of `fuzz.run`, and libFuzzer's."""
    folder = Path(sys.argv[1])
    target = Target(folder, [int(kind) for kind in sys.argv[2].split(",")])
    atheris.Setup([sys.argv[0], *sys.argv[3:], str(folder / "corpus")], target, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
