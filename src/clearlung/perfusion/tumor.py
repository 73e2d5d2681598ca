"""How much of a drug tumor takes up: a prior so wide that a phase I trial's doses do not show in it.

In people the dose of melphalan did not predict the level in the tumor (Grootenboers 2007), and no absolute
level was found. What was measured elsewhere lies between 0.023 of the perfusate (a rat's limb) and the level
of lung itself (platinum in people). The ratio of tumor to lung is therefore drawn log-uniform between such
ends: any order of size is as likely as any other. A patient's lung differs from the mean lung besides.
"""

from __future__ import annotations

import math

import numpy as np

from clearlung.evidence import EvidenceBook
from clearlung.perfusion.compartments import FloatArray

OVER_LUNG, LUNG_SPREAD = "kinetics.tumor.over_lung", "kinetics.spread.lung"
"""Evidence of the ratio of tumor to lung, and of the spread of lung levels between patients."""

# One stream of random numbers, so that row i is one imagined patient here and elsewhere.
_STREAM = 20


def tumor_factors(book: EvidenceBook, *, draws: int = 2000, seed: int = 0) -> FloatArray:
    """Return tumor exposure over a typical lung's free exposure, shape (draws,).

    The ratio of tumor to lung times the patient's lung over the typical one. An assumption that a protocol
    has set has no range: then only the spread between patients is left.
    """
    rng = np.random.default_rng([seed, _STREAM])
    shares, normal = rng.random(draws), rng.standard_normal(draws)
    return ratio_at(book, shares) * log_normal(book.value(LUNG_SPREAD, unit="%"), normal)


def lung_factors(book: EvidenceBook, *, draws: int = 2000, seed: int = 0) -> FloatArray:
    """Return a patient's lung exposure over the typical one, shape (draws,); the same patients as above."""
    rng = np.random.default_rng([seed, _STREAM])
    rng.random(draws)
    return log_normal(book.value(LUNG_SPREAD, unit="%"), rng.standard_normal(draws))


def ratio_at(book: EvidenceBook, shares: FloatArray) -> FloatArray:
    """Return the ratios of tumor to lung at shares of their log-uniform range, 0 to 1."""
    entry = book[OVER_LUNG]
    if entry.low is None or entry.high is None:
        return np.full_like(shares, entry.value)
    return np.asarray(entry.low * (entry.high / entry.low) ** shares)


def log_normal(spread_percent: float, normal: FloatArray) -> FloatArray:
    """Return log-normal factors of mean 1 and this coefficient of variation from standard normal draws."""
    variance = math.log1p((spread_percent / 100) ** 2)
    return np.exp(math.sqrt(variance) * normal - variance / 2)
