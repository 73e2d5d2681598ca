"""Shared fixtures."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Timings on a shared two-core machine say nothing about the code, so no deadline; the same examples each run.
settings.register_profile("clearlung", deadline=None, derandomize=True)
settings.load_profile("clearlung")


@pytest.fixture(scope="session")
def real_scans() -> Path:
    """Folder of real scans: skips without CLEARLUNG_DATA, fails where it is set and wrong."""
    folder = os.environ.get("CLEARLUNG_DATA")
    if not folder:
        pytest.skip("CLEARLUNG_DATA does not point to the real scans")
    path = Path(folder)
    assert (path / "README.md").is_file(), f"CLEARLUNG_DATA points to {path}, and no scans are there"
    return path
