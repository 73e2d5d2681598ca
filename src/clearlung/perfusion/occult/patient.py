"""`OccultCase`: one patient as the estimate sees it; the same for all operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Lobe
from clearlung.perfusion.occult.detection import DetectionCurve
from clearlung.perfusion.occult.growth import GrowthPrior
from clearlung.perfusion.occult.law import SizeAxis
from clearlung.perfusion.occult.palpation import Palpation
from clearlung.perfusion.occult.prior import OccultPrior

FloatArray = NDArray[np.float64]

# Imagined outcomes of which nodules are metastases; more do not change an interval.
_OUTCOMES = 256


@dataclass(frozen=True, eq=False)
class Counts:
    """What is seen, as far as the estimate goes.

    Parameters
    ----------
    by_size
        Shape (k,): expected number of metastases among the visible nodules of each size.
    by_lobe
        Shape (outcomes, lobes): metastases in each lobe, for imagined outcomes of which nodules are.
    """

    by_size: FloatArray
    by_lobe: FloatArray

    @classmethod
    def of(
        cls,
        size: NDArray[np.intp],
        lobe: NDArray[np.intp],
        chance: FloatArray,
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> Counts:
        """Count nodules, given the bin, the lobe's column and the chance of each; shape is (k, lobes)."""
        order = np.lexsort((chance, lobe, size))
        size, lobe, chance = size[order], lobe[order], chance[order]
        by_size = np.bincount(size, weights=chance, minlength=shape[0]).astype(np.float64)
        is_metastasis = rng.random((_OUTCOMES, len(chance))) < chance
        member = lobe[:, None] == np.arange(shape[1])
        return cls(by_size, is_metastasis.astype(np.float64) @ member.astype(np.float64))


@dataclass(frozen=True, eq=False)
class OccultCase:
    """What an estimate is made from; findings of operations are added to it.

    Parameters
    ----------
    lobes, volumes
        The lobes that there are, and their shares of lung volume, shape (lobes,).
    counts
        What the CT shows.
    axis
        Sizes on the day of the CT.
    prior, detection, growth, palpation
        What is assumed of sizes and numbers, of the CT, of growth and of the hand.
    """

    lobes: tuple[Lobe, ...]
    volumes: FloatArray
    counts: Counts
    axis: SizeAxis
    prior: OccultPrior
    detection: DetectionCurve
    growth: GrowthPrior
    palpation: Palpation
