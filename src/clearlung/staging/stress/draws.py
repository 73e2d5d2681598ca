"""`Draws`: the values of every spread in every scenario, the same for the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearlung.staging.stress.spreads import Floats, Spread

# What is drawn, in a fixed order: the place of a name is part of its seed, so new ones come last.
_STREAMS = (
    "found_ratio",
    "found_diameter",
    "found_minutes",
    "pace",
    "recovery",
    "growth",
    "edema",
    "access",
    "reentry",
    "perfusion",
    "tissue_factor",
    "fev1_bias",
    "fev1_error",
    "complication",
    "stay",
    "found_count",
    "complication_event",
    "edema_event",
    "dlco_bias",
    "dlco_error",
)
_LARGEST_SEED = 2**63 - 1


@dataclass(frozen=True, eq=False)
class Draws:
    """The values of every spread in every scenario.

    Each spread is drawn by Latin hypercube sampling: its quantiles are stratified, one scenario in each
    stratum, so that the share of scenarios beyond a value is exact to one scenario where a single spread
    decides (McKay et al., Technometrics 1979;21:239). An operation's values depend on its place alone, not
    on how many follow: plans with more operations are tested in the same scenarios.

    Parameters
    ----------
    spreads
        By name.
    scenarios
        How many.
    seed
        Of everything random.

    Raises
    ------
    ValueError
        If there are no scenarios, or the seed is negative.
    """

    spreads: Mapping[str, Spread]
    scenarios: int
    seed: int
    _made: dict[tuple[str, int], Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.scenarios < 1:
            raise ValueError(f"{self.scenarios} scenarios: at least one is needed")
        if not 0 <= self.seed <= _LARGEST_SEED:
            raise ValueError(f"seed {self.seed}: a whole number from 0 is needed")

    def quantiles(self, stream: str, place: int = 0) -> Floats:
        """Return one stratified quantile per scenario, shape (scenarios,), each in (0, 1)."""
        key = (stream, place)
        if key not in self._made:
            rng = np.random.default_rng([self.seed, _STREAMS.index(stream), place])
            within = rng.random(self.scenarios)
            strata: NDArray[np.int64] = rng.permutation(self.scenarios)
            # A quantile of 0 is minus infinity in a normal distribution.
            self._made[key] = np.maximum((strata + within) / self.scenarios, np.finfo(float).tiny)
        return self._made[key]

    def patient(self, name: str) -> Floats:
        """Return a spread's value in each scenario, shape (scenarios,)."""
        return self.spreads[name].drawn(self.quantiles(name))

    def operations(self, name: str, count: int) -> Floats:
        """Return a spread's values for each operation, shape (operations, scenarios)."""
        at = self.each(name, count)
        return self.spreads[name].drawn(at)

    def each(self, stream: str, count: int) -> Floats:
        """Return quantiles for each operation, shape (operations, scenarios)."""
        if not count:
            return np.empty((0, self.scenarios))
        return np.stack([self.quantiles(stream, place) for place in range(count)])
