"""What reading does is tested in this process; what the child process adds is tested in test_child.py."""

import pytest

from clearlung.ct import list_series, read_scan


@pytest.fixture(autouse=True, scope="package")
def in_this_process():
    patch = pytest.MonkeyPatch()
    for function in (read_scan, list_series):
        patch.setitem(function.__kwdefaults__, "isolated", False)
    yield
    patch.undo()
