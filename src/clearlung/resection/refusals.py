"""Why techniques do not fit lesions: what makes one unresectable, or costs it its segment or lobe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearlung.resection.techniques import Technique


@dataclass
class Refusals:
    """Reasons by the row of a lesion, collected while techniques are tried."""

    small: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    every: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, technique: Technique, row: int, reason: str) -> None:
        """Note why a technique does not fit a lesion; "" for no reason."""
        if reason:
            self.every[row].append(reason)
            if not technique.anatomical:
                self.small[row].append(reason)

    def told(
        self, ids: NDArray[np.int32], made: Iterable[tuple[Technique, tuple[int, ...]]]
    ) -> tuple[dict[int, str], dict[int, str]]:
        """Return the reasons by lesion: of those that nothing fits, and of those that nothing small fits.

        Parameters
        ----------
        ids
            The lesions' ids, by row.
        made
            The technique of every specimen, and the rows that it holds.
        """
        held: set[int] = set()
        held_small: set[int] = set()
        for technique, rows in made:
            held.update(rows)
            if not technique.anatomical:
                held_small.update(rows)
        unresectable = {int(ids[r]): "; ".join(self.every[r]) for r in range(len(ids)) if r not in held}
        forced = {int(ids[r]): "; ".join(self.small[r]) for r in sorted(held - held_small)}
        return unresectable, forced
