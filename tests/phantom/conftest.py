"""Phantoms that several files look at: each takes seconds, however few voxels it has."""

import pytest

from clearlung.phantom import Phantom, PhantomSpec, make_phantom, varied_spec

SMALL = (100, 128, 128)
TINY = (48, 64, 64)


@pytest.fixture(scope="session")
def phantom(once) -> Phantom:
    return once("phantom", lambda: make_phantom(PhantomSpec(nodules=60, seed=7, shape=SMALL)))


@pytest.fixture(scope="session")
def varied(once) -> Phantom:
    return once("varied", lambda: make_phantom(varied_spec(4, nodules=20, shape=SMALL)))


@pytest.fixture(scope="session")
def tiny(once) -> Phantom:
    return once("tiny", lambda: make_phantom(PhantomSpec(nodules=20, seed=3, shape=TINY)))


@pytest.fixture(scope="session")
def empty(once) -> Phantom:
    return once("empty", lambda: make_phantom(PhantomSpec(nodules=0, shape=TINY, noise_hu=0.0)))
