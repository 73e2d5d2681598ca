"""Shared fixtures, and the order in which files are run."""

import os
from pathlib import Path

# Before they are loaded: threads that spin while they wait for work take the cores from the other workers.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest
from hypothesis import settings

from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.ct import AxisOrder, write_volume
from clearlung.nodule_jobs import find_into, make_options
from clearlung.nodules.network import built_in_network
from clearlung.phantom import Phantom, PhantomSpec, make_phantom

from .once import Once
from .real import RealPlan, plan_real_scan
from .remembered import RememberedNetwork

# Timings on a shared two-core machine say nothing about the code, so no deadline; the same examples each run.
settings.register_profile("clearlung", deadline=None, derandomize=True)
settings.load_profile("clearlung")

# Workers take the next file when they are done with theirs. The longest begins, and compiles the kernels;
# meanwhile the others do what needs none, or they would compile the same ones. Short files are for the end.
FIRST = (
    "tests/test_phantom_to_plan.py",
    "tests/ct/",
    "tests/staging/",
    "tests/test_demo.py",
    "tests/report/",
    "tests/test_cli",
    "tests/test_real_scans.py",
    "tests/anatomy/",
    "tests/resection/",
    "tests/nodules/",
    "tests/phantom/",
    "tests/test_",
    "tests/perfusion/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        return next((n for n, start in enumerate(FIRST) if item.nodeid.startswith(start)), len(FIRST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def real_scans() -> Path:
    """Folder of real scans: skips without CLEARLUNG_DATA, fails where it is set and wrong."""
    folder = os.environ.get("CLEARLUNG_DATA")
    if not folder:
        pytest.skip("CLEARLUNG_DATA does not point to the real scans")
    path = Path(folder)
    assert (path / "README.md").is_file(), f"CLEARLUNG_DATA points to {path}, and no scans are there"
    return path


@pytest.fixture(scope="session")
def once(tmp_path_factory) -> Once:
    """What is made once for all workers: ``once(name, make)``."""
    folder = tmp_path_factory.getbasetemp()
    return Once(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder)


@pytest.fixture(scope="session", autouse=True)
def remembered_network(once):
    """Keep what the network answers for whoever asks it the same again."""
    patch = pytest.MonkeyPatch()
    remembered = RememberedNetwork(built_in_network(), once)
    patch.setattr("clearlung.nodules.find.built_in_network", lambda: remembered)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def real_plan(once, real_scans):
    """The plan of a real scan by its name."""

    def get(name: str) -> RealPlan:
        return once(f"real-{name}", lambda: plan_real_scan(real_scans, name, once.folder / f"real-{name}"))

    return get


@pytest.fixture(scope="session")
def healthy(once) -> Phantom:
    """A phantom without any damage."""
    return once("healthy", lambda: make_phantom(PhantomSpec(nodules=60, seed=4, shape=(160, 200, 200))))


@pytest.fixture(scope="session")
def healthy_anatomy(once, healthy) -> Anatomy:
    """What is segmented on it."""
    return once("healthy-anatomy", lambda: segment_anatomy(healthy.scan))


@pytest.fixture(scope="session")
def one_lung(once) -> tuple[Phantom, Anatomy]:
    """A phantom with emphysema after a left pneumonectomy, and what is segmented on it."""
    spec = PhantomSpec(
        nodules=6, seed=3, shape=(160, 200, 200), operation="left pneumonectomy", emphysema=0.3
    )

    def make() -> tuple[Phantom, Anatomy]:
        phantom = make_phantom(spec)
        return phantom, segment_anatomy(phantom.scan)

    return once("one-lung", make)


@pytest.fixture(scope="session")
def coarse(once) -> Phantom:
    """A phantom of few voxels."""
    return once("coarse", lambda: make_phantom(PhantomSpec(nodules=20, seed=3, shape=(100, 128, 128))))


@pytest.fixture(scope="session")
def coarse_found(once, coarse) -> Path:
    """A folder with its ``scan.nrrd``, in another axis order than ours, and what was found: ``nodules``.

    To be copied by those who change it.
    """

    def find() -> Path:
        folder: Path = once.folder / "coarse"
        folder.mkdir(exist_ok=True)
        write_volume(coarse.scan.volume, folder / "scan.nrrd", AxisOrder((2, 0, 1), (True, False, True)))
        find_into(folder / "scan.nrrd", folder / "nodules", make_options("blob", 2.0), replace_earlier=True)
        return folder

    return once("coarse-found", find)
