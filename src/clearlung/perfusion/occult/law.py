"""The growth and seeding law: how many metastases there are of each size, for those that are seen.

A tumor that grows exponentially and sheds in proportion to a power of its size seeds ever more colonies; each
grows exponentially itself. The ages of the colonies are then exponentially distributed, and the number of
colonies above a volume falls as a power of that volume: a straight line in a log-log plot, with the ratio of
the growth rates as its slope [1]_ [2]_. Seeding ends, for instance when the primary is removed, and the
colonies grow on: below the size that those seeded last have reached there are few. As colonies grow at
different rates, that size scatters lognormally. So

    ln(diameter) = ln(last) + scatter * Z + E / (3 * power)

with Z standard normal and E standard exponential: an exponentially modified Gaussian. Without scatter it is
the power law above a smallest size, with a large power a lognormal law: one law for both, and what is seen
weighs them. The oldest are cut off softly, where the first seeding ended and growth slows (Gompertz).

References
----------
.. [1] Lee and Withers, on the distribution of the sizes of metastases from exponential growth of both.
.. [2] Iwata K, Kawasaki K, Shigesada N. A dynamical model for the growth and size distribution of multiple
   metastatic tumors. J Theor Biol 2000;203:177.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clearlung.perfusion.occult.prior import OccultPrior

FloatArray = NDArray[np.float64]

PARAMETERS = 4
"""How many parameters the law has: last, scatter, power and top."""

# Sizes per decade of diameter: bins of 15 %, not much above the error of a measured diameter.
_PER_DECADE = 16
# The cut at the top is as soft as this, in ln(diameter).
_TOP_WIDTH = 0.1
_SMALLEST = 1e-300
_FAR = 5.0


@dataclass(frozen=True, eq=False)
class SizeAxis:
    """The axis of sizes: bins of equal width in the logarithm.

    Parameters
    ----------
    edges_mm
        Shape (k + 1,).
    diameters_mm
        Shape (k,): geometric middle of each bin.
    """

    edges_mm: FloatArray
    diameters_mm: FloatArray

    @classmethod
    def of(cls, prior: OccultPrior) -> SizeAxis:
        """Return the axis from the smallest to the largest metastasis of a prior."""
        decades = np.log10(prior.largest_mm / prior.smallest_mm)
        edges = np.geomspace(prior.smallest_mm, prior.largest_mm, round(decades * _PER_DECADE) + 1)
        return cls(edges, np.sqrt(edges[1:] * edges[:-1]))

    @property
    def logs(self) -> FloatArray:
        """Logarithms of the middles, shape (k,)."""
        return np.asarray(np.log(self.diameters_mm))

    def bins(self, diameter_mm: FloatArray) -> NDArray[np.intp]:
        """Return the bin of each diameter; what lies beyond an end belongs to the bin there."""
        place = np.searchsorted(self.edges_mm, diameter_mm, side="right") - 1
        return np.clip(place, 0, len(self.diameters_mm) - 1)


def size_shares(prior: OccultPrior, standard: FloatArray, axis: SizeAxis) -> FloatArray:
    """Return the share of metastases in each bin, by many laws.

    Parameters
    ----------
    prior
        Medians and spreads of the law's parameters.
    standard
        Shape (draws, 4): their standard normal coordinates.
    axis
        The bins.

    Returns
    -------
    float64
        Shape (draws, k), rows sum to 1.
    """
    return np.asarray(
        _shares(
            np.log(prior.last_mm.at(standard[:, 0])),
            prior.scatter.at(standard[:, 1]),
            3.0 * prior.power.at(standard[:, 2]),
            np.log(prior.top_mm.at(standard[:, 3])),
            axis.logs,
        )
    )


@njit(cache=True)
def _shares(last: Any, scatter: Any, slope: Any, top: Any, logs: Any) -> Any:
    """Density of the exponentially modified Gaussian at each size, cut off at the top, as shares."""
    out = np.empty((len(last), len(logs)))
    for row in range(len(last)):
        s, a = scatter[row], slope[row]
        total = 0.0
        for column in range(len(logs)):
            beyond = logs[column] - last[row]
            z = (a * s - beyond / s) / math.sqrt(2.0)
            if z < _FAR:
                density = math.exp(a * (0.5 * a * s * s - beyond)) * math.erfc(z)
            else:
                # The complementary error function far out, where it and the exponential go separate ways.
                density = math.exp(-0.5 * (beyond / s) ** 2) * (1 - 0.5 / z**2 + 0.75 / z**4)
                density /= z * math.sqrt(math.pi)
            density = density / (1.0 + math.exp((logs[column] - top[row]) / _TOP_WIDTH)) + _SMALLEST
            out[row, column] = density
            total += density
        for column in range(len(logs)):
            out[row, column] /= total
    return out
