"""How fast what is not seen grows: from the doubling times of what is seen, or from published cut-offs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clearlung.evidence import EvidenceBook

FloatArray = NDArray[np.float64]

GROWTH_EVIDENCE = ("growth.fast.doubling", "growth.slow.doubling", "occult.growth.lesions")
"""Ids of the entries that growth rates rest on."""


def growth_rates(
    vdt_days: FloatArray, book: EvidenceBook, draws: int, rng: np.random.Generator
) -> FloatArray:
    """Draw specific growth rates of a patient's metastases.

    Beforehand the rate is lognormal, with the two published cut-offs of doubling time one SD to each side:
    cut-offs of outlook, not a distribution, which was not found. Doubling times that are known move it.

    Parameters
    ----------
    vdt_days
        Doubling times of visible lesions; NaN where unknown, negative for those that shrink.
    book
        The evidence.
    draws, rng
        How many, and the random numbers.

    Returns
    -------
    float64
        Shape (draws,): of the volume, per day; ln 2 / doubling time.
    """
    fast, slow = (book.value(f"growth.{name}.doubling", unit="day") for name in ("fast", "slow"))
    middle = math.log(math.log(2) / math.sqrt(fast * slow))
    sd = math.log(slow / fast) / 2
    known = vdt_days[np.isfinite(vdt_days) & (vdt_days != 0)]
    if len(known):
        slowest = book.value("occult.growth.slowest", unit="day")
        rates = np.maximum(math.log(2) / known, math.log(2) / slowest)
        scatter = book.value("occult.growth.lesions", unit="1")
        weight = len(known) / scatter**2
        sharp = 1 / sd**2 + weight
        middle = (middle / sd**2 + weight * float(np.log(rates).mean())) / sharp
        sd = sharp**-0.5
    return np.asarray(np.exp(middle + sd * rng.standard_normal(draws)))
