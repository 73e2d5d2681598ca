"""What the network that finds nodules answered, kept for the rest of a run of the tests."""

import hashlib

import numpy as np

from clearlung.nodules.network import Network

from .once import Once


class RememberedNetwork:
    """A network that is asked the same only once in a run, by whichever worker asks first.

    Most of the computing time of a search for nodules is the network's, and many tests search one scan again:
    turned, moved, or with other options. Each batch is known by all its bytes, so that what differs in
    one bit is asked anew; what the network is asked, and what becomes of its answers, is untouched.
    """

    def __init__(self, network: Network, once: Once) -> None:
        self._network, self._once = network, once

    def __call__(self, near, wide, sizes):
        """Return the network's answers to a batch."""
        digest = hashlib.sha256()
        for part in (near, wide, sizes):
            digest.update(f"{part.dtype} {part.shape} ".encode())
            digest.update(np.ascontiguousarray(part))
        name = f"answers-{digest.hexdigest()}"
        return self._once(name, lambda: self._network(near, wide, sizes)).copy()
