"""`sterilized`: the chance that a metastasis of a given size has no cell left that can regrow it.

Each cell survives an exposure with the same chance, halved by every so much exposure, independently of the
others; a metastasis is sterilized when none of its clonogenic cells survives. A millimeter across is half a
million cells: it takes some ten to twenty halvings of them to leave none. Over a prior of sensitivity of two
decades the chance of one patient is therefore mostly near 0 or near 1, and the expected one says how many
patients are on which side, not what a metastasis of one patient has to expect.

With 50 mg of melphalan and the reference lungs, a metastasis of one millimeter is sterilized almost surely in
about one imagined patient of thirty, and almost never in nine of ten; at 0.2 mm almost surely in one of ten.

The metastases of one lung are not exposed alike: their exposures spread lognormally about the lung's, and the
chance is the mean over them. Where the lung's exposure is far from what decides, nothing changes; near it the
better perfused places are cleared and the others are not.

Left out: cells that are shielded or do not divide, uneven exposure within a metastasis, resistance that
differs among cells. All of them lower the chance, so that the result is nearer to the best that can be hoped
for than to the middle.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.edema_model import HEATED_C, NORMAL_C
from clearlung.perfusion.sensitivity_prior import TumorCells, tumor_cells
from clearlung.perfusion.tumor import log_normal

FloatArray = NDArray[np.float64]

SPREAD = "effect.exposure.spread"
"""Evidence of how exposures differ among the metastases of one lung."""

# Equally likely places of a lung: means over patients are within 0.003 of those with hundreds of places.
_PLACES = 9


def sterilized(
    diameters_mm: FloatArray,
    exposure_mg_min_per_l: FloatArray,
    book: EvidenceBook,
    *,
    drug: str,
    temperature_c: float,
    seed: int = 0,
) -> FloatArray:
    """Return the chance that a metastasis has no clonogenic cell left, shape (draws, sizes).

    Of a metastasis that lies anywhere in the perfused lung: the mean over its places.

    Parameters
    ----------
    diameters_mm
        Sizes, shape (sizes,).
    exposure_mg_min_per_l
        Mean exposure of the lung's tumors, one for each imagined patient, shape (draws,).
    book
        The evidence, with the protocol's own assumptions.
    drug
        One of :data:`~clearlung.perfusion.EFFECT_DRUGS`.
    temperature_c
        Temperature of the perfusate. It changes nothing unless the protocol sets ``effect.heat.factor``.
    seed
        Of the draws of sensitivity and of the number of cells.

    Raises
    ------
    PerfusionError
        If the drug is not known, a size is not above 0, or an exposure is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from clearlung.evidence import load_evidence
    >>> sizes, exposure = np.array([0.2, 1.0, 3.0]), np.full(2000, 500.0)
    >>> chance = sterilized(sizes, exposure, load_evidence(), drug="melphalan", temperature_c=37)
    >>> bool(np.all(np.diff(chance.mean(axis=0)) < 0))
    True
    """
    exposure = np.asarray(exposure_mg_min_per_l, dtype=np.float64)
    cells = tumor_cells(book, drug=drug, draws=len(exposure), seed=seed)
    heat = book.value("effect.heat.factor", unit="1") ** ((temperature_c - NORMAL_C) / (HEATED_C - NORMAL_C))
    places = place_factors(book.value(SPREAD, unit="%"))
    return _mean_chance(diameters_mm, exposure * heat, places, cells)


def place_factors(spread_percent: float, places: int = _PLACES) -> FloatArray:
    """Return exposures at equally likely places of a lung over their mean, shape (places,).

    Middles of equally likely parts of a lognormal distribution of this coefficient of variation; one place
    alone without spread.

    Examples
    --------
    >>> place_factors(0)
    array([1.])
    >>> float(place_factors(30).mean().round(9))
    1.0
    """
    if spread_percent == 0:
        return np.ones(1)
    factors = log_normal(spread_percent, ndtri((np.arange(places) + 0.5) / places))
    return np.asarray(factors / factors.mean())


def chance_sterilized(
    diameters_mm: FloatArray, exposure_mg_min_per_l: FloatArray, cells: TumorCells
) -> FloatArray:
    """Return the chance for cells that are given, shape (draws, sizes).

    A cell is clonogenic with chance f and then survives with chance S. Of n cells none is left with chance
    (1 - f S)^n. A metastasis had at least one, or it would not have grown: given that, the chance is

        ((1 - f S)^n - (1 - f)^n) / (1 - (1 - f)^n)

    which is 0 without exposure, and 1 where nothing survives.

    Parameters
    ----------
    diameters_mm
        Sizes, shape (sizes,).
    exposure_mg_min_per_l
        Exposure of the tumor, shape (draws,).
    cells
        Sensitivity and number of cells, as many draws.

    Raises
    ------
    PerfusionError
        If a size is not above 0, or an exposure is negative or not finite.
    """
    return _mean_chance(diameters_mm, exposure_mg_min_per_l, np.ones(1), cells)


def _mean_chance(
    diameters_mm: FloatArray, exposure_mg_min_per_l: FloatArray, places: FloatArray, cells: TumorCells
) -> FloatArray:
    """Return the mean chance over places, each with so many times the exposure, shape (draws, sizes)."""
    diameters = np.asarray(diameters_mm, dtype=np.float64)
    exposure = np.asarray(exposure_mg_min_per_l, dtype=np.float64)
    if not np.all(diameters > 0):
        raise PerfusionError("diameters_mm", f"take values above 0, not {diameters.min():g}")
    if not np.all((exposure >= 0) & np.isfinite(exposure)):
        raise PerfusionError("exposure_mg_min_per_l", "takes finite values from 0")
    volume_mm3 = math.pi / 6 * diameters**3
    count = np.maximum(cells.cells_per_mm3[:, None] * volume_mm3[None, :], 1.0)
    share, halvings = cells.clonogenic, exposure / cells.halving_mg_min_per_l
    # Where all are clonogenic and all survive the logarithm is -inf, as it should be. Where not even one
    # clonogenic cell is expected the differences are small against 1: keep their digits.
    with np.errstate(divide="ignore"):
        none = np.expm1(count * np.log1p(-share)[:, None])
        left = np.zeros_like(count)
        for place in places.tolist():
            left += np.expm1(count * np.log1p(-share * np.exp2(-place * halvings))[:, None])
    chance: FloatArray = (left / len(places) - none) / -none
    return np.clip(chance, 0.0, 1.0)
