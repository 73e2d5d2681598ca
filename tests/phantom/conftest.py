"""Phantoms that several files look at: each takes seconds, however few voxels it has."""

import pytest

from clearlung.phantom import Phantom, PhantomSpec, make_phantom, varied_spec

SMALL = (100, 128, 128)
TINY = (48, 64, 64)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return make_phantom(PhantomSpec(nodules=60, seed=7, shape=SMALL))


@pytest.fixture(scope="session")
def varied() -> Phantom:
    return make_phantom(varied_spec(4, nodules=20, shape=SMALL))


@pytest.fixture(scope="session")
def tiny() -> Phantom:
    return make_phantom(PhantomSpec(nodules=20, seed=3, shape=TINY))


@pytest.fixture(scope="session")
def empty() -> Phantom:
    return make_phantom(PhantomSpec(nodules=0, shape=TINY, noise_hu=0.0))
