"""Whatever is wrong with a file: a reasoned refusal, or the true voxels, soon and in little memory."""

import hashlib
from dataclasses import dataclass

import pytest

from clearlung.ct import REJECTION_CODES, IntakeLimits
from clearlung.ct.child import run_apart

from .chests import chest
from .dicom_files import PATIENT_ID
from .malformed import spoiled_files, spoiled_series, whole_series_spoiled

# A whole series is read in 0.1 s here; eight programs on two processors are allowed for.
MOST_SECONDS = 8.0
# The interpreter with its libraries takes 220 MiB.
MOST_MIB = 600.0
TRUTH = hashlib.sha256(chest().array.tobytes()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    code: str
    message: str
    voxels: str
    seconds: float
    mib: float


def outcomes(make, folder):
    """Read in one child process what `make` writes."""
    folder.mkdir()
    paths = {name: str(path) for name, path in make(folder)}
    answer, _ = run_apart(
        "tests.ct.child_jobs:reads_all", {"paths": paths}, IntakeLimits(memory_bytes=4 << 30)
    )
    return {name: Outcome(*values) for name, values in answer.items()}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("malformed")
    made = (spoiled_series, whole_series_spoiled, spoiled_files)
    return {make.__name__: outcomes(make, folder / make.__name__) for make in made}


@pytest.mark.parametrize("make", ["spoiled_series", "whole_series_spoiled", "spoiled_files"])
def test_each_is_refused_with_a_reason_or_read_rightly(found, make):
    wrong = []
    for name, outcome in found[make].items():
        rightly = outcome.code == "read" and (outcome.voxels == TRUTH or "missing" in outcome.message)
        if not (rightly or outcome.code in REJECTION_CODES):
            wrong.append(f"{name}: {outcome.code} {outcome.message}")
    assert not wrong, "\n".join(wrong)


def test_soon_and_in_little_memory(found):
    everything = [(name, outcome) for made in found.values() for name, outcome in made.items()]
    assert len(everything) > 200
    slow = {name: outcome.seconds for name, outcome in everything if outcome.seconds > MOST_SECONDS}
    assert not slow
    assert max(outcome.mib for _, outcome in everything) < MOST_MIB


def test_no_message_names_the_patient_or_is_a_flood(found):
    for made in found.values():
        for name, outcome in made.items():
            for secret in ("Musterfrau", PATIENT_ID, "image0", "image1"):
                assert secret not in outcome.message, name
            assert len(outcome.message) < 2000, name
            assert outcome.message.isprintable(), name
