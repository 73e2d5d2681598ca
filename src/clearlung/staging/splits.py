"""How many operations open the right lung, the left, or both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from clearlung.anatomy import SIDES, Side
from clearlung.staging.items import Items


@dataclass(frozen=True)
class Split:
    """How many operations open both sides, the right and the left."""

    both: int
    right: int
    left: int

    @property
    def operations(self) -> int:
        """Their number."""
        return self.both + self.right + self.left


def one_sided(right: int, left: int, total: int, lungs: Mapping[Side, Items]) -> Iterator[Split]:
    """Yield ways to share so many operations, none of which opens both sides.

    Parameters
    ----------
    right, left
        How many each lung needs; additional ones come first where operations are largest.
    total
        How many in all.
    lungs
        The specimens of each lung.
    """
    more = total - right - left
    if not len(lungs["right"]) or not len(lungs["left"]):
        yield Split(0, total, 0) if len(lungs["right"]) else Split(0, 0, total)
        return
    ways = [Split(0, right + i, left + more - i) for i in range(more + 1)]
    yield from sorted(
        ways, key=lambda w: (max(lungs["right"].ml / w.right, lungs["left"].ml / w.left), -w.right)
    )


def some_on_both(
    lungs: Mapping[Side, Items], total: int, most: int, perfused: Mapping[Side, int]
) -> Iterator[Split]:
    """Yield ways to share so many operations of which some open both sides, few of these first.

    Parameters
    ----------
    lungs
        The specimens of each lung.
    total, most
        How many in all, and how many on both sides at most.
    perfused
        How many of each lung's last ones are perfused: these open one side.
    """
    counts = {side: lungs[side].lesions for side in SIDES}
    for both in range(1, min(most, total) + 1):
        single = total - both
        even = single * counts["right"] / max(1, sum(counts.values()))
        for right in sorted(range(single + 1), key=lambda n: (abs(n - even), n)):
            if right >= perfused["right"] and single - right >= perfused["left"]:
                yield Split(both, right, single - right)
