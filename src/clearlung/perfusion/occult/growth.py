"""How fast what is not seen grows: from the doubling times of what is seen, or from published cut-offs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.evidence import EvidenceBook

FloatArray = NDArray[np.float64]

GROWTH_EVIDENCE = (
    "growth.fast.doubling",
    "growth.slow.doubling",
    "occult.growth.lesions",
    "occult.growth.slowest",
)
"""Ids of the entries that growth rates rest on."""


@dataclass(frozen=True)
class GrowthPrior:
    """Specific growth rate of a patient's unseen metastases: lognormal.

    Parameters
    ----------
    log_rate, log_sd
        Mean and SD of ln(rate per day).
    """

    log_rate: float
    log_sd: float

    @classmethod
    def of(cls, vdt_days: FloatArray, book: EvidenceBook) -> GrowthPrior:
        """Tell how fast metastases grow from the doubling times that are known.

        Beforehand the two published cut-offs of doubling time lie one SD to each side: cut-offs of outlook,
        not a distribution, which was not found. Doubling times that are known move it.

        Parameters
        ----------
        vdt_days
            Doubling times of visible lesions; NaN where unknown, negative for those that shrink.
        book
            The evidence.
        """
        fast, slow = (book.value(f"growth.{name}.doubling", unit="day") for name in ("fast", "slow"))
        middle = math.log(math.log(2) / math.sqrt(fast * slow))
        sharp = (2 / math.log(slow / fast)) ** 2
        known = vdt_days[~np.isnan(vdt_days) & (vdt_days != 0)]
        if not len(known):
            return cls(middle, sharp**-0.5)
        slowest = book.value("occult.growth.slowest", unit="day")
        rates = np.maximum(math.log(2) / known, math.log(2) / slowest)
        weight = len(known) / book.value("occult.growth.lesions", unit="1") ** 2
        middle = (middle * sharp + weight * float(np.log(rates).mean())) / (sharp + weight)
        return cls(middle, (sharp + weight) ** -0.5)

    def at(self, standard: FloatArray) -> FloatArray:
        """Return the rates at standard normal coordinates, per day; beyond 8 SD there are none."""
        return np.asarray(np.exp(self.log_rate + self.log_sd * np.clip(standard, -8, 8)))
