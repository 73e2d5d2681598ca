"""What is taken for likely before anything was seen: each assumption with its spread."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from clearlung.anatomy import Lobe
from clearlung.evidence import EvidenceBook

# Standard normal coordinate of the 95th percentile: the ends of the ranges in the evidence.
_END = 1.6449


@dataclass(frozen=True)
class Spread:
    """A positive number that is not known: its median, and the range that holds nine values in ten.

    Examples
    --------
    >>> Spread(2.0, 1.0, 4.0).at(np.array([-1.6449, 0.0, 1.6449])).round(3).tolist()
    [1.0, 2.0, 4.0]
    """

    value: float
    low: float
    high: float

    @property
    def log_sd(self) -> float:
        """SD of the logarithm."""
        return math.log(self.high / self.low) / (2 * _END)

    @property
    def logit_sd(self) -> float:
        """SD of the log odds, for a share."""
        return float(logit(self.high) - logit(self.low)) / (2 * _END)

    def at(self, standard: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at standard normal coordinates; lognormal about the median."""
        return np.asarray(self.value * np.exp(self.log_sd * standard))

    def times(self, factor: float) -> Spread:
        """Return the spread of a multiple."""
        return Spread(self.value * factor, self.low * factor, self.high * factor)


def spread_of(book: EvidenceBook, key: str, unit: str, *, scale: float = 1.0) -> Spread:
    """Read an entry as a spread; one without a range is certain."""
    value = book.value(key, unit=unit)
    entry = book[key]
    low = value if entry.low is None else entry.low
    high = value if entry.high is None else entry.high
    return Spread(value, low, high).times(scale)


@dataclass(frozen=True)
class OccultPrior:
    """What the estimate assumes before it sees a scan; see ``evidence/occult.toml`` for each.

    Parameters
    ----------
    smallest_mm, largest_mm
        Ends of the axis of sizes.
    last_mm, scatter, power, top_mm
        The law of sizes (:mod:`clearlung.perfusion.occult.law`).
    number_shape, number_scale
        Gamma distribution of the number of all metastases.
    together
        Concentration of the lobes' shares about their volumes.
    evidence
        Ids of the entries.
    """

    smallest_mm: float
    largest_mm: float
    last_mm: Spread
    scatter: Spread
    power: Spread
    top_mm: Spread
    number_shape: float
    number_scale: float
    together: Spread
    evidence: tuple[str, ...]

    @classmethod
    def of(cls, book: EvidenceBook) -> OccultPrior:
        """Read the prior from the evidence."""
        return cls(
            smallest_mm=book.value("occult.smallest", unit="mm"),
            largest_mm=book.value("occult.largest", unit="mm"),
            last_mm=spread_of(book, "occult.law.last", "mm"),
            scatter=spread_of(book, "occult.law.scatter", "1"),
            power=spread_of(book, "occult.law.power", "1"),
            top_mm=spread_of(book, "occult.law.top", "mm"),
            number_shape=book.value("occult.number.shape", unit="1"),
            number_scale=book.value("occult.number.scale", unit="nodule"),
            together=spread_of(book, "occult.lobes.together", "nodule"),
            evidence=(
                "occult.smallest",
                "occult.largest",
                "occult.law.last",
                "occult.law.scatter",
                "occult.law.power",
                "occult.law.top",
                "occult.number.shape",
                "occult.number.scale",
                "occult.lobes.together",
            ),
        )

    def drawn(self, standard: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Return the law's parameters at standard normal coordinates, shape (draws, 4), by their entry."""
        parts = {"last": self.last_mm, "scatter": self.scatter, "power": self.power, "top": self.top_mm}
        return {f"occult.law.{name}": part.at(standard[:, k]) for k, (name, part) in enumerate(parts.items())}

    def changed(self, **changes: object) -> OccultPrior:
        """Return the prior with some assumptions replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]


def lobe_shares(book: EvidenceBook, lobes: tuple[Lobe, ...]) -> NDArray[np.float64]:
    """Return published shares of lung volume of the lobes that there are: shape (lobes,), sum 1."""
    shares = np.array([book.value(f"anatomy.lobe_share.{lobe}", unit="%") for lobe in lobes])
    return np.asarray(shares / shares.sum())
