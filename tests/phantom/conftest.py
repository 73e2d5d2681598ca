import pytest

from clearlung.phantom import Phantom, PhantomSpec, make_phantom

SMALL = (100, 128, 128)


@pytest.fixture(scope="session")
def phantom() -> Phantom:
    return make_phantom(PhantomSpec(nodules=60, seed=7, shape=SMALL))
