"""A remembered answer is the network's own."""

import numpy as np

from clearlung.nodules.network import PATCH, built_in_network

from .once import Once
from .remembered import RememberedNetwork


def batch(seed, count=3):
    rng = np.random.default_rng(seed)
    near, wide = rng.random((2, count, 2, PATCH, PATCH, PATCH), dtype=np.float32)
    return near, wide, rng.random((count, 3), dtype=np.float32)


def test_answers_are_the_networks_own_and_asked_for_once(tmp_path):
    asked = []

    def network(*given):
        asked.append(given)
        return built_in_network()(*given)

    first, second = (RememberedNetwork(network, Once(tmp_path)) for _ in range(2))
    for ask in (first, first, second):
        np.testing.assert_array_equal(ask(*batch(1)), built_in_network()(*batch(1)))
    assert len(asked) == 1


def test_what_differs_in_one_bit_is_another_question(tmp_path):
    asked = []

    def network(near, wide, sizes):
        asked.append(len(near))
        return np.full((len(near), 5), len(asked), dtype=np.float32)

    ask = RememberedNetwork(network, Once(tmp_path))
    given = batch(1)
    assert ask(*given)[0, 0] == 1
    for number, array in enumerate(given):
        other = [part.copy() for part in given]
        other[number].flat[-1] = np.nextafter(array.flat[-1], np.float32(2))
        assert ask(*other)[0, 0] == number + 2
    assert ask(*batch(1, count=2))[0, 0] == 5


def test_an_answer_that_is_changed_is_not_remembered_changed(tmp_path):
    ask = RememberedNetwork(lambda near, wide, sizes: np.zeros((len(near), 5)), Once(tmp_path))
    ask(*batch(1))[:] = 7
    assert not ask(*batch(1)).any()
