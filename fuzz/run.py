"""Fuzz the intake for so many minutes, whatever it does to the process: see README.md in this folder.

``python -m fuzz.run FOLDER MINUTES [KINDS]``; KINDS are places in `fuzz.seeds.KINDS`, with commas.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.seeds import KINDS, build

# A small DICOM segmentation is the largest seed.
MAX_INPUT_BYTES = 400_000
# A unit that hangs ends the process; that is a finding.
TIMEOUT_S = 30
MEMORY_MB = 4096


def main() -> None:
    """Run the fuzzer again and again until the time is up."""
    folder, minutes = Path(sys.argv[1]).resolve(), float(sys.argv[2])
    kinds = sys.argv[3] if len(sys.argv) > 3 else ",".join(str(place) for place in range(len(KINDS)))
    build(folder, {int(kind) for kind in kinds.split(",")})
    end = time.monotonic() + 60.0 * minutes
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - thousands of short-lived files
    with (folder / "log.txt").open("a", encoding="utf-8") as log, TemporaryDirectory(dir=memory) as room:
        while (left := int(end - time.monotonic())) > 0:
            options = [
                f"-max_total_time={left}",
                f"-max_len={MAX_INPUT_BYTES}",
                f"-timeout={TIMEOUT_S}",
                f"-rss_limit_mb={MEMORY_MB}",
                f"-artifact_prefix={folder}/",
                "-print_final_stats=1",
            ]
            command = [sys.executable, "-m", "fuzz.fuzz_intake", str(folder), kinds, *options]
            code = subprocess.run(
                command, check=False, env=os.environ | {"TMPDIR": room}, stderr=log, stdout=log
            ).returncode
            print(f"ended with {code}, {max(0, int(end - time.monotonic()))} s left", flush=True)


if __name__ == "__main__":
    main()
